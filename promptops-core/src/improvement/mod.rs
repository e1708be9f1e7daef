//! From what was observed to a better version, and back when it is none.

mod attempt;
pub mod cluster;
mod control;
mod controller;
pub mod monitor;
pub mod proposer;
mod record;
pub mod refusal;
pub mod replay;
mod service;
mod sessions;
mod spending;
mod store;
pub mod triage;
mod watch;

pub use attempt::{Attempt, AttemptCandidate, AttemptOutcome, AttemptStage};
pub use control::{Control, Stopped};
pub use controller::{
    AttemptLimits, Attribution, Done, Improved, ImprovementPlan, Improver, ImproverHandle, LookBack, Pass,
    PassState, ReplayRecord, ReplaySizes,
};
pub use record::{ImprovementRecord, KnownCluster, RecordKind};
pub use service::{ClusterFilter, Improvements, Improving};
pub use sessions::RecentSessions;
pub use spending::{DailyBudget, Spending, day_of};
pub use store::{ImprovementCommit, ImprovementStore, RecordFilter, SlotLease};
pub use watch::{Blame, Watch, WatchFigures, WatchPurpose, WatchStatus};
