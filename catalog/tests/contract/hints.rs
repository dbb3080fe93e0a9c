//! Hints of what is committed.

use std::time::Duration;

use vidstream_catalog::HintKind;

use crate::fixture::{Adapter, BACKGROUND, claim, new_id, open, plan, planned, upload};

pub async fn hints_follow_commits(place: &dyn Adapter) {
    let catalog = open(place).await;
    let mut hints = catalog.hints();
    let id = upload(&catalog).await;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let hint = tokio::time::timeout(Duration::from_secs(10), hints.recv()).await.unwrap().unwrap();
        assert_eq!(hint.video, Some(id));
        kinds.push(hint.kind);
    }
    assert!(kinds.contains(&HintKind::Job) && kinds.contains(&HintKind::Event));
    // What was refused gives none.
    let refused = catalog.finish_upload(new_id(), 1, None).await;
    assert!(refused.is_err());
    assert!(hints.try_recv().is_err());
}

pub async fn a_claim_of_a_chunk_is_no_news(place: &dyn Adapter) {
    let catalog = open(place).await;
    planned(&catalog, plan(200, &[1; 29])).await;
    let mut hints = catalog.hints();
    assert!(claim(&catalog, BACKGROUND).await.is_some());
    assert!(hints.try_recv().is_err(), "a line in the timeline of a video that all would be told of");
}
