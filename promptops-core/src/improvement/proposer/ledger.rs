//! What may be spent on proposing, and what was.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::llm::{Blueprint, Completion, Cost, LlmClient, LlmError, LlmErrorKind, PriceTable, Usage};

/// Tokens of an answer whose request sets no limit, as far as a budget foresees them.
const ASSUMED_ANSWER_TOKENS: u64 = 4_096;
/// Bytes of a request for one token of it: fewer than English needs (about four), so that less is spent than foreseen.
const BYTES_PER_TOKEN: u64 = 3;

/// The most that may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Most calls of models.
    pub max_calls: u64,
    /// Most tokens of requests and answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Most money. Needs the price of every model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
}

impl Budget {
    /// So many calls, whatever they take.
    #[must_use]
    pub fn calls(max_calls: u64) -> Self {
        Self {
            max_calls,
            max_tokens: None,
            max_cost: None,
        }
    }

    /// And so many tokens.
    #[must_use]
    pub fn tokens(mut self, most: u64) -> Self {
        self.max_tokens = Some(most);
        self
    }

    /// And so much money.
    #[must_use]
    pub fn cost(mut self, most: Cost) -> Self {
        self.max_cost = Some(most);
        self
    }
}

/// What was spent. What is not known is not left out: it stands beside, with the most that it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Calls, however they ended: answered, failed, or given up.
    pub calls: u64,
    /// Tokens that were counted.
    pub usage: Usage,
    /// What those cost whose price is known.
    pub cost: Cost,
    /// Calls that may have been billed, and whose tokens nobody counted.
    #[serde(default)]
    pub uncounted: u64,
    /// Tokens foreseen for them.
    #[serde(default)]
    pub uncounted_tokens: u64,
    /// Money foreseen for them.
    #[serde(default)]
    pub uncounted_cost: Cost,
    /// Calls whose tokens were counted, and whose price is not known.
    #[serde(default)]
    pub unpriced: u64,
}

impl Spent {
    /// Tokens, those foreseen for what nobody counted among them.
    #[must_use]
    pub fn tokens_at_most(&self) -> u64 {
        self.usage.total().saturating_add(self.uncounted_tokens)
    }

    /// Money, what is foreseen for what nobody counted included; nothing for calls without a price.
    #[must_use]
    pub fn cost_at_most(&self) -> Cost {
        self.cost + self.uncounted_cost
    }

    /// What all of it cost; `None` when that is not known of some call.
    #[must_use]
    pub fn known_cost(&self) -> Option<Cost> {
        (self.uncounted == 0 && self.unpriced == 0).then_some(self.cost)
    }

    /// What was spent since then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let cost = |a: Cost, b: Cost| Cost::from_nano_usd(a.nano_usd().saturating_sub(b.nano_usd()));
        let (now, then) = (&self.usage, &before.usage);
        Self {
            calls: self.calls.saturating_sub(before.calls),
            usage: Usage {
                input_tokens: now.input_tokens.saturating_sub(then.input_tokens),
                output_tokens: now.output_tokens.saturating_sub(then.output_tokens),
                cached_input_tokens: now.cached_input_tokens.saturating_sub(then.cached_input_tokens),
                cache_write_tokens: now.cache_write_tokens.saturating_sub(then.cache_write_tokens),
                reasoning_tokens: now.reasoning_tokens.saturating_sub(then.reasoning_tokens),
            },
            cost: cost(self.cost, before.cost),
            uncounted: self.uncounted.saturating_sub(before.uncounted),
            uncounted_tokens: self.uncounted_tokens.saturating_sub(before.uncounted_tokens),
            uncounted_cost: cost(self.uncounted_cost, before.uncounted_cost),
            unpriced: self.unpriced.saturating_sub(before.unpriced),
        }
    }
}

