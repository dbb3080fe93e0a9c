//! What a server is asked before anything is entrusted to it, and what is left of that.

use std::time::Duration;

use bytes::Bytes;
use vidstream_store::{Access, Error};
use vidstream_testkit::s3::{BUCKET, Fault, Server};

use crate::{
    rows::{key, until},
    s3::{count, open, open_for, store},
};

#[tokio::test]
async fn a_server_proves_itself_and_keeps_nothing_of_it() {
    let (server, store) = store().await;
    assert_eq!(server.left(), [] as [&str; 0]);
    assert_eq!(count(&server, "PUT", "*"), 2);
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(server.left(), [format!("{BUCKET}/{}", key(1).path())], "the names in a bucket are those of files");
}

#[tokio::test]
async fn who_only_reads_asks_for_no_right_to_write() {
    let (server, writer) = store().await;
    writer.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    let before = server.requests().len();
    let reader = open_for(Access::Read, &server, &format!("s3://{BUCKET}"), &[]).await.unwrap();
    assert_eq!(reader.get(&key(1)).await.unwrap(), "x");
    let asked = server.requests().split_off(before);
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with("GET") || line.starts_with("HEAD")),
        "{asked:?}"
    );
    // What it cannot read it is told at the start all the same.
    for (url, changed) in
        [("s3://missing", ("AWS_REGION", "us-east-1")), ("s3://films", ("AWS_SECRET_ACCESS_KEY", "another"))]
    {
        let refused = open_for(Access::Read, &server, url, &[changed]).await;
        assert!(matches!(refused, Err(Error::Settings { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_overwrites_is_not_used() {
    // The second conditional create, of an object and of parts.
    for (request, skipped) in [("PUT", 1), ("POST", 0)] {
        let server = Server::start().unwrap();
        let line = format!("{request} /{BUCKET}/proof/");
        for _ in 0..=skipped {
            server.meet(&line, Fault::IgnoreCondition);
        }
        if request == "POST" {
            // The first of them begins the parts.
            server.meet(&line, Fault::IgnoreCondition);
        }
        let error = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("overwrites an object that is there"), "{error}");
        assert_eq!((server.left(), server.faults_left()), (vec![], 0), "{request}");
    }
}

#[tokio::test]
async fn what_a_killed_start_left_goes_with_a_later_one() {
    let (server, url) = (Server::start().unwrap(), format!("s3://{BUCKET}"));
    // The request that would make the parts an object.
    server.meet("?uploadId=", Fault::Hang);
    let asked = async { until("the last step", async || count(&server, "POST", "?uploadId=") > 0).await };
    tokio::select! {
        opened = open(&server, &url, &[]) => panic!("{opened:?}"),
        () = asked => {}
    }
    let left = server.left();
    // The object, the record of its parts, and they.
    assert!(left.len() >= 3 && left.iter().any(|name| name.contains(".part/multipart-")), "{left:?}");
    // They may be of somebody who starts now.
    for (minutes, expected) in [(0, &left[..]), (59, &left[..]), (2, &[][..])] {
        server.age(Duration::from_mins(minutes)).unwrap();
        open(&server, &url, &[]).await.unwrap();
        assert_eq!(server.left(), expected, "{minutes} min later");
    }
}
