//! How old a view may be, and how long a catalog that does not answer is waited for.

use tokio::time::advance;
use vidstream_catalog::Options;

use super::*;

const MOMENT: Duration = Duration::from_millis(1);

fn view() -> View {
    View::new(None, 0, &Arc::default(), Instant::now())
}

#[tokio::test(start_paused = true)]
async fn a_view_is_fresh_for_a_second_or_until_something_is_heard() {
    let seen = view();
    advance(VIEW_AGE_MAX.saturating_sub(MOMENT)).await;
    assert!(seen.is_fresh(Instant::now().into()));
    advance(MOMENT).await;
    assert!(!seen.is_fresh(Instant::now().into()));
    let seen = view();
    seen.epoch_now.fetch_add(1, Ordering::AcqRel);
    assert!(!seen.is_fresh(Instant::now().into()));
}

#[tokio::test(start_paused = true)]
async fn a_view_that_cannot_be_read_again_is_served_for_an_hour() {
    let seen = Arc::new(view());
    let again = || View::again(Some(Arc::clone(&seen)), 0, Instant::now());
    advance(VIEW_STALE_MAX.saturating_sub(MOMENT)).await;
    // Its hour began when the catalog confirmed it, however often it was served since.
    assert_eq!(again().map(|view| view.confirmed_at), Some(seen.confirmed_at));
    advance(MOMENT).await;
    assert!(again().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_does_not_answer_is_waited_for_three_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/catalog.db", folder.path().display());
    let views = Views::new(Catalog::open(&url, Options::default()).await.unwrap());
    let id = VideoId::from_bits(1);
    // Somebody else's read, which does not end.
    let _reading = views.stripe(id).unwrap().reading.lock().await;
    let began = Instant::now();
    let silent = views.get(id).await.unwrap_err();
    assert_eq!((silent.kind, began.elapsed().as_secs()), (Kind::CatalogUnavailable, CATALOG_WAIT_MAX.as_secs()));
}
