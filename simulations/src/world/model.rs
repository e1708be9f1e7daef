//! The simulated model behind the interface of real ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use promptops_core::evaluation::Entry;
use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, LlmErrorKind, Usage};
use promptops_core::prompt::MessageRole;
use serde_json::{Map, Value, json};

use super::reading::{Reading, VARIABLE, code_of};
use super::truth::{Call, Outcome, World};

/// No time of its own: each item at its own.
const NO_TIME: u64 = u64::MAX;
/// What a polite answer has in it.
pub const THANKS: &str = "Thank you";

/// A world's model as an [`LlmClient`]: it finds the ticket in the request, reads the rest as instructions, and answers with what
/// ordinary scorers can check.
///
/// | what the answer is | how a scorer sees it |
/// |---|---|
/// | right | it contains the item's [resolution](super::Item::resolution) |
/// | of the right form | it is JSON, an object with `reply` and `resolution` |
/// | polite | it contains [`THANKS`] |
///
/// The same prompt and ticket get the same answer, unless the request's temperature is above 0: then the n-th call for them
/// gets the n-th answer, whoever asks. As many requests as the world has faults fail as overloaded. Tokens are a quarter
/// of the bytes. Clones share their counts and their time.
#[derive(Debug, Clone)]
pub struct WorldModel {
    world: Arc<World>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    now: AtomicU64,
    asked: AtomicU64,
    /// Calls by prompt and item.
    repeats: Mutex<HashMap<(u64, u64), u64>>,
}

impl WorldModel {
    /// The world's model. What the schedule changes, it changes for each item at its own time.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self {
            world,
            shared: Arc::new(Shared {
                now: AtomicU64::new(NO_TIME),
                asked: AtomicU64::new(0),
                repeats: Mutex::default(),
            }),
        }
    }

    /// From now on every item is answered as at the time of this one.
    pub fn set_now(&self, number: u64) {
        self.shared.now.store(number, Ordering::Relaxed);
    }

    /// Requests, however they ended.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    fn answer(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let asked = self.shared.asked.fetch_add(1, Ordering::Relaxed);
        let (item, instructions) = self.read(request);
        let reading = Reading::of_text(&instructions, item.is_some());
        // One without a ticket is none of the world's; it fails as often.
        let number = item.unwrap_or(0);
        let is_drawn = request.settings.temperature.is_some_and(|t| t > 0.0);
        let mut repeat = 0;
        let has_faults = self.world.settings().faults > 0.0;
        if is_drawn || has_faults {
            let mut repeats = self.shared.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            let next = repeats.entry((reading.fingerprint, number)).or_default();
            repeat = *next;
            *next += 1;
        }
        let now = match self.shared.now.load(Ordering::Relaxed) {
            NO_TIME => number,
            now => now,
        };
        let call = |repeat| Call {
            item: number,
            repeat,
            now,
        };
        if has_faults && self.world.is_fault(&reading, call(repeat)) {
            return Err(LlmError::new(
                LlmErrorKind::Overloaded,
                self.provider(),
                "the simulated model is busy; ask again",
            ));
        }
        let repeat = if is_drawn { repeat } else { 0 };
        let outcome = self.world.reply(&reading, call(repeat));
        let text = match item {
            Some(number) => said(outcome, &self.world.item(number).resolution()),
            None => json!({"reply": "Which ticket?", "resolution": Value::Null}).to_string(),
        };
        let input: usize = request.messages.iter().map(|message| message.text().len()).sum();
        let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
        let usage = Usage::new(tokens(input), tokens(text.len()));
        let mut completion = Completion::new("world", text).with_usage(usage);
        completion.id = Some(format!("world-{asked}"));
        Ok(completion)
    }

    /// The item whose ticket the request shows, and what the request says beside it. Instructions are not read in a ticket.
    fn read(&self, request: &Blueprint) -> (Option<u64>, String) {
        let (mut found, mut instructions) = (None, String::new());
        for message in &request.messages {
            let mut text = message.text();
            if message.role != MessageRole::System {
                let codes = text.split_whitespace();
                let numbers = codes.filter_map(|word| code_of(word.trim_end_matches(':')));
                let shown = numbers
                    .map(|number| (number, self.world.item(number).ticket()))
                    .find(|(_, ticket)| text.contains(ticket.as_str()));
                if let Some((number, ticket)) = shown {
                    found = Some(number);
                    text = text.replace(&ticket, "");
                }
            }
            instructions.push_str(&text);
            instructions.push('\n');
        }
        (found, instructions)
    }
}

#[async_trait]
impl LlmClient for WorldModel {
    fn provider(&self) -> &str {
        "simulated"
    }

    fn model(&self) -> Option<&str> {
        Some("world")
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        self.answer(request)
    }
}