/// What is called under a budget: the only way to a model that a [`Proposer`](super::Proposer) should take.
///
/// A call is counted before it is made, so that the count is right also when it fails or is given up. A call that could
/// exceed the budget is not made: foreseen are the request's bytes by three, and the most tokens that its answer may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    budget: Budget,
    spent: Spent,
}

/// What one call may take.
#[derive(Clone, Copy)]
struct Foreseen {
    tokens: u64,
    cost: Option<Cost>,
}

impl Ledger {
    /// Nothing spent of this.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            spent: Spent::default(),
        }
    }

    /// The most that may be spent.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// What was spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// What may still be spent.
    #[must_use]
    pub fn left(&self) -> Budget {
        Budget {
            max_calls: self.budget.max_calls.saturating_sub(self.spent.calls),
            max_tokens: self
                .budget
                .max_tokens
                .map(|most| most.saturating_sub(self.spent.tokens_at_most())),
            max_cost: self.budget.max_cost.map(|most| {
                Cost::from_nano_usd(
                    most.nano_usd()
                        .saturating_sub(self.spent.cost_at_most().nano_usd()),
                )
            }),
        }
    }

    /// Whether this request may be made now.
    ///
    /// # Errors
    /// What it would exceed; or that a price is not known, where money is limited.
    pub fn admits(
        &self,
        client: &dyn LlmClient,
        prices: &PriceTable,
        request: &Blueprint,
    ) -> Result<(), BudgetRefusal> {
        self.admitted(&foreseen(client, prices, request), client, request)
    }

    /// Calls a model once, if the budget reaches for it.
    ///
    /// # Errors
    /// [`CallFailure::Budget`] when the model was not called, [`CallFailure::Model`] when it did not answer.
    pub async fn call(
        &mut self,
        client: &dyn LlmClient,
        prices: &PriceTable,
        request: &Blueprint,
    ) -> Result<Completion, CallFailure> {
        let foreseen = foreseen(client, prices, request);
        self.admitted(&foreseen, client, request)?;
        self.open(foreseen);
        match client.complete(request).await {
            Ok(completion) => {
                let usage = completion.usage;
                if usage.total() > 0 {
                    let asked = asked_model(client, request);
                    let cost = prices.cost(client.provider(), asked, &completion.model, &usage);
                    self.close(foreseen);
                    self.spent.usage += usage;
                    self.spent.cost += cost.unwrap_or_default();
                    self.spent.unpriced += u64::from(cost.is_none());
                }
                Ok(completion)
            }
            Err(error) => {
                if !may_be_billed(error.kind()) {
                    self.close(foreseen);
                }
                Err(CallFailure::Model(error))
            }
        }
    }

    fn admitted(
        &self,
        next: &Foreseen,
        client: &dyn LlmClient,
        request: &Blueprint,
    ) -> Result<(), BudgetRefusal> {
        if self.spent.calls >= self.budget.max_calls {
            return Err(BudgetRefusal::Calls {
                most: self.budget.max_calls,
            });
        }
        let tokens = self.spent.tokens_at_most();
        if let Some(most) = self.budget.max_tokens
            && tokens.saturating_add(next.tokens) > most
        {
            return Err(BudgetRefusal::Tokens {
                spent: tokens,
                next: next.tokens,
                most,
            });
        }
        if let Some(most) = self.budget.max_cost {
            let Some(cost) = next.cost else {
                return Err(BudgetRefusal::PriceUnknown {
                    provider: shortened(client.provider()),
                    model: shortened(asked_model(client, request)),
                });
            };
            if self.spent.unpriced > 0 || self.spent.cost_at_most() + cost > most {
                return Err(BudgetRefusal::Cost {
                    spent: self.spent.cost_at_most(),
                    next: cost,
                    most,
                });
            }
        }
        Ok(())
    }

    fn open(&mut self, foreseen: Foreseen) {
        self.spent.calls += 1;
        self.spent.uncounted += 1;
        self.spent.uncounted_tokens = self.spent.uncounted_tokens.saturating_add(foreseen.tokens);
        self.spent.uncounted_cost += foreseen.cost.unwrap_or_default();
    }

    fn close(&mut self, foreseen: Foreseen) {
        let nano = foreseen.cost.unwrap_or_default().nano_usd();
        self.spent.uncounted -= 1;
        self.spent.uncounted_tokens = self.spent.uncounted_tokens.saturating_sub(foreseen.tokens);
        self.spent.uncounted_cost =
            Cost::from_nano_usd(self.spent.uncounted_cost.nano_usd().saturating_sub(nano));
    }
}

