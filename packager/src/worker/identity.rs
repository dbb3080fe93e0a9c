//! The stable id of a worker: the same after a restart, never shared by two that run.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::Path,
};

/// Workers that may share one data folder.
const WORKERS_MAX: u32 = 64;

/// An id and the lock that keeps others from using it.
#[derive(Debug)]
pub struct Identity {
    /// The id.
    pub id: String,
    /// Held as long as the worker runs; the kernel lets go of it when the process ends.
    _lock: File,
}

impl Identity {
    /// Takes the first id of the folder that no running worker holds; makes one if all are held.
    ///
    /// `wanted` names the worker instead of a random text.
    ///
    /// # Errors
    /// `AddrInUse` when too many workers, or one of the wanted name, run on this folder.
    pub fn take(data: &Path, wanted: Option<&str>) -> io::Result<Self> {
        for n in 1..=WORKERS_MAX {
            let name = match (wanted, n) {
                (Some(_), 2..) => break,
                (Some(wanted), _) => format!("worker-{}.id", safe(wanted)),
                (None, 1) => "worker.id".to_owned(),
                (None, n) => format!("worker-{n}.id"),
            };
            let path = data.join(name);
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            match file.try_lock() {
                Ok(()) => {
                    let id = read_or_write(&mut file, wanted)?;
                    return Ok(Self { id, _lock: file });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "another worker with this id runs on this data folder"))
    }
}

fn read_or_write(file: &mut File, wanted: Option<&str>) -> io::Result<String> {
    let mut text = String::new();
    Read::by_ref(file).take(256).read_to_string(&mut text)?;
    let found = text.trim();
    match wanted {
        Some(wanted) if found != wanted => {
            file.set_len(0)?;
            io::Seek::rewind(file)?;
            writeln!(file, "{wanted}")?;
            Ok(wanted.to_owned())
        }
        None if found.is_empty() => {
            let id = format!("wrk_{}", uuid::Uuid::now_v7().simple());
            writeln!(file, "{id}")?;
            file.sync_all()?;
            Ok(id)
        }
        _ => Ok(found.to_owned()),
    }
}

/// A name that is safe as part of a file name.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_a_restart_and_is_not_shared() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::take(dir.path(), None).unwrap();
        let second = Identity::take(dir.path(), None).unwrap();
        assert_ne!(first.id, second.id);
        let id = first.id.clone();
        drop(first);
        assert_eq!(Identity::take(dir.path(), None).unwrap().id, id);
    }

    #[test]
    fn a_wanted_id_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::take(dir.path(), Some("a/b")).unwrap();
        assert_eq!(first.id, "a/b");
        let second = Identity::take(dir.path(), Some("a/b")).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }
}
