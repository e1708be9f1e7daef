//! Snapshots: what is written, what comes back, what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{Actor, Clock as _, ManualClock, Timestamp};
use promptops_core::prompt::{Draft, Version, placeholder, system, user};
use promptops_core::resolve::{ResolveSettings, SnapshotInfo};
use promptops_core::{ErrorKind, PromptOps, Tenant};
use serde_json::json;
use tempfile::TempDir;

use crate::faulty::{Faulty, Mode};

const HOUR: Duration = Duration::from_secs(3_600);

/// One process on a store that several share.
pub struct Process {
    pub clock: Arc<ManualClock>,
    pub ops: PromptOps,
    pub acme: Tenant,
}

pub fn start_with(store: &Arc<Faulty>, at: Timestamp, settings: ResolveSettings) -> Process {
    let clock = Arc::new(ManualClock::at(at));
    let ops = PromptOps::builder(store.stores())
        .clock(clock.clone())
        .resolve_settings(settings)
        .build();
    let acme = ops.tenant("acme").unwrap();
    Process { clock, ops, acme }
}

pub fn start(store: &Arc<Faulty>, at: Timestamp) -> Process {
    start_with(store, at, ResolveSettings::default())
}

pub fn noon() -> Timestamp {
    ManualClock::default().now()
}

fn ana() -> Actor {
    Actor::owner("ana")
}

pub async fn save(tenant: &Tenant, name: &str, draft: Draft) -> Version {
    tenant
        .prompts()
        .save(name, draft.by("ana").active())
        .await
        .unwrap()
}

async fn promote(tenant: &Tenant, version: &Version) {
    tenant
        .environments()
        .promote(version, "production", &ana())
        .await
        .unwrap();
}

async fn live(tenant: &Tenant, name: &str, text: &str) {
    let version = save(tenant, name, Draft::text(text)).await;
    promote(tenant, &version).await;
}

pub async fn text(tenant: &Tenant, reference: &str) -> String {
    let answer = tenant.resolve(reference).render(&()).await.unwrap();
    answer.text().unwrap().to_owned()
}

/// Lets work behind finish.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prompts.snapshot");
    (directory, path)
}

/// A store with a text, a chat with snippets inside each other, inherited prompts and snippets; and the references of
/// each tenant that lead to them.
pub async fn furnish(process: &Process) -> Vec<(&'static str, String)> {
    let (ops, acme) = (&process.ops, &process.acme);
    let shared = ops.tenant("shared").unwrap();
    live(&shared, "house/tone", "calm").await;
    live(
        &shared,
        "house/greeting",
        "Hello from {% include \"house/tone\" %} {{ who }}",
    )
    .await;
    for child in ["acme", "other"] {
        ops.tenants()
            .set_parent(child, Some("shared"), &ana())
            .await
            .unwrap();
    }
    let text = save(acme, "text", Draft::text("one")).await;
    promote(acme, &text).await;
    save(acme, "text", Draft::text("two").message("second").semver("1.2.0")).await;
    save(
        acme,
        "inner",
        Draft::text("[{{ a }} {% include \"house/tone@production\" %}]"),
    )
    .await;
    save(acme, "outer", Draft::text("({% include \"inner\" %})")).await;
    let chat = Draft::chat([
        system("{% include \"outer\" %} {% include \"house/tone@1\" %}"),
        placeholder("history"),
        user("{{ a }}"),
    ])
    .input_schema(json!({"properties": {"a": {}, "history": {}, "x": {"default": 0.1}}, "required": ["a"]}));
    let chat = save(acme, "chat", chat).await;
    promote(acme, &chat).await;
    // Another text of that name, for another tenant of the same parent.
    let other = ops.tenant("other").unwrap();
    live(&other, "house/tone", "wild").await;
    vec![
        ("acme", "text".into()),
        ("acme", "text@latest".into()),
        ("acme", "text@v1".into()),
        ("acme", "text@1".into()),
        ("acme", format!("text@{}", text.hash)),
        ("acme", "text@production".into()),
        ("acme", "chat@production".into()),
        ("acme", "outer".into()),
        ("acme", "house/greeting@production".into()),
        ("other", "house/greeting@production".into()),
        ("shared", "house/greeting".into()),
    ]
}

