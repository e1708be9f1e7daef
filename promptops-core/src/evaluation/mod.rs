//! What is known about a version before it ships: so far the evidence that gates rest on.

mod evidence;
pub mod refusal;
mod service;
mod store;

pub use evidence::{Evidence, EvidenceRecord};
pub use service::Evaluations;
pub use store::EvaluationStore;
