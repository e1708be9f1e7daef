//! What the improvement loop remembers: how often it waits for the server and for whom, what a lost connection leaves of it,
//! and the way to its schema and back.

use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::base::{PageRequest, Timestamp};
use promptops_core::improvement::{
    ImprovementRecord, ImprovementStore, RecordFilter, RecordKind, Spending, day_of,
};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::databases::{APP, Database, pool};
use crate::desk::{acme, acme_id, fails, improve, lease, spend, switch, take};
use crate::proxy::{Fault, Proxy};

async fn revision(backend: &PgBackend) -> Option<u64> {
    let id = ImprovementRecord::CONTROL;
    let found = backend
        .improvement_record(&acme_id(), RecordKind::Control, id)
        .await;
    found.unwrap().map(|record| record.revision())
}

async fn spent(backend: &PgBackend) -> Spending {
    let spending = backend.spending(&acme_id(), day_of(Timestamp::default())).await;
    spending.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_one_wait_for_the_server() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database.owner()).await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()));
    let backend = PgBackend::new(pool);
    let all = RecordFilter::all(RecordKind::Control);
    let mut rounds = [[0; 6]; 6];
    for (n, rounds) in (1..).zip(&mut rounds) {
        proxy.count_rounds();
        backend.commit_improvement(switch(n)).await.unwrap();
        rounds[0] = proxy.rounds();
        proxy.count_rounds();
        take(&backend, "w-1").await;
        rounds[1] = proxy.rounds();
        proxy.count_rounds();
        spend(&backend, 1, Some(100)).await.unwrap();
        rounds[2] = proxy.rounds();
        proxy.count_rounds();
        spent(&backend).await;
        rounds[3] = proxy.rounds();
        proxy.count_rounds();
        revision(&backend).await;
        rounds[4] = proxy.rounds();
        proxy.count_rounds();
        let listed = backend
            .improvement_records(&acme_id(), &all, &PageRequest::default())
            .await;
        assert_eq!(listed.unwrap().items.len(), 1);
        rounds[5] = proxy.rounds();
    }
    // The connection prepares each statement once.
    assert_eq!(rounds[5], [1; 6], "{rounds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_and_spending_do_not_wait_for_their_tenants_changes() {
    let database = Database::new().await;
    let backend = database.backend();
    improve(&backend).await;
    let mut other = PgConnection::connect_with(&database.owner()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT promptops.locked('acme')").await.unwrap();
    let work = async {
        assert_eq!(take(&backend, "w-2").await, lease("w-1"));
        let triage = lease("w-1");
        backend
            .return_slot_lease(&acme_id(), &triage.prompt, &triage.environment, "w-1")
            .await
            .unwrap();
        assert_eq!(take(&backend, "w-2").await, lease("w-2"));
        assert_eq!(spend(&backend, 1, Some(4)).await, Some(Spending::calls(4)));
        let day = day_of(Timestamp::default());
        let settled = backend
            .settle_spending(&acme_id(), day, Spending::calls(2), Spending::calls(1))
            .await;
        assert_eq!(settled.unwrap(), Spending::calls(3));
    };
    tokio::time::timeout(Duration::from_secs(4), work)
        .await
        .expect("nobody holds them");
    other.execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_commit_is_an_unknown_outcome() {
    let database = Database::new().await;
    let direct = database.backend();
    improve(&direct).await;
    let proxy = Proxy::before(&database.owner()).await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options(&database.owner()));
    let through = PgBackend::options()
        .statement_timeout(Duration::from_millis(500))
        .with_pool(pool);
    for (fault, made) in [
        (Fault::CutBefore(b"control"), false),
        (Fault::CutAfter(b"control"), true),
        (Fault::Hang(b"control"), true),
    ] {
        let before = revision(&direct).await.unwrap();
        // A connection, and the statement on it, are there already.
        revision(&through).await;
        proxy.next(fault.clone());
        let words = ["it may have been made or not", "look before repeating it"];
        let committed = through.commit_improvement(switch(before + 1)).await;
        fails(committed, ErrorKind::OutcomeUnknown, &words);
        assert!(proxy.has_struck());
        assert_eq!(
            revision(&direct).await,
            Some(before + u64::from(made)),
            "{fault:?}"
        );
    }
    acme(direct).audit().verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_changed_behind_the_backend_are_errors() {
    let database = Database::new().await;
    let backend = database.backend();
    improve(&backend).await;
    for record in ["{}", "", "{\"stopped\": 7, \"revision\": 1}"] {
        database
            .execute(&format!("UPDATE promptops.improvement SET record = '{record}'"))
            .await
            .unwrap();
        let id = ImprovementRecord::CONTROL;
        let found = backend
            .improvement_record(&acme_id(), RecordKind::Control, id)
            .await;
        fails(found, ErrorKind::Corrupt, &["control cannot be read back"]);
        let all = RecordFilter::all(RecordKind::Control);
        let listed = backend
            .improvement_records(&acme_id(), &all, &PageRequest::default())
            .await;
        fails(listed, ErrorKind::Corrupt, &["control cannot be read back"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spending_stays_at_the_most_that_a_column_takes() {
    let database = Database::new().await;
    let backend = database.backend();
    let most = i64::MAX as u64;
    for calls in [u64::MAX, 1, u64::MAX] {
        assert_eq!(spend(&backend, calls, None).await, Some(Spending::calls(most)));
        let limited = spend(&backend, calls, Some(u64::MAX)).await;
        assert_eq!(limited, Some(Spending::calls(most)), "no figure is above it");
    }
    let day = day_of(Timestamp::default());
    for (reserved, used, left) in [
        (1, 0, most - 1),
        (u64::MAX, u64::MAX, 0),
        (u64::MAX, 1, 0),
        (0, u64::MAX, most),
    ] {
        let settled = backend
            .settle_spending(&acme_id(), day, Spending::calls(reserved), Spending::calls(used))
            .await;
        assert_eq!(settled.unwrap(), Spending::calls(left), "{reserved} {used}");
    }
    assert_eq!(spend(&backend, 1, Some(most)).await, None);
    assert_eq!(spend(&backend, 0, Some(most)).await, Some(Spending::calls(most)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_goes_with_its_schema() {
    let database = Database::new().await;
    let backend = database.backend();
    improve(&backend).await;
    backend.migrate_to(6).await.unwrap();
    fails(
        database.backend().commit_improvement(switch(1)).await,
        ErrorKind::Unsupported,
        &["schema 6", "needs schema 7"],
    );
    backend.migrate().await.unwrap();
    assert_eq!(revision(&backend).await, None);
    assert_eq!(spent(&backend).await, Spending::NONE);
    // A role that owns nothing has to be granted the tables anew.
    let app = PgBackend::new(pool(database.app()));
    fails(
        app.commit_improvement(switch(1)).await,
        ErrorKind::Backend,
        &["give it its privileges with `PgBackend::grant_to`"],
    );
    backend.grant_to(APP).await.unwrap();
    improve(&app).await;
    assert_eq!(revision(&backend).await, Some(1));
    assert_eq!(take(&backend, "w-2").await, lease("w-1"));
}
