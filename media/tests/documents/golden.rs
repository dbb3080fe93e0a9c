//! The exact text of every document: first of a film that has just become playable, then of it when ready.

use vidstream_media::{Presentation, dash, hls, storyboard};

use super::films;

fn all_documents(presentation: &Presentation) -> String {
    let mut text = String::new();
    let mut add = |name: &str, document: Option<String>| {
        let document = document.unwrap_or_else(|| String::from("(none)\n"));
        text.extend(["=== ", name, "\n", &document]);
    };
    add("master.m3u8", Some(hls::multivariant(presentation)));
    add("manifest.mpd", Some(dash::mpd(presentation)));
    for track in presentation.plan.tracks() {
        add(&format!("1/{track}/index.m3u8"), hls::media(presentation, track));
        add(&format!("1/{track}/iframes.m3u8"), hls::iframes(presentation, track));
    }
    add("1/thumbnails.m3u8", hls::images(presentation));
    add("1/thumbnails.vtt", storyboard::vtt(presentation));
    add("1/thumbnails.json", storyboard::json(presentation));
    text
}

#[test]
fn documents_of_playable_films() {
    for (name, film) in films::ALL {
        insta::assert_snapshot!(format!("{name}_playable"), all_documents(&films::playable(film)));
    }
}

#[test]
fn documents_of_ready_films() {
    for (name, film) in films::ALL {
        insta::assert_snapshot!(format!("{name}_ready"), all_documents(&films::ready(film)));
    }
}
