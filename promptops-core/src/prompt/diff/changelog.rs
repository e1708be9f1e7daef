//! What changed from version to version.

use std::fmt;

use semver::Version as Semver;
use serde::Serialize;

use super::text::{visible, visible_line};
use super::{Counts, DiffOptions, PromptDiff};
use crate::base::{Actor, PromptName, Timestamp, VersionNumber};
use crate::prompt::version::Version;

/// A line of versions with what each changed. As text it is Markdown, the newest version first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Changelog {
    /// The prompt; `None` without versions.
    pub prompt: Option<PromptName>,
    /// The versions, oldest first.
    pub entries: Vec<ChangelogEntry>,
    /// What changed from the oldest to the newest; `None` with fewer than two versions.
    pub overall: Option<ChangelogChange>,
}

/// One version in a changelog.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangelogEntry {
    /// The version's number.
    pub number: VersionNumber,
    /// The author's own version number.
    pub semver: Option<Semver>,
    /// Who saved it.
    pub author: Actor,
    /// When it was saved.
    pub date: Timestamp,
    /// Why, in the author's words; may be empty.
    pub message: String,
    /// What it changed; `None` where there is nothing to compare it with.
    pub change: Option<ChangelogChange>,
    /// What evaluations say of that change, in plain words: see
    /// [`Evaluations::add_to_changelog`](crate::evaluation::Evaluations::add_to_changelog).
    pub evaluations: Vec<String>,
}

/// The size of a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangelogChange {
    /// The version that was compared with.
    pub since: VersionNumber,
    /// The change in words, such as `3 additions, 1 modification`.
    pub summary: String,
    /// The change in numbers.
    pub counts: Counts,
}

impl ChangelogChange {
    fn between(from: &Version, to: &Version, options: &DiffOptions) -> Self {
        let diff = PromptDiff::between(from, to, options);
        Self {
            since: from.number,
            summary: diff.summary,
            counts: diff.counts,
        }
    }
}

impl Changelog {
    /// What changed along these versions of one prompt, given from oldest to newest.
    ///
    /// Each is compared with its first parent if that is among them, else with the one before it in the list; the
    /// first of the list has as a rule neither.
    #[must_use]
    pub fn between(versions: &[Version]) -> Self {
        let options = DiffOptions {
            // Only counts are kept.
            summary_only_above: 0,
            ..DiffOptions::default()
        };
        let parent = |at: usize, version: &Version| {
            version
                .parents
                .first()
                .and_then(|parent| versions.iter().find(|other| other.number == *parent))
                .or_else(|| at.checked_sub(1).and_then(|before| versions.get(before)))
        };
        let overall = match versions {
            [first, .., last] => Some(ChangelogChange::between(first, last, &options)),
            _ => None,
        };
        Self {
            prompt: versions.last().map(|version| version.prompt.clone()),
            entries: versions
                .iter()
                .enumerate()
                .map(|(at, version)| ChangelogEntry {
                    number: version.number,
                    semver: version.semver.clone(),
                    author: version.author.clone(),
                    date: version.created_at,
                    message: version.message.clone(),
                    change: parent(at, version)
                        .map(|parent| ChangelogChange::between(parent, version, &options)),
                    evaluations: Vec::new(),
                })
                .collect(),
            overall,
        }
    }
}

/// Text of others' in Markdown: nothing hidden, no HTML, no links and images behind other words.
fn quoted(text: &str) -> String {
    visible(text).chars().fold(String::new(), |mut shown, c| {
        if matches!(c, '\\' | '<' | '[' | '`') {
            shown.push('\\');
        }
        shown.push(c);
        shown
    })
}

impl fmt::Display for Changelog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(prompt) = &self.prompt else {
            return writeln!(f, "No versions.");
        };
        writeln!(f, "# {prompt}")?;
        if let (Some(change), Some(last)) = (&self.overall, self.entries.last()) {
            writeln!(f, "\n{} to {}: {}.", change.since, last.number, change.summary)?;
        }
        for entry in self.entries.iter().rev() {
            write!(f, "\n## {}", entry.number)?;
            if let Some(semver) = &entry.semver {
                write!(f, " ({semver})")?;
            }
            let author = quoted(&visible_line(&entry.author.to_string()));
            writeln!(f, "\n\n{}, {author}", entry.date.format("%Y-%m-%d"))?;
            let message = entry.message.trim();
            if !message.is_empty() {
                writeln!(f)?;
                // Quoted, so that headings and lists of the message stay inside of the entry.
                for line in message.lines() {
                    writeln!(f, "{}", format!("> {}", quoted(line)).trim_end())?;
                }
            }
            if let Some(change) = &entry.change {
                writeln!(f, "\nSince {}: {}.", change.since, change.summary)?;
            }
            for words in &entry.evaluations {
                writeln!(f, "\n{}", quoted(&visible_line(words)))?;
            }
        }
        Ok(())
    }
}
