//! A run whose model notes down what it is asked, on whatever backend: what the tests of killed workers share.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Actor, PageRequest, RunId, Timestamp};
use promptops_core::evaluation::scorer::{ExactMatch, Levenshtein, MatchMode};
use promptops_core::evaluation::{DatasetDraft, Entry, EntryResult, Evaluation, Report, Run, RunHandle};
use promptops_core::llm::{
    Blueprint, Completion, Cost, LlmClient, LlmError, LlmErrorKind, Price, PriceTable, Usage,
};
use promptops_core::prompt::{Draft, user};
use promptops_core::{MemoryBackend, PromptOps, Tenant};
use serde_json::{Map, Value};

/// Entries asked at a time.
pub const CONCURRENCY: usize = 8;
/// Most entries that wait at a worker's pool beside those being asked, of a run without a budget: the runner's constant.
const MOST_WAITING: usize = 128;

fn ana() -> Actor {
    Actor::owner("ana")
}

/// How a worker asks.
#[derive(Debug, Clone)]
pub struct Style {
    /// How long an answer takes.
    pub delay: Duration,
    /// Whether there is a budget, which is far from being spent.
    pub has_budget: bool,
    /// Whether every tenth question that this worker asks is never answered.
    pub hangs: bool,
}

impl Style {
    pub fn new(delay: Duration) -> Self {
        Self {
            delay,
            has_budget: false,
            hangs: false,
        }
    }

    /// Most entries that were asked and have no result, whenever the worker is killed: those whose results are on their
    /// way into the store, and those that were given to the pool meanwhile. With a budget no entry waits at the pool.
    pub fn most_lost(&self) -> usize {
        2 * (CONCURRENCY + if self.has_budget { 0 } else { MOST_WAITING })
    }
}

/// `20 budget hangs`: as told to another process.
impl std::fmt::Display for Style {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.delay.as_millis())?;
        f.write_str(if self.has_budget { " budget" } else { "" })?;
        f.write_str(if self.hangs { " hangs" } else { "" })
    }
}

impl std::str::FromStr for Style {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(' ');
        let delay = Duration::from_millis(words.next().unwrap_or_default().parse()?);
        let words: Vec<&str> = words.collect();
        Ok(Self {
            delay,
            has_budget: words.contains(&"budget"),
            hangs: words.contains(&"hangs"),
        })
    }
}

/// What a worker has been asked and has answered, in a file that outlives it.
#[derive(Debug, Clone)]
pub struct Notes(PathBuf);

/// What stands in a file of notes.
#[derive(Debug, Default)]
pub struct Noted {
    /// Entries in the order in which they were asked.
    pub asked: Vec<String>,
    /// Those that were answered, in that order.
    pub answered: Vec<String>,
}

impl Notes {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn read(&self) -> Noted {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let mut noted = Noted::default();
        for line in text.lines() {
            match line.split_once(' ').unwrap() {
                ("ask", entry) => noted.asked.push(entry.to_owned()),
                (_, entry) => noted.answered.push(entry.to_owned()),
            }
        }
        noted
    }
}

impl Noted {
    /// Those whose answer was awaited.
    pub fn under_way(&self) -> Vec<&String> {
        let mut open: Vec<&String> = Vec::new();
        open.extend(&self.asked);
        for answered in &self.answered {
            let at = open.iter().position(|asked| *asked == answered).unwrap();
            open.remove(at);
        }
        open
    }
}

/// Answers `q17` by `q17`, but for some: 3, 13 … never as it should, 7, 17 … always wrong.
struct Noting {
    notes: File,
    style: Style,
    asked: std::sync::atomic::AtomicUsize,
}

impl Noting {
    /// In one write at the end of the file, so that a kill leaves no half of it, and workers do not mix theirs.
    fn note(&self, what: &str, question: &str) {
        let line = format!("{what} {question}\n");
        assert_eq!((&self.notes).write(line.as_bytes()).unwrap(), line.len());
    }
}

#[async_trait]
impl LlmClient for Noting {
    fn provider(&self) -> &str {
        "noting"
    }

