//! What an experiment is to compare and how: said before it begins.

use std::time::Duration;

use super::allocation::Allocation;
use super::guardrail::{Guardrail, Harm, MAX_GUARDRAILS};
use super::record::{Goal, Holdout, Namespace, Rules};
use crate::base::error::{Result, invalid};
use crate::base::{EnvironmentName, ExperimentId, PromptName, ScoreName, VariantName, VersionNumber};

/// Longest name and salt in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// One of the texts to compare, before it is looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlannedVariant {
    pub(super) name: VariantName,
    /// `None` for what is live when the experiment begins.
    pub(super) version: Option<VersionNumber>,
}

/// What an experiment is to compare and how.
///
/// ```
/// use std::time::Duration;
///
/// use promptops_core::base::VersionNumber;
/// use promptops_core::experiment::{ExperimentPlan, Harm};
///
/// let plan = ExperimentPlan::new("support/triage", "production")?
///     .name("shorter answers")
///     .control(50.0)
///     .variant("short", VersionNumber::new(2)?, 50.0)?
///     .guardrail("slow", Harm::LatencyAbove(Duration::from_secs(5)))?
///     .min_sample(500)
///     .max_duration(Duration::from_secs(14 * 24 * 3_600))
///     .auto_complete();
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "begin it with `Experiments::start`"]
pub struct ExperimentPlan {
    pub(super) prompt: PromptName,
    pub(super) environment: EnvironmentName,
    pub(super) id: Option<ExperimentId>,
    pub(super) name: String,
    pub(super) salt: String,
    pub(super) variants: Vec<PlannedVariant>,
    percent: Vec<f64>,
    pub(super) namespace: Option<Namespace>,
    pub(super) holdout: Option<Holdout>,
    pub(super) goal: Goal,
    pub(super) rules: Rules,
    pub(super) guardrails: Vec<Guardrail>,
}

impl ExperimentPlan {
    /// An experiment on a prompt where it is live. It needs a control and at least one variant, whose traffic sums to 100 %.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for texts that are no names.
    pub fn new(prompt: &str, environment: &str) -> Result<Self> {
        Ok(Self {
            prompt: PromptName::new(prompt)?,
            environment: EnvironmentName::new(environment)?,
            id: None,
            name: String::new(),
            salt: String::new(),
            variants: Vec::new(),
            percent: Vec::new(),
            namespace: None,
            holdout: None,
            goal: Goal::default(),
            rules: Rules::default(),
            guardrails: Vec::new(),
        })
    }

    /// Gives it this id. Default: one that is made for it. The id is what units are hashed with, so that the same id and salt
    /// assign the same units in the same way.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no id.
    pub fn id(mut self, id: &str) -> Result<Self> {
        self.id = Some(ExperimentId::new(id)?);
        Ok(self)
    }

    /// Says what it is called, in at most 200 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Hashes units with this beside the id. Default: nothing.
    pub fn salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// Compares with what is live when the experiment begins, as the variant `control`, which gets so much of the traffic in
    /// percent, to a hundredth.
    pub fn control(mut self, percent: f64) -> Self {
        // The control is first, whenever it is named.
        let name = VariantName::new("control");
        if let Ok(name) = name {
            self.variants.insert(0, PlannedVariant { name, version: None });
            self.percent.insert(0, percent);
        }
        self
    }

    /// Compares this version, which gets so much of the traffic in percent, to a hundredth.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no variant's name.
    pub fn variant(mut self, name: &str, version: VersionNumber, percent: f64) -> Result<Self> {
        self.variants.push(PlannedVariant {
            name: VariantName::new(name)?,
            version: Some(version),
        });
        self.percent.push(percent);
        Ok(self)
    }

    /// What decides. Default: success.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    /// Outcomes that each variant needs before anything is decided. Default: 100.
    pub fn min_sample(mut self, outcomes: u64) -> Self {
        self.rules.min_sample = outcomes;
        self
    }

