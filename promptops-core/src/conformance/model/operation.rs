//! What is generated: operations in words, which mean the same call on every backend.

use super::call::Call;
use super::evaluation::Work;
use super::names::{PROMPTS, content, policy};
use super::read::{Read, references};
use super::traffic::Traffic;
use crate::base::audit::{AuditAction, AuditEntry};
use crate::base::error::Unmet;
use crate::base::tenancy::ParentChange;
use crate::base::{Actor, Timestamp};
use crate::conformance::fixture::*;
use crate::environment::{Approval, ApprovalEntry, MoveKind, PointerMove, SourceGuard, Waiver};
use crate::evaluation::{Evidence, EvidenceRecord};
use crate::observation::Feedback;
use crate::ops::Stores;
use crate::prompt::{Content, Lookup, NewVersion, Status, StatusChange, TagsChange};

/// Who does it and when. Times repeat and go back, as clocks do.
#[derive(Debug, Clone, Copy)]
pub(super) struct By {
    /// Index of one of [`By::ACTORS`] actors.
    pub actor: usize,
    /// Microseconds after some moment.
    pub at: i64,
}

impl By {
    pub const ACTORS: usize = 3;

    pub(super) fn actor(self) -> Actor {
        match self.actor {
            0 => Actor::member("ana"),
            1 => Actor::owner("olga \u{1f984} O'Neil"),
            _ => Actor::system("bot"),
        }
    }

    pub(super) fn time(self) -> Timestamp {
        at(self.at)
    }

    pub(super) fn entry(self, desk: &Desk, action: AuditAction, subject: &str) -> AuditEntry {
        AuditEntry {
            at: self.time(),
            actor: self.actor(),
            detail: format!(r#"{{"at":  {}, "a": "\u00e4 {}"}}"#, self.at, self.actor),
            ..desk.entry(action, subject)
        }
    }
}

/// A revision that a change says it rests on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Revision {
    /// The one in force.
    Current,
    /// The one before it; after 0, there being none before, 1.
    Before,
    /// The next.
    After,
    /// The last there can be.
    Last,
}

impl Revision {
    pub(super) fn of(self, current: u64) -> u64 {
        match self {
            Self::Current => current,
            Self::Before => current.checked_sub(1).unwrap_or(1),
            Self::After => current + 1,
            Self::Last => u64::MAX,
        }
    }
}

/// A pointer of a tenant: what moves and approvals are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub tenant: &'static str,
    pub prompt: &'static str,
    pub environment: &'static str,
}

/// A move of a pointer.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub at: Place,
    pub kind: MoveKind,
    pub to: u32,
    /// Whether the hash given is the version's.
    pub same_content: bool,
    pub closure: &'static str,
    pub expected: Revision,
    pub policy: Revision,
    pub source: Option<(&'static str, Revision)>,
    pub waived: bool,
    pub by: By,
}

/// How one answer went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub tenant: &'static str,
    pub prompt: &'static str,
    pub closure: &'static str,
    pub environment: Option<&'static str>,
    pub success: bool,
    pub rating: Option<u32>,
}