    fn model(&self) -> Option<&str> {
        Some("noting")
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let question = request.messages[0].text();
        self.note("ask", &question);
        let count = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if self.style.hangs && count.is_multiple_of(10) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.style.delay).await;
        self.note("answer", &question);
        let number: u64 = question[1..].parse().unwrap();
        let text = match number % 10 {
            3 => return Err(LlmError::new(LlmErrorKind::Malformed, "noting", "half an answer")),
            7 => format!("not {question}"),
            _ => question,
        };
        Ok(Completion::new("noting", text).with_usage(Usage::new(1_000 + number, 10)))
    }
}

/// Saves the prompt and its questions.
pub async fn prepare(acme: &Tenant, questions: usize) {
    let draft = Draft::chat([user("{{ question }}")]).by(ana()).active();
    acme.prompts().save("quiz", draft).await.unwrap();
    let entry = |i| {
        let question = format!("q{i}");
        let input = Map::from_iter([("question".to_owned(), Value::from(question.clone()))]);
        Entry::new(question.clone(), input).expecting(question)
    };
    let draft = DatasetDraft::new((0..questions).map(entry));
    acme.datasets().save("questions", draft, &ana()).await.unwrap();
}

/// The one run of the quiz, if it was started.
pub async fn the_run(acme: &Tenant) -> Option<Run> {
    let evaluations = acme.evaluations();
    let page = PageRequest::first(2);
    let mut runs = evaluations.list(&Default::default(), &page).await.unwrap().items;
    assert!(runs.len() < 2, "there are two runs");
    runs.pop()
}

/// Starts the run, or takes it up.
pub async fn take_up(acme: &Tenant, notes: &Notes, style: Style) -> RunHandle {
    let mut evaluation = Evaluation::new(Arc::new(Noting {
        notes: OpenOptions::new()
            .create(true)
            .append(true)
            .open(notes.path())
            .unwrap(),
        style: style.clone(),
        asked: Default::default(),
    }));
    evaluation = evaluation
        .criterion(ExactMatch::new(MatchMode::Exact))
        .criterion(Levenshtein)
        .concurrency(CONCURRENCY)
        .lease(Duration::from_secs(1))
        .prices(
            PriceTable::new()
                .with("noting", "noting", Price::per_million(1.0, 1.0))
                .unwrap(),
        );
    if style.has_budget {
        evaluation = evaluation.budget(Cost::from_usd(1_000.0).unwrap());
    }
    let evaluations = acme.evaluations();
    let started = match the_run(acme).await {
        Some(run) => evaluations.resume(&run.id, &evaluation, &ana()).await,
        None => {
            let version = acme.prompts().get("quiz").await.unwrap();
            evaluations
                .start(&version, "questions", &evaluation, &ana())
                .await
        }
    };
    started.unwrap()
}

/// All results of a run.
pub async fn results(acme: &Tenant, run: &RunId) -> Vec<EntryResult> {
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut results = Vec::new();
    loop {
        let found = acme.evaluations().results(run, &page).await.unwrap();
        results.extend(found.items);
        match found.next {
            Some(cursor) => page = page.after(cursor),
            None => return results,
        }
    }
}

/// What a run came to, without what differs from one run to another: its id, times and latencies.
#[derive(Debug, PartialEq)]
pub struct Essence {
    results: Vec<EntryResult>,
    report: Value,
}

impl Essence {
    pub async fn of(acme: &Tenant, report: &Report) -> Self {
        assert!(
            report.is_complete() && report.run.state.is_completed(),
            "{report}"
        );
        let mut results = results(acme, &report.run.id).await;
        for result in &mut results {
            result.latency = Duration::ZERO;
            result.at = Timestamp::default();
        }
        let mut report = serde_json::to_value(report).unwrap();
        report.as_object_mut().unwrap().remove("latency");
        for key in ["id", "state", "started_at"] {
            report["run"].as_object_mut().unwrap().remove(key);
        }
        Self { results, report }
    }

    /// Of a run that nothing interrupts, on the memory backend.
    pub async fn of_uninterrupted(questions: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let notes = Notes::at(directory.path().join("notes"));
        let ops = PromptOps::builder(MemoryBackend::new()).build();
        let acme = ops.tenant("acme").unwrap();
        prepare(&acme, questions).await;
        let run = take_up(&acme, &notes, Style::new(Duration::ZERO)).await;
        let report = run.finish().await.unwrap();
        assert_eq!(notes.read().asked.len(), questions);
        Self::of(&acme, &report).await
    }
}
