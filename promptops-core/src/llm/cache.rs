//! Answers kept, so that nothing is paid for twice.

use std::fmt;

use async_trait::async_trait;

use super::blueprint::Blueprint;
use super::completion::Completion;
use crate::base::error::{Result, invalid};
use crate::base::hash::CanonicalHasher;
use crate::base::{ClosureHash, TenantId, Timestamp};

/// What an answer is the answer to. Equal keys mean the same request, as far as the model can see, and the same
/// repetition of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompletionKey([u8; 32]);

impl CompletionKey {
    /// The key of a request: SHA-256 over a canonical encoding (see [`hash`](crate::base::hash)), domain
    /// `promptops.completion`, format 1, of: provider and model as texts, the closure hash as an optional text, the
    /// repetition (from 0) as a number, the request as JSON.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when a number in the request has no JSON form.
    pub fn of(
        provider: &str,
        model: &str,
        closure_hash: Option<&ClosureHash>,
        repetition: u32,
        request: &Blueprint,
    ) -> Result<Self> {
        let request = serde_json::to_value(request)
            .map_err(|e| invalid("the request has no JSON form").caused_by(e))?;
        let mut hasher = CanonicalHasher::new("promptops.completion", 1);
        hasher.text(provider);
        hasher.text(model);
        hasher.optional(
            closure_hash.map(ToString::to_string).as_deref(),
            CanonicalHasher::text,
        );
        hasher.number(u64::from(repetition));
        hasher.json(&request);
        Ok(Self(hasher.finish()))
    }

    /// A key read back from a store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CompletionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CompletionKey({:02x}{:02x}{:02x}{:02x}…)",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// Keeps answers of models, per tenant.
#[async_trait]
pub trait CompletionStore: Send + Sync {
    /// The answer kept under this key.
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>>;

    /// Keeps an answer.
    ///
    /// # Behavior
    /// - The first answer under a key stays, with its time: another one changes nothing.
    /// - An answer is nobody's secret but the tenant's: no other tenant finds it.
    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()>;

    /// Removes the answers of a tenant kept before a time, and says how many.
    ///
    /// # Behavior
    /// - An answer kept at that very time stays.
    /// - What was removed can be kept anew.
    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64>;
}
