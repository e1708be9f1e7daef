//! Runs: a version asked with every entry of a dataset, scored, and kept result by result.

mod attempt;
mod claims;
mod handle;
mod plan;
mod pool;
mod progress;
mod record;
mod result;
mod runner;
mod start;
mod work;

pub use handle::RunHandle;
pub use plan::Evaluation;
pub use progress::Progress;

pub use record::{CriterionRecord, EvaluatorRecord, Run, RunState, StopCause};
pub(super) use result::why_not_passed;
pub use result::{EntryError, EntryErrorKind, EntryResult, Outcome, ScoreResult};
pub(super) use start::work_on;
pub use work::{Claim, Claimed, Recorded, ResultBatch, RunChange, RunFilter, Task, Worker};
