//! A world of prompts whose worth is known: items with hidden needs, a model that reads the prompt's text, a proposer.
//!
//! An item needs nothing in particular, or one [`Skill`]. A prompt's text is [read](Reading): which skills it asks for, half-heartedly,
//! against, or both; how long it is. What follows are the chances that an answer is right, is JSON and is polite, and so the share of
//! all items that a prompt answers rightly, exactly ([`World::score`]). One answer is drawn with the item's own chance, the same for
//! every prompt (common random numbers), except for as many calls as make the churn that is asked for.
//!
//! It shows what the library's machinery does with prompts that are better and worse; it says nothing of how well a model writes them.

mod chance;
mod chances;
mod conditions;
pub mod guards;
mod item;
mod live;
pub mod model;
mod population;
mod proposer;
mod reading;
mod skill;
mod truth;

pub use chance::{drawn, mixed, one_of};
pub use conditions::{Change, Conditions, Schedule};
pub use item::Item;
pub use model::WorldModel;
pub use population::{Case, Population};
pub use proposer::{Candidate, Label, Proposer, Shown, text_of};
pub use reading::{Reading, Said, VARIABLE, code, code_of};
pub use skill::{Skill, Wording};
pub use truth::{Call, Outcome, World, WorldSettings};
