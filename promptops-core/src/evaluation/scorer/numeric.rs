//! `numeric`: how near the output's number is to the expected one.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bounds::{expected_text, output_text, shown};
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Tolerance {
    None,
    Absolute(f64),
    Relative(f64),
}

/// How near two numbers are: 1 − |a − b| / (|a| + |b|), and 1 for 0 and 0. So 0 for numbers of different signs. As
/// `NumericDiff` of the Python package autoevals, but that a missing expected output is an error, and numbers are read
/// from text. Or, with a tolerance, 1 within it and 0 outside.
///
/// The whole output is to be one number as Rust, Python and JSON write it (`-12.5`, `1e3`), but for white space around
/// it: an output that is none, or is infinite, scores 0. `1,234` and `12 %` are none. An expected output that is none is
/// an error. Both are 64-bit floating point.
#[derive(Debug, Clone, Copy)]
pub struct Numeric {
    tolerance: Tolerance,
}

impl Numeric {
    /// The nearness as it is.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tolerance: Tolerance::None,
        }
    }

    /// 1 when the difference is at most this, else 0.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a tolerance below 0 or infinite.
    pub fn within(difference: f64) -> Result<Self> {
        Ok(Self {
            tolerance: Tolerance::Absolute(checked(difference)?),
        })
    }

    /// 1 when the difference is at most this share of the expected number, else 0; 0.01 for a hundredth.
    ///
    /// # Errors
    /// See [`within`](Self::within).
    pub fn within_share(share: f64) -> Result<Self> {
        Ok(Self {
            tolerance: Tolerance::Relative(checked(share)?),
        })
    }
}

impl Default for Numeric {
    fn default() -> Self {
        Self::new()
    }
}

fn checked(tolerance: f64) -> Result<f64> {
    if tolerance.is_finite() && tolerance >= 0.0 {
        Ok(tolerance)
    } else {
        Err(invalid(format!(
            "a tolerance of {tolerance}; expected a number from 0 on"
        )))
    }
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// 1 − |a − b| / (|a| + |b|).
pub(super) fn nearness(first: f64, second: f64) -> f64 {
    if first == second {
        return 1.0;
    }
    // Their sum may be too large for the format.
    let scale = if (first.abs() + second.abs()).is_finite() {
        1.0
    } else {
        0.25
    };
    let (first, second) = (first * scale, second * scale);
    (1.0 - (first - second).abs() / (first.abs() + second.abs())).clamp(0.0, 1.0)
}

#[async_trait]
impl Scorer for Numeric {
    fn name(&self) -> &str {
        "numeric"
    }

    fn configuration(&self) -> Value {
        match self.tolerance {
            Tolerance::None => json!({}),
            Tolerance::Absolute(difference) => json!({"within": difference}),
            Tolerance::Relative(share) => json!({"within_share": share}),
        }
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let wanted = expected_text(input)?;
        let wanted = number(&wanted).ok_or_else(|| {
            invalid(format!(
                "the expected output {} is no number; expected one such as 12.5",
                shown(&wanted)
            ))
        })?;
        let output = output_text(input)?;
        let Some(found) = number(output) else {
            return Ok(Score::new(
                0.0,
                format!("expected {wanted}, found {}, which is no number", shown(output)),
            ));
        };
        let reason = format!("expected {wanted}, found {found}");
        Ok(match self.tolerance {
            Tolerance::None => Score::new(nearness(found, wanted), reason),
            Tolerance::Absolute(most) => Score::pass((found - wanted).abs() <= most, reason),
            Tolerance::Relative(share) => Score::pass((found - wanted).abs() <= share * wanted.abs(), reason),
        })
    }
}
