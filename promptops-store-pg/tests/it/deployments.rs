//! Deployments: how often they wait for the server, what a lost connection leaves of them, who hears of them, and the way
//! to their schema and back.

use std::time::Duration;

use promptops_core::base::{Change, ChangeFeed, ChangeReader, Event, PageRequest};
use promptops_core::deployment::{DeploymentFilter, DeploymentStore, MonitorOutcome, State};
use promptops_core::environment::EnvironmentStore;
use promptops_core::{ErrorKind, PromptOps};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgPoolOptions;

use crate::databases::{APP, Database, pool};
use crate::desk::{acme, acme_id, ana, fails, promote, propose, save, ship, shipping, text};
use crate::proxy::{Fault, Proxy};

/// A backend behind a proxy, on one connection that is not tried before it is used.
async fn behind(proxy: &Proxy, database: &Database) -> PgBackend {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()));
    PgBackend::options()
        .statement_timeout(Duration::from_millis(500))
        .with_pool(pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ship_is_committed_in_one_wait_for_the_server_like_a_promotion() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    let proxy = Proxy::before(&database.owner()).await;
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()));
    let backend = PgBackend::new(pool);
    let through = PromptOps::builder(backend.clone())
        .follow_changes(false)
        .build()
        .tenant("acme")
        .unwrap();
    let (mut moves, mut commits, mut ships) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..12 {
        let commit_of = async |prompt: &str| {
            let version = save(&direct, prompt, &format!("text {n}")).await;
            shipping(&propose(&direct, &version).await, 0)
        };
        let pointer = commit_of(&format!("moved-{n}")).await.pointer.unwrap();
        proxy.count_rounds();
        backend.move_pointer(pointer).await.unwrap();
        moves.push(proxy.rounds());
        let commit = commit_of(&format!("shipped-{n}")).await;
        proxy.count_rounds();
        backend.commit_deployments(commit).await.unwrap();
        commits.push(proxy.rounds());
        // All of an approval, with what it is decided on.
        let version = save(&direct, "triage", &format!("text {n}")).await;
        let proposed = propose(&direct, &version).await;
        proxy.count_rounds();
        ship(&through, &proposed).await.unwrap();
        ships.push(proxy.rounds());
    }
    // Each connection prepares each statement once, which is a wait more: the least is what all further ones take.
    assert_eq!(moves.iter().min(), Some(&1), "{moves:?}");
    assert_eq!(commits.iter().min(), Some(&1), "{commits:?}");
    assert_eq!(
        ships.iter().min(),
        Some(&4),
        "deployment; slot, version and holder; case; commit: {ships:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_ship_is_an_unknown_outcome() {
    let database = Database::new().await;
    let direct = acme(database.backend());
    let v1 = save(&direct, "triage", "one").await;
    promote(&direct, &v1).await;
    let proxy = Proxy::before(&database.owner()).await;
    let tenant = acme(behind(&proxy, &database).await);
    let words = ["it may have been made or not", "look before repeating it"];
    for (n, (fault, made)) in [
        (Fault::CutBefore(b"deployment_changed"), false),
        (Fault::CutAfter(b"deployment_changed"), true),
        (Fault::Hang(b"deployment_changed"), true),
    ]
    .into_iter()
    .enumerate()
    {
        let version = save(&direct, "triage", &format!("text {n}")).await;
        let proposed = propose(&direct, &version).await;
        let live = text(&direct, "triage@production").await;
        proxy.next(fault.clone());
        let error = fails(ship(&tenant, &proposed).await, ErrorKind::OutcomeUnknown, &words);
        assert!(!error.is_retryable(), "{fault:?}");
        assert!(proxy.has_struck());
        // All of it was made, or nothing.
        let now = direct.deployments().get(&proposed.id).await.unwrap();
        let live = if made { format!("text {n}") } else { live };
        assert_eq!(now.state == State::Monitoring, made, "{fault:?}");
        assert_eq!(text(&acme(database.backend()), "triage@production").await, live);
    }
    direct.audit().verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_goes_from_one_to_another_in_whatever_order_they_are_committed() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let backend = database.backend();
    let first = propose(&tenant, &save(&tenant, "triage", "one").await).await;
    let first = shipping(&first, 0);
    backend.commit_deployments(first.clone()).await.unwrap();
    let second = propose(&tenant, &save(&tenant, "triage", "two").await).await;
    let mut second = shipping(&second, 0);
    second.slot.as_mut().unwrap().revision = 2;
    let taken = backend.commit_deployments(second.clone()).await;
    fails(taken, ErrorKind::Conflict, &["is live in triage@production"]);
    let mut superseded = first.changed[0].clone();
    superseded.revision += 1;
    superseded.monitor = Some(MonitorOutcome::Superseded);
    second.changed.push(superseded.clone());
    backend.commit_deployments(second.clone()).await.unwrap();
    for changed in second.changed {
        assert_eq!(
            backend.deployment(&acme_id(), &changed.id).await.unwrap(),
            Some(changed)
        );
    }
}

