//! Who is to blame for an alarm: the version that is live and the one before, asked with the same inputs.

use serde::{Deserialize, Serialize};

use super::arms::{items, marked};
use super::dimensions::Dimensions;
use super::improver::Improver;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{DatasetName, RunId, ScoreName, VersionNumber};
use crate::curation::entry_of;
use crate::evaluation::Dataset;
use crate::improvement::monitor::Alarm;
use crate::improvement::replay::{Compared, ReplayItem, Stratum};
use crate::improvement::spending::Spending;
use crate::improvement::watch::Watch;

const PURPOSE: &str = "attribution";

/// Both versions on the last inputs, as it is kept with the deployment under its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// The version that is watched.
    pub watched: VersionNumber,
    /// The one that a rollback would make live again.
    pub predecessor: VersionNumber,
    /// The inputs.
    pub dataset: (DatasetName, VersionNumber),
    /// The watched version, asked.
    pub watched_run: RunId,
    /// The other one, asked.
    pub predecessor_run: RunId,
    /// In which dimension both were compared.
    pub dimension: ScoreName,
    /// The figures: the watched version is the baseline.
    pub compared: Compared,
    /// The error that was allowed for.
    pub alpha: f64,
}

impl Attribution {
    /// Whether the version before is better, so that the watched one is to blame.
    #[must_use]
    pub fn is_guilty(&self) -> bool {
        self.compared.p_value <= self.alpha
    }

    /// In plain words.
    #[must_use]
    pub fn reason(&self) -> String {
        let Compared {
            items,
            baseline,
            candidate,
            p_value,
            ..
        } = self.compared;
        let verdict = if self.is_guilty() {
            "the version is to blame"
        } else {
            "the version is not to blame: what reaches it has changed"
        };
        format!(
            "On the last {items} inputs {} has {:.1} % in {} and {} before it {:.1} % (p = {p_value:.4}): {verdict}",
            self.watched,
            baseline * 100.0,
            self.dimension,
            self.predecessor,
            candidate * 100.0,
        )
    }
}

impl Improver {
    /// Asks the watched version and the one before with the last inputs; `None` when that cannot tell: there are no inputs, or
    /// too few, or both do as well and the evaluation does not score the metric, or there are fewer inputs than traces that
    /// raised the alarm.
    ///
    /// # Errors
    /// What running both fails with, infrastructure among it: try again.
    pub(super) async fn attribute(
        &self,
        watch: &Watch,
        predecessor: VersionNumber,
        alarm: &Alarm,
    ) -> Result<Option<Attribution>> {
        let id = Watch::key(&watch.deployment, watch.epoch);
        // Calls that failed are not made again on the same dataset. Answers are kept, and asked for once.
        let number = watch.failures.saturating_add(1);
        let dataset = match self.held_out(PURPOSE, &id, number).await? {
            Some(dataset) => dataset,
            None => match self.last_inputs(watch, &id, number).await? {
                Some(dataset) => dataset,
                None => return Ok(None),
            },
        };
        // Finding out whether users are harmed is not what a budget is to prevent.
        let calls = Spending::calls(self.calls(&dataset, 2));
        let reserved = self.reserve_anyhow("an attribution", calls).await?;
        let began = self.now();
        let compared = self
            .keeping(None, self.compare_last(watch, predecessor, alarm, &dataset))
            .await;
        let spent = self.spent_on(&dataset, began).await?;
        self.settle(reserved, spent).await?;
        compared
    }

    async fn last_inputs(&self, watch: &Watch, id: &str, number: u32) -> Result<Option<Dataset>> {
        let traces = self
            .recent_inputs(watch.version, self.plan.sizes.attribution)
            .await?;
        let entries: Vec<_> = traces
            .into_iter()
            .filter_map(|trace| entry_of(&self.tenant, trace, self.plan.expect_successes))
            .map(|entry| marked(entry, Stratum::Target))
            .collect();
        // With fewer, no difference could show.
        let fewest = (-self.plan.monitor.alpha.log2()).ceil() as usize;
        if entries.len() < fewest {
            return Ok(None);
        }
        Ok(Some(self.hold_out(PURPOSE, id, number, entries).await?))
    }

    async fn compare_last(
        &self,
        watch: &Watch,
        predecessor: VersionNumber,
        alarm: &Alarm,
        dataset: &Dataset,
    ) -> Result<Option<Attribution>> {
        let watched = self.version(watch.version).await?;
        let before = self.version(predecessor).await?;
        let arms = self.ask(&[&watched, &before], dataset).await?;
        let [live, other] = arms.as_slice() else {
            return Err(Error::new(ErrorKind::Backend, "an attribution has two arms"));
        };
        let entries = self.datasets().all_entries(dataset).await?;
        let dimensions = Dimensions::of(&live.run.evaluator)?;
        // What a candidate is to be better in says nothing of what is worse now.
        let own = dimensions.names().position(|name| *name == alarm.metric);
        let place = match own {
            Some(place) => place,
            None => dimensions.target(self.plan.target.as_ref(), None)?,
        };
        let items = items(&entries, &dimensions, live, other);
        let calls = items.iter().flat_map(ReplayItem::calls);
        let gate = dimensions.gate(self.plan.gate, place, calls)?;
        let Some(compared) = gate.compare(&items, place)? else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "too many calls failed for reasons that no prompt has a part in; it is tried again",
            ));
        };
        let found = Attribution {
            watched: watch.version,
            predecessor,
            dataset: (dataset.name.clone(), dataset.version),
            watched_run: live.run.id.clone(),
            predecessor_run: other.run.id.clone(),
            dimension: gate.dimensions()[place].name.clone(),
            compared,
            alpha: self.plan.monitor.alpha,
        };
        // Nobody scores the metric here: in another dimension harm shows, and that there is none does not. Nor does it on
        // fewer inputs than it took to see it.
        let enough = alarm.traces.min(self.plan.sizes.attribution as u64);
        let can_acquit = own.is_some() && dataset.entries >= enough;
        Ok((can_acquit || found.is_guilty()).then_some(found))
    }
}
