//! What was asked, answered and spent, and an end to spending.

mod budget;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::llm::{
    Blueprint, Completion, Cost, Embedder, Embeddings, LlmClient, LlmError, LlmErrorKind, PriceTable, Usage,
};
use tokio::time::Instant;

pub use self::budget::Budget;
use super::{Counted, asked_model, quoted};

/// Counts for as many clients as share it. Clones are the same meter.
#[derive(Clone)]
pub struct Meter(Arc<Mutex<State>>);

struct State {
    prices: Arc<PriceTable>,
    budget: Budget,
    counts: MeterSnapshot,
}

/// What a meter has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterSnapshot {
    /// Calls made: answered, failed, given up or under way.
    pub calls: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls that failed, by the kind of their error.
    pub failed: BTreeMap<LlmErrorKind, u64>,
    /// Calls that the caller dropped. What they and failed calls cost, if anything, is not known here.
    pub given_up: u64,
    /// Calls under way.
    pub under_way: u64,
    /// Calls not made, since the budget did not allow it.
    pub refused: u64,
    /// The tokens of all answers.
    pub usage: Usage,
    /// What the answers with a known cost cost.
    pub known_cost: Cost,
    /// Answers whose cost is not known: without a price, or without a count.
    pub unpriced: u64,
    /// Answers for which no token was counted.
    pub uncounted: u64,
    /// The time that all answers took.
    pub answer_time: Duration,
    /// The longest time that an answer took.
    pub longest_answer: Duration,
}

impl MeterSnapshot {
    /// What all answers cost; `None` when that of one of them is not known.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        (self.unpriced == 0).then_some(self.known_cost)
    }

    /// The time that an answer took, on average; `None` without one.
    #[must_use]
    pub fn mean_answer(&self) -> Option<Duration> {
        let nanos = self
            .answer_time
            .as_nanos()
            .checked_div(u128::from(self.answered))?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }
}

impl Meter {
    /// A meter that counts cost by these prices, without a budget.
    #[must_use]
    pub fn new(prices: PriceTable) -> Self {
        Self(Arc::new(Mutex::new(State {
            prices: Arc::new(prices),
            budget: Budget::default(),
            counts: MeterSnapshot::default(),
        })))
    }

    /// Ends spending at this budget.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        self.replace_budget(budget);
        self
    }

    /// Takes other prices for calls from now on, and gives back those before.
    pub fn replace_prices(&self, prices: PriceTable) -> Arc<PriceTable> {
        std::mem::replace(&mut self.state().prices, Arc::new(prices))
    }

    /// Takes another budget, which holds for all that was counted so far too, and gives back the one before.
    pub fn replace_budget(&self, budget: Budget) -> Budget {
        std::mem::replace(&mut self.state().budget, budget)
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> MeterSnapshot {
        self.state().counts.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call as made, unless the budget forbids it.
    fn begin(&self, provider: &str, model: Option<&str>) -> Result<Call<'_>, LlmError> {
        let mut state = self.state();
        let priced = model.is_some_and(|model| state.prices.price(provider, model).is_some());
        if let Some(refusal) = state.budget.refusal(&state.counts, priced) {
            state.counts.refused += 1;
            let model = model.map_or_else(|| "an unnamed model".into(), quoted);
            let text = format!("{model} was not asked: {refusal}");
            return Err(LlmError::new(LlmErrorKind::Budget, provider, text));
        }
        state.counts.calls += 1;
        state.counts.under_way += 1;
        Ok(Call {
            meter: self,
            prices: Arc::clone(&state.prices),
            begun: Instant::now(),
            ended: false,
        })
    }
}

/// What was counted.
impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.snapshot()).finish()
    }
}

/// A call under way; dropped before its end, it was given up.
struct Call<'a> {
    meter: &'a Meter,
    /// As they were when it was decided to ask.
    prices: Arc<PriceTable>,
    begun: Instant,
    ended: bool,
}

impl Call<'_> {
    fn end(mut self, provider: &str, asked: Option<&str>, result: &Result<impl Counted, LlmError>) {
        self.ended = true;
        let took = self.begun.elapsed();
        let counts = &mut self.meter.state().counts;
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                *counts.failed.entry(error.kind()).or_default() += 1;
                return;
            }
        };
        counts.answered += 1;
        counts.answer_time = counts.answer_time.saturating_add(took);
        counts.longest_answer = counts.longest_answer.max(took);
        let usage = answer.usage();
        counts.usage += *usage;
        // No answer takes no tokens at all: nobody counted, and that is not free.
        let counted = usage.total() > 0;
        let asked = asked.unwrap_or(answer.model());
        let cost = self.prices.cost(provider, asked, answer.model(), usage);
        match cost.filter(|_| counted) {
            Some(cost) => counts.known_cost += cost,
            None => counts.unpriced += 1,
        }
        counts.uncounted += u64::from(!counted);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let counts = &mut self.meter.state().counts;
        counts.under_way -= 1;
        counts.given_up += u64::from(!self.ended);
    }
}

/// Counts calls, errors, tokens, cost and time on a [`Meter`], and makes none that its [`Budget`] does not allow.
///
/// - A cost that is not known is [counted as such](MeterSnapshot::unpriced), and never taken for 0.
/// - When the budget is spent, calls fail with [`Budget`](LlmErrorKind::Budget) before anybody is asked. What was
///   under way by then goes on: spending can end above the budget by what so many calls cost.
/// - Fails closed: under a budget of money, a model without a price is not asked; under any budget, no more calls are
///   made after an answer that nobody counted.
pub struct Metered<C> {
    client: C,
    meter: Meter,
}

impl<C> Metered<C> {
    /// Asks this client or embedder, and counts on this meter.
    pub fn new(client: C, meter: Meter) -> Self {
        Self { client, meter }
    }
}

#[async_trait]
impl<C: LlmClient> LlmClient for Metered<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let asked = asked_model(&self.client, request);
        let call = self.meter.begin(self.provider(), asked)?;
        let result = self.client.complete(request).await;
        call.end(self.provider(), asked, &result);
        result
    }
}

#[async_trait]
impl<E: Embedder> Embedder for Metered<E> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> &str {
        self.client.model()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        let asked = Some(self.client.model());
        let call = self.meter.begin(self.provider(), asked)?;
        let result = self.client.embed(texts).await;
        call.end(self.provider(), asked, &result);
        result
    }
}

/// What was counted and who is asked.
impl<C: LlmClient> fmt::Debug for Metered<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered")
            .field("provider", &self.client.provider())
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}
