//! The contract of [`ExperimentStore`](crate::experiment::ExperimentStore).

mod change;
mod create;
mod list;
mod outcome;

pub use change::*;
pub use create::*;
pub use list::*;
pub use outcome::*;
