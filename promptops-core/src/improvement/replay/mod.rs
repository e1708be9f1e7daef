//! The replay of a candidate beside what is live, on held-out traces, and the gate that it has to pass: pure, without store
//! and model calls.
//!
//! [`Partitioning`] puts traces into three parts: what the proposer sees, what a finalist is chosen on, what decides.
//! [`Strata::of`] takes from the deciding part the members of the failure cluster and a sample of the others. A [`Gate`] looks
//! at what both versions scored on them ([`ReplayItem`]) and makes a [`GateReport`].
//!
//! # What the gate asks
//!
//! | of | what | by |
//! |---|---|---|
//! | target: held-out members of the cluster | every target dimension is better | exact McNemar or flipped signs, from one side |
//! | guard: representative others | no dimension is worse by the margin | Tango's bound, or the bootstrap's over sessions |
//! | all | the format is kept often enough | the bound of Clopper and Pearson |
//!
//! All of them have to hold, so that each may use the whole error α (an intersection–union test: Berger, "Multiparameter
//! Hypothesis Testing and Acceptance Sampling", Technometrics 24(4), 1982). With several finalists the levels are those of
//! Holm ("A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2), 1979): of k, the
//! best is held against α/k, the next against α/(k − 1). A part that decides for the j-th time is held against α · 6/(π² j²),
//! whose sum over all j is α.
//!
//! Beside it every report has what the plain rule of point estimates says ([`PromotionCriteria`]); which of both decides is a
//! setting. Answers that change from call to call cost traces: where 2 % of them do so, 30 and 200 traces let 88 of 100 fixes
//! of half a cluster through, where 5 % do, 60 of 100, and 85 with two repeats (the crate `simulations`). The plain rule takes noise for improvement: the crate `simulations` counts how often.

mod check;
mod compared;
mod gate;
mod item;
mod likeness;
mod pairs;
mod partition;
mod point_estimate;
mod report;
mod settings;
mod strata;
mod text;

pub use compared::Compared;
pub use gate::Gate;
pub use item::{Answer, Call, ReplayItem, Stratum};
pub use likeness::Likeness;
pub use partition::{Part, Partitioned, Partitioning, Replayable, Shares};
pub use report::{
    Change, Changes, Check, Figures, Finding, FormatReport, GateReport, MetricReport, More, Replayed,
};
pub use settings::{Dimension, GateSettings, PromotionCriteria, Role, Rule, Scale};
pub use strata::Strata;