/// What a tenant gets for a reference: everything that can be seen of it.
async fn seen(ops: &PromptOps, tenant: &str, reference: &str) -> (String, Option<Duration>) {
    let tenant = ops.tenant(tenant).unwrap();
    let resolved = tenant.resolve(reference).await.unwrap();
    let parameters = json!({"a": "A", "who": "W", "history": [{"role": "user", "content": "H"}]});
    let messages = resolved.render(&parameters).unwrap().into_messages();
    let version = serde_json::to_string(resolved.version().unwrap()).unwrap();
    let parts = [
        serde_json::to_string(&messages).unwrap(),
        format!("{:?} {:?} {version}", resolved.stamp(), resolved.revision()),
        format!("{:?} {:?}", resolved.parameters(), resolved.closure_hash()),
    ];
    (parts.join("\n"), resolved.staleness())
}

pub async fn resolve_all(ops: &PromptOps, references: &[(&str, String)]) -> Vec<String> {
    let mut all = Vec::new();
    for (tenant, reference) in references {
        all.push(seen(ops, tenant, reference).await.0);
    }
    all
}

#[tokio::test]
async fn everything_comes_back_as_it_was() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    let references = furnish(&first).await;
    let before = resolve_all(&first.ops, &references).await;
    first.acme.resolve("nothing").fallback("mine").await.unwrap();
    first.clock.advance(Duration::from_secs(10));
    let written = first.ops.write_snapshot(&path).await.unwrap();
    assert_eq!((written.entries, written.left_out), (references.len(), 0));
    assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(written.taken_at, first.clock.now());

    store.set(Mode::Fails);
    let second = start(&store, noon() + HOUR);
    assert_eq!(second.ops.read_snapshot(&path).await.unwrap(), written);
    for ((tenant, reference), before) in references.iter().zip(&before) {
        let (after, staleness) = seen(&second.ops, tenant, reference).await;
        assert_eq!(after, *before, "{reference} of {tenant}");
        assert_eq!(staleness, Some(HOUR), "{reference} of {tenant}");
    }
    // What was cached for one tenant is that tenant's alone, and what was not cached is not served.
    for (tenant, reference) in [
        ("other", "text"),
        ("other", "chat@production"),
        ("shared", "text"),
        ("third", "house/greeting"),
        ("acme", "house/tone"),
        ("acme", "nothing"),
    ] {
        let error = second
            .ops
            .tenant(tenant)
            .unwrap()
            .resolve(reference)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{reference} of {tenant}");
    }
    // A snapshot of what was restored holds as much, and says how old it truly is.
    let again = path.with_extension("2");
    let rewritten = second.ops.write_snapshot(&again).await.unwrap();
    assert_eq!(rewritten.entries, written.entries);
    let third = start(&store, noon() + HOUR * 2);
    third.ops.read_snapshot(&again).await.unwrap();
    for ((tenant, reference), before) in references.iter().zip(&before) {
        let (after, staleness) = seen(&third.ops, tenant, reference).await;
        assert_eq!((&after, staleness), (before, Some(HOUR * 2)));
    }
}

#[tokio::test]
async fn the_same_cache_makes_the_same_bytes() {
    let mut files = Vec::new();
    for backwards in [false, true] {
        let (store, (_directory, path)) = (Faulty::new(), place());
        let process = start(&store, noon());
        let mut references = furnish(&process).await;
        if backwards {
            references.reverse();
        }
        resolve_all(&process.ops, &references).await;
        process.ops.write_snapshot(&path).await.unwrap();
        files.push(fs::read(&path).unwrap());
    }
    assert_eq!(files[0], files[1]);
}

