//! From what was observed to a better version, and back when it is none.

mod attempt;
pub mod cluster;
mod control;
pub mod monitor;
mod record;
pub mod refusal;
pub mod replay;
mod sessions;
mod spending;
mod store;
pub mod triage;
mod watch;

pub use attempt::{Attempt, AttemptCandidate, AttemptOutcome, AttemptStage};
pub use control::{Control, Stopped};
pub use record::{ImprovementRecord, KnownCluster, RecordKind};
pub use sessions::RecentSessions;
pub use spending::{DailyBudget, Spending, day_of};
pub use store::{ImprovementCommit, ImprovementStore, RecordFilter, SlotLease};
pub use watch::{Watch, WatchFigures, WatchPurpose, WatchStatus};
