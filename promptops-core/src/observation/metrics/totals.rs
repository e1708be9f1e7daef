//! Counts of a whole period, by group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counts::Metrics;
use super::dimensions::Rollup;
use super::grouping::{Group, Grouping, MetricsFilter};
use super::series::add;

/// What was counted of one group. In JSON: as [`Figures`](super::Figures).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// The group.
    pub of: Group,
    /// What was counted of it.
    #[serde(rename = "figures", serialize_with = "as_figures")]
    pub metrics: Metrics,
}

fn as_figures<S: serde::Serializer>(metrics: &Metrics, serializer: S) -> Result<S::Ok, S::Error> {
    metrics.figures().serialize(serializer)
}

/// Adds up what a store found, in any order. For all answers there is always one total.
pub(super) fn fold(
    filter: &MetricsFilter,
    by: Grouping,
    rollups: impl IntoIterator<Item = Rollup>,
) -> Vec<Total> {
    let mut totals: BTreeMap<Group, Metrics> = BTreeMap::new();
    if by == Grouping::All {
        totals.insert(Group::All, Metrics::default());
    }
    for Rollup { key, metrics } in rollups {
        if filter.takes(&key.dimensions) {
            add(totals.entry(by.group(&key.dimensions)).or_default(), metrics);
        }
    }
    totals
        .into_iter()
        .map(|(of, metrics)| Total { of, metrics })
        .collect()
}
