//! A model that answers by a script: for tests, examples and demonstrations.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::blueprint::Blueprint;
use super::client::LlmClient;
use super::completion::{Completion, Usage};
use super::error::{LlmError, LlmErrorKind};

/// How many requests [`ScriptedLlm::requests`] remembers: the last ones.
const REMEMBERED: usize = 1_000;

/// A client that answers by a script and asks nobody. Clones share script and counts.
///
/// ```
/// use promptops_core::llm::{Blueprint, BlueprintMessage, LlmClient, LlmError, LlmErrorKind, ScriptedLlm};
/// use promptops_core::prompt::MessageRole;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let model = ScriptedLlm::results([
///     Err(LlmError::new(LlmErrorKind::Overloaded, "scripted", "busy")),
///     Ok(ScriptedLlm::answer("yes")),
/// ]);
/// let request = Blueprint::new([BlueprintMessage::new(MessageRole::User, "Is it?")]);
/// assert_eq!(model.complete(&request).await.unwrap_err().kind(), LlmErrorKind::Overloaded);
/// assert_eq!(model.complete(&request).await?.text(), "yes");
/// assert_eq!(model.counts().asked, 2);
/// # Ok::<(), LlmError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ScriptedLlm {
    script: Arc<Script>,
    state: Arc<Mutex<State>>,
    provider: String,
    model: Option<String>,
    delay: Duration,
}

/// What a [`ScriptedLlm`] was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptedCounts {
    /// Requests, however they ended.
    pub asked: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Most requests that were under way at once.
    pub most_in_flight: u64,
    /// Requests given up before their answer.
    pub given_up: u64,
}

type Answering = dyn Fn(&Blueprint) -> Result<Completion, LlmError> + Send + Sync;

enum Script {
    Closure(Box<Answering>),
    List(Mutex<VecDeque<Result<Completion, LlmError>>>),
}

#[derive(Default)]
struct State {
    counts: ScriptedCounts,
    requests: VecDeque<Blueprint>,
}

impl ScriptedLlm {
    /// Answers what the closure says, which is called when a request arrives, before any delay.
    pub fn new(answer: impl Fn(&Blueprint) -> Result<Completion, LlmError> + Send + Sync + 'static) -> Self {
        Self::of(Script::Closure(Box::new(answer)))
    }

    /// Answers these in the order in which requests arrive; a request that is given up has used up its answer. When
    /// none is left, requests fail with [`NotRecorded`](LlmErrorKind::NotRecorded).
    pub fn results(results: impl IntoIterator<Item = Result<Completion, LlmError>>) -> Self {
        Self::of(Script::List(Mutex::new(results.into_iter().collect())))
    }

    /// Answers every request with this text. Tokens are counted as a quarter of the bytes of request and answer,
    /// rounded up: made up, but the same every time.
    pub fn saying(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(move |request| {
            let input: usize = request.messages.iter().map(|message| message.text().len()).sum();
            let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
            Ok(Self::answer(text.clone()).with_usage(Usage::new(tokens(input), tokens(text.len()))))
        })
    }

    /// A complete answer of the model `scripted`, with no token counted: what a script is made of.
    #[must_use]
    pub fn answer(text: impl Into<String>) -> Completion {
        Completion::new("scripted", text)
    }

    fn of(script: Script) -> Self {
        Self {
            script: Arc::new(script),
            state: Arc::default(),
            provider: "scripted".into(),
            model: Some("scripted".into()),
            delay: Duration::ZERO,
        }
    }

