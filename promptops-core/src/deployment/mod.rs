//! Deployments: one candidate's way into one environment, from proposal to its end, decided by a table and kept as it went.

mod commands;
mod conditions;
mod document;
mod machine;
mod propose;
mod record;
pub mod refusal;
mod replays;
mod service;
mod settings;
mod ship;
mod state;
mod steps;
mod store;
mod watching;

pub use commands::Command;
pub use document::Document;
pub use machine::{Standing, Step, replayed, transition};
pub use propose::Propose;
pub use record::{
    Base, Deployment, Ended, Evidence, Hold, Lease, Live, Origin, Shipped, SlotControl, Target, Transition,
    Verdict, from_stored,
};
pub(crate) use replays::Finding;
pub use service::{Deploying, Deployments};
pub use settings::DeploymentSettings;
pub use ship::Ship;
pub use state::{MonitorOutcome, State};
pub use store::{DeploymentCommit, DeploymentFilter, DeploymentStore, deployment_changed};

#[cfg(test)]
mod tests;
