//! Settings of a server.

use std::path::PathBuf;

use crate::error::Result;
use crate::server::Server;

/// How to start a server. Made by [`Server::options`].
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until `start`"]
pub struct Options {
    pub(crate) fsync: bool,
    pub(crate) binaries: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl Options {
    /// Whether commits wait for the disk. Default `false`: then what was committed survives any end of the server, also
    /// [`Server::stop_immediate`], but not a machine that loses power. `true` for measurements, and for tests about
    /// durability.
    pub fn fsync(mut self, wait: bool) -> Self {
        self.fsync = wait;
        self
    }

    /// Sets a parameter of the server, as in `postgresql.conf`: `("lock_timeout", "2s")`. Of two values for one the
    /// last counts. Set already are `max_connections` (200), `shared_buffers` (64 MB), and what
    /// [`fsync`](Self::fsync) says.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The directory of `initdb` and `postgres`. Default: that of [`find`](crate::find).
    pub fn binaries(mut self, directory: impl Into<PathBuf>) -> Self {
        self.binaries = Some(directory.into());
        self
    }

    /// Makes and starts a server with these options; see [`Server::start`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start(self) -> Result<Server> {
        Server::start_with(&self)
    }

    /// As arguments for `postgres`, for which the last of a name counts.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let ours = [("max_connections", "200"), ("shared_buffers", "64MB")];
        // Pages torn by a power failure are all that full-page writes are against.
        let careless = [("fsync", "off"), ("full_page_writes", "off")];
        let careless = if self.fsync { &[][..] } else { &careless[..] };
        let given = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        ours.iter()
            .chain(careless)
            .copied()
            .chain(given)
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_counts_more_than_what_is_ours() {
        let arguments = Options::default().setting("shared_buffers", "1MB").arguments();
        assert_eq!(arguments.last().unwrap(), "shared_buffers=1MB");
        assert!(arguments.contains(&"fsync=off".to_owned()));
    }

    #[test]
    fn nothing_is_careless_with_fsync() {
        let arguments = Options::default().fsync(true).arguments();
        assert!(!arguments.iter().any(|argument| argument.ends_with("=off")));
    }
}
