//! What is known about a version before it ships: datasets, runs, scores, and the evidence that gates rest on.

pub mod dataset;
mod evidence;
pub mod judge;
pub mod refusal;
pub mod run;
pub mod scorer;
mod service;
mod store;

pub use dataset::{
    Dataset, DatasetDraft, DatasetHasher, DatasetReference, DatasetStore, Datasets, Entry, NewDataset,
    SavedDataset,
};
pub use evidence::{Evidence, EvidenceRecord};
pub use run::{EntryResult, Run, RunState};
pub use scorer::{Criterion, JudgeStanding, Score, Scorer, ScorerInput};
pub use service::Evaluations;
pub use store::EvaluationStore;