#[tokio::test]
async fn contents_and_prompts_are_written_once() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let process = start(&store, noon());
    let shared = process.ops.tenant("shared").unwrap();
    live(&shared, "tone", &"calm ".repeat(1_000)).await;
    live(&shared, "triage", "{% include \"tone\" %}").await;
    for i in 0..20 {
        let child = format!("child{i}");
        process
            .ops
            .tenants()
            .set_parent(&child, Some("shared"), &ana())
            .await
            .unwrap();
        for reference in ["triage", "triage@production", "tone"] {
            text(&process.ops.tenant(&child).unwrap(), reference).await;
        }
    }
    let written = process.ops.write_snapshot(&path).await.unwrap();
    assert_eq!(written.entries, 60);
    assert!(written.bytes < 20_000, "{written:?}");
    store.set(Mode::Fails);
    let next = start(&store, noon());
    assert_eq!(next.ops.read_snapshot(&path).await.unwrap().left_out, 0);
    assert_eq!(next.ops.cache_stats().entries, 60);
    assert_eq!(
        text(&next.ops.tenant("child7").unwrap(), "triage").await,
        "calm ".repeat(1_000)
    );
}

/// A file with one reference, live as "one".
pub async fn snapshot_of_one(store: &Arc<Faulty>, path: &Path) -> SnapshotInfo {
    let process = start(store, noon());
    live(&process.acme, "triage", "one").await;
    assert_eq!(text(&process.acme, "triage@production").await, "one");
    process.ops.write_snapshot(path).await.unwrap()
}

#[tokio::test]
async fn a_process_starts_and_serves_while_the_store_is_down() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    live(&first.acme, "triage", "one").await;
    assert_eq!(text(&first.acme, "triage@production").await, "one");
    first.clock.advance(Duration::from_secs(30));
    first.ops.write_snapshot(&path).await.unwrap();
    // The snapshot does not know of this any more.
    live(&first.acme, "triage", "two").await;

    store.set(Mode::Fails);
    let second = start(&store, noon() + HOUR);
    second.ops.read_snapshot(&path).await.unwrap();
    for i in 0..10_000 {
        let answer = second
            .acme
            .resolve("triage@production")
            .render(&())
            .await
            .unwrap();
        assert_eq!(answer.text(), Some("one"));
        assert_eq!(answer.staleness(), Some(HOUR + Duration::from_secs(i / 1_000)));
        if i % 1_000 == 999 {
            second.clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }
    let stats = second.ops.cache_stats();
    assert!(stats.failed_loads <= 12, "{stats:?}");
    let why = second
        .acme
        .try_resolve("triage@production")
        .unwrap()
        .failure()
        .unwrap();
    assert!(why.to_string().contains("the database is down"), "{why}");

    store.set(Mode::Works);
    second.clock.advance(Duration::from_secs(2));
    second.acme.resolve("triage@production").await.unwrap();
    settle().await;
    let resolved = second.acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.staleness(), None);
    assert_eq!(resolved.render(&()).unwrap().text(), Some("two"));
}

#[tokio::test]
async fn a_store_that_answers_is_asked_first_and_counts() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    let elsewhere = start(&store, noon());
    live(&elsewhere.acme, "triage", "two").await;

    let process = start(&store, noon() + HOUR);
    process.ops.read_snapshot(&path).await.unwrap();
    let before = store.finds();
    let resolved = process.acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.render(&()).unwrap().text(), Some("two"));
    assert_eq!(resolved.staleness(), None);
    // From here on it is as any other.
    assert_eq!(text(&process.acme, "triage@production").await, "two");
    assert_eq!(store.finds(), before + 1);
    live(&process.acme, "triage", "three").await;
    assert_eq!(text(&process.acme, "triage@production").await, "three");
}

