//! Resolving what the cache does not have, from SQLite.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use promptops_benches::is_bench;
use promptops_benches::measure::{Pair, Samples};
use promptops_benches::prompt::{self, Parameters};
use promptops_benches::table::{Goal, Table};
use promptops_core::prompt::{Content, Draft, closure_hash, system, user};
use promptops_core::{PromptOps, Stores, Tenant};
use promptops_store_sqlite::SqliteBackend;
use rusqlite::{Connection, params};
use serde_json::Value;
use tempfile::TempDir;
use tera::{Context, Tera};
use tokio::runtime::Runtime;

const TENANTS: usize = 100;
/// Resolves timed for each figure.
const SAMPLES: usize = 1_000;

fn main() {
    if !is_bench() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut table = Table::new(
        "cold resolve of a 2 KB chat prompt from SQLite",
        "bare rusqlite on this thread: one join per prompt or snippet, JSON, Tera's compile",
    );
    let databases = [1_000, 10_000, 100_000].map(|versions| Database::new(&runtime, versions));
    for (with_snippets, render) in [(false, false), (false, true), (true, false), (true, true)] {
        let pairs = sweep(&runtime, &databases, with_snippets, render);
        let (first, last) = (&pairs[0], &pairs[2]);
        let what = format!(
            "{} snippets{}",
            if with_snippets { 2 } else { 0 },
            if render { ", and render" } else { "" }
        );
        for (database, pair) in databases.iter().zip(&pairs) {
            let what = format!("{what}, {} versions", database.versions);
            table.pair(&what, pair, Goal::AtMost(120e3));
        }
        let growth = last.ours.median() / first.ours.median();
        let of_floor = last.floor.median() / first.floor.median();
        table.row(
            [
                &format!("{what}, 100000 against 1000"),
                &format!("{growth:.2} ×"),
                &format!("{of_floor:.2} ×"),
                "",
                "≤ 1.5 ×",
            ],
            Some(growth <= 1.5),
        );
    }
    drop(table);
    deep(&runtime);
}

struct Database {
    versions: usize,
    stores: Stores,
    floor: Floor,
    _directory: TempDir,
}

impl Database {
    fn new(runtime: &Runtime, versions: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("prompts.db");
        let stores = runtime.block_on(async {
            let stores = Stores::from(SqliteBackend::open(&path).await.expect("it opens"));
            save_snippets(&stores).await;
            stores
        });
        seed(&path, versions);
        Self {
            versions,
            stores,
            floor: Floor::open(&path),
            _directory: directory,
        }
    }

    /// Prompts of each tenant with snippets, and as many without.
    fn kinds(&self) -> usize {
        self.versions / TENANTS / 2
    }

    fn tenants(&self) -> Vec<Tenant> {
        let ops = PromptOps::builder(self.stores.clone()).build();
        (0..TENANTS)
            .map(|i| ops.tenant(tenant_name(i)).expect("a name"))
            .collect()
    }
}

fn tenant_name(i: usize) -> String {
    format!("tenant-{i:04}")
}

fn prompt_name(i: usize) -> String {
    format!("support/triage-{i:06}")
}

/// Even prompts include nothing; odd ones include the two snippets.
fn content(i: usize) -> Content {
    let [first, second] = if i.is_multiple_of(2) {
        prompt::templates_inline(i)
    } else {
        prompt::templates(i)
    };
    Content::chat([system(first), user(second)])
}

async fn save_snippets(stores: &Stores) {
    let ops = PromptOps::builder(stores.clone()).build();
    for i in 0..TENANTS {
        let tenant = ops.tenant(tenant_name(i)).expect("a name");
        for (name, text) in prompt::SNIPPETS {
            let draft = Draft::text(text).by("ana").active();
            tenant.prompts().save(name, draft).await.expect("it is saved");
        }
    }
}

