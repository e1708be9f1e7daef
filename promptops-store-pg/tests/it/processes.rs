//! Several processes on one database.
//!
//! The other process is this test binary again, told by the environment what to do.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::base::{Actor, PageRequest};
use promptops_core::deployment::{DeploymentFilter, replayed};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::databases::{Database, pool, server};
use crate::desk::{acme, ana, fails, promote, propose, save, ship};

const DATABASE: &str = "PROMPTOPS_TEST_DATABASE";
const RACER: &str = "PROMPTOPS_TEST_RACER";
const PROCESSES: usize = 8;
const ROUNDS: u64 = 25;
/// How many deployments each process ships.
const SHIPS: usize = 5;

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
                say("won", base);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                assert!(error.current_revision().unwrap() > base);
            }
        }
    }
}

/// What the other processes printed after this word, of each process.
fn results_of_others(test: &str, database: &Database, word: &str) -> Vec<Vec<u64>> {
    let name = database.owner().get_database().unwrap().to_owned();
    let children: Vec<_> = (0..PROCESSES)
        .map(|n| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--ignored", "--nocapture"])
                .env(DATABASE, &name)
                .env(RACER, format!("racer-{n}"))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let results = children.into_iter().map(|mut child| {
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        let lines = output.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|number| number.trim().parse().unwrap()).collect()
    });
    results.collect()
}

/// Says something to the test that started this process.
fn say(word: &str, number: u64) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{word} {number}").unwrap();
    stdout.flush().unwrap();
}

#[test]
#[ignore = "the other process of the test of ships below"]
fn other_shipping_process() {
    let (Ok(database), Ok(racer)) = (std::env::var(DATABASE), std::env::var(RACER)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(race_to_ship(server().database(&database), &racer));
}

/// Ships the deployments that are this racer's, one after the other, until all are.
async fn race_to_ship(options: PgConnectOptions, racer: &str) {
    let tenant = acme(PgBackend::new(pool(options)));
    let deployments = tenant.deployments();
    let all = DeploymentFilter::default();
    let all = deployments.list(&all, &PageRequest::first(100)).await.unwrap();
    let mut shipped = 0;
    for proposed in all.items.iter().filter(|proposed| proposed.rationale == racer) {
        loop {
            match ship(&tenant, proposed).await {
                Ok(done) => {
                    say("shipped", done.shipped.unwrap().revision);
                    break;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
            }
        }
        shipped += 1;
    }
    assert_eq!(shipped, SHIPS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_ship_into_one_slot_and_each_revision_is_one_ship() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let deployments = tenant.deployments();
    let ships = (PROCESSES * SHIPS) as u64;
    let mut candidates = BTreeMap::new();
    for n in 0..PROCESSES * SHIPS {
        let version = save(&tenant, "triage", &format!("text {n}")).await;
        let racer = format!("racer-{}", n % PROCESSES);
        let proposed = deployments
            .propose(&version, "production", &ana())
            .rationale(&racer)
            .await
            .unwrap();
        candidates.insert(proposed.id, version.number);
    }
    let others = tokio::task::spawn_blocking(move || {
        let results = results_of_others("processes::other_shipping_process", &database, "shipped");
        (database, results)
    });
    let (_database, results) = others.await.unwrap();
    let mut revisions = results.concat();
    revisions.sort_unstable();
    assert!(revisions.into_iter().eq(1..=ships), "{results:?}");

    let history = tenant.environments();
    let history = history
        .history("triage", "production", &PageRequest::first(100))
        .await;
    let moved: BTreeMap<_, _> = history
        .unwrap()
        .items
        .into_iter()
        .map(|moved| (moved.revision, moved.to))
        .collect();
    assert_eq!(moved.len() as u64, ships);
    let mut steps = 0;
    let mut having = 0;
    for (id, version) in candidates {
        let deployment = deployments.get(&id).await.unwrap();
        let transitions = deployments.transitions(&id).await.unwrap();
        assert_eq!(replayed(&transitions).unwrap(), deployment.standing());
        having += u32::from(deployment.has_slot());
        assert_eq!(moved[&deployment.shipped.unwrap().revision], version);
        steps += transitions.len() as u64;
    }
    assert_eq!(having, 1, "all but the last were superseded");
    assert_eq!(
        deployments.slot("triage", "production").await.unwrap().revision,
        ships
    );
    // Each version saved, each move and each step once.
    assert_eq!(tenant.audit().verify().await.unwrap(), 2 * ships + steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_race_for_one_slot_and_each_revision_has_one_winner() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    for text in ["one", "two"] {
        save(&tenant, "triage", text).await;
    }
    let results = results_of_others("processes::other_process", &database, "won");
    let mut winners = BTreeMap::new();
    for (n, won) in results.into_iter().enumerate() {
        for base in won {
            assert_eq!(
                winners.insert(base, format!("racer-{n}")),
                None,
                "{base} was won twice"
            );
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

        // Something happens in the slot while the ship waits for its turn.
        let second = save(&tenant, "triage", "two").await;
        let proposed = propose(&tenant, &second).await;
        other.execute("BEGIN").await.unwrap();
        other.execute("SELECT promptops.locked('acme')").await.unwrap();
        let shipping = tokio::spawn({
            let tenant = tenant.clone();
            async move { ship(&tenant, &proposed).await }
        });
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(backend.pool())
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let hold = "INSERT INTO promptops.slot (tenant, prompt, environment, revision, record)
            SELECT id, 'triage', 'production', 7, '{}' FROM promptops.tenant";
        other.execute(hold).await.unwrap();
        other.execute("COMMIT").await.unwrap();
        let late = fails(
            shipping.await.unwrap(),
            ErrorKind::Conflict,
            &["the slot triage@production is at revision 7"],
        );
        assert_eq!(late.current_revision(), Some(7));

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
