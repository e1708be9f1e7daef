//! One entry of a dataset.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::error::{Result, invalid};
use crate::base::id::{MAX_NAME_BYTES, quoted};
use crate::prompt::is_within;

/// One input, and what is known about the right output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its id, unique in the dataset and the same in every version that has it: 1 to 200 bytes without control
    /// characters.
    pub id: String,
    /// The template's parameters.
    pub input: Map<String, Value>,
    /// The output that would be right: a text, or a JSON value that the output should be the text of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<Value>,
    /// What else is known, for scorers and for reports by slice.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Entries of one group depend on each other (one customer, one document): intervals and comparisons take a group
    /// as one observation, and a split keeps it together. 1 to 200 bytes without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Entry {
    /// Largest entry in bytes of its JSON form.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Deepest nesting of each value in it.
    pub const MAX_NESTING: usize = 64;

    /// An entry with this input.
    #[must_use]
    pub fn new(id: impl Into<String>, input: Map<String, Value>) -> Self {
        Self {
            id: id.into(),
            input,
            expected_output: None,
            metadata: Map::new(),
            group: None,
        }
    }

    /// Says what the output should be.
    #[must_use]
    pub fn expecting(mut self, output: impl Into<Value>) -> Self {
        self.expected_output = Some(output.into());
        self
    }

    /// Adds something that is known about it.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Puts it into a group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The expected output as text: a text as it is, any other JSON value in its compact form.
    #[must_use]
    pub fn expected_text(&self) -> Option<Cow<'_, str>> {
        self.expected_output.as_ref().map(|expected| match expected {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        for (what, text) in [
            ("an entry's id", Some(&self.id)),
            ("an entry's group", self.group.as_ref()),
        ] {
            let Some(text) = text else { continue };
            if text.is_empty() || text.len() > MAX_NAME_BYTES {
                return Err(invalid(format!(
                    "{what} has {} bytes; expected 1 to {MAX_NAME_BYTES}",
                    text.len()
                )));
            }
            if text.chars().any(char::is_control) {
                return Err(invalid(format!(
                    "{what} {} has a control character",
                    quoted(text)
                )));
            }
        }
        if self.expected_output == Some(Value::Null) {
            return Err(invalid(format!(
                "the entry {} expects JSON null, which could not be told from expecting nothing; expect the string \"null\" instead",
                quoted(&self.id)
            )));
        }
        let values = [&self.input, &self.metadata].into_iter().flat_map(Map::values);
        if !is_within(values.chain(&self.expected_output), Self::MAX_NESTING) {
            return Err(invalid(format!(
                "the entry {} is nested deeper than {} levels; flatten it",
                quoted(&self.id),
                Self::MAX_NESTING
            )));
        }
        let bytes = serde_json::to_string(self)
            .map_err(|e| invalid(format!("the entry {} has no JSON form", quoted(&self.id))).caused_by(e))?
            .len();
        if bytes > Self::MAX_BYTES {
            return Err(invalid(format!(
                "the entry {} has {bytes} bytes; at most {} are allowed",
                quoted(&self.id),
                Self::MAX_BYTES
            )));
        }
        Ok(())
    }
}

/// The id, without what it says.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?}", self.id)?;
        if let Some(group) = &self.group {
            write!(f, ", group {group:?}")?;
        }
        write!(
            f,
            ", {} parameters, {} metadata{})",
            self.input.len(),
            self.metadata.len(),
            if self.expected_output.is_some() {
                ", expected output"
            } else {
                ""
            }
        )
    }
}