/// Writes prompts with a version each, live in production, straight into the tables: through the library each would
/// be an fsync. Every prompt is its own: that makes the largest indexes.
fn seed(path: &Path, versions: usize) {
    let mut connection = Connection::open(path).expect("it opens");
    connection
        .pragma_update(None, "synchronous", "OFF")
        .expect("a pragma");
    let tx = connection.transaction().expect("nobody else writes");
    for i in 0..versions {
        let content = content(i / TENANTS);
        let hash = content.hash();
        let prompt = 1_000_000 + i as i64;
        // Not the closure hash of those with snippets, which resolving computes by itself.
        let closure = closure_hash(&hash, &[]);
        let json = content.to_json().expect("it has a JSON form");
        tx.prepare_cached(
            "INSERT INTO promptops_prompt VALUES
                (?1, (SELECT id FROM promptops_tenant WHERE name = ?2), ?3, 1, 1, 'active', 1, 1)",
        )
        .and_then(|mut sql| {
            sql.execute(params![
                prompt,
                tenant_name(i % TENANTS),
                prompt_name(i / TENANTS)
            ])
        })
        .and_then(|_| {
            tx.prepare_cached(
                "INSERT INTO promptops_version VALUES
                    (?1, 1, ?2, NULL, '[]', 'ana', 'owner', 'first', 'active', 1, ?3)",
            )
        })
        .and_then(|mut sql| sql.execute(params![prompt, hash.as_bytes(), json]))
        .and_then(|_| {
            tx.prepare_cached(
                "INSERT INTO promptops_pointer VALUES (?1, 'production', 1, ?2, 1, 'ana', 'owner', 1)",
            )
        })
        .and_then(|mut sql| sql.execute(params![prompt, closure.as_bytes()]))
        .expect("the rows fit the schema");
    }
    tx.commit().expect("it commits");
}

const BY_ENVIRONMENT: &str = "SELECT v.content FROM promptops_tenant t
    JOIN promptops_prompt p ON p.tenant = t.id AND p.name = ?2
    JOIN promptops_pointer o ON o.prompt = p.id AND o.environment = ?3
    JOIN promptops_version v ON v.prompt = o.prompt AND v.number = o.version
    WHERE t.name = ?1";
const BY_LATEST: &str = "SELECT v.content FROM promptops_tenant t
    JOIN promptops_prompt p ON p.tenant = t.id AND p.name = ?2
    JOIN promptops_version v ON v.prompt = p.id AND v.number = p.latest_active
    WHERE t.name = ?1";

struct Floor {
    connection: Connection,
    base: Tera,
}

impl Floor {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("it opens");
        connection
            .pragma_update(None, "cache_size", -16_384)
            .expect("a pragma");
        let mut base = Tera::default();
        base.autoescape_on(Vec::<&str>::new());
        Self { connection, base }
    }

    fn read(&self, sql: &str, names: &[&str]) -> Value {
        let content: String = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut sql| sql.query_row(rusqlite::params_from_iter(names), |row| row.get(0)))
            .expect("it is there");
        serde_json::from_str(&content).expect("it is JSON")
    }

    fn compile(&self, tenant: &str, name: &str, with_snippets: bool) -> Tera {
        let content = self.read(BY_ENVIRONMENT, &[tenant, name, "production"]);
        let text = |i: usize| {
            content["body"]["chat"]["messages"][i]["template"]
                .as_str()
                .expect("a chat prompt")
        };
        let mut templates = vec![("0", text(0).to_owned()), ("1", text(1).to_owned())];
        if with_snippets {
            templates.extend(prompt::SNIPPETS.iter().map(|(name, _)| {
                let snippet = self.read(BY_LATEST, &[tenant, name]);
                (
                    *name,
                    snippet["body"]["text"]["template"]
                        .as_str()
                        .expect("a text prompt")
                        .to_owned(),
                )
            }));
        }
        let mut tera = self.base.clone();
        tera.add_raw_templates(templates)
            .expect("the templates are well formed");
        tera
    }
}

