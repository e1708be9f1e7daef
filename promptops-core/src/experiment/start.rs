//! Beginning an experiment: what it compares is looked up, and must be allowed where it is to be served.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use serde_json::json;

use super::plan::ExperimentPlan;
use super::record::{Epoch, Experiment, ExperimentStatus, Goal, Variant};
use super::service::Experiments;
use super::store::{NewExperiment, experiment_changed};
use crate::base::audit::{AuditAction, check_reason};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::spawn::to_completion;
use crate::base::{Actor, Event, ExperimentId, Operation};
use crate::environment::{Condition, set_aside};
use crate::prompt::Reference;

/// Judged answers of the control from which its success rate counts as known.
const MIN_HISTORY: u64 = 100;

/// An experiment about to begin; await it.
#[must_use = "an experiment does not begin until this is awaited"]
pub struct Start<'a> {
    experiments: &'a Experiments,
    plan: ExperimentPlan,
    actor: &'a Actor,
    waiver: Option<&'a str>,
}

impl<'a> Start<'a> {
    pub(super) fn new(experiments: &'a Experiments, plan: ExperimentPlan, actor: &'a Actor) -> Self {
        Self {
            experiments,
            plan,
            actor,
            waiver: None,
        }
    }

    /// Sets aside what the variants do not meet of the environment's policy. Only an owner may, with a reason; both are
    /// recorded, with the conditions.
    pub fn waive(mut self, reason: &'a str) -> Self {
        self.waiver = Some(reason);
        self
    }

    async fn run(self) -> Result<Experiment> {
        let Self {
            experiments,
            plan,
            actor,
            waiver,
        } = self;
        actor.authorise(Operation::Experiment)?;
        let waiver = waiver
            .map(|reason| {
                actor.authorise(Operation::Waive)?;
                check_reason("a waiver", reason)
            })
            .transpose()?;
        plan.check(experiments.with.max_variants)?;
        let environments = experiments.environments();
        let live = Reference::environment(plan.prompt.clone(), plan.environment.clone());
        let control = experiments.find(&live).await?;
        // What is live there may be inherited, which an experiment cannot be on.
        let now = environments.case(&control, &plan.environment, actor).await?;
        if now.revision == 0 {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "nothing of {} is live in {}; promote a version there",
                    plan.prompt, plan.environment
                ),
            ));
        }
        let live = now
            .slots
            .pointer(&plan.environment)
            .map(|pointer| pointer.version);
        if live != Some(control.number) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the pointer of {}@{} was moved while the experiment began, so the control is not live any more; begin \
                     it again",
                    plan.prompt, plan.environment
                ),
            )
            .with_current_revision(now.revision));
        }
        let mut variants = Vec::with_capacity(plan.variants.len());
        let mut conditions: Vec<Condition> = Vec::new();
        for planned in &plan.variants {
            let version = match planned.version {
                None => control.clone(),
                Some(number) if number == control.number => control.clone(),
                Some(number) => {
                    experiments
                        .find(&Reference::version(plan.prompt.clone(), number))
                        .await?
                }
            };
            let is_live = version.number == control.number;
            let closure_hash = if is_live {
                now.closure.hash
            } else {
                let case = environments.case(&version, &plan.environment, actor).await?;
                conditions.extend(case.conditions.into_iter().map(|mut condition| {
                    condition.detail.condition =
                        format!("{} of {}", condition.detail.condition, planned.name);
                    condition
                }));
                case.closure.hash
            };
            variants.push(Variant {
                name: planned.name.clone(),
                version: version.number,
                content_hash: version.hash,
                closure_hash,
            });
        }
        let waiver = set_aside(conditions, waiver, || {
            format!(
                "the variants may not go live in {}, so no experiment may serve them there",
                plan.environment
            )
        })?;
        let at = experiments.with.governance.clock.now();
        let mut rules = plan.rules.clone();
        if rules.prior.is_none() && plan.goal == Goal::Success {
            let metrics = &experiments.with.governance.metrics;
            let counted = metrics
                .metrics(
                    &experiments.tenant,
                    &plan.prompt,
                    &now.closure.hash,
                    Some(&plan.environment),
                )
                .await?;
            rules.prior = counted
                .success_rate()
                .filter(|rate| counted.judged_count >= MIN_HISTORY && *rate > 0.0 && *rate < 1.0);
        }
        let id = match &plan.id {
            Some(id) => id.clone(),
            None => ExperimentId::new(experiments.with.ids.id(at))?,
        };
        let allocation = plan.allocation()?;
        let experiment = Experiment {
            id,
            name: plan.name,
            prompt: plan.prompt,
            environment: plan.environment,
            status: ExperimentStatus::Active,
            revision: 1,
            variants,
            epochs: vec![Epoch {
                number: 1,
                allocation,
                started_at: at,
            }],
            salt: plan.salt,
            namespace: plan.namespace,
            holdout: plan.holdout,
            goal: plan.goal,
            rules,
            guardrails: plan.guardrails,
            pointer_revision: now.revision,
            created_by: actor.clone(),
            created_at: at,
            completion: None,
        };
        let detail = json!({
            "name": experiment.name,
            "variants": experiment.variants,
            "shares": experiment.epoch().allocation.shares(),
            "goal": experiment.goal,
            "rules": experiment.rules,
            "guardrails": experiment.guardrails,
            "waiver": waiver,
        });
        let new = NewExperiment {
            tenant: experiments.tenant.clone(),
            policy_revision: now.slots.policy_revision,
            audit: experiments.audit(&experiment, AuditAction::StartExperiment, actor, &detail),
            experiment,
        };
        let this = experiments.clone();
        to_completion(experiments.with.governance.spawn.as_ref(), async move {
            let experiment = this.with.experiments.create_experiment(new).await?;
            this.with.governance.events.publish(&Event::Changed {
                tenant: this.tenant.clone(),
                change: experiment_changed(&experiment),
            });
            Ok(experiment)
        })
        .await
    }
}

impl<'a> IntoFuture for Start<'a> {
    type Output = Result<Experiment>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Start({}@{})", self.plan.prompt, self.plan.environment)
    }
}
