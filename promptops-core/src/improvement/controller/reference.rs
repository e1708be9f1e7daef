//! What scores are held against: made when a watch begins.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::dimensions::Dimensions;
use super::improver::Improver;
use super::plan::SUCCESS;
use super::replaying::ReplayRecord;
use crate::base::error::Result;
use crate::base::{ScoreName, Timestamp, VersionNumber};
use crate::deployment::Deployment;
use crate::evaluation::run::EvaluatorRecord;
use crate::improvement::monitor::{Baseline, Incumbent, Monitor};
use crate::improvement::watch::{Watch, WatchFigures, WatchStatus};

impl Improver {
    /// Finds what scores are to be held against, and begins; `false` as long as there is nothing.
    ///
    /// The first watch of a deployment is held against what was live before it, on production's traffic. A later one is held
    /// against the version itself: after an owner's override against its scores until then, which the owner accepted; after a
    /// change of the evaluator against the first scores by the new one. So is the first one where what was live before has too few
    /// scores: against the version's own first ones, so that at least a later fall is seen.
    pub(super) async fn begin(
        &self,
        watch: &mut Watch,
        deployment: &Deployment,
        evaluator: &EvaluatorRecord,
    ) -> Result<bool> {
        let metrics = self.metrics(evaluator)?;
        let needed = self.plan.monitor.min_reference;
        let before = match watch.epoch {
            0 | 1 => None,
            epoch => self.stored_watch(deployment, epoch - 1).await?,
        };
        let has_enough = |found: &BTreeMap<ScoreName, Incumbent>| {
            found.values().any(|incumbent| incumbent.count() >= needed)
        };
        let mut incumbents = match before {
            None => match incumbent_of(deployment) {
                Some(version) => self.incumbent(version, &metrics, (None, watch.since)).await?,
                None => BTreeMap::new(),
            },
            Some(before) if before.scored_by == watch.scored_by => {
                let span = (Some(before.since), watch.since);
                self.incumbent(watch.version, &metrics, span).await?
            }
            Some(_) => BTreeMap::new(),
        };
        if !has_enough(&incumbents) {
            let to = self.settled();
            let span = (Some(watch.since), to);
            incumbents = self.incumbent(watch.version, &metrics, span).await?;
            if !has_enough(&incumbents) {
                return Ok(false);
            }
            (watch.since, watch.looked_to) = (to, to);
        }
        let replayed = self.replayed_means(deployment).await?;
        let monitor = self.monitor(metrics, incumbents, &replayed)?;
        watch.figures = Some(WatchFigures::new(monitor, watch.since));
        watch.status = WatchStatus::Watching;
        Ok(true)
    }

    /// Whether nothing of a version was scored for as long as makes no data.
    pub(super) async fn is_silent(&self, watch: &Watch, evaluator: &EvaluatorRecord) -> Result<bool> {
        let after = TimeDelta::from_std(self.plan.monitor.no_data_after).unwrap_or(TimeDelta::MAX);
        let from = self.now().checked_sub_signed(after).unwrap_or(Timestamp::MIN_UTC);
        if watch.since > from {
            return Ok(false);
        }
        let span = (Some(from), self.now());
        let found = self
            .incumbent(watch.version, &self.metrics(evaluator)?, span)
            .await?;
        Ok(found.is_empty())
    }

    /// A monitor over the metrics that have a reference, or over all where none has: it cannot clear anything then.
    pub(super) fn monitor(
        &self,
        metrics: Vec<ScoreName>,
        mut incumbents: BTreeMap<ScoreName, Incumbent>,
        replayed: &BTreeMap<ScoreName, f64>,
    ) -> Result<Monitor> {
        let baselines = metrics.into_iter().map(|metric| {
            let none = Incumbent::Passes { passed: 0, total: 0 };
            let baseline = Baseline {
                incumbent: incumbents.remove(&metric).unwrap_or(none),
                candidate: replayed.get(&metric).copied(),
            };
            (metric, baseline)
        });
        let mut baselines: BTreeMap<ScoreName, Baseline> = baselines.collect();
        let all = Monitor::new(self.plan.monitor, baselines.clone())?;
        let is_chosen = !self.plan.metrics.is_empty();
        // One that nothing could be worse than is never cleared either, as where errors alone say what success was.
        let without = all.metrics().iter().filter(|metric| metric.reference.is_err());
        if is_chosen || without.clone().count() == baselines.len() {
            return Ok(all);
        }
        for metric in without {
            baselines.remove(&metric.name);
        }
        Monitor::new(self.plan.monitor, baselines)
    }

    /// What is watched.
    pub(super) fn metrics(&self, evaluator: &EvaluatorRecord) -> Result<Vec<ScoreName>> {
        if !self.plan.metrics.is_empty() {
            return Ok(self.plan.metrics.clone());
        }
        let dimensions = Dimensions::of(evaluator)?;
        let mut metrics: Vec<ScoreName> = dimensions.names().cloned().collect();
        if metrics.iter().all(|metric| metric.as_str() != SUCCESS) {
            metrics.push(ScoreName::new(SUCCESS)?);
        }
        Ok(metrics)
    }

    /// The candidate's means in its replay, for the chart.
    async fn replayed_means(&self, deployment: &Deployment) -> Result<BTreeMap<ScoreName, f64>> {
        let Some(evidence) = &deployment.evidence else {
            return Ok(BTreeMap::new());
        };
        let document = self.deployments().document(&evidence.report).await?;
        let report = ReplayRecord::read(&document)
            .ok()
            .and_then(|record| record.report);
        let metrics = report.map(|report| report.metrics).unwrap_or_default();
        Ok(metrics
            .into_iter()
            .map(|metric| (metric.name, metric.all.candidate))
            .collect())
    }
}

/// What scores are held against first: what was last known to be good.
fn incumbent_of(deployment: &Deployment) -> Option<VersionNumber> {
    let restores = deployment.shipped.as_ref().and_then(|shipped| shipped.restores);
    restores.or(deployment.base.live.map(|live| live.version))
}
