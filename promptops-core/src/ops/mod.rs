//! The way in: the builder, the tenant's handle, and the stores they are built on.

mod builder;
mod snapshot;
mod stores;
mod tenant;

pub use builder::{Builder, PromptOps, ShutdownReport};
pub use stores::{Backend, Stores};
pub use tenant::Tenant;
