//! The same worlds, decided by the library's rules and by plain ones: what is shipped wrongly, what is missed, what is rolled back
//! wrongly, and what is left of it all.

mod attempt;
mod decide;
mod life;
mod replay;
mod rule;
mod run;
mod scenario;
mod tables;
mod tally;

pub use life::Life;
pub use rule::{Rule, Watch};
pub use run::{attempts, watches};
pub use scenario::{Later, Scenario};
pub use tables::tables;
pub use tally::{Ended, GOOD, HARM, Row};
