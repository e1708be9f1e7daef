//! Experiments: variants of a prompt on live traffic, and a decision that holds however often one looks.

mod allocation;
mod analysis;
mod assigner;
mod decision;
mod evidence;
mod guardrail;
mod outcome;
mod outcomes;
mod plan;
mod record;
mod recorder;
pub mod refusal;
mod service;
mod start;
mod store;
mod tally;
mod watch;

pub use allocation::{Allocation, BUCKETS, BucketRange};
pub use analysis::{Analysis, EpochAnalysis, GuardrailAnalysis, SampleRatio, VariantAnalysis, VersusControl};
pub use assigner::{Assigned, Assigner};
pub use decision::{Decision, Missing, decide};
pub use evidence::Evidence;
pub use guardrail::{Guardrail, Harm, MAX_GUARDRAILS};
pub use outcome::{Outcome, OutcomeEntry, OutcomeVerdict};
pub use outcomes::Outcomes;
pub use plan::ExperimentPlan;
pub use record::{
    Completion, Ending, Epoch, Experiment, ExperimentStatus, Goal, Holdout, Namespace, Rules, Variant,
    from_stored,
};
pub use recorder::OutcomeRecorder;
pub use service::{Experimenting, Experiments, Look};
pub use start::Start;
pub use store::{
    ExperimentChange, ExperimentFilter, ExperimentStore, Loss, NewExperiment, experiment_changed,
};
pub use tally::{Counter, RunningTallies, SCORE_BINS, Tallies, Tally, TallyDelta, TallyKey, TallyRow};
pub use watch::{Watch, WatchSettings, WatchStats};
