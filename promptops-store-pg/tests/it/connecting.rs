//! Connecting, and databases that are not as they should be.

use std::time::{Duration, Instant};

use promptops_core::ErrorKind;
use promptops_core::base::{PageRequest, TenantId};
use promptops_core::prompt::{Draft, PromptFilter, Store};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::databases::{APP, Database, on_server, pool, server};
use crate::desk::{acme, acme_id, ana, fails, name, promote, save, text};
use crate::proxy::{Fault, Proxy};

const SECRET: &str = "s3cr3t";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_cannot_be_read_is_invalid_and_not_shown() {
    for url in [
        "",
        "prompts.db",
        "postgres://ana:s3cr3t@localhost:99999/prompts",
        "postgres://ana:s3cr3t@local host/prompts",
        "postgres://localhost/prompts?sslmode=s3cr3t",
        "mysql://ana:s3cr3t@localhost/prompts",
    ] {
        let error = fails(
            PgBackend::connect(url).await,
            ErrorKind::Invalid,
            &["postgres://user:password@host"],
        );
        let shown = format!("{error:?} {error:#?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// The server's URL with other parts.
fn url(user: &str, password: &str, database: &str) -> String {
    let options = server();
    let host = options.get_host().replace('/', "%2F");
    format!(
        "postgres://{user}:{password}@{host}:{}/{database}",
        options.get_port()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_told_apart() {
    let wrong = PgBackend::connect(&url("postgres", SECRET, "postgres")).await;
    let error = fails(wrong, ErrorKind::Backend, &["refuses the user or its password"]);
    assert!(!format!("{error:?}").contains(SECRET));
    let unknown = PgBackend::connect(&url("promptops_nobody", SECRET, "postgres")).await;
    fails(unknown, ErrorKind::Backend, &["refuses the user or its password"]);
    // The role is there once a database was made.
    let _database = Database::new().await;
    let missing = PgBackend::connect(&url(APP, "app", "promptops_is_not_there")).await;
    fails(missing, ErrorKind::Backend, &["the database does not exist"]);
    let closed = PgBackend::connect("postgres://ana:s3cr3t@127.0.0.1:1/prompts").await;
    let error = fails(closed, ErrorKind::Unavailable, &["cannot be reached"]);
    assert!(error.is_retryable());
    assert!(!format!("{error:?}").contains(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_shows_no_password() {
    let options = server().password(SECRET);
    let with = PgBackend::options().listen_with(options.clone());
    assert!(!format!("{with:?} {with:#?}").contains(SECRET));
    let backend = with.with_pool(pool(options));
    assert!(!format!("{backend:?}").contains(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_the_schema_says_what_to_do() {
    let database = Database::empty().await;
    let backend = database.backend();
    assert_eq!(backend.schema_version().await.unwrap(), 0);
    let words = ["no schema `promptops`", "`PgBackend::migrate`"];
    fails(
        backend.prompt(&acme_id(), &name("triage")).await,
        ErrorKind::Unsupported,
        &words,
    );
    let tenant = acme(backend.clone());
    let draft = Draft::text("one").by(ana());
    fails(
        tenant.prompts().save("triage", draft).await,
        ErrorKind::Unsupported,
        &words,
    );

    // The same handle works once it is there.
    backend.migrate().await.unwrap();
    backend.migrate().await.unwrap();
    save(&tenant, "triage", "one").await;

    // One that was migrated by an earlier release.
    backend.migrate_to(1).await.unwrap();
    let later = database.backend();
    fails(
        later.prompt(&acme_id(), &name("triage")).await,
        ErrorKind::Unsupported,
        &["schema 1", "needs schema 7", "`PgBackend::migrate`"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_and_left_alone() {
    let database = Database::new().await;
    database
        .execute("INSERT INTO promptops.schema_version (version, applied_by) VALUES (99, 'later')")
        .await
        .unwrap();
    let backend = database.backend();
    let words = ["schema 99", "none newer than 7", "the release that wrote it"];
    fails(
        backend.prompt(&acme_id(), &name("triage")).await,
        ErrorKind::Unsupported,
        &words,
    );
    fails(backend.migrate().await, ErrorKind::Unsupported, &words);
    fails(backend.migrate_to(0).await, ErrorKind::Unsupported, &words);
    assert_eq!(backend.schema_version().await.unwrap(), 99);
    fails(backend.migrate_to(8).await, ErrorKind::Invalid, &["no schema 8"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_migrate_at_once() {
    let database = Database::empty().await;
    let mut migrating = JoinSet::new();
    for _ in 0..12 {
        let backend = database.backend();
        migrating.spawn(async move { backend.migrate().await });
    }
    for migrated in migrating.join_all().await {
        migrated.unwrap();
    }
    let tenant = acme(database.backend());
    save(&tenant, "triage", "one").await;
}

/// Everything that the schema consists of.
async fn catalogue(database: &Database) -> String {
    let mut connection = PgConnection::connect_with(&database.owner()).await.unwrap();
    let sql = "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), '') FROM (
            SELECT format('column %s.%s %s %s', c.table_name, c.column_name, c.data_type, c.is_nullable) AS line
                FROM information_schema.columns c WHERE c.table_schema = 'promptops'
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'promptops'
            UNION ALL SELECT pg_get_functiondef(p.oid)
                    || has_function_privilege('public', p.oid, 'execute') FROM pg_proc p
                WHERE p.pronamespace = to_regnamespace('promptops')
            UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                WHERE c.relnamespace = to_regnamespace('promptops') AND NOT t.tgisinternal
            UNION ALL SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
                WHERE k.connamespace = to_regnamespace('promptops')
            UNION ALL SELECT format('%s %s %s %s', tablename, policyname, qual, with_check) FROM pg_policies
                WHERE schemaname = 'promptops'
            UNION ALL SELECT format('%s %s', tablename, rowsecurity) FROM pg_tables WHERE schemaname = 'promptops'
        ) x";
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_migration_has_its_way_back() {
    let database = Database::empty().await;
    let backend = database.backend();
    let mut catalogues = vec![catalogue(&database).await];
    assert_eq!(catalogues[0], "");
    for version in 1..=7 {
        backend.migrate_to(version).await.unwrap();
        catalogues.push(catalogue(&database).await);
        assert_ne!(catalogues[version as usize], catalogues[version as usize - 1]);
    }
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    // Down to the tables and up again, the data stays.
    for version in [6, 5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7] {
        backend.migrate_to(version).await.unwrap();
        let found = catalogue(&database).await;
        let differ = found
            .lines()
            .zip(catalogues[version as usize].lines())
            .find(|(found, expected)| found != expected);
        assert_eq!(differ, None, "schema {version}");
        assert_eq!(found.len(), catalogues[version as usize].len());
    }
    assert_eq!(text(&acme(database.backend()), "triage@production").await, "one");
    backend.migrate_to(0).await.unwrap();
    assert_eq!(catalogue(&database).await, "");
    assert_eq!(backend.schema_version().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_own_tables_are_left_alone() {
    let database = Database::empty().await;
    database
        .execute(
            "CREATE TABLE prompt (id integer); INSERT INTO prompt VALUES (7);
            CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY); INSERT INTO _sqlx_migrations VALUES (20260101);",
        )
        .await
        .unwrap();
    let backend = database.backend();
    backend.migrate().await.unwrap();
    save(&acme(backend.clone()), "triage", "one").await;
    backend.migrate_to(0).await.unwrap();
    let mut connection = PgConnection::connect_with(&database.owner()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT (SELECT sum(id) FROM prompt) + (SELECT count(*) FROM _sqlx_migrations)")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(left, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_only_read_reads_and_is_told_what_it_lacks() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    on_server(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'promptops_test_reader') THEN
                CREATE ROLE promptops_test_reader LOGIN PASSWORD 'reader';
            END IF;
        END $$",
    )
    .await;
    database
        .execute(
            "GRANT USAGE ON SCHEMA promptops TO promptops_test_reader;
            GRANT SELECT ON ALL TABLES IN SCHEMA promptops TO promptops_test_reader;
            GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA promptops TO promptops_test_reader;",
        )
        .await
        .unwrap();
    let options = database
        .owner()
        .username("promptops_test_reader")
        .password("reader");
    let reader = acme(PgBackend::new(pool(options)));
    assert_eq!(text(&reader, "triage@production").await, "one");
    let words = ["the database role may not do this", "`PgBackend::grant_to`"];
    let draft = Draft::text("two").by(ana());
    fails(
        reader.prompts().save("triage", draft).await,
        ErrorKind::Backend,
        &words,
    );
    let rollback = reader.environments();
    let v2 = save(&tenant, "triage", "two").await;
    fails(
        rollback.promote(&v2, "production", &ana()).await,
        ErrorKind::Backend,
        &words,
    );

    // A standby, or a server that is set so.
    let options = database
        .owner()
        .options([("default_transaction_read_only", "on")]);
    let standby = acme(PgBackend::new(pool(options)));
    assert_eq!(text(&standby, "triage@production").await, "one");
    let moved = standby.environments();
    fails(
        moved.promote(&v2, "production", &ana()).await,
        ErrorKind::Backend,
        &["can only be read", "connect to the primary"],
    );
    let draft = Draft::text("three").by(ana());
    fails(
        standby.prompts().save("triage", draft).await,
        ErrorKind::Backend,
        &["can only be read"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_in_use_is_waited_for_and_then_named() {
    let database = Database::new().await;
    let host = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(database.owner());
    let backend = PgBackend::options()
        .acquire_timeout(Duration::from_millis(200))
        .with_pool(host.clone());
    let held = host.acquire().await.unwrap();
    let began = Instant::now();
    let error = fails(
        backend.prompt(&acme_id(), &name("triage")).await,
        ErrorKind::Unavailable,
        &["all 1 connections of the pool are in use", "200 ms"],
    );
    assert!(error.is_retryable());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "the host's own limit is 30 s"
    );
    drop(held);
    assert!(
        backend
            .prompt(&acme_id(), &name("triage"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_tenant_id_gets_nowhere() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let ops = promptops_core::PromptOps::builder(database.backend()).build();
    for id in [
        "acme'; DROP SCHEMA promptops CASCADE; --",
        "acme\0",
        "' OR ''='",
        "acme%",
        "\u{430}cme",
        "",
    ] {
        fails(ops.tenant(id), ErrorKind::Invalid, &[]);
    }
    // What can be an id is another tenant, and nothing more.
    for id in ["ACME", "acme.", "acme:acme", "-", "..", "promptops", "1"] {
        assert!(TenantId::new(id).is_ok(), "{id}");
        let other = ops.tenant(id).unwrap();
        let error = other.resolve("triage@production").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{id}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_grant_at_once() {
    let database = Database::new().await;
    let mut granting = JoinSet::new();
    for _ in 0..12 {
        let backend = database.backend();
        granting.spawn(async move {
            for _ in 0..5 {
                backend.grant_to(APP).await.unwrap();
            }
        });
    }
    granting.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_and_grants_have_their_limits_of_time() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database.owner()).await;
    let backend = PgBackend::options()
        .statement_timeout(Duration::from_millis(50))
        .with_pool(pool(proxy.options(&database.owner())));
    let words = ["did not answer within"];
    proxy.next(Fault::Hang(b"GRANT USAGE"));
    let granted = tokio::time::timeout(Duration::from_secs(20), backend.grant_to(APP)).await;
    fails(granted.unwrap(), ErrorKind::Unavailable, &words);
    database.backend().migrate_to(2).await.unwrap();
    proxy.next(Fault::Hang(b"row-level security"));
    let migrated = tokio::time::timeout(Duration::from_secs(20), backend.migrate()).await;
    fails(migrated.unwrap(), ErrorKind::Unavailable, &words);
    backend.pool().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_character_that_the_databases_encoding_does_not_have_is_named_as_the_reason() {
    let database = Database::in_latin1().await;
    let backend = database.backend();
    backend.migrate().await.unwrap();
    let tenant = acme(backend.clone());
    save(&tenant, "triage", "one").await;
    let draft = Draft::text("\u{65e5}\u{672c}").by(ana());
    let saved = tenant.prompts().save("triage", draft).await;
    fails(saved, ErrorKind::Invalid, &["encoding", "UTF8"]);
    let page = PageRequest::first(10);
    let found = backend
        .list_prompts(&acme_id(), &PromptFilter::default(), &page)
        .await;
    assert_eq!(found.unwrap().items.len(), 1);
}
