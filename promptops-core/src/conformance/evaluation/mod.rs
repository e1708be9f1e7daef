//! The contract of [`EvaluationStore`](crate::evaluation::EvaluationStore).

mod evidence;
mod result;
mod run;
mod work;

pub use evidence::*;
pub use result::*;
pub use run::*;
pub use work::*;
