//! One exchange over HTTP: bounded, timed, and without a word of the key.

mod address;
mod auth;
mod body;
pub(crate) mod classify;
mod header;
mod options;
mod scrub;
mod sse;
mod tls;
mod transport;

pub(crate) use address::Address;
pub(crate) use auth::Auth;
pub use options::HttpOptions;
pub(crate) use sse::{Collect, Event};
pub(crate) use transport::Transport;
