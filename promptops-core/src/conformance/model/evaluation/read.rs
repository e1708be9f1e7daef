//! Calls that change nothing, of these stores.

use serde_json::{Value, json};

use super::super::names::{CLOSURES, DATASETS, KEYS, PROMPTS, RUN_IDS};
use super::super::read::page_of;
use crate::base::{DatasetName, PageRequest, Result, TenantId};
use crate::conformance::fixture::*;
use crate::evaluation::run::RunFilter;
use crate::ops::Stores;

/// A call that changes nothing.
#[derive(Debug, Clone)]
pub(in super::super) enum EvaluationRead {
    Dataset(DatasetName, Option<u32>),
    Datasets(PageRequest),
    DatasetVersions(DatasetName, PageRequest),
    Entries(DatasetName, u32, PageRequest),
    Run(&'static str),
    Runs(RunFilter, PageRequest),
    Results(&'static str, PageRequest),
    CountResults(&'static str),
    EvidenceOn(&'static str, &'static str, &'static str, u32),
    Completion(u8),
}

impl EvaluationRead {
    pub(in super::super) async fn answer(&self, stores: &Stores, tenant: &TenantId) -> Result<Value> {
        let (datasets, evaluations) = (&stores.datasets, &stores.evaluations);
        Ok(match self {
            Self::Dataset(of, version) => {
                json!(datasets.dataset(tenant, of, version.map(number)).await?)
            }
            Self::Datasets(page) => page_of(datasets.list_datasets(tenant, page).await?, |one| json!(one)),
            Self::DatasetVersions(of, page) => {
                page_of(datasets.dataset_versions(tenant, of, page).await?, |one| {
                    json!(one)
                })
            }
            Self::Entries(of, version, page) => {
                let entries = datasets.entries(tenant, of, number(*version), page).await?;
                page_of(entries, |one| json!(one))
            }
            Self::Run(run) => json!(evaluations.run(tenant, &run_id(run)).await?),
            Self::Runs(filter, page) => {
                page_of(evaluations.runs(tenant, filter, page).await?, |one| json!(one))
            }
            Self::Results(run, page) => {
                let results = evaluations.results(tenant, &run_id(run), page).await?;
                page_of(results, |one| json!(one))
            }
            Self::CountResults(run) => json!(evaluations.count_results(tenant, &run_id(run)).await?),
            Self::EvidenceOn(prompt, of, on, version) => {
                let version = Some(number(*version));
                json!(
                    evaluations
                        .latest_evidence(tenant, &name(prompt), &closure(of), &dataset(on), version)
                        .await?
                )
            }
            Self::Completion(byte) => json!(stores.completions.completion(tenant, &key(*byte)).await?),
        })
    }

    /// Reads that together show all that is kept, when it should be what memory keeps of the desk's tenant.
    pub(in super::super) async fn everything(desk: &Desk) -> Vec<Self> {
        let all = || page(PageRequest::MAX_LIMIT);
        let mut reads = vec![Self::Datasets(all()), Self::Runs(RunFilter::default(), all())];
        for latest in desk.datasets().await {
            reads.push(Self::DatasetVersions(latest.name.clone(), all()));
            for version in 1..=latest.version.get() {
                reads.push(Self::Entries(latest.name.clone(), version, all()));
            }
        }
        for run in RUN_IDS {
            let Ok(found) = desk.run(run).await else { continue };
            reads.push(Self::Results(run, all()));
            reads.push(Self::CountResults(run));
            let known =
                |names: &[&'static str], found: &str| names.iter().copied().find(|name| *name == found);
            let of = CLOSURES.into_iter().find(|of| closure(of) == found.closure_hash);
            let prompt = known(&PROMPTS, found.prompt.as_str());
            let on = known(&DATASETS, found.dataset.as_str());
            if let (Some(prompt), Some(of), Some(on)) = (prompt, of, on) {
                let version = found.dataset_version.get();
                reads.push(Self::EvidenceOn(prompt, of, on, version));
            }
        }
        for byte in 0..KEYS {
            reads.push(Self::Completion(byte));
        }
        reads
    }
}
