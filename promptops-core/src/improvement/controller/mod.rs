//! What joins the loop's parts: passes over a prompt in an environment, by one worker at a time.

mod arms;
mod asking;
mod attempting;
mod attribution;
mod background;
mod budget;
mod dimensions;
mod failures;
mod from_dataset;
mod held_out;
mod improver;
mod lease;
mod pass;
mod plan;
mod reference;
mod replaying;
mod restored;
mod watching;
mod window;

pub use attribution::Attribution;
pub use background::ImproverHandle;
pub use from_dataset::Improved;
pub use improver::Improver;
pub use pass::{Done, Pass, PassState};
pub use plan::{AttemptLimits, ImprovementPlan, LookBack, ReplaySizes};
pub use replaying::ReplayRecord;
