//! Hints as text between processes: who commits, then a line for each hint. Pure.

use vidstream_media::VideoId;

use crate::{Hint, HintKind, limits};

/// The kinds by their names.
const KINDS: [(&str, HintKind); 4] = [
    ("job", HintKind::Job),
    ("media", HintKind::Media),
    ("event", HintKind::Event),
    ("cancelled", HintKind::Cancelled),
];

/// A hint of every kind about any video: for those who may have missed some.
pub(crate) fn anything() -> impl Iterator<Item = Hint> {
    KINDS.iter().map(|&(_, kind)| Hint { video: None, kind })
}

/// A name for this process that no other has.
pub(crate) fn instance() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The text of a message with as many of the hints as fit, and how many those are.
pub(crate) fn write(instance: &str, hints: &[Hint]) -> (String, usize) {
    let mut text = instance.to_owned();
    for (written, hint) in hints.iter().enumerate() {
        let kind = KINDS.iter().find(|(_, kind)| *kind == hint.kind).map_or("", |(name, _)| name);
        let line = hint.video.map_or_else(|| format!("\n{kind}"), |video| format!("\n{kind} {video}"));
        if text.len() + line.len() > limits::NOTIFICATION_BYTES_MAX {
            return (text, written);
        }
        text.push_str(&line);
    }
    (text, hints.len())
}

/// The hints of a message, unless it is our own. What is not understood is left out: another version may say more.
pub(crate) fn read(instance: &str, text: &str) -> Vec<Hint> {
    let mut lines = text.lines();
    if lines.next().is_none_or(|from| from == instance) {
        return Vec::new();
    }
    lines.filter_map(line).collect()
}

fn line(line: &str) -> Option<Hint> {
    let (name, video) = line.split_once(' ').map_or((line, None), |(name, video)| (name, Some(video)));
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
    let video: Option<VideoId> = match video {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(Hint { video, kind: *kind })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn others_read_what_was_written_and_the_writer_does_not() {
        let video = Some(VideoId::from_bits(7));
        let hints: Vec<Hint> = KINDS.iter().map(|&(_, kind)| Hint { video, kind }).chain(anything()).collect();
        let (text, written) = write("a", &hints);
        assert_eq!((written, read("b", &text)), (hints.len(), hints));
        assert_eq!(read("a", &text), []);
        for odd in ["", "a", "a\nnews", "a\njob ../../x", "a\n"] {
            assert_eq!(read("b", odd), [], "{odd:?}");
        }
    }

    #[test]
    fn a_message_has_so_many_bytes_and_says_how_much_of_it_fitted() {
        let many = vec![Hint { video: Some(VideoId::from_bits(7)), kind: HintKind::Cancelled }; 1_000];
        let (text, written) = write("a", &many);
        let line_bytes = (text.len() - 1) / written;
        assert!(text.len() <= limits::NOTIFICATION_BYTES_MAX);
        assert!(text.len() + line_bytes > limits::NOTIFICATION_BYTES_MAX, "one more would have fitted");
        assert_eq!(read("b", &text).len(), written);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}(\n(job|media|x)( vid_[0-9a-z]{0,26})?){0,3}") {
            prop_assert!(read("a", &text).len() <= text.lines().count());
        }
    }
}
