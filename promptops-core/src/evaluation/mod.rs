//! What is known about a version before it ships: datasets, runs, scores, and the evidence that gates rest on.

mod changelog;
pub mod comparison;
pub mod dataset;
mod evidence;
pub mod judge;
pub mod refusal;
pub mod report;
mod rows;
pub mod run;
pub mod scorer;
mod service;
mod store;

pub use comparison::{Comparison, ComparisonOptions, Verdict};
pub use dataset::{
    CsvColumns, CsvFormat, Dataset, DatasetDraft, DatasetHasher, DatasetReference, DatasetStore, Datasets,
    Entry, MissingIds, NewDataset, SavedDataset, Split, read_csv, read_jsonl, write_csv, write_jsonl,
};
pub use evidence::{Evidence, EvidenceRecord};
pub use report::{Report, ReportOptions};
pub use run::{EntryResult, Evaluation, Progress, Run, RunHandle, RunState};
pub use scorer::{Criterion, JudgeStanding, Score, Scorer, ScorerInput};
pub use service::{Evaluating, Evaluations};
pub use store::EvaluationStore;
