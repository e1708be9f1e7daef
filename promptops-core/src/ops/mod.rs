//! The way in: the builder, the tenant's handle, and the stores they are built on.

mod stores;

pub use stores::{Backend, Stores};
