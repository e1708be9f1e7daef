//! The contract of [`EnvironmentStore`](crate::environment::EnvironmentStore).

mod approval;
mod pointer;
mod policy;

pub use approval::*;
pub use pointer::*;
pub use policy::*;
