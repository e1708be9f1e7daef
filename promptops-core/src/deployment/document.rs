//! What is kept as it was made: evidence, proposals, reports.

use std::fmt;

use serde::Serialize;

use crate::base::DocumentHash;
use crate::base::error::{Result, invalid};
use crate::base::hash::CanonicalHasher;
use crate::base::stored::to_json;

/// Largest document in bytes of JSON.
const MAX_BYTES: usize = 16 << 20;

/// A JSON text under its hash: SHA-256 over the canonical encoding, domain `promptops.document`, format 1, of the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    hash: DocumentHash,
    json: String,
}

impl Document {
    /// The document of a value.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a value without a JSON form, or one of more than 16 MiB.
    pub fn of<T: Serialize>(value: &T) -> Result<Self> {
        let json = to_json("document", value)?;
        if json.len() > MAX_BYTES {
            return Err(invalid(format!(
                "the document has {} bytes; at most {MAX_BYTES} are kept",
                json.len()
            )));
        }
        Ok(Self::from_text(json))
    }

    /// For backends: the document of a text that was stored.
    #[must_use]
    pub fn from_text(json: String) -> Self {
        let mut hasher = CanonicalHasher::new("promptops.document", 1);
        hasher.text(&json);
        Self {
            hash: DocumentHash::from_bytes(hasher.finish()),
            json,
        }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> DocumentHash {
        self.hash
    }

    /// Its text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Without what it says, which may quote inputs and outputs.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, {} bytes)", self.hash.short(), self.json.len())
    }
}