    /// How long it runs at most: what has no winner by then is inconclusive. One with a winner waits to be completed. Default:
    /// 7 days.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.rules.max_duration = duration;
        self
    }

    /// Promotes the winner as soon as there is one, if the environment's policy lets it. Default: no.
    pub fn auto_complete(mut self) -> Self {
        self.rules.auto_complete = true;
        self
    }

    /// How probable it may be that a winner is declared though no variant is better: 0 < α ≤ 0.2. Default: 0.05.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rules.alpha = alpha;
        self
    }

    /// The mean of the goal before the experiment, 0 < p < 1. Default for success: the control's rate in this environment,
    /// where at least 100 answers were judged.
    pub fn prior(mut self, mean: f64) -> Self {
        self.rules.prior = Some(mean);
        self
    }

    /// A kind of harm whose rate must not be higher than the control's.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name.
    pub fn guardrail(mut self, name: &str, harm: Harm) -> Result<Self> {
        self.guardrails.push(Guardrail {
            name: ScoreName::new(name)?,
            harm,
        });
        Ok(self)
    }

    /// Takes these of a namespace's 10,000 buckets, so that experiments which take others share no unit.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name, or no range within 0 .. 10,000.
    pub fn namespace(mut self, name: &str, buckets: std::ops::Range<u16>) -> Result<Self> {
        if buckets.is_empty() || buckets.end > super::BUCKETS {
            return Err(invalid(format!(
                "the buckets {} .. {} of a namespace; expected a range within 0 .. 10000 that is not empty",
                buckets.start, buckets.end
            )));
        }
        self.namespace = Some(Namespace {
            name: VariantName::new(name)?,
            from: buckets.start,
            to: buckets.end,
        });
        Ok(self)
    }

    /// Holds so many percent of all units out, to a hundredth: the same units for every experiment that names this holdout.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name, or a share that is not above 0 and below 100.
    pub fn holdout(mut self, name: &str, percent: f64) -> Result<Self> {
        self.holdout = Some(Holdout {
            name: VariantName::new(name)?,
            basis_points: basis_points(percent)
                .filter(|share| (1..10_000).contains(share))
                .ok_or_else(|| {
                    invalid(format!(
                        "a holdout of {percent} %; expected more than 0 and less than 100, to a hundredth"
                    ))
                })?,
        });
        Ok(self)
    }

    /// Who gets what in the beginning.
    pub(super) fn allocation(&self) -> Result<Allocation> {
        allocation_of(&self.percent, None)
    }

    /// Checks all that can be checked without a store.
    pub(super) fn check(&self, max_variants: usize) -> Result<()> {
        if self.variants.first().is_none_or(|first| first.version.is_some()) {
            return Err(invalid(
                "the experiment has no control; say how much of the traffic it gets with `control`",
            ));
        }
        if self.variants.len() > max_variants {
            return Err(invalid(format!(
                "{} variants; at most {max_variants} are allowed, since each one more needs more traffic to decide: \
                 compare fewer, or raise the builder's `max_variants`",
                self.variants.len()
            )));
        }
        for (at, variant) in self.variants.iter().enumerate() {
            if self.variants[..at].iter().any(|other| other.name == variant.name) {
                return Err(invalid(format!(
                    "two variants are called {}; give each a name of its own",
                    variant.name
                )));
            }
        }
        for (what, text) in [("name", &self.name), ("salt", &self.salt)] {
            if text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
                return Err(invalid(format!(
                    "the experiment's {what} has {} bytes; expected at most {MAX_TEXT_BYTES} without control characters",
                    text.len()
                )));
            }
        }
        let rules = &self.rules;
        if !(rules.alpha > 0.0 && rules.alpha <= 0.2) {
            return Err(invalid(format!(
                "an alpha of {}; expected a number above 0 and at most 0.2",
                rules.alpha
            )));
        }
        if rules.prior.is_some_and(|prior| !(prior > 0.0 && prior < 1.0)) {
            return Err(invalid(
                "the mean before the experiment; expected a number above 0 and below 1",
            ));
        }
        if rules.max_duration.is_zero() || rules.max_duration > Duration::from_secs(366 * 24 * 3_600) {
            return Err(invalid(format!(
                "a maximum duration of {:?}; expected more than 0 and at most 366 days",
                rules.max_duration
            )));
        }
        if self.guardrails.len() > MAX_GUARDRAILS {
            return Err(invalid(format!(
                "{} guardrails; at most {MAX_GUARDRAILS} are allowed",
                self.guardrails.len()
            )));
        }
        for (at, guardrail) in self.guardrails.iter().enumerate() {
            if self.guardrails[..at]
                .iter()
                .any(|other| other.name == guardrail.name)
            {
                return Err(invalid(format!(
                    "two guardrails are called {}; give each a name of its own",
                    guardrail.name
                )));
            }
            if let Harm::ScoreBelow(limit) = guardrail.harm
                && !(0.0..=1.0).contains(&limit)
            {
                return Err(invalid(format!(
                    "the guardrail {} has the limit {limit}; expected a score in 0.0 ..= 1.0",
                    guardrail.name
                )));
            }
        }
        self.allocation().map(|_| ())
    }
}

/// A share in percent as basis points; `None` when it is no share, or finer than a hundredth.
fn basis_points(percent: f64) -> Option<u16> {
    let points = percent * 100.0;
    let whole = points.round();
    ((0.0..=10_000.0).contains(&whole) && (points - whole).abs() < 1e-6).then_some(whole as u16)
}

/// An allocation of shares in percent: a new one, or the present one changed.
pub(super) fn allocation_of(percent: &[f64], present: Option<&Allocation>) -> Result<Allocation> {
    let shares = percent.iter().map(|percent| {
        basis_points(*percent).ok_or_else(|| {
            invalid(format!(
                "a share of {percent} % of the traffic; expected 0.01 to 100, to a hundredth"
            ))
        })
    });
    let shares: Vec<u16> = shares.collect::<Result<_>>()?;
    match present {
        None => Allocation::new(&shares),
        Some(present) => present.reweighted(&shares),
    }
}
