//! Experiments of one tenant: load, decide, commit.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::analysis::Analysis;
use super::decision::{Decision, decide};
use super::plan::{ExperimentPlan, allocation_of};
use super::record::{Completion, Ending, Epoch, Experiment, ExperimentStatus, Variant};
use super::refusal;
use super::start::Start;
use super::store::{ExperimentChange, ExperimentFilter, ExperimentStore, experiment_changed};
use super::tally::Tallies;
use crate::base::audit::{AuditAction, AuditEntry, check_reason};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::spawn::to_completion;
use crate::base::{
    Actor, Event, ExperimentId, IdSource, Operation, Page, PageRequest, TenantId, VersionNumber,
};
use crate::environment::{Decided, Environments, Governance, PointerMove};
use crate::prompt::{Reference, Version, find_version};

/// What experiments work with.
#[derive(Clone)]
pub struct Experimenting {
    /// Where experiments are kept.
    pub experiments: Arc<dyn ExperimentStore>,
    /// By whose policies variants go live.
    pub governance: Governance,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// Most variants of an experiment, the control among them.
    pub max_variants: usize,
}

/// The experiments of one tenant.
#[derive(Clone)]
pub struct Experiments {
    pub(super) with: Experimenting,
    pub(super) tenant: TenantId,
}

/// What a look at an experiment came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// It is over, by this look or before.
    Completed(Box<Experiment>),
    /// It goes on.
    Open(Decision),
}

impl Experiments {
    /// The experiments of this tenant.
    #[must_use]
    pub fn new(with: Experimenting, tenant: TenantId) -> Self {
        Self { with, tenant }
    }

    /// Begins an experiment. Await what is returned; before that, say more about it: a waiver.
    ///
    /// Whatever is served to production goes by production's policy: each variant must meet the environment's policy as if it
    /// were promoted. An owner can set what is not met aside, with a reason.
    ///
    /// A variant whose version, with the same snippets, is live already is no change to anybody and is not asked: that makes
    /// an A/A experiment.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a plan that cannot be followed, saying why; [`Refused`](ErrorKind::Refused)
    /// listing every condition that a variant does not meet; [`Forbidden`](ErrorKind::Forbidden) for a role that may not;
    /// [`NotFound`](ErrorKind::NotFound) when nothing is live there, or for an unknown version;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) for an archived one; [`AlreadyExists`](ErrorKind::AlreadyExists)
    /// when another experiment is open there, or one has some of the namespace's buckets; [`Conflict`](ErrorKind::Conflict)
    /// when the pointer or a policy changes meanwhile; the backend's errors.
    pub fn start<'a>(&'a self, plan: ExperimentPlan, actor: &'a Actor) -> Start<'a> {
        Start::new(self, plan, actor)
    }

