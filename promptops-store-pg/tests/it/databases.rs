//! Databases of their own for tests, on the server that `PROMPTOPS_TEST_POSTGRES_URL` names.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use promptops_store_pg::PgBackend;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The variable that names the server, as a superuser.
pub const URL: &str = "PROMPTOPS_TEST_POSTGRES_URL";
/// The role that serves requests and owns nothing.
pub const APP: &str = "promptops_test_app";
const APP_PASSWORD: &str = "app";
/// Held while the template is made; the number has no meaning but to be ours.
const TEMPLATE_LOCK: &str = "SELECT pg_advisory_lock(5130078221)";

/// How to reach the server's own database.
pub fn server() -> PgConnectOptions {
    let url = std::env::var(URL).unwrap_or_default();
    assert!(
        !url.is_empty(),
        "these tests need PostgreSQL: run ./scripts/test.sh, which starts a private one, or prefix the command with \
         `cargo run -p private-postgres -- run --`, or set {URL} to a superuser's URL of a server for tests"
    );
    PgConnectOptions::from_str(&url).expect("the URL can be read")
}

/// Runs statements on the server's own database.
pub async fn on_server(sql: &str) {
    let mut connection = PgConnection::connect_with(&server())
        .await
        .expect("the server answers");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .expect("the statements succeed");
    connection.close().await.expect("it closes");
}

/// A database with the schema, copied from a template that the first test makes. Dropped with this, which needs a runtime
/// of more than one thread: a connection that is being made meanwhile would hold it up for a minute.
pub struct Database {
    name: String,
}

impl Database {
    /// A migrated database.
    pub async fn new() -> Self {
        let template = template().await;
        Self::create(&format!("TEMPLATE {template}")).await
    }

    /// A database without anything in it.
    pub async fn empty() -> Self {
        Self::create("").await
    }

    /// A database without anything in it, whose texts can hold a few hundred characters alone.
    pub async fn in_latin1() -> Self {
        Self::create("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").await
    }

    async fn create(how: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is later than 1970");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "promptops_test_{}_{}_{count}",
            std::process::id(),
            since.subsec_nanos()
        );
        on_server(&format!("CREATE DATABASE {name} {how}")).await;
        Self { name }
    }

    /// How to connect as the owner of the tables.
    pub fn owner(&self) -> PgConnectOptions {
        server().database(&self.name)
    }

    /// How to connect as the role that owns nothing, which row-level security binds.
    pub fn app(&self) -> PgConnectOptions {
        self.owner().username(APP).password(APP_PASSWORD)
    }

    /// A backend with a pool of its own.
    pub fn backend(&self) -> PgBackend {
        PgBackend::new(pool(self.owner()))
    }

    /// Runs statements behind the backend's back.
    pub async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.owner()).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        connection.close().await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        // On a thread of its own, since there may be a runtime on this one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                on_server(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
            });
        });
        let _ = dropped.join();
    }
}

/// A pool as a host might have it.
pub fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(8).connect_lazy_with(options)
}

/// The name of the template, whose migrations are those of this build.
async fn template() -> String {
    let migrations = concat!(
        include_str!("../../migrations/0001_tables.up.sql"),
        include_str!("../../migrations/0002_operations.up.sql"),
        include_str!("../../migrations/0003_row_security.up.sql"),
        include_str!("../../migrations/0004_evaluation.up.sql"),
        include_str!("../../migrations/0005_live_traffic.up.sql"),
        include_str!("../../migrations/0006_deployments.up.sql"),
        include_str!("../../migrations/0007_improvement.up.sql"),
        include_str!("../../migrations/grants.sql"),
    );
    // FNV-1a: to tell them apart is enough.
    let hash = migrations.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut name = "promptops_test_template_".to_owned();
    write!(name, "{hash:x}").expect("a string can be written to");

    let mut connection = PgConnection::connect_with(&server())
        .await
        .expect("the server answers");
    let exists = async |connection: &mut PgConnection| {
        sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_optional(connection)
            .await
            .expect("the catalogue can be read")
            .is_some()
    };
    if exists(&mut connection).await {
        return name;
    }
    connection.execute(TEMPLATE_LOCK).await.expect("it is our turn");
    if !exists(&mut connection).await {
        make_template(&mut connection, &name).await;
    }
    connection.close().await.expect("it closes, and the lock is free");
    name
}

async fn make_template(connection: &mut PgConnection, name: &str) {
    let made = format!("{name}_in_the_making");
    let role = format!(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP}') THEN
                CREATE ROLE {APP} LOGIN PASSWORD '{APP_PASSWORD}';
            END IF;
        END $$"
    );
    for sql in [
        role,
        format!("DROP DATABASE IF EXISTS {made}"),
        format!("CREATE DATABASE {made}"),
    ] {
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .expect("a superuser may");
    }
    let backend = PgBackend::new(pool(server().database(&made)));
    backend.migrate().await.expect("the migrations apply");
    backend.grant_to(APP).await.expect("the role exists");
    backend.pool().close().await;
    // Under its name only now that it is whole.
    let rename = format!("ALTER DATABASE {made} RENAME TO {name}");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(rename)))
        .await
        .expect("nobody else uses it");
}