    /// Answers in the name of this provider rather than `scripted`.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = provider.into();
        self
    }

    /// Has this model where a request names none, rather than `scripted`. Answers say what the script says.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Has no model of its own.
    #[must_use]
    pub fn without_model(mut self) -> Self {
        self.model = None;
        self
    }

    /// Takes so long for each answer and each error, by tokio's time, which a test can pause.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What it was asked, in numbers.
    #[must_use]
    pub fn counts(&self) -> ScriptedCounts {
        self.state().counts
    }

    /// What it was asked, in the order in which it arrived: the last 1,000 requests.
    #[must_use]
    pub fn requests(&self) -> Vec<Blueprint> {
        self.state().requests.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        match &*self.script {
            Script::Closure(answer) => answer(request),
            Script::List(results) => {
                let next = results.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                next.unwrap_or_else(|| {
                    Err(LlmError::new(
                        LlmErrorKind::NotRecorded,
                        self.provider.as_str(),
                        "the script has no answer left; give it one for every request",
                    ))
                })
            }
        }
    }
}

#[async_trait]
impl LlmClient for ScriptedLlm {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let mut under_way = UnderWay::begin(self, request);
        let answer = self.next(request);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        under_way.ended = true;
        answer
    }
}

/// Counts a request as under way until it is dropped.
struct UnderWay<'a> {
    model: &'a ScriptedLlm,
    ended: bool,
}

impl<'a> UnderWay<'a> {
    fn begin(model: &'a ScriptedLlm, request: &Blueprint) -> Self {
        let mut state = model.state();
        let counts = &mut state.counts;
        counts.asked += 1;
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        if state.requests.len() == REMEMBERED {
            state.requests.pop_front();
        }
        state.requests.push_back(request.clone());
        Self { model, ended: false }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let counts = &mut self.model.state().counts;
        counts.in_flight -= 1;
        counts.given_up += u64::from(!self.ended);
    }
}

/// Names and counts, without what is said.
impl fmt::Debug for ScriptedLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedLlm")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::BlueprintMessage;
    use crate::prompt::MessageRole;

    fn asking(text: &str) -> Blueprint {
        Blueprint::new([BlueprintMessage::new(MessageRole::User, text)])
    }

    #[tokio::test]
    async fn a_list_is_answered_in_order_and_ends_with_an_error() {
        let model = ScriptedLlm::results(["a", "b"].map(|text| Ok(ScriptedLlm::answer(text))));
        let shared: Arc<dyn LlmClient> = Arc::new(model.clone());
        assert_eq!(shared.complete(&asking("1")).await.unwrap().text(), "a");
        assert_eq!(shared.complete(&asking("2")).await.unwrap().text(), "b");
        let error = shared.complete(&asking("3")).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::NotRecorded);
        let asked: Vec<_> = model.requests().iter().map(|r| r.messages[0].text()).collect();
        assert_eq!(asked, ["1", "2", "3"]);
        assert_eq!(
            (shared.provider(), shared.model()),
            ("scripted", Some("scripted"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn requests_take_their_time_and_are_counted_when_given_up() {
        let model = ScriptedLlm::saying("four letters").with_delay(Duration::from_secs(2));
        let begun = tokio::time::Instant::now();
        let (one, two) = (asking("12345"), asking(""));
        let answers = tokio::join!(model.complete(&one), model.complete(&two));
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        assert_eq!(answers.0.unwrap().usage, Usage::new(2, 3));
        assert_eq!(answers.1.unwrap().usage, Usage::new(0, 3));
        let given_up = tokio::time::timeout(Duration::from_secs(1), model.complete(&one));
        assert!(given_up.await.is_err());
        let expected = ScriptedCounts {
            asked: 3,
            in_flight: 0,
            most_in_flight: 2,
            given_up: 1,
        };
        assert_eq!(model.counts(), expected);
    }

    #[tokio::test]
    async fn it_remembers_the_last_requests_and_shows_none() {
        let model = ScriptedLlm::saying("c4n4ry");
        for i in 0..=REMEMBERED {
            model.complete(&asking(&format!("c4n4ry {i}"))).await.unwrap();
        }
        assert_eq!(model.requests().len(), REMEMBERED);
        assert_eq!(model.requests()[0].messages[0].text(), "c4n4ry 1");
        assert!(!format!("{model:?}").contains("c4n4ry"));
    }
}
