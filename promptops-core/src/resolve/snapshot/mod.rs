//! The snapshot: a file of what the cache holds, from which a process can serve while its store is down.
//!
//! Numbers are big-endian. The head and the checksum are the same in every format, so that damage can be told from a
//! file of a newer release:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `PROMPTOP`, by which the file is known |
//! | 4 | the number of the format: 1 |
//! | 8 | when it was taken: microseconds since 1970 in UTC, signed |
//! | 8 | length of the payload in bytes |
//! | … | the payload |
//! | 32 | SHA-256 over everything before |
//!
//! The payload of format 1 is lines of UTF-8, each ended by a line feed. A line comes before those that need it:
//!
//! | line | what |
//! |---|---|
//! | `content <hash> <json>` | what a version says, in the form in which stores keep it |
//! | `prompt <json>` | a version without its content, the closure hash, and what was found for each include: reference as written, tenant, prompt, version, content hash. The first is number 0 |
//! | `entry <json>` | what a reference led to: tenant, reference as written, number of the prompt, the pointer's revision, and how many milliseconds before the snapshot the store had confirmed it |
//!
//! Each content is there once, and each prompt once, however many references lead to it. Entries are in order of tenant
//! and reference, so that the same cache at the same time makes the same bytes. What an entry depends on and its stamp
//! are not in the file: they follow from the rest, as when it is loaded.
//!
//! The checksum finds accidents. It proves nothing about who wrote the file.

mod file;
mod frame;
mod payload;
mod restore;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::resolver::{Inner, Resolver};
use crate::base::Timestamp;
use crate::base::error::{Error, ErrorKind, Result};

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// References in it.
    pub entries: usize,
    /// Of these, how many were left out when it was read: the cache knows them already, or has no room for them, or
    /// they cannot be compiled under its limits. 0 for one that was written.
    pub left_out: usize,
    /// Size of the file.
    pub bytes: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
}

impl Resolver {
    /// Writes what the cache holds to a file. See [`PromptOps::write_snapshot`](crate::PromptOps::write_snapshot).
    ///
    /// # Errors
    /// As there.
    pub async fn write_snapshot(&self, path: impl AsRef<Path>) -> Result<SnapshotInfo> {
        self.blocking(path.as_ref(), |inner, path| {
            let (taken, now_ms) = (inner.loader.clock.now(), inner.loader.now_ms());
            let entries = inner
                .entries
                .pin()
                .iter()
                .map(|(key, entry)| (Arc::clone(key), Arc::clone(entry)))
                .collect();
            let (bytes, entries) =
                payload::encode(entries, taken, now_ms, inner.settings.max_snapshot_bytes)?;
            file::write(path, &bytes)?;
            Ok(SnapshotInfo {
                entries,
                left_out: 0,
                bytes: bytes.len() as u64,
                taken_at: taken,
            })
        })
        .await
    }

    /// Takes what a snapshot holds into the cache. See
    /// [`PromptOps::read_snapshot`](crate::PromptOps::read_snapshot).
    ///
    /// # Errors
    /// As there.
    pub async fn read_snapshot(&self, path: impl AsRef<Path>) -> Result<SnapshotInfo> {
        self.blocking(path.as_ref(), |inner, path| {
            let bytes = file::read(path, inner.settings.max_snapshot_bytes)?;
            let snapshot = payload::decode(&bytes)?;
            let length = bytes.len() as u64;
            drop(bytes);
            let entries = snapshot.entries.len();
            let left_out = entries - restore::restore(inner, &snapshot);
            Ok(SnapshotInfo {
                entries,
                left_out,
                bytes: length,
                taken_at: snapshot.taken_at,
            })
        })
        .await
    }

    /// Runs work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Arc<Inner>, &Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (inner, path): (Arc<Inner>, PathBuf) = (Arc::clone(&self.0), path.to_owned());
        let work = move || work(&inner, &path).map_err(|error| error.with("path", path.display()));
        match Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|e| {
                let what =
                    "the work on the snapshot was cut short, as when the runtime is shut down; try again";
                Err(Error::new(ErrorKind::Unavailable, what).caused_by(e))
            }),
            // Nobody else could do it.
            Err(_) => work(),
        }
    }
}
