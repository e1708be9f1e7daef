//! One entry asked and scored. Whatever the model or a scorer does, it ends, and in time.

use std::any::Any;
use std::error::Error as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::record::StopCause;
use super::result::{EntryError, EntryErrorKind, EntryResult, ScoreResult};
use super::work::Task;
use crate::base::error::{Error, Result};
use crate::base::{Clock, ClosureHash, TenantId};
use crate::evaluation::judge::Unscored;
use crate::evaluation::scorer::{Criterion, Score, ScorerInput};
use crate::llm::{
    Blueprint, Completion, CompletionKey, CompletionStore, Cost, FinishReason, LlmClient, LlmError,
    LlmErrorKind, PriceTable, Usage,
};
use crate::prompt::Version;
use crate::render::CompiledPrompt;

/// How long an entry waits for a breaker that does not say how long it is open.
const CIRCUIT_PAUSE: Duration = Duration::from_secs(1);
/// How long it waits at least.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// Longest text of an error in a result, in bytes.
const MAX_MESSAGE: usize = 500;
/// Longest reason of a score in a result, in bytes.
const MAX_REASON: usize = 4_000;

/// All that asking an entry takes.
pub(super) struct Asking {
    pub(super) tenant: TenantId,
    pub(super) version: Arc<Version>,
    pub(super) closure_hash: ClosureHash,
    pub(super) compiled: CompiledPrompt,
    pub(super) client: Arc<dyn LlmClient>,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) criteria: Vec<Criterion>,
    pub(super) prices: Arc<PriceTable>,
    /// Where answers are kept, if they are to be used again.
    pub(super) completions: Option<Arc<dyn CompletionStore>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entry_timeout: Duration,
}

/// What asking an entry came to.
pub(super) enum Attempt {
    /// A result to keep.
    Result(Box<EntryResult>),
    /// Something that would end every other entry in the same way.
    Fatal {
        cause: StopCause,
        reason: String,
        error: Error,
    },
}

/// An answer, and what it took.
struct Answer {
    completion: Completion,
    latency: Duration,
    cached: bool,
}

enum NoAnswer {
    Entry(EntryError),
    Fatal(Attempt),
}

impl Asking {
    /// Asks and scores one entry.
    pub(super) async fn attempt(&self, task: &Task) -> Attempt {
        let deadline = Instant::now() + self.entry_timeout;
        let blueprint = match self.blueprint(task) {
            Ok(blueprint) => blueprint,
            Err(error) => {
                return self.failed(task, entry_error(EntryErrorKind::Render, &error.to_string()));
            }
        };
        let answer = match self.answer(task, &blueprint, deadline).await {
            Ok(answer) => answer,
            Err(NoAnswer::Entry(error)) => return self.failed(task, error),
            Err(NoAnswer::Fatal(fatal)) => return fatal,
        };
        self.scored(task, &blueprint, answer, deadline).await
    }

    fn blueprint(&self, task: &Task) -> Result<Blueprint> {
        let rendered = self.compiled.render(&task.entry.input)?;
        let mut blueprint = Blueprint::of(self.compiled.content(), rendered.into_messages())?;
        blueprint.settings.model = Some(self.model.clone());
        Ok(blueprint)
    }

    async fn answer(
        &self,
        task: &Task,
        blueprint: &Blueprint,
        deadline: Instant,
    ) -> Result<Answer, NoAnswer> {
        let kept = match &self.completions {
            Some(store) => self.key(task, blueprint).map(|key| (store, key)),
            None => None,
        };
        if let Some((store, key)) = &kept
            // A cache that fails costs a call, not the entry.
            && let Ok(Ok(Some(completion))) = timeout_at(deadline, store.completion(&self.tenant, key)).await
        {
            return Ok(Answer {
                completion,
                latency: Duration::ZERO,
                cached: true,
            });
        }
        let (started, asked) = self.ask(blueprint, deadline).await;
        let completion = match asked {
            Ok(Ok(completion)) => completion,
            Ok(Err(error)) => return Err(self.no_answer(error)),
            Err(Broken::Late) => {
                let message = format!(
                    "the model did not answer within {} s",
                    self.entry_timeout.as_secs_f64()
                );
                return Err(NoAnswer::Entry(entry_error(EntryErrorKind::Timeout, &message)));
            }
            Err(Broken::Panicked(what)) => {
                let message = format!("the model's client panicked: {what}");
                return Err(NoAnswer::Entry(entry_error(EntryErrorKind::Panic, &message)));
            }
        };
        let latency = started.elapsed();
        // An answer that was cut off may be whole another time.
        if let Some((store, key)) = &kept
            && matches!(completion.finish, FinishReason::Stop | FinishReason::ToolCalls)
        {
            let keeping = store.keep_completion(&self.tenant, key, &completion, self.clock.now());
            // What cannot be kept is asked again another time.
            let _ = timeout_at(deadline, keeping).await;
        }
        Ok(Answer {
            completion,
            latency,
            cached: false,
        })
    }

