//! PromptOps.

pub mod base;
pub mod environment;
pub mod evaluation;
pub mod observation;
pub mod ops;
pub mod prompt;
pub mod render;
pub mod template;

pub use base::error::{Error, ErrorKind, Result};
pub use ops::{Backend, Stores};