fn asked_model<'a>(client: &'a dyn LlmClient, request: &'a Blueprint) -> &'a str {
    request
        .settings
        .model
        .as_deref()
        .or(client.model())
        .unwrap_or_default()
}

fn foreseen(client: &dyn LlmClient, prices: &PriceTable, request: &Blueprint) -> Foreseen {
    // All that is sent is in it: messages, tools, schemas.
    let bytes = serde_json::to_string(request).map_or(u64::MAX, |json| json.len() as u64);
    let answer = request
        .settings
        .max_tokens
        .map_or(ASSUMED_ANSWER_TOKENS, u64::from);
    let usage = Usage::new(bytes.div_ceil(BYTES_PER_TOKEN), answer);
    let price = prices.price(client.provider(), asked_model(client, request));
    Foreseen {
        tokens: usage.total(),
        cost: price.map(|price| price.cost(&usage)),
    }
}

/// Whether a call that failed so may be billed: it may have been answered, since answers are billed whether or not they
/// arrive.
fn may_be_billed(kind: LlmErrorKind) -> bool {
    use LlmErrorKind as Kind;
    !matches!(
        kind,
        Kind::Auth
            | Kind::RateLimit
            | Kind::Quota
            | Kind::ContextLength
            | Kind::InvalidRequest
            | Kind::Unsupported
            | Kind::Overloaded
            | Kind::CircuitOpen
            | Kind::Budget
            | Kind::NotRecorded
    )
}

/// At most 100 characters of a name.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

/// Why a model was not called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetRefusal {
    /// All calls are made.
    Calls {
        /// Most calls.
        most: u64,
    },
    /// The call could take more tokens than are left.
    Tokens {
        /// Tokens spent, at most.
        spent: u64,
        /// Tokens of the call, at most.
        next: u64,
        /// Most tokens.
        most: u64,
    },
    /// The call could cost more than is left, or something that is not known was spent.
    Cost {
        /// What was spent, at most.
        spent: Cost,
        /// What the call costs, at most.
        next: Cost,
        /// Most money.
        most: Cost,
    },
    /// Money is limited, and the price is not known.
    PriceUnknown {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
    },
}

