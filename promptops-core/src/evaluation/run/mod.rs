//! Runs: a version asked with every entry of a dataset, scored, and kept result by result.

mod record;
mod result;
mod work;

pub use record::{CriterionRecord, EvaluatorRecord, Run, RunState, StopCause};
pub use result::{EntryError, EntryErrorKind, EntryResult, Outcome, ScoreResult};
pub use work::{Claim, Claimed, Recorded, ResultBatch, RunChange, RunFilter, Task, Worker};
