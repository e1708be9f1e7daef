//! The model that proposes, and asking it for edits.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::edit::Edits;
use super::ledger::{CallFailure, Ledger};
use super::propose::Refusal;
use super::reply::{self, Reply};
use super::request::Request;
use crate::llm::{LlmClient, PriceTable};
use crate::prompt::{Content, ModelSettings};

/// How often a model is asked for one candidate: once, and once more when its reply cannot be used.
const ATTEMPTS: u32 = 2;

/// The model that proposes: who it is, and how it is called.
#[derive(Clone)]
pub struct ProposerModel {
    client: Arc<dyn LlmClient>,
    settings: ModelSettings,
    prices: PriceTable,
}

impl ProposerModel {
    /// Most tokens of a reply unless said otherwise; those of hidden reasoning count.
    pub const DEFAULT_MAX_TOKENS: u32 = 4_096;

    /// The client's own model at the provider's own temperature, with at most
    /// [`DEFAULT_MAX_TOKENS`](Self::DEFAULT_MAX_TOKENS) for a reply.
    pub fn new(client: impl LlmClient + 'static) -> Self {
        Self {
            client: Arc::new(client),
            settings: ModelSettings {
                max_tokens: Some(Self::DEFAULT_MAX_TOKENS),
                ..ModelSettings::default()
            },
            prices: PriceTable::new(),
        }
    }

    /// Asks this model of the client's rather than its own.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.settings.model = Some(name.into());
        self
    }

    /// Asks for this temperature, ≥ 0.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.settings.temperature = Some(temperature);
        self
    }

    /// Most tokens of a reply, ≥ 1. A budget of tokens or money foresees all of them for each call.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.settings.max_tokens = Some(tokens);
        self
    }

    /// Sets one of the provider's own settings, such as how much to reason.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.extra.insert(key.into(), value.into());
        self
    }

    /// Says what its tokens cost, without which a budget in money cannot be kept.
    #[must_use]
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = prices;
        self
    }

    /// `provider/model`.
    pub(super) fn name(&self) -> String {
        let model = self.settings.model.as_deref().or(self.client.model());
        format!("{}/{}", self.client.provider(), model.unwrap_or("default"))
    }

    /// Asks for edits of a content until a reply has some that apply to it, twice at most.
    pub(super) async fn edits_of(
        &self,
        base: &Content,
        request: &Request,
        ledger: &mut Ledger,
    ) -> Result<Edited, Refusal> {
        let mut unusable: Option<(Refusal, String)> = None;
        for _ in 0..ATTEMPTS {
            let asked = match &unusable {
                None => request.blueprint(&self.settings),
                Some((why, said)) => request.again(&self.settings, said, why),
            };
            let completion = match ledger.call(&*self.client, &self.prices, &asked).await {
                Ok(completion) => completion,
                // The second call is not what it failed for.
                Err(CallFailure::Budget(refusal)) => {
                    return Err(unusable.map_or(Refusal::Budget(refusal), |(why, _)| why));
                }
                Err(failure) => return Err((&failure).into()),
            };
            let read = reply::read(&completion).map_err(Refusal::Reply);
            match read.and_then(|reply| Edited::of(base, reply)) {
                Ok(edited) => return Ok(edited),
                Err(why) => unusable = Some((why, completion.text())),
            }
        }
        Err(unusable.map_or(Refusal::Reply(reply::Unreadable::NoEdits), |(why, _)| why))
    }
}

impl<C: LlmClient + 'static> From<C> for ProposerModel {
    fn from(client: C) -> Self {
        Self::new(client)
    }
}

impl fmt::Debug for ProposerModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProposerModel")
            .field("name", &self.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What a reply makes of a content.
pub(super) struct Edited {
    pub(super) content: Content,
    pub(super) edits: Edits,
    pub(super) rationale: String,
}

impl Edited {
    fn of(base: &Content, reply: Reply) -> Result<Self, Refusal> {
        let edits = Edits::new(reply.edits);
        Ok(Self {
            content: edits.apply(base).map_err(Refusal::Edit)?,
            edits,
            rationale: reply.rationale,
        })
    }
}
