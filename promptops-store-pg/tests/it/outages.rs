//! The server goes away: in the middle of commits, under load, and for a while.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use private_postgres::Server;
use promptops_core::base::PageRequest;
use promptops_core::prompt::{Draft, VersionFilter};
use promptops_core::resolve::ResolveSettings;
use promptops_core::{ErrorKind, PromptOps, Tenant};
use promptops_store_pg::PgBackend;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::databases::{Database, pool};
use crate::desk::{acme, ana, fails, promote, save, text};
use crate::proxy::{Fault, Proxy};

/// A backend behind a proxy, whose connections are not tried before they are used.
async fn behind(proxy: &Proxy, database: &Database) -> PgBackend {
    let pool = PgPoolOptions::new()
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()));
    PgBackend::options()
        .statement_timeout(Duration::from_millis(500))
        .with_pool(pool)
}

/// How many versions of `triage` there are.
async fn versions(tenant: &Tenant) -> usize {
    let page = PageRequest::first(100);
    let versions = tenant
        .prompts()
        .versions("triage", &VersionFilter::default(), &page)
        .await;
    versions.unwrap().items.len()
}

async fn revision(tenant: &Tenant) -> u64 {
    tenant
        .environments()
        .get("triage", "production")
        .await
        .unwrap()
        .revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_commit_is_an_unknown_outcome() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    let one = save(&direct, "triage", "one").await;
    let two = save(&direct, "triage", "two").await;
    promote(&direct, &one).await;
    let proxy = Proxy::before(&database.owner()).await;
    let tenant = acme(behind(&proxy, &database).await);
    let draft = |text: &str| Draft::text(text).by(ana()).active();
    let words = ["it may have been made or not", "look before repeating it"];

    // A change of several statements, which ends with a commit.
    for (fault, made) in [
        (Fault::CutBefore(b"COMMIT\0"), 0),
        (Fault::CutAfter(b"COMMIT\0"), 1),
        (Fault::Hang(b"COMMIT\0"), 1),
    ] {
        let before = versions(&direct).await;
        proxy.next(fault.clone());
        let text = format!("{fault:?}");
        let saved = tenant.prompts().save("triage", draft(&text)).await;
        let error = fails(saved, ErrorKind::OutcomeUnknown, &words);
        assert!(!error.is_retryable(), "{fault:?}");
        assert!(proxy.has_struck());
        assert_eq!(versions(&direct).await, before + made, "{fault:?}");
        // Saving the same again is safe, whatever came of it.
        tenant.prompts().save("triage", draft(&text)).await.unwrap();
        assert_eq!(versions(&direct).await, before + 1, "{fault:?}");
    }

    // A change that is one statement and commits by itself; `move` is in what it puts on record.
    for (fault, made) in [
        (Fault::CutBefore(b"pointer_moved"), 0),
        (Fault::CutAfter(b"pointer_moved"), 1),
        (Fault::Hang(b"pointer_moved"), 1),
    ] {
        let live = revision(&direct).await;
        let version = if live % 2 == 0 { &one } else { &two };
        proxy.next(fault.clone());
        let environments = tenant.environments();
        let moved = environments.promote(version, "production", &ana()).await;
        fails(moved, ErrorKind::OutcomeUnknown, &words);
        assert!(proxy.has_struck());
        assert_eq!(revision(&direct).await, live + made, "{fault:?}");
        promote(&direct, if made == 1 { version } else { &one }).await;
    }
    let audit = direct.audit();
    audit.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_up_in_the_middle_of_a_commit_is_an_unknown_outcome() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    let one = save(&direct, "triage", "one").await;
    let proxy = Proxy::before(&database.owner()).await;
    let tenant = acme(behind(&proxy, &database).await);
    let full =
        "SPANIC\0VPANIC\0C53100\0Mcould not write to file \"pg_wal/xlogtemp.1\": No space left on device";
    proxy.next(Fault::Fail(b"COMMIT\0", full));
    let draft = Draft::text("two").by(ana());
    let saved = tenant.prompts().save("triage", draft).await;
    fails(saved, ErrorKind::OutcomeUnknown, &["look before repeating it"]);
    assert_eq!(versions(&direct).await, 2);

    let fatal = "SFATAL\0VFATAL\0CXX000\0Mout of some resource";
    proxy.next(Fault::Fail(b"pointer_moved", fatal));
    let moved = tenant.environments().promote(&one, "production", &ana()).await;
    fails(moved, ErrorKind::OutcomeUnknown, &["look before repeating it"]);
    assert_eq!(revision(&direct).await, 1);

    // What the server refuses and lives on is a definite failure.
    let refused = "SERROR\0VERROR\0C53100\0Mcould not extend file: No space left on device";
    proxy.next(Fault::Fail(b"pointer_moved", refused));
    let moved = tenant.environments().promote(&one, "staging", &ana()).await;
    fails(moved, ErrorKind::Unavailable, &["short of"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_commit_changed_nothing_and_reads_are_repeated() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    let one = save(&direct, "triage", "one").await;
    promote(&direct, &one).await;
    let proxy = Proxy::before(&database.owner()).await;
    let tenant = acme(behind(&proxy, &database).await);
    assert_eq!(text(&tenant, "triage@production").await, "one");

    proxy.next(Fault::CutAfter(b"BEGIN"));
    let draft = Draft::text("two").by(ana());
    tenant.prompts().save("triage", draft).await.unwrap();
    assert!(
        proxy.has_struck(),
        "a transaction that had not begun is begun again"
    );

    for fault in [Fault::CutBefore(b"triage"), Fault::CutAfter(b"triage")] {
        proxy.next(fault);
        assert_eq!(
            versions(&tenant).await,
            2,
            "a read is repeated on another connection"
        );
        assert!(proxy.has_struck());
    }

    // The content is in the statement that adds the version.
    proxy.next(Fault::CutAfter(b"never to be seen"));
    let draft = Draft::text("never to be seen").by(ana());
    let saved = tenant.prompts().save("triage", draft).await;
    let error = fails(saved, ErrorKind::Unavailable, &["the connection to it was lost"]);
    assert!(error.is_retryable());
    assert_eq!(versions(&direct).await, 2, "it was undone");

    proxy.next(Fault::Hang(b"triage"));
    let info = tenant.prompts().info("triage").await;
    fails(info, ErrorKind::Unavailable, &["did not answer within 500 ms"]);
    assert_eq!(tenant.prompts().info("triage").await.unwrap().latest.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_with_a_gate_waits_for_the_server_three_times() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    save(&direct, "rules", "Be brief.").await;
    let one = save(&direct, "triage", "{% include \"rules\" %} One.").await;
    let two = save(&direct, "triage", "{% include \"rules\" %} Two.").await;
    let policy = promptops_core::environment::Policy::open()
        .require_evaluation("golden", 0.5)
        .unwrap()
        .min_usage_count(1)
        .approvals(1);
    let environments = direct.environments();
    environments
        .set_policy("production", policy, &ana())
        .await
        .unwrap();
    let proxy = Proxy::before(&database.owner()).await;
    let pool = PgPoolOptions::new()
        .test_before_acquire(false)
        .max_connections(4)
        .connect_lazy_with(proxy.options(&database.owner()));
    let ops = PromptOps::builder(PgBackend::new(pool))
        .follow_changes(false)
        .build();
    let tenant = ops.tenant("acme").unwrap();
    let bo = promptops_core::base::Actor::owner("bo");
    let runs = AtomicU32::new(0);
    let prepare = async |version: &promptops_core::prompt::Version| {
        let resolved = direct
            .resolve(&format!("triage@{}", version.number))
            .await
            .unwrap();
        let metrics = direct.metrics();
        metrics
            .record_feedback(resolved.stamp(), true, None)
            .await
            .unwrap();
        let evidence = promptops_core::evaluation::Evidence {
            prompt: version.prompt.clone(),
            closure_hash: resolved.closure_hash(),
            dataset: promptops_core::base::DatasetName::new("golden").unwrap(),
            dataset_version: promptops_core::base::VersionNumber::FIRST,
            run: format!("run {}", runs.fetch_add(1, Ordering::Relaxed)),
            entries: 10,
            passed: 9,
            dimensions: Default::default(),
            judges: Default::default(),
        };
        direct
            .evaluations()
            .record_evidence(evidence, &ana())
            .await
            .unwrap();
        environments
            .approve(version, "production", &ana(), "")
            .await
            .unwrap();
    };
    // Each connection prepares each statement once, which is a wait more: the least is what all further ones take.
    let mut rounds = Vec::new();
    for version in [&one, &two].into_iter().cycle().take(24) {
        prepare(version).await;
        proxy.count_rounds();
        tenant
            .environments()
            .promote(version, "production", &bo)
            .await
            .unwrap();
        rounds.push(proxy.rounds());
    }
    assert_eq!(
        rounds.iter().min(),
        Some(&3),
        "snippets and slots, metrics and evidence, the move: {rounds:?}"
    );

    // A cold resolve without snippets waits once.
    let cold = PromptOps::builder(PgBackend::new(tenant_pool(&proxy, &database).await))
        .follow_changes(false)
        .build()
        .tenant("acme")
        .unwrap();
    cold.resolve("rules@v1").await.unwrap();
    cold.prompts().info("rules").await.unwrap();
    proxy.count_rounds();
    cold.resolve("rules").await.unwrap();
    assert_eq!(proxy.rounds(), 1);
}

async fn tenant_pool(proxy: &Proxy, database: &Database) -> sqlx::PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_from_a_snapshot_while_the_server_is_down() {
    let (mut server, options) = own_server().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prompts.snapshot");
    let ops = library(&options);
    let before = ops.tenant("acme").unwrap();
    let v1 = save(&before, "triage", "one").await;
    promote(&before, &v1).await;
    assert_eq!(text(&before, "triage@production").await, "one");
    assert_eq!(ops.write_snapshot(&path).await.unwrap().entries, 1);
    drop((ops, before));

    server = tokio::task::spawn_blocking(move || {
        server.stop_immediate().unwrap();
        server
    })
    .await
    .unwrap();
    let after = process(&options);
    let cold = after.resolve("triage@production").await;
    assert_eq!(
        cold.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "nothing is known"
    );
    let ops = library(&options);
    let after = ops.tenant("acme").unwrap();
    ops.read_snapshot(&path).await.unwrap();
    for _ in 0..10_000 {
        let answer = after.resolve("triage@production").await.unwrap();
        assert!(answer.staleness().is_some());
        assert_eq!(answer.render(&()).unwrap().text(), Some("one"));
    }

    let _server = tokio::task::spawn_blocking(move || {
        server.start_again().unwrap();
        server
    })
    .await
    .unwrap();
    let began = std::time::Instant::now();
    while after
        .resolve("triage@production")
        .await
        .unwrap()
        .staleness()
        .is_some()
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it is never fresh again"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server of this test's own, whose commits are on disk.
async fn own_server() -> (Server, PgConnectOptions) {
    let server = tokio::task::spawn_blocking(|| Server::options().fsync(true).start());
    let server = server.await.unwrap().unwrap();
    let options = PgConnectOptions::from_str(&server.url("postgres")).unwrap();
    PgBackend::new(pool(options.clone())).migrate().await.unwrap();
    (server, options)
}

/// A process: a library instance of its own, and its tenant.
fn process(options: &PgConnectOptions) -> Tenant {
    library(options).tenant("acme").unwrap()
}

fn library(options: &PgConnectOptions) -> PromptOps {
    let backend = PgBackend::options()
        .acquire_timeout(Duration::from_millis(300))
        .with_pool(pool(options.clone()));
    let mut settings = ResolveSettings::default();
    settings.max_age_unheard = Duration::from_millis(100);
    settings.retry_after = Duration::from_millis(100);
    PromptOps::builder(backend).resolve_settings(settings).build()
}

/// What writers and the test tell each other.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    moves: AtomicU32,
}

impl Load {
    /// Waits until the writers have moved a pointer this many times more.
    async fn wait_for(&self, more: u32) {
        let wanted = self.moves.load(Ordering::Relaxed) + more;
        while self.moves.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Saves and promotes until told to stop; returns what was acknowledged.
async fn write(tenant: Tenant, label: usize, load: Arc<Load>) -> (Vec<(u32, String)>, Vec<u64>) {
    let (mut saved, mut moved) = (Vec::new(), Vec::new());
    for n in 0.. {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("text {label} {n}");
        let draft = Draft::text(&text).by(ana()).active();
        // What fails is not acknowledged; whether it was done is another matter.
        let Ok(version) = tenant.prompts().save("p", draft).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        saved.push((version.number.get(), text));
        if let Ok(pointer) = tenant
            .environments()
            .promote(&version, "production", &ana())
            .await
        {
            moved.push(pointer.revision);
            load.moves.fetch_add(1, Ordering::Relaxed);
        }
    }
    (saved, moved)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_under_load_loses_nothing_acknowledged_and_nobody_is_without_an_answer() {
    let (mut server, options) = own_server().await;
    let [here, there] = [process(&options), process(&options)];
    let v1 = save(&here, "triage", "one").await;
    promote(&here, &v1).await;
    for tenant in [&here, &there] {
        assert_eq!(text(tenant, "triage@production").await, "one");
    }

    let load = Arc::new(Load::default());
    let writers: Vec<_> = (0..4)
        .map(|label| tokio::spawn(write(process(&options), label, Arc::clone(&load))))
        .collect();
    let failures = Arc::new(AtomicU32::new(0));
    let resolver = |tenant: Tenant| {
        let (load, failures) = (Arc::clone(&load), Arc::clone(&failures));
        tokio::spawn(async move {
            let mut count = 0_u32;
            while !load.stop.load(Ordering::Relaxed) {
                failures.fetch_add(
                    u32::from(tenant.resolve("triage@production").await.is_err()),
                    Ordering::Relaxed,
                );
                count += 1;
                if count.is_multiple_of(64) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            count
        })
    };
    let resolvers = [resolver(here.clone()), resolver(there.clone())];

    for _ in 0..3 {
        load.wait_for(15).await;
        server = tokio::task::spawn_blocking(move || {
            server.stop_immediate().unwrap();
            server
        })
        .await
        .unwrap();
        // Nothing is heard any more, and so answers say how old they are.
        let mut resolved = 0;
        let began = std::time::Instant::now();
        loop {
            let answer = here.resolve("triage@production").await.unwrap();
            resolved += 1;
            if resolved >= 10_000 && answer.staleness().is_some() && answer.failure().is_some() {
                break;
            }
            if resolved >= 10_000 {
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "it is never marked stale"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let environments = here.environments();
        let refused = environments.promote(&v1, "staging", &ana()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
        server = tokio::task::spawn_blocking(move || {
            server.start_again().unwrap();
            server
        })
        .await
        .unwrap();
    }
    load.wait_for(15).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut resolves = 0;
    for resolver in resolvers {
        resolves += resolver.await.unwrap();
    }
    assert_eq!(failures.load(Ordering::Relaxed), 0, "of {resolves}");
    assert!(resolves > 10_000, "{resolves}");

    // Both catch up.
    let v2 = save(&here, "triage", "two").await;
    promote(&here, &v2).await;
    for tenant in [&here, &there] {
        let began = std::time::Instant::now();
        loop {
            let answer = tenant.resolve("triage@production").await.unwrap();
            let is_new = answer
                .version()
                .is_some_and(|version| version.number == v2.number);
            if is_new && answer.staleness().is_none() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it does not catch up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    let (mut saves, mut revisions) = (0, BTreeSet::new());
    let checker = process(&options);
    for writer in writers {
        let (saved, moved) = writer.await.unwrap();
        for (number, expected) in saved {
            assert_eq!(text(&checker, &format!("p@v{number}")).await, expected);
            saves += 1;
        }
        for revision in moved {
            assert!(revisions.insert(revision), "revision {revision} was given twice");
        }
    }
    assert!(
        saves >= 60 && revisions.len() >= 60,
        "{saves} saves, {} moves",
        revisions.len()
    );
    let live = checker.environments().get("p", "production").await.unwrap();
    assert!(live.revision >= *revisions.last().unwrap());
    let mut page = PageRequest::first(1_000);
    let mut history = Vec::new();
    loop {
        let records = checker
            .environments()
            .history("p", "production", &page)
            .await
            .unwrap();
        history.extend(records.items.iter().map(|record| record.revision));
        match records.next {
            Some(cursor) => page = page.after(cursor),
            None => break,
        }
    }
    assert!(
        history.iter().rev().copied().eq(1..=live.revision),
        "the history has a gap"
    );
    checker.audit().verify().await.unwrap();
    println!(
        "{saves} saves and {} moves acknowledged, {resolves} resolves",
        revisions.len()
    );
}
