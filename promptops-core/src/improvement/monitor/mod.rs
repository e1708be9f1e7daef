//! The watch over a version after it was shipped: pure, without store and clock.
//!
//! A [`Monitor`] is made at the ship, of [`MonitorSettings`] and what the incumbent's scores were online ([`Baseline`]). A
//! [`MonitorState`] is folded over the scored traces of the new version, one by one ([`Monitor::fold`]), and says what it
//! found when asked ([`Monitor::verdict`]). A [`Series`] keeps what the chart shows, a [`Chart`] puts it beside the reference.
//!
//! # What holds
//!
//! Each metric has the share a = α / metrics of the error α, in fifths: one for the incumbent's lower bound, two for the
//! evidence from the start ([`FromTheStart`](crate::statistics::FromTheStart), declared at E ≥ 5/(2a)), two for that since
//! some time ([`SinceSomeTime`](crate::statistics::SinceSomeTime), the same threshold). 1/5 + 2/5 + 2/5 = 1, so that a
//! version whose mean, given all scores before, is never below the incumbent's mean less the tolerance sees an alarm **ever**
//! with probability α at most: at every look, within the horizon and after it.
//!
//! "Given all scores before" is a condition. The scores of one session are alike: after a bad one, worse is to be expected
//! than the mean, so traces of sessions do **not** meet it one by one, and alarms become the rule rather than the exception
//! (the crate `simulations` counts). Either score sessions (the mean of a session's traces, once), or set
//! [`MonitorSettings::alike`] to how many traces of one session there are at most. What changes slowly, over many sessions, is
//! a true fall for the monitor, whatever it comes from: replay both versions on recorded inputs before rolling back.
//!
//! # What it costs
//!
//! A fall from the start is found, in the median, after 1.4 to 2.0 times ln(1/α) / KL(mean ‖ m₀) traces, 1.1 to 1.6 times with
//! the ln(5/(2a)) that the alarm takes; a late one after 2.3 to 3.7 times, since the evidence begins at 1/horizon. So a fall
//! of 40 points takes about 25 traces, one of 20 points 100 to 170, one of 10 points 500 to 2,000: half of that fall is borne
//! by the tolerance, and what is unknown of the incumbent is borne too. More of the incumbent's traces make it quicker.

mod chart;
mod fold;
mod plan;
mod reference;
mod series;
mod settings;
mod state;
mod verdict;

pub use chart::{Chart, Lines};
pub use fold::Scored;
pub use plan::{Monitor, Watched};
pub use reference::{Baseline, Incumbent, NoReference, Reference};
pub use series::{Point, Series};
pub use settings::{MonitorSettings, Rule};
pub use state::{MetricState, MonitorState};
pub use verdict::{Alarm, AlarmBy, Missing, Verdict};