#[tokio::test]
async fn who_cannot_wait_is_served_at_once_while_it_is_loaded_behind() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    live(&start(&store, noon()).acme, "triage", "two").await;
    let process = start(&store, noon() + HOUR);
    process.ops.read_snapshot(&path).await.unwrap();
    let resolved = process.acme.try_resolve("triage@production").unwrap();
    assert_eq!(resolved.render(&()).unwrap().text(), Some("one"));
    assert_eq!(resolved.staleness(), Some(HOUR));
    settle().await;
    let resolved = process.acme.try_resolve("triage@production").unwrap();
    assert_eq!(resolved.render(&()).unwrap().text(), Some("two"));
    assert_eq!(resolved.staleness(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_is_waited_for_once() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    store.set(Mode::Hangs);
    let process = start(&store, noon() + HOUR);
    process.ops.read_snapshot(&path).await.unwrap();
    let begin = tokio::time::Instant::now();
    assert_eq!(text(&process.acme, "triage@production").await, "one");
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    for _ in 0..10 {
        process.clock.advance(Duration::from_secs(3));
        let resolved = process.acme.resolve("triage@production").await.unwrap();
        assert!(resolved.staleness().unwrap() > HOUR);
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn ages_are_true_across_processes_and_never_less_than_they_were() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    live(&first.acme, "triage", "one").await;
    text(&first.acme, "triage").await;
    first.clock.advance(Duration::from_secs(40));
    // The wall clock is set meanwhile: what is measured within one process does not depend on it.
    first.clock.set_wall(noon() + HOUR * 5);
    first.ops.write_snapshot(&path).await.unwrap();
    store.set(Mode::Fails);
    for (at, age) in [
        (noon() + HOUR * 5, Duration::from_secs(40)),
        (noon() + HOUR * 6, HOUR + Duration::from_secs(40)),
        (noon() - HOUR * 100, Duration::from_secs(40)),
    ] {
        let process = start(&store, at);
        process.clock.advance(Duration::from_secs(7));
        process.clock.set_wall(at);
        process.ops.read_snapshot(&path).await.unwrap();
        let resolved = process.acme.try_resolve("triage").unwrap();
        assert_eq!(resolved.staleness(), Some(age), "{at}");
        process.clock.advance(Duration::from_secs(1));
        let resolved = process.acme.try_resolve("triage").unwrap();
        assert_eq!(resolved.staleness(), Some(age + Duration::from_secs(1)), "{at}");
    }
}

#[tokio::test]
async fn what_this_process_knows_is_not_replaced() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    let process = start(&store, noon() + HOUR);
    live(&process.acme, "triage", "two").await;
    assert_eq!(text(&process.acme, "triage@production").await, "two");
    let read = process.ops.read_snapshot(&path).await.unwrap();
    assert_eq!((read.entries, read.left_out), (1, 1));
    store.set(Mode::Fails);
    let resolved = process.acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.render(&()).unwrap().text(), Some("two"));
    assert_eq!(resolved.staleness(), None);
    // Nor does reading it twice make anything of it.
    let process = start(&store, noon() + HOUR);
    assert_eq!(process.ops.read_snapshot(&path).await.unwrap().left_out, 0);
    assert_eq!(process.ops.read_snapshot(&path).await.unwrap().left_out, 1);
    assert_eq!(process.ops.cache_stats().entries, 1);
}

#[tokio::test]
async fn what_the_store_says_is_gone_is_gone() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    let version = save(&first.acme, "triage", Draft::text("one")).await;
    text(&first.acme, "triage").await;
    first.ops.write_snapshot(&path).await.unwrap();
    first.acme.prompts().archive(&version, &ana()).await.unwrap();

    let process = start(&store, noon() + HOUR);
    process.ops.read_snapshot(&path).await.unwrap();
    assert!(process.acme.resolve("triage").await.unwrap_err().is_not_found());
    assert_eq!(process.ops.cache_stats().entries, 0);
    // Told so before, it is not taken at all.
    let process = start(&store, noon() + HOUR);
    assert!(process.acme.resolve("triage").await.unwrap_err().is_not_found());
    assert_eq!(process.ops.read_snapshot(&path).await.unwrap().left_out, 1);
    store.set(Mode::Fails);
    assert!(process.acme.resolve("triage").await.is_err());
}

