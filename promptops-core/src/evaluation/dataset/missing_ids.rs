//! Ids for entries that have none.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::base::hash::CanonicalHasher;

/// What is done with an entry that has no id.
///
/// There are no ids by line: they would be those of other entries as soon as a line is put in between, and comparisons
/// of runs would compare different questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingIds {
    /// It is an error.
    #[default]
    Refused,
    /// The id is made of the input, and stays the same while the input does, in whatever line it is and whatever output
    /// is expected: `input-` and the first 32 hexadecimal digits of SHA-256 over the canonical encoding (see
    /// [`hash`](crate::base::hash)), domain `promptops.entry`, format 1, of the input as JSON. Two entries with the same
    /// input have the same id then, which is an error: give them ids.
    FromInput,
}

impl MissingIds {
    pub(super) fn make(self, input: &Map<String, Value>) -> Result<String, String> {
        match self {
            Self::Refused => Err(
                "it has no id; give it a text that no other entry has as `id`, or have ids made of the \
                                  input (`MissingIds::FromInput`)"
                    .to_owned(),
            ),
            Self::FromInput => {
                let mut hasher = CanonicalHasher::new("promptops.entry", 1);
                hasher.object(input);
                let mut id = "input-".to_owned();
                for byte in &hasher.finish()[..16] {
                    // Writing to a string does not fail.
                    let _ = write!(id, "{byte:02x}");
                }
                Ok(id)
            }
        }
    }
}
