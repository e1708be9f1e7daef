//! What the cache takes: 100,000 references that share 10,000 prompts, and a bound on bytes.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use promptops_benches::is_bench;
use promptops_benches::memory::{Weighing, in_use, resident};
use promptops_benches::prompt;
use promptops_benches::table::{Table, bytes, time};
use promptops_core::base::{Actor, EnvironmentName, PromptName};
use promptops_core::prompt::{Content, Draft, system, user};
use promptops_core::render::{
    Closure, ClosureRoot, CompiledPrompt, Engine, RenderLimits, SnippetLimits, StoreSnippets,
};
use promptops_core::resolve::ResolveSettings;
use promptops_core::{MemoryBackend, PromptOps, Stores};
use tera::Tera;

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

/// What the second process is told.
const BOUNDED: &str = "bounded";

const TENANTS: usize = 2_500;
const PROMPTS: usize = 4;
const ENVIRONMENTS: usize = 10;

fn main() {
    if !is_bench() {
        return;
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            // Each in a process of its own, so that neither finds memory that the other left.
            if std::env::args().any(|argument| argument == BOUNDED) {
                bounded().await;
            } else {
                pointers().await;
                let program = std::env::current_exe().expect("it has a path");
                let child = Command::new(program).args(["--bench", BOUNDED]).status();
                assert!(child.expect("it starts").success());
            }
        });
}

fn tenant_name(i: usize) -> String {
    format!("tenant-{i:05}")
}

fn reference(prompt: usize, environment: usize) -> String {
    format!("support/triage-{prompt}@production-{environment}")
}

fn ops(stores: &Stores, max_bytes: usize) -> PromptOps {
    let mut settings = ResolveSettings::default();
    settings.max_age = Duration::from_secs(3_600);
    settings.max_bytes = max_bytes;
    let environments = (0..ENVIRONMENTS).map(|i| format!("production-{i}"));
    PromptOps::builder(stores.clone())
        .environments(environments)
        .expect("the names are well formed")
        .resolve_settings(settings)
        .build()
}

async fn build_stores() -> (Stores, Duration) {
    let stores = Stores::from(MemoryBackend::new());
    let begin = Instant::now();
    build(&ops(&stores, usize::MAX)).await;
    (stores, begin.elapsed())
}

async fn pointers() {
    let mut table = Table::new(
        "the cache's memory, 2 KB chat prompts without snippets",
        "a bare Tera with the same templates",
    );
    let (stores, took) = build_stores().await;
    table.row(
        [
            "building 100,000 pointers in memory",
            &time(took.as_nanos() as f64),
            "",
            "",
            "≤ 60 s",
        ],
        Some(took < Duration::from_secs(60)),
    );
    let (prompts, pointers) = (TENANTS * PROMPTS, TENANTS * PROMPTS * ENVIRONMENTS);

    // First of all, so that nothing that was freed before is taken again without growing.
    let all = ops(&stores, usize::MAX);
    let (before, resident_before) = (in_use(), resident());
    load(&all, ENVIRONMENTS).await;
    let (real, grown) = (in_use() - before, resident().saturating_sub(resident_before));
    assert_eq!(all.cache_stats().entries, pointers, "nothing was evicted");
    for (what, size) in [("in use", real), ("resident growth", grown)] {
        let what = format!("100,000 pointers to 10,000 prompts, {what}");
        table.row(
            [&what, &bytes(size), "", "", "≤ 250 MB"],
            Some(size <= 250_000_000),
        );
    }
    estimate(
        &mut table,
        "the cache's estimate of it",
        all.cache_stats().bytes,
        real,
    );
    drop(all);

    let one_each = ops(&stores, usize::MAX);
    let before = in_use();
    load(&one_each, 1).await;
    let real_of_one_each = in_use() - before;
    let floor = floor();
    let per_prompt = real_of_one_each / prompts;
    let ratio = format!("{:.2}", per_prompt as f64 / floor as f64);
    table.row(
        [
            "a prompt with one reference",
            &bytes(per_prompt),
            &bytes(floor),
            &ratio,
            "",
        ],
        None,
    );
    let estimated = one_each.cache_stats().bytes / prompts;
    estimate(&mut table, "the cache's estimate of it", estimated, per_prompt);
    let further = (real - real_of_one_each) / (pointers - prompts);
    for lines in [0, 10, 100] {
        let (real, estimated, source) = of_text(lines).await;
        let what = format!("the estimate of a text prompt of {source} bytes");
        estimate(&mut table, &what, estimated, real);
    }
    table.row(
        ["each further reference to it", &bytes(further), "", "", ""],
        None,
    );
    let compiled = compiled(&stores).await;
    let ratio = format!("{:.2}", compiled as f64 / floor as f64);
    table.row(
        [
            "the chat prompt with 2 snippets, compiled",
            &bytes(compiled),
            &bytes(floor),
            &ratio,
            "≤ 8.2 KB",
        ],
        Some(compiled <= 8 << 10),
    );
}

