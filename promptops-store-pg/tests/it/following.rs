//! Following what other processes change.

use std::time::{Duration, Instant};

use promptops_core::PromptOps;
use promptops_core::base::{Change, ChangeFeed, ChangeReader, Event};
use promptops_core::resolve::ResolveSettings;
use promptops_store_pg::PgBackend;

use crate::databases::{Database, pool};
use crate::desk::{acme, promote, save, text};
use crate::proxy::{Fault, Proxy};

/// Ends every connection of the database that listens.
const CUT_LISTENERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (query LIKE 'LISTEN%' OR query LIKE '%changes_after%' OR query LIKE '%last_change%')";

/// Changes by another program, each told.
fn changes(count: usize) -> String {
    format!(
        "INSERT INTO promptops.change (tenant, change)
        SELECT 'acme', format('{{\"type\":\"version_changed\",\"prompt\":\"p\",\"version\":%s}}', n)
        FROM generate_series(1, {count}) n"
    )
}

async fn begun(backend: &PgBackend) -> Box<dyn ChangeReader> {
    let mut reader = backend.reader().unwrap();
    assert_eq!(reader.next().await.unwrap(), [Event::Missed]);
    reader
}

/// The next events, however often the connection has to be made anew.
async fn next(reader: &mut dyn ChangeReader) -> (usize, Vec<Event>) {
    for errors in 0..100 {
        match reader.next().await {
            Ok(events) => return (errors, events),
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    panic!("the reader does not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_was_away_for_ten_thousand_changes_misses_none() {
    let database = Database::new().await;
    let mut reader = begun(&database.backend()).await;
    database.execute(CUT_LISTENERS).await.unwrap();
    database.execute(&changes(10_000)).await.unwrap();
    let (errors, events) = next(reader.as_mut()).await;
    assert!(errors > 0, "the connection was cut");
    assert_eq!(events.len(), 10_000);
    for (n, event) in (1..).zip(&events) {
        let Event::Changed {
            change: Change::VersionChanged { version, .. },
            ..
        } = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(version.get(), n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_was_away_for_more_than_is_kept_takes_anything_for_changed() {
    let database = Database::new().await;
    let mut reader = begun(&database.backend()).await;
    database.execute(CUT_LISTENERS).await.unwrap();
    database.execute(&changes(5_000)).await.unwrap();
    database
        .execute("SELECT promptops.trim_changes(1000)")
        .await
        .unwrap();
    let (_, events) = next(reader.as_mut()).await;
    assert_eq!(events[0], Event::Missed);
    assert_eq!(events.len(), 1_001);
    assert!(
        events[1..]
            .iter()
            .all(|event| matches!(event, Event::Changed { .. }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_bounded() {
    let database = Database::new().await;
    let backend = PgBackend::options()
        .retained_changes(1_500)
        .with_pool(pool(database.owner()));
    let mut reader = begun(&backend).await;
    for _ in 0..4 {
        database.execute(&changes(1_200)).await.unwrap();
        let mut heard = 0;
        while heard < 1_200 {
            heard += reader.next().await.unwrap().len();
        }
    }
    // The clean-up follows what was read last.
    database.execute(&changes(1)).await.unwrap();
    reader.next().await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM promptops.change")
        .fetch_one(backend.pool())
        .await
        .unwrap();
    assert!((1_500..=1_500 + 1_200).contains(&kept), "{kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_release_cannot_read_makes_everything_suspect() {
    let database = Database::new().await;
    let mut reader = begun(&database.backend()).await;
    database
        .execute("INSERT INTO promptops.change (tenant, change) VALUES ('acme', '{\"type\":\"of a later release\"}')")
        .await
        .unwrap();
    assert_eq!(reader.next().await.unwrap(), [Event::Missed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_put_back_to_an_earlier_state_makes_everything_suspect() {
    let database = Database::new().await;
    database.execute(&changes(10)).await.unwrap();
    let mut reader = begun(&database.backend()).await;
    database
        .execute("DELETE FROM promptops.change; UPDATE promptops.change_head SET position = 3")
        .await
        .unwrap();
    database.execute(CUT_LISTENERS).await.unwrap();
    let (_, events) = next(reader.as_mut()).await;
    assert_eq!(events, [Event::Missed]);
    database.execute(&changes(1)).await.unwrap();
    assert_eq!(reader.next().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_found_without_notifications_too() {
    let database = Database::new().await;
    let backend = PgBackend::options()
        .poll_interval(Duration::from_millis(20))
        .with_pool(pool(database.owner()));
    let mut reader = begun(&backend).await;
    // As a pooler that passes no notification on.
    database
        .execute(
            "CREATE OR REPLACE FUNCTION promptops.number_change() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE next_position bigint;
            BEGIN
                UPDATE promptops.change_head SET position = position + 1 RETURNING position INTO next_position;
                UPDATE promptops.change SET position = next_position WHERE id = NEW.id;
                RETURN NULL;
            END $$",
        )
        .await
        .unwrap();
    database.execute(&changes(3)).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
    assert_eq!(read.unwrap().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fell_silent_is_given_up() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database.owner()).await;
    let backend = PgBackend::options()
        .poll_interval(Duration::from_millis(50))
        .statement_timeout(Duration::from_millis(300))
        .with_pool(pool(proxy.options(&database.owner())));
    let mut reader = begun(&backend).await;
    // The next look for changes never gets an answer, as when a firewall forgets a connection.
    proxy.next(Fault::Hang(b""));
    let error = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
    assert!(error.unwrap().unwrap_err().is_retryable());
    assert!(proxy.has_struck());
    database.execute(&changes(2)).await.unwrap();
    let (_, events) = next(reader.as_mut()).await;
    assert_eq!(events.len(), 2);
}

/// Resolves until the text is served; the age that would bring it by itself is far away.
async fn served(tenant: &promptops_core::Tenant, reference: &str, expected: &str) -> Duration {
    let began = Instant::now();
    while text(tenant, reference).await != expected {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{expected} is never served"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_served_by_whoever_shares_the_database() {
    let database = Database::new().await;
    let here = acme(database.backend());
    let there = acme(PgBackend::new(pool(database.app())));
    let versions = [
        save(&here, "triage", "one").await,
        save(&here, "triage", "two").await,
    ];
    promote(&here, &versions[0]).await;
    served(&there, "triage@production", "one").await;
    for round in 0..10 {
        let version = &versions[(round + 1) % 2];
        promote(&here, version).await;
        let expected = ["two", "one"][round % 2];
        served(&there, "triage@production", expected).await;
    }
    // A snippet's change reaches the prompts that include it.
    save(&here, "rules", "Be brief.").await;
    save(&here, "greeting", "{% include \"rules\" %}").await;
    served(&there, "greeting", "Be brief.").await;
    save(&there, "rules", "Be kind.").await;
    served(&here, "greeting", "Be kind.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_is_heard_answers_age_quickly_and_changes_are_served_by_age() {
    let database = Database::new().await;
    let here = acme(database.backend());
    let v1 = save(&here, "triage", "one").await;
    promote(&here, &v1).await;
    // A process that cannot listen, though its pool works.
    let nowhere = database.owner().host("127.0.0.1").port(1);
    let backend = PgBackend::options()
        .listen_with(nowhere)
        .with_pool(pool(database.owner()));
    let mut settings = ResolveSettings::default();
    settings.max_age_unheard = Duration::from_millis(50);
    let there = PromptOps::builder(backend)
        .resolve_settings(settings)
        .build()
        .tenant("acme")
        .unwrap();
    served(&there, "triage@production", "one").await;
    let v2 = save(&here, "triage", "two").await;
    promote(&here, &v2).await;
    served(&there, "triage@production", "two").await;
}
