//! What improving may cost in a day, and what it has cost.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::llm::Cost;

/// What models were asked: calls, tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// Calls of models.
    pub calls: u64,
    /// Tokens in and out.
    pub tokens: u64,
    /// What they cost, as far as prices are known.
    pub cost: Cost,
}

/// Most that may be spent in a day, from midnight to midnight in UTC; `None` for no limit.
///
/// Calls are set aside before they are made and so never more than said. Tokens and money are so for proposers; what a replay
/// takes of them is known when it ends, so that they can be passed by one replay of each prompt and environment: give the
/// evaluation a budget of its own where that is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DailyBudget {
    /// Calls of models. Default: 10,000.
    pub calls: Option<u64>,
    /// Tokens in and out. Default: no limit.
    pub tokens: Option<u64>,
    /// Money, as far as prices are known. Default: no limit.
    pub cost: Option<Cost>,
}

impl Default for DailyBudget {
    fn default() -> Self {
        Self {
            calls: Some(10_000),
            tokens: None,
            cost: None,
        }
    }
}

impl Spending {
    /// Nothing.
    pub const NONE: Self = Self {
        calls: 0,
        tokens: 0,
        cost: Cost::ZERO,
    };

    /// So many calls, of which nothing else is known.
    #[must_use]
    pub fn calls(calls: u64) -> Self {
        Self { calls, ..Self::NONE }
    }

    /// Both together; what is more than can be counted stays at the most.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let cost = self.cost.nano_usd().saturating_add(other.cost.nano_usd());
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            cost: Cost::from_nano_usd(cost),
        }
    }

    /// What is left of it without the other; 0 where the other is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let cost = self.cost.nano_usd().saturating_sub(other.cost.nano_usd());
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            cost: Cost::from_nano_usd(cost),
        }
    }
}

impl DailyBudget {
    /// No limits.
    pub const UNLIMITED: Self = Self {
        calls: None,
        tokens: None,
        cost: None,
    };

    /// Whether so much is within the limits.
    #[must_use]
    pub fn allows(&self, spending: Spending) -> bool {
        self.calls.is_none_or(|most| spending.calls <= most)
            && self.tokens.is_none_or(|most| spending.tokens <= most)
            && self.cost.is_none_or(|most| spending.cost <= most)
    }

    /// What is left after so much; `None` for no limit.
    #[must_use]
    pub fn left(&self, spent: Spending) -> Self {
        Self {
            calls: self.calls.map(|most| most.saturating_sub(spent.calls)),
            tokens: self.tokens.map(|most| most.saturating_sub(spent.tokens)),
            cost: self
                .cost
                .map(|most| Cost::from_nano_usd(most.nano_usd().saturating_sub(spent.cost.nano_usd()))),
        }
    }
}

/// The day that a time is in, in UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> NaiveDate {
    at.date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spending(calls: u64, tokens: u64, nanos: u64) -> Spending {
        Spending {
            calls,
            tokens,
            cost: Cost::from_nano_usd(nanos),
        }
    }

    #[test]
    fn a_budget_allows_up_to_each_of_its_limits_and_says_what_is_left() {
        let budget = DailyBudget {
            calls: Some(10),
            tokens: Some(1_000),
            cost: Some(Cost::from_nano_usd(5)),
        };
        assert!(budget.allows(spending(10, 1_000, 5)));
        for over in [spending(11, 0, 0), spending(0, 1_001, 0), spending(0, 0, 6)] {
            assert!(!budget.allows(over), "{over:?}");
            assert!(DailyBudget::UNLIMITED.allows(over));
        }
        let left = budget.left(spending(4, 2_000, 5));
        assert_eq!(
            (left.calls, left.tokens, left.cost),
            (Some(6), Some(0), Some(Cost::ZERO))
        );
    }

    #[test]
    fn sums_neither_overflow_nor_fall_below_nothing() {
        let most = spending(u64::MAX, u64::MAX, u64::MAX);
        assert_eq!(most.plus(spending(1, 1, 1)), most);
        assert_eq!(spending(1, 2, 3).minus(most), Spending::NONE);
    }
}
