//! From a URL and the environment to a bucket that has proved itself.

use std::{sync::Arc, time::Duration};

use http::header::IF_NONE_MATCH;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, HeaderMap, HeaderValue, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut},
    path::Path,
};
use tokio::sync::Semaphore;

use super::{
    Bucket, Large,
    parts::{SENDING_MAX, Sizes},
    proof,
    refusal::sentence,
};
use crate::{Access, Error, error::without_user};

/// How long a server may take to accept a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a server may be silent. While a request is sent it is, so that those that carry bytes have another bound.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long one request may take, with what it reads.
const REQUEST_WAIT_MAX: Duration = Duration::from_mins(5);
/// What `AWS_CHECKSUM_ALGORITHM` is for a server that knows none.
const NO_CHECKSUM: &str = "none";
/// Environment variables that are settings of a bucket begin with this.
const PREFIX: &str = "AWS_";

/// Clients of one bucket.
struct Clients {
    plain: AmazonS3,
    /// Sends what is long.
    carrying: AmazonS3,
    /// Makes an object only where none is.
    creating: AmazonS3,
    /// Whether requests are signed with somebody's keys.
    signs: bool,
}

/// Opens `BUCKET/PREFIX`.
pub(super) async fn s3(
    place: &str,
    variables: impl Iterator<Item = (String, String)>,
    access: Access,
) -> Result<Bucket, Error> {
    let url = format!("s3://{place}");
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = Path::parse(prefix.trim_end_matches('/'));
    // No name of a bucket has these: it would be a user.
    let is_no_name = name.is_empty() || name.contains(['@', ':']);
    let (Ok(prefix), false) = (prefix, is_no_name) else { return Err(Error::Url { url: without_user(&url) }) };
    let settings = |reason: String| Error::Settings { bucket: url.clone(), reason };
    let Clients { plain, carrying, creating, signs } = clients(name, variables).map_err(settings)?;
    let keys = signs.then(|| Arc::clone(plain.credentials()));
    let (plain, carrying) = (Arc::new(plain), Arc::new(carrying));
    let large = Large {
        parts: Arc::clone(&plain) as _,
        carrying: Arc::clone(&carrying) as _,
        creating: Arc::new(creating),
        sizes: Sizes::default(),
        sending: Arc::new(Semaphore::new(SENDING_MAX)),
    };
    let bucket = Bucket { objects: plain, carrying, large: Some(large), prefix };
    proof::prove(&bucket, keys.as_ref(), access, &url).await?;
    Ok(bucket)
}

fn clients(name: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Clients, String> {
    // Fails when another one was installed before, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = ClientOptions::new()
        .with_connect_timeout(CONNECT_WAIT_MAX)
        .with_read_timeout(SILENCE_MAX)
        .with_timeout(REQUEST_WAIT_MAX);
    let (mut builder, mut has_checksums) = (AmazonS3Builder::new(), true);
    for (variable, value) in variables.filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()) {
        match variable.to_ascii_lowercase().parse() {
            Ok(AmazonS3ConfigKey::Client(key)) => options = options.with_config(key, value),
            Ok(AmazonS3ConfigKey::Checksum) if value == NO_CHECKSUM => has_checksums = false,
            Ok(key) => builder = builder.with_config(key, value),
            // Others of these are for other programs.
            Err(_) => {}
        }
    }
    check(&builder, &options)?;
    if has_checksums && builder.get_config_value(&AmazonS3ConfigKey::Checksum).is_none() {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    let signs = builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).as_deref() != Some("true");
    let builder =
        builder.with_bucket_name(name).with_conditional_put(S3ConditionalPut::ETagMatch).with_retry(no_retry());
    let text = |error: object_store::Error| sentence(&error);
    let plain = builder.clone().with_client_options(options.clone()).build().map_err(text)?;
    let builder = builder.with_credentials(Arc::clone(plain.credentials()));
    let unbounded = options.clone().with_read_timeout_disabled().with_timeout_disabled();
    let carrying = builder.clone().with_client_options(unbounded).build().map_err(text)?;
    // Completing an upload in parts takes no condition as an argument.
    let condition = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("*"))]);
    let creating = builder.with_client_options(options.with_default_headers(condition)).build().map_err(text)?;
    Ok(Clients { plain, carrying, creating, signs })
}

/// What is better said at once than found out by the first request.
fn check(builder: &AmazonS3Builder, options: &ClientOptions) -> Result<(), String> {
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key)).unwrap_or_default();
    // What is wrong with it is said below, and shows it.
    if endpoint.contains('@') {
        let reason = "AWS_ENDPOINT_URL names a user; name it by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        return Err(reason.to_owned());
    }
    let allowed = options.get_config_value(&ClientConfigKey::AllowHttp).unwrap_or_default().to_ascii_lowercase();
    let is_plain_allowed = ["true", "1", "on", "yes", "y"].contains(&allowed.as_str());
    if endpoint.starts_with("http://") && !is_plain_allowed {
        return Err(format!("{endpoint} is not encrypted; set AWS_ALLOW_HTTP=true if that is meant"));
    }
    if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(format!("AWS_ENDPOINT_URL must begin with https:// or http://, not be {endpoint}"));
    }
    Ok(())
}

/// One layer tries again, and it is ours.
fn no_retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}