#[tokio::test]
async fn a_snapshot_read_after_a_failure_is_served_without_asking_again() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    store.set(Mode::Fails);
    let process = start(&store, noon() + HOUR);
    assert!(process.acme.resolve("triage@production").await.is_err());
    let before = store.finds();
    process.ops.read_snapshot(&path).await.unwrap();
    let resolved = process.acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.staleness(), Some(HOUR));
    assert!(resolved.failure().is_some());
    settle().await;
    assert_eq!(store.finds(), before);
}

#[tokio::test]
async fn a_load_under_way_counts_more_than_a_snapshot_read_meanwhile() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    snapshot_of_one(&store, &path).await;
    let process = start(&store, noon() + HOUR);
    live(&process.acme, "triage", "two").await;
    store.set(Mode::Waits);
    let acme = process.acme.clone();
    let load = tokio::spawn(async move { text(&acme, "triage@production").await });
    settle().await;
    // An event about something else, so that the load is not the latest.
    store.set(Mode::Works);
    save(&process.acme, "else", Draft::text("x")).await;
    assert_eq!(process.ops.read_snapshot(&path).await.unwrap().left_out, 0);
    store.release();
    assert_eq!(load.await.unwrap(), "two");
    let before = store.finds();
    let resolved = process.acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.staleness(), None);
    assert_eq!(resolved.render(&()).unwrap().text(), Some("two"));
    assert_eq!(store.finds(), before);
}

#[tokio::test]
async fn the_bounds_of_the_cache_hold() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    for i in 0..100 {
        let name = format!("p{i}");
        save(
            &first.acme,
            &name,
            Draft::text(format!("{i} {}", "x".repeat(4_000))),
        )
        .await;
        text(&first.acme, &name).await;
    }
    first.ops.write_snapshot(&path).await.unwrap();

    let mut settings = ResolveSettings::default();
    settings.max_entries = 10;
    let process = start_with(&store, noon(), settings);
    save(&process.acme, "own", Draft::text("own")).await;
    text(&process.acme, "own").await;
    let read = process.ops.read_snapshot(&path).await.unwrap();
    assert_eq!((read.entries, read.left_out), (100, 91));
    assert_eq!(process.ops.cache_stats().entries, 10);
    let before = store.finds();
    text(&process.acme, "own").await;
    assert_eq!(
        store.finds(),
        before,
        "what was loaded is not given up for a snapshot"
    );
    // What is loaded later is taken for it.
    for i in 0..100 {
        text(&process.acme, &format!("p{i}")).await;
        assert!(process.ops.cache_stats().entries <= 10);
    }

    let mut settings = ResolveSettings::default();
    settings.max_bytes = 100 << 10;
    let process = start_with(&store, noon(), settings);
    let read = process.ops.read_snapshot(&path).await.unwrap();
    let stats = process.ops.cache_stats();
    assert!(stats.bytes <= 100 << 10 && stats.entries > 5, "{stats:?}");
    assert_eq!(read.left_out, 100 - stats.entries);
}

#[tokio::test]
async fn what_this_process_cannot_compile_is_left_to_the_store() {
    let (store, (_directory, path)) = (Faulty::new(), place());
    let first = start(&store, noon());
    let references = furnish(&first).await;
    resolve_all(&first.ops, &references).await;
    first.ops.write_snapshot(&path).await.unwrap();
    store.set(Mode::Fails);
    let mut limits = promptops_core::render::SnippetLimits::default();
    limits.depth = 1;
    let ops = PromptOps::builder(store.stores()).snippet_limits(limits).build();
    let read = ops.read_snapshot(&path).await.unwrap();
    // The chat and the outer snippet go deeper.
    assert_eq!((read.entries, read.left_out), (references.len(), 2));
    let acme = ops.tenant("acme").unwrap();
    assert_eq!(text(&acme, "text").await, "two");
    assert!(acme.resolve("outer").await.unwrap_err().is_retryable());
}
