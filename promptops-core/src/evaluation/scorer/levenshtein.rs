//! `levenshtein`: how many characters of the output would have to change.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bounds::{expected_text, output_text, shown};
use super::distance::Budget;
use super::{Score, Scorer, ScorerInput};
use crate::base::error::Result;

/// 1 − d / max(length) with d the edit distance of Levenshtein, both in characters (Unicode scalar values); 1 for two
/// empty texts. As `Levenshtein` of the Python package autoevals, but that a missing expected output, or one that is an
/// object, an array or null, is an error.
///
/// Two long texts with little in common are an error: at most 1 MiB each, and 2,500,000,000 pairs of characters (two
/// texts of 50,000) are looked at, those not counted that both texts begin and end with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levenshtein;

#[async_trait]
impl Scorer for Levenshtein {
    fn name(&self) -> &str {
        "levenshtein"
    }

    fn configuration(&self) -> Value {
        json!({})
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let wanted = expected_text(input)?;
        let output = output_text(input)?;
        let value = Budget::new().similarity(output, &wanted)?;
        let reason = format!("expected {}, found {}", shown(&wanted), shown(output));
        Ok(Score::new(value, reason))
    }
}
