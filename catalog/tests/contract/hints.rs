//! Hints of what is committed.

use std::time::Duration;

use vidstream_catalog::HintKind;

use crate::fixture::{Adapter, new_id, open, upload};

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
