//! How two versions fared in production.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::counts::Metrics;
use super::figures::Figures;
use super::period::Period;
use crate::base::{EnvironmentName, PromptName, ScoreName, VersionNumber};
use crate::statistics::{Confidence, Counts, Interval, rate_difference};

/// How two versions fared in production.
///
/// What differs may have other causes than the version: the hours that they were live, and the users who asked then. An
/// [experiment](crate::Tenant::experiments) rules these out; this does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionComparison {
    /// The prompt.
    pub prompt: PromptName,
    /// The time; `None`: since the beginning.
    pub period: Option<Period>,
    /// Where; `None`: everywhere.
    pub environment: Option<EnvironmentName>,
    /// How the first fared.
    pub first: VersionFigures,
    /// How the second fared.
    pub second: VersionFigures,
    /// The difference of the success rates; `None` unless answers of both were judged.
    pub success_rate: Option<RateDifference>,
    /// The difference of the error rates; `None` unless there are answers of both.
    pub error_rate: Option<RateDifference>,
}

/// How one version fared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionFigures {
    /// The version.
    pub version: VersionNumber,
    /// How it fared.
    pub figures: Figures,
}

/// The difference of two rates, second − first, and what it may well be: see [`rate_difference`]. It is for one look at a
/// period chosen before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RateDifference {
    /// The difference, −1.0 ..= 1.0.
    pub difference: f64,
    /// What it may well be, with a confidence of 0.95.
    pub interval: Interval,
}

impl RateDifference {
    fn of([first, second]: [(u64, u64); 2]) -> Option<Self> {
        let rate = |(part, whole): (u64, u64)| Counts::new(part, whole);
        let (first, second) = (rate(first)?, rate(second)?);
        Some(Self {
            difference: second.moments()?.mean - first.moments()?.mean,
            interval: rate_difference(&first, &second, Confidence::P95)?,
        })
    }
}

impl VersionComparison {
    pub(super) fn new(
        prompt: PromptName,
        period: Option<Period>,
        environment: Option<EnvironmentName>,
        [first, second]: [(VersionNumber, &Metrics); 2],
    ) -> Self {
        let of = |(version, metrics): (VersionNumber, &Metrics)| VersionFigures {
            version,
            figures: metrics.figures(),
        };
        let both = [first.1, second.1];
        Self {
            prompt,
            period,
            environment,
            first: of(first),
            second: of(second),
            success_rate: RateDifference::of(both.map(|m| (m.success_count, m.judged_count))),
            error_rate: RateDifference::of(both.map(|m| (m.error_count, m.usage_count))),
        }
    }
}

/// A row: a name, what each of the two has, and the difference.
struct Row {
    name: String,
    values: [String; 2],
    difference: String,
}

impl Row {
    /// Of two figures that may not be known, told by one function, and their difference by another.
    fn of<T: Copy>(
        name: impl Into<String>,
        values: [Option<T>; 2],
        tell: impl Fn(T) -> String,
        difference: impl FnOnce(T, T) -> String,
    ) -> Self {
        let told = |value: Option<T>| value.map_or_else(|| "-".to_owned(), &tell);
        let [first, second] = values;
        Self {
            name: name.into(),
            values: [told(first), told(second)],
            difference: match (first, second) {
                (Some(first), Some(second)) => difference(first, second),
                _ => String::new(),
            },
        }
    }

    fn number(name: impl Into<String>, values: [Option<f64>; 2], decimals: usize) -> Self {
        Self::of(
            name,
            values,
            |value| format!("{value:.decimals$}"),
            |first, second| format!("{:+.decimals$}", second - first),
        )
    }

    fn rate(name: &str, values: [Option<f64>; 2], difference: Option<&RateDifference>) -> Self {
        let told = difference.map(|RateDifference { difference, interval }| {
            format!("{difference:+.3} [{:+.3}, {:+.3}]", interval.low, interval.high)
        });
        Self {
            difference: told.unwrap_or_default(),
            ..Self::number(name, values, 3)
        }
    }

    fn latency(name: &str, values: [Option<Duration>; 2]) -> Self {
        let millis = |latency: Duration| latency.as_secs_f64() * 1e3;
        Self::of(
            name,
            values,
            |latency| format!("{:.0} ms", millis(latency)),
            |first, second| format!("{:+.0} ms", millis(second) - millis(first)),
        )
    }
}

/// A small table.
impl fmt::Display for VersionComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} and {}",
            self.prompt, self.first.version, self.second.version
        )?;
        if let Some(environment) = &self.environment {
            write!(f, " in {environment}")?;
        }
        match &self.period {
            Some(period) => writeln!(f, ", {period}")?,
            None => writeln!(f, ", since the beginning")?,
        }
        let both = [&self.first.figures, &self.second.figures];
        let mut rows = vec![
            Row {
                name: String::new(),
                values: [self.first.version.to_string(), self.second.version.to_string()],
                difference: "difference [95 %]".to_owned(),
            },
            Row {
                difference: String::new(),
                ..Row::number("answers", both.map(|of| Some(of.answers as f64)), 0)
            },
            Row::rate(
                "success rate",
                both.map(|of| of.success_rate),
                self.success_rate.as_ref(),
            ),
            Row::number("average rating", both.map(|of| of.average_rating), 3),
            Row::rate(
                "error rate",
                both.map(|of| of.error_rate),
                self.error_rate.as_ref(),
            ),
            Row::latency(
                "latency p50",
                both.map(|of| of.latency.map(|latency| latency.p50)),
            ),
            Row::latency(
                "latency p95",
                both.map(|of| of.latency.map(|latency| latency.p95)),
            ),
            Row::number(
                "input tokens per answer",
                both.map(Figures::input_tokens_per_answer),
                1,
            ),
            Row::number(
                "output tokens per answer",
                both.map(Figures::output_tokens_per_answer),
                1,
            ),
            Row::of(
                "cost per answer",
                both.map(Figures::usd_per_answer),
                |usd| format!("${usd:.6}"),
                |first, second| {
                    let sign = if second < first { '-' } else { '+' };
                    format!("{sign}${:.6}", (second - first).abs())
                },
            ),
        ];
        let mut names: Vec<&ScoreName> = both.iter().flat_map(|of| of.scores.keys()).collect();
        names.sort_unstable();
        names.dedup();
        rows.extend(names.into_iter().map(|name| {
            Row::number(
                format!("score {name}"),
                both.map(|of| of.scores.get(name).copied()),
                3,
            )
        }));
        let widest = |text: fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
        let name_width = widest(|row| row.name.chars().count());
        let value_width = widest(|row| row.values.iter().map(String::len).max().unwrap_or(0));
        for row in &rows {
            let [first, second] = &row.values;
            let line = format!(
                "  {:name_width$}  {first:>value_width$}  {second:>value_width$}  {}",
                row.name, row.difference
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
