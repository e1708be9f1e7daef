//! Periods of time in whole steps of the calendar of UTC, which has no daylight saving.

use std::fmt;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::dimensions::Resolution;
use crate::base::Timestamp;
use crate::base::error::{Result, invalid};

/// How far apart two points of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A minute. Counts by the minute are removed with the traces.
    Minute,
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl Step {
    /// Which counts it is made of.
    #[must_use]
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Minute => Resolution::Minute,
            Self::Hour => Resolution::Hour,
            Self::Day => Resolution::Day,
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The next longer one.
    fn longer(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resolution().as_str())
    }
}

/// A time from a beginning to an end, in whole steps: counts are kept by them, and no part of one can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    from: Timestamp,
    to: Timestamp,
    step: Step,
}

/// Counts of one resolution whose times begin in `from .. to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub resolution: Resolution,
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    /// Itself, in parts of at most so many times each. Not for totals, which are of no time.
    pub fn parts(self, most: i32) -> impl Iterator<Item = Self> {
        let length = self.resolution.length();
        let length = length.and_then(|length| TimeDelta::from_std(length).ok()?.checked_mul(most));
        let mut rest = self;
        std::iter::from_fn(move || {
            let end = length.and_then(|length| rest.from.checked_add_signed(length));
            let part = Self {
                to: end.map_or(rest.to, |end| end.min(rest.to)),
                ..rest
            };
            rest.from = part.to;
            (part.from < part.to).then_some(part)
        })
    }
}

impl Period {
    /// The steps that hold something of `from .. to`: the first is the one that holds `from`, the last the one that ends at
    /// `to` or holds it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) unless `from` is before `to`, and for times at the ends of the calendar.
    pub fn new(from: Timestamp, to: Timestamp, step: Step) -> Result<Self> {
        if from >= to {
            return Err(invalid(format!(
                "the period ends at {to}, and begins at {from}; expected an end after the beginning"
            )));
        }
        let length = step.seconds();
        let (first, last) = (from.timestamp(), to.timestamp());
        let begun = i64::from(to.timestamp_subsec_nanos() > 0);
        let at = |seconds: i64| {
            DateTime::from_timestamp(seconds, 0)
                .ok_or_else(|| invalid(format!("the period from {from} to {to} leaves the calendar")))
        };
        Ok(Self {
            from: at(first.div_euclid(length) * length)?,
            to: at((last + begun + length - 1).div_euclid(length) * length)?,
            step,
        })
    }

    /// Its beginning, which is that of a step.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Its end, at which the last step ends.
    #[must_use]
    pub fn to(&self) -> Timestamp {
        self.to
    }

    /// How long a step is.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// How many steps it has; at least one.
    #[must_use]
    pub fn steps(&self) -> u64 {
        let seconds = self.to.timestamp() - self.from.timestamp();
        u64::try_from(seconds / self.step.seconds()).unwrap_or(0)
    }

    /// The beginnings of all its steps.
    pub fn starts(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let (first, length) = (self.from.timestamp(), self.step.seconds());
        let end = self.to.timestamp();
        (0_i64..)
            .map(move |step| first + step * length)
            .take_while(move |start| *start < end)
            .filter_map(|start| DateTime::from_timestamp(start, 0))
    }

    /// Which step, from 0, holds this time.
    pub(super) fn index(&self, at: Timestamp) -> Option<usize> {
        if at < self.from || at >= self.to {
            return None;
        }
        let seconds = at.timestamp() - self.from.timestamp();
        usize::try_from(seconds / self.step.seconds()).ok()
    }

    /// The fewest counts that add up to it: days where it holds whole ones, hours and minutes at its ends.
    pub(super) fn spans(&self) -> Vec<Span> {
        let span = |from, to| Span {
            resolution: self.step.resolution(),
            from,
            to,
        };
        // The whole longer steps within, if there are any.
        let inner = self.step.longer().and_then(|longer| {
            let length = longer.seconds();
            let first = (self.from.timestamp() + length - 1).div_euclid(length) * length;
            let last = self.to.timestamp().div_euclid(length) * length;
            Some(Self {
                from: DateTime::from_timestamp(first, 0)?,
                to: DateTime::from_timestamp(last, 0)?,
                step: longer,
            })
        });
        match inner.filter(|inner| inner.from < inner.to) {
            None => vec![span(self.from, self.to)],
            Some(inner) => std::iter::once(span(self.from, inner.from))
                .chain(inner.spans())
                .chain([span(inner.to, self.to)])
                .filter(|span| span.from < span.to)
                .collect(),
        }
    }
}

