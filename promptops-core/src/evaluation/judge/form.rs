//! What a judge is asked.

use std::fmt;

use serde_json::{Value, json};

use super::prompt::Kind;
use super::scale::Scale;
use crate::base::error::{Result, invalid};

/// What a judge is asked about an output.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Form {
    /// How well it meets a criterion.
    Rubric {
        /// The criterion.
        rubric: String,
        /// The labels to choose from.
        scale: Scale,
    },
    /// A question that is answered with yes or no.
    Question {
        /// The question.
        question: String,
        /// The answer that counts as 1; the other counts as 0.
        good: GoodAnswer,
    },
    /// How well it meets a criterion, held against the expected output, without which there is no score.
    Reference {
        /// The criterion: what of the expected output must be met.
        rubric: String,
        /// The labels to choose from.
        scale: Scale,
    },
}

/// Which answer to a closed question is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodAnswer {
    /// As of "Does it name a price?"
    Yes,
    /// As of "Does it promise a refund?"
    No,
}

impl Form {
    /// Longest criterion or question in bytes.
    pub const MAX_TEXT_BYTES: usize = 16 * 1024;

    /// How well the output meets a criterion.
    #[must_use]
    pub fn rubric(rubric: impl Into<String>, scale: Scale) -> Self {
        Self::Rubric {
            rubric: rubric.into(),
            scale,
        }
    }

    /// A question about the output that is answered with yes or no.
    #[must_use]
    pub fn question(question: impl Into<String>, good: GoodAnswer) -> Self {
        Self::Question {
            question: question.into(),
            good,
        }
    }

    /// How well the output meets a criterion, held against the expected output.
    #[must_use]
    pub fn reference(rubric: impl Into<String>, scale: Scale) -> Self {
        Self::Reference {
            rubric: rubric.into(),
            scale,
        }
    }

    /// The scale that it is answered on.
    #[must_use]
    pub fn scale(&self) -> Scale {
        match self {
            Self::Rubric { scale, .. } | Self::Reference { scale, .. } => scale.clone(),
            Self::Question { good, .. } => Scale::no_and_yes(*good),
        }
    }

    /// Criterion or question.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Rubric { rubric: text, .. }
            | Self::Reference { rubric: text, .. }
            | Self::Question { question: text, .. } => text,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Rubric { .. } => Kind::Rubric,
            Self::Question { .. } => Kind::Question,
            Self::Reference { .. } => Kind::Reference,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_text(self.text())
    }

    pub(super) fn configuration(&self) -> Value {
        json!({
            "form": self.kind().as_str(),
            "text": self.text(),
            "scale": self.scale().configuration(),
        })
    }
}

/// The form, without its text.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes, ", self.kind().as_str(), self.text().len())?;
        self.scale().fmt(f)
    }
}

pub(super) fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() || text.len() > Form::MAX_TEXT_BYTES {
        return Err(invalid(format!(
            "a judge's criterion or question has {} bytes; expected 1 to {}, not all of them spaces",
            text.len(),
            Form::MAX_TEXT_BYTES
        )));
    }
    Ok(())
}
