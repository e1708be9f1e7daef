//! A version of a dataset before it is saved.

use std::collections::HashSet;
use std::fmt;
use std::io::BufRead;

use serde_json::{Map, Value};

use super::csv::{CsvColumns, read_csv};
use super::entry::Entry;
use super::hash::DatasetHasher;
use super::jsonl::read_jsonl;
use super::missing_ids::MissingIds;
use crate::base::audit::check_text;
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;
use crate::base::{DatasetHash, PromptName};

/// Entries, and what is said about them.
#[derive(Clone, Default)]
pub struct DatasetDraft {
    pub(super) entries: Vec<Entry>,
    pub(super) prompt: Option<PromptName>,
    pub(super) metadata: Map<String, Value>,
    pub(super) message: String,
}

impl DatasetDraft {
    /// Most entries of a version.
    pub const MAX_ENTRIES: usize = 1_000_000;

    /// A draft with these entries, which keep their order.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A draft with the entries of JSON lines; see [`read_jsonl`].
    ///
    /// # Errors
    /// Those of [`read_jsonl`].
    pub fn from_jsonl(reader: impl BufRead, missing_ids: MissingIds) -> Result<Self> {
        read_jsonl(reader, missing_ids).map(Self::new)
    }

    /// A draft with the entries of CSV; see [`read_csv`].
    ///
    /// # Errors
    /// Those of [`read_csv`].
    pub fn from_csv(reader: impl BufRead, columns: &CsvColumns) -> Result<Self> {
        read_csv(reader, columns).map(Self::new)
    }

    /// Binds it to a prompt: it is not for another.
    #[must_use]
    pub fn prompt(mut self, name: PromptName) -> Self {
        self.prompt = Some(name);
        self
    }

    /// Adds something that is known about it.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds all that is known about it already.
    pub(crate) fn with_all(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata.extend(metadata);
        self
    }

    /// Says why this version is made.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = text.into();
        self
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The identity of its entries, once all is known to be right.
    pub(super) fn check(&self) -> Result<DatasetHash> {
        if self.entries.is_empty() {
            return Err(invalid("the dataset has no entry; expected at least one"));
        }
        if self.entries.len() > Self::MAX_ENTRIES {
            return Err(invalid(format!(
                "the dataset has {} entries; at most {} are allowed",
                self.entries.len(),
                Self::MAX_ENTRIES
            )));
        }
        check_text("the message", &self.message)?;
        let mut seen = HashSet::with_capacity(self.entries.len());
        let mut hasher = DatasetHasher::new();
        for (i, entry) in self.entries.iter().enumerate() {
            entry.check().map_err(|e| e.with("entry", i + 1))?;
            if !seen.insert(entry.id.as_str()) {
                return Err(invalid(format!(
                    "the id {} stands for two entries, the second of which is number {}; ids must differ",
                    quoted(&entry.id),
                    i + 1
                )));
            }
            hasher.add(entry);
        }
        Ok(hasher.finish())
    }
}

/// How many, without what they say.
impl fmt::Debug for DatasetDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatasetDraft")
            .field("entries", &self.entries.len())
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}
