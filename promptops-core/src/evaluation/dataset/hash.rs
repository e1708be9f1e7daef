//! The identity of a dataset's entries.

use serde_json::Value;

use super::entry::Entry;
use crate::base::DatasetHash;
use crate::base::hash::CanonicalHasher;

/// Makes the hash of entries as they come: SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain
/// `promptops.dataset`, format 1, of each entry in order: the byte 1 as an optional's, id as text, input as JSON,
/// expected output as optional JSON, metadata as JSON, group as optional text; at the end the byte 0.
pub struct DatasetHasher(CanonicalHasher);

impl DatasetHasher {
    /// Of no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self(CanonicalHasher::new("promptops.dataset", 1))
    }

    /// Takes the next entry.
    pub fn add(&mut self, entry: &Entry) {
        self.0.optional(Some(entry), |hasher, entry| {
            hasher.text(&entry.id);
            hasher.object(&entry.input);
            hasher.optional(entry.expected_output.as_ref(), |hasher, value: &Value| {
                hasher.json(value)
            });
            hasher.object(&entry.metadata);
            hasher.optional(entry.group.as_deref(), CanonicalHasher::text);
        });
    }

    /// The hash of the entries taken.
    #[must_use]
    pub fn finish(mut self) -> DatasetHash {
        self.0.optional(None::<&Entry>, |_, _| {});
        DatasetHash::from_bytes(self.0.finish())
    }
}

impl Default for DatasetHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for DatasetHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatasetHasher").finish_non_exhaustive()
    }
}
