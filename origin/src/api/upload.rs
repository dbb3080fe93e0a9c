//! Plain uploads: a raw body goes to the store as it arrives, and is scanned meanwhile.
//!
//! The video exists from the first byte on, and is acknowledged when its last one is durable. Each
//! upload runs in a task of its own, so that a client that goes away leaves nothing half done.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    sync::Semaphore,
    time::{Instant, interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vidstream_catalog::{Error, Lookup, NewUpload, State, Video};
use vidstream_media::VideoId;
use vidstream_store::{Key, Writer};

use super::{Call, answer, digest::Digest, expiry, query::Query, video};
use crate::{
    app::App,
    limits::{FINISH_PAUSE, FINISH_TRIES_MAX, TITLE_CHARS_MAX, UPLOAD_FLUSH, UPLOAD_RENEW, UPLOADS_MAX},
    respond::{Body, Kind, Problem},
};

const UNTITLED: &str = "Untitled";
/// Content types that are not a video but a wrapping of one, or a wish for another API.
const REFUSED_TYPES: [&str; 2] = ["application/json", "multipart/form-data"];

/// The uploads that run.
pub(crate) struct Uploads {
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// One upload.
struct Upload {
    app: Arc<App>,
    title: String,
    bytes_expected: Option<u64>,
    expires_at_ms: Option<i64>,
}

/// What is durable of an upload.
struct Stored {
    bytes: u64,
    sha256: String,
}

// === impl Uploads ===

impl Uploads {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(UPLOADS_MAX)), tasks: TaskTracker::new(), end: CancellationToken::new() }
    }

    /// Ends what still runs, and waits until it has cleaned up behind itself.
    pub(crate) async fn stop(&self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// `POST` or `PUT /v1/videos?title=&expires_at=`.
pub(super) async fn receive(call: &mut Call<'_>) -> Result<Response<Body>, Problem> {
    let query = call.query()?;
    let title = title(&query)?;
    let expires_at_ms = expiry::of_new(&query, call.app.expire_after)?;
    check_type(&call.request.headers)?;
    let bytes_expected = content_length(&call.request.headers);
    let bytes_max = call.app.upload_bytes_max;
    if bytes_expected.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let uploads = &call.app.uploads;
    let busy = |_| Kind::Busy.because("too many uploads run already");
    let place = Arc::clone(&uploads.places).try_acquire_owned().map_err(busy)?;
    let Some(mut body) = call.body.take() else { return Err(empty()) };
    let upload = Upload { app: Arc::clone(call.app), title, bytes_expected, expires_at_ms };
    let task = uploads.tasks.spawn(async move {
        let _place = place;
        let result = upload.run(&mut body).await;
        (result, body)
    });
    let Ok((result, rest)) = task.await else { return Err(Kind::Internal.because("the upload ended unexpectedly")) };
    // What is left of a refused body is read on by the caller.
    *call.body = Some(rest);
    let stored = result?;
    let mut response = answer(StatusCode::ACCEPTED, &video::render(&call.app.views, &stored).await);
    let location = HeaderValue::try_from(format!("/v1/videos/{}", stored.id));
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    Ok(response)
}

/// A title as it is kept: trimmed, not empty, of bounded length and without control characters.
pub(super) fn check_title(text: &str) -> Result<String, Problem> {
    let title = text.trim();
    let length = title.chars().count();
    if length == 0 || length > TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        let detail = format!("a title has 1 to {TITLE_CHARS_MAX} characters and no control characters");
        return Err(Kind::InvalidTitle.because(detail));
    }
    Ok(title.to_owned())
}

// === impl Upload ===

impl Upload {
    async fn run(&self, body: &mut Incoming) -> Result<Video, Problem> {
        let first = self.first(body).await?;
        let id = VideoId::from_bits(uuid::Uuid::now_v7().as_u128());
        let Self { bytes_expected, expires_at_ms, .. } = *self;
        let new = NewUpload { id, title: self.title.clone(), bytes_expected, expires_at_ms };
        self.app.catalog.create_upload(new).await?;
        match self.store(id, first, body).await {
            Ok(stored) => self.finish(id, stored).await,
            Err(problem) => {
                tracing::info!(video = %id, code = ?problem.kind, "an upload was given up");
                self.abandon(id).await;
                Err(problem)
            }
        }
    }

