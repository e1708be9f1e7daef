//! Two processes on one PostgreSQL: what one promotes the other serves, and both go on when the database is gone.
//!
//! ```text
//! cargo run --example two_processes   # starts a PostgreSQL server of its own, from the one that is installed
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use private_postgres::Server;
use promptops_core::base::{Actor, VersionNumber};
use promptops_core::prompt::Draft;
use promptops_core::resolve::Resolved;
use promptops_core::{PromptOps, Result, Tenant};
use promptops_examples::{chapter, row, say, table};
use promptops_store_pg::PgBackend;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel};

const PROMPT: &str = "support/triage";
const LIVE: &str = "support/triage@production";
/// How the second process is told where the database is. Not an argument: others could read the password there.
const URL: &str = "TWO_PROCESSES_URL";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a process is asked to do beside serving.
#[derive(Serialize, Deserialize)]
enum Order {
    SayState,
    Promote(VersionNumber),
    End,
}

/// What a process reports.
#[derive(Serialize, Deserialize)]
enum Report {
    /// It serves something else than before.
    Serves(State),
    /// What it serves now, because it was asked.
    Says(State),
    /// It begins to promote.
    Promotes {
        at: u64,
    },
    Failed(String),
    Ended {
        resolves: u64,
        failures: u64,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct State {
    /// Microseconds since 1970.
    at: u64,
    version: Option<VersionNumber>,
    revision: Option<u64>,
    /// Milliseconds since the database last confirmed it, when that is too long.
    stale: Option<u64>,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    match std::env::var(URL) {
        Ok(url) => second_process(&url).await,
        Err(_) => tour().await,
    }
}

/// What both processes do all the time: serve, and say when what they serve changes.
async fn serve(acme: Tenant, mut orders: UnboundedReceiver<Order>, report: impl Fn(Report)) {
    let (mut resolves, mut failures) = (0, 0);
    let mut before = None;
    loop {
        match acme.resolve(LIVE).await {
            Ok(resolved) => {
                let state = State::of(&resolved);
                let what = (state.revision, state.stale.is_some());
                if before.replace(what) != Some(what) {
                    report(Report::Serves(state));
                }
                match orders.try_recv() {
                    Ok(Order::SayState) => report(Report::Says(state)),
                    Ok(Order::Promote(number)) => {
                        report(Report::Promotes { at: now() });
                        if let Err(error) = promote(&acme, number).await {
                            report(Report::Failed(error.to_string()));
                        }
                    }
                    Ok(Order::End) | Err(TryRecvError::Disconnected) => break,
                    Err(TryRecvError::Empty) => {}
                }
            }
            Err(error) => {
                failures += 1;
                report(Report::Failed(error.to_string()));
            }
        }
        resolves += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    report(Report::Ended { resolves, failures });
}

async fn promote(acme: &Tenant, number: VersionNumber) -> Result<()> {
    let version = acme.prompts().get(format!("{PROMPT}@{number}")).await?;
    let bo = Actor::owner("bo");
    acme.environments()
        .promote(&version, "production", &bo)
        .await
        .map(drop)
}

/// The second process: orders come in on stdin, reports go out on stdout, a line each. It ends when stdin does.
async fn second_process(url: &str) -> Outcome<()> {
    let acme = PromptOps::builder(PgBackend::connect(url).await?)
        .build()
        .tenant("acme")?;
    let (sender, orders) = unbounded_channel();
    // A thread, since it waits for a line until the end.
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str(&line) else {
                break;
            };
            if sender.send(order).is_err() {
                break;
            }
        }
    });
    let report = |report: Report| {
        if let Ok(line) = serde_json::to_string(&report) {
            println!("{line}");
        }
    };
    serve(acme, orders, report).await;
    Ok(())
}

async fn tour() -> Outcome<()> {
    let mut server = Server::options().fsync(true).start()?;
    let url = server.url("postgres");
    let backend = PgBackend::connect(&url).await?;
    backend.migrate().await?;
    let acme = PromptOps::builder(backend).build().tenant("acme")?;
    save(&acme).await?;
    promote(&acme, VersionNumber::FIRST).await?;

    chapter(1, "Two processes serve one prompt from one database");
    let mut here = Process::this(acme.clone());
    let mut there = Process::second(&url)?;
    for process in [&mut here, &mut there] {
        let state = process.until(|state| state.revision == Some(1)).await?;
        say!("{:<18} serves {state}.", process.name);
    }

    chapter(2, "What one promotes, the other serves");
    let mut rows = vec![row!["promoted here", "call took", "served there after"]];
    for number in 2..=6 {
        let begin = now();
        promote(&acme, VersionNumber::new(number)?).await?;
        let took = now() - begin;
        let state = there
            .until(|state| state.revision == Some(u64::from(number)))
            .await?;
        rows.push(row![
            format!("v{number}"),
            millis(took),
            millis(since(begin, state.at))
        ]);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    table(&rows);
    say!("Both from the start of the call. Each process looks every millisecond or so.");

    chapter(3, "The database is gone: both go on, and say how old it is");
    server.stop_immediate()?;
    say!("The server was stopped as by a crash.");
    for pause in [0, 1_800, 1_000] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for process in [&mut here, &mut there] {
            let state = process.state().await?;
            say!("{:<18} serves {state}.", process.name);
        }
    }
    say!("While changes cannot be heard, an answer counts as fresh for one second.");
    match promote(&acme, VersionNumber::FIRST).await {
        Err(error) => say!("A promotion fails: {error}. ({})", error.kind()),
        Ok(()) => return Err("a promotion succeeded without a database".into()),
    }

    chapter(4, "It is back: both catch up");
    let begin = now();
    server.start_again()?;
    let ready = now();
    say!("The server started again in {}.", millis(since(begin, ready)));
    for process in [&mut here, &mut there] {
        let state = process.until(|state| state.stale.is_none()).await?;
        let after = millis(since(ready, state.at));
        say!("{:<18} serves {state}, {after} after that.", process.name);
    }

    chapter(5, "The other way: the second process promotes");
    there.order(Order::Promote(VersionNumber::FIRST))?;
    let begin = there.promotes().await?;
    let state = here.until(|state| state.revision == Some(7)).await?;
    let after = millis(since(begin, state.at));
    say!("This process serves {state}, {after} after it began, with connections made anew after the outage.");

    chapter(6, "What was asked, and what failed");
    let mut rows = vec![row!["process", "resolves", "failures"]];
    let mut failed = 0;
    for process in [&mut here, &mut there] {
        let (resolves, failures) = process.end().await?;
        rows.push(row![process.name, resolves, failures]);
        failed += failures;
    }
    table(&rows);
    match failed {
        0 => Ok(()),
        _ => Err("resolving failed, though something was known to serve".into()),
    }
}

