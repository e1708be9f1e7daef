//! The evaluations of one tenant: runs, their reports and comparisons, and evidence.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::EntryResult;
use super::comparison::{Comparison, ComparisonOptions};
use super::dataset::{DatasetReference, DatasetStore};
use super::evidence::{Evidence, EvidenceRecord};
use super::report::{Report, ReportOptions};
use super::run::{
    Evaluation, EvaluatorRecord, Run, RunChange, RunFilter, RunHandle, RunState, StopCause, work_on,
};
use super::store::EvaluationStore;
use crate::base::audit::{AuditAction, AuditEntry, check_reason};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{
    Actor, Clock, ClosureHash, DatasetName, IdSource, Operation, Page, PageRequest, PromptName, RunId, Spawn,
    TenantId, VersionNumber,
};
use crate::llm::CompletionStore;
use crate::prompt::{Reference, Store, Version, find_version};
use crate::render::Compiler;

/// What evaluating works with.
#[derive(Clone)]
pub struct Evaluating {
    /// Where runs, results and evidence are kept.
    pub evaluations: Arc<dyn EvaluationStore>,
    /// Where datasets are kept.
    pub datasets: Arc<dyn DatasetStore>,
    /// Where answers are kept to be used again.
    pub completions: Arc<dyn CompletionStore>,
    /// Where versions are kept.
    pub prompts: Arc<dyn Store>,
    /// Resolves and compiles what is evaluated.
    pub compiler: Compiler,
    /// Where the work is done.
    pub spawn: Arc<dyn Spawn>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Ids of runs and workers.
    pub ids: Arc<dyn IdSource>,
}

/// The evaluations of one tenant.
#[derive(Clone)]
pub struct Evaluations {
    pub(super) evaluating: Evaluating,
    pub(super) tenant: TenantId,
}

impl Evaluations {
    /// The evaluations of this tenant.
    #[must_use]
    pub fn new(evaluating: Evaluating, tenant: TenantId) -> Self {
        Self { evaluating, tenant }
    }

    /// Evaluates a version on a dataset (`tickets/golden` for its latest version, `tickets/golden@v3`) to the end, and
    /// reports. See [`start`](Self::start) for progress and cancelling.
    ///
    /// # Errors
    /// Those of [`start`](Self::start) and of [`RunHandle::finish`].
    pub async fn evaluate(
        &self,
        version: &Version,
        dataset: &str,
        evaluation: &Evaluation,
        actor: &Actor,
    ) -> Result<Report> {
        self.start(version, dataset, evaluation, actor)
            .await?
            .finish()
            .await
    }

    /// Starts a run, and works on it in the background. Each result is durable as soon as it is there: whatever happens to
    /// this process, the run can be [resumed](Self::resume), by this one or another, and nothing that has a result is asked
    /// again. When every entry has its results, the run's evidence is recorded.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for an evaluation that would say nothing (see [`Evaluation`]), a dataset bound to
    /// another prompt, or without a tokio runtime at hand; [`NotFound`](ErrorKind::NotFound) for an unknown dataset;
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not; what resolving the version's snippets and compiling it
    /// fail with; the backend's errors.
    pub async fn start(
        &self,
        version: &Version,
        dataset: &str,
        evaluation: &Evaluation,
        actor: &Actor,
    ) -> Result<RunHandle> {
        actor.authorise(Operation::Evaluate)?;
        let evaluator = evaluation.record(&version.content)?;
        let reference: DatasetReference = dataset.parse()?;
        let evaluating = &self.evaluating;
        let dataset = evaluating
            .datasets
            .dataset(&self.tenant, &reference.name, reference.version)
            .await?;
        if let Some(prompt) = &dataset.prompt
            && *prompt != version.prompt
        {
            return Err(invalid(format!(
                "the dataset {dataset} is for the prompt {prompt}, not for {}",
                version.prompt
            )));
        }
        let closure = evaluating.compiler.closure(&self.tenant, version).await?;
        let at = evaluating.clock.now();
        let run = Run {
            id: RunId::new(evaluating.ids.id(at))?,
            prompt: version.prompt.clone(),
            version: version.number,
            closure_hash: closure.hash,
            dataset: dataset.name.clone(),
            dataset_version: dataset.version,
            entries: dataset.entries,
            evaluator,
            state: RunState::Running,
            started_by: actor.clone(),
            started_at: at,
        };
        let compiled = evaluating.compiler.compile(&closure)?;
        let detail = json!({
            "prompt": run.prompt,
            "version": run.version,
            "closure_hash": run.closure_hash,
            "dataset": run.dataset,
            "dataset_version": run.dataset_version,
            "evaluator": run.evaluator,
        });
        let audit = AuditEntry::new(
            &self.tenant,
            at,
            actor,
            AuditAction::StartRun,
            run.id.as_str(),
            &detail,
        );
        evaluating
            .evaluations
            .create_run(&self.tenant, run.clone(), audit)
            .await?;
        work_on(self, run, version, compiled, evaluation, actor).await
    }

