//! The model that judges, and asking it.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::prompt::Prompt;
use super::reply::{self, Unreadable};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::evaluation::scorer::JudgeStanding;
use crate::llm::{Completion, Cost, LlmClient, PriceTable, Usage};
use crate::prompt::ModelSettings;

/// How often a judge is asked before it has no verdict.
const ATTEMPTS: u32 = 2;

/// The model that judges: who it is, and how it is called.
///
/// It should be another one than it judges: a model likes its own answers best. A run refuses a judge of its own model unless
/// [`allow_same_model`](Self::allow_same_model) was said.
#[derive(Clone)]
pub struct JudgeModel {
    client: Arc<dyn LlmClient>,
    settings: ModelSettings,
    prices: PriceTable,
    may_judge_itself: bool,
}

impl JudgeModel {
    /// Most tokens of a reply unless said otherwise.
    pub const DEFAULT_MAX_TOKENS: u32 = 4_096;

    /// The client's own model at temperature 0, with at most [`DEFAULT_MAX_TOKENS`](Self::DEFAULT_MAX_TOKENS) for a reply.
    pub fn new(client: impl LlmClient + 'static) -> Self {
        let settings = ModelSettings {
            model: client.model().map(str::to_owned),
            temperature: Some(0.0),
            max_tokens: Some(Self::DEFAULT_MAX_TOKENS),
            ..ModelSettings::default()
        };
        Self {
            client: Arc::new(client),
            settings,
            prices: PriceTable::new(),
            may_judge_itself: false,
        }
    }

    /// Asks this model of the client's rather than its own.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.settings.model = Some(name.into());
        self
    }

    /// Does not ask for temperature 0, for models that refuse to be told a temperature.
    #[must_use]
    pub fn without_temperature(mut self) -> Self {
        self.settings.temperature = None;
        self
    }

    /// Most tokens of a reply, ≥ 1. A reply that reaches them is no verdict; those of hidden reasoning count.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.settings.max_tokens = Some(tokens);
        self
    }

    /// Sets one of the provider's own settings, such as how much to reason. It is part of the judge's configuration, which is
    /// stored: no secrets.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.extra.insert(key.into(), value.into());
        self
    }

    /// Says what its tokens cost. Without a price, the cost of a score is unknown.
    #[must_use]
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = prices;
        self
    }

    /// Lets it judge outputs of its own model.
    #[must_use]
    pub fn allow_same_model(mut self) -> Self {
        self.may_judge_itself = true;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.name().trim().is_empty() {
            return Err(invalid(format!(
                "the client of {} has no model of its own; name the judge's by `JudgeModel::model`",
                self.client.provider()
            )));
        }
        if self.settings.max_tokens == Some(0) {
            return Err(invalid("a judge's reply may have 0 tokens; expected at least 1"));
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.settings.model.as_deref().unwrap_or_default()
    }

    pub(super) fn standing(&self, calibrated: bool) -> JudgeStanding {
        JudgeStanding {
            provider: self.client.provider().to_owned(),
            model: self.name().to_owned(),
            calibrated,
            may_judge_itself: self.may_judge_itself,
        }
    }

    pub(super) fn configuration(&self) -> Value {
        json!({"provider": self.client.provider(), "settings": self.settings})
    }

    /// Asks until the reply can be read, twice at most.
    pub(super) async fn ask<T>(
        &self,
        prompt: &Prompt,
        read: impl Fn(&str) -> Result<T, Unreadable> + Send + Sync,
    ) -> Asked<T> {
        let mut spent = Spent::default();
        let mut why = None;
        for _ in 0..ATTEMPTS {
            let completion = match self.client.complete(&prompt.request(&self.settings, why)).await {
                Ok(completion) => completion,
                Err(error) => return spent.on(Err(error.into())),
            };
            spent += self.spent_on(&completion);
            match reply::text_of(&completion).and_then(|text| read(&text)) {
                Ok(answer) => return spent.on(Ok(answer)),
                Err(unreadable) => why = Some(unreadable),
            }
        }
        let unscored = Unscored {
            why: why.unwrap_or(Unreadable::NoVerdict),
            spent,
        };
        let message = format!(
            "{}/{} gave no verdict: {unscored}",
            self.client.provider(),
            self.name()
        );
        spent.on(Err(Error::new(ErrorKind::Backend, message).caused_by(unscored)))
    }

    fn spent_on(&self, completion: &Completion) -> Spent {
        let usage = completion.usage;
        Spent {
            usage,
            cost: self
                .prices
                .cost(self.client.provider(), self.name(), &completion.model, &usage),
        }
    }
}

impl<C: LlmClient + 'static> From<C> for JudgeModel {
    fn from(client: C) -> Self {
        Self::new(client)
    }
}

impl fmt::Debug for JudgeModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgeModel")
            .field("provider", &self.client.provider())
            .field("settings", &self.settings)
            .field("may_judge_itself", &self.may_judge_itself)
            .finish_non_exhaustive()
    }
}

/// What asking took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) usage: Usage,
    /// `None` when a price is unknown.
    pub(super) cost: Option<Cost>,
}

impl Spent {
    pub(super) fn on<T>(self, answer: Result<T>) -> Asked<T> {
        Asked { spent: self, answer }
    }
}

impl Default for Spent {
    fn default() -> Self {
        Self {
            usage: Usage::default(),
            cost: Some(Cost::ZERO),
        }
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.usage += other.usage;
        self.cost = self.cost.zip(other.cost).map(|(a, b)| a + b);
    }
}

/// What was answered, or why nothing was, and what it took.
pub(super) struct Asked<T> {
    pub(super) spent: Spent,
    pub(super) answer: Result<T>,
}

impl<T> Asked<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Asked<U> {
        Asked {
            spent: self.spent,
            answer: self.answer.map(f),
        }
    }
}

/// The source of the error for an output without a verdict: why, and what was paid all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unscored {
    why: Unreadable,
    spent: Spent,
}

impl Unscored {
    /// The same, after this was spent on others.
    pub(in crate::evaluation) fn after(mut self, usage: Usage, cost: Option<Cost>) -> Self {
        self.spent += Spent { usage, cost };
        self
    }

    /// Why the last reply could not be read.
    #[must_use]
    pub fn why(&self) -> Unreadable {
        self.why
    }

    /// Tokens of all replies.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.spent.usage
    }

    /// What all replies cost; `None` when a price is unknown.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.spent.cost
    }
}

impl fmt::Display for Unscored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{ATTEMPTS} replies could not be read, the last because {}",
            self.why
        )
    }
}

impl std::error::Error for Unscored {}
