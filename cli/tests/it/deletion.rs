//! DELETE while chunks are being encoded.

use std::time::Duration;

use vidstream_testkit::{Clip, Encoding};

use crate::server::{Server, alive, until};

#[tokio::test]
async fn deleting_while_encoding_ends_the_children_and_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let clip = Clip::new((1280, 720), 30, 60).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&clip).await;
    let before = server.until(&id, "processing", Duration::from_secs(30), |video| video["playable"] == true).await;
    let master = before["urls"]["hls"].as_str().unwrap().to_owned();
    let children = server.children();
    let delete = || server.http.delete(format!("{}/v1/videos/{id}", server.url)).send();
    assert_eq!(delete().await.unwrap().status(), 202);
    assert_eq!(server.http.get(format!("{}{master}", server.url)).send().await.unwrap().status(), 404);
    // One spare child may wait for a next job; those that worked on the video are gone.
    let left = || children.iter().filter(|pid| alive(**pid)).count();
    until("without children", Duration::from_secs(2), || left() <= 1).await;
    until("without objects", Duration::from_secs(10), || !folder.path().join("data/objects").join(&id).exists()).await;
    let gone = async || server.http.get(format!("{}/v1/videos/{id}", server.url)).send().await.unwrap();
    server.until(&id, "gone", Duration::from_secs(10), |video| video["code"] == "deleted").await;
    assert_eq!(gone().await.status(), 410);
    assert_eq!(delete().await.unwrap().status(), 410);
}