    /// Takes up a run that was stopped, or whose workers died, or joins those that work on it: only what has no result is
    /// asked. A run that is complete is done at once.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when the evaluation has another model, other repeats or other scorers than the run;
    /// [`Conflict`](ErrorKind::Conflict) when a snippet was changed since the run was started, so that something else would
    /// be evaluated; [`NotFound`](ErrorKind::NotFound) for an unknown run; those of [`start`](Self::start).
    pub async fn resume(&self, run: &RunId, evaluation: &Evaluation, actor: &Actor) -> Result<RunHandle> {
        actor.authorise(Operation::Evaluate)?;
        let evaluating = &self.evaluating;
        let mut run = evaluating.evaluations.run(&self.tenant, run).await?;
        let version = self.version(&run).await?;
        same_evaluator(&run, &evaluation.record(&version.content)?)?;
        let closure = evaluating.compiler.closure(&self.tenant, &*version).await?;
        if closure.hash != run.closure_hash && !run.state.is_completed() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "a snippet of {version} was changed since the run {} was started (closure {}, now {}); start another run",
                    run.id,
                    run.closure_hash.short(),
                    closure.hash.short()
                ),
            ));
        }
        let compiled = evaluating.compiler.compile(&closure)?;
        if matches!(run.state, RunState::Stopped { .. }) {
            run = self
                .change(
                    &run.id,
                    RunState::Running,
                    AuditAction::ResumeRun,
                    actor,
                    &json!({}),
                )
                .await?;
        }
        work_on(self, run, &version, compiled, evaluation, actor).await
    }

    /// Stops a run, whoever works on it: no further entry is asked, and what is done is kept. It can be resumed.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) without a reason; [`NotFound`](ErrorKind::NotFound) for an unknown run;
    /// [`IllegalTransition`](ErrorKind::IllegalTransition) for one that is complete;
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not; the backend's errors.
    pub async fn cancel(&self, run: &RunId, actor: &Actor, reason: &str) -> Result<Run> {
        actor.authorise(Operation::Evaluate)?;
        let reason = check_reason("a cancellation", reason)?;
        let to = RunState::Stopped {
            cause: StopCause::Cancelled,
            reason: reason.clone(),
            at: self.evaluating.clock.now(),
        };
        let detail = json!({ "cause": StopCause::Cancelled, "reason": reason });
        self.change(run, to, AuditAction::StopRun, actor, &detail).await
    }

    async fn change(
        &self,
        run: &RunId,
        to: RunState,
        action: AuditAction,
        actor: &Actor,
        detail: &serde_json::Value,
    ) -> Result<Run> {
        let at = self.evaluating.clock.now();
        let change = RunChange {
            tenant: self.tenant.clone(),
            run: run.clone(),
            to,
            evidence: None,
            audit: AuditEntry::new(&self.tenant, at, actor, action, run.as_str(), detail),
        };
        self.evaluating.evaluations.change_run(change).await
    }

    /// A run.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is none of this id; the backend's errors.
    pub async fn get(&self, run: &RunId) -> Result<Run> {
        self.evaluating.evaluations.run(&self.tenant, run).await
    }

    /// Runs, the newest first.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a cursor of another list; the backend's errors.
    pub async fn list(&self, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        self.evaluating.evaluations.runs(&self.tenant, filter, page).await
    }

    /// The results of a run, in the order of the dataset.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for an unknown run; [`Invalid`](ErrorKind::Invalid) for a cursor of another list;
    /// the backend's errors.
    pub async fn results(&self, run: &RunId, page: &PageRequest) -> Result<Page<EntryResult>> {
        self.evaluating.evaluations.results(&self.tenant, run, page).await
    }

    /// What a run has come to so far, computed from its results.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for an unknown run; the backend's errors.
    pub async fn report(&self, run: &RunId, options: &ReportOptions) -> Result<Report> {
        let run = self.get(run).await?;
        self.load_report(run, options).await
    }

    pub(super) async fn report_of(&self, run: Run) -> Result<Report> {
        self.load_report(run, &ReportOptions::default()).await
    }

    async fn load_report(&self, run: Run, options: &ReportOptions) -> Result<Report> {
        let evaluating = &self.evaluating;
        Report::load(
            evaluating.evaluations.as_ref(),
            evaluating.datasets.as_ref(),
            &self.tenant,
            run,
            options,
        )
        .await
    }

    /// Compares two complete runs on the same dataset with the same scorers, entry by entry.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for runs that cannot be compared, saying why;
    /// [`NotFound`](ErrorKind::NotFound) for an unknown run; the backend's errors.
    pub async fn compare(
        &self,
        baseline: &RunId,
        candidate: &RunId,
        options: &ComparisonOptions,
    ) -> Result<Comparison> {
        let (baseline, candidate) = tokio::try_join!(self.get(baseline), self.get(candidate))?;
        let evaluating = &self.evaluating;
        Comparison::load(
            evaluating.evaluations.as_ref(),
            evaluating.datasets.as_ref(),
            &self.tenant,
            baseline,
            candidate,
            options,
        )
        .await
    }

    /// Records what an evaluation elsewhere came to, for gates to rest on. A run's own evidence is recorded when it is
    /// complete.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for counts that cannot be,
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not,
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when this run is on record, or is a run kept here; the backend's errors.
    pub async fn record_evidence(&self, evidence: Evidence, actor: &Actor) -> Result<()> {
        actor.authorise(Operation::RecordEvidence)?;
        evidence.check()?;
        self.check_not_of_a_run(&evidence).await?;
        let at = self.evaluating.clock.now();
        let subject = format!(
            "{} on {} {}",
            evidence.prompt, evidence.dataset, evidence.dataset_version
        );
        let detail = json!({
            "closure_hash": evidence.closure_hash,
            "run": evidence.run,
            "entries": evidence.entries,
            "passed": evidence.passed,
        });
        let audit = AuditEntry::new(
            &self.tenant,
            at,
            actor,
            AuditAction::RecordEvidence,
            subject,
            &detail,
        );
        let record = EvidenceRecord {
            tenant: self.tenant.clone(),
            evidence,
            recorded_by: actor.clone(),
            recorded_at: at,
            audit,
        };
        self.evaluating.evaluations.record_evidence(record).await
    }

    /// A run records its own evidence, from its results: recorded by hand it would say what the results do not, and the run
    /// could not be completed any more.
    async fn check_not_of_a_run(&self, evidence: &Evidence) -> Result<()> {
        let Ok(id) = RunId::new(&evidence.run) else {
            return Ok(());
        };
        match self.get(&id).await {
            Ok(run) => Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "the run {id} is kept here, {}, and records its own evidence when it is complete; name the evaluation \
                     elsewhere that this is of",
                    run.state.as_str()
                ),
            )),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The evidence recorded last for exactly this closure on this dataset: on this version of it, or whatever the version
    /// when none is given.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn latest_evidence(
        &self,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        dataset: &DatasetName,
        version: Option<VersionNumber>,
    ) -> Result<Option<Evidence>> {
        self.evaluating
            .evaluations
            .latest_evidence(&self.tenant, prompt, closure_hash, dataset, version)
            .await
    }

    async fn version(&self, run: &Run) -> Result<Arc<Version>> {
        let reference = Reference::version(run.prompt.clone(), run.version);
        find_version(self.evaluating.prompts.as_ref(), &self.tenant, &reference).await
    }
}

/// Checks that an evaluation asks and scores as the run was begun.
fn same_evaluator(run: &Run, found: &EvaluatorRecord) -> Result<()> {
    let begun = &run.evaluator;
    let differs = if (&begun.provider, &begun.model) != (&found.provider, &found.model) {
        format!(
            "the model {} {}, not {} {}",
            begun.provider, begun.model, found.provider, found.model
        )
    } else if begun.repeats != found.repeats {
        format!("{} repeats, not {}", begun.repeats, found.repeats)
    } else if begun.scorers_hash() != found.scorers_hash() {
        let names = |evaluator: &EvaluatorRecord| {
            let names: Vec<_> = evaluator.criteria.iter().map(|one| one.scorer.as_str()).collect();
            names.join(", ")
        };
        format!(
            "the scorers {}, not {}, or the same with other settings",
            names(begun),
            names(found)
        )
    } else {
        return Ok(());
    };
    Err(invalid(format!(
        "the run {} was begun with {differs}; pass the same evaluation, or start another run",
        run.id
    )))
}

impl fmt::Debug for Evaluations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluations")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
