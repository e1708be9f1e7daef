//! Whether a judge of pairs prefers what people prefer, and whether it keeps to its word in the other order.

use std::fmt;

use futures_util::FutureExt;

use super::super::model::Spent;
use super::super::pairwise::{Pair, PairwiseJudge, Preference};
use super::rating::{HumanPreference, check_all};
use super::report::{between, line, paid, round};
use super::{CalibrationSettings, ask_all};
use crate::base::error::Result;
use crate::llm::{Cost, Usage};
use crate::statistics::{Confidence, Interval, wilson};

/// What a judge of pairs said where people said which output they prefer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PairwiseCalibration {
    /// Who judged.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Pairs that people compared.
    pub rated: usize,
    /// Those that the judge gave no verdict for.
    pub unscored: usize,
    /// Those of the rest for which it said the same in both orders.
    pub consistent: usize,
    /// Those of these for which it said what people said.
    pub agreed: usize,
    /// Tokens of all replies.
    pub usage: Usage,
    /// What all replies cost; `None` when a price is unknown.
    pub cost: Option<Cost>,
    confidence: Confidence,
}

impl PairwiseCalibration {
    /// Has the judge compare what people compared.
    ///
    /// # Errors
    /// As [`Calibration::run`](super::Calibration::run).
    pub async fn run(judge: &PairwiseJudge, preferences: &[HumanPreference]) -> Result<Self> {
        Self::run_with(judge, preferences, &CalibrationSettings::default()).await
    }

    /// As [`run`](Self::run), with these settings; a pair under way is two questions.
    ///
    /// # Errors
    /// As there, and for settings out of their bounds.
    pub async fn run_with(
        judge: &PairwiseJudge,
        preferences: &[HumanPreference],
        settings: &CalibrationSettings,
    ) -> Result<Self> {
        settings.check()?;
        check_all(preferences)?;
        let asked = ask_all(preferences, settings.concurrency, |preference| {
            async move {
                let pair = Pair {
                    input: &preference.input,
                    first: &preference.first,
                    second: &preference.second,
                };
                judge.judge(&pair).await
            }
            .boxed()
        });
        let (answers, Spent { usage, cost }) = asked.await?;
        let standing = judge.standing();
        let mut counted = Self {
            provider: standing.provider,
            model: standing.model,
            rated: preferences.len(),
            unscored: 0,
            consistent: 0,
            agreed: 0,
            usage,
            cost,
            confidence: settings.confidence,
        };
        for (preference, answer) in preferences.iter().zip(answers) {
            match answer.map(|comparison| comparison.preference()) {
                Err(_) => counted.unscored += 1,
                Ok(Preference::Inconsistent) => {}
                Ok(Preference::Consistent(choice)) => {
                    counted.consistent += 1;
                    counted.agreed += usize::from(choice == preference.human);
                }
            }
        }
        Ok(counted)
    }

    /// The share of pairs with verdicts for which both orders agree, with Wilson's interval; `None` without verdicts.
    #[must_use]
    pub fn order_consistency(&self) -> Option<(f64, Interval)> {
        self.rate(self.consistent, self.rated.saturating_sub(self.unscored))
    }

    /// The share of pairs with consistent verdicts for which people say the same, with Wilson's interval; `None` without
    /// consistent verdicts.
    #[must_use]
    pub fn agreement(&self) -> Option<(f64, Interval)> {
        self.rate(self.agreed, self.consistent)
    }

    fn rate(&self, passed: usize, total: usize) -> Option<(f64, Interval)> {
        let interval = wilson(passed as u64, total as u64, self.confidence)?;
        Some((passed as f64 / total as f64, interval))
    }
}

/// A report of some lines for people.
impl fmt::Display for PairwiseCalibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "calibration of {}/{} (pairwise) against people",
            self.provider, self.model
        )?;
        line(
            f,
            "pairs",
            &format!("{}, of which {} without verdict", self.rated, self.unscored),
        )?;
        let rate = |rate: Option<(f64, Interval)>| {
            rate.map_or_else(
                || "none: there is no verdict".to_owned(),
                |(rate, interval)| round(rate) + &between(Some(interval)),
            )
        };
        line(f, "order consistency", &rate(self.order_consistency()))?;
        line(f, "agreement", &rate(self.agreement()))?;
        line(f, "paid", &paid(self.usage, self.cost))
    }
}
