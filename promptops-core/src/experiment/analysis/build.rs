//! How a report comes from a record and its tallies.

use super::{Analysis, EpochAnalysis, GuardrailAnalysis, SampleRatio, VariantAnalysis, VersusControl};
use crate::base::Timestamp;
use crate::experiment::decision::{Decision, Missing};
use crate::experiment::evidence::Evidence;
use crate::experiment::record::{Epoch, Experiment, Goal};
use crate::experiment::tally::{Tallies, Tally};
use crate::statistics::{
    Confidence, Counts, Moments, ScoreBins, SequentialEstimate, Tuning, anytime_p, moments_interval,
    outcomes_needed, sequential_estimate, wilson,
};

impl Analysis {
    /// What is known of an experiment now.
    #[must_use]
    pub fn of(experiment: &Experiment, tallies: &Tallies, now: Timestamp) -> Self {
        let build = Build {
            evidence: Evidence::new(experiment),
            experiment,
            tallies,
            confidence: Confidence::new(1.0 - experiment.rules.alpha).unwrap_or_default(),
        };
        let decision = build.evidence.decide(tallies, now);
        Self {
            experiment: experiment.id.clone(),
            status: experiment.status,
            at: now,
            goal: experiment.goal,
            confidence: build.confidence,
            variants: build
                .evidence
                .variants()
                .map(|variant| build.variant(variant))
                .collect(),
            epochs: experiment.epochs.iter().map(|epoch| build.epoch(epoch)).collect(),
            sample_ratio: SampleRatio {
                ln_e: build.evidence.sample_ratio_ln_e(tallies),
                alarm: build.evidence.is_split_wrong(tallies),
            },
            outcomes_needed: build.outcomes_needed(&decision),
            decision,
            completion: experiment.completion.clone(),
        }
    }
}

struct Build<'a> {
    evidence: Evidence<'a>,
    experiment: &'a Experiment,
    tallies: &'a Tallies,
    confidence: Confidence,
}

impl Build<'_> {
    fn variant(&self, at: u8) -> VariantAnalysis {
        let variant = &self.experiment.variants[usize::from(at)];
        let tally = self.tallies.of(at);
        let moments = self.moments(&tally);
        let interval = match self.experiment.goal {
            Goal::Success => wilson(tally.successes, tally.judged, self.confidence),
            Goal::Score => moments
                .and_then(|moments| moments_interval(&moments, self.confidence))
                .and_then(|estimate| estimate.interval.within(0.0, 1.0)),
        };
        VariantAnalysis {
            name: variant.name.clone(),
            version: variant.version,
            outcomes: tally.outcomes,
            mean: moments.map(|moments| moments.mean),
            interval,
            versus_control: (at > 0).then(|| self.versus_control(at)),
            guardrails: self.guardrails(at),
            lost: tally.lost,
            contaminated: tally.contaminated,
            duplicates: tally.duplicates,
        }
    }

    fn versus_control(&self, variant: u8) -> VersusControl {
        let ln_e = self.evidence.ln_e(self.tallies, variant, 0);
        VersusControl {
            difference: self.difference(variant),
            ln_e,
            anytime_p: anytime_p(ln_e),
        }
    }

    /// Within epochs, weighted by n₁n₂/(n₁ + n₂).
    fn difference(&self, variant: u8) -> Option<SequentialEstimate> {
        let (mut weights, mut sum, mut variance, mut outcomes) = (0.0, 0.0, 0.0, 0_u64);
        for epoch in &self.experiment.epochs {
            let of = |variant| self.moments(self.tallies.get(epoch.number, variant)?);
            if let (Some(control), Some(variant)) = (of(0), of(variant)) {
                let (n, m) = (control.count as f64, variant.count as f64);
                let weight = n * m / (n + m);
                weights += weight;
                sum += weight * (variant.mean - control.mean);
                variance += weight * weight * (control.variance / n + variant.variance / m);
                outcomes = outcomes
                    .saturating_add(control.count)
                    .saturating_add(variant.count);
            }
        }
        let (estimate, variance) = (sum / weights, variance / (weights * weights));
        sequential_estimate(estimate, variance, outcomes, self.confidence, Tuning::default())
    }

    fn guardrails(&self, variant: u8) -> Vec<GuardrailAnalysis> {
        let guardrails = self.experiment.guardrails.iter().enumerate();
        let of = guardrails.map(|(at, guardrail)| {
            let counts = self.evidence.harm(self.tallies, variant, at);
            GuardrailAnalysis {
                name: guardrail.name.clone(),
                harm: guardrail.harm,
                measured: counts.total(),
                harmed: counts.successes(),
                interval: wilson(counts.successes(), counts.total(), self.confidence),
                ln_e: self.evidence.harm_ln_e(self.tallies, variant, at),
                breached: self.evidence.is_breached(self.tallies, variant, at),
            }
        });
        of.collect()
    }

    fn epoch(&self, epoch: &Epoch) -> EpochAnalysis {
        let outcomes = self.evidence.variants().map(|variant| {
            let tally = self.tallies.get(epoch.number, variant);
            tally.map_or(0, |tally| tally.outcomes)
        });
        EpochAnalysis {
            number: epoch.number,
            started_at: epoch.started_at,
            shares: epoch.allocation.shares(),
            outcomes: outcomes.collect(),
        }
    }

    /// The most that one of the missing things takes, at the shares in force.
    fn outcomes_needed(&self, decision: &Decision) -> Option<u64> {
        let shares = self.experiment.epoch().allocation.shares();
        let share = |at: u8| {
            shares
                .get(usize::from(at))
                .map(|share| f64::from(*share) / 10_000.0)
        };
        let mut most = None;
        for missing in decision.missing() {
            let needed = match missing {
                Missing::Sample {
                    variant,
                    found,
                    needed,
                } => {
                    let variant = self.experiment.variant_index(variant)?;
                    (needed - found) as f64 / share(variant)?
                }
                Missing::Evidence {
                    leader,
                    other,
                    ln_e,
                    needed,
                } => {
                    let leader = self.experiment.variant_index(leader)?;
                    let other = self.experiment.variant_index(other)?;
                    let of = |variant| self.moments(&self.tallies.of(variant));
                    let both = share(leader)? + share(other)?;
                    let part = share(leader)? / both;
                    outcomes_needed(&of(other)?, &of(leader)?, part, needed - ln_e)? as f64 / both
                }
                _ => return None,
            };
            most = most.max(Some(needed.ceil() as u64));
        }
        most
    }

    fn moments(&self, tally: &Tally) -> Option<Moments> {
        match self.experiment.goal {
            Goal::Success => Counts::new(tally.successes, tally.judged)?.moments(),
            Goal::Score => {
                // The variance by hundredths, the mean as it was recorded.
                let binned = ScoreBins::new(tally.score_bins).moments()?;
                let mean = tally.score_sum_millionths as f64 / 1e6 / tally.scored as f64;
                Moments::new(tally.scored, mean, binned.variance)
            }
        }
    }
}
