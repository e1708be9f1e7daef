//! Workers of the improvement loop that are killed, after each kind of durable step and at random moments.
//!
//! The other process makes passes until it is killed. This one looks at the file after each of its commits, with the other
//! stopped meanwhile, so that it is known which commit was the last one before a kill. Time is told: it goes on between two
//! lives, so that no lease has to be waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use promptops_core::PromptOps;
use promptops_core::base::{Clock, ManualClock, Timestamp};
use promptops_core::deployment::State;
use promptops_core::improvement::{Attempt, AttemptStage, WatchPurpose, day_of};
use promptops_store_sqlite::SqliteBackend;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::asked::{
    BUDGET, Note, Notes, ONE_STEP, TICKETS, Worker, answered, asked, attempts, beside, check, check_spending,
    deployments, no_problems,
};
use crate::desk::raw;
use crate::processes::spawn;
use crate::world::{EXCHANGES, World};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than the whole way takes.
const MOST_LIVES: u32 = 300;
/// Longer than a worker's leases.
const BETWEEN_LIVES: Duration = Duration::from_secs(600);
const HARM: u64 = 100;

/// What the other process does until it is killed, or this one is gone.
pub async fn improve(path: &Path, label: &str) {
    std::thread::spawn(|| {
        let _ = std::io::read_to_string(std::io::stdin());
        std::process::exit(0);
    });
    let (name, now) = label.split_once(' ').unwrap();
    let now = Timestamp::from_timestamp_micros(now.parse().unwrap()).unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let backend = SqliteBackend::open(path).await.unwrap();
    let (minute, answer) = (Duration::from_secs(60), Duration::from_millis(2));
    let worker = Worker::new((backend, clock), (name, &beside(path)), minute, answer);
    loop {
        worker.pass().await;
    }
}

/// What the file holds, by the kind of what wrote it.
type Holds = BTreeMap<String, i64>;

fn holds(file: &Connection) -> Holds {
    const SQL: &str = "
        SELECT kind || ' is ' || status
            || iif(kind = 'watch', ' (' || json_extract(body, '$.purpose') || ')', ' r' || iif(kind = 'attempt', revision, ''))
            || iif(json_extract(body, '$.blame') IS NULL, '', ' blamed'), sum(revision)
            FROM promptops_improvement GROUP BY 1
        UNION ALL SELECT 'step ' || step, count(*) FROM promptops_transition GROUP BY step
        UNION ALL SELECT 'draft', count(*) FROM promptops_version
        UNION ALL SELECT 'dataset to ' || substr(name, 1, instr(name, '/') - 1), 1 FROM promptops_dataset
        UNION ALL SELECT 'run to ' || substr(dataset, 1, instr(dataset, '/') - 1) || ' '
            || iif(state LIKE '%completed%', 'completed', 'running'), count(*) FROM promptops_run GROUP BY 1
        UNION ALL SELECT 'claims to ' || substr(dataset, 1, instr(dataset, '/') - 1), sum(next_task)
            FROM promptops_run GROUP BY 1
        UNION ALL SELECT 'results to ' || substr(dataset, 1, instr(dataset, '/') - 1), count(*)
            FROM promptops_result JOIN promptops_run ON run = id GROUP BY 1
        UNION ALL SELECT 'answer kept', count(*) FROM promptops_completion
        UNION ALL SELECT 'slot taken', until FROM promptops_slot_lease
        UNION ALL SELECT 'set aside to ' || coalesce((SELECT substr(name, 1, instr(name, '/') - 1)
            FROM promptops_dataset ORDER BY id DESC LIMIT 1), 'propose'), sum(calls) FROM promptops_spending";
    let mut statement = file.prepare_cached(SQL).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1).unwrap_or(0))));
    rows.unwrap().map(Result::unwrap).collect()
}

/// What was written between the two.
fn written(before: &Holds, now: &Holds) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for (kind, n) in now {
        let was = before.get(kind).copied().unwrap_or(0);
        if *n > was {
            written.insert(kind.clone());
        } else if *n < was && kind.starts_with("set aside") {
            written.insert(kind.replace("set aside", "settled"));
        }
    }
    if before.contains_key("slot taken") && !now.contains_key("slot taken") {
        written.insert("slot returned".to_owned());
    }
    written
}

/// The other process; a test that fails leaves none behind.
struct Life {
    child: Child,
    pid: Pid,
    _stdin: ChildStdin,
    _stdout: BufReader<ChildStdout>,
}

impl Life {
    fn begin(path: &Path, name: &str, now: Timestamp) -> Self {
        let (mut child, stdout) = spawn("improve", path, &format!("{name} {}", now.timestamp_micros()));
        Self {
            pid: Pid::from_child(&child),
            _stdin: child.stdin.take().unwrap(),
            _stdout: stdout,
            child,
        }
    }

