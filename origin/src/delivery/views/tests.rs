//! How old a view may be, and how long a catalog that does not answer is waited for.

use tokio::time::{advance, pause, resume};

use super::*;
use crate::scratch;

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
async fn the_age_of_the_oldest_view_that_was_served_is_told_for_a_while() {
    let (_folder, catalog) = scratch::catalog().await.unwrap();
    let views = Views::new(catalog);
    assert_eq!(views.stalest(), Duration::ZERO);
    let old = Arc::new(view());
    advance(Duration::from_secs(10)).await;
    let young = Arc::new(view());
    advance(Duration::from_secs(5)).await;
    for seen in [&old, &young] {
        assert!(views.again(Some(Arc::clone(seen)), 0, Instant::now()).is_some());
    }
    advance(VIEW_STALE_SHOWN.saturating_sub(MOMENT)).await;
    assert_eq!(views.stalest(), Duration::from_secs(15));
    advance(MOMENT).await;
    assert_eq!(views.stalest(), Duration::ZERO);
    // What is older and over gives its place to what is younger.
    let seen = Arc::new(view());
    advance(MOMENT).await;
    assert!(views.again(Some(seen), 0, Instant::now()).is_some());
    assert_eq!(views.stalest(), MOMENT);
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_does_not_answer_is_waited_for_three_seconds() {
    let (_folder, catalog) = scratch::catalog().await.unwrap();
    let views = Views::new(catalog);
    let id = VideoId::from_bits(1);
    // Somebody else's read, which does not end.
    let _reading = views.stripe(id).unwrap().reading.lock().await;
    let began = Instant::now();
    let silent = views.get(id).await.unwrap_err();
    assert_eq!((silent.kind, began.elapsed().as_secs()), (Kind::CatalogUnavailable, CATALOG_WAIT_MAX.as_secs()));
}

#[tokio::test]
async fn while_the_catalog_is_silent_a_known_view_is_waited_for_once() {
    let (_folder, catalog) = scratch::catalog().await.unwrap();
    let views = Views::new(catalog);
    let id = VideoId::from_bits(1);
    let known = views.get(id).await.unwrap();
    // Time stands still where nobody reads: a read waits for a thread, of which a paused clock knows nothing.
    pause();
    let reading = views.stripe(id).unwrap().reading.lock().await;
    // The background's look at the catalog does not take place.
    let probing = Arc::clone(&views.probing).try_acquire_owned().unwrap();
    let mut waits = Vec::new();
    for _ in 0..3 {
        advance(VIEW_AGE_MAX).await;
        let began = Instant::now();
        assert_eq!(views.get(id).await.unwrap().confirmed_at, known.confirmed_at);
        waits.push(began.elapsed().as_secs());
    }
    assert_eq!(waits, [CATALOG_WAIT_MAX.as_secs(), 0, 0]);
    // It answers again, which the look in the background of the next to ask finds.
    drop((reading, probing));
    advance(VIEW_AGE_MAX).await;
    resume();
    assert_eq!(views.get(id).await.unwrap().confirmed_at, known.confirmed_at);
    let _looked = views.probing.acquire().await.unwrap();
    pause();
    advance(VIEW_AGE_MAX).await;
    resume();
    assert!(views.get(id).await.unwrap().confirmed_at > known.confirmed_at);
}