/// `2026-01-01 00:00 to 2026-01-03 00:00 UTC`
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "%Y-%m-%d %H:%M";
        write!(f, "{} to {} UTC", self.from.format(form), self.to.format(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn period(from: &str, to: &str, step: Step) -> Period {
        Period::new(at(from), at(to), step).unwrap()
    }

    #[test]
    fn a_period_is_widened_to_whole_steps() {
        for (from, to, step, told, steps) in [
            (
                "2026-01-01T00:00:00Z",
                "2026-01-01T01:00:00Z",
                Step::Hour,
                "2026-01-01 00:00 to 2026-01-01 01:00 UTC",
                1,
            ),
            (
                "2026-01-01T00:59:59.999999Z",
                "2026-01-01T01:00:00.000001Z",
                Step::Hour,
                "2026-01-01 00:00 to 2026-01-01 02:00 UTC",
                2,
            ),
            (
                "2026-01-01T00:00:00Z",
                "2026-01-01T00:00:00.000001Z",
                Step::Minute,
                "2026-01-01 00:00 to 2026-01-01 00:01 UTC",
                1,
            ),
            // The clock is put forward and back in Europe meanwhile.
            (
                "2026-03-28T12:00:00Z",
                "2026-10-26T00:00:00Z",
                Step::Day,
                "2026-03-28 00:00 to 2026-10-26 00:00 UTC",
                212,
            ),
            // A leap day.
            (
                "2028-02-28T00:00:00Z",
                "2028-03-01T00:00:00Z",
                Step::Day,
                "2028-02-28 00:00 to 2028-03-01 00:00 UTC",
                2,
            ),
            // Before 1970, and across it.
            (
                "1969-12-31T23:30:00.5Z",
                "1970-01-01T00:00:00.5Z",
                Step::Hour,
                "1969-12-31 23:00 to 1970-01-01 01:00 UTC",
                2,
            ),
            (
                "1900-01-01T12:00:00Z",
                "1900-01-02T12:00:00Z",
                Step::Day,
                "1900-01-01 00:00 to 1900-01-03 00:00 UTC",
                2,
            ),
        ] {
            let period = period(from, to, step);
            assert_eq!(period.to_string(), told);
            assert_eq!(period.steps(), steps, "{told}");
            let starts: Vec<_> = period.starts().collect();
            assert_eq!(starts.len() as u64, steps, "{told}");
            assert_eq!(starts[0], period.from());
            for (index, start) in starts.iter().enumerate() {
                assert_eq!(step.resolution().start(*start), *start);
                assert_eq!(period.index(*start), Some(index));
                assert_eq!(
                    period.index(*start + TimeDelta::microseconds(59_999_999)),
                    Some(index)
                );
            }
            assert_eq!(period.index(period.to()), None);
            assert_eq!(period.index(period.from() - TimeDelta::microseconds(1)), None);
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        for (from, to, words) in [
            (late, early, "expected an end after the beginning"),
            (late, late, "expected an end after the beginning"),
            (Timestamp::MIN_UTC, Timestamp::MAX_UTC, "leaves the calendar"),
        ] {
            let error = Period::new(from, to, Step::Day).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(words), "{error}");
        }
    }

    #[test]
    fn parts_of_a_span_are_the_span() {
        let parts = |from, to, step, most| -> Vec<String> {
            let spans = period(from, to, step).spans();
            let parts = spans[0].parts(most);
            parts
                .map(|part| format!("{} {}", part.from.format("%d.%H:%M"), part.to.format("%d.%H:%M")))
                .collect()
        };
        let (midnight, one) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        assert_eq!(parts(midnight, one, Step::Hour, 1), ["01.00:00 01.01:00"]);
        let five = "2026-01-01T05:00:00Z";
        assert_eq!(
            parts(midnight, five, Step::Hour, 2),
            ["01.00:00 01.02:00", "01.02:00 01.04:00", "01.04:00 01.05:00"]
        );
        assert_eq!(parts(midnight, five, Step::Hour, i32::MAX), ["01.00:00 01.05:00"]);
    }

    #[test]
    fn spans_cover_each_time_once_with_the_longest_counts() {
        let told = |from, to, step| -> Vec<String> {
            let spans = period(from, to, step).spans();
            let form = |at: Timestamp| at.format("%d.%H:%M").to_string();
            spans
                .into_iter()
                .map(|span| format!("{} {}-{}", span.resolution, form(span.from), form(span.to)))
                .collect()
        };
        assert_eq!(
            told("2026-01-01T22:30:10Z", "2026-01-04T01:15:00Z", Step::Minute),
            [
                "minute 01.22:30-01.23:00",
                "hour 01.23:00-02.00:00",
                "day 02.00:00-04.00:00",
                "hour 04.00:00-04.01:00",
                "minute 04.01:00-04.01:15"
            ]
        );
        assert_eq!(
            told("2026-01-01T22:30:00Z", "2026-01-02T01:15:00Z", Step::Hour),
            ["hour 01.22:00-02.02:00"]
        );
        assert_eq!(
            told("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", Step::Hour),
            ["day 01.00:00-03.00:00"]
        );
        assert_eq!(
            told("1969-12-30T23:00:00Z", "1970-01-01T00:00:00Z", Step::Minute),
            ["hour 30.23:00-31.00:00", "day 31.00:00-01.00:00"]
        );
        assert_eq!(
            told("2026-01-01T10:10:00Z", "2026-01-01T10:20:00Z", Step::Minute),
            ["minute 01.10:10-01.10:20"]
        );
    }
}
