//! Entries and results read page by page, entry after entry.

use std::collections::VecDeque;

use super::EntryResult;
use super::dataset::{DatasetStore, Entry};
use super::run::{Evaluation, Run};
use super::store::EvaluationStore;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{DatasetName, PageRequest, RunId, TenantId, VersionNumber};

/// The entries of a run's dataset, in their order.
pub(super) struct EntryRows<'a> {
    store: &'a dyn DatasetStore,
    tenant: &'a TenantId,
    dataset: DatasetName,
    version: VersionNumber,
    next: Option<PageRequest>,
    page: VecDeque<Entry>,
}

impl<'a> EntryRows<'a> {
    pub(super) fn new(store: &'a dyn DatasetStore, tenant: &'a TenantId, run: &Run) -> Self {
        Self {
            store,
            tenant,
            dataset: run.dataset.clone(),
            version: run.dataset_version,
            next: Some(PageRequest::first(PageRequest::MAX_LIMIT)),
            page: VecDeque::new(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Entry>> {
        while self.page.is_empty() {
            let Some(request) = self.next.take() else {
                return Ok(None);
            };
            let page = self
                .store
                .entries(self.tenant, &self.dataset, self.version, &request)
                .await?;
            self.page = page.items.into();
            self.next = page.next.map(|cursor| request.after(cursor));
        }
        Ok(self.page.pop_front())
    }
}

/// The results of a run, those of one entry at a time, in the order of the dataset.
pub(super) struct ResultRows<'a> {
    store: &'a dyn EvaluationStore,
    tenant: &'a TenantId,
    run: RunId,
    repeats: u64,
    position: u64,
    next: Option<PageRequest>,
    page: VecDeque<EntryResult>,
}

impl<'a> ResultRows<'a> {
    pub(super) fn new(store: &'a dyn EvaluationStore, tenant: &'a TenantId, run: &Run) -> Self {
        Self {
            store,
            tenant,
            run: run.id.clone(),
            repeats: u64::from(run.evaluator.repeats).max(1),
            position: 0,
            next: Some(PageRequest::first(PageRequest::MAX_LIMIT)),
            page: VecDeque::new(),
        }
    }

    /// The results of the next entry: as many as there are yet.
    pub(super) async fn next(&mut self) -> Result<Vec<EntryResult>> {
        // As many as there should be: one that grows begins with room for four.
        let expected = self.repeats.min(u64::from(Evaluation::MAX_REPEATS));
        let mut results = Vec::with_capacity(expected as usize);
        loop {
            if self.page.is_empty()
                && let Some(request) = self.next.take()
            {
                let page = self.store.results(self.tenant, &self.run, &request).await?;
                self.page = page.items.into();
                self.next = page.next.map(|cursor| request.after(cursor));
            }
            match self.page.front() {
                Some(result) if result.ordinal / self.repeats == self.position => {
                    results.extend(self.page.pop_front());
                }
                _ => break,
            }
        }
        self.position += 1;
        Ok(results)
    }

    /// Checks that there was an entry for every result.
    pub(super) fn end(&self) -> Result<()> {
        if self.page.is_empty() && self.next.is_none() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("the run {} has a result of no entry of its dataset", self.run),
        ))
    }
}
