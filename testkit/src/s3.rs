//! A real S3-compatible server of a test's own, which can go away, lose answers and damage what it is sent.
//!
//! It listens on a free loopback port and keeps its objects in a temporary folder, or where it is told to. It runs on a
//! thread of its own, so that tests and servers under test may use any runtime.

use std::{
    fs, mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Result;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_LENGTH, HeaderName, IF_NONE_MATCH, RANGE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use s3s::{
    Body, HttpError,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot, watch},
    time::timeout,
};

mod gateway;
mod host;

pub use gateway::Gateway;
pub use host::Host;

/// The bucket that is there from the start.
pub const BUCKET: &str = "films";
/// Who may use it.
pub const ACCESS_KEY: &str = "vidstream-tests";
const SECRET_KEY: &str = "not-a-secret";
const REGION: &str = "us-east-1";
/// Header fields that begin with this say a checksum of the body; their names end with the algorithm's.
const CHECKSUM: &str = "x-amz-checksum-";
/// How late an answer is.
const LATE: Duration = Duration::from_secs(1);
/// How long a request waits for others: less than clients wait for its answer.
const TOGETHER_MAX: Duration = Duration::from_secs(20);
/// A request that meets with a fault is held in memory.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the connection ends before its answer.
    LoseAnswer,
    /// A bit of its body is turned over on the way.
    DamageBody,
    /// It is done, and a bit of the answer's body is turned over on the way.
    DamageAnswer,
    /// It is done, and half of the answer's body comes, as if that were all of it.
    TruncateAnswer,
    /// Objects that are there are no reason not to do it.
    IgnoreCondition,
    /// It is refused, as by a server whose disk is full.
    Full,
    /// It is refused with a status and a code.
    Refuse(u16, &'static str),
    /// It is done, and answered a second later.
    Late,
    /// Nothing is done, and no answer comes.
    Hang,
    /// It is done once so many requests that could meet with this were without an answer at the same time.
    Together(usize),
}

/// A server, until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Whether the server can be reached.
    present: watch::Sender<bool>,
    thread: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
    /// Removed with the server.
    temporary: Option<TempDir>,
}

struct Shared {
    folder: PathBuf,
    /// Faults of requests whose line contains a text.
    faults: Mutex<Vec<(String, Fault)>>,
    /// Lines of requests when they come, and again when they are answered, if a test may ask for them.
    log: Option<Mutex<Vec<(String, Moment)>>>,
    /// Told of each request that comes.
    coming: Notify,
    /// Requests with a condition take turns: this server looks and writes in two steps.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A request without an answer; also a client that gives up ends it.
struct Open<'a> {
    shared: &'a Shared,
    line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Came,
    Answered,
}

// === impl Server ===

