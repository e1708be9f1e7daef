//! What the cases are written with.

mod deployment;
mod environment;
mod evaluation;
mod experiment;
mod improvement;
mod metrics;
mod prompt;
mod trace;
mod whole;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use chrono::DateTime;
use tokio::sync::Barrier;

use super::Harness;
use crate::base::audit::{AuditAction, AuditEntry, AuditRecord};
use crate::base::{
    Actor, ClosureHash, DatasetName, EnvironmentName, ErrorKind, Page, PageRequest, PromptName, Result, Tag,
    TenantId, Timestamp, VersionNumber,
};
use crate::ops::Stores;
use crate::prompt::{Content, Reference, Version, closure_hash};

pub(super) use self::deployment::*;
pub(super) use self::evaluation::*;
pub(super) use self::experiment::*;
pub(super) use self::improvement::*;
pub(super) use self::prompt::*;
pub(super) use self::trace::*;

pub(super) fn tenant_id(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(super) fn name(name: &str) -> PromptName {
    PromptName::new(name).unwrap()
}

pub(super) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

pub(super) fn dataset(name: &str) -> DatasetName {
    DatasetName::new(name).unwrap()
}

pub(super) fn tag(tag: &str) -> Tag {
    Tag::new(tag).unwrap()
}

pub(super) fn tags(tags: &[&str]) -> Vec<Tag> {
    tags.iter().map(|name| tag(name)).collect()
}

pub(super) fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub(super) fn numbers(numbers: &[u32]) -> Vec<VersionNumber> {
    numbers.iter().map(|n| number(*n)).collect()
}

pub(super) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Microseconds since 1970.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(micros).unwrap()
}

/// Some microseconds after a time that is no whole second.
pub(super) fn at(micros: i64) -> Timestamp {
    timestamp(1_767_225_600_123_456 + micros)
}

/// Some closure hash, the same for the same text.
pub(super) fn closure(text: &str) -> ClosureHash {
    closure_hash(&Content::text(text).hash(), &[])
}

/// The closure hash of a version that includes nothing.
pub(super) fn closure_of(version: &Version) -> ClosureHash {
    closure_hash(&version.hash, &[])
}

pub(super) fn page(limit: u32) -> PageRequest {
    PageRequest::first(limit)
}

/// Runs `n` tasks that start at the same moment, and returns what each came to.
pub(super) async fn race<T, F>(n: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(n));
    let tasks: Vec<_> = (0..n)
        .map(|i| {
            let (barrier, task) = (barrier.clone(), task(i));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no task panics"));
    }
    results
}

/// Checks that a call failed with an error of this kind that has something to say, and returns it.
#[track_caller]
pub(super) fn fails<T: Debug>(result: Result<T>, kind: ErrorKind, what: &str) -> crate::Error {
    match result {
        Ok(value) => panic!("{what} should be {kind}, but came to {value:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{what}: {error}");
            assert!(!error.message().is_empty(), "{what}: the error has no message");
            error
        }
    }
}

/// Reads a list to its end in pages of this limit, and checks the pages' form.
pub(super) async fn pages<T, F>(limit: u32, fetch: impl Fn(PageRequest) -> F) -> Vec<T>
where
    F: Future<Output = Result<Page<T>>>,
{
    let mut all = Vec::new();
    let mut request = page(limit);
    loop {
        let page = fetch(request.clone()).await.expect("the list can be read");
        assert!(
            page.items.len() <= request.limit(),
            "a page has more than {limit} items"
        );
        all.extend(page.items);
        match page.next {
            // Only a full page can have another after it.
            Some(cursor) => {
                // Else a cursor that leads nowhere would hang the case.
                assert_ne!(
                    request.cursor(),
                    Some(cursor.as_str()),
                    "a page of {limit} ends where it began"
                );
                assert_eq!(
                    all.len() % request.limit(),
                    0,
                    "a page of {limit} before the last is not full"
                );
                request = request.after(cursor);
            }
            None => return all,
        }
    }
}

/// The stores of one tenant, with calls short enough for cases to read well.
#[derive(Clone)]
pub(super) struct Desk {
    pub stores: Stores,
    pub tenant: TenantId,
}

impl Desk {
    /// Opens the stores for the tenant `acme`.
    pub async fn open(harness: &dyn Harness) -> Self {
        Self {
            stores: harness.open().await,
            tenant: tenant_id("acme"),
        }
    }

    /// Opens the stores twice, as two processes would.
    pub async fn open_two(harness: &dyn Harness) -> [Self; 2] {
        [Self::open(harness).await, Self::open(harness).await]
    }

    /// The same stores for another tenant.
    pub fn of(&self, tenant: &str) -> Self {
        Self {
            stores: self.stores.clone(),
            tenant: tenant_id(tenant),
        }
    }

    /// Closes the stores and opens them again.
    pub async fn reopen(self, harness: &dyn Harness) -> Self {
        let Self { stores, tenant } = self;
        drop(stores);
        Self {
            stores: harness.open().await,
            tenant,
        }
    }

    pub fn entry(&self, action: AuditAction, subject: impl Into<String>) -> AuditEntry {
        AuditEntry {
            tenant: self.tenant.clone(),
            at: at(7),
            actor: Actor::member("ana"),
            action,
            subject: subject.into(),
            detail: r#"{"by": "conformance"}"#.into(),
        }
    }

    /// The tenant's whole audit log, each link verified.
    pub async fn audit(&self) -> Vec<AuditRecord> {
        let records = pages(1_000, async |request| {
            self.stores.audit.audit_records(&self.tenant, &request).await
        })
        .await;
        let mut head = None;
        for record in &records {
            record.verify(head.as_ref()).expect("the chain is whole");
            head = Some(record.head());
        }
        let stored = self.stores.audit.audit_head(&self.tenant).await;
        assert_eq!(
            stored.expect("the head can be read"),
            head,
            "the head is the last record"
        );
        records
    }

    /// How many changes are on record.
    pub async fn audited(&self) -> usize {
        self.audit().await.len()
    }
}
