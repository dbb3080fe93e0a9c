//! Small parts in memory, and the edges of what they may be.

use std::{io, sync::Arc};

use bytes::Bytes;
use object_store::{ObjectStore, memory::InMemory, multipart::MultipartStore, path::Path};
use tokio::sync::Semaphore;
use vidstream_media::VideoId;

use super::{
    super::{Bucket, Large},
    PART_BYTES, PART_BYTES_UNTOLD, PARTS_MAX, Sizes,
};
use crate::{Error, Key};

fn key() -> Key {
    Key::Remux { id: VideoId::from_bits(7), generation: 1 }
}

fn bucket(sizes: Sizes) -> Bucket {
    let memory = Arc::new(InMemory::new());
    let parts = || Arc::clone(&memory) as Arc<dyn MultipartStore>;
    let sending = Arc::new(Semaphore::new(1));
    let large = Large { parts: parts(), carrying: parts(), creating: parts(), sizes, sending };
    let objects = Arc::clone(&memory) as Arc<dyn ObjectStore>;
    Bucket { carrying: Arc::clone(&objects), objects, large: Some(large), prefix: Path::from("some/where") }
}

#[test]
fn parts_are_small_where_that_will_do_and_enough_for_the_largest_upload() {
    let (sizes, min, max) = (Sizes::default(), *PART_BYTES.start(), *PART_BYTES.end());
    let untold = PART_BYTES_UNTOLD;
    assert!(untold as u64 * PARTS_MAX > 100 << 30);
    for (expected, part_bytes) in [
        (None, untold),
        (Some(0), min),
        (Some(min as u64 * PARTS_MAX), min),
        (Some(min as u64 * PARTS_MAX + 1), min + 1),
        (Some(untold as u64 * PARTS_MAX + 1), untold + 1),
        (Some(max as u64 * PARTS_MAX), max),
        (Some(u64::MAX), max),
    ] {
        assert_eq!(sizes.part_bytes(expected), part_bytes, "{expected:?}");
    }
}

#[tokio::test]
async fn an_object_has_so_many_parts_and_not_a_byte_more() {
    let bucket = bucket(Sizes { part_bytes: 5..=10, part_bytes_untold: 8, parts_max: 3 });
    let bytes = Bytes::from_static(b"0123456789abcdefghijABCDEFGHIJ!");
    for length in [0, 1, 7, 8, 9, 16, 23, 24] {
        for step in [1, 7, 31] {
            let mut upload = bucket.upload(&key());
            for piece in bytes[..length].chunks(step) {
                upload.write(bytes.slice_ref(piece)).await.unwrap();
            }
            assert_eq!(upload.finish().await.unwrap(), length as u64);
            assert_eq!(bucket.get(&key().path()).await.unwrap(), bytes[..length]);
        }
    }
    for (expected, most) in [(1, 15), (15, 15), (16, 18), (29, 30), (30, 30)] {
        let mut upload = bucket.upload(&key());
        upload.expect(expected);
        upload.write(bytes.slice(..most)).await.unwrap();
        assert!(upload.write(bytes.slice(most..=most)).await.is_err(), "{expected}");
        upload.discard().await;
    }
    let mut upload = bucket.upload(&key());
    upload.write(bytes.slice(..24)).await.unwrap();
    let is_too_large = |refused: &Result<(), Error>| matches!(refused, Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge);
    assert!(is_too_large(&upload.write(bytes.slice(24..25)).await));
    upload.discard().await;
    // Not found out at the end of what somebody has said the length of.
    let mut upload = bucket.upload(&key());
    upload.expect(31);
    assert!(is_too_large(&upload.write(bytes.slice(..1)).await));
    upload.discard().await;
    assert_eq!(bucket.list_video(key().video()).await.unwrap(), [(key().path(), 24)]);
}
