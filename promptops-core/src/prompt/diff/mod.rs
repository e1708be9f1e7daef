//! Differences between two versions of a prompt: lines and words of its messages, settings, tools, schemas.
//!
//! Everything here is a function of the two contents and the options, without clock or chance.
//!
//! | file | holds |
//! |---|---|
//! | `messages` | which messages belong together |
//! | `lines` | hunks of added, deleted and modified lines |
//! | `words` | what changed inside a modified line |
//! | `settings` | settings, tools and schemas as JSON values |
//! | `text` | the unified text form |
//! | `changelog` | a line of versions with what each changed |
//! | `align` | pairing of similar entries, for lines and messages |

mod align;
mod changelog;
mod lines;
mod messages;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::fmt;

use serde::Serialize;

pub use changelog::{Changelog, ChangelogChange, ChangelogEntry};
pub use lines::{Hunk, HunkChange, LineCounts, LineRange};
pub use messages::{ItemDiff, ItemKind, ItemPlace, ItemStatus};
pub use settings::ValueChange;
pub use words::{LineChange, Segment, SegmentKind};

use super::content::{Body, Content};
use super::version::Version;
use crate::base::{ContentHash, PromptName, VersionNumber};
use messages::Item;
use settings::ValueChanges;

/// How differences are made and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffOptions {
    /// Equal lines shown around a change in the text form; default 3.
    pub context_lines: usize,
    /// Above this size of the larger side's text, in bytes, only a summary is made: counts without hunks. Default
    /// 64 KiB; 0 for always.
    pub summary_only_above: usize,
    /// Most words and signs of a line and the one that replaced it together, after their common start and end, that
    /// are compared one by one; above, that part is shown as replaced. Default 3,500, at which a line of 10 KB takes
    /// less than 10 ms at worst; 0 for no words at all.
    pub word_limit: usize,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self {
            context_lines: 3,
            summary_only_above: 64 * 1024,
            word_limit: 3500,
        }
    }
}

/// What is on one side of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DiffSide {
    /// A version.
    Version {
        /// The prompt.
        prompt: PromptName,
        /// Its number.
        version: VersionNumber,
        /// The identity of its content.
        hash: ContentHash,
    },
    /// Content that is not saved.
    Unsaved {
        /// What to call it.
        label: String,
    },
}

impl fmt::Display for DiffSide {
    /// `support/triage v3`, or the label.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { prompt, version, .. } => write!(f, "{prompt} {version}"),
            Self::Unsaved { label } => f.write_str(label),
        }
    }
}

impl From<&Version> for DiffSide {
    fn from(version: &Version) -> Self {
        Self::Version {
            prompt: version.prompt.clone(),
            version: version.number,
            hash: version.hash,
        }
    }
}

/// A label of unsaved content.
impl From<&str> for DiffSide {
    fn from(label: &str) -> Self {
        Self::Unsaved {
            label: label.to_owned(),
        }
    }
}

/// How much changed. As text: `3 additions, 2 deletions, 1 modification`; what did not change is left out.
///
/// Lines are counted, over all messages: a line on one side only is an addition or a deletion, a line in the place of
/// another is a modification. A message that was added or removed counts with all of its lines, a placeholder with one.
/// Nothing is counted exactly when both sides have the same content hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Changed lines.
    #[serde(flatten)]
    pub lines: LineCounts,
    /// Messages and placeholders that were added or removed without any text: they have no lines to count.
    pub empty_messages: usize,
    /// Messages and placeholders whose place among the others changed.
    pub messages_moved: usize,
    /// Messages said by another role.
    pub roles_changed: usize,
    /// Whether a text became a chat or a chat a text.
    pub kind_changed: bool,
    /// Changed values of the model settings.
    pub settings: usize,
    /// Tools that were added, removed or changed; 1 when only their order changed.
    pub tools: usize,
    /// Changed schemas, 0 ..= 2.
    pub schemas: usize,
}

