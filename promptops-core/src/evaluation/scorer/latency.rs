//! `latency`: the model answered in time.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};

/// 1 when the model took at most so long, else 0. An answer that was kept from an earlier run says nothing of how long one
/// takes: it is an error.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    most: Duration,
}

impl Latency {
    /// At most so long.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for no time at all.
    pub fn at_most(most: Duration) -> Result<Self> {
        if most.is_zero() {
            return Err(invalid(
                "at most no time at all, in which no model answers; give a bound",
            ));
        }
        Ok(Self { most })
    }
}

#[async_trait]
impl Scorer for Latency {
    fn name(&self) -> &str {
        "latency"
    }

    fn configuration(&self) -> Value {
        json!({"most_seconds": self.most.as_secs_f64()})
    }

    fn dimension(&self) -> &str {
        "latency"
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        if input.latency.is_zero() {
            return Err(invalid(
                "the answer is a kept one, for which nobody waited; measure latency without `reuse_answers`",
            ));
        }
        let reason = format!("expected at most {:?}, found {:?}", self.most, input.latency);
        Ok(Score::pass(input.latency <= self.most, reason))
    }
}
