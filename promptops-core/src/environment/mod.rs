//! Environments: governed pointers to versions, the policies that govern them, and their history.

mod approval;
mod evaluation_gate;
mod evidence;
mod gate;
mod history;
mod pointer;
mod policy;
mod promotion;
pub mod refusal;
mod rollback;
mod service;
mod store;

pub use approval::Approval;
pub use evaluation_gate::{AgainstLive, EvaluationFacts, EvaluationGate};
pub(crate) use gate::condition;
pub use gate::{Condition, Facts, check_policy};
pub use history::{HistoryRecord, MoveKind, Waiver, predecessors, standing};
pub use pointer::Pointer;
pub use policy::{Policy, PolicyRecord, QualityGate};
pub use promotion::Promotion;
pub(crate) use promotion::{Decided, set_aside};
pub use rollback::Rollback;
pub(crate) use service::Case;
pub use service::{Environments, Governance};
pub use store::{ApprovalEntry, EnvironmentStore, PointerMove, PolicyChange, Slots, SourceGuard};
