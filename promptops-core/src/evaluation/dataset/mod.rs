//! Datasets: entries to evaluate on, versioned, each version immutable.

mod draft;
mod entry;
mod hash;
mod record;
mod reference;
mod service;
mod store;

pub use draft::DatasetDraft;
pub use entry::Entry;
pub use hash::DatasetHasher;
pub use record::Dataset;
pub use reference::DatasetReference;
pub use service::Datasets;
pub use store::{DatasetStore, NewDataset, SavedDataset};
