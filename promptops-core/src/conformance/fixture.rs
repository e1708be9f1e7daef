//! What the cases are written with.

mod deployment;
mod evaluation;
mod experiment;
mod trace;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use chrono::DateTime;
use tokio::sync::Barrier;

use super::Harness;
use crate::base::audit::{AuditAction, AuditEntry, AuditRecord};
use crate::base::tenancy::ParentChange;
use crate::base::{
    Actor, ClosureHash, DatasetName, EnvironmentName, ErrorKind, Page, PageRequest, PromptName, Result, Tag,
    TenantId, Timestamp, VersionNumber,
};
use crate::environment::{
    Approval, ApprovalEntry, HistoryRecord, MoveKind, Pointer, PointerMove, Policy, PolicyChange, Slots,
};
use crate::evaluation::{Evidence, EvidenceRecord};
use crate::observation::{Dimensions, Feedback, Metrics};
use crate::ops::Stores;
use crate::prompt::{
    Content, Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, PromptRecord, Reference, Status,
    StatusChange, TagsChange, Version, VersionFilter, closure_hash,
};

pub(super) use self::deployment::*;
pub(super) use self::evaluation::*;
pub(super) use self::experiment::*;
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

#[track_caller]
pub(super) fn found(lookup: &Lookup) -> &Found {
    match lookup {
        Lookup::Found(found) => found,
        Lookup::Missing(missing) => panic!("nothing was found: {missing:?}"),
    }
}

