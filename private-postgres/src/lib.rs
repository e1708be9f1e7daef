//! Private PostgreSQL servers for tests, benches and examples.
//!
//! [`Server::start`] makes a server of its own from the PostgreSQL that is installed: in a new directory, on a free
//! port, with a password of its own. When the [`Server`] is dropped, or its process ends in any way (also by SIGKILL),
//! the server ends too and its directory goes away.
//!
//! ```
//! use private_postgres::Server;
//!
//! let server = Server::start()?;
//! assert!(server.url("postgres").starts_with("postgres://postgres:"));
//! # Ok::<(), private_postgres::Error>(())
//! ```
//!
//! | to | call |
//! |---|---|
//! | have a server | [`Server::start`], [`Server::options`] |
//! | connect to it | [`Server::url`], [`Server::socket_url`] |
//! | see what a crash leaves | [`Server::stop_immediate`], [`Server::start_again`] |
//! | run a command beside a server | the program `private-postgres` |
//!
//! Unix is needed, and PostgreSQL's programs `initdb` and `postgres` (10 or later; tried with 15). They are looked for
//! in the directory that [`Options::binaries`] names, or else `PROMPTOPS_POSTGRES_BIN`; without either, where
//! `pg_config` says, then in `/usr/lib/postgresql`, then on the `PATH`. Since both refuse to run as root, root runs
//! them as `postgres` or `nobody`.

mod account;
mod binaries;
mod error;
mod options;
mod random;
mod server;
mod supervisor;

pub use binaries::find;
pub use error::{Error, Result};
pub use options::Options;
pub use server::Server;
