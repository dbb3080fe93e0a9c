//! The servers at which several machines meet, as the tests start them: Postgres, Redis and an S3-compatible one.
//!
//! `servers` answers each line that it reads with a line of JSON: URLs of a catalog, of names on the Redis and of a place in
//! the bucket that nobody else uses, and the environment of a program that uses the bucket. All end with its input.

use std::io::{self, BufRead as _, Write as _};

use anyhow::Result;
use serde_json::{Map, json};
use vidstream_testkit::{postgres, redis, s3};

fn main() -> Result<()> {
    let database = postgres::Server::start(None)?;
    let hints = redis::Server::start(redis::Settings::default())?;
    let objects = s3::Server::start()?;
    let variables: Map<_, _> = objects.variables().into_iter().map(|(name, value)| (name, value.into())).collect();
    for (n, line) in io::stdin().lock().lines().enumerate() {
        line?;
        let place = json!({
            "catalog": database.database()?,
            "events": hints.url(),
            "store": format!("s3://{}/{n}", s3::BUCKET),
            "variables": variables,
        });
        writeln!(io::stdout(), "{place}")?;
    }
    Ok(())
}