    /// An experiment.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn get(&self, id: &ExperimentId) -> Result<Experiment> {
        self.with
            .experiments
            .experiment(&self.tenant, id)
            .await?
            .ok_or_else(|| refusal::unknown_experiment(id).with("tenant", &self.tenant))
    }

    /// Experiments, the newest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a foreign cursor; the backend's errors.
    pub async fn list(&self, filter: &ExperimentFilter, page: &PageRequest) -> Result<Page<Experiment>> {
        self.with
            .experiments
            .experiments(&self.tenant, filter, page)
            .await
    }

    /// Gives everybody the control until the experiment is resumed. Outcomes of what was assigned before count.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); [`IllegalTransition`](ErrorKind::IllegalTransition) when it is completed;
    /// [`Forbidden`](ErrorKind::Forbidden); [`Conflict`](ErrorKind::Conflict) when it is changed meanwhile; the backend's
    /// errors. One that is paused stays so.
    pub async fn pause(&self, id: &ExperimentId, actor: &Actor) -> Result<Experiment> {
        self.set_status(id, ExperimentStatus::Paused, AuditAction::PauseExperiment, actor)
            .await
    }

    /// Assigns units again after a pause, as before it.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, id: &ExperimentId, actor: &Actor) -> Result<Experiment> {
        self.set_status(id, ExperimentStatus::Active, AuditAction::ResumeExperiment, actor)
            .await
    }

    /// Splits the traffic otherwise: so many percent for each variant, to a hundredth, in the order of the variants. As few
    /// units as possible change their variant, and a new epoch begins.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for shares that do not sum to 100, or a variant without any;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) where there are [`Experiment::MAX_EPOCHS`] already; otherwise as
    /// [`pause`](Self::pause). Shares that are in force change nothing.
    pub async fn reweight(&self, id: &ExperimentId, percent: &[f64], actor: &Actor) -> Result<Experiment> {
        actor.authorise(Operation::Experiment)?;
        let mut experiment = self.open(id).await?;
        let present = experiment.epoch();
        let allocation = allocation_of(percent, Some(&present.allocation))?;
        if allocation.shares() == present.allocation.shares() {
            return Ok(experiment);
        }
        if experiment.epochs.len() >= Experiment::MAX_EPOCHS {
            return Err(refusal::no_more_epochs(id));
        }
        let number = present.number + 1;
        let detail = json!({
            "from": present.allocation.shares(),
            "to": allocation.shares(),
            "epoch": number,
        });
        experiment.epochs.push(Epoch {
            number,
            allocation,
            started_at: self.with.governance.clock.now(),
        });
        self.commit(experiment, None, AuditAction::ReweightExperiment, actor, &detail)
            .await
    }

    /// Ends an experiment without a winner: everybody gets what is live.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) without a reason; otherwise as [`pause`](Self::pause).
    pub async fn stop(&self, id: &ExperimentId, reason: &str, actor: &Actor) -> Result<Experiment> {
        actor.authorise(Operation::Experiment)?;
        let reason = check_reason("ending an experiment", reason)?;
        let experiment = self.open(id).await?;
        self.end(experiment, Ending::Stopped, reason, None, actor).await
    }

    /// What is known of an experiment: the figures of each variant, and how the decision stands.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn analysis(&self, id: &ExperimentId) -> Result<Analysis> {
        let (experiment, tallies) = self.counted(id).await?;
        Ok(Analysis::of(
            &experiment,
            &tallies,
            self.with.governance.clock.now(),
        ))
    }

    /// Decides as of now, and ends the experiment if that is the decision: with a winner, which is promoted in the same
    /// commit, where the experiment is to complete by itself; as inconclusive when its time is over; as superseded when
    /// somebody moved the pointer. Any number of processes may look: one of them ends it.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) when the environment's policy does not let the winner go live, listing what is not met:
    /// the experiment stays open until it does, or somebody ends it. [`NotFound`](ErrorKind::NotFound); the backend's errors.
    pub async fn look(&self, id: &ExperimentId) -> Result<Look> {
        self.decide(id, false, &Actor::system("experiments")).await
    }

    /// Decides as of now as [`look`](Self::look) does, and promotes a winner also where the experiment does not do so by
    /// itself.
    ///
    /// # Errors
    /// As [`look`](Self::look), and [`Forbidden`](ErrorKind::Forbidden).
    pub async fn complete(&self, id: &ExperimentId, actor: &Actor) -> Result<Look> {
        actor.authorise(Operation::Experiment)?;
        self.decide(id, true, actor).await
    }

    async fn decide(&self, id: &ExperimentId, promote: bool, actor: &Actor) -> Result<Look> {
        // Who comes second finds it changed: by another look, which ended it, or by somebody who split it otherwise.
        for _ in 0..3 {
            match self.decide_once(id, promote, actor).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
        self.decide_once(id, promote, actor).await
    }

    async fn decide_once(&self, id: &ExperimentId, promote: bool, actor: &Actor) -> Result<Look> {
        let (experiment, tallies) = self.counted(id).await?;
        if !experiment.status.is_open() {
            return Ok(Look::Completed(Box::new(experiment)));
        }
        let environments = self.environments();
        let current = environments
            .revision(&experiment.prompt, &experiment.environment)
            .await?;
        if current != experiment.pointer_revision {
            let reason = format!(
                "the pointer was moved from revision {} to {current}",
                experiment.pointer_revision
            );
            return self
                .completed(experiment, Ending::Superseded, reason, None, actor)
                .await;
        }
        let decision = decide(&experiment, &tallies, self.with.governance.clock.now());
        match &decision {
            Decision::Winner { variant } if promote || experiment.rules.auto_complete => {
                let Some(winner) = experiment.variants.iter().find(|of| of.name == *variant) else {
                    return Ok(Look::Open(decision));
                };
                let summary = Analysis::of(&experiment, &tallies, self.with.governance.clock.now());
                let reason = format!("{variant} won: {}", in_words(&summary));
                let promotion = self.promotion(&experiment, winner, &reason, actor).await?;
                let ending = Ending::Winner {
                    variant: variant.clone(),
                };
                self.completed(experiment, ending, reason, promotion, actor).await
            }
            Decision::Inconclusive { missing } => {
                let why: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let reason = format!("no winner within the maximum duration: {}", why.join("; "));
                let ending = Ending::Inconclusive;
                self.completed(experiment, ending, reason, None, actor).await
            }
            Decision::Winner { .. } | Decision::Continue { .. } => Ok(Look::Open(decision)),
        }
    }

    /// The move that makes a winner live, decided by the environment's policy; `None` when it is live.
    async fn promotion(
        &self,
        experiment: &Experiment,
        winner: &Variant,
        reason: &str,
        actor: &Actor,
    ) -> Result<Option<PointerMove>> {
        let control = experiment.control();
        if winner.version == control.version && winner.closure_hash == control.closure_hash {
            return Ok(None);
        }
        let version = self.version(experiment, winner.version).await?;
        let environments = self.environments();
        let decided = environments
            .promote(&version, &experiment.environment, actor)
            .expecting(experiment.pointer_revision)
            .reason(reason)
            .decide()
            .await?;
        match decided {
            Decided::Live(_) => Ok(None),
            Decided::Move(change) if change.closure_hash == winner.closure_hash => Ok(Some(*change)),
            Decided::Move(change) => Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "a snippet of {version} was changed during the experiment (closure {} then, {} now): what won is not what \
                     would go live. Begin another experiment with the snippets as they are now",
                    winner.closure_hash.short(),
                    change.closure_hash.short()
                ),
            )),
        }
    }

    async fn set_status(
        &self,
        id: &ExperimentId,
        to: ExperimentStatus,
        action: AuditAction,
        actor: &Actor,
    ) -> Result<Experiment> {
        actor.authorise(Operation::Experiment)?;
        let mut experiment = self.open(id).await?;
        if experiment.status == to {
            return Ok(experiment);
        }
        experiment.status = to;
        self.commit(experiment, None, action, actor, &json!({})).await
    }

    async fn completed(
        &self,
        experiment: Experiment,
        ending: Ending,
        reason: String,
        promotion: Option<PointerMove>,
        actor: &Actor,
    ) -> Result<Look> {
        let ended = self.end(experiment, ending, reason, promotion, actor).await?;
        Ok(Look::Completed(Box::new(ended)))
    }

    async fn end(
        &self,
        mut experiment: Experiment,
        ending: Ending,
        reason: String,
        promotion: Option<PointerMove>,
        actor: &Actor,
    ) -> Result<Experiment> {
        let detail = json!({ "ending": ending, "reason": reason });
        experiment.status = ExperimentStatus::Completed;
        experiment.completion = Some(Completion {
            ending,
            reason,
            by: actor.clone(),
            at: self.with.governance.clock.now(),
        });
        self.commit(
            experiment,
            promotion,
            AuditAction::CompleteExperiment,
            actor,
            &detail,
        )
        .await
    }

    /// Commits a change and tells of it, both or neither, whether or not the caller waits for the end.
    async fn commit(
        &self,
        mut experiment: Experiment,
        promotion: Option<PointerMove>,
        action: AuditAction,
        actor: &Actor,
        detail: &serde_json::Value,
    ) -> Result<Experiment> {
        experiment.revision += 1;
        let audit = self.audit(&experiment, action, actor, detail);
        let this = self.clone();
        to_completion(self.with.governance.spawn.as_ref(), async move {
            let mut told = vec![experiment_changed(&experiment)];
            if let Some(promotion) = &promotion {
                told.extend([promotion.change(), promotion.activation()]);
            }
            let change = ExperimentChange {
                tenant: this.tenant.clone(),
                experiment,
                promotion,
                audit,
            };
            let changed = this.with.experiments.change_experiment(change).await?;
            for change in told {
                this.with.governance.events.publish(&Event::Changed {
                    tenant: this.tenant.clone(),
                    change,
                });
            }
            Ok(changed)
        })
        .await
    }

    pub(super) fn audit(
        &self,
        experiment: &Experiment,
        action: AuditAction,
        actor: &Actor,
        detail: &serde_json::Value,
    ) -> AuditEntry {
        let subject = format!(
            "{} on {}@{}",
            experiment.id, experiment.prompt, experiment.environment
        );
        let now = self.with.governance.clock.now();
        AuditEntry::new(&self.tenant, now, actor, action, subject, detail)
    }

    pub(super) fn environments(&self) -> Environments {
        Environments::new(self.with.governance.clone(), self.tenant.clone())
    }

    async fn open(&self, id: &ExperimentId) -> Result<Experiment> {
        let experiment = self.get(id).await?;
        if experiment.status.is_open() {
            Ok(experiment)
        } else {
            Err(refusal::experiment_is_completed(id))
        }
    }

    async fn counted(&self, id: &ExperimentId) -> Result<(Experiment, Tallies)> {
        let experiment = self.get(id).await?;
        let rows = self.with.experiments.tallies(&self.tenant, id).await?;
        Ok((experiment, Tallies::from_rows(rows)))
    }

    async fn version(&self, experiment: &Experiment, number: VersionNumber) -> Result<Arc<Version>> {
        let reference = Reference::version(experiment.prompt.clone(), number);
        self.find(&reference).await
    }

    pub(super) async fn find(&self, reference: &Reference) -> Result<Arc<Version>> {
        find_version(self.with.governance.prompts.as_ref(), &self.tenant, reference).await
    }
}

/// About how long the figures in a reason may be, which is bounded: the rest is in the analysis.
const MAX_WORDS_BYTES: usize = 1_500;

/// The figures that a winner was found by.
fn in_words(analysis: &Analysis) -> String {
    let variants = analysis.variants.iter().map(|variant| {
        let mean = variant
            .mean
            .map_or_else(|| "none".to_owned(), |mean| format!("{mean:.4}"));
        let against = variant.versus_control.map_or_else(String::new, |versus| {
            format!(", anytime p {:.2e}", versus.anytime_p)
        });
        format!("{} {mean} of {}{against}", variant.name, variant.outcomes)
    });
    let mut words = analysis.goal.to_string();
    for (told, variant) in variants.enumerate() {
        if words.len() + variant.len() > MAX_WORDS_BYTES {
            words += &format!("; and {} more", analysis.variants.len() - told);
            break;
        }
        words += if told == 0 { " " } else { "; " };
        words += &variant;
    }
    words
}

impl fmt::Debug for Experiments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Experiments")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
