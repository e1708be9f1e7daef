//! What tokens cost: data that a host can replace.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use super::completion::Usage;
use crate::base::error::{Result, invalid};

/// An amount of money in billionths of a US dollar. Sums do not depend on their order, and saturate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(u64);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many billionths of a US dollar.
    #[must_use]
    pub fn from_nano_usd(amount: u64) -> Self {
        Self(amount)
    }

    /// So many US dollars, rounded to billionths.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number below 0, above nine billion, or none at all.
    pub fn from_usd(amount: f64) -> Result<Self> {
        if !(0.0..=9e9).contains(&amount) {
            return Err(invalid(format!(
                "an amount of {amount} US dollars; expected 0 to 9,000,000,000"
            )));
        }
        Ok(Self((amount * 1e9).round() as u64))
    }

    /// In billionths of a US dollar.
    #[must_use]
    pub fn nano_usd(self) -> u64 {
        self.0
    }

    /// In US dollars.
    #[must_use]
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Add::add)
    }
}

/// `$0.0123`: at least two decimals and as many as there are, at most nine.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % 1_000_000_000);
        let kept = decimals.trim_end_matches('0').len().max(2);
        write!(f, "${}.{}", self.0 / 1_000_000_000, &decimals[..kept])
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one model's tokens cost, in US dollars per million of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input tokens.
    pub input: f64,
    /// Output tokens, those of reasoning included.
    pub output: f64,
    /// Input tokens read from the provider's cache; as [`input`](Self::input) when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input tokens written to the provider's cache; as [`input`](Self::input) when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
}

impl Price {
    /// A price without discounts, in US dollars per million tokens.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Self {
        Self {
            input,
            output,
            cached_input: None,
            cache_write: None,
        }
    }

    /// What this usage costs, rounded to a billionth of a US dollar.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        // One US dollar per million tokens is a millionth of a dollar per token: 10^12 / 10^6 picodollars.
        let pico = |usd: f64| (usd * 1e6).round().max(0.0) as u128;
        let plain = usage
            .input_tokens
            .saturating_sub(usage.cached_input_tokens)
            .saturating_sub(usage.cache_write_tokens);
        let total: u128 = [
            (plain, self.input),
            (usage.cached_input_tokens, self.cached_input.unwrap_or(self.input)),
            (usage.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
            (usage.output_tokens, self.output),
        ]
        .into_iter()
        .map(|(tokens, usd)| u128::from(tokens).saturating_mul(pico(usd)))
        .fold(0, u128::saturating_add);
        Cost(u64::try_from(total.saturating_add(500) / 1000).unwrap_or(u64::MAX))
    }

    fn check(&self, model: &str) -> Result<()> {
        let all = [
            Some(self.input),
            Some(self.output),
            self.cached_input,
            self.cache_write,
        ];
        match all.into_iter().flatten().find(|usd| !(0.0..=1e6).contains(usd)) {
            None => Ok(()),
            Some(usd) => Err(invalid(format!(
                "the price of {} has {usd}; expected US dollars per million tokens, 0 to 1,000,000",
                crate::base::id::quoted(model)
            ))),
        }
    }
}

/// Prices by provider and model. A model that is not in it has no known cost, which is never taken for 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, BTreeMap<String, Price>>",
    into = "BTreeMap<String, BTreeMap<String, Price>>"
)]
pub struct PriceTable(BTreeMap<String, BTreeMap<String, Price>>);

impl PriceTable {
    /// A table without a price.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the price of a model, by the name it is asked for or answers with.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a price that cannot be.
    pub fn with(
        mut self,
        provider: impl Into<String>,
        model: impl Into<String>,
        price: Price,
    ) -> Result<Self> {
        let model = model.into();
        price.check(&model)?;
        self.0.entry(provider.into()).or_default().insert(model, price);
        Ok(self)
    }

    /// The price of a model: of exactly this name.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<&Price> {
        self.0.get(provider)?.get(model)
    }

    /// What a usage costs: by the price of the model that answered, else by that of the model asked for; `None` when
    /// neither is known, or when no token was counted, since no answer takes none.
    #[must_use]
    pub fn cost(&self, provider: &str, asked: &str, answered: &str, usage: &Usage) -> Option<Cost> {
        self.price(provider, answered)
            .or_else(|| self.price(provider, asked))
            .filter(|_| usage.total() > 0)
            .map(|price| price.cost(usage))
    }
}

impl TryFrom<BTreeMap<String, BTreeMap<String, Price>>> for PriceTable {
    type Error = crate::base::Error;
    fn try_from(prices: BTreeMap<String, BTreeMap<String, Price>>) -> Result<Self> {
        for (model, price) in prices.values().flatten() {
            price.check(model)?;
        }
        Ok(Self(prices))
    }
}

impl From<PriceTable> for BTreeMap<String, BTreeMap<String, Price>> {
    fn from(table: PriceTable) -> Self {
        table.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_counts_each_kind_of_token_once() {
        let price = Price {
            input: 2.5,
            output: 10.0,
            cached_input: Some(1.25),
            cache_write: None,
        };
        let usage = Usage {
            input_tokens: 1_000,
            output_tokens: 100,
            cached_input_tokens: 400,
            cache_write_tokens: 0,
            reasoning_tokens: 60,
        };
        // 600 · 2.5 + 400 · 1.25 + 100 · 10 = 3,000 millionths.
        assert_eq!(price.cost(&usage).nano_usd(), 3_000_000);
        assert_eq!(price.cost(&usage).to_string(), "$0.003");
        assert_eq!(Cost::from_usd(1.5).unwrap().to_string(), "$1.50");
        assert_eq!(
            Price::per_million(0.02, 0.0)
                .cost(&Usage {
                    input_tokens: 1,
                    ..Usage::default()
                })
                .nano_usd(),
            20
        );
        let all = Usage {
            input_tokens: u64::MAX,
            output_tokens: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(Price::per_million(1e6, 1e6).cost(&all).nano_usd(), u64::MAX);
    }

    #[test]
    fn an_unknown_model_has_no_cost() {
        let table = PriceTable::new()
            .with("openai", "small", Price::per_million(1.0, 1.0))
            .unwrap();
        let usage = Usage {
            input_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(
            table
                .cost("openai", "small", "small-2026-01-01", &usage)
                .unwrap()
                .nano_usd(),
            1_000
        );
        assert_eq!(table.cost("anthropic", "small", "small", &usage), None);
        assert_eq!(table.cost("openai", "large", "large", &usage), None);
        // Nobody counted, which is not free.
        assert_eq!(table.cost("openai", "small", "small", &Usage::default()), None);
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(
                PriceTable::new()
                    .with("a", "b", Price::per_million(bad, 1.0))
                    .is_err()
            );
            assert!(Cost::from_usd(bad).is_err());
        }
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<PriceTable>(&json).unwrap(), table);
        assert!(serde_json::from_str::<PriceTable>(r#"{"a":{"b":{"input":-1,"output":0}}}"#).is_err());
    }
}
