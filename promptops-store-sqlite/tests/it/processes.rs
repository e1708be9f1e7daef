//! Several processes on one file, and processes that are killed.
//!
//! The other process is this test binary again, told by the environment what to do.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use promptops_core::PromptOps;
use promptops_core::base::audit::{AuditHead, AuditStore};
use promptops_core::base::{PageRequest, VersionNumber};
use promptops_core::environment::EnvironmentStore;
use promptops_core::prompt::{Body, Lookup, Reference, Store};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, audit_log, name, production, promote, save};
use crate::{completion, deployments, files, improving, queued, runs, traffic};

const TASK: &str = "PROMPTOPS_TEST_TASK";
const FILE: &str = "PROMPTOPS_TEST_FILE";
const LABEL: &str = "PROMPTOPS_TEST_LABEL";

fn command(executable: &Path, task: &str, file: &Path, label: &str) -> Command {
    let mut command = Command::new(executable);
    command
        .args(["--exact", "processes::other_process", "--ignored", "--nocapture"])
        .env(TASK, task)
        .env(FILE, file)
        .env(LABEL, label)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

pub fn spawn(task: &str, file: &Path, label: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = command(&std::env::current_exe().unwrap(), task, file, label)
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// Tells the parent of a change that was acknowledged; in one write, so that a kill leaves no half of it.
pub fn acknowledge(what: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("\nack {what}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// The acknowledgements among what a child wrote; a last line without an end was cut short by the kill.
pub fn acknowledged(output: &str) -> Vec<Vec<String>> {
    output
        .split_inclusive('\n')
        .filter_map(|line| line.strip_prefix("ack ")?.strip_suffix('\n'))
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}

#[test]
#[ignore = "the other process of the tests below"]
fn other_process() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let file = std::env::var(FILE).unwrap();
    let label = std::env::var(LABEL).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = Path::new(&file);
        match task.as_str() {
            "write 40" => {
                let backend = SqliteBackend::open(file).await.unwrap();
                write(&backend, &label, 40).await;
                backend.close().await;
            }
            "write on" => {
                let backend = SqliteBackend::open(file).await.unwrap();
                tokio::join!(
                    write(&backend, &label, usize::MAX),
                    deployments::ship_on(&backend, &label)
                );
            }
            "serve" => serve(file).await,
            "evaluate" => runs::evaluate(file, &label).await,
            "record" => traffic::record(file, &label).await,
            "queue" => queued::record(file, &label).await,
            "improve" => improving::improve(file, &label).await,
            "complete" => completion::race(file, &label).await,
            "open" => files::open_read_only(file).await,
            other => panic!("unknown task {other}"),
        }
    });
}

/// Saves versions of `p` and moves the pointer of `q`, at the same time.
async fn write(backend: &SqliteBackend, label: &str, times: usize) {
    let saves = async {
        for n in 0..times {
            let text = format!("{label} {n}");
            let version = save(backend, "p", &text).await;
            acknowledge(&format!("save {} {text}", version.number.get()));
        }
    };
    let moves = async {
        let versions = [save(backend, "q", "one").await, save(backend, "q", "two").await];
        for n in 0..times {
            let version = &versions[n % 2];
            let pointer = promote(backend, version).await.unwrap();
            acknowledge(&format!("move {} {}", pointer.revision, version.number.get()));
        }
    };
    tokio::join!(saves, moves);
}

/// Says what is live, whenever that changes, until it is killed.
async fn serve(file: &Path) {
    let backend = SqliteBackend::open(file).await.unwrap();
    let ops = PromptOps::builder(backend).build();
    let tenant = ops.tenant("acme").unwrap();
    let mut last = None;
    loop {
        let revision = tenant.resolve("p@production").await.unwrap().revision();
        if revision != last {
            last = revision;
            acknowledge(&format!("serve {}", revision.unwrap()));
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_promotion_is_served_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let versions = [save(&backend, "p", "one").await, save(&backend, "p", "two").await];
    promote(&backend, &versions[0]).await.unwrap();
    let (mut child, stdout) = spawn("serve", &path, "");
    let mut served = stdout.lines().map_while(Result::ok).filter_map(|line| {
        let revision = line.strip_prefix("ack serve ")?;
        Some(revision.parse::<u64>().unwrap())
    });
    assert_eq!(served.next(), Some(1));
    // Each is served before the next is made; an answer would go on for a minute if nothing were heard.
    for round in 1..=20 {
        let pointer = promote(&backend, &versions[round % 2]).await.unwrap();
        assert_eq!(served.next(), Some(pointer.revision));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn two_processes_write_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let children = ["a", "b"].map(|label| spawn("write 40", &path, label));
    let mut numbers = BTreeSet::new();
    let mut revisions = BTreeSet::new();
    for (child, stdout) in children {
        let output = std::io::read_to_string(stdout).unwrap();
        assert!({ child }.wait().unwrap().success());
        for ack in acknowledged(&output) {
            let new = match ack[0].as_str() {
                "save" => numbers.insert(ack[1].parse::<u32>().unwrap()),
                _ => revisions.insert(ack[1].parse::<u32>().unwrap()),
            };
            assert!(new, "{ack:?} was given twice");
        }
    }
    assert!(numbers.iter().copied().eq(1..=80), "{numbers:?}");
    assert!(revisions.iter().copied().eq(1..=80), "{revisions:?}");
    let backend = SqliteBackend::open(&path).await.unwrap();
    // 80 saves, 80 moves, and the two versions of q.
    assert_eq!(audit_log(&backend).verify().await.unwrap(), 162);
}

/// What the parent knows about the file so far.
#[derive(Default)]
struct Checked {
    head: Option<AuditHead>,
    lives: u32,
    saves: usize,
    moves: usize,
    ships: usize,
}

impl Checked {
    /// Checks that all that was acknowledged is there and nothing is there by halves.
    async fn check(&mut self, path: &Path, label: &str, acks: &[Vec<String>]) {
        let backend = SqliteBackend::open(path).await.unwrap();
        for ack in acks {
            let number = |at: usize| ack[at].parse::<u64>().unwrap();
            match ack[0].as_str() {
                "save" => {
                    let number = VersionNumber::new(number(1) as u32).unwrap();
                    let reference = Reference::version(name("p"), number);
                    let found = backend.find(&acme(), &[reference]).await.unwrap().remove(0);
                    let Lookup::Found(found) = found else {
                        panic!("the acknowledged p {number} is lost");
                    };
                    let template = format!("{} {}", ack[2], ack[3]);
                    assert_eq!(found.version.content.body, Body::Text { template });
                    self.saves += 1;
                }
                "propose" | "ship" => {
                    deployments::check_acknowledged(&backend, ack).await;
                    self.ships += usize::from(ack[0] == "ship");
                }
                _ => {
                    let page = PageRequest::first(1).after((number(1) + 1).to_string());
                    let history = backend
                        .history(&acme(), &name("q"), &production(), &page)
                        .await
                        .unwrap();
                    let record = history.items.first().expect("the acknowledged move is lost");
                    assert_eq!(
                        (record.revision, u64::from(record.to.get())),
                        (number(1), number(2))
                    );
                    self.moves += 1;
                }
            }
        }

        let slots = backend.slots(&acme(), &name("q")).await.unwrap();
        let history = backend
            .history(&acme(), &name("q"), &production(), &PageRequest::first(1))
            .await
            .unwrap();
        let last = history.items.first();
        let pointer = slots.pointer(&production());
        assert_eq!(
            pointer.map(|pointer| (pointer.revision, pointer.version, pointer.closure_hash)),
            last.map(|record| (record.revision, record.to, record.closure_hash)),
        );

        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        if let Some(head) = self.head {
            page = page.after(head.seq.to_string());
        }
        loop {
            let records = backend.audit_records(&acme(), &page).await.unwrap();
            for record in &records.items {
                record.verify(self.head.as_ref()).unwrap();
                self.head = Some(record.head());
            }
            match records.next {
                Some(cursor) => page = page.after(cursor),
                None => break,
            }
        }
        assert_eq!(backend.audit_head(&acme()).await.unwrap(), self.head);

        // Each save, each move and each step of a deployment has its one audit record.
        let mut changes = pointer.map_or(0, |pointer| pointer.revision);
        changes += deployments::check_whole(&backend, path, label).await;
        for prompt in ["p", "q", "r"] {
            let record = backend.prompt(&acme(), &name(prompt)).await.unwrap();
            changes += record.map_or(0, |record| u64::from(record.latest.get()));
        }
        assert_eq!(changes, self.head.map_or(0, |head| head.seq));
        backend.close().await;
        self.lives += 1;
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    const LIVES: u32 = 200;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let mut checked = Checked::default();
    let mut seed = 0x5eed_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for life in 0..LIVES {
        let label = format!("life{life:03}");
        let (mut child, mut stdout) = spawn("write on", &path, &label);
        let mut output = String::new();
        // Some die early, while they open the file; most in the midst of writing.
        if life % 8 != 0 {
            while !(output.contains("ack move ") && output.contains("ack ship ")) {
                assert_ne!(stdout.read_line(&mut output).unwrap(), 0, "the child gave up");
            }
        }
        std::thread::sleep(Duration::from_micros(random(16_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        output += &std::io::read_to_string(stdout).unwrap();
        checked.check(&path, &label, &acknowledged(&output)).await;
    }
    let backend = SqliteBackend::open(&path).await.unwrap();
    let records = audit_log(&backend).verify().await.unwrap();
    println!(
        "{} lives, {} saves, {} moves and {} ships acknowledged, {records} audit records",
        checked.lives, checked.saves, checked.moves, checked.ships
    );
    assert_eq!(checked.lives, LIVES);
    // Ten times as many where the disk is quick to sync.
    let enough = LIVES as usize / 2;
    assert!(
        checked.saves > enough && checked.moves > enough && checked.ships > enough,
        "the children hardly wrote"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_is_refused_with_advice() {
    use std::fs::{Permissions, copy, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    // Not where TMPDIR says, which may be closed to the other user.
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let (log, plain) = (dir.path().join("log.db"), dir.path().join("plain.db"));
    SqliteBackend::open(&log).await.unwrap().close().await;
    crate::desk::raw(&plain)
        .execute_batch("CREATE TABLE host (id)")
        .unwrap();
    let executable = dir.path().join("test");
    copy(std::env::current_exe().unwrap(), &executable).unwrap();
    for file in [&log, &plain] {
        set_permissions(file, Permissions::from_mode(0o444)).unwrap();
    }
    set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();

    for (file, kind) in [
        (log, "backend"),
        (plain, "backend"),
        (dir.path().join("new.db"), "unavailable"),
    ] {
        let mut command = command(&executable, "open", &file, "");
        // Permissions do not bind root: then the other process is nobody.
        if std::fs::File::create(dir.path().join("probe")).is_ok() {
            command.uid(65_534);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let ack = text
            .lines()
            .find(|line| line.starts_with("ack "))
            .unwrap_or(&text)
            .to_owned();
        assert!(
            ack.starts_with(&format!("ack {kind} ")),
            "{}: {ack}",
            file.display()
        );
        assert!(ack.contains("the file and its directory"), "{ack}");
    }
    set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
}
