//! `contains`, `icontains`, `contains_all`, `contains_any`, `starts_with`, and `not_` of each: texts in the output.

use async_trait::async_trait;
use serde_json::{Value, json};
use unicase::UniCase;

use super::bounds::{self, expected, expected_text, output_text, shown};
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};

/// How texts are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainsKind {
    /// `contains`: one text, anywhere.
    Text,
    /// `icontains`: one text, anywhere, whatever its letters' case by Unicode's full case folding.
    IgnoringCase,
    /// `contains_all`: each of the texts.
    All,
    /// `contains_any`: at least one of the texts.
    Any,
    /// `starts_with`: one text at the very beginning.
    StartsWith,
}

impl ContainsKind {
    fn name(self, negated: bool) -> &'static str {
        match (self, negated) {
            (Self::Text, false) => "contains",
            (Self::Text, true) => "not_contains",
            (Self::IgnoringCase, false) => "icontains",
            (Self::IgnoringCase, true) => "not_icontains",
            (Self::All, false) => "contains_all",
            (Self::All, true) => "not_contains_all",
            (Self::Any, false) => "contains_any",
            (Self::Any, true) => "not_contains_any",
            (Self::StartsWith, false) => "starts_with",
            (Self::StartsWith, true) => "not_starts_with",
        }
    }
}

/// 1 when the output contains what is looked for, byte by byte unless said otherwise, else 0.
///
/// What is looked for is given here or, with [`expected_output`](Self::expected_output), by each entry: a string, or for
/// `contains_all` and `contains_any` a string or an array of strings. Nothing, or an empty text, is an error, since
/// every output contains it.
#[derive(Clone)]
pub struct Contains {
    kind: ContainsKind,
    /// `None`: the entry's expected output.
    needles: Option<Vec<String>>,
    negated: bool,
}

impl Contains {
    /// `contains`: this text.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty text; so below.
    pub fn text(needle: impl Into<String>) -> Result<Self> {
        Self::new(ContainsKind::Text, [needle])
    }

    /// `icontains`: this text, whatever its letters' case by Unicode's full case folding.
    ///
    /// # Errors
    /// See [`text`](Self::text).
    pub fn ignoring_case(needle: impl Into<String>) -> Result<Self> {
        Self::new(ContainsKind::IgnoringCase, [needle])
    }

    /// `contains_all`: each of these texts.
    ///
    /// # Errors
    /// See [`text`](Self::text); also for none at all.
    pub fn all(needles: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        Self::new(ContainsKind::All, needles)
    }

    /// `contains_any`: at least one of these texts.
    ///
    /// # Errors
    /// See [`all`](Self::all).
    pub fn any(needles: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        Self::new(ContainsKind::Any, needles)
    }

    /// `starts_with`: this text at the very beginning.
    ///
    /// # Errors
    /// See [`text`](Self::text).
    pub fn starts_with(needle: impl Into<String>) -> Result<Self> {
        Self::new(ContainsKind::StartsWith, [needle])
    }

    /// Looks for each entry's expected output.
    #[must_use]
    pub fn expected_output(kind: ContainsKind) -> Self {
        Self {
            kind,
            needles: None,
            negated: false,
        }
    }

    /// 1 becomes 0 and 0 becomes 1; `not_` comes before the name. An error stays one.
    #[must_use]
    #[allow(
        clippy::should_implement_trait,
        reason = "it is the word for it, and `!` says less"
    )]
    pub fn not(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    fn new(kind: ContainsKind, needles: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let needles: Vec<String> = needles.into_iter().map(Into::into).collect();
        check(kind.name(false), &needles)?;
        Ok(Self {
            kind,
            needles: Some(needles),
            negated: false,
        })
    }

    fn of_entry(&self, input: &ScorerInput<'_>) -> Result<Vec<String>> {
        let needles = match (self.kind, expected(input)?) {
            (ContainsKind::All | ContainsKind::Any, Value::Array(items)) => items
                .iter()
                .map(|item| {
                    item.as_str().map(str::to_owned).ok_or_else(|| {
                        invalid(format!(
                            "the entry's expected output has {} in its array; expected strings",
                            bounds::kind(item)
                        ))
                    })
                })
                .collect::<Result<_>>()?,
            _ => vec![expected_text(input)?.into_owned()],
        };
        check("the entry's expected output", &needles)?;
        Ok(needles)
    }
}

fn check(what: &str, needles: &[String]) -> Result<()> {
    if needles.is_empty() || needles.iter().any(String::is_empty) {
        return Err(invalid(format!(
            "{what}: nothing to look for, or an empty text, which every output contains; give a text"
        )));
    }
    Ok(())
}

/// Where two texts are to be the same whatever their letters' case.
pub(super) fn folded(text: &str) -> String {
    UniCase::unicode(text).to_folded_case()
}

#[async_trait]
impl Scorer for Contains {
    fn name(&self) -> &str {
        self.kind.name(self.negated)
    }

    fn configuration(&self) -> Value {
        match &self.needles {
            Some(needles) => json!({"texts": needles}),
            None => json!({"texts": "expected_output"}),
        }
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let output = output_text(input)?;
        let of_entry;
        let needles = match &self.needles {
            Some(needles) => needles,
            None => {
                of_entry = self.of_entry(input)?;
                &of_entry
            }
        };
        let folded_output = match self.kind {
            ContainsKind::IgnoringCase => folded(output),
            _ => String::new(),
        };
        let is_there = |needle: &&String| match self.kind {
            ContainsKind::StartsWith => output.starts_with(needle.as_str()),
            ContainsKind::IgnoringCase => folded_output.contains(&folded(needle)),
            ContainsKind::Text | ContainsKind::All | ContainsKind::Any => output.contains(needle.as_str()),
        };
        let (found, missing): (Vec<&String>, Vec<&String>) = needles.iter().partition(is_there);
        let holds = match self.kind {
            ContainsKind::Any => !found.is_empty(),
            _ => missing.is_empty(),
        };
        // What decided it.
        let reason = match (found.first(), missing.first()) {
            (Some(found), _) if holds && self.kind == ContainsKind::Any => {
                format!("{} is there", shown(found))
            }
            (_, Some(missing)) if !holds => format!("{} is not there", shown(missing)),
            (Some(found), _) => format!("{} is there", shown(found)),
            _ => String::new(),
        };
        Ok(Score::pass(holds != self.negated, reason))
    }
}

/// Without the texts, which may be of an entry.
impl std::fmt::Debug for Contains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contains")
            .field("name", &self.kind.name(self.negated))
            .field("texts", &self.needles.as_ref().map(Vec::len))
            .finish()
    }
}
