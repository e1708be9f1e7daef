//! A process that is killed with outcomes and traces in its queues loses what it said to be queued, and nothing more.
//!
//! The other process records so many of each whenever it is told to, and says how its recorders stand.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Duration;

use promptops_core::base::{Actor, ExperimentId};
use promptops_core::experiment::{
    ExperimentPlan, ExperimentStore, Outcome, OutcomeRecorder, Tallies, WatchSettings,
};
use promptops_core::observation::{RecordingSettings, RecordingStats, Trace, TraceSettings};
use promptops_core::prompt::Draft;
use promptops_core::{PromptOps, Tenant};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::raw;
use crate::processes::{acknowledge, spawn};

/// How many outcomes and traces are recorded at a word.
const AT_ONCE: u64 = 300;
const EXPERIMENT: &str = "e-1";

/// A recorder's settings by which there is always something on its way.
fn small(settings: RecordingSettings) -> RecordingSettings {
    let mut settings = settings;
    settings.interval = Duration::from_millis(2);
    settings.batch = 16;
    settings.max_batch = 64;
    settings
}

fn ops(backend: SqliteBackend) -> PromptOps {
    let mut by_hand = WatchSettings::default();
    by_hand.after_outcomes = Duration::ZERO;
    let mut traces = TraceSettings::default();
    traces.recording = small(traces.recording);
    PromptOps::builder(backend)
        .watch_settings(by_hand)
        .outcome_settings(small(OutcomeRecorder::default_settings()))
        .trace_settings(traces)
        .build()
}

/// Reports the outcome and the trace of the nth unit of a life.
async fn report(tenant: &Tenant, life: &str, n: u64) {
    let unit = format!("{life}-{n}");
    let resolved = tenant.resolve("tested@production").unit(&unit).await.unwrap();
    let stamp = resolved.stamp();
    assert!(
        tenant
            .outcomes()
            .record(&stamp, Outcome::success(true))
            .is_queued()
    );
    tenant.traces().record(Trace::of(&stamp).session(unit));
}

/// What the other process does until it is killed.
pub async fn record(path: &Path, life: &str) {
    let ops = ops(SqliteBackend::open(path).await.unwrap());
    let tenant = ops.tenant("acme").unwrap();
    let mut words = std::io::stdin().lines();
    let mut n = 0;
    while let Some(Ok(word)) = words.next() {
        match word.as_str() {
            "record" => {
                for _ in 0..AT_ONCE {
                    report(&tenant, life, n).await;
                    n += 1;
                }
            }
            "flush" => {
                let minute = Duration::from_secs(60);
                tenant.outcomes().flush(minute).await.unwrap();
                tenant.traces().flush(minute).await.unwrap();
            }
            // What it says now is what it had while it was written.
            "say" => tokio::time::sleep(Duration::from_millis(1)).await,
            other => panic!("unknown word {other}"),
        }
        let [outcomes, traces] = [tenant.outcomes().stats(), tenant.traces().stats()].map(Said::from);
        acknowledge(&format!("{} {}", outcomes.told(), traces.told()));
    }
}

/// How a recorder stood when the process said so last.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    recorded: u64,
    written: u64,
    queued: u64,
}

impl From<RecordingStats> for Said {
    fn from(stats: RecordingStats) -> Self {
        Self {
            recorded: stats.enqueued,
            written: stats.written,
            queued: stats.queued,
        }
    }
}

impl Said {
    fn told(self) -> String {
        format!("{} {} {}", self.recorded, self.written, self.queued)
    }

    fn heard(numbers: &[u64]) -> Self {
        Self {
            recorded: numbers[0],
            written: numbers[1],
            queued: numbers[2],
        }
    }
}

/// The other process, and what it said last of outcomes and of traces.
struct Life {
    name: String,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    words: u64,
    said: [Said; 2],
}

impl Life {
    fn begin(path: &Path, name: String) -> Self {
        let (mut child, stdout) = spawn("queue", path, &name);
        let stdin = child.stdin.take().unwrap();
        Self {
            name,
            child,
            stdin,
            stdout,
            words: 0,
            said: Default::default(),
        }
    }

    /// Tells it something without waiting for what it says.
    fn tell(&mut self, word: &str) {
        self.words += u64::from(word == "record");
        writeln!(self.stdin, "{word}").unwrap();
    }

    fn listen(&mut self) {
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the child gave up");
            if self.hear(&line) {
                return;
            }
        }
    }

    fn hear(&mut self, line: &str) -> bool {
        // A last line without an end was cut short by the kill.
        let Some(said) = line.strip_prefix("ack ").and_then(|said| said.strip_suffix('\n')) else {
            return false;
        };
        let numbers: Vec<u64> = said.split(' ').map(|number| number.parse().unwrap()).collect();
        self.said = [Said::heard(&numbers[..3]), Said::heard(&numbers[3..])];
        for said in self.said {
            assert_eq!(said.recorded, said.written + said.queued, "{said:?}");
        }
        true
    }

    fn ask(&mut self, word: &str) -> [Said; 2] {
        self.tell(word);
        self.listen();
        self.said
    }

    /// Kills it and hears what it said to the end. How many it may have recorded beyond what it said.
    fn kill(&mut self) -> u64 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return self.words * AT_ONCE - self.said[0].recorded;
            }
            self.hear(&line);
        }
    }
}

