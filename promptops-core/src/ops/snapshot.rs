//! Snapshots: what a process may start from while its store is down.

use std::path::Path;

use super::builder::PromptOps;
use crate::base::error::Result;
use crate::resolve::SnapshotInfo;

impl PromptOps {
    /// Writes what the cache holds to a file, from which another process, or this one after a restart, can serve
    /// while the store is down. Reading it is the first thing to do after building, writing it something to do now
    /// and then:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use promptops_core::{MemoryBackend, PromptOps};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let ops = PromptOps::builder(MemoryBackend::new()).build();
    /// # let directory = tempfile::tempdir()?;
    /// # let directory = directory.path();
    /// let path = directory.join("prompts.snapshot");
    /// match ops.read_snapshot(&path).await {
    ///     Ok(snapshot) => println!("{} references from {}", snapshot.entries, snapshot.taken_at),
    ///     Err(error) if error.is_not_found() => {}
    ///     Err(error) => eprintln!("starting without a snapshot: {error}"),
    /// }
    /// tokio::spawn(async move {
    ///     loop {
    ///         tokio::time::sleep(Duration::from_secs(60)).await;
    ///         if let Err(error) = ops.write_snapshot(&path).await {
    ///             eprintln!("the last snapshot is getting old: {error}");
    ///         }
    ///     }
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// **The file holds the text of every prompt that was resolved, of all tenants**, with its authors and messages.
    /// On unix only its owner may read it. Fallbacks are not in it.
    ///
    /// The file is replaced in one step: at the path there is always a whole snapshot, the former or this one. A link
    /// at the path is replaced, not followed. A process that is killed while it writes leaves a file
    /// `.promptops-snapshot-….tmp` in the directory, which may be deleted. Processes that serve different tenants
    /// should have different files, since each writes what it knows itself.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a path where nothing can be written, or a snapshot larger than
    /// [`max_snapshot_bytes`](crate::resolve::ResolveSettings::max_snapshot_bytes);
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when writing fails, on a full disk for example. A whole
    /// snapshot that was at the path is not lost by it.
    pub async fn write_snapshot(&self, path: impl AsRef<Path>) -> Result<SnapshotInfo> {
        self.0.resolver.write_snapshot(path).await
    }

    /// Takes what [`write_snapshot`](Self::write_snapshot) wrote into the cache, as a safety net: each reference is
    /// still asked of the store when it is resolved first, and what the store says counts. Only when the store fails
    /// or hangs is it served from the snapshot, marked stale, with its age since the store confirmed it, by wall clock.
    /// [`try_resolve`](super::Tenant::try_resolve) serves it at once and asks behind.
    ///
    /// What the cache knows already is not replaced, and its bounds hold.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no file at the path yet;
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a file that is not as it was written, or no snapshot;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one of a newer release;
    /// [`Invalid`](crate::ErrorKind::Invalid) for a path that cannot be read, or a file larger than
    /// [`max_snapshot_bytes`](crate::resolve::ResolveSettings::max_snapshot_bytes);
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when reading fails. Nothing of a file that is refused gets into
    /// the cache.
    pub async fn read_snapshot(&self, path: impl AsRef<Path>) -> Result<SnapshotInfo> {
        self.0.resolver.read_snapshot(path).await
    }
}