    /// Asks the model, and says since when. A breaker that is open has asked nobody: the entry waits until it may be asked, as
    /// long as its time lasts, or a short outage would use up every entry of the run.
    async fn ask(
        &self,
        blueprint: &Blueprint,
        deadline: Instant,
    ) -> (Instant, Result<Result<Completion, LlmError>, Broken>) {
        loop {
            let started = Instant::now();
            let asked = guarded(deadline, || self.client.complete(blueprint)).await;
            let pause = match &asked {
                Ok(Err(error)) if error.kind() == LlmErrorKind::CircuitOpen => {
                    error.retry_after().unwrap_or(CIRCUIT_PAUSE).max(SHORTEST_PAUSE)
                }
                _ => return (started, asked),
            };
            if Instant::now() + pause >= deadline {
                return (started, asked);
            }
            sleep(pause).await;
        }
    }

    fn key(&self, task: &Task, blueprint: &Blueprint) -> Option<CompletionKey> {
        let closure = Some(&self.closure_hash);
        CompletionKey::of(&self.provider, &self.model, closure, task.repeat, blueprint).ok()
    }

    fn no_answer(&self, error: LlmError) -> NoAnswer {
        if error.kind().concerns_every_request() {
            return NoAnswer::Fatal(fatal(error.kind(), Error::from(error)));
        }
        NoAnswer::Entry(entry_error(
            EntryErrorKind::Model(error.kind()),
            &error.to_string(),
        ))
    }

    async fn scored(&self, task: &Task, blueprint: &Blueprint, answer: Answer, deadline: Instant) -> Attempt {
        let Answer {
            completion,
            latency,
            cached,
        } = answer;
        let usage = completion.usage;
        let cost = self
            .prices
            .cost(&self.provider, &self.model, &completion.model, &usage);
        let result = EntryResult {
            latency,
            usage,
            cost,
            cached,
            finish: Some(completion.finish.clone()),
            ..self.empty(task)
        };
        let output = match output(&completion) {
            Ok(output) => output,
            Err(error) => {
                return Attempt::Result(Box::new(EntryResult {
                    error: Some(error),
                    model: Some(completion.model),
                    ..result
                }));
            }
        };
        let input = ScorerInput {
            version: &self.version,
            parameters: &task.entry.input,
            messages: &blueprint.messages,
            output: &output,
            expected_output: task.entry.expected_output.as_ref(),
            metadata: &task.entry.metadata,
            latency,
            usage,
            cost,
        };
        let scoring = self
            .criteria
            .iter()
            .map(|criterion| score(criterion, &input, deadline));
        let mut scores = Vec::with_capacity(self.criteria.len());
        for score in join_all(scoring).await {
            match score {
                Ok(score) => scores.push(score),
                Err(fatal) => return *fatal,
            }
        }
        Attempt::Result(Box::new(EntryResult {
            output: Some(output),
            scores,
            model: Some(completion.model),
            ..result
        }))
    }

    fn failed(&self, task: &Task, error: EntryError) -> Attempt {
        Attempt::Result(Box::new(EntryResult {
            cost: cost_of_failure(error.kind),
            error: Some(error),
            ..self.empty(task)
        }))
    }

    /// The result of an entry that was given up because whoever worked on it does not come back.
    pub(super) fn given_up(&self, task: &Task) -> EntryResult {
        let message = format!(
            "whoever worked on the entry blocked its thread for more than {} s",
            self.entry_timeout.as_secs_f64()
        );
        EntryResult {
            error: Some(entry_error(EntryErrorKind::Timeout, &message)),
            cost: None,
            ..self.empty(task)
        }
    }

    fn empty(&self, task: &Task) -> EntryResult {
        EntryResult {
            ordinal: task.ordinal,
            entry: task.entry.id.clone(),
            repeat: task.repeat,
            output: None,
            finish: None,
            error: None,
            scores: Vec::new(),
            latency: Duration::ZERO,
            usage: Usage::default(),
            cost: None,
            cached: false,
            model: None,
            at: self.clock.now(),
        }
    }
}

