//! Resolving what the cache does not have.

use std::time::Instant;

use promptops_benches::measure::Samples;
use promptops_benches::prompt;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::{Actor, TenantId};
use promptops_core::prompt::{Draft, Lookup, Reference};
use promptops_core::{MemoryBackend, PromptOps, Stores, Tenant};
use promptops_store_pg::PgBackend;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};
use tera::Tera;

use crate::database::{Database, KINDS, TENANTS, content, prompt_name, tenant_name};

/// Resolves timed for each figure.
const SAMPLES: usize = 2_000;

const BY_ENVIRONMENT: &str =
    "SELECT o.revision, v.number, v.hash, v.semver, v.parents, v.author_id, v.author_role,
        v.message, v.status, v.created_at, v.content
    FROM promptops.tenant t
    JOIN promptops.prompt p ON p.tenant = t.id AND p.name = $2
    JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = $3
    JOIN promptops.version v ON v.prompt = o.prompt AND v.number = o.version
    WHERE t.name = $1";
/// Both snippets at once, as ours asks for them.
const BY_LATEST: &str =
    "SELECT NULL::bigint, v.number, v.hash, v.semver, v.parents, v.author_id, v.author_role,
        v.message, v.status, v.created_at, v.content
    FROM promptops.tenant t
    JOIN promptops.prompt p ON p.tenant = t.id AND p.name IN ($2, $3)
    JOIN promptops.version v ON v.prompt = p.id AND v.number = p.latest_active
    WHERE t.name = $1 ORDER BY p.name";

pub async fn run(database: &Database) {
    let mut table = Table::new(
        "cold resolve of a 2 KB chat prompt from PostgreSQL, 10,000 versions of 100 tenants",
        "bare sqlx through the same pool: one join by prompt, one for all snippets, their columns decoded",
    );
    let owner = measure(&database.backend, &database.pool, false).await;
    // What the goal is about.
    let goal = Goal::Times(1.3);
    let row = |table: &mut Table, what: &str, ours: &Samples, floor: &Samples, goal| {
        table.times(what, ours.median(), Some(floor.median()), goal);
    };
    row(&mut table, "Store::find alone", &owner.find, &owner.join, goal);
    row(&mut table, "0 snippets", &owner.resolve, &owner.join, goal);
    let what = "the same; floor with JSON and Tera's compile";
    row(&mut table, what, &owner.resolve, &owner.compile, Goal::None);
    let what = "0 snippets from the memory backend: core's part";
    table.times(what, owner.memory.median(), None, Goal::None);
    let bound = measure(&database.bound, &database.pool, false).await;
    let what = "Store::find alone, by a role bound by row-level security";
    row(&mut table, what, &bound.find, &bound.join, Goal::None);
    let what = "0 snippets, by such a role";
    row(&mut table, what, &bound.resolve, &bound.join, Goal::None);
    let snippets = measure(&database.backend, &database.pool, true).await;
    row(
        &mut table,
        "2 snippets",
        &snippets.resolve,
        &snippets.join,
        Goal::None,
    );
    let what = "the same; floor with JSON and Tera's compile";
    row(&mut table, what, &snippets.resolve, &snippets.compile, Goal::None);
}

#[derive(Default)]
struct Figures {
    join: Samples,
    compile: Samples,
    find: Samples,
    resolve: Samples,
    memory: Samples,
}

/// All take turns on the same key; who begins changes, since who comes second finds the pages in the processor's cache.
async fn measure(backend: &PgBackend, pool: &PgPool, with_snippets: bool) -> Figures {
    let stores = Stores::from(backend.clone());
    let memory = Stores::from(MemoryBackend::new());
    let tenants = |stores: &Stores| -> Vec<Tenant> {
        // What other processes change is nothing to this.
        let ops = PromptOps::builder(stores.clone()).follow_changes(false).build();
        (0..TENANTS)
            .map(|t| ops.tenant(tenant_name(t)).expect("a name"))
            .collect()
    };
    let mut base = Tera::default();
    base.autoescape_on(Vec::<&str>::new());
    let mut figures = Figures::default();
    fill(&tenants(&memory), with_snippets).await;
    let (mut cold, mut cold_in_memory) = (tenants(&stores), tenants(&memory));
    let warm_up = SAMPLES / 10;
    for sample in 0..SAMPLES + warm_up {
        if sample == warm_up {
            // Statements are prepared, and the server's plans made.
            figures = Figures::default();
            (cold, cold_in_memory) = (tenants(&stores), tenants(&memory));
        }
        // A step that is prime to their number: spread over the whole database.
        let at = sample * 7_919 % (TENANTS * KINDS);
        let (t, p) = (at % TENANTS, at / TENANTS * 2 + usize::from(with_snippets));
        let (tenant, name) = (tenant_name(t), prompt_name(p));
        let id = TenantId::new(&tenant).expect("a name");
        let text = format!("{name}@production");
        let reference: Reference = text.parse().expect("a reference");
        for turn in 0..5 {
            let begin = Instant::now();
            let samples = match (turn + sample) % 5 {
                0 => {
                    join(pool, &tenant, &name, with_snippets).await;
                    &mut figures.join
                }
                1 => {
                    compile(pool, &base, &tenant, &name, with_snippets).await;
                    &mut figures.compile
                }
                2 => {
                    let found = stores.prompts.find(&id, std::slice::from_ref(&reference)).await;
                    assert!(matches!(found.as_deref(), Ok([Lookup::Found(_)])), "it is live");
                    &mut figures.find
                }
                3 => {
                    cold_in_memory[t].resolve(&text).await.expect("it is live");
                    &mut figures.memory
                }
                _ => {
                    cold[t].resolve(&text).await.expect("it is live");
                    &mut figures.resolve
                }
            };
            samples.push(begin.elapsed().as_nanos() as f64);
        }
    }
    figures
}

