//! A share of runs, with how sure it is.

use std::fmt;

use promptops_core::statistics::{proportion_at_least, proportion_at_most};

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub total: u64,
}

impl Share {
    /// Those of which something holds.
    pub fn of<T>(all: &[T], holds: impl Fn(&T) -> bool) -> Self {
        Self {
            count: all.iter().filter(|one| holds(one)).count() as u64,
            total: all.len() as u64,
        }
    }

    /// As a number; 0 of none.
    #[must_use]
    pub fn value(self) -> f64 {
        self.count as f64 / self.total.max(1) as f64
    }

    /// What the true share is at least and at most, each with an error of 1 %.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        let low = proportion_at_least(self.count, self.total, 0.01).unwrap_or(0.0);
        (
            low,
            proportion_at_most(self.count, self.total, 0.01).unwrap_or(1.0),
        )
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.bounds();
        let text = format!("{:.4} ({low:.4} to {high:.4})", self.value());
        f.pad(&text)
    }
}
