//! The decision whether a call may still be paid for: a pure function of a budget and what is spent.

use promptops_core::llm::Cost;

use super::MeterSnapshot;

/// What may be spent. What is `None` is not limited; 0 lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Money.
    pub cost: Option<Cost>,
    /// Tokens, of requests and answers together.
    pub tokens: Option<u64>,
}

impl Budget {
    /// At most so much money.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }

    /// At most so many tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Why no call may be made; `None` when one may. `priced` says whether the next call's price is known.
    pub(super) fn refusal(&self, spent: &MeterSnapshot, priced: bool) -> Option<String> {
        let tokens = spent.usage.total();
        match *self {
            Self {
                cost: None,
                tokens: None,
            } => None,
            Self { tokens: Some(most), .. } if tokens >= most => {
                Some(format!("the budget of {most} tokens is spent: {tokens} in {} answers", spent.answered))
            }
            Self { cost: Some(most), .. } if spent.known_cost >= most => Some(format!(
                "the budget of {most} is spent: {} in {} answers",
                spent.known_cost, spent.answered
            )),
            _ if spent.uncounted > 0 => Some(format!(
                "{} of {} answers came without a count of tokens, so it is not known what is left of the budget; use a \
                 meter without one for such a model",
                spent.uncounted, spent.answered
            )),
            Self { cost: Some(_), .. } if spent.unpriced > 0 => Some(format!(
                "the cost of {} of {} answers is not known, so neither is what is left of the budget; begin with a new \
                 meter whose prices have the model",
                spent.unpriced, spent.answered
            )),
            Self { cost: Some(_), .. } if !priced => Some(
                "no price is known for the model asked for, and the budget is one of money; add its price to the table"
                    .into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptops_core::llm::Usage;

    fn spent(tokens: u64, nano_usd: u64) -> MeterSnapshot {
        MeterSnapshot {
            answered: 3,
            usage: Usage::new(tokens, 0),
            known_cost: Cost::from_nano_usd(nano_usd),
            ..MeterSnapshot::default()
        }
    }

    #[test]
    fn a_budget_is_spent_when_it_is_reached() {
        let both = Budget::default()
            .tokens(100)
            .cost(Cost::from_nano_usd(1_000_000_000));
        assert_eq!(both.refusal(&spent(99, 999_999_999), true), None);
        let tokens = both.refusal(&spent(100, 0), true).unwrap();
        assert_eq!(tokens, "the budget of 100 tokens is spent: 100 in 3 answers");
        let cost = both.refusal(&spent(0, 1_000_000_000), true).unwrap();
        assert_eq!(cost, "the budget of $1.00 is spent: $1.00 in 3 answers");
        assert!(Budget::default().tokens(0).refusal(&spent(0, 0), true).is_some());
        assert!(
            Budget::default()
                .cost(Cost::ZERO)
                .refusal(&spent(0, 0), true)
                .is_some()
        );
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_nothing() {
        let (none, money, tokens) = (
            Budget::default(),
            Budget::default().cost(Cost::from_nano_usd(9)),
            Budget::default().tokens(9),
        );
        let (mut uncounted, mut unpriced) = (spent(1, 1), spent(1, 1));
        uncounted.uncounted = 1;
        unpriced.unpriced = 1;
        for (spent, priced, refused) in [
            (&spent(1, 1), true, [false, false, false]),
            (&spent(1, 1), false, [false, true, false]),
            (&unpriced, true, [false, true, false]),
            (&uncounted, true, [false, true, true]),
        ] {
            let found = [none, money, tokens].map(|budget| budget.refusal(spent, priced).is_some());
            assert_eq!(found, refused, "{spent:?}, priced {priced}");
        }
    }
}