/// An answer that is this, to an item of this resolution.
fn said(outcome: Outcome, resolution: &str) -> String {
    let reply = if outcome.polite {
        format!("{THANKS} for writing. This is what we do next.")
    } else {
        "This is what we do next.".to_owned()
    };
    let resolution = if outcome.correct { resolution } else { "unknown" };
    let whole = json!({"reply": reply, "resolution": resolution}).to_string();
    if outcome.format {
        whole
    } else {
        // Cut before its end, so that it has neither resolution nor brace.
        whole[..whole.find(",\"resolution\"").unwrap_or(0)].to_owned()
    }
}

/// What a dataset has of an item: the ticket as the prompt's parameter, and the resolution as what is expected.
#[must_use]
pub fn entry(world: &World, number: u64) -> Entry {
    let item = world.item(number);
    let mut input = Map::new();
    input.insert(VARIABLE.to_owned(), Value::from(item.ticket()));
    Entry::new(super::reading::code(number), input).expecting(item.resolution())
}

/// What an ordinary scorer finds of an answer: whether it contains the resolution, is JSON, and thanks.
#[must_use]
pub fn found(answer: &str, resolution: &str) -> Outcome {
    let format = serde_json::from_str::<Map<String, Value>>(answer).is_ok();
    Outcome {
        correct: format && answer.contains(resolution),
        format,
        polite: answer.contains(THANKS),
    }
}

#[cfg(test)]
mod tests {
    use promptops_core::MemoryBackend;
    use promptops_core::PromptOps;
    use promptops_core::base::Actor;
    use promptops_core::prompt::{Content, Draft, system, user};

    use super::*;
    use crate::world::WorldSettings;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(work)
    }

    fn world(settings: WorldSettings) -> Arc<World> {
        Arc::new(World::new(settings, 5).unwrap())
    }

    const CHURNED: WorldSettings = WorldSettings {
        churn: 0.1,
        judge_noise: 0.0,
        faults: 0.0,
        schedule: crate::world::Schedule {
            drift: None,
            decay: None,
        },
    };

    /// What the library renders of a prompt for these items, as requests.
    async fn requests(world: &World, content: &Content, items: std::ops::Range<u64>) -> Vec<Blueprint> {
        let ops = PromptOps::builder(MemoryBackend::new()).build();
        let acme = ops.tenant("acme").unwrap();
        let ana = Actor::owner("ana");
        let draft = Draft::new(content.clone());
        acme.prompts()
            .save("answer", draft.by(&ana).message("first"))
            .await
            .unwrap();
        let mut all = Vec::new();
        for number in items {
            let entry = entry(world, number);
            let answer = acme
                .resolve("answer@1")
                .render(&Value::from(entry.input))
                .await
                .unwrap();
            all.push(Blueprint::of(content, answer.messages().iter().cloned()).unwrap());
        }
        all
    }

    #[test]
    fn what_it_answers_to_rendered_prompts_is_what_the_world_says() {
        block_on(async {
            let world = world(CHURNED);
            let remedied = Content::chat([
                system(format!("Reply in JSON. {}", world.target().wording().remedies[0])),
                user("{{ ticket }}"),
            ]);
            for content in [world.live(), &remedied] {
                let reading = world.read(content).unwrap();
                let model = WorldModel::new(Arc::clone(&world));
                let mut right = 0;
                for (number, request) in (0..60).zip(requests(&world, content, 0..60).await) {
                    let answer = model.complete(&request).await.unwrap();
                    let call = Call {
                        item: number,
                        repeat: 0,
                        now: number,
                    };
                    let expected = world.answer(&reading, call).unwrap();
                    let found = found(&answer.text(), &world.item(number).resolution());
                    assert_eq!(found, expected, "{number}: {}", answer.text());
                    assert_eq!(model.complete(&request).await.unwrap().text(), answer.text());
                    right += u32::from(found.correct);
                }
                assert!((20..60).contains(&right), "{right}");
                assert_eq!(model.asked(), 120);
            }
        });
    }

    #[test]
    fn with_a_temperature_repeats_may_differ() {
        block_on(async {
            let world = world(WorldSettings {
                churn: 0.15,
                ..CHURNED
            });
            let model = WorldModel::new(Arc::clone(&world));
            let mut differ = 0;
            for request in requests(&world, world.live(), 0..80).await {
                let request = request.temperature(0.7);
                let (one, other) = (model.complete(&request).await, model.complete(&request).await);
                differ += u32::from(one.unwrap().text() != other.unwrap().text());
            }
            assert!((4..40).contains(&differ), "{differ}");
        });
    }

    #[test]
    fn without_a_ticket_it_asks_for_one_and_faults_are_retryable() {
        block_on(async {
            let world = world(WorldSettings {
                faults: 0.3,
                ..CHURNED
            });
            let model = WorldModel::new(Arc::clone(&world));
            let message = promptops_core::llm::BlueprintMessage::new(MessageRole::User, "Reply in JSON.");
            let request = Blueprint::new([message]);
            let mut failed = 0;
            for _ in 0..100 {
                match model.complete(&request).await {
                    Ok(answer) => assert!(answer.text().contains("Which ticket?")),
                    Err(error) => {
                        assert!(error.is_retryable());
                        failed += 1;
                    }
                }
            }
            assert!((15..45).contains(&failed), "{failed}");
        });
    }
}
