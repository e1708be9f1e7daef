//! A tenant with two versions of a prompt, datasets, and a model that costs nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::Actor;
use promptops_core::evaluation::scorer::{Criterion, ExactMatch, Levenshtein, MatchMode};
use promptops_core::evaluation::{DatasetDraft, Entry, Evaluation, Report};
use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, Usage};
use promptops_core::prompt::{Draft, Version, system, user};
use promptops_core::{PromptOps, Tenant};
use promptops_store_sqlite::SqliteBackend;
use rusqlite::Connection;
use serde_json::{Map, Value};

/// What the first version says, and the second.
const INSTRUCTIONS: [&str; 2] = [
    "Sort the customer's ticket. Answer with one word.",
    "Sort the customer's ticket. Answer with one word: billing, shipping or other.",
];

/// A host's: as many threads as processors.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Who does it all.
pub fn ana() -> Actor {
    Actor::owner("ana")
}

/// The tenant on a file.
pub async fn open(file: &Path) -> Tenant {
    let backend = SqliteBackend::open(file).await.expect("it opens");
    PromptOps::builder(backend)
        .build()
        .tenant("acme")
        .expect("a name")
}

/// Another program's connection to the file.
pub fn bare(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("it opens");
    connection
        .pragma_update(None, "cache_size", -8_192)
        .expect("it is set");
    connection
}

/// The prompt, and a dataset of so many entries, by its number for a name.
pub async fn prepare(acme: &Tenant, entries: usize) -> [Version; 2] {
    let entry = |i: usize| {
        let ticket = format!(
            "Ticket {i:06}. The parcel that I ordered on Monday has not come, and nobody answers when I call the number \
             on the invoice. Please tell me where it is, or send me another one."
        );
        let input = Map::from_iter([("ticket".to_owned(), Value::from(ticket))]);
        Entry::new(format!("ticket-{i:06}"), input).expecting("shipping")
    };
    let draft = DatasetDraft::new((0..entries).map(entry));
    let name = format!("tickets-{entries}");
    acme.datasets()
        .save(&name, draft, &ana())
        .await
        .expect("it is saved");
    let [first, second] = INSTRUCTIONS;
    [save(acme, first).await, save(acme, second).await]
}

/// Saves a version, or finds it.
pub async fn save(acme: &Tenant, instructions: &str) -> Version {
    let draft = Draft::chat([system(instructions), user("{{ ticket }}")])
        .by(ana())
        .active();
    acme.prompts().save("triage", draft).await.expect("it is saved")
}

/// The first of the two versions.
pub async fn first(acme: &Tenant) -> Version {
    save(acme, INSTRUCTIONS[0]).await
}

/// Evaluates on the dataset of so many entries.
pub async fn evaluate(acme: &Tenant, version: &Version, entries: usize, model: Free) -> Report {
    let scorer: Criterion = match model.answers {
        Answers::Word => ExactMatch::new(MatchMode::Exact).into(),
        Answers::Text => Criterion::from(Levenshtein).pass_mark(0.5),
    };
    let evaluation = Evaluation::new(Arc::new(model)).criterion(scorer);
    let dataset = format!("tickets-{entries}");
    let evaluations = acme.evaluations();
    let report = evaluations
        .evaluate(version, &dataset, &evaluation, &ana())
        .await
        .expect("it is evaluated");
    assert!(report.is_complete());
    assert_eq!((report.entries, report.errors), (entries as u64, 0));
    report
}

/// What the model says.
#[derive(Debug, Clone, Copy, Default)]
pub enum Answers {
    /// A word, which is wrong for one ticket in ten; in the first version also for ten of the first hundred.
    #[default]
    Word,
    /// A word and more, never as much in one version as in the other, so that every score differs.
    Text,
}

/// Answers at once, or after a while.
#[derive(Debug, Default)]
pub struct Free {
    pub delay: Duration,
    pub answers: Answers,
}

#[async_trait]
impl LlmClient for Free {
    fn provider(&self) -> &str {
        "free"
    }

    fn model(&self) -> Option<&str> {
        Some("free")
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let text = |i: usize| {
            let message = request.messages.get(i);
            message.map(|message| message.text()).unwrap_or_default()
        };
        let number = text(1)
            .get(7..13)
            .and_then(|digits| digits.parse::<usize>().ok())
            .unwrap_or_default();
        let is_first = text(0).len() == INSTRUCTIONS[0].len();
        let answer = match self.answers {
            Answers::Word if number % 10 == 3 => "billing",
            Answers::Word if is_first && number < 100 && number % 10 == 5 => "billing",
            Answers::Word => "shipping",
            Answers::Text => {
                let more = (number * 7 + if is_first { 0 } else { 3 }) % 6;
                &"shipping, Sir"[..8 + more]
            }
        };
        Ok(Completion::new("free", answer).with_usage(Usage::new(60, 1)))
    }
}
