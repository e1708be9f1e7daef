//! What is known about a version before it ships: so far the evidence that gates rest on.

mod evidence;
mod service;
mod store;

pub use evidence::{Evidence, EvidenceRecord};
pub use service::Evaluations;
pub use store::EvaluationStore;
