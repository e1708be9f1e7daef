//! Puts a worker on a run.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::attempt::Asking;
use super::handle::RunHandle;
use super::plan::Evaluation;
use super::pool::{Pool, no_runtime};
use super::record::Run;
use super::runner::{Command, Runner, progress_so_far};
use crate::base::error::Result;
use crate::base::{Actor, spawn};
use crate::evaluation::service::Evaluations;
use crate::prompt::Version;
use crate::render::CompiledPrompt;

/// Starts to work on a run in the background.
pub(in crate::evaluation) async fn work_on(
    evaluations: &Evaluations,
    run: Run,
    version: &Version,
    compiled: CompiledPrompt,
    evaluation: &Evaluation,
    actor: &Actor,
) -> Result<RunHandle> {
    let Evaluations { evaluating, tenant } = evaluations;
    let so_far = progress_so_far(evaluating.evaluations.as_ref(), tenant, &run).await?;
    let asking = Asking {
        tenant: tenant.clone(),
        version: Arc::new(version.clone()),
        closure_hash: run.closure_hash,
        compiled,
        client: evaluation.client.clone(),
        provider: run.evaluator.provider.clone(),
        model: run.evaluator.model.clone(),
        criteria: evaluation.criteria.clone(),
        prices: evaluation.prices.clone(),
        completions: evaluation.reuse_answers.then(|| evaluating.completions.clone()),
        clock: evaluating.clock.clone(),
        entry_timeout: evaluation.entry_timeout,
    };
    let (control, commands) = watch::channel(Command::Work);
    let (sender, progress) = watch::channel(so_far);
    let (reply, done) = oneshot::channel();
    let id = run.id.clone();
    let runner = Runner {
        store: evaluating.evaluations.clone(),
        datasets: evaluating.datasets.clone(),
        clock: evaluating.clock.clone(),
        tenant: tenant.clone(),
        worker: evaluating.ids.id(evaluating.clock.now()),
        actor: actor.clone(),
        pool: Pool::start(asking, evaluation.concurrency, evaluating.spawn.clone())?,
        concurrency: evaluation.concurrency,
        lease: evaluation.lease,
        budget: evaluation.budget,
        control: commands,
        progress: sender,
        held: HashSet::new(),
        report: None,
        run,
    };
    let work: spawn::Task = Box::pin(async move {
        // Whoever asked may have gone.
        let _ = reply.send(runner.work().await);
    });
    evaluating.spawn.spawn(work).map_err(|_| no_runtime())?;
    Ok(RunHandle {
        evaluations: evaluations.clone(),
        id,
        control,
        progress,
        done,
    })
}