impl fmt::Display for BudgetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls { most } => write!(f, "all {most} calls are made"),
            Self::Tokens { spent, next, most } => write!(
                f,
                "{spent} of {most} tokens are spent, and the next call may take {next}"
            ),
            Self::Cost { spent, next, most } => write!(
                f,
                "{spent} of {most} are spent, and the next call may cost {next}"
            ),
            Self::PriceUnknown { provider, model } => write!(
                f,
                "the price of {provider} {model:?} is not known, so that the budget could not be kept; add it to the price table"
            ),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CallFailure {
    /// The model was not called.
    Budget(BudgetRefusal),
    /// It was called and did not answer.
    Model(LlmError),
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(refusal) => refusal.fmt(f),
            Self::Model(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallFailure {}

impl From<BudgetRefusal> for CallFailure {
    fn from(refusal: BudgetRefusal) -> Self {
        Self::Budget(refusal)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::llm::{BlueprintMessage, Price, ScriptedLlm};
    use crate::prompt::MessageRole;

    fn request(max_tokens: u32) -> Blueprint {
        Blueprint::new([BlueprintMessage::new(MessageRole::User, "Propose.")]).max_tokens(max_tokens)
    }

    fn prices() -> PriceTable {
        PriceTable::new()
            .with("scripted", "scripted", Price::per_million(1.0, 10.0))
            .unwrap()
    }

    #[tokio::test]
    async fn it_counts_what_was_called_and_no_more() {
        let model = ScriptedLlm::results([
            Ok(ScriptedLlm::answer("a").with_usage(Usage::new(100, 10))),
            Err(LlmError::new(LlmErrorKind::RateLimit, "scripted", "busy")),
            Err(LlmError::new(LlmErrorKind::Timeout, "scripted", "late")),
            Ok(ScriptedLlm::answer("not counted")),
            Ok(ScriptedLlm::answer("never asked for")),
        ]);
        let mut ledger = Ledger::new(Budget::calls(4));
        let prices = prices();
        for answered in [true, false, false, true] {
            let answer = ledger.call(&model, &prices, &request(50)).await;
            assert_eq!(answer.is_ok(), answered);
        }
        let refused = ledger.call(&model, &prices, &request(50)).await.unwrap_err();
        assert!(matches!(
            refused,
            CallFailure::Budget(BudgetRefusal::Calls { most: 4 })
        ));
        let spent = ledger.spent();
        assert_eq!((spent.calls, model.counts().asked), (4, 4));
        assert_eq!(spent.usage, Usage::new(100, 10));
        assert_eq!(spent.cost, Cost::from_nano_usd(200_000));
        // The one that was late and the one that nobody counted.
        assert_eq!(spent.uncounted, 2);
        assert_eq!(spent.known_cost(), None);
        assert!(spent.uncounted_tokens > 100 && spent.uncounted_cost > Cost::ZERO);
        assert_eq!(ledger.left().max_calls, 0);
        assert_eq!(spent.since(&Spent::default()), spent);
        assert_eq!(spent.since(&spent), Spent::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_is_counted() {
        let model = ScriptedLlm::saying("late").with_delay(Duration::from_secs(60));
        let mut ledger = Ledger::new(Budget::calls(9));
        let (prices, request) = (PriceTable::new(), request(10));
        let call = ledger.call(&model, &prices, &request);
        assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
        assert_eq!((ledger.spent().calls, model.counts().asked), (1, 1));
        assert_eq!(ledger.spent().uncounted, 1);
    }

    #[tokio::test]
    async fn a_call_that_could_exceed_tokens_or_money_is_not_made() {
        let model = ScriptedLlm::new(|_| Ok(ScriptedLlm::answer("a").with_usage(Usage::new(40, 1_000))));
        let prices = prices();
        for budget in [
            Budget::calls(100).tokens(5_000),
            Budget::calls(100).cost(Cost::from_usd(0.05).unwrap()),
        ] {
            let before = model.counts().asked;
            let mut ledger = Ledger::new(budget);
            while ledger.call(&model, &prices, &request(1_000)).await.is_ok() {}
            let spent = ledger.spent();
            assert_eq!(spent.calls, model.counts().asked - before);
            assert!(spent.calls >= 4, "{spent:?}");
            assert!(
                budget
                    .max_tokens
                    .is_none_or(|most| spent.tokens_at_most() <= most)
            );
            assert!(budget.max_cost.is_none_or(|most| spent.cost_at_most() <= most));
            assert!(ledger.admits(&model, &prices, &request(1_000)).is_err());
        }
        let mut ledger = Ledger::new(Budget::calls(1).cost(Cost::from_usd(1.0).unwrap()));
        let refused = ledger
            .call(&model, &PriceTable::new(), &request(1))
            .await
            .unwrap_err();
        assert!(matches!(
            refused,
            CallFailure::Budget(BudgetRefusal::PriceUnknown { .. })
        ));
        assert_eq!(ledger.spent(), Spent::default());
    }
}
