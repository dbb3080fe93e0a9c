//! DELETE while chunks are being encoded.

use std::{
    fs,
    time::{Duration, Instant},
};

use vidstream_testkit::{Clip, Encoding};

use crate::server::{Server, until};

/// The children of a deleted video have ended within this.
const CHILDREN_END_MAX: Duration = Duration::from_secs(2);
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn deleting_while_encoding_ends_the_children_and_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of_known_children(&folder.path().join("data"), &[]).await;
    let clip = Clip::new((1280, 720), 30, 60).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&clip).await;
    let before = server.until(&id, "processing", Duration::from_secs(30), |video| video["playable"] == true).await;
    let master = before["urls"]["hls"].as_str().unwrap().to_owned();
    until("children at work", STEP_WAIT_MAX, || !server.busy().is_empty()).await;
    let delete = || server.http.delete(format!("{}/v1/videos/{id}", server.url)).send();
    assert_eq!(delete().await.unwrap().status(), 202);
    assert_eq!(server.http.get(format!("{}{master}", server.url)).send().await.unwrap().status(), 404);
    // All that worked are gone. One that was never given a job may be there: the spare child.
    until("without children", CHILDREN_END_MAX, || server.busy().is_empty() && server.children().len() <= 1).await;
    until("without objects", STEP_WAIT_MAX, || !folder.path().join("data/objects").join(&id).exists()).await;
    let gone = async || server.http.get(format!("{}/v1/videos/{id}", server.url)).send().await.unwrap();
    server.until(&id, "gone", STEP_WAIT_MAX, |video| video["code"] == "deleted").await;
    assert_eq!(gone().await.status(), 410);
    assert_eq!(delete().await.unwrap().status(), 410);
    // The one that is left was the spare indeed: it does the next job, or the one after if it was still starting.
    until("a spare child", STEP_WAIT_MAX, || server.children().len() == 1).await;
    let spare = server.children()[0];
    let has_begun = || server.begun().iter().any(|busy| busy.pid == spare);
    assert!(!has_begun());
    let garbage = folder.path().join("garbage");
    fs::write(&garbage, vec![7; 100_000]).unwrap();
    let deadline = Instant::now() + STEP_WAIT_MAX;
    while !has_begun() {
        assert!(Instant::now() < deadline, "the child that is left takes no job");
        let id = server.upload(&garbage).await;
        server.until(&id, "failed", STEP_WAIT_MAX, |video| video["state"] == "failed").await;
    }
}