    /// The first bytes; a video is made for nothing less.
    async fn first(&self, body: &mut Incoming) -> Result<Bytes, Problem> {
        let reading = async {
            loop {
                let Some(frame) = body.frame().await else { return Err(empty()) };
                let frame = frame.map_err(|_| broken())?;
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(data);
                }
            }
        };
        tokio::select! {
            first = timeout(self.app.patience.body_idle, reading) => first.unwrap_or_else(|_| Err(stalled())),
            () = self.app.uploads.end.cancelled() => Err(ending()),
        }
    }

    /// Stores the body; gives its size and digest once it is durable.
    async fn store(&self, id: VideoId, first: Bytes, body: &mut Incoming) -> Result<Stored, Problem> {
        let mut writer = self.app.store.writer(&Key::Source { id }).await?;
        if let Some(bytes) = self.bytes_expected {
            writer.expect(bytes);
        }
        match self.fill(id, &mut writer, first, body).await {
            Ok(sha256) => {
                let bytes = self.held(id, Box::pin(writer.finish())).await?;
                Ok(Stored { bytes, sha256 })
            }
            Err(problem) => {
                // Before the catalog hears of it: what is deleted then is all that there is.
                writer.discard().await;
                Err(problem)
            }
        }
    }

    /// Gives the body to the store as it arrives, and at its end the digest.
    async fn fill(
        &self,
        id: VideoId,
        writer: &mut Writer,
        first: Bytes,
        body: &mut Incoming,
    ) -> Result<String, Problem> {
        let mut digest = Digest::default();
        self.append(id, writer, &mut digest, first).await?;
        // The probe reads along from here on.
        self.held(id, writer.flush()).await?;
        let idle_max = self.app.patience.body_idle;
        let mut tick = interval(UPLOAD_FLUSH.min(idle_max / 2));
        let (mut renewed, mut arrived) = (Instant::now(), Instant::now());
        loop {
            if renewed.elapsed() >= UPLOAD_RENEW {
                self.renew(id).await?;
                renewed = Instant::now();
            }
            tokio::select! {
                frame = body.frame() => {
                    let Some(frame) = frame else { return self.held(id, digest.finish()).await };
                    if let Ok(data) = frame.map_err(|_| broken())?.into_data() {
                        self.append(id, writer, &mut digest, data).await?;
                    }
                    arrived = Instant::now();
                }
                _ = tick.tick() => {
                    self.held(id, writer.flush()).await?;
                    if arrived.elapsed() >= idle_max {
                        return Err(stalled());
                    }
                }
                () = self.app.uploads.end.cancelled() => return Err(ending()),
            }
        }
    }

    /// Waits for the store, which may be away for a while, or for a thread, and keeps the lease meanwhile.
    async fn held<T, E>(&self, id: VideoId, work: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        tokio::pin!(work);
        loop {
            match timeout(UPLOAD_RENEW, &mut work).await {
                Ok(done) => return Ok(done?),
                Err(_) => self.renew(id).await?,
            }
        }
    }

    async fn append(&self, id: VideoId, writer: &mut Writer, digest: &mut Digest, data: Bytes) -> Result<(), Problem> {
        let bytes_max = self.app.upload_bytes_max;
        if writer.bytes().saturating_add(data.len() as u64) > bytes_max {
            return Err(too_large(bytes_max));
        }
        metrics::counter!("vidstream_upload_bytes_total").increment(data.len() as u64);
        self.held(id, digest.update(&data)).await?;
        self.held(id, writer.write(data)).await
    }

    async fn renew(&self, id: VideoId) -> Result<(), Problem> {
        match self.app.catalog.renew_upload(id).await {
            Ok(()) => Ok(()),
            // The lease outlasts three of these.
            Err(error @ (Error::Busy | Error::Unavailable(_))) => {
                tracing::warn!(video = %id, %error, "an upload was not renewed; tried again");
                Ok(())
            }
            Err(Error::NotFound | Error::Conflict(_)) => Err(self.rejection(id).await),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the catalog that all bytes are durable.
    async fn finish(&self, id: VideoId, stored: Stored) -> Result<Video, Problem> {
        let mut tries = 1;
        let error = loop {
            match self.app.catalog.finish_upload(id, stored.bytes, Some(stored.sha256.clone())).await {
                Ok(video) => return Ok(video),
                Err(Error::Busy | Error::Unavailable(_)) if tries < FINISH_TRIES_MAX => {
                    tries += 1;
                    sleep(FINISH_PAUSE).await;
                }
                Err(error) => break error,
            }
        };
        let problem = match error {
            Error::NotFound | Error::Conflict(_) => self.rejection(id).await,
            error => error.into(),
        };
        self.abandon(id).await;
        if let Err(error) = self.app.store.delete(&Key::Source { id }).await {
            tracing::warn!(video = %id, error = &error as &dyn std::error::Error, "the bytes of a refused upload stay behind");
        }
        Err(problem)
    }

    /// Why the catalog does not want the upload any more.
    async fn rejection(&self, id: VideoId) -> Problem {
        match self.app.catalog.lookup(id).await {
            Ok(Lookup::Live(Video { state: State::Failed, error: Some(error), .. })) => {
                Problem { code: Some(error.code), ..Kind::UploadRejected.because(error.detail) }
            }
            Ok(Lookup::Live(Video { state: State::Deleting, .. }) | Lookup::Deleted) => {
                Kind::Deleted.because("the video was deleted while it was uploaded")
            }
            Ok(_) => Kind::Conflict.because("the upload expired"),
            Err(error) => error.into(),
        }
    }

    /// Forgets the upload. If that fails its lease runs out, and the sweeper does it.
    async fn abandon(&self, id: VideoId) {
        match self.app.catalog.abandon_upload(id).await {
            // The video failed, is being deleted, or was finished after all: it is not ours to forget.
            Ok(()) | Err(Error::Conflict(_) | Error::NotFound) => {}
            Err(error) => tracing::warn!(video = %id, %error, "an upload was not abandoned; it expires"),
        }
    }
}

fn title(query: &Query) -> Result<String, Problem> {
    if let Some(title) = query.text("title") {
        return check_title(title);
    }
    let Some(name) = query.text("filename") else { return Ok(UNTITLED.to_owned()) };
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if stem.trim().is_empty() { Ok(UNTITLED.to_owned()) } else { check_title(stem) }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if REFUSED_TYPES.iter().any(|refused| essence.eq_ignore_ascii_case(refused)) {
        let detail = "send the bytes of the file as the body, with any other content type";
        return Err(Kind::UnsupportedMediaType.because(detail));
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn empty() -> Problem {
    Kind::EmptyBody.because("send the bytes of a file as the body")
}

fn broken() -> Problem {
    Kind::BodyBroken.because("the upload broke off; nothing of it was kept")
}

fn stalled() -> Problem {
    Kind::BodyTimeout.because("no byte of the upload arrived for too long; nothing of it was kept")
}

fn ending() -> Problem {
    Kind::ShuttingDown.because("the server goes down; nothing of the upload was kept")
}

fn too_large(bytes_max: u64) -> Problem {
    Kind::TooLarge.because(format!("an upload may have {bytes_max} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_from_the_query() {
        let title = |query: &str| title(&Query::parse(query).unwrap()).map_err(|problem| problem.kind);
        assert_eq!(title("").as_deref(), Ok("Untitled"));
        assert_eq!(title("title=").as_deref(), Ok("Untitled"));
        assert_eq!(title("title=%20T%20").as_deref(), Ok("T"));
        assert_eq!(title("filename=C%3A%5Cfilms%5Cmy.film.mkv").as_deref(), Ok("my.film"));
        assert_eq!(title("filename=.mp4").as_deref(), Ok("Untitled"));
        assert_eq!(title("title=a%00b"), Err(Kind::InvalidTitle));
        assert_eq!(title(&format!("title={}", "x".repeat(501))), Err(Kind::InvalidTitle));
        assert_eq!(title(&format!("title={}", "%C3%A4".repeat(500))).map(|title| title.chars().count()), Ok(500));
    }

    #[test]
    fn wrapped_bodies_are_refused() {
        let check = |value: &str| check_type(&[(header::CONTENT_TYPE, value.parse().unwrap())].into_iter().collect());
        for good in ["video/mp4", "application/octet-stream", "application/x-www-form-urlencoded", "nonsense"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["application/json", "Application/JSON; charset=utf-8", "multipart/form-data; boundary=x"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