async fn save(acme: &Tenant) -> Result<()> {
    for count in 1..=6 {
        let text = format!("Sort this ticket into one of {count} categories: {{{{ ticket }}}}");
        acme.prompts().save(PROMPT, Draft::text(text).by("ana")).await?;
    }
    Ok(())
}

/// A process that serves, as this one sees it.
struct Process {
    name: &'static str,
    orders: UnboundedSender<Order>,
    reports: UnboundedReceiver<Report>,
    /// Ended when this is dropped.
    _child: Option<Ending>,
}

impl Process {
    fn this(acme: Tenant) -> Self {
        let (orders, inbox) = unbounded_channel();
        let (outbox, reports) = unbounded_channel();
        tokio::spawn(serve(acme, inbox, move |report| {
            // Nobody listens any more at the end.
            let _ = outbox.send(report);
        }));
        Self {
            name: "This process",
            orders,
            reports,
            _child: None,
        }
    }

    /// Runs this program once more.
    fn second(url: &str) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map(Ending)?;
        let (mut stdin, stdout) = child
            .0
            .stdin
            .take()
            .zip(child.0.stdout.take())
            .ok_or("no pipes")?;
        let (orders, mut inbox) = unbounded_channel::<Order>();
        let (outbox, reports) = unbounded_channel();
        thread::spawn(move || -> Option<()> {
            loop {
                let line = serde_json::to_string(&inbox.blocking_recv()?).ok()?;
                writeln!(stdin, "{line}").ok()?;
            }
        });
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let report = serde_json::from_str(&line).unwrap_or(Report::Failed(line));
                if outbox.send(report).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            name: "The second process",
            orders,
            reports,
            _child: Some(child),
        })
    }

    fn order(&self, order: Order) -> Outcome<()> {
        Ok(self.orders.send(order).map_err(|_| self.gone())?)
    }

    fn gone(&self) -> String {
        format!("{} has ended", self.name.to_lowercase())
    }

    /// The next report of which this makes something.
    async fn wait<T>(&mut self, read: impl Fn(Report) -> Option<T>) -> Outcome<T> {
        let reading = async {
            while let Some(report) = self.reports.recv().await {
                match report {
                    Report::Failed(message) => return Err(message.into()),
                    report => {
                        if let Some(read) = read(report) {
                            return Ok(read);
                        }
                    }
                }
            }
            Err(self.gone().into())
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await?
    }

    /// When it serves something of this kind.
    async fn until(&mut self, wanted: impl Fn(&State) -> bool) -> Outcome<State> {
        self.wait(|report| match report {
            Report::Serves(state) => Some(state).filter(&wanted),
            _ => None,
        })
        .await
    }

    async fn state(&mut self) -> Outcome<State> {
        self.order(Order::SayState)?;
        self.wait(|report| match report {
            Report::Says(state) => Some(state),
            _ => None,
        })
        .await
    }

    async fn promotes(&mut self) -> Outcome<u64> {
        self.wait(|report| match report {
            Report::Promotes { at } => Some(at),
            _ => None,
        })
        .await
    }

    async fn end(&mut self) -> Outcome<(u64, u64)> {
        self.order(Order::End)?;
        self.wait(|report| match report {
            Report::Ended { resolves, failures } => Some((resolves, failures)),
            _ => None,
        })
        .await
    }
}

/// Ends a child however this process goes on.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl State {
    fn of(resolved: &Resolved) -> Self {
        Self {
            at: now(),
            version: resolved.version().map(|version| version.number),
            revision: resolved.revision(),
            stale: resolved
                .staleness()
                .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some(version) => version.fmt(f)?,
            None => f.write_str("a fallback")?,
        }
        match self.stale {
            Some(age) => write!(f, ", {:.1} s old", age as f64 / 1e3),
            None => f.write_str(", fresh"),
        }
    }
}

/// Microseconds since 1970: a clock that all processes of a machine share.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn since(begin: u64, end: u64) -> u64 {
    end.saturating_sub(begin)
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1e3)
}
