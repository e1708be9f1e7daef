//! How one prompt is improved in one environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::ScoreName;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::hash::hex;
use crate::base::id::{MAX_NAME_BYTES, quoted};
use crate::evaluation::Evaluation;
use crate::evaluation::run::EvaluatorRecord;
use crate::improvement::cluster::{ClusterSettings, Labeller};
use crate::improvement::monitor::MonitorSettings;
use crate::improvement::proposer::{GuardSettings, Proposer};
use crate::improvement::replay::{GateSettings, Shares};
use crate::improvement::spending::DailyBudget;
use crate::improvement::triage::TriageSettings;
use crate::llm::Embedder;
use crate::prompt::Content;

/// The name of the metric that a trace has without a score: whether the answer served its purpose, as 1 or 0.
pub(super) const SUCCESS: &str = "success";

/// How one prompt is improved in one environment. Everything but the evaluation has a default.
#[derive(Clone)]
#[must_use]
pub struct ImprovementPlan {
    pub(super) evaluation: Evaluation,
    pub(super) proposer: Option<Arc<dyn Proposer>>,
    pub(super) guards: GuardSettings,
    pub(super) labeller: Option<Arc<dyn Labeller>>,
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    pub(super) triage: TriageSettings,
    pub(super) clusters: ClusterSettings,
    pub(super) shares: Shares,
    pub(super) gate: GateSettings,
    pub(super) monitor: MonitorSettings,
    pub(super) metrics: Vec<ScoreName>,
    pub(super) target: Option<ScoreName>,
    pub(super) scored_by: Option<String>,
    pub(super) budget: DailyBudget,
    pub(super) look_back: LookBack,
    pub(super) sizes: ReplaySizes,
    pub(super) expect_successes: bool,
    pub(super) settle: Duration,
    pub(super) attempts: AttemptLimits,
    pub(super) lease: Duration,
}

/// Which traces are looked at for failures and to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookBack {
    /// The newest so many, 1 ..= 100,000; all of them are in memory at once. Default: 5,000.
    pub traces: usize,
    /// Those that began no longer ago. Default: 14 days.
    pub age: Duration,
}

/// How many traces are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaySizes {
    /// Held-out members of the cluster, at most. Default: 100.
    pub target: usize,
    /// Held-out others, at most. Default: 300.
    pub guard: usize,
    /// Traces that a finalist is chosen on, at most. Default: 60.
    pub select: usize,
    /// Inputs on which a version and the one before are compared after an alarm. Default: 100.
    pub attribution: usize,
    /// How often each is asked, 1 ..= 20: at least 2 where answers change from call to call. Default: 2.
    pub repeats: u32,
}

/// How often a better text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Attempts at one cluster between two times that it is reopened. Default: 3.
    pub per_cluster: u32,
    /// Time between two attempts at one cluster. Default: 24 h.
    pub pause: Duration,
    /// Candidates on their way into the slot at a time: while there are as many no attempt begins. Default: 1.
    pub in_flight: usize,
    /// Calls that a proposer may make in one attempt. Default: 20.
    pub proposer_calls: u64,
    /// Replays of one candidate, those with new evidence among them. Default: 3.
    pub replays: u32,
}

impl Default for LookBack {
    fn default() -> Self {
        Self {
            traces: 5_000,
            age: Duration::from_secs(14 * 24 * 3_600),
        }
    }
}

impl Default for ReplaySizes {
    fn default() -> Self {
        Self {
            target: 100,
            guard: 300,
            select: 60,
            attribution: 100,
            repeats: 2,
        }
    }
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            per_cluster: 3,
            pause: Duration::from_secs(24 * 3_600),
            in_flight: 1,
            proposer_calls: 20,
            replays: 3,
        }
    }
}

impl ImprovementPlan {
    /// Versions are compared by this evaluation: the model that answers in production, and criteria that say how good an
    /// answer is. Answers are kept and used again, whatever it says of that.
    pub fn new(evaluation: Evaluation) -> Self {
        Self {
            evaluation,
            proposer: None,
            guards: GuardSettings::default(),
            labeller: None,
            embedder: None,
            triage: TriageSettings::default(),
            clusters: ClusterSettings::default(),
            shares: Shares::default(),
            gate: GateSettings::default(),
            monitor: MonitorSettings::default(),
            metrics: Vec::new(),
            target: None,
            scored_by: None,
            budget: DailyBudget::default(),
            look_back: LookBack::default(),
            sizes: ReplaySizes::default(),
            expect_successes: false,
            settle: Duration::from_secs(60),
            attempts: AttemptLimits::default(),
            lease: Duration::from_secs(60),
        }
    }

    /// Has this one propose better texts. Default: nobody does, and candidates are people's.
    pub fn proposer(mut self, proposer: Arc<dyn Proposer>) -> Self {
        self.proposer = Some(proposer);
        self
    }

    /// What no candidate may do.
    pub fn guards(mut self, settings: GuardSettings) -> Self {
        self.guards = settings;
        self
    }

    /// Has this one name clusters. Default: their words do.
    pub fn labeller(mut self, labeller: Arc<dyn Labeller>) -> Self {
        self.labeller = Some(labeller);
        self
    }