    /// Returns once it does nothing any more.
    fn pause(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(self.pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "the worker ended before it was killed");
    }

    fn go_on(&self) {
        kill_process(self.pid, Signal::CONT).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The desk in a file, and what is known of it.
struct Desk {
    _directory: tempfile::TempDir,
    path: PathBuf,
    backend: SqliteBackend,
    clock: Arc<ManualClock>,
    notes: Notes,
    tickets: u64,
    lives: u32,
    seed: u64,
    /// Of how many commits of a new kind one is the last of its worker.
    luck: u64,
    /// What was ever seen to be written.
    seen: BTreeSet<String>,
    /// What was the last thing to be written before a kill.
    last: BTreeSet<String>,
}

impl Desk {
    async fn new(seed: u64, luck: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prompts.db");
        let backend = SqliteBackend::open(&path).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let ops = PromptOps::builder(backend.clone()).clock(clock.clone()).build();
        World::of(ops, clock.clone()).await.traffic(TICKETS).await;
        Self {
            notes: beside(&path),
            _directory: directory,
            path,
            backend,
            clock,
            tickets: TICKETS,
            lives: 0,
            seed,
            luck,
            seen: BTreeSet::new(),
            last: BTreeSet::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// A look that knows nothing from before.
    fn world(&self) -> World {
        let ops = PromptOps::builder(self.backend.clone())
            .clock(self.clock.clone())
            .build();
        World::going_on(ops, self.clock.clone(), self.tickets)
    }

    /// One worker's life. Says whether it looked and found nothing to do.
    async fn life(&mut self, kill: Kill) -> bool {
        self.lives += 1;
        self.clock.advance(BETWEEN_LIVES);
        let (noted, had) = (self.notes.read().len(), answered(&self.world().acme).await);
        let name = format!("life-{}", self.lives);
        let file = raw(&self.path);
        let before = holds(&file);
        let mut life = Life::begin(&self.path, &name, self.clock.now());
        match kill {
            Kill::AfterCommits(most) => self.step_by_step(&file, before, &mut life, (noted, most)),
            Kill::After(time) => {
                // Its life begins with its first pass.
                self.wait(|desk| desk.notes.read().len() > noted);
                std::thread::sleep(time);
                life.kill();
            }
        }
        let notes = self.notes.read();
        let new = &notes[noted..];
        no_problems(new);
        let mut of_life = BTreeSet::new();
        for text in asked(new) {
            assert!(!had.contains(text), "what has a result was asked again: {text}");
            assert!(of_life.insert(text), "asked twice in one life: {text}");
        }
        let acme = self.world().acme;
        check(&acme).await;
        let attributed = acme.datasets().list(&Default::default()).await.unwrap().items;
        let attributed = attributed
            .iter()
            .any(|dataset| dataset.name.as_str().starts_with("attribution"));
        check_spending(&acme, &notes, attributed).await;
        did(new).first() == Some(&Some(0))
    }

    fn wait(&self, mut is_so: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            assert!(begin.elapsed() < PATIENCE, "the worker does not get on");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Looks at each commit, and kills after the first of its kind, after so many of them, or when nothing is left to do.
    fn step_by_step(
        &mut self,
        file: &Connection,
        before: Holds,
        life: &mut Life,
        (noted, most): (usize, u64),
    ) {
        let data_version = || -> i64 {
            file.query_row("PRAGMA data_version", [], |row| row.get(0))
                .unwrap()
        };
        let (mut version, mut before, mut commits) = (data_version(), before, 0);
        let mut looked = Instant::now();
        loop {
            let now = data_version();
            if now == version {
                assert!(looked.elapsed() < PATIENCE, "the worker does not get on");
                std::thread::yield_now();
                continue;
            }
            life.pause();
            // Between this look and the pause there may have been another.
            version = data_version();
            looked = Instant::now();
            let holds = holds(file);
            let written = written(&before, &holds);
            before = holds;
            let is_new = written.iter().any(|kind| !self.last.contains(kind));
            self.seen.extend(written.iter().cloned());
            commits += u64::from(!written.is_empty());
            if is_new && self.random(self.luck) == 0
                || commits >= most
                || did(&self.notes.read()[noted..]).ends_with(&[Some(0), Some(0)])
            {
                life.kill();
                self.last.extend(written);
                return;
            }
            life.go_on();
        }
    }

    /// The whole way, by workers that are killed like this.
    async fn whole_way(&mut self, mut kill: impl FnMut(&mut Self) -> Kill) {
        let mut is_harmed = false;
        loop {
            if self.lives >= MOST_LIVES {
                let acme = self.world().acme;
                let notes = self.notes.read();
                panic!(
                    "the loop does not come to its end: {:?}; {:?}; {:?}",
                    deployments(&acme).await,
                    attempts(&acme).await,
                    &notes[notes.len() - 20..]
                );
            }
            let kill = kill(self);
            let is_idle = self.life(kill).await;
            let acme = self.world().acme;
            let deployments = deployments(&acme).await;
            let state = deployments.first().map(|deployment| deployment.state);
            if state == Some(State::Monitoring) && !is_harmed {
                is_harmed = true;
                let world = self.world();
                world.traffic_of(HARM, &EXCHANGES).await;
                self.tickets += HARM;
            }
            if state == Some(State::RolledBack) {
                let watches = acme.improvements().watches(&deployments[0].id).await.unwrap();
                let is_over = |attempt: &Attempt| attempt.stage == AttemptStage::Ended;
                if watches
                    .iter()
                    .any(|watch| watch.purpose == WatchPurpose::Restored)
                    && attempts(&acme).await.iter().all(is_over)
                {
                    return;
                }
            }
            let spent = acme
                .improvements()
                .spending(day_of(self.clock.now()))
                .await
                .unwrap();
            if is_idle && spent.calls + ONE_STEP > BUDGET {
                self.clock.advance(Duration::from_secs(86_400));
            }
        }
    }

    /// What has come of it all, whoever was killed on the way.
    async fn check_end(&self) {
        let world = self.world();
        assert_eq!(world.live().await, 1, "what was live before is live again");
        let deployments = deployments(&world.acme).await;
        assert_eq!(deployments.len(), 1);
        let transitions = world
            .acme
            .deployments()
            .transitions(&deployments[0].id)
            .await
            .unwrap();
        let mut steps: Vec<&str> = transitions.iter().map(|taken| taken.step.as_str()).collect();
        steps.retain(|step| *step != "start_replay");
        assert_eq!(
            steps,
            ["propose", "pass_replay", "ship", "watch", "regress", "roll_back"]
        );
        let attempts = attempts(&world.acme).await;
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].stage, AttemptStage::Ended);
        let has_results: BTreeSet<String> = answered(&world.acme).await.into_iter().collect();
        let notes = self.notes.read();
        let asked = asked(&notes);
        let once: BTreeSet<&String> = asked.iter().copied().collect();
        assert!(
            once.iter().all(|text| has_results.contains(*text)),
            "what was asked has a result"
        );
        println!(
            "{} lives; {} calls of models, of which {} had been asked before and had no result yet; {:?}",
            self.lives,
            asked.len(),
            asked.len() - once.len(),
            attempts[0].outcome,
        );
    }
}

/// How a life ends.
enum Kill {
    /// After so many commits at most, and after the first of a new kind.
    AfterCommits(u64),
    /// So long after it began to work.
    After(Duration),
}

/// How many things each pass did; `None` where somebody else had the slot.
fn did(notes: &[Note]) -> Vec<Option<usize>> {
    let did = notes.iter().filter_map(|note| match note {
        Note::Did { things, .. } => Some(*things),
        _ => None,
    });
    did.collect()
}

#[tokio::test]
async fn a_worker_killed_after_any_of_its_commits_is_gone_on_from() {
    const MOST_WAYS: u64 = 8;
    let (mut seen, mut last) = (BTreeSet::new(), BTreeSet::new());
    // Killed after the first of each kind, some steps are never reached in one breath: then by luck.
    for way in 0..MOST_WAYS {
        let mut desk = Desk::new(0x5eed + way, 1 + way.min(2)).await;
        (desk.seen, desk.last) = (seen, last);
        desk.whole_way(|desk| Kill::AfterCommits(1 + desk.random(60)))
            .await;
        desk.check_end().await;
        (seen, last) = (desk.seen, desk.last);
        if way > 1 && seen.is_subset(&last) {
            break;
        }
    }
    println!("{} kinds of commits: {seen:#?}", seen.len());
    let never: Vec<&String> = seen.difference(&last).collect();
    assert!(never.is_empty(), "never the last before a kill: {never:?}");
    for step in [
        "step propose",
        "step ship",
        "step regress",
        "step roll_back",
        "attempt is ended r5",
    ] {
        assert!(seen.contains(step), "{step} was never seen");
    }
}

#[tokio::test]
async fn workers_killed_at_random_moments_are_gone_on_from() {
    const LIVES: u32 = 40;
    let mut lives = 0;
    for way in 0.. {
        let mut desk = Desk::new(0xdead + way, 1).await;
        desk.whole_way(|desk| Kill::After(Duration::from_millis(desk.random(250))))
            .await;
        desk.check_end().await;
        lives += desk.lives;
        if lives >= LIVES {
            break;
        }
    }
}