/// Ours and the floor for each database; all take turns.
fn sweep(runtime: &Runtime, databases: &[Database; 3], with_snippets: bool, render: bool) -> [Pair; 3] {
    let parameters = Parameters::default();
    let mut pairs: [Pair; 3] = Default::default();
    let mut tenants = databases.each_ref().map(|_| Vec::new());
    for sample in 0..SAMPLES {
        for ((database, pair), tenants) in databases.iter().zip(&mut pairs).zip(&mut tenants) {
            let keys = database.kinds() * TENANTS;
            // Nothing is warm: a new cache whenever the keys begin again.
            if sample % keys == 0 {
                *tenants = database.tenants();
            }
            // A step that is prime to their number: spread over the whole file.
            let at = sample * 7_919 % keys;
            let (t, p) = (at % TENANTS, at / TENANTS * 2 + usize::from(with_snippets));
            let (name, tenant) = (prompt_name(p), &tenants[t]);
            let reference = format!("{name}@production");
            let ours = || {
                runtime.block_on(async {
                    let resolved = tenant.resolve(&reference).await.expect("it is live");
                    render.then(|| resolved.render(&parameters).expect("it renders"))
                })
            };
            let floor = || {
                let tera = database.floor.compile(&tenant_name(t), &name, with_snippets);
                render.then(|| {
                    let context = Context::from_serialize(&parameters).expect("a map");
                    ["0", "1"].map(|name| tera.render(name, &context).expect("it renders"))
                })
            };
            // Who comes second finds the file's pages in memory.
            if sample % 2 == 0 {
                pair.ours.time(ours);
                pair.floor.time(floor);
            } else {
                pair.floor.time(floor);
                pair.ours.time(ours);
            }
        }
    }
    pairs
}

/// A prompt with snippets in snippets in snippets.
fn deep(runtime: &Runtime) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("prompts.db");
    let mut table = Table::new("a closure of depth 3, 11 snippets of 250 bytes", "none");
    let filler = "Write short sentences and plain words. ".repeat(6);
    let stores = runtime.block_on(async {
        let stores = Stores::from(SqliteBackend::open(&path).await.expect("it opens"));
        let ops = PromptOps::builder(stores.clone()).build();
        let acme = ops.tenant("acme").expect("a name");
        let save = async |name: String, text: String| {
            let draft = Draft::text(text).by("ana").active();
            acme.prompts().save(name, draft).await.expect("it is saved");
        };
        let include = |names: &[String]| -> String {
            names
                .iter()
                .map(|name| format!("{{% include \"{name}\" %}}\n"))
                .collect()
        };
        let mut roots = Vec::new();
        for i in 0..3 {
            let mut middles = Vec::new();
            for j in 0..2 {
                let leaf = format!("leaf-{i}-{j}");
                save(leaf.clone(), format!("{filler} {{{{ company }}}} {i} {j}")).await;
                let middle = format!("middle-{i}-{j}");
                save(middle.clone(), format!("{filler} {i} {j} {}", include(&[leaf]))).await;
                middles.push(middle);
            }
            if i == 0 {
                // One branch is thinner than the others.
                middles.truncate(1);
            }
            let root = format!("root-{i}");
            save(root.clone(), format!("{filler} {i} {}", include(&middles))).await;
            roots.push(root);
        }
        save("top".to_owned(), include(&roots)).await;
        stores
    });
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    for _ in 0..1_000 {
        let ops = PromptOps::builder(stores.clone()).build();
        let acme = ops.tenant("acme").expect("a name");
        runtime.block_on(async {
            let begin = std::time::Instant::now();
            acme.resolve("top").await.expect("it is active");
            cold.push(begin.elapsed().as_nanos() as f64);
            let begin = std::time::Instant::now();
            acme.resolve("top").await.expect("it is active");
            warm.push(begin.elapsed().as_nanos() as f64);
        });
    }
    table.spread(
        "cold",
        &cold,
        None,
        Goal::AtMost(Duration::from_millis(5).as_nanos() as f64),
    );
    table.times("warm, once, clock included", warm.median(), None, Goal::None);
    let calls = calls_when_warm(runtime, stores);
    table.row(
        ["store calls when warm", &calls.to_string(), "", "", "0"],
        Some(calls == 0),
    );
}

/// What the cache asked its store for while it was warm: it counts every load, and only a load asks.
fn calls_when_warm(runtime: &Runtime, stores: Stores) -> u64 {
    let ops = PromptOps::builder(stores).build();
    let acme = Arc::new(ops.tenant("acme").expect("a name"));
    runtime.block_on(async {
        acme.resolve("top").await.expect("it is active");
        let before = ops.cache_stats().loads;
        for _ in 0..1_000 {
            acme.resolve("top").await.expect("it is active");
        }
        ops.cache_stats().loads - before
    })
}