/// An operation on the stores. What it says about revisions and hashes is relative to what is there, so that it still
/// makes sense when operations before it are left out.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    SaveVersion {
        tenant: &'static str,
        prompt: &'static str,
        content: usize,
        status: Status,
        semver: Option<&'static str>,
        parents: Option<Vec<u32>>,
        tags: Vec<&'static str>,
        by: By,
    },
    SetStatus {
        tenant: &'static str,
        prompt: &'static str,
        number: u32,
        to: Status,
        by: By,
    },
    SetTags {
        tenant: &'static str,
        prompt: &'static str,
        tags: Vec<&'static str>,
        by: By,
    },
    SetParent {
        tenant: &'static str,
        parent: Option<&'static str>,
        by: By,
    },
    MovePointer(Move),
    SetPolicy {
        tenant: &'static str,
        environment: &'static str,
        prompt: Option<&'static str>,
        policy: Option<usize>,
        by: By,
    },
    Approve {
        at: Place,
        number: u32,
        closure: &'static str,
        base: Revision,
        by: By,
    },
    RecordFeedback(Vec<Answered>),
    RecordEvidence {
        tenant: &'static str,
        prompt: &'static str,
        closure: &'static str,
        dataset: &'static str,
        dataset_version: u32,
        run: &'static str,
        entries: u64,
        passed: u64,
        by: By,
    },
    /// On datasets, runs and answers of a tenant.
    Work(&'static str, Work),
    /// On experiments and traces of a tenant.
    Traffic(&'static str, Traffic),
    Read(&'static str, Read),
    /// Closes the stores and opens them again.
    Reopen,
}

impl Operation {
    /// The operation as a call on stores whose tenants' ids begin with `prefix`, given what memory keeps;
    /// `None` for what is no call.
    pub(super) async fn call(&self, memory: &Stores, prefix: &str) -> Option<Call> {
        let desk = |tenant: &str| Desk {
            stores: memory.clone(),
            tenant: tenant_id(&format!("{prefix}{tenant}")),
        };
        Some(match self {
            Self::SaveVersion {
                tenant,
                prompt,
                content: n,
                status,
                semver,
                parents,
                tags: names,
                by,
            } => {
                let desk = desk(tenant);
                let (content, includes) = content(*n);
                let includes = includes.iter().map(|include| {
                    let prompt = reference(include).prompt;
                    ((*include).to_owned(), prompt)
                });
                Call::SaveVersion(NewVersion {
                    includes: includes.collect(),
                    semver: semver.map(|semver| semver.parse().unwrap()),
                    parents: parents.as_deref().map(numbers),
                    author: by.actor(),
                    message: format!("{by:?}"),
                    tags: tags(names),
                    status: *status,
                    created_at: by.time(),
                    audit: by.entry(&desk, AuditAction::SaveVersion, "to be replaced"),
                    ..desk.content(prompt, content)
                })
            }
            Self::SetStatus {
                tenant,
                prompt,
                number: n,
                to,
                by,
            } => {
                let desk = desk(tenant);
                Call::SetStatus(StatusChange {
                    audit: by.entry(&desk, AuditAction::SetStatus, prompt),
                    ..desk.status(prompt, number(*n), *to)
                })
            }
            Self::SetTags {
                tenant,
                prompt,
                tags,
                by,
            } => {
                let desk = desk(tenant);
                Call::SetTags(TagsChange {
                    audit: by.entry(&desk, AuditAction::SetTags, prompt),
                    ..desk.tagging(prompt, tags)
                })
            }
            Self::SetParent { tenant, parent, by } => {
                let parent = parent.map(|parent| desk(parent).tenant);
                let desk = desk(tenant);
                Call::SetParent(ParentChange {
                    audit: by.entry(&desk, AuditAction::SetParent, tenant),
                    tenant: desk.tenant,
                    parent,
                })
            }
            Self::MovePointer(change) => Call::MovePointer(change.decided(desk(change.at.tenant)).await),
            Self::SetPolicy {
                tenant,
                environment,
                prompt,
                policy: n,
                by,
            } => {
                let desk = desk(tenant);
                let mut change = desk.policy(environment, *prompt, n.map(policy));
                change.audit = by.entry(&desk, AuditAction::SetPolicy, environment);
                Call::SetPolicy(change)
            }
            Self::Approve {
                at,
                number: n,
                closure: of,
                base,
                by,
            } => {
                let desk = desk(at.tenant);
                let current = revision(&desk, at.prompt, at.environment).await;
                Call::Approve(ApprovalEntry {
                    approval: Approval {
                        prompt: name(at.prompt),
                        environment: environment(at.environment),
                        version: number(*n),
                        closure_hash: closure(of),
                        base_revision: base.of(current),
                        approved_by: by.actor(),
                        note: format!("{by:?}"),
                        at: by.time(),
                    },
                    audit: by.entry(&desk, AuditAction::Approve, at.prompt),
                    tenant: desk.tenant,
                })
            }
            Self::RecordFeedback(batch) => Call::RecordFeedback(
                batch
                    .iter()
                    .map(|answered| Feedback {
                        success: answered.success,
                        rating_millionths: answered.rating,
                        ..desk(answered.tenant).feedback(
                            answered.prompt,
                            answered.closure,
                            answered.environment,
                        )
                    })
                    .collect(),
            ),
            Self::RecordEvidence {
                tenant,
                prompt,
                closure,
                dataset,
                dataset_version,
                run,
                entries,
                passed,
                by,
            } => {
                let desk = desk(tenant);
                let record = desk.evidence(prompt, closure, dataset, run);
                Call::RecordEvidence(EvidenceRecord {
                    evidence: Evidence {
                        dataset_version: number(*dataset_version),
                        entries: *entries,
                        passed: *passed,
                        ..record.evidence
                    },
                    recorded_by: by.actor(),
                    recorded_at: by.time(),
                    audit: by.entry(&desk, AuditAction::RecordEvidence, prompt),
                    ..record
                })
            }
            Self::Work(tenant, work) => Call::Work(work.call(desk(tenant)).await),
            Self::Traffic(tenant, traffic) => Call::Traffic(traffic.call(desk(tenant)).await),
            Self::Read(tenant, read) => Call::Read(desk(tenant).tenant, read.clone()),
            Self::Reopen => return None,
        })
    }

    /// What shows at once whether the operation did what it should have: reads of the tenant and the prompts that it is
    /// about. The rest shows in the end.
    pub(super) fn glance(&self) -> Vec<(&'static str, Read)> {
        let (tenant, prompts) = match self {
            Self::SaveVersion { tenant, prompt, .. }
            | Self::SetStatus { tenant, prompt, .. }
            | Self::SetTags { tenant, prompt, .. } => (*tenant, vec![*prompt]),
            Self::MovePointer(Move { at, .. }) | Self::Approve { at, .. } => (at.tenant, vec![at.prompt]),
            Self::SetPolicy { tenant, prompt, .. } => (*tenant, prompt.iter().copied().collect()),
            Self::SetParent { tenant, .. } => (*tenant, PROMPTS.to_vec()),
            Self::Work(tenant, work) => {
                let reads = work.glance().into_iter().map(Read::Evaluation);
                return reads.map(|read| (*tenant, read)).collect();
            }
            Self::Traffic(tenant, traffic) => {
                let reads = traffic.glance().into_iter().map(Read::Traffic);
                return reads.map(|read| (*tenant, read)).collect();
            }
            Self::RecordFeedback(_) | Self::RecordEvidence { .. } | Self::Read(..) | Self::Reopen => {
                return Vec::new();
            }
        };
        let slots = prompts.iter().map(|prompt| Read::Slots(name(prompt)));
        let found = Read::Find(references(prompts.iter().copied()));
        slots.chain([found]).map(|read| (tenant, read)).collect()
    }
}

impl Move {
    /// The move as it is decided on what this tenant's stores keep.
    async fn decided(&self, desk: Desk) -> PointerMove {
        let Self { at, by, .. } = self;
        // The hash of an inherited version, too: that it is not the tenant's own is for the store to find.
        let found = match desk.find_one(&format!("{}@v{}", at.prompt, self.to)).await {
            Lookup::Found(found) => Some(found.version.hash),
            Lookup::Missing(_) => None,
        };
        let hash = found.filter(|_| self.same_content);
        let source = match self.source {
            Some((source, rests_on)) => Some(SourceGuard {
                environment: environment(source),
                revision: rests_on.of(revision(&desk, at.prompt, source).await),
            }),
            None => None,
        };
        let action = match self.kind {
            MoveKind::Promote => AuditAction::Promote,
            MoveKind::Rollback => AuditAction::Rollback,
        };
        let waiver = self.waived.then(|| Waiver {
            reason: format!("{by:?}"),
            unmet: vec![Unmet {
                condition: "approvals".into(),
                found: "0".into(),
                needed: "\"2\"".into(),
            }],
        });
        PointerMove {
            prompt: name(at.prompt),
            environment: environment(at.environment),
            kind: self.kind,
            to: number(self.to),
            hash: hash.unwrap_or_else(|| Content::text("never saved").hash()),
            closure_hash: closure(self.closure),
            expected_revision: self.expected.of(revision(&desk, at.prompt, at.environment).await),
            policy_revision: self.policy.of(desk.slots(at.prompt).await.policy_revision),
            source,
            actor: by.actor(),
            reason: format!("{by:?}"),
            waiver,
            at: by.time(),
            audit: by.entry(&desk, action, at.prompt),
            tenant: desk.tenant,
        }
    }
}

async fn revision(desk: &Desk, prompt: &str, of: &str) -> u64 {
    let slots = desk.slots(prompt).await;
    slots
        .pointer(&environment(of))
        .map_or(0, |pointer| pointer.revision)
}
