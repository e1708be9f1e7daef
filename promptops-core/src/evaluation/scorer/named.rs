//! A scorer under a name of the host's.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{JudgeStanding, Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// A scorer under another name: an evaluation has each name once, so that two of one kind need names of their own.
#[derive(Clone)]
pub struct Named<S> {
    name: String,
    scorer: S,
}

impl<S: Scorer> Named<S> {
    /// Names a scorer.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) unless the name has 1 to 200 bytes and no control character.
    pub fn new(name: impl Into<String>, scorer: S) -> Result<Self> {
        let name = name.into();
        if name.trim().is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the scorer's name {}: expected 1 to {MAX_NAME_BYTES} bytes without control characters",
                quoted(&name)
            )));
        }
        Ok(Self { name, scorer })
    }
}

#[async_trait]
impl<S: Scorer> Scorer for Named<S> {
    fn name(&self) -> &str {
        &self.name
    }

    /// With the scorer's own name, since another scorer could have this one.
    fn configuration(&self) -> Value {
        json!({"name": self.scorer.name(), "configuration": self.scorer.configuration()})
    }

    fn dimension(&self) -> &str {
        self.scorer.dimension()
    }

    fn pass_mark(&self) -> f64 {
        self.scorer.pass_mark()
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        self.scorer.judges()
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        self.scorer.score(input).await
    }
}

impl<S: Scorer> fmt::Debug for Named<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({:?}, {:?})", self.name, self.scorer.name())
    }
}
