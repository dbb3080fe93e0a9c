//! What is wrong with a stored object, whatever its bytes are held against.

use vidstream_store::{Error, Key, Store};

use super::{READ_BYTES, READS_MAX};

/// What is wrong with an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Damage<P> {
    /// It has other bytes than it should, at this place.
    Other(P),
    /// It cannot be read; a sentence's end that says why.
    Unreadable(String),
}

/// What one reading after another finds wrong. What is missing or too short is for others to find.
///
/// # Errors
/// Those of the store.
pub(super) async fn lasting<P>(
    store: &Store,
    reading: impl AsyncFn() -> Result<Option<P>, Error>,
) -> Result<Option<Damage<P>>, Error> {
    let mut damage = None;
    for _ in 0..READS_MAX {
        damage = match reading().await {
            Ok(place) => place.map(Damage::Other),
            Err(Error::NotFound { .. } | Error::Range { .. }) => None,
            Err(error) => Some(Damage::Unreadable(store.unreadable(error).await?)),
        };
        if damage.is_none() {
            break;
        }
    }
    Ok(damage)
}

/// Reads an object from its start on, for as long as `take` wants more of it.
///
/// # Errors
/// Those of the store.
pub(super) async fn read(store: &Store, key: &Key, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Error> {
    let size = store.size(key).await?;
    let mut at = 0_u64;
    while at < size {
        let end = at.saturating_add(READ_BYTES).min(size);
        if !take(&store.range(key, at..end).await?) {
            break;
        }
        at = end;
    }
    Ok(())
}
