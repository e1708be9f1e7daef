//! What became of an import.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Most places that are told of each reason.
const PLACES: usize = 5;

/// Why a span was not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// It is no call of a language model.
    NotLlm,
    /// It says that it is another tenant's.
    OtherTenant,
    /// It names no prompt, and the options name none for such spans.
    NoPrompt,
    /// It names a prompt without a version, and the options do not say which is meant.
    NoVersion,
    /// There is no prompt of the name that it says.
    UnknownPrompt,
    /// There is no version of the prompt as it says, or what it says is no version.
    UnknownVersion,
    /// The version is there, but cannot be put together with its snippets as they are now.
    Unresolvable,
    /// It carries a stamp of ours that is damaged.
    DamagedStamp,
    /// It is no span as the protocol has it.
    Malformed,
    /// It has more bytes than the options allow.
    TooLarge,
    /// It has no id of a trace, or of a span.
    NoId,
    /// It has no time of its beginning, or times that cannot be.
    BadTime,
    /// It has a value of the wrong type, or out of its range.
    BadValue,
    /// It began before what is kept, by its time or by its id: it would be removed at once, and counted again by another
    /// import.
    TooOld,
    /// It could not be redacted: what redacts has panicked.
    NotRedacted,
}

impl SkipReason {
    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotLlm => "not_llm",
            Self::OtherTenant => "other_tenant",
            Self::NoPrompt => "no_prompt",
            Self::NoVersion => "no_version",
            Self::UnknownPrompt => "unknown_prompt",
            Self::UnknownVersion => "unknown_version",
            Self::Unresolvable => "unresolvable",
            Self::DamagedStamp => "damaged_stamp",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::NoId => "no_id",
            Self::BadTime => "bad_time",
            Self::BadValue => "bad_value",
            Self::TooOld => "too_old",
            Self::NotRedacted => "not_redacted",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where something is, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line in which its request begins, from 1.
    pub line: u64,
    /// Which span of the request, from 1; `None` for the request as a whole.
    pub span: Option<u64>,
    /// What is wrong, without content; empty where the reason says it all.
    pub detail: String,
}

impl fmt::Display for Place {
    /// `line 3, span 2: the number of tokens is -1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(span) = self.span {
            write!(f, ", span {span}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// How many were passed over, and where the first few are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first five places.
    pub places: Vec<Place>,
}

impl Skipped {
    pub(super) fn add(&mut self, place: Place) {
        self.count += 1;
        if self.places.len() < PLACES {
            self.places.push(place);
        }
    }
}

/// What became of an import. `spans` is the sum of `imported`, `duplicates` and the counts of `skipped`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
#[must_use = "it says what was not imported"]
pub struct ImportReport {
    /// Requests that were read.
    pub requests: u64,
    /// Requests that could not be read: how many spans were in them nobody knows.
    pub refused: Skipped,
    /// Spans seen.
    pub spans: u64,
    /// Spans that are traces now.
    pub imported: u64,
    /// Spans that were traces already.
    pub duplicates: u64,
    /// Spans that were passed over, by reason.
    pub skipped: BTreeMap<SkipReason, Skipped>,
}

impl ImportReport {
    /// How many spans were passed over for this reason.
    #[must_use]
    pub fn skipped(&self, reason: SkipReason) -> u64 {
        self.skipped.get(&reason).map_or(0, |skipped| skipped.count)
    }

    /// Whether every request could be read, and nothing was passed over but what is no call of a model.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.refused.count == 0 && self.skipped.keys().all(|reason| *reason == SkipReason::NotLlm)
    }
}

/// A line of counts, then one for each reason, with its places below it.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests, {} spans: {} imported, {} duplicates, {} skipped; {} requests refused",
            self.requests,
            self.spans,
            self.imported,
            self.duplicates,
            self.skipped.values().map(|skipped| skipped.count).sum::<u64>(),
            self.refused.count
        )?;
        for place in &self.refused.places {
            writeln!(f, "  refused, {place}")?;
        }
        for (reason, skipped) in &self.skipped {
            writeln!(f, "{reason}: {}", skipped.count)?;
            for place in &skipped.places {
                writeln!(f, "  {place}")?;
            }
        }
        Ok(())
    }
}