#[track_caller]
pub(super) fn missing(lookup: &Lookup) -> Missing {
    match lookup {
        Lookup::Found(found) => panic!("{} was found, expected nothing", found.version),
        Lookup::Missing(missing) => *missing,
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

    /// A draft of this text.
    pub fn draft(&self, prompt: &str, text: &str) -> NewVersion {
        self.content(prompt, Content::text(text))
    }

    /// A draft of this content.
    pub fn content(&self, prompt: &str, content: Content) -> NewVersion {
        NewVersion {
            tenant: self.tenant.clone(),
            prompt: name(prompt),
            hash: content.hash(),
            content: Arc::new(content),
            includes: Vec::new(),
            semver: None,
            parents: None,
            author: Actor::member("ana"),
            message: String::new(),
            tags: Vec::new(),
            status: Status::Draft,
            created_at: at(0),
            audit: self.entry(AuditAction::SaveVersion, "to be replaced"),
        }
    }

    pub async fn save(&self, new: NewVersion) -> Version {
        let saved = self.stores.prompts.save_version(new).await;
        let saved = saved.expect("the version can be saved");
        assert!(saved.created, "{} was there already", saved.version);
        saved.version
    }

    pub async fn save_draft(&self, prompt: &str, text: &str) -> Version {
        self.save(self.draft(prompt, text)).await
    }

    pub async fn save_active(&self, prompt: &str, text: &str) -> Version {
        self.save(NewVersion {
            status: Status::Active,
            ..self.draft(prompt, text)
        })
        .await
    }

    pub async fn prompt(&self, prompt: &str) -> Option<PromptRecord> {
        let record = self.stores.prompts.prompt(&self.tenant, &name(prompt)).await;
        record.expect("the prompt can be read")
    }

    /// All prompts whose names begin like this.
    pub async fn prompts(&self, prefix: &str) -> Vec<PromptRecord> {
        let filter = PromptFilter {
            prefix: Some(prefix.into()),
            ..PromptFilter::default()
        };
        pages(1_000, async |request| {
            self.stores
                .prompts
                .list_prompts(&self.tenant, &filter, &request)
                .await
        })
        .await
    }

    /// All versions, newest first.
    pub async fn versions(&self, prompt: &str) -> Vec<Version> {
        let (prompt, filter) = (name(prompt), VersionFilter::default());
        pages(1_000, async |request| {
            let prompts = &self.stores.prompts;
            prompts
                .list_versions(&self.tenant, &prompt, &filter, &request)
                .await
        })
        .await
    }

    pub async fn dependents(&self, snippet: &str) -> Vec<Dependent> {
        let snippet = name(snippet);
        pages(1_000, async |request| {
            self.stores
                .prompts
                .dependents(&self.tenant, &snippet, &request)
                .await
        })
        .await
    }

    pub async fn parent(&self) -> Option<TenantId> {
        let parent = self.stores.prompts.parent(&self.tenant).await;
        parent.expect("the parent can be read")
    }

    pub fn status(&self, prompt: &str, number: VersionNumber, to: Status) -> StatusChange {
        StatusChange {
            tenant: self.tenant.clone(),
            prompt: name(prompt),
            number,
            to,
            audit: self.entry(AuditAction::SetStatus, format!("{prompt} {number}")),
        }
    }

    pub async fn set_status(&self, prompt: &str, number: VersionNumber, to: Status) -> Result<Version> {
        let change = self.status(prompt, number, to);
        self.stores.prompts.set_status(change).await
    }

    pub fn tagging(&self, prompt: &str, names: &[&str]) -> TagsChange {
        TagsChange {
            tenant: self.tenant.clone(),
            prompt: name(prompt),
            tags: tags(names),
            audit: self.entry(AuditAction::SetTags, prompt),
        }
    }

    pub async fn find(&self, references: &[&str]) -> Vec<Lookup> {
        let references: Vec<_> = references.iter().map(|text| reference(text)).collect();
        let found = self.stores.prompts.find(&self.tenant, &references).await;
        let found = found.expect("references can be looked up");
        assert_eq!(found.len(), references.len(), "one result for each reference");
        found
    }

    pub async fn find_one(&self, reference: &str) -> Lookup {
        self.find(&[reference]).await.remove(0)
    }

    pub async fn set_parent(&self, parent: Option<&str>) -> Result<()> {
        let change = ParentChange {
            tenant: self.tenant.clone(),
            parent: parent.map(tenant_id),
            audit: self.entry(AuditAction::SetParent, self.tenant.as_str()),
        };
        self.stores.prompts.set_parent(change).await
    }

    /// A promotion that rests on policy revision 0.
    pub fn promotion(&self, version: &Version, to: &str, expected_revision: u64) -> PointerMove {
        PointerMove {
            tenant: self.tenant.clone(),
            prompt: version.prompt.clone(),
            environment: environment(to),
            kind: MoveKind::Promote,
            to: version.number,
            hash: version.hash,
            closure_hash: closure_of(version),
            expected_revision,
            policy_revision: 0,
            source: None,
            actor: Actor::member("ana"),
            reason: String::new(),
            waiver: None,
            at: at(1),
            audit: self.entry(AuditAction::Promote, format!("{}@{to}", version.prompt)),
        }
    }

    pub async fn try_promote(&self, version: &Version, to: &str, expected_revision: u64) -> Result<Pointer> {
        let change = self.promotion(version, to, expected_revision);
        self.stores.environments.move_pointer(change).await
    }

    /// Promotes a version on top of what is live now.
    pub async fn promote(&self, version: &Version, to: &str) -> Pointer {
        let slots = self.slots(version.prompt.as_str()).await;
        let expected = slots
            .pointer(&environment(to))
            .map_or(0, |pointer| pointer.revision);
        let change = PointerMove {
            policy_revision: slots.policy_revision,
            ..self.promotion(version, to, expected)
        };
        let pointer = self.stores.environments.move_pointer(change).await;
        pointer.expect("the version can be promoted")
    }

    pub async fn slots(&self, prompt: &str) -> Slots {
        let slots = self.stores.environments.slots(&self.tenant, &name(prompt)).await;
        slots.expect("slots can be read")
    }

    /// All moves of a pointer, oldest first.
    pub async fn history(&self, prompt: &str, of: &str) -> Vec<HistoryRecord> {
        let (prompt, of) = (name(prompt), environment(of));
        let mut history = pages(1_000, async |request| {
            let environments = &self.stores.environments;
            environments.history(&self.tenant, &prompt, &of, &request).await
        })
        .await;
        history.reverse();
        history
    }

    pub fn policy(&self, of: &str, prompt: Option<&str>, policy: Option<Policy>) -> PolicyChange {
        PolicyChange {
            tenant: self.tenant.clone(),
            environment: environment(of),
            prompt: prompt.map(name),
            policy,
            audit: self.entry(AuditAction::SetPolicy, of),
        }
    }

    pub async fn set_policy(&self, of: &str, prompt: Option<&str>, policy: Option<Policy>) -> Result<()> {
        let change = self.policy(of, prompt, policy);
        self.stores.environments.set_policy(change).await
    }

    pub fn approval(&self, version: &Version, to: &str, base_revision: u64, by: &str) -> ApprovalEntry {
        ApprovalEntry {
            tenant: self.tenant.clone(),
            approval: Approval {
                prompt: version.prompt.clone(),
                environment: environment(to),
                version: version.number,
                closure_hash: closure_of(version),
                base_revision,
                approved_by: Actor::owner(by),
                note: String::new(),
                at: at(2),
            },
            audit: self.entry(AuditAction::Approve, format!("{}@{to}", version.prompt)),
        }
    }

    pub async fn approve(&self, version: &Version, to: &str, base_revision: u64, by: &str) -> Result<()> {
        let entry = self.approval(version, to, base_revision, by);
        self.stores.environments.approve(entry).await
    }

    pub fn dimensions(&self, prompt: &str, closure_hash: ClosureHash, of: Option<&str>) -> Dimensions {
        Dimensions {
            prompt: name(prompt),
            version: Some(VersionNumber::FIRST),
            closure_hash,
            environment: of.map(environment),
            variant: None,
        }
    }

    pub fn feedback(&self, prompt: &str, text: &str, of: Option<&str>) -> Feedback {
        Feedback {
            tenant: self.tenant.clone(),
            dimensions: self.dimensions(prompt, closure(text), of),
            success: true,
            rating_millionths: None,
            at: at(3),
        }
    }

    pub async fn metrics(&self, prompt: &str, closure_hash: &ClosureHash, of: Option<&str>) -> Metrics {
        let of = of.map(environment);
        let metrics = &self.stores.metrics;
        metrics
            .metrics(&self.tenant, &name(prompt), closure_hash, of.as_ref())
            .await
            .expect("metrics can be read")
    }

    pub fn evidence(&self, prompt: &str, text: &str, on: &str, run: &str) -> EvidenceRecord {
        EvidenceRecord {
            tenant: self.tenant.clone(),
            evidence: Evidence {
                prompt: name(prompt),
                closure_hash: closure(text),
                dataset: dataset(on),
                dataset_version: number(1),
                run: run.into(),
                entries: 10,
                passed: 9,
                dimensions: Default::default(),
                judges: Default::default(),
            },
            recorded_by: Actor::member("ana"),
            recorded_at: at(4),
            audit: self.entry(AuditAction::RecordEvidence, format!("{prompt} on {on} v1")),
        }
    }

    pub async fn record_evidence(&self, record: EvidenceRecord) -> Result<()> {
        self.stores.evaluations.record_evidence(record).await
    }

    pub async fn latest_evidence(
        &self,
        prompt: &str,
        closure_hash: &ClosureHash,
        on: &str,
    ) -> Option<Evidence> {
        let evaluations = &self.stores.evaluations;
        evaluations
            .latest_evidence(&self.tenant, &name(prompt), closure_hash, &dataset(on), None)
            .await
            .expect("evidence can be read")
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

    /// All that can be read of this tenant's own, as text to compare: what did not change reads the same.
    pub async fn everything(&self) -> String {
        let mut text = String::new();
        let mut note = |what: &dyn Debug| text.push_str(&format!("{what:#?}\n"));
        note(&self.parent().await);
        let policies = self.stores.environments.policies(&self.tenant).await;
        note(&policies.expect("policies can be read"));
        for record in self.prompts("").await {
            let prompt = record.name.as_str();
            let slots = self.slots(prompt).await;
            for pointer in &slots.pointers {
                note(&self.history(prompt, pointer.environment.as_str()).await);
            }
            for version in self.versions(prompt).await {
                let closure_hash = closure_of(&version);
                note(&self.metrics(prompt, &closure_hash, None).await);
                note(&self.latest_evidence(prompt, &closure_hash, "golden").await);
                note(&version);
            }
            note(&self.dependents(prompt).await);
            note(&slots);
            note(&record);
        }
        text.push_str(&self.evaluated().await);
        text.push_str(&self.experimented().await);
        text.push_str(&self.deployed().await);
        text.push_str(&self.observed().await);
        let mut note = |what: &dyn Debug| text.push_str(&format!("{what:#?}\n"));
        note(&self.audit().await);
        text
    }

    /// A bit of everything, with what changes nothing and what fails in between: 37 changes.
    pub async fn work(&self) {
        let stores = &self.stores;
        self.experiment_with_all().await;
        self.deploy().await;
        self.observe().await;
        self.save_active("safety", "be kind").await;
        self.save_draft("triage", "one").await;
        let v2 = self
            .save(NewVersion {
                includes: vec![("safety".into(), name("safety"))],
                semver: Some("1.0.0".parse().unwrap()),
                ..self.draft("triage", "two")
            })
            .await;
        let again = stores
            .prompts
            .save_version(self.draft("triage", "one"))
            .await
            .unwrap();
        assert!(!again.created);
        let taken = NewVersion {
            semver: v2.semver.clone(),
            ..self.draft("triage", "three")
        };
        fails(
            stores.prompts.save_version(taken).await,
            ErrorKind::AlreadyExists,
            "a taken semver",
        );
        stores
            .prompts
            .set_tags(self.tagging("triage", &["b", "a"]))
            .await
            .unwrap();
        let v1 = self
            .set_status("triage", number(1), Status::Active)
            .await
            .unwrap();
        self.set_status("triage", number(1), Status::Active)
            .await
            .unwrap();
        fails(
            self.set_status("triage", number(1), Status::Draft).await,
            ErrorKind::IllegalTransition,
            "back to draft",
        );

        self.set_policy("dev", None, Some(Policy::open().approvals(1)))
            .await
            .unwrap();
        self.set_policy("dev", Some("triage"), Some(Policy::open()))
            .await
            .unwrap();
        self.set_policy("dev", Some("triage"), None).await.unwrap();
        let gone = self.set_policy("dev", Some("triage"), None).await;
        fails(gone, ErrorKind::NotFound, "removing a policy twice");
        self.promote(&v1, "dev").await;
        self.promote(&v2, "dev").await;
        fails(
            self.try_promote(&v1, "dev", 0).await,
            ErrorKind::Conflict,
            "a stale move",
        );
        let rollback = PointerMove {
            kind: MoveKind::Rollback,
            policy_revision: 3,
            audit: self.entry(AuditAction::Rollback, "triage@dev"),
            ..self.promotion(&v1, "dev", 2)
        };
        stores.environments.move_pointer(rollback).await.unwrap();
        self.approve(&v2, "dev", 3, "olga").await.unwrap();
        self.approve(&v2, "dev", 3, "olga").await.unwrap();
        fails(
            self.approve(&v2, "dev", 2, "olga").await,
            ErrorKind::Conflict,
            "a stale approval",
        );

        let feedback = Feedback {
            dimensions: self.dimensions("triage", closure_of(&v1), Some("dev")),
            ..self.feedback("triage", "one", Some("dev"))
        };
        stores.metrics.record_feedback(&[feedback]).await.unwrap();
        let evidence = self.evidence("triage", "one", "golden", "run 1");
        self.record_evidence(evidence.clone()).await.unwrap();
        fails(
            self.record_evidence(evidence).await,
            ErrorKind::AlreadyExists,
            "a run on record",
        );
        self.evaluate().await;
        let live = self.set_status("triage", number(1), Status::Archived).await;
        fails(live, ErrorKind::Conflict, "archiving what is live");
        self.set_status("triage", number(2), Status::Archived)
            .await
            .unwrap();
        self.set_parent(Some("shared")).await.unwrap();
        let itself = self.set_parent(Some(self.tenant.as_str())).await;
        fails(itself, ErrorKind::Invalid, "a tenant as its own parent");
    }

    /// How many changes are on record.
    pub async fn audited(&self) -> usize {
        self.audit().await.len()
    }
}
