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

/// Totals that are being counted.
pub(super) struct Totals<'q> {
    filter: &'q MetricsFilter,
    by: Grouping,
    totals: BTreeMap<Group, Metrics>,
}

impl<'q> Totals<'q> {
    /// Nothing yet. For all answers there is always one total.
    pub fn new(filter: &'q MetricsFilter, by: Grouping) -> Self {
        let mut totals = BTreeMap::new();
        if by == Grouping::All {
            totals.insert(Group::All, Metrics::default());
        }
        Self { filter, by, totals }
    }

    /// Adds what a store found, in any order.
    pub fn add(&mut self, Rollup { key, metrics }: Rollup) {
        if self.filter.takes(&key.dimensions) {
            add(
                self.totals.entry(self.by.group(&key.dimensions)).or_default(),
                metrics,
            );
        }
    }

    pub fn list(self) -> Vec<Total> {
        let total = |(of, metrics)| Total { of, metrics };
        self.totals.into_iter().map(total).collect()
    }
}
