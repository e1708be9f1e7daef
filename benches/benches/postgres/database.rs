//! The server, its database, and what is in it.

use std::str::FromStr;

use private_postgres::Server;
use promptops_benches::prompt;
use promptops_core::prompt::{Content, closure_hash, system, user};
use promptops_store_pg::PgBackend;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};

pub const TENANTS: usize = 100;
/// Prompts of each tenant with snippets, and as many without.
pub const KINDS: usize = 50;

/// A role that row-level security binds.
const ROLE: &str = "bench_app";

pub struct Database {
    pub server: Server,
    /// Of ours and of the floor.
    pub pool: PgPool,
    /// As the owner of the tables.
    pub backend: PgBackend,
    /// As a role that row-level security binds.
    pub bound: PgBackend,
}

impl Database {
    /// A server that waits for its disk, with 10,000 versions, live in production.
    pub async fn start() -> Self {
        let server = Server::options()
            .fsync(true)
            .start()
            .expect("PostgreSQL is there");
        let options = PgConnectOptions::from_str(&server.socket_url("postgres")).expect("a URL");
        let pool = open_pool(options.clone());
        let backend = PgBackend::new(pool.clone());
        backend.migrate().await.expect("it migrates");
        execute(&pool, &format!("CREATE ROLE {ROLE} LOGIN PASSWORD 'bench'")).await;
        backend.grant_to(ROLE).await.expect("the role is there");
        let bound = PgBackend::new(open_pool(options.username(ROLE).password("bench")));
        seed(&pool).await;
        execute(&pool, "VACUUM ANALYZE").await;
        Self {
            server,
            pool,
            backend,
            bound,
        }
    }
}

fn open_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(16)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

pub async fn execute(pool: &PgPool, sql: &str) {
    pool.execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .expect("the statements fit the database");
}

pub fn tenant_name(i: usize) -> String {
    format!("tenant-{i:04}")
}

pub fn prompt_name(i: usize) -> String {
    format!("support/triage-{i:06}")
}

/// Even prompts include nothing; odd ones include the two snippets.
pub fn content(i: usize) -> Content {
    let [first, second] = if i.is_multiple_of(2) {
        prompt::templates_inline(i)
    } else {
        prompt::templates(i)
    };
    Content::chat([system(first), user(second)])
}

const TENANT: &str = "INSERT INTO promptops.tenant (name) VALUES ($1)";
const SEED: &str = "WITH r AS (
        SELECT * FROM unnest($2::text[], $3::bytea[], $4::bytea[], $5::text[]) r(name, hash, closure, content)
    ), t AS (
        SELECT id FROM promptops.tenant WHERE name = $1
    ), p AS (
        INSERT INTO promptops.prompt (tenant, name, latest, latest_active, status, created_at, updated_at)
            SELECT t.id, r.name, 1, 1, 'active', 1, 1 FROM r, t RETURNING id, tenant, name
    ), v AS (
        INSERT INTO promptops.version (tenant, prompt, number, hash, parents, author_id, author_role, message, status,
                created_at, content)
            SELECT p.tenant, p.id, 1, r.hash, '[]', 'ana', 'owner', 'first', 'active', 1, r.content
            FROM r JOIN p USING (name)
    )
    INSERT INTO promptops.pointer (tenant, prompt, environment, version, closure_hash, revision, moved_by_id,
            moved_by_role, moved_at)
        SELECT p.tenant, p.id, 'production', 1, r.closure, 1, 'ana', 'owner', 1
        FROM r JOIN p USING (name) WHERE r.closure IS NOT NULL";

/// Writes prompts with a version each straight into the tables: through the library each would be an fsync.
async fn seed(pool: &PgPool) {
    for t in 0..TENANTS {
        let (mut names, mut hashes, mut closures, mut contents) = (vec![], vec![], vec![], vec![]);
        let snippets = prompt::SNIPPETS
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Content::text(*text), false));
        let prompts = (0..2 * KINDS).map(|p| (prompt_name(p), content(p), true));
        for (name, content, is_live) in snippets.chain(prompts) {
            let hash = content.hash();
            // Not the closure hash of those with snippets, which resolving computes by itself.
            let closure = closure_hash(&hash, &[]);
            names.push(name);
            hashes.push(hash.as_bytes().to_vec());
            closures.push(is_live.then(|| closure.as_bytes().to_vec()));
            contents.push(content.to_json().expect("it has a JSON form"));
        }
        let tenant = tenant_name(t);
        sqlx::query(TENANT)
            .bind(&tenant)
            .execute(pool)
            .await
            .expect("the row fits the schema");
        sqlx::query(SEED)
            .bind(&tenant)
            .bind(names)
            .bind(hashes)
            .bind(closures)
            .bind(contents)
            .execute(pool)
            .await
            .expect("the rows fit the schema");
    }
}