    /// Has this one say which failures are alike. Default: the library does, by words and parts of words.
    pub fn embedder(mut self, embedder: Arc<dyn Embedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// What counts as a failure.
    pub fn triage(mut self, settings: TriageSettings) -> Self {
        self.triage = settings;
        self
    }

    /// How failures are grouped.
    pub fn clusters(mut self, settings: ClusterSettings) -> Self {
        self.clusters = settings;
        self
    }

    /// How traces are shared out among the parts that propose, select and confirm.
    pub fn shares(mut self, shares: Shares) -> Self {
        self.shares = shares;
        self
    }

    /// What a candidate is asked for.
    pub fn gate(mut self, settings: GateSettings) -> Self {
        self.gate = settings;
        self
    }

    /// How what was shipped is watched.
    pub fn monitor(mut self, settings: MonitorSettings) -> Self {
        self.monitor = settings;
        self
    }

    /// Which scores of production traces are watched after a ship. `success` without a score of that name is whether the
    /// answer served its purpose. Default: the evaluation's dimensions and `success`, those of them that what was live
    /// before has enough of.
    pub fn watch(mut self, metrics: impl IntoIterator<Item = ScoreName>) -> Self {
        self.metrics = metrics.into_iter().collect();
        self
    }

    /// In which of the evaluation's dimensions a candidate has to be better. Default: that in which the cluster's members
    /// failed, or where that is none of the evaluation's, the first criterion's.
    pub fn target(mut self, dimension: ScoreName) -> Self {
        self.target = Some(dimension);
        self
    }

    /// A name for who scores production's traces: when it changes, watches begin anew. Default: a hash of the evaluation's
    /// criteria.
    pub fn scored_by(mut self, name: impl Into<String>) -> Self {
        self.scored_by = Some(name.into());
        self
    }

    /// What models may be asked in a day, for the whole tenant. What finds out whether a version that is live does harm is
    /// counted and never refused.
    pub fn budget(mut self, budget: DailyBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Which traces are looked at.
    pub fn look_back(mut self, look_back: LookBack) -> Self {
        self.look_back = look_back;
        self
    }

    /// How many traces are replayed.
    pub fn sizes(mut self, sizes: ReplaySizes) -> Self {
        self.sizes = sizes;
        self
    }

    /// Takes answers that served their purpose for right, where nobody has corrected them: for scorers that compare with
    /// an expected output.
    pub fn expect_successes(mut self) -> Self {
        self.expect_successes = true;
        self
    }

    /// Looks at a trace so long after it began, so that its scores are there: those that come later do not count for
    /// watches. Default: 1 min.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// How often a better text is looked for.
    pub fn attempts(mut self, limits: AttemptLimits) -> Self {
        self.attempts = limits;
        self
    }

    /// For how long a worker has the slot to itself at a time, 1 s to an hour; renewed while it works, so that it says how
    /// long a worker that died is waited for. Default: 60 s.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self
    }

    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a setting out of range: which, and what it may be.
    pub(super) fn check(&self) -> Result<()> {
        self.gate.check()?;
        self.monitor.check()?;
        let sizes = &self.sizes;
        for (what, found, least, most) in [
            ("look_back.traces", self.look_back.traces, 1, 100_000),
            ("sizes.target", sizes.target, 1, 10_000),
            ("sizes.guard", sizes.guard, 1, 10_000),
            ("sizes.select", sizes.select, 1, 10_000),
            ("sizes.attribution", sizes.attribution, 1, 10_000),
            ("sizes.repeats", sizes.repeats as usize, 1, 20),
            ("attempts.in_flight", self.attempts.in_flight, 1, 100),
            ("lease in seconds", self.lease.as_secs() as usize, 1, 3_600),
        ] {
            if !(least..=most).contains(&found) {
                return Err(invalid(format!(
                    "the plan's {what} is {found}; expected {least} to {most}"
                )));
            }
        }
        let name = self.scored_by.as_deref();
        if name.is_some_and(|name| name.is_empty() || name.len() > MAX_NAME_BYTES) {
            return Err(invalid(format!(
                "the plan's scored_by is empty or longer than {MAX_NAME_BYTES} bytes"
            )));
        }
        Ok(())
    }

    /// The evaluation as it is made here.
    pub(super) fn evaluation(&self) -> Evaluation {
        self.evaluation
            .clone()
            .repeats(self.sizes.repeats)
            .reuse_answers()
    }

    /// Who scores, by this plan.
    pub(super) fn scorer_name(&self, evaluator: &EvaluatorRecord) -> String {
        self.scored_by.clone().unwrap_or_else(|| {
            let mut digits = hex(&evaluator.scorers_hash());
            digits.truncate(16);
            format!("scorers {digits}")
        })
    }

    /// Who would score a version of this content.
    pub(super) fn evaluator(&self, content: &Content) -> Result<EvaluatorRecord> {
        self.evaluation().record(content)
    }
}

impl fmt::Debug for ImprovementPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImprovementPlan")
            .field("evaluation", &self.evaluation)
            .field("budget", &self.budget)
            .field("look_back", &self.look_back)
            .field("sizes", &self.sizes)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// A dimension's name as a score's.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) for one that cannot be.
pub(super) fn score_name(dimension: &str) -> Result<ScoreName> {
    ScoreName::new(dimension).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the evaluation's dimension {} cannot be a score's name",
                quoted(dimension)
            ),
        )
        .caused_by(error)
    })
}