impl Server {
    /// Starts a server with one empty bucket.
    ///
    /// # Errors
    /// When there is no port, thread or temporary folder.
    pub fn start() -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let folder = temporary.path();
        fs::create_dir(folder.join(BUCKET))?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self::on(folder, any, (ACCESS_KEY, SECRET_KEY), Some(Mutex::default()))?;
        server.temporary = Some(temporary);
        Ok(server)
    }

    /// Starts a server whose buckets are the folders in a folder, for whom has that key and its secret.
    ///
    /// # Errors
    /// When the address is in use, or the folder is none.
    pub fn open(folder: &Path, address: SocketAddr, key: (&str, &str)) -> Result<Self> {
        Self::on(folder, address, key, None)
    }

    fn on(
        folder: &Path,
        address: SocketAddr,
        (key, secret): (&str, &str),
        log: Option<Mutex<Vec<(String, Moment)>>>,
    ) -> Result<Self> {
        let files = FileSystem::new(folder).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(key, secret));
        let service = builder.build();
        let shared = Shared {
            folder: folder.to_owned(),
            faults: Mutex::default(),
            log,
            coming: Notify::new(),
            turn: Arc::default(),
        };
        let shared = Arc::new(shared);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (present, presence) = watch::channel(true);
        let (end, ended) = oneshot::channel();
        let state = Arc::clone(&shared);
        let serving = thread::Builder::new().name("s3".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, service, state, presence) => {}
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, shared, present, thread: Some((end, serving)), temporary: None })
    }

    /// The environment of a program that uses the server.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.address)
    }

    /// Ends all connections and takes no more.
    pub fn go_away(&self) {
        self.present.send_replace(false);
    }

    /// Takes connections again.
    pub fn come_back(&self) {
        self.present.send_replace(true);
    }

    /// The next request whose line contains `text` meets with a fault. A line is the method, the target, what is in
    /// `Range` and `If-None-Match`, and the algorithm whose checksum of the body comes with it.
    pub fn meet(&self, text: &str, fault: Fault) {
        self.shared.faults().push((text.to_owned(), fault));
    }

    /// Faults that no request has met yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults().len()
    }

    /// The lines of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        let log = self.shared.log().into_iter();
        log.filter(|(_, moment)| *moment == Moment::Came).map(|(line, _)| line).collect()
    }

    /// The most requests whose line contains `text` that were without an answer at the same time.
    pub fn most_at_once(&self, text: &str) -> usize {
        self.shared.most_at_once(text)
    }

    /// Makes all objects of the bucket so much older.
    ///
    /// # Errors
    /// When a file cannot be changed.
    pub fn age(&self, by: Duration) -> Result<()> {
        let root = &self.shared.folder;
        for name in files(&root.join(BUCKET), root) {
            let file = fs::File::options().write(true).open(root.join(name))?;
            file.set_modified(file.metadata()?.modified()? - by)?;
        }
        Ok(())
    }

    /// The names of all objects of the bucket, sorted, and of the parts of uploads that were not completed.
    pub fn left(&self) -> Vec<String> {
        let root = &self.shared.folder;
        let mut names = files(&root.join(BUCKET), root);
        // The server keeps these beside its buckets.
        let uploads = fs::read_dir(root).into_iter().flatten().flatten();
        names.extend(
            uploads.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| is_upload(name)),
        );
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((end, serving)) = self.thread.take() {
            // It may have ended already.
            let _ = end.send(());
            let _ = serving.join();
        }
    }
}

fn variables(address: SocketAddr) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The names below `root` of all files in a folder and the folders in it.
fn files(folder: &Path, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if let Ok(name) = entry.path().strip_prefix(root) {
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn is_upload(name: &str) -> bool {
    name.starts_with(".upload")
}

async fn serve(
    listener: std::net::TcpListener,
    service: S3Service,
    shared: Arc<Shared>,
    presence: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // The port stays ours while the server is away.
        if *presence.borrow() {
            tokio::spawn(connection(stream, service.clone(), Arc::clone(&shared), presence.clone()));
        }
    }
}

async fn connection(stream: TcpStream, service: S3Service, shared: Arc<Shared>, mut presence: watch::Receiver<bool>) {
    let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&shared), request));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        // Who ends a connection is no matter of ours.
        _ = serving => {}
        _ = presence.wait_for(|present| !present) => {}
    }
}