/// How many outcomes and traces the file has.
async fn kept(path: &Path) -> [u64; 2] {
    let backend = SqliteBackend::open(path).await.unwrap();
    let tenant = crate::desk::acme();
    let id = ExperimentId::new(EXPERIMENT).unwrap();
    let tallies = Tallies::from_rows(backend.tallies(&tenant, &id).await.unwrap());
    let outcomes = tallies.of(0).outcomes + tallies.of(1).outcomes;
    backend.close().await;
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM promptops_{table}");
        let count: i64 = raw(path).query_row(&sql, [], |row| row.get(0)).unwrap();
        count as u64
    };
    assert_eq!(outcomes, count("outcome"), "an outcome and its count go together");
    [outcomes, count("trace")]
}

/// That the first outcomes of a life are there: reported again, they are duplicates.
async fn first_are_there(path: &Path, life: &str, count: u64) {
    let backend = SqliteBackend::open(path).await.unwrap();
    let ops = ops(backend.clone());
    let tenant = ops.tenant("acme").unwrap();
    for n in 0..count {
        let unit = format!("{life}-{n}");
        let resolved = tenant.resolve("tested@production").unit(&unit).await.unwrap();
        tenant.outcomes().record(resolved.stamp(), Outcome::success(true));
    }
    let stats = tenant.outcomes().flush(Duration::from_secs(60)).await.unwrap();
    assert_eq!(stats.duplicate, count, "{stats:?}");
    backend.close().await;
}

/// A file with an experiment on a prompt.
async fn begin(path: &Path) {
    let backend = SqliteBackend::open(path).await.unwrap();
    let ana = Actor::owner("ana");
    let ops = ops(backend.clone());
    let tenant = ops.tenant("acme").unwrap();
    let mut versions = Vec::new();
    for text in ["one", "two"] {
        let draft = Draft::text(text).by(ana.clone()).active();
        versions.push(tenant.prompts().save("tested", draft).await.unwrap());
    }
    tenant
        .environments()
        .promote(&versions[0], "production", &ana)
        .await
        .unwrap();
    let plan = ExperimentPlan::new("tested", "production")
        .unwrap()
        .id(EXPERIMENT)
        .unwrap()
        .control(50.0)
        .variant("other", versions[1].number, 50.0)
        .unwrap();
    tenant.experiments().start(plan, &ana).await.unwrap();
    backend.close().await;
}

#[tokio::test]
async fn a_killed_process_loses_what_it_said_to_be_queued_and_nothing_more() {
    const LIVES: u64 = 12;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    begin(&path).await;
    let mut before = [0, 0];
    let (mut lives, mut lost) = (Vec::new(), [0, 0]);
    for n in 0..LIVES {
        let mut life = Life::begin(&path, format!("life{n}"));
        life.ask("record");
        // Killed at any moment: while it records, writes, or has done so.
        for _ in 0..n % 4 {
            life.tell("record");
            life.tell("say");
        }
        std::thread::sleep(Duration::from_micros(n * 1_300));
        let unsaid = life.kill();
        let now = kept(&path).await;
        for of in 0..2 {
            let (said, kept) = (life.said[of], now[of] - before[of]);
            assert!(kept >= said.written, "{kept} of {said:?}, life {n}");
            let recorded = said.recorded + unsaid;
            assert!(kept <= recorded, "{kept} of {recorded}, life {n}");
            // As far as it said; of what it recorded after that all may be missing too.
            lost[of] += said.recorded.saturating_sub(kept);
        }
        lives.push((life.name, life.said[0].written));
        before = now;
    }
    // What is written first was recorded first.
    for (life, written) in &lives {
        first_are_there(&path, life, *written).await;
    }
    println!("of {LIVES} lives, at least {lost:?} outcomes and traces were lost");
}

#[tokio::test]
async fn what_is_queued_while_the_file_is_locked_is_all_that_a_kill_loses() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    begin(&path).await;
    let mut life = Life::begin(&path, "life".to_owned());
    life.ask("record");
    let flushed = life.ask("flush");
    assert!(
        flushed
            .iter()
            .all(|said| said.written == AT_ONCE && said.queued == 0)
    );
    // From here on nobody else can write.
    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    life.ask("record");
    life.ask("say");
    assert_eq!(life.kill(), 0);
    for said in life.said {
        assert_eq!((said.written, said.queued), (AT_ONCE, AT_ONCE), "{said:?}");
    }
    drop(other);
    assert_eq!(kept(&path).await, [AT_ONCE; 2]);
    first_are_there(&path, &life.name, AT_ONCE).await;
}