/// The text that is scored: what the model said, or else the calls that it asks for, as JSON.
fn output(completion: &Completion) -> Result<String, EntryError> {
    let text = completion.text();
    if completion.finish == FinishReason::ContentFilter {
        let message = "the provider's filter cut the answer off, or the model refused";
        return Err(entry_error(
            EntryErrorKind::Model(LlmErrorKind::ContentFilter),
            message,
        ));
    }
    if !text.is_empty() || completion.message.tool_calls.is_empty() {
        return Ok(text);
    }
    let calls = completion.message.tool_calls.iter().map(|call| {
        // Arguments that are no JSON object are shown as they are: that they are wrong is the scorer's to say.
        let arguments = call
            .parse()
            .map_or_else(|_| json!(call.arguments), |map| json!(map));
        json!({ "name": call.name, "arguments": arguments })
    });
    Ok(json!({ "tool_calls": calls.collect::<Vec<_>>() }).to_string())
}

async fn score(
    criterion: &Criterion,
    input: &ScorerInput<'_>,
    deadline: Instant,
) -> Result<ScoreResult, Box<Attempt>> {
    let scorer = criterion.scorer.name().to_owned();
    let mut spent = None;
    let error = match guarded(deadline, || criterion.scorer.score(input)).await {
        Ok(Ok(Score {
            value,
            reason,
            usage,
            cost,
        })) => {
            let score = if (0.0..=1.0).contains(&value) {
                Ok(value)
            } else {
                let message = format!("the score is {value}; expected a number in 0.0 ..= 1.0");
                Err(entry_error(EntryErrorKind::OutOfRange, &message))
            };
            return Ok(ScoreResult {
                scorer,
                score,
                reason: shortened(&reason, MAX_REASON),
                usage,
                cost,
            });
        }
        Ok(Err(error)) => {
            if let Some(kind) = fatal_kind(&error) {
                return Err(Box::new(fatal(kind, error)));
            }
            spent = error
                .source()
                .and_then(|source| source.downcast_ref::<Unscored>())
                .map(|unscored| (unscored.usage(), unscored.cost()));
            entry_error(EntryErrorKind::Scorer, &error.to_string())
        }
        Err(Broken::Late) => entry_error(
            EntryErrorKind::Timeout,
            "the scorer did not end within the entry's time",
        ),
        Err(Broken::Panicked(what)) => {
            entry_error(EntryErrorKind::Panic, &format!("the scorer panicked: {what}"))
        }
    };
    // A scorer that asks nobody has spent nothing; a judge that failed may not say what it has.
    let (usage, cost) = spent.unwrap_or_else(|| {
        let asks_nobody = criterion.scorer.judges().is_empty();
        (Usage::default(), asks_nobody.then_some(Cost::ZERO))
    });
    Ok(ScoreResult {
        scorer,
        score: Err(error),
        reason: String::new(),
        usage,
        cost,
    })
}

/// The kind of a model's error behind a scorer's, if asking on makes no sense.
fn fatal_kind(error: &Error) -> Option<LlmErrorKind> {
    error
        .source()
        .and_then(|source| source.downcast_ref::<LlmError>())
        .map(LlmError::kind)
        .filter(|kind| kind.concerns_every_request())
}

fn fatal(kind: LlmErrorKind, error: Error) -> Attempt {
    Attempt::Fatal {
        cause: if kind == LlmErrorKind::Budget {
            StopCause::Budget
        } else {
            StopCause::Failed
        },
        reason: shortened(&error.to_string(), MAX_MESSAGE),
        error,
    }
}

/// What a call cost that brought no answer: nothing where the provider was not asked or refused, unknown where it may have
/// answered, since it bills answers whether or not they arrive.
fn cost_of_failure(kind: EntryErrorKind) -> Option<Cost> {
    use LlmErrorKind as Kind;
    match kind {
        EntryErrorKind::Render => Some(Cost::ZERO),
        EntryErrorKind::Model(
            Kind::Auth
            | Kind::RateLimit
            | Kind::Quota
            | Kind::ContextLength
            | Kind::InvalidRequest
            | Kind::Overloaded
            | Kind::CircuitOpen
            | Kind::Budget
            | Kind::NotRecorded,
        ) => Some(Cost::ZERO),
        _ => None,
    }
}

enum Broken {
    Late,
    Panicked(String),
}

/// Runs work that is not ours: to its end, to a panic, or to the deadline.
async fn guarded<T, F: Future<Output = T>>(deadline: Instant, work: impl FnOnce() -> F) -> Result<T, Broken> {
    // What a panic has left half done is the client's or scorer's own; nothing of ours is touched by it.
    let work = AssertUnwindSafe(async { work().await }).catch_unwind();
    match timeout_at(deadline, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => Err(Broken::Panicked(panic_message(panic.as_ref()))),
        Err(_) => Err(Broken::Late),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

fn entry_error(kind: EntryErrorKind, message: &str) -> EntryError {
    EntryError {
        kind,
        message: shortened(message, MAX_MESSAGE),
    }
}

/// The text, or its beginning when it has more bytes than this.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}
