//! `cost`: the call was cheap enough.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};
use crate::llm::Cost;

/// 1 when the model's call cost at most so much, else 0. A call whose cost is unknown is an error.
#[derive(Debug, Clone, Copy)]
pub struct CostLimit {
    most: Cost,
}

impl CostLimit {
    /// At most so much; nothing at all is possible, for models that are free.
    #[must_use]
    pub fn at_most(most: Cost) -> Self {
        Self { most }
    }
}

#[async_trait]
impl Scorer for CostLimit {
    fn name(&self) -> &str {
        "cost"
    }

    fn configuration(&self) -> Value {
        json!({"most_nano_usd": self.most.nano_usd()})
    }

    fn dimension(&self) -> &str {
        "cost"
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let found = input
            .cost
            .ok_or_else(|| invalid("what the call cost is unknown; give the price of its model"))?;
        let reason = format!("expected at most {}, found {found}", self.most);
        Ok(Score::pass(found <= self.most, reason))
    }
}