impl Counts {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn write_counts(
    f: &mut fmt::Formatter<'_>,
    counts: &[(usize, &str, &str)],
    is_kind_changed: bool,
) -> fmt::Result {
    let mut separator = "";
    for (count, one, many) in counts.iter().filter(|(count, ..)| *count > 0) {
        write!(f, "{separator}{count} {}", if *count == 1 { one } else { many })?;
        separator = ", ";
    }
    if is_kind_changed {
        write!(f, "{separator}kind of prompt changed")
    } else if separator.is_empty() {
        f.write_str("no changes")
    } else {
        Ok(())
    }
}

impl LineCounts {
    fn words(&self) -> [(usize, &'static str, &'static str); 3] {
        [
            (self.additions, "addition", "additions"),
            (self.deletions, "deletion", "deletions"),
            (self.modifications, "modification", "modifications"),
        ]
    }
}

impl fmt::Display for LineCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_counts(f, &self.words(), false)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [additions, deletions, modifications] = self.lines.words();
        write_counts(
            f,
            &[
                additions,
                deletions,
                modifications,
                (
                    self.empty_messages,
                    "empty message added or removed",
                    "empty messages added or removed",
                ),
                (self.messages_moved, "message moved", "messages moved"),
                (self.roles_changed, "role changed", "roles changed"),
                (self.settings, "setting changed", "settings changed"),
                (self.tools, "tool changed", "tools changed"),
                (self.schemas, "schema changed", "schemas changed"),
            ],
            self.kind_changed,
        )
    }
}

/// The difference between two versions, or two contents. As text it is in unified form.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PromptDiff {
    /// The old side.
    pub from: DiffSide,
    /// The new side.
    pub to: DiffSide,
    /// How much changed, in words: [`counts`](Self::counts) as text.
    pub summary: String,
    /// How much changed.
    pub counts: Counts,
    /// Whether the text was too large for more than counts: then no item has hunks.
    pub summary_only: bool,
    /// The messages and placeholders, or the one text, in the order of the new side; unchanged ones as well.
    pub items: Vec<ItemDiff>,
    /// Changes of settings, tools and schemas, in that order; at most [`MAX_VALUES`](Self::MAX_VALUES).
    pub values: Vec<ValueChange>,
    /// How many more values changed than are listed.
    pub values_omitted: usize,
    #[serde(skip)]
    context_lines: usize,
}

impl PromptDiff {
    /// Most changed values that are listed.
    pub const MAX_VALUES: usize = 1000;

    /// The difference between two versions, of one prompt or of two.
    #[must_use]
    pub fn between(from: &Version, to: &Version, options: &DiffOptions) -> Self {
        Self::between_contents((from, &*from.content), (to, &*to.content), options)
    }

    /// The difference between contents that need not be saved, each with what to call it: a version or a label.
    ///
    /// ```
    /// use promptops_core::prompt::{Content, DiffOptions, PromptDiff};
    ///
    /// let old = Content::text("Be kind.\nAnswer in one word.");
    /// let new = Content::text("Be kind.\nAnswer in two words.\nThen stop.");
    /// let diff = PromptDiff::between_contents(("before", &old), ("after", &new), &DiffOptions::default());
    /// assert_eq!(diff.summary, "1 addition, 1 modification");
    /// ```
    #[must_use]
    pub fn between_contents(
        (from_side, from): (impl Into<DiffSide>, &Content),
        (to_side, to): (impl Into<DiffSide>, &Content),
        options: &DiffOptions,
    ) -> Self {
        let (old, new) = (Item::all(&from.body), Item::all(&to.body));
        let size = |items: &[Item<'_>]| items.iter().map(Item::bytes).sum::<usize>();
        let summary_only = size(&old).max(size(&new)) > options.summary_only_above;
        let items = messages::items(&old, &new, (!summary_only).then_some(options));
        let values = ValueChanges::between(from, to, Self::MAX_VALUES);

        let mut counts = Counts {
            kind_changed: matches!(from.body, Body::Text { .. }) != matches!(to.body, Body::Text { .. }),
            settings: values.settings,
            tools: values.tools,
            schemas: values.schemas,
            ..Counts::default()
        };
        for item in &items {
            counts.lines.add(item.counts);
            counts.roles_changed += usize::from(item.is_role_changed());
            match item.status {
                ItemStatus::Moved => counts.messages_moved += 1,
                ItemStatus::Added | ItemStatus::Removed if item.counts.is_empty() => {
                    counts.empty_messages += 1
                }
                _ => {}
            }
        }
        Self {
            from: from_side.into(),
            to: to_side.into(),
            summary: counts.to_string(),
            counts,
            summary_only,
            items,
            values_omitted: values.omitted(),
            values: values.listed,
            context_lines: options.context_lines,
        }
    }
}
