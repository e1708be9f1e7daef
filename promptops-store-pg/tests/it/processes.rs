//! Several processes on one database.
//!
//! The other process is this test binary again, told by the environment what to do.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::base::{Actor, PageRequest};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::databases::{Database, pool, server};
use crate::desk::{acme, ana, fails, promote, save};

const DATABASE: &str = "PROMPTOPS_TEST_DATABASE";
const RACER: &str = "PROMPTOPS_TEST_RACER";
const PROCESSES: usize = 8;
const ROUNDS: u64 = 25;

#[test]
#[ignore = "the other process of the test below"]
fn other_process() {
    let (Ok(database), Ok(racer)) = (std::env::var(DATABASE), std::env::var(RACER)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(race(server().database(&database), &racer));
}

/// Promotes on top of each revision in turn, which only one of all processes can.
async fn race(options: PgConnectOptions, racer: &str) {
    let tenant = acme(PgBackend::new(pool(options)));
    let actor = Actor::owner(racer);
    let environments = tenant.environments();
    let versions = [
        tenant.prompts().get("triage@v1").await.unwrap(),
        tenant.prompts().get("triage@v2").await.unwrap(),
    ];
    for base in 0..ROUNDS {
        let version = &versions[base as usize % 2];
        let promotion = environments
            .promote(version, "production", &actor)
            .expecting(base);
        match promotion.await {
            Ok(pointer) => {
                assert_eq!(pointer.revision, base + 1);
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "\nwon {base}").unwrap();
                stdout.flush().unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                assert!(error.current_revision().unwrap() > base);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_race_for_one_slot_and_each_revision_has_one_winner() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    for text in ["one", "two"] {
        save(&tenant, "triage", text).await;
    }
    let name = database.owner().get_database().unwrap().to_owned();
    let children: Vec<_> = (0..PROCESSES)
        .map(|n| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes::other_process", "--ignored", "--nocapture"])
                .env(DATABASE, &name)
                .env(RACER, format!("racer-{n}"))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut winners = BTreeMap::new();
    for (n, mut child) in children.into_iter().enumerate() {
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        for line in output.lines() {
            if let Some(base) = line.strip_prefix("won ") {
                let base = u64::from_str(base).unwrap();
                assert_eq!(
                    winners.insert(base, format!("racer-{n}")),
                    None,
                    "{base} was won twice"
                );
            }
        }
    }
    assert!(winners.keys().copied().eq(0..ROUNDS), "{winners:?}");
    let page = PageRequest::first(100);
    let history = tenant
        .environments()
        .history("triage", "production", &page)
        .await
        .unwrap();
    for record in &history.items {
        assert_eq!(record.actor.id, winners[&(record.revision - 1)]);
    }
    assert_eq!(history.items.len() as u64, ROUNDS);
    // Two versions saved, and each move once.
    assert_eq!(tenant.audit().verify().await.unwrap(), 2 + ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosts_default_isolation_level_weakens_nothing() {
    for level in ["repeatable read", "serializable"] {
        let database = Database::empty().await;
        let options = database
            .owner()
            .options([("default_transaction_isolation", level)]);
        let mut migrating = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let backend = PgBackend::new(pool(options.clone()));
            migrating.spawn(async move { backend.migrate().await });
        }
        for migrated in migrating.join_all().await {
            migrated.unwrap();
        }

        let backend = PgBackend::new(pool(options));
        let tenant = acme(backend.clone());
        let version = save(&tenant, "triage", "one").await;
        // Archived while the promotion waits for its turn, with whatever it has seen before.
        let mut other = PgConnection::connect_with(&database.owner()).await.unwrap();
        other.execute("BEGIN").await.unwrap();
        other.execute("SELECT promptops.locked('acme')").await.unwrap();
        let promoting = tokio::spawn({
            let (tenant, version) = (tenant.clone(), version.clone());
            async move {
                tenant
                    .environments()
                    .promote(&version, "production", &ana())
                    .await
            }
        });
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(backend.pool())
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other
            .execute("SELECT promptops.put_status(id, 1, 'archived') FROM promptops.prompt")
            .await
            .unwrap();
        other.execute("COMMIT").await.unwrap();
        fails(
            promoting.await.unwrap(),
            ErrorKind::IllegalTransition,
            &["is archived"],
        );

        let second = save(&tenant, "triage", "two").await;
        let resolved = tenant.resolve("triage").await.unwrap();
        let mut counting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (tenant, stamp) = (tenant.clone(), resolved.stamp().clone());
            counting.spawn(async move {
                for _ in 0..10 {
                    tenant
                        .metrics()
                        .record_feedback(&stamp, true, None)
                        .await
                        .unwrap();
                }
            });
        }
        counting.join_all().await;
        promote(&tenant, &second).await;
        let count = "SELECT sum((metrics::json ->> 'usage_count')::bigint)::bigint FROM promptops.rollup
            WHERE resolution = 'total'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(backend.pool()).await.unwrap();
        assert_eq!(count, 80);
    }
}
