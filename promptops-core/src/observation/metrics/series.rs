//! Counts over time: one point for each step, whether something was counted in it or not.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::counts::Metrics;
use super::dimensions::Rollup;
use super::grouping::{Group, Grouping, MetricsFilter};
use super::period::{Period, Span};
use crate::base::error::{Error, Result, invalid};
use crate::base::{PromptName, Timestamp};

/// Which series is wanted.
///
/// ```
/// use promptops_core::base::PromptName;
/// use promptops_core::observation::{Grouping, MetricsFilter, Period, SeriesQuery, Step};
///
/// let production = MetricsFilter::of(PromptName::new("support/triage")?).environment("production".parse()?);
/// let two_days = Period::new("2026-01-01T00:00:00Z".parse()?, "2026-01-03T00:00:00Z".parse()?, Step::Hour)?;
/// let query = SeriesQuery::new(production, two_days).by(Grouping::Version);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    filter: MetricsFilter,
    period: Period,
    by: Grouping,
    max_points: u64,
}

impl SeriesQuery {
    /// Most points of all lines together, unless said otherwise.
    pub const MAX_POINTS: u64 = 10_000;

    /// The answers that the filter lets through, in one line.
    #[must_use]
    pub fn new(filter: impl Into<MetricsFilter>, period: Period) -> Self {
        Self {
            filter: filter.into(),
            period,
            by: Grouping::All,
            max_points: Self::MAX_POINTS,
        }
    }

    /// A line for each group.
    #[must_use]
    pub fn by(mut self, grouping: Grouping) -> Self {
        self.by = grouping;
        self
    }

    /// Refuses more points than these, of all lines together. Default [`MAX_POINTS`](Self::MAX_POINTS); a point takes a few
    /// kilobytes.
    #[must_use]
    pub fn at_most(mut self, points: u64) -> Self {
        self.max_points = points;
        self
    }

    /// What stores are asked for, in order of time: all of it need not be in memory at once.
    pub(super) fn span(&self) -> Span {
        Span {
            resolution: self.period.step().resolution(),
            from: self.period.from(),
            to: self.period.to(),
        }
    }

    pub(super) fn filter(&self) -> &MetricsFilter {
        &self.filter
    }

    fn check(&self, lines: usize) -> Result<()> {
        let points = self.period.steps().saturating_mul(lines as u64);
        if points <= self.max_points {
            return Ok(());
        }
        Err(too_many(self, lines, points))
    }

    /// The series of what a store found, in any order. What is not wanted, or of another resolution, is left out.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the points are too many.
    pub fn fold(&self, rollups: Vec<Rollup>) -> Result<Series> {
        let mut lines = Lines::new(self)?;
        for rollup in rollups {
            lines.add(rollup)?;
        }
        Ok(lines.series())
    }
}

/// A series that is being counted.
pub(super) struct Lines<'q> {
    query: &'q SeriesQuery,
    lines: BTreeMap<Group, Vec<Metrics>>,
}

impl<'q> Lines<'q> {
    /// Nothing yet, once it is known that the points of one line are not too many.
    pub fn new(query: &'q SeriesQuery) -> Result<Self> {
        query.check(1)?;
        let mut this = Self {
            query,
            lines: BTreeMap::new(),
        };
        if query.by == Grouping::All {
            this.lines.insert(Group::All, this.empty());
        }
        Ok(this)
    }

    fn empty(&self) -> Vec<Metrics> {
        self.query.period.starts().map(|_| Metrics::default()).collect()
    }

    /// Adds what a store found; an error as soon as there would be too many points.
    pub fn add(&mut self, Rollup { key, metrics }: Rollup) -> Result<()> {
        let SeriesQuery { filter, period, .. } = self.query;
        let of = &key.dimensions;
        let is_wanted = key.resolution == period.step().resolution() && filter.takes(of);
        let Some(index) = period.index(key.start).filter(|_| is_wanted) else {
            return Ok(());
        };
        let group = self.query.by.group(of);
        if !self.lines.contains_key(&group) {
            self.query.check(self.lines.len() + 1)?;
            let empty = self.empty();
            self.lines.insert(group.clone(), empty);
        }
        let points = self.lines.get_mut(&group);
        if let Some(point) = points.and_then(|points| points.get_mut(index)) {
            add(point, metrics);
        }
        Ok(())
    }

    pub fn series(self) -> Series {
        let period = self.query.period;
        let line = |(of, points): (Group, Vec<Metrics>)| Line {
            of,
            points: period
                .starts()
                .zip(points)
                .map(|(start, metrics)| Point { start, metrics })
                .collect(),
        };
        Series {
            prompt: self.query.filter.prompt.clone(),
            period,
            by: self.query.by,
            lines: self.lines.into_iter().map(line).collect(),
        }
    }
}

/// Adds counts; to nothing, without copying them.
pub(super) fn add(to: &mut Metrics, more: Metrics) {
    if *to == Metrics::default() {
        *to = more;
    } else {
        to.merge(&more);
    }
}

fn too_many(query: &SeriesQuery, lines: usize, points: u64) -> Error {
    let (steps, step) = (query.period.steps(), query.period.step());
    let lines = match lines {
        1 => String::new(),
        lines => format!(" for each of {lines} groups or more"),
    };
    invalid(format!(
        "the series would have {points} points, one for each of {steps} times of one {step}{lines}; at most {} are \
         allowed: take a longer step, a shorter period, or fewer groups, or allow more",
        query.max_points
    ))
    .with("prompt", &query.filter.prompt)
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The prompt.
    pub prompt: PromptName,
    /// The time, and how far apart points are.
    pub period: Period,
    /// What the lines are.
    pub by: Grouping,
    /// A line for each group of which something was counted, in order; for all answers there is always one.
    pub lines: Vec<Line>,
}

/// One group's points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The group.
    pub of: Group,
    /// One for each step of the period, in order of time; where nothing was counted, of zeros.
    pub points: Vec<Point>,
}

/// What was counted in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When the step began.
    pub start: Timestamp,
    /// What was counted in it.
    pub metrics: Metrics,
}

/// As [`Figures`](super::Figures), without the histogram.
impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut point = serializer.serialize_struct("Point", 2)?;
        point.serialize_field("start", &self.start)?;
        point.serialize_field("figures", &self.metrics.figures())?;
        point.end()
    }
}
