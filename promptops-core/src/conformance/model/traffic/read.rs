//! Calls that change nothing, of these stores.

use serde_json::{Value, json};

use super::super::names::{EXPERIMENTS, PROMPTS};
use super::super::read::page_of;
use super::trace_id;
use crate::base::{PageRequest, Result, TenantId};
use crate::conformance::fixture::*;
use crate::experiment::ExperimentFilter;
use crate::observation::{Resolution, Rollup, RollupQuery, TraceFilter};
use crate::ops::Stores;

/// A call that changes nothing.
#[derive(Debug, Clone)]
pub(in super::super) enum TrafficRead {
    Experiment(&'static str),
    Open(&'static str, &'static str),
    Experiments(ExperimentFilter, PageRequest),
    Tallies(&'static str),
    Trace(u8),
    /// To the end in pages of this limit, since where one ends is the backend's own.
    Traces(Box<TraceFilter>, u32),
    Rollups(RollupQuery),
}

impl TrafficRead {
    pub(in super::super) async fn answer(&self, stores: &Stores, tenant: &TenantId) -> Result<Value> {
        let desk = Desk {
            stores: stores.clone(),
            tenant: tenant.clone(),
        };
        Ok(match self {
            Self::Experiment(id) => json!(desk.experiment(id).await),
            Self::Open(prompt, of) => json!(desk.open_experiment(prompt, of).await),
            Self::Experiments(filter, page) => {
                let found = stores.experiments.experiments(tenant, filter, page).await?;
                page_of(found, |one| json!(one))
            }
            Self::Tallies(id) => {
                let rows = desk.tallies(id).await.into_iter();
                let row = |key: crate::experiment::TallyKey, count: u64| {
                    json!([key.epoch, key.variant, key.counter.code(), count])
                };
                rows.map(|of| row(of.key, of.count)).collect()
            }
            Self::Trace(n) => json!(desk.trace(trace_id(*n)).await),
            Self::Traces(filter, limit) => json!(desk.traces_by(*limit, filter).await),
            Self::Rollups(query) => {
                let rollups = desk.rollups_of(query).await;
                let show = |of: Rollup| json!([of.key.start, of.key.dimensions, of.metrics]);
                rollups.into_iter().map(show).collect()
            }
        })
    }

    /// Reads that together show all that is kept, when it should be what memory keeps of the desk's tenant.
    pub(in super::super) async fn everything(desk: &Desk) -> Vec<Self> {
        let limit = PageRequest::MAX_LIMIT;
        let mut reads = vec![
            Self::Experiments(ExperimentFilter::default(), page(limit)),
            Self::Traces(Box::default(), limit),
        ];
        for id in EXPERIMENTS {
            if desk.experiment(id).await.is_some() {
                reads.push(Self::Tallies(id));
            }
        }
        for prompt in PROMPTS {
            let counted = desk.rollups(prompt, Resolution::Total).await;
            if !counted.is_empty() {
                reads.extend(Resolution::ALL.map(|of| Self::Rollups(rollup_query(prompt, of))));
            }
        }
        reads
    }
}
