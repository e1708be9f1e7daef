//! Where the server's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::error::{Error, Result};

/// Names the directory of the programs; nothing else is looked at then.
const VARIABLE: &str = "PROMPTOPS_POSTGRES_BIN";

/// Debian and Ubuntu keep each major version in a directory of its own here, outside the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

const NEEDED: [&str; 2] = ["initdb", "postgres"];

/// Finds the directory that has `initdb` and `postgres`.
///
/// # Errors
/// There is none; the message lists where it was looked for.
pub fn find() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return check(Path::new(&named), VARIABLE);
    }
    match candidates().find(|directory| missing(directory).is_none()) {
        Some(directory) => absolute(&directory),
        None => Err(not_found(&format!(
            "what pg_config --bindir says, {DEBIAN}/*/bin, and the PATH"
        ))),
    }
}

/// The directory itself if it has the programs; `why` says who named it.
pub(crate) fn check(directory: &Path, why: &str) -> Result<PathBuf> {
    match missing(directory) {
        None => absolute(directory),
        Some(program) => Err(not_found(&format!(
            "{} (named by {why}): there is no {program}",
            directory.display()
        ))),
    }
}

/// The programs are started from another directory.
fn absolute(directory: &Path) -> Result<PathBuf> {
    std::path::absolute(directory).map_err(|source| {
        Error::io(
            format_args!("cannot tell where {} is", directory.display()),
            source,
        )
    })
}

fn not_found(searched: &str) -> Error {
    Error::new(format!(
        "PostgreSQL's programs initdb and postgres are needed; looked for them in {searched}. \
         Install them (Debian, Ubuntu: apt-get install postgresql), or set {VARIABLE} to their directory."
    ))
}

fn missing(directory: &Path) -> Option<&'static str> {
    NEEDED
        .into_iter()
        .find(|program| !directory.join(program).is_file())
}

/// In the order of preference. `pg_config` comes with the headers and not with the server, so that what it names may
/// have no server.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> = env::split_paths(&path).collect();
    configured().into_iter().chain(debian()).chain(on_path)
}

fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let directory = text.trim();
    (output.status.success() && !directory.is_empty()).then(|| directory.into())
}

/// Newest first: by number, since 9.6 is older than 15.
fn debian() -> Vec<PathBuf> {
    let mut versions: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

fn version(name: &str) -> Option<Vec<u32>> {
    name.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("15") > version("9.6"));
        assert!(version("9.6") > version("9.5"));
        assert_eq!(version("common"), None);
    }
}
