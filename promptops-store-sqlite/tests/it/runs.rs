//! Workers on evaluation runs that are killed.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use promptops_core::base::PageRequest;
use promptops_core::base::audit::{AuditAction, AuditStore};
use promptops_core::{PromptOps, Tenant};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, raw};
use crate::processes::spawn;
use crate::quiz::{self, CONCURRENCY, Essence, Notes, Style};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file with the prompt and the questions.
struct Quiz {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Quiz {
    async fn of(questions: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prompts.db");
        let quiz = Self {
            _directory: directory,
            path,
        };
        let (backend, acme) = quiz.open().await;
        quiz::prepare(&acme, questions).await;
        backend.close().await;
        quiz
    }

    async fn open(&self) -> (SqliteBackend, Tenant) {
        let backend = SqliteBackend::open(&self.path).await.unwrap();
        let acme = tenant(&backend);
        (backend, acme)
    }

    fn notes(&self, worker: &str) -> Notes {
        notes(&self.path, worker)
    }

    /// A worker in another process.
    fn worker(&self, name: &str, style: &Style) -> Worker {
        let (child, stdout) = spawn("evaluate", &self.path, &format!("{name} {style}"));
        Worker { child, stdout }
    }

    /// The entries with a result.
    async fn durable(&self) -> BTreeSet<String> {
        let (backend, acme) = self.open().await;
        let run = quiz::the_run(&acme).await.unwrap();
        let results = quiz::results(&acme, &run.id).await;
        backend.close().await;
        results.into_iter().map(|result| result.entry).collect()
    }
}

struct Worker {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    /// Waits for something that is bound to come while it lives.
    fn wait_until(&mut self, mut is_so: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the worker ended before it was killed");
            assert!(begin.elapsed() < PATIENCE, "the worker does not get on");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended well.
    fn finish(mut self) {
        std::io::read_to_string(&mut self.stdout).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// A test that fails leaves no worker behind.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tenant(backend: &SqliteBackend) -> Tenant {
    let ops = PromptOps::builder(backend.clone()).build();
    ops.tenant("acme").unwrap()
}

fn notes(path: &Path, worker: &str) -> Notes {
    Notes::at(path.with_file_name(format!("{worker}.notes")))
}

/// What another process does: works on the run to its end.
pub async fn evaluate(path: &Path, label: &str) {
    let (name, style) = label.split_once(' ').unwrap();
    let backend = SqliteBackend::open(path).await.unwrap();
    let run = quiz::take_up(&tenant(&backend), &notes(path, name), style.parse().unwrap()).await;
    let report = run.finish().await.unwrap();
    assert!(report.is_complete());
    backend.close().await;
}

#[tokio::test]
async fn a_killed_run_is_resumed_to_what_an_uninterrupted_one_comes_to() {
    const QUESTIONS: usize = 500;
    const LIVES: usize = 6;
    let quiz = Quiz::of(QUESTIONS).await;
    let notes = quiz.notes("worker");
    let mut seed = 0x5eed_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut durable = BTreeSet::new();
    let (mut asked, mut under_way, mut lost) = (0, 0, 0);
    for life in 0..LIVES {
        let mut style = Style::new(Duration::from_millis(5));
        style.has_budget = life % 2 == 0;
        let mut worker = quiz.worker("worker", &style);
        let enough = asked + 10 + random(50) as usize;
        worker.wait_until(|| notes.read().asked.len() >= enough);
        std::thread::sleep(Duration::from_micros(random(6_000)));
        worker.kill();

        let noted = notes.read();
        let before = std::mem::replace(&mut durable, quiz.durable().await);
        assert!(before.is_subset(&durable), "a result is gone");
        let mut in_this_life = BTreeSet::new();
        for entry in &noted.asked[asked..] {
            assert!(
                !before.contains(entry),
                "{entry} has a result and was asked again"
            );
            assert!(in_this_life.insert(entry), "{entry} was asked twice in one life");
        }
        asked = noted.asked.len();
        // Those of earlier lives are never answered.
        let open = noted.under_way().len() - under_way;
        assert!(open <= CONCURRENCY, "{open} were under way");
        under_way += open;
        let of_this_life = in_this_life
            .iter()
            .filter(|entry| !durable.contains(**entry))
            .count();
        assert!(
            (open..=style.most_lost()).contains(&of_this_life),
            "{of_this_life} were lost"
        );
        lost += of_this_life;
    }

    let (_backend, acme) = quiz.open().await;
    let run = quiz::take_up(&acme, &notes, Style::new(Duration::from_millis(1))).await;
    let report = run.finish().await.unwrap();
    let noted = notes.read();
    assert!(
        noted.asked[asked..].iter().all(|entry| !durable.contains(entry)),
        "an entry with a result was asked again"
    );
    println!(
        "{under_way} of {lost} lost entries were under way; {} were asked in all",
        noted.asked.len()
    );
    // What was lost, and nothing else, was asked once more.
    assert_eq!(noted.asked.len(), QUESTIONS + lost);
    assert!(
        lost >= LIVES,
        "the workers were hardly at work when they were killed"
    );
    assert!(durable.len() < QUESTIONS, "nothing was left to be resumed");
    assert_eq!(
        Essence::of(&acme, &report).await,
        Essence::of_uninterrupted(QUESTIONS).await
    );
}

#[tokio::test]
async fn what_a_killed_worker_held_is_done_by_the_other_when_its_leases_end() {
    const QUESTIONS: usize = 200;
    let quiz = Quiz::of(QUESTIONS).await;
    let (of_dead, of_other) = (quiz.notes("dead"), quiz.notes("other"));
    // So slow that neither takes all at once.
    let style = Style::new(Duration::from_millis(100));
    let hanging = Style {
        hangs: true,
        ..style.clone()
    };
    let mut dead = quiz.worker("dead", &hanging);
    dead.wait_until(|| !of_dead.read().asked.is_empty());
    let mut other = quiz.worker("other", &style);
    other.wait_until(|| of_dead.read().asked.len() >= 30 && of_other.read().asked.len() >= 20);
    dead.kill();
    let killed = Instant::now();
    let (noted, of_other_so_far) = (of_dead.read(), of_other.read());
    assert!(
        noted
            .asked
            .iter()
            .all(|entry| !of_other_so_far.asked.contains(entry)),
        "both asked one entry while both were alive"
    );
    other.finish();
    assert!(killed.elapsed() < PATIENCE);

    let held = noted.under_way();
    let by_other = of_other.read().asked;
    assert!(!held.is_empty(), "the killed worker held nothing");
    for entry in held {
        let times = by_other.iter().filter(|asked| *asked == entry).count();
        assert_eq!(times, 1, "{entry} was not taken over");
    }
    let (backend, acme_) = quiz.open().await;
    let run = quiz::the_run(&acme_).await.unwrap();
    let report = acme_
        .evaluations()
        .report(&run.id, &Default::default())
        .await
        .unwrap();
    assert_eq!(
        Essence::of(&acme_, &report).await,
        Essence::of_uninterrupted(QUESTIONS).await
    );
    let evidence: i64 = raw(&quiz.path)
        .query_row("SELECT count(*) FROM promptops_evidence", [], |row| row.get(0))
        .unwrap();
    assert_eq!(evidence, 1);
    let records = backend
        .audit_records(&acme(), &PageRequest::first(PageRequest::MAX_LIMIT))
        .await
        .unwrap();
    let completions = records
        .items
        .iter()
        .filter(|record| record.entry.action == AuditAction::CompleteRun);
    assert_eq!(completions.count(), 1);
}
