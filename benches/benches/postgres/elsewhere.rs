//! How long after the start of a promotion another process serves it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use promptops_benches::measure::Samples;
use promptops_benches::prompt;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::Actor;
use promptops_core::prompt::{Draft, system, user};
use promptops_core::{PromptOps, Stores};
use promptops_store_pg::PgBackend;
use promptops_store_sqlite::SqliteBackend;

use crate::database::Database;

const PROMOTIONS: usize = 400;
/// Between the end of one and the start of the next.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks of the second process: what a machine of two processors can spare beside a server.
const LOOK: Duration = Duration::from_micros(20);
const TENANT: &str = "elsewhere";
const LIVE: &str = "triage@production";

/// How the second process is told what to open.
const POSTGRES: &str = "PROMPTOPS_BENCH_POSTGRES";
const SQLITE: &str = "PROMPTOPS_BENCH_SQLITE";

/// What both processes share.
pub enum World {
    Postgres(String),
    Sqlite(PathBuf),
}

impl World {
    /// What is to be opened, if this is the second process.
    pub fn of_second_process() -> Option<Self> {
        let url = std::env::var(POSTGRES).ok().map(Self::Postgres);
        url.or_else(|| std::env::var_os(SQLITE).map(|path| Self::Sqlite(path.into())))
    }

    async fn open(&self) -> Stores {
        match self {
            Self::Postgres(url) => PgBackend::connect(url).await.expect("the server answers").into(),
            Self::Sqlite(path) => SqliteBackend::open(path).await.expect("it opens").into(),
        }
    }

    fn variable(&self) -> (&'static str, &Path) {
        match self {
            Self::Postgres(url) => (POSTGRES, Path::new(url)),
            Self::Sqlite(path) => (SQLITE, path),
        }
    }
}

/// The second process: prints revision and time, in microseconds since 1970, whenever it serves another revision.
pub fn serve(world: &World) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let ops = PromptOps::builder(world.open().await).build();
        let tenant = ops.tenant(TENANT).expect("a name");
        let mut before = None;
        let mut out = std::io::stdout();
        loop {
            let revision = tenant.resolve(LIVE).await.expect("it is live").revision();
            if revision != before {
                before = revision;
                // Until nobody reads it any more.
                if writeln!(out, "{} {}", revision.unwrap_or(0), micros()).is_err() {
                    return;
                }
            }
            // Not the runtime's, which sleeps for a millisecond at least. This is not one of its workers.
            std::thread::sleep(LOOK);
        }
    });
}

fn micros() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later than 1970");
    since.as_micros() as u64
}

pub async fn run(database: &Database) {
    let mut table = Table::new(
        "from the start of a promotion to another process serving it",
        "the promotion's own call, which a caller waits for anyway",
    );
    let world = World::Postgres(database.server.socket_url("postgres"));
    measure(&mut table, "PostgreSQL", &world, 5e6).await;
    // Apart, since the disk takes the most of it.
    let url = format!(
        "{}?options=-c%20synchronous_commit%3Doff",
        database.server.socket_url("postgres")
    );
    let what = "PostgreSQL, commits not waiting for the disk";
    measure(&mut table, what, &World::Postgres(url), 5e6).await;
    let directory = tempfile::tempdir().expect("a directory");
    let world = World::Sqlite(directory.path().join("prompts.db"));
    measure(&mut table, "SQLite, one file", &world, 10e6).await;
}

async fn measure(table: &mut Table, what: &str, world: &World, goal: f64) {
    let ops = PromptOps::builder(world.open().await).build();
    let tenant = ops.tenant(TENANT).expect("a name");
    let ana = Actor::owner("ana");
    let mut versions = Vec::new();
    for mark in 0..2 {
        let [first, second] = prompt::templates_inline(mark);
        let draft = Draft::chat([system(first), user(second)]).by(&ana);
        versions.push(tenant.prompts().save("triage", draft).await.expect("it is saved"));
    }
    let environments = tenant.environments();
    let promote = async |i: usize| {
        let promotion = environments.promote(&versions[i % 2], "production", &ana);
        promotion.await.expect("it is promoted").revision
    };
    let first = promote(0).await;
    let other = Other::start(world);
    other.wait_for(first);
    let (mut seen, mut call) = (Samples::default(), Samples::default());
    for i in 1..=PROMOTIONS {
        tokio::time::sleep(PAUSE).await;
        let begin = micros();
        let revision = promote(i).await;
        call.push((micros() - begin) as f64 * 1e3);
        let at = tokio::task::block_in_place(|| other.wait_for(revision));
        seen.push(at.saturating_sub(begin) as f64 * 1e3);
    }
    for (name, share, goal) in [("median", 0.5, Goal::None), ("p99", 0.99, Goal::AtMost(goal))] {
        let floor = Some(call.percentile(share));
        table.times(&format!("{what}, {name}"), seen.percentile(share), floor, goal);
    }
    let late = seen.above(&call);
    table.spread(
        &format!("{what}, after the call's return"),
        &late,
        None,
        Goal::None,
    );
}

/// The second process. Ended when this is dropped.
struct Other {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Other {
    fn start(world: &World) -> Self {
        let (name, value) = world.variable();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(name, value)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// When it served this revision first.
    fn wait_for(&self, revision: u64) -> u64 {
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(10))
                .expect("it serves it");
            let (number, at) = line.split_once(' ').expect("a revision and a time");
            if number.parse() == Ok(revision) {
                return at.parse().expect("a time");
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
