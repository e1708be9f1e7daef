//! Whether a change made things worse: a pure function of what is known of the difference.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statistics::Interval;

/// Whether something got worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is worse, and chance is no good explanation.
    Regression,
    /// It is at most by the margin worse, as far as can be known.
    NoRegression,
    /// Too little is known to say either.
    Inconclusive,
}

impl Verdict {
    /// The stable text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::NoRegression => "no regression",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// From the interval of a difference (above 0 is better), and how likely one like it is by chance.
    ///
    /// No regression when all of the interval is above −margin; else a regression when the difference is below 0 and less
    /// likely than alpha by chance; else inconclusive.
    pub(super) fn of(
        difference: f64,
        interval: Option<Interval>,
        p_value: f64,
        margin: f64,
        alpha: f64,
    ) -> Self {
        if interval.is_some_and(|interval| interval.low >= -margin) {
            Self::NoRegression
        } else if difference < 0.0 && p_value < alpha {
            Self::Regression
        } else {
            Self::Inconclusive
        }
    }

    /// Of passing, and of scorers each held against its part of alpha: a regression when one of them is; no regression when
    /// passing shows none.
    pub(super) fn together(passing: Self, scorers: impl IntoIterator<Item = Self>) -> Self {
        if passing == Self::Regression || scorers.into_iter().any(|verdict| verdict == Self::Regression) {
            Self::Regression
        } else {
            passing
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Confidence, matched_difference};

    #[test]
    fn verdicts_follow_from_what_is_known() {
        let verdict = |won, lost, total, p| {
            let interval = matched_difference(won, lost, total, Confidence::P95);
            Verdict::of((won as f64 - lost as f64) / total as f64, interval, p, 0.02, 0.05)
        };
        assert_eq!(
            verdict(0, 0, 10, 1.0),
            Verdict::Inconclusive,
            "ten entries say little"
        );
        assert_eq!(verdict(0, 0, 200, 1.0), Verdict::NoRegression);
        assert_eq!(verdict(30, 0, 200, 0.0), Verdict::NoRegression);
        assert_eq!(verdict(0, 30, 200, 0.0), Verdict::Regression);
        assert_eq!(verdict(3, 6, 200, 0.5), Verdict::Inconclusive);
        assert_eq!(
            verdict(0, 20, 100_000, 0.000_001),
            Verdict::NoRegression,
            "worse, but by less than the margin"
        );
        assert_eq!(Verdict::of(-1.0, None, 0.5, 0.02, 0.05), Verdict::Inconclusive);
    }

    #[test]
    fn one_scorer_that_regressed_is_a_regression() {
        use Verdict::{Inconclusive, NoRegression, Regression};
        assert_eq!(
            Verdict::together(NoRegression, [NoRegression, Regression]),
            Regression
        );
        assert_eq!(Verdict::together(NoRegression, [Inconclusive]), NoRegression);
        assert_eq!(Verdict::together(Inconclusive, [NoRegression]), Inconclusive);
    }
}
