//! The file of a snapshot: replaced whole or not at all, read within bounds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::{self, HEAD};
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// Puts these bytes at the path in one step: who reads sees the former file or this one, and after a loss of power the
/// one or the other is there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| io_error("written", e);
    if path.file_name().is_none() {
        return Err(invalid("the path names no file; pass one that does"));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (mut file, temporary) = Temporary::create(directory).map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    drop(file);
    temporary.rename(path).map_err(failed)?;
    sync_directory(directory).map_err(failed)
}

/// Reads a file that is a snapshot by its head, and not larger than allowed.
pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Error::new(
            ErrorKind::NotFound,
            "there is no snapshot at this path yet; `write_snapshot` makes one",
        ),
        _ => io_error("read", e),
    };
    // Before it is opened: what is no file, a pipe for example, could keep us waiting for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(invalid(
            "the path leads to something that is no file; pass the path of a snapshot",
        ));
    }
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    (&file)
        .take(HEAD as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    frame::check_head(&bytes, length)?;
    if length > max_bytes {
        return Err(too_large(length, max_bytes));
    }
    bytes.reserve_exact(
        usize::try_from(length)
            .unwrap_or_default()
            .saturating_sub(bytes.len()),
    );
    file.take(length.saturating_sub(HEAD as u64))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

pub(super) fn too_large(length: u64, max_bytes: u64) -> Error {
    invalid(format!(
        "the snapshot has {length} bytes; at most {max_bytes} are allowed: raise `max_snapshot_bytes` of the \
         `ResolveSettings`"
    ))
}

fn io_error(what: &str, e: io::Error) -> Error {
    let (kind, hint) = match e.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => (
            ErrorKind::Invalid,
            "pass the path of a file in a directory that exists",
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Invalid,
            "give this process the right to, or pass another path",
        ),
        _ => (ErrorKind::Unavailable, "try again later"),
    };
    Error::new(kind, format!("the snapshot cannot be {what}: {e}; {hint}")).caused_by(e)
}

/// A file beside the one that it is to become; removed if it never does.
struct Temporary(PathBuf);

impl Temporary {
    fn create(directory: &Path) -> io::Result<(File, Self)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // Another process of the same number, in another container, can have left or be writing one of that name.
        const TRIES: u32 = 1_000;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut tries = 0;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!(".promptops-snapshot-{}-{number}.tmp", std::process::id());
            let path = directory.join(name);
            match options.open(&path) {
                Ok(file) => return Ok((file, Self(path))),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)?;
        self.0.clear();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // There is nobody left to tell.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Makes the new name last. Elsewhere than on unix a directory cannot be opened for that.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // Some file systems cannot, and some directories may be written and not read: the file itself is there.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}