/// The same prompts.
async fn fill(tenants: &[Tenant], with_snippets: bool) {
    let ana = Actor::owner("ana");
    for tenant in tenants {
        for (name, text) in prompt::SNIPPETS {
            let draft = Draft::text(text).by(&ana).active();
            tenant.prompts().save(name, draft).await.expect("it is saved");
        }
        for p in (usize::from(with_snippets)..2 * KINDS).step_by(2) {
            let draft = Draft::new(content(p)).by(&ana);
            let prompts = tenant.prompts();
            let version = prompts.save(prompt_name(p), draft).await.expect("it is saved");
            let environments = tenant.environments();
            let promotion = environments.promote(&version, "production", &ana);
            promotion.await.expect("it is promoted");
        }
    }
}

/// What ours reads of a version.
#[expect(dead_code, reason = "it is decoded and not looked at")]
struct VersionRow {
    revision: Option<i64>,
    number: i64,
    hash: [u8; 32],
    semver: Option<String>,
    parents: String,
    author: (String, String),
    message: String,
    status: String,
    created_at: i64,
    content: String,
}

impl VersionRow {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let hash: &[u8] = row.try_get(2)?;
        Ok(Self {
            revision: row.try_get(0)?,
            number: row.try_get(1)?,
            hash: hash.try_into().expect("32 bytes"),
            semver: row.try_get(3)?,
            parents: row.try_get(4)?,
            author: (row.try_get(5)?, row.try_get(6)?),
            message: row.try_get(7)?,
            status: row.try_get(8)?,
            created_at: row.try_get(9)?,
            content: row.try_get(10)?,
        })
    }
}

async fn rows(pool: &PgPool, sql: &'static str, names: [&str; 3]) -> Vec<VersionRow> {
    let [tenant, second, third] = names;
    let query = sqlx::query(sql).bind(tenant).bind(second).bind(third);
    let rows = query.fetch_all(pool).await.expect("the server answers");
    rows.iter()
        .map(|row| VersionRow::read(row).expect("the columns fit"))
        .collect()
}

/// The prompt, and the snippets.
async fn join(pool: &PgPool, tenant: &str, name: &str, with_snippets: bool) -> Vec<VersionRow> {
    let mut versions = rows(pool, BY_ENVIRONMENT, [tenant, name, "production"]).await;
    if with_snippets {
        let [first, second] = prompt::SNIPPETS.map(|(name, _)| name);
        versions.extend(rows(pool, BY_LATEST, [tenant, first, second]).await);
    }
    assert_eq!(versions.len(), if with_snippets { 3 } else { 1 }, "all are there");
    versions
}

async fn compile(pool: &PgPool, base: &Tera, tenant: &str, name: &str, with_snippets: bool) -> Tera {
    let versions = join(pool, tenant, name, with_snippets).await;
    let json: Vec<Value> = versions
        .iter()
        .map(|version| serde_json::from_str(&version.content).expect("it is JSON"))
        .collect();
    let text = |value: &Value| value.as_str().expect("a template").to_owned();
    let message = |i: usize| text(&json[0]["body"]["chat"]["messages"][i]["template"]);
    let mut templates = vec![("0", message(0)), ("1", message(1))];
    let snippets = prompt::SNIPPETS.iter().zip(&json[1..]);
    templates.extend(snippets.map(|((name, _), json)| (*name, text(&json["body"]["text"]["template"]))));
    let mut tera = base.clone();
    tera.add_raw_templates(templates)
        .expect("the templates are well formed");
    tera
}