/// The deployments that are told next, and whether a pointer's move is among it.
async fn told(reader: &mut dyn ChangeReader) -> (Vec<(String, String)>, bool) {
    let (mut deployments, mut is_moved) = (Vec::new(), false);
    for event in reader.next().await.unwrap() {
        match event {
            Event::Changed {
                change:
                    Change::DeploymentChanged {
                        deployment, state, ..
                    },
                ..
            } => deployments.push((deployment.to_string(), state)),
            Event::Changed {
                change: Change::PointerMoved { .. },
                ..
            } => is_moved = true,
            Event::Changed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    (deployments, is_moved)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_hear_of_deployments_that_are_committed() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let version = save(&tenant, "triage", "one").await;
    let backend = database.backend();
    let mut reader = backend.reader().unwrap();
    assert_eq!(reader.next().await.unwrap(), [Event::Missed]);
    let proposed = propose(&tenant, &version).await;
    let id = proposed.id.to_string();
    assert_eq!(
        told(&mut *reader).await,
        (vec![(id.clone(), "proposed".into())], false)
    );
    let mut refused = shipping(&proposed, 0);
    refused.pointer.as_mut().unwrap().policy_revision = 7;
    fails(
        backend.commit_deployments(refused).await,
        ErrorKind::Conflict,
        &["polic"],
    );
    backend.commit_deployments(shipping(&proposed, 0)).await.unwrap();
    assert_eq!(told(&mut *reader).await, (vec![(id, "monitoring".into())], true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_go_with_their_schema_and_what_is_live_stays() {
    let database = Database::new().await;
    let backend = database.backend();
    let tenant = acme(backend.clone());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let v2 = save(&tenant, "triage", "two").await;
    ship(&tenant, &propose(&tenant, &v2).await).await.unwrap();
    let audited = tenant.audit().verify().await.unwrap();

    backend.migrate_to(5).await.unwrap();
    fails(
        database
            .backend()
            .slot_control(&acme_id(), &v1.prompt, &"production".parse().unwrap())
            .await,
        ErrorKind::Unsupported,
        &["schema 5", "needs schema 7"],
    );
    backend.migrate().await.unwrap();
    let tenant = acme(database.backend());
    assert_eq!(text(&tenant, "triage@production").await, "two");
    assert_eq!(tenant.audit().verify().await.unwrap(), audited);
    let deployments = tenant.deployments();
    let all = deployments
        .list(&DeploymentFilter::default(), &PageRequest::default())
        .await;
    assert_eq!(all.unwrap().items, []);
    assert_eq!(
        deployments.slot("triage", "production").await.unwrap().revision,
        0
    );

    // A role that owns nothing has to be granted the tables anew, and goes on from what is live.
    let app = acme(PgBackend::new(pool(database.app())));
    let v3 = save(&app, "triage", "three").await;
    let refused = app.deployments();
    let refused = refused.propose(&v3, "production", &ana()).await;
    fails(
        refused,
        ErrorKind::Backend,
        &["give it its privileges with `PgBackend::grant_to`"],
    );
    backend.grant_to(APP).await.unwrap();
    let shipped = ship(&app, &propose(&app, &v3).await).await.unwrap();
    assert_eq!(shipped.shipped.unwrap().revision, 3);
}
