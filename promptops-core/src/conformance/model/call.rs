//! Calls on stores, and what they come to as values that can be compared.

use serde_json::{Value, json};

use super::evaluation::WorkCall;
use super::read::Read;
use super::traffic::TrafficCall;
use crate::base::tenancy::ParentChange;
use crate::base::{Error, TenantId};
use crate::environment::{ApprovalEntry, PointerMove, PolicyChange};
use crate::evaluation::EvidenceRecord;
use crate::observation::Feedback;
use crate::ops::Stores;
use crate::prompt::{NewVersion, StatusChange, TagsChange};

/// A call of one of the stores' methods.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one is made, used and dropped at a time"
)]
pub(super) enum Call {
    SaveVersion(NewVersion),
    SetStatus(StatusChange),
    SetTags(TagsChange),
    SetParent(ParentChange),
    MovePointer(PointerMove),
    SetPolicy(PolicyChange),
    Approve(ApprovalEntry),
    RecordFeedback(Vec<Feedback>),
    RecordEvidence(EvidenceRecord),
    Work(WorkCall),
    Traffic(TrafficCall),
    Read(TenantId, Read),
}

impl Call {
    /// What the call comes to: the value as JSON, or `{"refused": kind, …}`.
    pub(super) async fn answer(&self, stores: &Stores) -> Value {
        let (prompts, environments) = (&stores.prompts, &stores.environments);
        let done = |()| Value::Null;
        let answer = match self {
            Self::SaveVersion(new) => prompts
                .save_version(new.clone())
                .await
                .map(|saved| json!({ "created": saved.created, "version": saved.version })),
            Self::SetStatus(change) => prompts.set_status(change.clone()).await.map(|v| json!(v)),
            Self::SetTags(change) => prompts.set_tags(change.clone()).await.map(|prompt| json!(prompt)),
            Self::SetParent(change) => prompts.set_parent(change.clone()).await.map(done),
            Self::MovePointer(change) => environments
                .move_pointer(change.clone())
                .await
                .map(|pointer| json!(pointer)),
            Self::SetPolicy(change) => environments.set_policy(change.clone()).await.map(done),
            Self::Approve(entry) => environments.approve(entry.clone()).await.map(done),
            Self::RecordFeedback(batch) => stores.metrics.record_feedback(batch).await.map(done),
            Self::RecordEvidence(record) => {
                stores.evaluations.record_evidence(record.clone()).await.map(done)
            }
            Self::Work(call) => call.answer(stores).await,
            Self::Traffic(call) => call.answer(stores).await,
            Self::Read(tenant, read) => read.answer(stores, tenant).await,
        };
        answer.unwrap_or_else(|error| refusal(&error))
    }
}

/// Not the context and the source, which are the backend's own.
fn refusal(error: &Error) -> Value {
    json!({
        "refused": error.kind().as_str(),
        "message": error.message(),
        "current_revision": error.current_revision(),
        "unmet": error.unmet(),
    })
}
