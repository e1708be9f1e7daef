//! Intervals, and how sure they are.

use serde::{Deserialize, Serialize};

/// What a figure may well be, both ends included. Both are finite, and `low` is not above `high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// `None` unless both ends are finite and in order.
    pub(super) fn new(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && high.is_finite() && low <= high).then_some(Self { low, high })
    }

    /// Whether the value lies in it, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The part of it that lies between two bounds; `None` when none of it does.
    #[must_use]
    pub fn within(&self, low: f64, high: f64) -> Option<Self> {
        Self::new(self.low.max(low), self.high.min(high))
    }

    /// From end to end.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// How often an interval made this way holds the true figure: more than 0, less than 1. 0.95 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

impl Confidence {
    /// 0.95.
    pub const P95: Self = Self(0.95);

    /// A level such as 0.99. `None` unless it is more than 0 and less than 1.
    #[must_use]
    pub fn new(level: f64) -> Option<Self> {
        (level > 0.0 && level < 1.0).then_some(Self(level))
    }

    /// The level.
    #[must_use]
    pub fn level(self) -> f64 {
        self.0
    }

    /// What is left out on one side: 0.025 for 0.95.
    pub(super) fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self::P95
    }
}

impl TryFrom<f64> for Confidence {
    type Error = &'static str;

    fn try_from(level: f64) -> Result<Self, Self::Error> {
        Self::new(level).ok_or("a confidence level is more than 0 and less than 1, such as 0.95")
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_lie_between_nothing_and_certainty() {
        for wrong in [0.0, 1.0, -0.1, 95.0, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(wrong).is_none(), "{wrong}");
            assert!(serde_json::from_value::<Confidence>(serde_json::json!(wrong)).is_err());
        }
        assert_eq!(Confidence::new(0.95).unwrap(), Confidence::default());
        assert_eq!(serde_json::to_string(&Confidence::P95).unwrap(), "0.95");
    }

    #[test]
    fn intervals_are_finite_and_in_order() {
        assert_eq!(Interval::new(1.0, 0.0), None);
        assert_eq!(Interval::new(0.0, f64::INFINITY), None);
        assert_eq!(Interval::new(f64::NAN, 1.0), None);
        let interval = Interval::new(1.0, 3.0).unwrap();
        assert!(interval.contains(1.0) && interval.contains(3.0) && !interval.contains(3.1));
        assert_eq!(interval.width(), 2.0);
    }
}
