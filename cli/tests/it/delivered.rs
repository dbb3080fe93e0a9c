//! All that clients get of a film, to be held against what they get of it elsewhere.

use std::collections::BTreeMap;

use crate::server::Server;

/// Entity tags and bodies by their paths.
pub(crate) type Delivered = BTreeMap<String, (Option<String>, Vec<u8>)>;

/// The video and its events, its documents, and whatever its playlists name, to the last segment.
pub(crate) async fn delivered(server: &Server, id: &str) -> Delivered {
    let video = server.video(id).await;
    let urls = video["urls"].as_object().unwrap().values().filter_map(|url| Some(url.as_str()?.to_owned()));
    let mut asked: Vec<String> = urls.collect();
    asked.extend(["", "/events"].map(|end| format!("/v1/videos/{id}{end}")));
    let mut found = Delivered::new();
    while let Some(path) = asked.pop() {
        if found.contains_key(&path) {
            continue;
        }
        let answer = server.http.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let body = answer.bytes().await.unwrap().to_vec();
        if path.rsplit_once('.').is_some_and(|(_, kind)| kind == "m3u8") {
            let (folder, _) = path.rsplit_once('/').unwrap();
            asked.extend(uris(std::str::from_utf8(&body).unwrap()).iter().map(|uri| format!("{folder}/{uri}")));
        }
        found.insert(path, (tag, body));
    }
    for end in [".mpd", "/audio/1.m4s", "/trick/1.m4s", "p/1.m4s", "/init.mp4", "/thumbnails/1.jpg", "/poster.jpg"] {
        assert!(found.keys().any(|path| path.ends_with(end)), "{end}: {:?}", found.keys());
    }
    found
}

/// Nothing is missing, nothing came, and each byte is as it was.
pub(crate) fn assert_same(before: &Delivered, after: &Delivered) {
    let paths = before.keys().chain(after.keys());
    let other: Vec<&String> = paths.filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(other.is_empty(), "not as before: {other:?}");
}

/// Every relative URI of a playlist, in attributes and on lines of their own.
pub(crate) fn uris(playlist: &str) -> Vec<String> {
    let attributes = playlist.split("URI=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let lines = playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    attributes.chain(lines).map(str::to_owned).collect()
}
