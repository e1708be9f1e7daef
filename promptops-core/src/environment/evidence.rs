//! Loads what is known about the evaluation that a gate asks for.

use super::evaluation_gate::{AgainstLive, EvaluationFacts, EvaluationGate};
use super::pointer::Pointer;
use super::service::{Case, Environments};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, ClosureHash, PromptName, RunId, VersionNumber};
use crate::evaluation::{ComparisonOptions, Evaluation, Evidence, Run};
use crate::prompt::{Reference, Version, find_version};

/// What was found for a gate, and what is missing that a run could bring.
#[derive(Default)]
pub(super) struct EvaluationFound {
    evidence: Option<Evidence>,
    needed: Option<VersionNumber>,
    against_live: Option<AgainstLive>,
    /// Versions of the prompt of which the gate needs a run that is not there.
    pub(super) missing: Vec<VersionNumber>,
}

impl EvaluationFound {
    pub(super) fn facts(&self) -> EvaluationFacts<'_> {
        EvaluationFacts {
            evidence: self.evidence.as_ref(),
            needed: self.needed,
            against_live: self.against_live.clone().unwrap_or(AgainstLive::NothingLive),
        }
    }

    /// The version of the dataset that runs must be on.
    pub(super) fn dataset(&self, gate: &EvaluationGate) -> String {
        match self.needed {
            Some(version) => format!("{}@{version}", gate.dataset),
            None => gate.dataset.to_string(),
        }
    }
}

impl Environments {
    /// What is known about the evaluation that a gate asks of this version with this closure.
    pub(super) async fn find_evaluation(
        &self,
        gate: &EvaluationGate,
        prompt: &PromptName,
        version: VersionNumber,
        closure: &ClosureHash,
        live: Option<&Pointer>,
    ) -> Result<EvaluationFound> {
        let evaluating = &self.governance.evaluating;
        // One wait for both: mostly the last evidence is on the version that is needed.
        let (needed, last) = tokio::try_join!(self.needed_version(gate), async {
            let evaluations = &evaluating.evaluations;
            evaluations
                .latest_evidence(&self.tenant, prompt, closure, &gate.dataset, gate.version)
                .await
        })?;
        let mut found = EvaluationFound {
            evidence: last,
            needed,
            ..EvaluationFound::default()
        };
        if let (Some(needed), Some(last)) = (needed, &found.evidence)
            && last.dataset_version != needed
            && let Some(on_needed) = self.evidence_on(gate, prompt, closure, needed).await?
        {
            found.evidence = Some(on_needed);
        }
        let fitting = found
            .evidence
            .as_ref()
            .filter(|evidence| needed.is_none_or(|needed| evidence.dataset_version == needed));
        if fitting.is_none() {
            found.missing.push(version);
        }
        if gate.no_regression.is_some() {
            found.against_live = Some(match live {
                None => AgainstLive::NothingLive,
                Some(live) if live.closure_hash == *closure => AgainstLive::Same,
                Some(live) => {
                    let candidate = fitting.cloned();
                    self.against(gate, prompt, live, candidate, &mut found.missing)
                        .await?
                }
            });
        }
        Ok(found)
    }

    /// The pinned version, or the latest; `None` when the dataset is not kept here.
    async fn needed_version(&self, gate: &EvaluationGate) -> Result<Option<VersionNumber>> {
        if gate.version.is_some() {
            return Ok(gate.version);
        }
        let datasets = &self.governance.evaluating.datasets;
        match datasets.dataset(&self.tenant, &gate.dataset, None).await {
            Ok(dataset) => Ok(Some(dataset.version)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn evidence_on(
        &self,
        gate: &EvaluationGate,
        prompt: &PromptName,
        closure: &ClosureHash,
        version: VersionNumber,
    ) -> Result<Option<Evidence>> {
        self.governance
            .evaluating
            .evaluations
            .latest_evidence(&self.tenant, prompt, closure, &gate.dataset, Some(version))
            .await
    }

    async fn against(
        &self,
        gate: &EvaluationGate,
        prompt: &PromptName,
        live: &Pointer,
        candidate: Option<Evidence>,
        missing: &mut Vec<VersionNumber>,
    ) -> Result<AgainstLive> {
        let Some(candidate) = candidate else {
            // Whether a run of what is live is there too can be said once there is one to compare it with.
            return Ok(AgainstLive::Unknown("no evaluation to compare".into()));
        };
        let on = candidate.dataset_version;
        let baseline = self.evidence_on(gate, prompt, &live.closure_hash, on).await?;
        let Some(baseline) = baseline else {
            missing.push(live.version);
            return Ok(AgainstLive::Unknown(format!(
                "no evaluation of {} ({}), which is live, on {} {on}",
                live.version,
                live.closure_hash.short(),
                gate.dataset
            )));
        };
        let runs = tokio::try_join!(self.run_behind(&baseline), self.run_behind(&candidate))?;
        let (Some(before), Some(after)) = runs else {
            return Ok(AgainstLive::Unknown(format!(
                "evidence of the runs {} and {}, of which not both are kept here entry by entry",
                baseline.run, candidate.run
            )));
        };
        let options = ComparisonOptions::default().margin(gate.no_regression.unwrap_or_default());
        let comparison = self.evaluations().compare(&before.id, &after.id, &options).await;
        match comparison {
            Ok(comparison) => Ok(AgainstLive::Compared {
                verdict: comparison.verdict,
                summary: comparison.summary(),
            }),
            // They cannot be compared, and the error says why.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                Ok(AgainstLive::Unknown(Error::message(&error).to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// The run that evidence came from; `None` for evidence of an evaluation elsewhere.
    async fn run_behind(&self, evidence: &Evidence) -> Result<Option<Run>> {
        let Ok(id) = RunId::new(&evidence.run) else {
            return Ok(None);
        };
        match self
            .governance
            .evaluating
            .evaluations
            .run(&self.tenant, &id)
            .await
        {
            // Evidence recorded by hand may name any run.
            Ok(run) => Ok(Some(run).filter(|run| {
                run.closure_hash == evidence.closure_hash
                    && run.dataset == evidence.dataset
                    && run.dataset_version == evidence.dataset_version
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the runs that a gate needs and that are not there.
    pub(super) async fn evaluate_missing(
        &self,
        version: &Version,
        case: &Case,
        evaluation: &Evaluation,
        actor: &Actor,
    ) -> Result<()> {
        let Some(gate) = &case.policy.gate.evaluation else {
            return Ok(());
        };
        let dataset = case.evaluation.dataset(gate);
        for number in &case.evaluation.missing {
            let found;
            let version = if *number == version.number {
                version
            } else {
                let reference = Reference::version(version.prompt.clone(), *number);
                found = find_version(self.governance.prompts.as_ref(), &self.tenant, &reference).await?;
                &*found
            };
            let report = self
                .evaluations()
                .evaluate(version, &dataset, evaluation, actor)
                .await?;
            if !report.is_complete() {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("the evaluation that the gate needs is {}", report.run.state),
                )
                .with("run", &report.run.id));
            }
        }
        Ok(())
    }
}