/// Bytes of the chat prompt's compiled form alone, with its snippets; not those of the content that it was made from.
async fn compiled(stores: &Stores) -> usize {
    const COUNT: usize = 1_000;
    let ops = ops(stores, usize::MAX);
    let acme = ops.tenant("compiled").expect("a name");
    for (name, text) in prompt::SNIPPETS {
        let draft = Draft::text(text).by("ana").active();
        acme.prompts().save(name, draft).await.expect("it is saved");
    }
    let [first, second] = prompt::templates(1);
    let content = Content::chat([system(&first), user(&second)]);
    let root = ClosureRoot::new(PromptName::new("chat").expect("a name"), None, Arc::new(content));
    let snippets = StoreSnippets::new(Arc::clone(&stores.prompts));
    let limits = SnippetLimits::default();
    let closure = Closure::resolve(acme.id(), root, &snippets, &limits);
    let closure = closure.await.expect("its snippets are there");
    let before = in_use();
    let kept: Vec<CompiledPrompt> = (0..COUNT)
        .map(|_| CompiledPrompt::compile(&closure, RenderLimits::default()).expect("it compiles"))
        .collect();
    assert_eq!(kept[0].engine(), &Engine::Compiled);
    (in_use() - before) / kept.len()
}

fn estimate(table: &mut Table, what: &str, estimate: usize, real: usize) {
    let share = estimate as f64 / real as f64;
    table.row(
        [
            what,
            &bytes(estimate),
            &bytes(real),
            &format!("{share:.2}"),
            "0.7 – 1.3",
        ],
        Some((0.7..=1.3).contains(&share)),
    );
}

/// Bytes of a text prompt with a variable in each line: real ones, the estimate, and those of its source.
async fn of_text(lines: usize) -> (usize, usize, usize) {
    const COUNT: usize = 500;
    let ops = ops(&Stores::from(MemoryBackend::new()), usize::MAX);
    let acme = ops.tenant("acme").expect("a name");
    let mut source = 0;
    for i in 0..COUNT {
        let line = "Write short sentences and plain words, {{ name }}, and begin with the answer to what is asked.\n";
        let text = format!("{}Hello {{{{ name }}}}, this is {i:03}.", line.repeat(lines));
        source = text.len();
        let draft = Draft::text(text).by("ana").active();
        acme.prompts()
            .save(format!("triage-{i:03}"), draft)
            .await
            .expect("it is saved");
    }
    let before = in_use();
    for i in 0..COUNT {
        acme.resolve(&format!("triage-{i:03}"))
            .await
            .expect("it is active");
    }
    // The backend in memory shares its contents with the cache; other ones do not.
    let real = (in_use() - before) / COUNT + source;
    (real, ops.cache_stats().bytes / COUNT, source)
}

/// Bytes of an engine alone.
fn floor() -> usize {
    const COUNT: usize = 1_000;
    let mut base = Tera::default();
    base.autoescape_on(Vec::<&str>::new());
    let before = in_use();
    let kept: Vec<Tera> = (0..COUNT)
        .map(|mark| {
            let [first, second] = prompt::templates_inline(mark);
            let mut tera = base.clone();
            tera.add_raw_templates([("0", first), ("1", second)])
                .expect("the templates are well formed");
            tera
        })
        .collect();
    (in_use() - before) / kept.len()
}

async fn build(ops: &PromptOps) {
    let ana = Actor::owner("ana");
    let environments: Vec<EnvironmentName> = (0..ENVIRONMENTS)
        .map(|i| EnvironmentName::new(format!("production-{i}")).expect("a name"))
        .collect();
    for t in 0..TENANTS {
        let tenant = ops.tenant(tenant_name(t)).expect("a name");
        for p in 0..PROMPTS {
            let [first, second] = prompt::templates_inline(t * PROMPTS + p);
            let draft = Draft::chat([system(first), user(second)]).by(&ana);
            let name = format!("support/triage-{p}");
            let version = tenant.prompts().save(name, draft).await.expect("it is saved");
            for environment in &environments {
                let environments = tenant.environments();
                let promotion = environments.promote(&version, environment.as_str(), &ana);
                promotion.await.expect("it is promoted");
            }
        }
    }
}

async fn load(ops: &PromptOps, environments: usize) {
    for t in 0..TENANTS {
        let tenant = ops.tenant(tenant_name(t)).expect("a name");
        for p in 0..PROMPTS {
            for e in 0..environments {
                tenant.resolve(&reference(p, e)).await.expect("it is live");
            }
        }
    }
}

/// 50,000 loads through a cache of 24 MiB.
async fn bounded() {
    let mut table = Table::new("50,000 prompts through a cache of 24 MiB", "the bound");
    let (stores, _) = build_stores().await;
    let most = 24 << 20;
    let ops = ops(&stores, most);
    let (before, resident_before) = (in_use(), resident());
    let (mut real, mut grown) = (0, 0);
    for _ in 0..5 {
        load(&ops, 1).await;
        real = real.max(in_use() - before);
        grown = grown.max(resident().saturating_sub(resident_before));
    }
    let stats = ops.cache_stats();
    assert_eq!(
        stats.loads, 50_000,
        "every prompt was given up before it came again"
    );
    for (what, size) in [("in use", real), ("resident growth", grown)] {
        let share = size as f64 / most as f64;
        table.row(
            [
                what,
                &bytes(size),
                &bytes(most),
                &format!("{share:.2}"),
                "≤ 1.3 ×",
            ],
            Some(share <= 1.3),
        );
    }
}
