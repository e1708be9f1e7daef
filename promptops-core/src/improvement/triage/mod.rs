//! Which calls failed, and whether the prompt could have had a part in it.
//!
//! An outage is no fault of a prompt: what is [`Infrastructure`](Triaged::Infrastructure) is counted and never shown to
//! whoever proposes another text. What is [`Behaviour`](Triaged::Behaviour) can be grouped by
//! [`cluster`](super::cluster).
//!
//! One trace can fail in several ways, and is told by one of them, the first that applies:
//!
//! 1. Its error, unless somebody said that the answer served its purpose all the same. An error of infrastructure ends
//!    it here: scores of an answer that an outage spoilt say nothing of the prompt.
//! 2. A score below its threshold: of several, the one whose name [`TriageSettings::first`] lists first, then the one
//!    that lacks the largest share of its threshold, then the first by name.
//! 3. What people said, unless somebody said that the answer served its purpose: a corrected output that differs from
//!    the output, then `success: false`, then a rating below [`TriageSettings::min_rating`].
//!
//! An error of a kind that nobody knows is behaviour only where 2 or 3 say so too. By itself it counts as
//! infrastructure, [`Unknown`](InfrastructureKind::Unknown): a proposer that is shown outages as if they were the
//! prompt's would spoil a sound prompt, while an error that is only counted can be named by [`TriageSettings::kind`].
//!
//! What is `Healthy` is what nothing speaks against: also a call of which nobody said anything.

mod decide;
mod error_kind;
mod failure;
mod settings;

pub use decide::{Triaged, triage};
pub use error_kind::{ErrorMeaning, InfrastructureKind};
pub use failure::{Dimension, Failure, OutcomeClass};
pub use settings::TriageSettings;
