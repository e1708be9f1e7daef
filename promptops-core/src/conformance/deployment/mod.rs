//! The contract of [`DeploymentStore`](crate::deployment::DeploymentStore).

mod commit;
mod list;
mod race;

pub use commit::*;
pub use list::*;
pub use race::*;
