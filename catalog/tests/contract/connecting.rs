//! Opening a catalog on a server: its schema, its refusals, TLS, and hints between processes.

use std::time::Duration;

use tokio::time::timeout;
use vidstream_catalog::{Catalog, Error, HintKind, Options, Video};
use vidstream_testkit::postgres;

use crate::fixture::{self, Adapter, Postgres};

async fn refusal(url: &str) -> Error {
    match Catalog::open(url, Options::default()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

pub async fn what_must_be_there_is_not_made(place: &dyn Adapter) {
    let existing = async || Catalog::open(&place.url(), Options { existing: true, ..fixture::options(place) }).await;
    for _ in 0..2 {
        assert!(matches!(existing().await, Err(Error::Absent)));
    }
    fixture::queued(&fixture::open(place).await).await;
    let catalog = existing().await.unwrap();
    fixture::work_all(&catalog).await;
    fixture::assert_sound(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_an_empty_database_at_once() {
    let place = Postgres::new();
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let url = place.url();
            tokio::spawn(async move { Catalog::open(&url, Options::default()).await })
        })
        .collect();
    for catalog in opened {
        fixture::queued(&catalog.await.unwrap().unwrap()).await;
    }
    assert_eq!(vidstream_catalog::migrate(&place.url()).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_first_version_keeps_its_rows() {
    let place = Postgres::new();
    let catalog = fixture::open(&place).await;
    let id = fixture::queued(&catalog).await;
    fixture::work_all(&catalog).await;
    let (before, film) = (fixture::video(&catalog, id).await, fixture::presentation(&catalog, id).await);
    place.behind(
        r#"UPDATE chunks SET tracks = regexp_replace(tracks, ',"crc32":[0-9]+', '', 'g');
         DROP TABLE turns; DROP INDEX videos_by_expiry; ALTER TABLE videos DROP COLUMN expires_at_ms;
         ALTER TABLE videos DROP COLUMN digest; ALTER TABLE videos DROP COLUMN meta;
         ALTER TABLE sheets DROP COLUMN checksum; ALTER TABLE generations DROP COLUMN poster_checksum;
         DELETE FROM vidstream_schema WHERE version > 1"#,
    );
    let existing = Options { existing: true, ..Options::default() };
    assert!(matches!(Catalog::open(&place.url(), existing).await, Err(Error::Older { found: 1 })));
    assert_eq!(vidstream_catalog::migrate(&place.url()).await.unwrap(), 5);
    let catalog = fixture::open(&place).await;
    assert_eq!(fixture::video(&catalog, id).await, Video { sha256: None, ..before });
    // What was stored without checksums is read, and has none.
    let older = format!("{:?}", fixture::presentation(&catalog, id).await);
    assert_ne!(older, format!("{film:?}"));
    assert_eq!(older, format!("{:?}", fixture::without_sums(film)));
    fixture::assert_sound(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_in_one_sentence() {
    let place = Postgres::new();
    vidstream_catalog::migrate(&place.url()).await.unwrap();
    place.behind(
        "CREATE ROLE guest LOGIN PASSWORD 'right'; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest",
    );
    let port = postgres::shared().port();
    let name = place.url().rsplit('/').next().unwrap().to_owned();
    let over_tcp = |user: &str| format!("postgres://{user}@127.0.0.1:{port}/{name}?sslmode=disable");
    for (url, reason) in [
        (
            over_tcp("guest:wrong"),
            "password authentication failed for user \"guest\"; give this user's password in catalog.url",
        ),
        (over_tcp("guest"), "password missing; give this user's password in catalog.url"),
        (over_tcp("nobody:x"), "password authentication failed"),
        (over_tcp("guest:right").replace(&name, "nowhere"), "\"nowhere\" does not exist; make it"),
        (over_tcp("guest:right").replace("disable", "require"), "TLS"),
        ("postgres://u@127.0.0.1:1/x".to_owned(), "127.0.0.1:1"),
        ("postgres://u@%2Fnonexistent/x".to_owned(), "/nonexistent"),
    ] {
        let refusal = refusal(&url).await;
        let text = refusal.to_string();
        assert!(matches!(refusal, Error::Unavailable(_)), "{url}: {text}");
        assert!(text.contains(reason) && !text.contains('\n'), "{url}: {text}");
    }
    // Whoever may only read and write rows needs no more while the schema is up to date.
    let guest = Catalog::open(&over_tcp("guest:right"), Options::default()).await.unwrap();
    fixture::queued(&guest).await;
    assert!(fixture::claim_any(&guest).await.is_some());
    place.behind("UPDATE vidstream_schema SET version = 999 WHERE version = 5");
    assert!(matches!(refusal(&place.url()).await, Error::Newer { found: 999 }));
    let empty = Postgres::new();
    let url = over_tcp("guest:right").replace(&name, empty.url().rsplit('/').next().unwrap());
    let text = refusal(&url).await.to_string();
    assert!(text.contains("(see `vidstream migrate`)") && text.contains("permission denied"), "{text}");
    assert!(text.ends_with("; say it as a user who may change tables"), "{text}");
    for url in ["postgres://", "postgres://h", "postgres://h/x?colour=red", "mysql://h/x"] {
        assert!(matches!(refusal(url).await, Error::Invalid(_)), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_database_is_left_alone() {
    let place = Postgres::new();
    place.behind("CREATE TABLE jobs (id INT); INSERT INTO jobs VALUES (1)");
    let text = refusal(&place.url()).await.to_string();
    assert!(text.contains("\"jobs\" already exists"), "{text}");
    let left =
        postgres::shared().execute(&place.url(), "SELECT count(*) FROM jobs; SELECT to_regclass('videos')").unwrap();
    assert_eq!(left.trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_connections_are_verified() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let server = postgres::Server::start(Some((&certificate, &secret))).unwrap();
    let database = server.database().unwrap();
    server.execute(&database, "ALTER ROLE vidstream PASSWORD 'secret'").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, &certificate).unwrap();
    let name = database.rsplit('/').next().unwrap();
    let url = |mode: &str| format!("postgres://vidstream:secret@localhost:{}/{name}?sslmode={mode}", server.port());
    let verified = format!("{}&sslrootcert={}", url("verify-full"), roots.display());
    let known = Catalog::open(&verified, Options::default()).await.unwrap();
    let id = fixture::queued(&known).await;
    let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'vidstream'";
    assert_eq!(server.execute(&database, encrypted).unwrap().trim(), "t");
    for mode in ["require", "prefer"] {
        let text = refusal(&url(mode)).await.to_string();
        assert!(text.contains("certificate") && text.contains("sslrootcert"), "{mode}: {text}");
    }
    // The certificate is known, and another server's.
    let text = refusal(&verified.replace("localhost", "127.0.0.1")).await.to_string();
    assert!(text.contains("certificate"), "{text}");
    let plain = Catalog::open(&url("disable"), Options::default()).await.unwrap();
    assert!(plain.video(id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_hear_of_commits() {
    let server = postgres::Server::start(None).unwrap();
    let place = Postgres::on(&server);
    let (here, there) = (fixture::open(&place).await, fixture::open(&place).await);
    let mut hints = there.hints();
    let id = fixture::upload(&here).await;
    heard(&mut hints, id).await;
    // The listener comes back after its server did; what it missed meanwhile is lost.
    server.kill().unwrap();
    server.restart().unwrap();
    // Whoever waits looks at everything then: what was missed could have been about anything.
    let anything = async { while hints.recv().await.unwrap().video.is_some() {} };
    timeout(Duration::from_secs(30), anything).await.unwrap();
    let again = async {
        loop {
            let id = match here.create_upload(new()).await {
                Ok(video) => video.id,
                Err(Error::Unavailable(_)) => continue,
                Err(error) => panic!("{error}"),
            };
            if timeout(Duration::from_millis(200), heard(&mut hints, id)).await.is_ok() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(30), again).await.unwrap();
}

fn new() -> vidstream_catalog::NewUpload {
    vidstream_catalog::NewUpload {
        id: fixture::new_id(),
        title: String::new(),
        bytes_expected: None,
        expires_at_ms: None,
    }
}

/// Waits for the hints of a new upload.
async fn heard(hints: &mut tokio::sync::broadcast::Receiver<vidstream_catalog::Hint>, id: vidstream_media::VideoId) {
    let mut kinds = Vec::new();
    while !(kinds.contains(&HintKind::Job) && kinds.contains(&HintKind::Event)) {
        let hint = timeout(Duration::from_secs(10), hints.recv()).await.unwrap().unwrap();
        if hint.video == Some(id) {
            kinds.push(hint.kind);
        }
    }
}
