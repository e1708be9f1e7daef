//! PromptOps.

pub mod base;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod environment;
pub mod evaluation;
pub mod memory;
pub mod observation;
pub mod ops;
pub mod prompt;
pub mod render;
pub mod resolve;
pub mod template;

pub use base::error::{Error, ErrorKind, Result};
pub use memory::MemoryBackend;
pub use ops::{Backend, PromptOps, Stores, Tenant};
