//! Workers of the improvement loop that race for one slot in eight processes, and some that are stopped for longer than their
//! leases and go on: with real leases, by the real clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use promptops_core::base::{Clock, ManualClock, SystemClock};
use promptops_core::deployment::State;
use promptops_core::improvement::AttemptStage;
use promptops_core::{ErrorKind, PromptOps, Tenant};
use promptops_store_pg::PgBackend;
use rustix::process::{Pid, Signal, kill_process};

use crate::asked::{
    Note, Notes, TICKETS, Worker, answered, asked, attempts, check, check_spending, deployments, no_problems,
};
use crate::databases::{Database, pool, server};
use crate::world::World;

const DATABASE: &str = "PROMPTOPS_TEST_DATABASE";
const NOTES: &str = "PROMPTOPS_TEST_NOTES";
const WORKER: &str = "PROMPTOPS_TEST_WORKER";
const PROCESSES: usize = 8;
const LEASE: Duration = Duration::from_secs(2);
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
#[ignore = "the other process of the tests below"]
fn other_improver() {
    let (Ok(database), Ok(notes), Ok(name)) = (
        std::env::var(DATABASE),
        std::env::var(NOTES),
        std::env::var(WORKER),
    ) else {
        return;
    };
    // Until the test that started it is gone, or has no more use for it.
    std::thread::spawn(|| {
        let _ = std::io::read_to_string(std::io::stdin());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let backend = PgBackend::new(pool(server().database(&database)));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let notes = Notes::at(notes);
        let worker = Worker::new((backend, clock), (&name, &notes), LEASE, Duration::from_millis(5));
        loop {
            worker.pass().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// Another process; a test that fails leaves none behind.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Has it end, at whatever it is.
    fn end(mut self) {
        self.stdin.take();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The desk with what came in until now.
struct Desk {
    database: Database,
    acme: Tenant,
    _ops: PromptOps,
    directory: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let database = Database::new().await;
        let past = Duration::from_secs(180 * (TICKETS + 1));
        let clock = Arc::new(ManualClock::at(SystemClock::default().now() - past));
        let ops = PromptOps::builder(database.backend())
            .clock(clock.clone())
            .build();
        World::of(ops, clock).await.traffic(TICKETS).await;
        let ops = PromptOps::builder(database.backend()).build();
        Self {
            acme: ops.tenant("acme").unwrap(),
            _ops: ops,
            database,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("notes")
    }

    fn notes(&self) -> Vec<Note> {
        Notes::at(self.path()).read()
    }

    fn start(&self, worker: &str) -> Process {
        let name = self.database.owner().get_database().unwrap().to_owned();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "improving::other_improver", "--ignored", "--nocapture"])
            .env(DATABASE, name)
            .env(NOTES, AsRef::<Path>::as_ref(&self.path()))
            .env(WORKER, worker)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Process {
            stdin: child.stdin.take(),
            child,
        }
    }

    /// Waits for something that is bound to come.
    async fn wait_until(&self, what: &str, mut is_so: impl AsyncFnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !is_so(self).await {
            let notes = self.notes();
            let last = &notes[notes.len().saturating_sub(5)..];
            assert!(
                begin.elapsed() < PATIENCE,
                "{what}: the workers do not get on: {last:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until the candidate is live, and the attempt that it came of is over.
    async fn wait_for_ship(&self) {
        self.wait_until("ship", async |desk| {
            let deployments = deployments(&desk.acme).await;
            let is_live = deployments.iter().any(|of| of.state == State::Monitoring);
            is_live
                && attempts(&desk.acme)
                    .await
                    .iter()
                    .all(|of| of.stage == AttemptStage::Ended)
        })
        .await;
    }

    /// That one candidate is live, and everything goes together.
    async fn check(&self) {
        check(&self.acme).await;
        check_spending(&self.acme, &self.notes(), false).await;
        let deployments = deployments(&self.acme).await;
        assert_eq!(deployments.len(), 1);
        assert_eq!(deployments[0].shipped.as_ref().unwrap().revision, 2);
        let transitions = self.acme.deployments();
        let transitions = transitions.transitions(&deployments[0].id).await.unwrap();
        let mut steps: Vec<&str> = transitions.iter().map(|taken| taken.step.as_str()).collect();
        steps.dedup();
        assert_eq!(steps, ["propose", "start_replay", "pass_replay", "ship", "watch"]);
        let live = self.acme.environments().get("support/triage", "production").await;
        let live = live.unwrap();
        assert_eq!(
            (live.revision, live.version),
            (2, deployments[0].candidate.version)
        );
    }
}

/// In which passes, by worker and number, the model was asked, one after the other.
fn passes(notes: &[Note]) -> Vec<(String, usize)> {
    let mut passes = std::collections::BTreeMap::<&String, usize>::new();
    let mut order: Vec<(String, usize)> = Vec::new();
    for note in notes {
        match note {
            Note::Began { worker } => *passes.entry(worker).or_default() += 1,
            Note::Asked { worker, .. } | Note::Proposing { worker, .. } => {
                let pass = (worker.clone(), passes[worker]);
                if order.last() != Some(&pass) {
                    order.push(pass);
                }
            }
            _ => {}
        }
    }
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_improve_one_prompt_and_do_everything_once() {
    let desk = Desk::new().await;
    let processes: Vec<Process> = (0..PROCESSES)
        .map(|n| desk.start(&format!("worker-{n}")))
        .collect();
    desk.wait_for_ship().await;
    // Whoever comes next finds nothing more to do.
    tokio::time::sleep(Duration::from_millis(500)).await;
    processes.into_iter().for_each(Process::end);
    desk.check().await;
    let notes = desk.notes();
    no_problems(&notes);
    let asked = asked(&notes);
    let once: BTreeSet<&String> = asked.iter().copied().collect();
    assert_eq!(once.len(), asked.len(), "something was asked twice");
    let proposing: BTreeSet<usize> = notes
        .iter()
        .enumerate()
        .filter(|(_, note)| matches!(note, Note::Proposing { .. }))
        .map(|(at, _)| at)
        .collect();
    assert!(!proposing.is_empty());
    let passes = passes(&notes);
    let distinct: BTreeSet<_> = passes.iter().collect();
    assert_eq!(distinct.len(), passes.len(), "two worked at a time: {passes:?}");
    let workers: BTreeSet<_> = notes
        .iter()
        .filter_map(|note| match note {
            Note::Did { worker, things } => Some((worker, things.is_some())),
            _ => None,
        })
        .collect();
    let busy = workers.iter().filter(|(_, worked)| !worked).count();
    println!(
        "{} calls in {} passes; {} workers had the slot, {busy} found it taken",
        asked.len(),
        passes.len(),
        workers.len() - busy
    );
    assert!(busy > 1, "nobody found the slot taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_away_for_longer_than_its_lease_does_no_harm() {
    let desk = Desk::new().await;
    let stop = async |process: &Process| {
        process.signal(Signal::STOP);
        // What it had sent arrives.
        tokio::time::sleep(Duration::from_millis(200)).await;
        (desk.notes().len(), answered(&desk.acme).await)
    };
    let mut had_results = Vec::new();
    let first = desk.start("first");
    desk.wait_until("a proposer asked", async |desk| {
        desk.notes()
            .iter()
            .any(|note| matches!(note, Note::Proposing { .. }))
    })
    .await;
    // While the proposer is asked.
    had_results.push(stop(&first).await);
    let second = desk.start("second");
    let mut before = None;
    desk.wait_until("a replay", async |desk| {
        let deployments = deployments(&desk.acme).await;
        let is_replayed = deployments.iter().any(|of| of.state == State::AbRunning);
        let now = asked(&desk.notes()).len();
        is_replayed && now >= *before.get_or_insert(now) + 20
    })
    .await;
    // While a replay is under way; the other comes back meanwhile, and takes over.
    had_results.push(stop(&second).await);
    first.signal(Signal::CONT);
    desk.wait_for_ship().await;
    second.signal(Signal::CONT);
    let is_back = desk.notes().len();
    desk.wait_until("both at work", async |desk| {
        let notes = desk.notes();
        let has_looked = |name: &str| {
            let mut new = notes[is_back..].iter();
            new.any(|note| matches!(note, Note::Did { worker, .. } if worker == name))
        };
        has_looked("first") && has_looked("second")
    })
    .await;
    first.end();
    second.end();

    desk.check().await;
    let notes = desk.notes();
    for (at, had) in &had_results {
        for text in asked(&notes[*at..]) {
            assert!(!had.contains(text), "what has a result was asked again: {text}");
        }
    }
    let mut lost = BTreeSet::new();
    for note in &notes {
        if let Note::Problem {
            worker,
            kind,
            error,
            step,
        } = note
        {
            println!("{worker}: {step}: {kind}: {error}");
            let kinds = [ErrorKind::Conflict, ErrorKind::IllegalTransition];
            assert!(kinds.iter().any(|of| format!("{of:?}") == *kind), "{note:?}");
            lost.insert(worker.as_str());
        }
    }
    assert_eq!(
        lost,
        BTreeSet::from(["first", "second"]),
        "neither noticed that it was away"
    );
    let asked = asked(&notes);
    let once: BTreeSet<&String> = asked.iter().copied().collect();
    println!(
        "{} calls, of which {} had been under way",
        asked.len(),
        asked.len() - once.len()
    );
    assert!(
        asked.len() > once.len(),
        "nothing was under way when the second was stopped"
    );
}
