//! Workers on evaluation runs that are killed: the same as on SQLite, with processes on one server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use promptops_store_pg::PgBackend;

use crate::databases::{Database, pool, server};
use crate::desk::acme;
use crate::quiz::{self, Essence, Notes, Style};

const DATABASE: &str = "PROMPTOPS_TEST_DATABASE";
const NOTES: &str = "PROMPTOPS_TEST_NOTES";
const STYLE: &str = "PROMPTOPS_TEST_STYLE";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "the other process of the tests below"]
fn other_worker() {
    let (Ok(database), Ok(notes), Ok(style)) = (
        std::env::var(DATABASE),
        std::env::var(NOTES),
        std::env::var(STYLE),
    ) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let acme = acme(PgBackend::new(pool(server().database(&database))));
        let run = quiz::take_up(&acme, &Notes::at(notes), style.parse().unwrap()).await;
        assert!(run.finish().await.unwrap().is_complete());
    });
}

/// A test that fails leaves no worker behind.
struct Worker(Child);

impl Worker {
    fn start(database: &Database, notes: &Path, style: &Style) -> Self {
        let name = database.owner().get_database().unwrap().to_owned();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runs::other_worker", "--ignored", "--nocapture"])
            .env(DATABASE, name)
            .env(NOTES, notes)
            .env(STYLE, style.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits for something that is bound to come while it lives.
    async fn wait_until(&mut self, mut is_so: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "the worker ended before it was killed");
            assert!(begin.elapsed() < PATIENCE, "the worker does not get on");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn notes(directory: &tempfile::TempDir, worker: &str) -> (PathBuf, Notes) {
    let path = directory.path().join(format!("{worker}.notes"));
    (path.clone(), Notes::at(path))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_is_resumed_to_what_an_uninterrupted_one_comes_to() {
    const QUESTIONS: usize = 300;
    let database = Database::new().await;
    let tenant = acme(database.backend());
    quiz::prepare(&tenant, QUESTIONS).await;
    let directory = tempfile::tempdir().unwrap();
    let (path, notes) = notes(&directory, "worker");
    let mut durable = BTreeSet::new();
    let mut asked = 0;
    for enough in [20, 60, 110] {
        let style = Style::new(Duration::from_millis(5));
        let mut worker = Worker::start(&database, &path, &style);
        worker
            .wait_until(|| notes.read().asked.len() >= asked + enough / 2)
            .await;
        worker.kill();
        let noted = notes.read();
        assert!(
            noted.asked[asked..].iter().all(|entry| !durable.contains(entry)),
            "an entry with a result was asked again"
        );
        let in_this_life = &noted.asked[asked..];
        asked = noted.asked.len();
        let run = quiz::the_run(&tenant).await.unwrap();
        let results = quiz::results(&tenant, &run.id).await;
        let now: BTreeSet<_> = results.into_iter().map(|result| result.entry).collect();
        assert!(durable.is_subset(&now), "a result is gone");
        durable = now;
        let lost = in_this_life
            .iter()
            .filter(|entry| !durable.contains(*entry))
            .count();
        assert!(lost <= style.most_lost(), "{lost} were lost");
    }
    assert!(durable.len() < QUESTIONS, "nothing was left to be resumed");
    let run = quiz::take_up(&tenant, &notes, Style::new(Duration::from_millis(1))).await;
    let report = run.finish().await.unwrap();
    let noted = notes.read();
    assert!(
        noted.asked[asked..].iter().all(|entry| !durable.contains(entry)),
        "an entry with a result was asked again"
    );
    assert_eq!(
        Essence::of(&tenant, &report).await,
        Essence::of_uninterrupted(QUESTIONS).await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_held_is_done_by_the_other_when_its_leases_end() {
    const QUESTIONS: usize = 200;
    let database = Database::new().await;
    let tenant = acme(database.backend());
    quiz::prepare(&tenant, QUESTIONS).await;
    let directory = tempfile::tempdir().unwrap();
    let ((dead_path, of_dead), (_, of_other)) = (notes(&directory, "dead"), notes(&directory, "other"));
    // So slow that neither takes all at once.
    let style = Style::new(Duration::from_millis(100));
    let hanging = Style {
        hangs: true,
        ..style.clone()
    };
    let mut dead = Worker::start(&database, &dead_path, &hanging);
    dead.wait_until(|| !of_dead.read().asked.is_empty()).await;
    let other = quiz::take_up(&tenant, &of_other, style).await;
    dead.wait_until(|| of_dead.read().asked.len() >= 30 && of_other.read().asked.len() >= 20)
        .await;
    dead.kill();
    let (noted, so_far) = (of_dead.read(), of_other.read());
    assert!(
        noted.asked.iter().all(|entry| !so_far.asked.contains(entry)),
        "both asked one entry while both were alive"
    );
    let report = other.finish().await.unwrap();
    let held = noted.under_way();
    assert!(!held.is_empty(), "the killed worker held nothing");
    let by_other = of_other.read().asked;
    for entry in held {
        let times = by_other.iter().filter(|asked| *asked == entry).count();
        assert_eq!(times, 1, "{entry} was not taken over");
    }
    assert_eq!(
        Essence::of(&tenant, &report).await,
        Essence::of_uninterrupted(QUESTIONS).await
    );
}
