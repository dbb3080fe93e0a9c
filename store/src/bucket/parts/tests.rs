//! Small parts in memory, and the edges of what they may be.

use std::{io, sync::Arc};

use bytes::Bytes;
use object_store::{memory::InMemory, path::Path};
use vidstream_media::VideoId;

use super::{
    super::{Bucket, Large},
    Sizes,
};
use crate::{Error, Key};

const KEY: Key = Key::Remux { id: VideoId::from_bits(7), generation: 1 };

fn bucket(sizes: Sizes) -> Bucket {
    let memory = Arc::new(InMemory::new());
    let large = Large { parts: Arc::clone(&memory) as _, creating: Arc::clone(&memory) as _, sizes };
    Bucket { objects: memory, large: Some(large), prefix: Path::from("some/where") }
}

#[test]
fn the_largest_upload_has_room() {
    assert!(Sizes::default().object_bytes_max() > 100 << 30);
}

#[tokio::test]
async fn an_object_has_so_many_parts_and_not_a_byte_more() {
    let bucket = bucket(Sizes { part_bytes: 10, parts_max: 3 });
    let bytes = Bytes::from_static(b"0123456789abcdefghijABCDEFGHIJ!");
    for length in [0, 1, 9, 10, 11, 20, 29, 30] {
        for step in [1, 7, 31] {
            let mut upload = bucket.upload(&KEY);
            for piece in bytes[..length].chunks(step) {
                upload.write(bytes.slice_ref(piece)).await.unwrap();
            }
            assert_eq!(upload.finish().await.unwrap(), length as u64);
            assert_eq!(bucket.get(&KEY.path()).await.unwrap(), bytes[..length]);
        }
    }
    let mut upload = bucket.upload(&KEY);
    upload.write(bytes.slice(..30)).await.unwrap();
    let refused = upload.write(bytes.slice(30..)).await;
    assert!(matches!(&refused, Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge));
    upload.discard().await;
    assert_eq!(bucket.list_video(KEY.video()).await.unwrap(), [(KEY.path(), 30)]);
}