async fn answer(
    service: S3Service,
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let (line, met) = shared.came(&request);
    let fault = met.as_ref().map(|(_, fault)| *fault);
    let open = Open { shared: &shared, line };
    let is_alone = match &met {
        Some((text, Fault::Together(least))) => timeout(TOGETHER_MAX, shared.wait_for(text, *least)).await.is_err(),
        _ => false,
    };
    if fault == Some(Fault::IgnoreCondition) {
        // The signature covers the condition, so it is the object that goes.
        let object: PathBuf = request.uri().path().trim_start_matches('/').into();
        let _ = fs::remove_file(shared.folder.join(object));
    }
    let mut request = request.map(Body::from);
    if fault == Some(Fault::Hang) {
        // Until the client ends the connection.
        std::future::pending::<()>().await;
    }
    let refused = match fault {
        _ if is_alone => Some((400, "NotTogether")),
        Some(Fault::Full) => Some((507, "XMinioStorageFull")),
        Some(Fault::Refuse(status, code)) => Some((status, code)),
        _ => None,
    };
    if let Some((status, code)) = refused {
        // Read to its end, or the client would find the connection gone instead of the answer.
        request.body_mut().store_all_limited(HELD_BYTES_MAX).await.map_err(HttpError::new)?;
        return refuse(status, code);
    }
    if fault == Some(Fault::DamageBody) {
        spoil(request.body_mut(), |bytes| turn_a_bit(bytes)).await?;
    }
    let turn = Arc::clone(&shared.turn);
    // What was begun is done, although its connection may end: so do servers.
    let done = tokio::spawn(async move {
        let _turn = if request.headers().contains_key(IF_NONE_MATCH) { Some(turn.lock().await) } else { None };
        service.call(request).await
    });
    let done = done.await;
    drop(open);
    let answer = done.map_err(|error| HttpError::new(error.into()))?;
    if fault == Some(Fault::Late) {
        let _ = timeout(LATE, std::future::pending::<()>()).await;
    }
    let mut answer = answer?;
    match fault {
        Some(Fault::LoseAnswer) => return Err(HttpError::new("the answer is lost".into())),
        Some(Fault::DamageAnswer) => spoil(answer.body_mut(), |bytes| turn_a_bit(bytes)).await?,
        Some(Fault::TruncateAnswer) => {
            spoil(answer.body_mut(), |bytes| bytes.truncate(bytes.len() / 2)).await?;
            // Said anew, of what is left.
            answer.headers_mut().remove(CONTENT_LENGTH);
        }
        _ => {}
    }
    Ok(answer)
}

/// Changes the bytes of a body.
async fn spoil(body: &mut Body, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), HttpError> {
    let mut bytes = body.store_all_limited(HELD_BYTES_MAX).await.map_err(HttpError::new)?.to_vec();
    change(&mut bytes);
    *body = Body::from(bytes);
    Ok(())
}

fn turn_a_bit(bytes: &mut [u8]) {
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
}

fn refuse(status: u16, code: &str) -> Result<Response<Body>, HttpError> {
    let text = format!("<Error><Code>{code}</Code><Message>As the test wants it.</Message></Error>");
    let answer = Response::builder().status(status).body(Body::from(text));
    answer.map_err(|error| HttpError::new(error.into()))
}

// === impl Shared ===

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.note(mem::take(&mut self.line), Moment::Answered);
    }
}

impl Shared {
    /// Takes note of a request; gives its line, and the fault that it meets with the text that it was meant for.
    fn came(&self, request: &Request<Incoming>) -> (String, Option<(String, Fault)>) {
        let field = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let checksum = request.headers().keys().find_map(|name| name.as_str().strip_prefix(CHECKSUM)).unwrap_or("");
        let fields = [field(RANGE), field(IF_NONE_MATCH), checksum];
        let line = format!("{} {} {}", request.method(), request.uri(), fields.join(" "));
        let line = line.trim_end().to_owned();
        let mut faults = self.faults();
        let met = faults.iter().position(|(text, _)| line.contains(text.as_str()));
        let met = met.map(|n| faults.remove(n));
        self.note(line.clone(), Moment::Came);
        self.coming.notify_waiters();
        (line, met)
    }

    /// Until as many requests whose line contains `text` were without an answer at the same time.
    async fn wait_for(&self, text: &str, least: usize) {
        loop {
            let mut coming = pin!(self.coming.notified());
            coming.as_mut().enable();
            if self.most_at_once(text) >= least {
                return;
            }
            coming.await;
        }
    }

    fn most_at_once(&self, text: &str) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for (_, moment) in self.log().iter().filter(|(line, _)| line.contains(text)) {
            now = if *moment == Moment::Came { now + 1 } else { now.saturating_sub(1) };
            most = most.max(now);
        }
        most
    }

    fn faults(&self) -> MutexGuard<'_, Vec<(String, Fault)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: String, moment: Moment) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).push((line, moment));
        }
    }

    fn log(&self) -> Vec<(String, Moment)> {
        self.log.iter().flat_map(|log| log.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}
