//! Trying a text on some calls again, for a search that learns from how it went.

use std::fmt;

use async_trait::async_trait;

use super::brief::TraceExcerpt;
use super::ledger::{CallFailure, Ledger};
use crate::prompt::Content;

/// Whoever tries a text on calls of the part that proposers may see, and scores what comes of it.
#[async_trait]
pub trait Trials: Send + Sync {
    /// One trial for each item, in their order.
    ///
    /// Behavior:
    /// - every call of a model goes through the ledger;
    /// - the same content and item give the same trial, as far as the model allows: a search is as repeatable as this.
    ///
    /// # Errors
    /// [`CallFailure`] when a model was not called or did not answer: the trials of all items are lost then, and what was
    /// called is counted. What else fails is an [`LlmError`](crate::llm::LlmError) of kind
    /// [`Internal`](crate::llm::LlmErrorKind::Internal).
    async fn run(
        &self,
        content: &Content,
        items: &[&TraceExcerpt],
        ledger: &mut Ledger,
    ) -> Result<Vec<Trial>, CallFailure>;
}

/// How a text did on one item.
#[derive(Clone, PartialEq)]
pub struct Trial {
    /// 0 ..= 1, the higher the better.
    pub score: f64,
    /// What the model answered: untrusted.
    pub output: Option<String>,
    /// What can be said of it, such as the reasons of scorers: untrusted.
    pub feedback: Vec<String>,
}

impl Trial {
    /// A score, and nothing said.
    #[must_use]
    pub fn scored(score: f64) -> Self {
        Self {
            score,
            output: None,
            feedback: Vec::new(),
        }
    }

    /// Adds what the model answered.
    #[must_use]
    pub fn output(mut self, text: impl Into<String>) -> Self {
        self.output = Some(text.into());
        self
    }

    /// Adds what can be said of it.
    #[must_use]
    pub fn feedback(mut self, text: impl Into<String>) -> Self {
        self.feedback.push(text.into());
        self
    }
}

/// The score, without what was said.
impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("score", &self.score)
            .field("feedback", &self.feedback.len())
            .finish_non_exhaustive()
    }
}
