//! Datasets: entries to evaluate on, versioned, each version immutable.

pub mod csv;
mod draft;
mod entry;
mod gather;
mod hash;
mod json;
pub mod jsonl;
mod lines;
mod missing_ids;
mod record;
mod reference;
mod service;
mod split;
mod store;

pub use csv::{CsvColumns, CsvFormat, read_csv, write_csv};
pub use draft::DatasetDraft;
pub use entry::Entry;
pub use hash::DatasetHasher;
pub use jsonl::{read_jsonl, write_jsonl};
pub use missing_ids::MissingIds;
pub use record::Dataset;
pub use reference::DatasetReference;
pub use service::Datasets;
pub use split::Split;
pub use store::{DatasetStore, NewDataset, SavedDataset};
