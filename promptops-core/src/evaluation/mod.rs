//! What is known about a version before it ships: so far the evidence that gates rest on.

mod evidence;
pub mod refusal;
pub mod scorer;
mod service;
mod store;

pub use evidence::{Evidence, EvidenceRecord};
pub use scorer::{Criterion, Score, Scorer, ScorerInput};
pub use service::Evaluations;
pub use store::EvaluationStore;
