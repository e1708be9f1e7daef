//! The watch over what a rollback made live again: an alarm is told, and nothing follows from it.

use std::collections::BTreeMap;

use super::improver::{Improver, Live};
use super::pass::{Done, Pass};
use crate::base::PageRequest;
use crate::base::error::Result;
use crate::deployment::{Deployment, DeploymentFilter, State};
use crate::improvement::monitor::Verdict;
use crate::improvement::record::{ImprovementRecord, RecordKind};
use crate::improvement::store::RecordFilter;
use crate::improvement::watch::{Watch, WatchFigures, WatchPurpose, WatchStatus};

impl Improver {
    /// What a rollback made live again is watched too; an alarm is told, and nothing follows from it.
    pub(super) async fn watch_restored(&self, live: Live, pass: &mut Pass) -> Result<()> {
        for mut watch in self.open_restored().await? {
            if watch.version != live.version {
                watch.end = Some("something else went live".to_owned());
                self.keep_watch(watch, Some(WatchStatus::Ended)).await?;
                continue;
            }
            self.fold(&mut watch).await?;
            let verdict = match &watch.figures {
                Some(figures) => figures.monitor.verdict(&figures.state, self.now())?,
                None => continue,
            };
            match verdict {
                Verdict::Watching { .. } => self.keep_watch(watch, None).await?,
                Verdict::Alarm(alarm) => {
                    pass.did(Done::Alarm {
                        deployment: watch.deployment.clone(),
                        alarm: alarm.clone(),
                    });
                    watch.status = WatchStatus::Alarm;
                    watch.end = Some(alarm.to_string());
                    self.keep_and_tell(watch).await?;
                }
                Verdict::Cleared | Verdict::NoData { .. } => {
                    watch.end = Some("no harm was seen".to_owned());
                    self.keep_watch(watch, Some(WatchStatus::Ended)).await?;
                }
            }
        }
        self.begin_restored(live).await
    }

    async fn open_restored(&self) -> Result<Vec<Watch>> {
        let watching = self.watches_that(WatchStatus::Watching).await?;
        let restored = watching
            .into_iter()
            .filter(|watch| watch.purpose == WatchPurpose::Restored);
        Ok(restored.collect())
    }

    async fn watches_that(&self, status: WatchStatus) -> Result<Vec<Watch>> {
        let filter = RecordFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            status: Some(status.as_str()),
            ..RecordFilter::all(RecordKind::Watch)
        };
        let found = self
            .with
            .all_records(&self.tenant, &filter, &PageRequest::default())
            .await?;
        let watches = found.into_iter().filter_map(|record| match record {
            ImprovementRecord::Watch(watch) => Some(*watch),
            _ => None,
        });
        Ok(watches.collect())
    }

    /// Ends the watches of deployments that ended without them: something else went live, a person rolled back, another epoch
    /// began, or a worker died in between.
    pub(super) async fn end_left_over(&self) -> Result<()> {
        for status in [WatchStatus::Watching, WatchStatus::Alarm] {
            let watches = self.watches_that(status).await?;
            for mut watch in watches {
                if watch.purpose != WatchPurpose::Deployment {
                    continue;
                }
                let deployment = self.deployments().get(&watch.deployment).await?;
                let is_current = deployment.has_slot() && deployment.monitor_epoch == watch.epoch;
                // Once it is known who is to blame only the status is missing.
                if is_current && (deployment.state == State::Monitoring || watch.blame.is_none()) {
                    continue;
                }
                if watch.end.is_none() {
                    watch.end = Some(format!("the deployment is {}", deployment.standing()));
                }
                self.keep_watch(watch, Some(WatchStatus::Ended)).await?;
            }
        }
        Ok(())
    }

    /// Begins to watch what the last rollback restored, if that is live.
    async fn begin_restored(&self, live: Live) -> Result<()> {
        let filter = DeploymentFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            state: Some(State::RolledBack),
            ..DeploymentFilter::default()
        };
        // Not the newest one: what was proposed earlier may have been rolled back later.
        let restored = |deployment: &Deployment| {
            deployment.shipped.as_ref().is_some_and(|shipped| {
                shipped.restores == Some(live.version) && shipped.revision + 1 == live.revision
            })
        };
        let rolled_back = self.all_deployments(&filter).await?;
        let Some(deployment) = rolled_back.into_iter().find(restored) else {
            return Ok(());
        };
        let (Some(shipped), Some(ended)) = (&deployment.shipped, &deployment.ended) else {
            return Ok(());
        };
        let epoch = deployment.monitor_epoch + 1;
        if self.stored_watch(&deployment, epoch).await?.is_some() {
            return Ok(());
        }
        let version = self.version(live.version).await?;
        let evaluator = self.plan.evaluator(&version.content)?;
        let metrics = self.metrics(&evaluator)?;
        let incumbents = self.incumbent(live.version, &metrics, (None, shipped.at)).await?;
        let monitor = self.monitor(metrics, incumbents, &BTreeMap::new())?;
        let watch = Watch {
            epoch,
            purpose: WatchPurpose::Restored,
            scored_by: self.plan.scorer_name(&evaluator),
            status: WatchStatus::Watching,
            figures: Some(WatchFigures::new(monitor, ended.at)),
            ..self.new_watch(&deployment, live.version, ended.at)
        };
        self.keep_watch(watch, None).await
    }
}
