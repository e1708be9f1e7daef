//! The watch over what is live: scores folded into monitors, and what follows from their verdicts.

use chrono::TimeDelta;

use super::improver::{Improver, Live};
use super::pass::{Done, Pass};
use crate::base::error::{ErrorKind, Result};
use crate::base::{Change, ScoreName, Timestamp, VersionNumber};
use crate::deployment::{Deployment, DeploymentFilter, Document, State, Step};
use crate::evaluation::run::EvaluatorRecord;
use crate::improvement::monitor::{Alarm, Verdict};
use crate::improvement::record::{ImprovementRecord, RecordKind};
use crate::improvement::store::ImprovementCommit;
use crate::improvement::watch::{Blame, Watch, WatchPurpose, WatchStatus};

/// Scores of how long a time are read at once.
const SLICE: TimeDelta = TimeDelta::hours(1);
/// With fewer scores in that time, twice the time is read at once.
const FEW: usize = 1_000;
/// Why there is no data.
const SILENT: &str = "nothing was scored for too long";
/// How long an attribution that does not come to an end is tried again.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

impl Improver {
    /// Looks at the slot's deployment that is live, and at what a rollback restored. With `may_act` off, scores are folded and
    /// alarms told, and nothing follows from them.
    pub(super) async fn watch(&self, live: Option<Live>, may_act: bool, pass: &mut Pass) -> Result<()> {
        let filter = DeploymentFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            has_slot: Some(true),
            ..DeploymentFilter::default()
        };
        for deployment in self.all_deployments(&filter).await? {
            let id = deployment.id.clone();
            let looked = match deployment.state {
                State::Monitoring => self.watch_deployment(deployment, may_act, pass).await,
                State::Regressed if may_act => self.take_back(deployment, pass).await,
                _ => Ok(()),
            };
            if let Err(error) = looked {
                pass.problem("watch", error.with("deployment", &id));
            }
        }
        if let Err(error) = self.end_left_over().await {
            pass.problem("watch", error);
        }
        if let Some(live) = live
            && let Err(error) = self.watch_restored(live, pass).await
        {
            pass.problem("watch", error);
        }
        Ok(())
    }

    async fn watch_deployment(&self, deployment: Deployment, may_act: bool, pass: &mut Pass) -> Result<()> {
        let version = self.version(deployment.candidate.version).await?;
        let evaluator = self.plan.evaluator(&version.content)?;
        let Some(mut watch) = self.watch_of(&deployment, &evaluator).await? else {
            // Who scores is somebody else now: what was seen cannot be held against what comes.
            let reason = format!("the evaluator changed to {}", self.plan.scorer_name(&evaluator));
            self.deployments()
                .observe(&deployment.id, Step::Watch, &reason, None, &self.actor)
                .await?;
            pass.did(Done::WatchedAnew {
                deployment: deployment.id,
                reason,
            });
            return Ok(());
        };
        if watch.status == WatchStatus::Waiting && !self.begin(&mut watch, &deployment, &evaluator).await? {
            if may_act && self.is_silent(&watch, &evaluator).await? {
                return self.end(watch, deployment, Step::FindNoData, SILENT, pass).await;
            }
            return Ok(());
        }
        let (seen, looked_to) = (watch.seen(), watch.looked_to);
        if watch.status == WatchStatus::Watching {
            self.fold(&mut watch).await?;
        }
        let is_new = watch.revision == 0 || watch.seen() != seen || watch.looked_to - looked_to >= SLICE;
        let verdict = match &watch.figures {
            Some(figures) => figures.monitor.verdict(&figures.state, self.now())?,
            None => return Ok(()),
        };
        match verdict {
            Verdict::Watching { .. } if !is_new => Ok(()),
            Verdict::Watching { .. } => self.keep_watch(watch, None).await,
            Verdict::Alarm(alarm) => {
                if watch.status == WatchStatus::Watching {
                    watch.status = WatchStatus::Alarm;
                    watch = self.keep_and_tell(watch).await?;
                    pass.did(Done::Alarm {
                        deployment: deployment.id.clone(),
                        alarm: alarm.clone(),
                    });
                }
                if may_act {
                    self.answer(watch, deployment, alarm, pass).await?;
                }
                Ok(())
            }
            Verdict::Cleared if may_act => {
                self.end(watch, deployment, Step::Clear, "no harm was seen", pass)
                    .await
            }
            Verdict::NoData { .. } if may_act => {
                self.end(watch, deployment, Step::FindNoData, SILENT, pass).await
            }
            Verdict::Cleared | Verdict::NoData { .. } => self.keep_watch(watch, None).await,
        }
    }

    /// The watch of a deployment's epoch, made if there is none; `None` when somebody else scores now.
    async fn watch_of(&self, deployment: &Deployment, evaluator: &EvaluatorRecord) -> Result<Option<Watch>> {
        let scored_by = self.plan.scorer_name(evaluator);
        if let Some(watch) = self.stored_watch(deployment, deployment.monitor_epoch).await? {
            return Ok((watch.scored_by == scored_by).then_some(watch));
        }
        let since = deployment.watched_since.unwrap_or_else(|| self.now());
        Ok(Some(Watch {
            scored_by,
            ..self.new_watch(deployment, deployment.candidate.version, since)
        }))
    }

    pub(super) async fn stored_watch(&self, deployment: &Deployment, epoch: u32) -> Result<Option<Watch>> {
        let id = Watch::key(&deployment.id, epoch);
        let found = self
            .with
            .store
            .improvement_record(&self.tenant, RecordKind::Watch, &id)
            .await?;
        Ok(match found {
            Some(ImprovementRecord::Watch(watch)) => Some(*watch),
            _ => None,
        })
    }

    pub(super) fn new_watch(
        &self,
        deployment: &Deployment,
        version: VersionNumber,
        since: Timestamp,
    ) -> Watch {
        Watch {
            deployment: deployment.id.clone(),
            epoch: deployment.monitor_epoch,
            purpose: WatchPurpose::Deployment,
            prompt: self.prompt.clone(),
            environment: self.environment.clone(),
            version,
            scored_by: String::new(),
            status: WatchStatus::Waiting,
            figures: None,
            since,
            looked_to: since,
            sessions: Default::default(),
            blame: None,
            failing_since: None,
            failures: 0,
            end: None,
            revision: 0,
        }
    }

    /// Until when traces have their scores.
    pub(super) fn settled(&self) -> Timestamp {
        let settle = TimeDelta::from_std(self.plan.settle).unwrap_or(TimeDelta::MAX);
        self.now()
            .checked_sub_signed(settle)
            .unwrap_or(Timestamp::MIN_UTC)
    }

    /// Folds the scores that came since the last look.
    pub(super) async fn fold(&self, watch: &mut Watch) -> Result<()> {
        let to = self.settled();
        let Some(figures) = &mut watch.figures else {
            return Ok(());
        };
        let metrics: Vec<ScoreName> = figures
            .monitor
            .metrics()
            .iter()
            .map(|metric| metric.name.clone())
            .collect();
        let mut slice = SLICE;
        // A clock that was set back has nothing new to look at.
        while watch.looked_to < to {
            let next = watch.looked_to.checked_add_signed(slice).unwrap_or(to).min(to);
            let found = self
                .online(watch.version, &metrics, watch.looked_to, next)
                .await?;
            if found.len() < FEW {
                slice = slice.checked_add(&slice).unwrap_or(slice);
            }
            for online in found {
                if watch.sessions.is_new(&self.tenant, online.session.as_deref()) {
                    figures.monitor.fold(&mut figures.state, &online.scored)?;
                    figures
                        .series
                        .iter_mut()
                        .for_each(|series| series.observe(&figures.state));
                }
            }
            watch.looked_to = next;
        }
        Ok(())
    }

    /// Whether looking into an alarm failed a short time ago: a minute after the first failure, and twice as long after each
    /// more.
    fn is_attribution_resting(&self, watch: &Watch) -> bool {
        let minutes = (1_i64 << watch.failures.min(9)) - 1;
        watch
            .failing_since
            .is_some_and(|since| self.now().signed_duration_since(since) < TimeDelta::minutes(minutes))
    }

    /// What follows from an alarm: both versions are asked with the last inputs. Only where the one before does better is this
    /// one to blame; where that cannot be found out, a person decides.
    async fn answer(
        &self,
        mut watch: Watch,
        deployment: Deployment,
        alarm: Alarm,
        pass: &mut Pass,
    ) -> Result<()> {
        if self.is_attribution_resting(&watch) {
            return Ok(());
        }
        let predecessor = deployment.shipped.as_ref().and_then(|shipped| shipped.restores);
        let found = match predecessor {
            Some(predecessor) => match self.attribute(&watch, predecessor, &alarm).await {
                Ok(found) => found,
                // Another worker has the slot.
                Err(error) if error.kind() == ErrorKind::Conflict => return Err(error),
                Err(error) => {
                    // The alarm's own time says nothing: nobody may have looked for long.
                    let since = watch.failing_since.unwrap_or_else(|| self.now());
                    watch.failing_since = Some(since);
                    watch.failures = watch.failures.saturating_add(1);
                    watch = self.keep_watch_as(watch, |_| ()).await?;
                    if self.now().signed_duration_since(since) < PATIENCE {
                        return Err(error);
                    }
                    pass.problem("attribution", error);
                    None
                }
            },
            None => None,
        };
        let (step, blame, reason, evidence) = match &found {
            Some(found) if found.is_guilty() => (
                Step::Regress,
                Blame::Version,
                found.reason(),
                Some(Document::of(found)?),
            ),
            Some(found) => (
                Step::FindDrift,
                Blame::World,
                found.reason(),
                Some(Document::of(found)?),
            ),
            None => {
                let reason = "it does worse than what was live before, and both cannot be compared on recorded inputs: a \
                              person is to decide";
                (Step::Regress, Blame::Unknown, reason.to_owned(), None)
            }
        };
        let reason = format!("{alarm}. {reason}");
        let watch = self
            .keep_watch_as(watch, |watch| {
                watch.blame = Some(blame);
                watch.end = Some(reason.clone());
            })
            .await?;
        let after = self
            .deployments()
            .observe(&deployment.id, step, &reason, evidence, &self.actor)
            .await?;
        self.keep_watch(watch, Some(WatchStatus::Ended)).await?;
        pass.did(match step {
            Step::Regress => Done::Regressed {
                deployment: deployment.id,
                reason,
            },
            _ => Done::Drift {
                deployment: deployment.id,
                reason,
            },
        });
        if after.state == State::Regressed {
            self.take_back(after, pass).await?;
        }
        Ok(())
    }

    /// Rolls back what is known to be to blame, where that is switched on and nobody holds the slot.
    async fn take_back(&self, deployment: Deployment, pass: &mut Pass) -> Result<()> {
        let watch = self.stored_watch(&deployment, deployment.monitor_epoch).await?;
        let Some(watch) = watch.filter(|watch| watch.blame == Some(Blame::Version)) else {
            return Ok(());
        };
        // Finding that out took a while.
        if !self.is_on().await? {
            return Ok(());
        }
        // That the version before does better was known then: the owner's word stands until an owner takes it back.
        let transitions = self.deployments().transitions(&deployment.id).await?;
        if transitions.iter().any(|taken| taken.step == Step::Override) {
            pass.did(Done::LeftToPeople {
                deployment: deployment.id,
                reason: "an owner kept it although it had regressed before; it is not rolled back by itself"
                    .to_owned(),
            });
            return Ok(());
        }
        let reason = watch.end.unwrap_or_default();
        match self
            .deployments()
            .roll_back_by_itself(&deployment.id, &reason)
            .await
        {
            Ok(_) => {
                pass.did(Done::RolledBack {
                    deployment: deployment.id,
                    restored: deployment.shipped.and_then(|shipped| shipped.restores),
                });
                Ok(())
            }
            // It is on the list of open regressions until somebody decides.
            Err(error)
                if matches!(
                    error.kind(),
                    // What was live before was archived, or is gone, or was rolled back itself.
                    ErrorKind::Refused
                        | ErrorKind::IllegalTransition
                        | ErrorKind::NotFound
                        | ErrorKind::Invalid
                ) =>
            {
                pass.did(Done::LeftToPeople {
                    deployment: deployment.id,
                    reason: error.message().to_owned(),
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn end(
        &self,
        mut watch: Watch,
        deployment: Deployment,
        step: Step,
        reason: &str,
        pass: &mut Pass,
    ) -> Result<()> {
        // The deployment first: a watch that is left open beside a deployment that is not says nothing wrong.
        self.deployments()
            .observe(&deployment.id, step, reason, None, &self.actor)
            .await?;
        watch.end = Some(reason.to_owned());
        self.keep_watch(watch, Some(WatchStatus::Ended)).await?;
        pass.did(match step {
            Step::Clear => Done::Cleared {
                deployment: deployment.id,
            },
            _ => Done::NoData {
                deployment: deployment.id,
            },
        });
        Ok(())
    }

    pub(super) async fn keep_watch(&self, mut watch: Watch, status: Option<WatchStatus>) -> Result<()> {
        watch.status = status.unwrap_or(watch.status);
        self.keep_watch_as(watch, |_| ()).await.map(drop)
    }

    async fn keep_watch_as(&self, mut watch: Watch, change: impl FnOnce(&mut Watch)) -> Result<Watch> {
        change(&mut watch);
        self.commit_watch(watch, Vec::new()).await
    }

    /// Keeps a watch, and tells of it: an alert.
    pub(super) async fn keep_and_tell(&self, watch: Watch) -> Result<Watch> {
        let told = Change::WatchChanged {
            deployment: watch.deployment.clone(),
            prompt: watch.prompt.clone(),
            environment: watch.environment.clone(),
            status: watch.status.as_str().to_owned(),
        };
        self.commit_watch(watch, vec![told]).await
    }

    async fn commit_watch(&self, mut watch: Watch, changes: Vec<Change>) -> Result<Watch> {
        watch.revision += 1;
        self.with
            .commit(ImprovementCommit {
                tenant: self.tenant.clone(),
                records: vec![ImprovementRecord::Watch(Box::new(watch.clone()))],
                changes,
                audits: Vec::new(),
            })
            .await?;
        Ok(watch)
    }
}
