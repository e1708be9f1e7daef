//! What comes with live traffic: counts, traces, outcomes.

use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{
    ClosureHash, EnvironmentName, ManualClock, Page, PageRequest, TenantId, Timestamp, VersionNumber,
};
use promptops_core::experiment::{
    Counter, ExperimentStatus, ExperimentStore, Loss, OutcomeVerdict, Tallies, TallyRow,
};
use promptops_core::observation::{
    Annotation, AnnotationEntry, Dimensions, Feedback, Metrics, MetricsStore, Resolution, RollupQuery, Trace,
    TraceEntry, TraceFilter, TraceRecord, TraceStore, TraceVerdict,
};
use promptops_core::{ErrorKind, PromptOps};
use promptops_store_pg::PgBackend;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::databases::{Database, pool};
use crate::desk::{
    acme, acme_id, begin, change, experiment, fails, live, name, outcome, promote, save, trace,
};

fn closure() -> ClosureHash {
    ClosureHash::from_bytes([7; 32])
}

async fn metrics(backend: &PgBackend, tenant: &TenantId) -> Metrics {
    let metrics = backend.metrics(tenant, &name("triage"), &closure(), None).await;
    metrics.unwrap()
}

/// The backends of an owner and of a role that is bound.
fn backends(database: &Database) -> [PgBackend; 2] {
    [database.backend(), PgBackend::new(pool(database.app()))]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_batches_of_several_tenants_lose_no_count_and_wait_in_no_circle() {
    let database = Database::new().await;
    let tenants = ["a", "b", "c"].map(|name| TenantId::new(name).unwrap());
    let mut recording = JoinSet::new();
    for task in 0..8_usize {
        let backend = backends(&database)[task % 2].clone();
        let tenants = tenants.clone();
        recording.spawn(async move {
            for round in 0..6_usize {
                let mut entries: Vec<TraceEntry> = (0..24_usize)
                    .map(|n| {
                        let mut entry =
                            trace(60_000 * (n % 5) as i64, (task * 1_000 + round * 100 + n) as u128);
                        entry.tenant = tenants[n % 3].clone();
                        entry.trace.stamp.version = VersionNumber::new(1 + n as u32 % 4).ok();
                        entry
                    })
                    .collect();
                // Every task comes to the rows from another side.
                entries.rotate_left(task * 3);
                if task % 3 == 0 {
                    entries.reverse();
                }
                let verdicts = backend.record_traces(&entries).await.unwrap();
                assert!(verdicts.iter().all(|verdict| *verdict == TraceVerdict::Written));
                let annotations: Vec<_> = entries
                    .iter()
                    .map(|entry| AnnotationEntry {
                        tenant: entry.tenant.clone(),
                        trace: entry.trace.id,
                        annotation: Annotation {
                            success: Some(false),
                            rating_millionths: Some(7),
                            ..Annotation::default()
                        },
                    })
                    .collect();
                backend.annotate_traces(&annotations).await.unwrap();
                let feedback: Vec<_> = entries
                    .iter()
                    .map(|entry| Feedback {
                        tenant: entry.tenant.clone(),
                        dimensions: entry.trace.dimensions(),
                        success: true,
                        rating_millionths: None,
                        at: entry.trace.at,
                    })
                    .collect();
                backend.record_feedback(&feedback).await.unwrap();
                let before = Timestamp::from_timestamp(120, 0).unwrap();
                backend
                    .prune_minutes(&entries[0].tenant, before, 3)
                    .await
                    .unwrap();
            }
        });
    }
    recording.join_all().await;
    for tenant in &tenants {
        let counts = metrics(&database.backend(), tenant).await;
        let each = 8 * 6 * 8;
        assert_eq!((counts.usage_count, counts.judged_count), (2 * each, 2 * each));
        assert_eq!((counts.success_count, counts.rated_count), (each, each));
        assert_eq!(counts.rating_sum_millionths, 7 * each);
        assert_eq!(counts.latencies.count(), each);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_with_u_0000_is_kept() {
    let database = Database::new().await;
    for (backend, bits) in backends(&database).iter().zip([1, 2]) {
        let mut entry = trace(1, bits);
        let text = || Some("a\0b".to_owned());
        let it = &mut entry.trace;
        it.inputs = Some(serde_json::json!({ "q\0": ["\0", "\\u0000"] }));
        (it.output, it.model, it.session) = (text(), text(), text());
        it.tags.insert("t\0".into());
        let batch = [entry.clone(), trace(1, bits + 10)];
        let verdicts = backend.record_traces(&batch).await.unwrap();
        assert_eq!(verdicts, [TraceVerdict::Written; 2]);
        let annotation = Annotation {
            comment: text(),
            corrected_output: text(),
            ..Annotation::default()
        };
        let annotated = AnnotationEntry {
            tenant: acme_id(),
            trace: entry.trace.id,
            annotation: annotation.clone(),
        };
        backend.annotate_traces(&[annotated]).await.unwrap();
        annotation.apply(&mut entry.trace);
        let read = backend.trace(&acme_id(), entry.trace.id).await.unwrap();
        assert!(read == Some(entry.trace.clone()), "{read:?}");
        let filter = TraceFilter {
            model: text(),
            session: text(),
            tags: ["t\0".to_owned()].into(),
            has_correction: true,
            ..TraceFilter::default()
        };
        let page = backend.traces(&acme_id(), &filter, &PageRequest::default()).await;
        assert!(page.unwrap().items.contains(&entry.trace));
    }
}

/// All pages, and how many there were.
async fn all(backend: &PgBackend, filter: &TraceFilter, limit: u32) -> (Vec<TraceRecord>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut request = PageRequest::first(limit);
    loop {
        let Page { items, next } = backend.traces(&acme_id(), filter, &request).await.unwrap();
        assert!(items.len() <= limit as usize);
        found.extend(items);
        pages += 1;
        match next {
            Some(next) => request = PageRequest::first(limit).after(next),
            None => return (found, pages),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_looks_at_so_many_traces_and_the_next_goes_on_there() {
    let database = Database::new().await;
    let [owner, app] = backends(&database);
    let entries: Vec<TraceEntry> = (0..23_000)
        .map(|n| {
            let mut entry = trace(n, 0);
            if n % 11_000 == 500 {
                entry.trace.model = Some("rare".into());
                entry.trace.tags.insert("rare".into());
            }
            entry
        })
        .collect();
    for batch in entries.chunks(8_000) {
        owner.record_traces(batch).await.unwrap();
    }
    let wanted = [22_500, 11_500, 500].map(|millis| trace(millis, 0).trace.id);
    let of_model = TraceFilter {
        model: Some("rare".into()),
        ..TraceFilter::default()
    };
    let of_prompt = TraceFilter {
        prompt: Some(name("triage")),
        ..of_model.clone()
    };
    let tagged = TraceFilter {
        tags: ["rare".to_owned()].into(),
        ..TraceFilter::default()
    };
    // 23,000 at 10,000 a call.
    for (filter, most) in [(of_model, 3), (of_prompt, 3), (tagged, 3)] {
        for backend in [&owner, &app] {
            let (found, pages) = all(backend, &filter, 10).await;
            let found: Vec<_> = found.iter().map(|trace| trace.id).collect();
            assert_eq!((found.as_slice(), pages), (&wanted[..], most));
        }
    }
    let other = TraceFilter {
        prompt: Some(name("another")),
        ..TraceFilter::default()
    };
    assert_eq!(all(&owner, &other, 10).await, (Vec::new(), 1));
    let (found, _) = all(&app, &TraceFilter::default(), 999).await;
    let expected: Vec<_> = entries.iter().rev().map(|entry| entry.trace.id).collect();
    assert!(found.iter().map(|trace| trace.id).eq(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_before_is_counted_on_and_the_way_back_keeps_what_it_can() {
    let database = Database::empty().await;
    let backend = database.backend();
    backend.migrate_to(4).await.unwrap();
    let insert = "INSERT INTO promptops.tenant (name) VALUES ('acme');
        INSERT INTO promptops.metrics SELECT id, 'triage', decode(repeat('07', 32), 'hex'), e, 5, 3, 2, 1000001
            FROM promptops.tenant, unnest(ARRAY['', 'production']) e";
    database.execute(insert).await.unwrap();
    backend.migrate().await.unwrap();
    let counts = metrics(&backend, &acme_id()).await;
    let expected = Metrics {
        usage_count: 10,
        judged_count: 10,
        success_count: 6,
        rated_count: 4,
        rating_sum_millionths: 2_000_002,
        ..Metrics::default()
    };
    assert_eq!(counts, expected);
    let production = EnvironmentName::new("production").unwrap();
    let feedback = Feedback {
        tenant: acme_id(),
        dimensions: Dimensions {
            prompt: name("triage"),
            version: None,
            closure_hash: closure(),
            environment: Some(production),
            variant: None,
        },
        success: true,
        rating_millionths: None,
        at: Timestamp::default(),
    };
    backend.record_feedback(&[feedback]).await.unwrap();
    // Of what was not judged nothing can be kept.
    let mut unjudged = trace(1, 1);
    unjudged.trace.success = None;
    backend.record_traces(&[trace(1, 2), unjudged]).await.unwrap();
    backend.migrate_to(4).await.unwrap();
    let kept = "SELECT string_agg(concat_ws(' ', environment, usage_count, success_count, rated_count,
        rating_sum_millionths), ',' ORDER BY environment) FROM promptops.metrics";
    let kept: String = sqlx::query_scalar(kept).fetch_one(backend.pool()).await.unwrap();
    assert_eq!(kept, " 5 3 2 1000001,production 7 5 2 1000001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_outcomes_are_counted_as_they_are_told_until_the_completion() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let experiment = experiment("x-1", 1, &[&v1, &v1]);
    begin(&database.backend(), &experiment, 0).await.unwrap();
    let experiment = Arc::new(experiment);
    let mut recording = JoinSet::new();
    for task in 0..6_u64 {
        let (backend, experiment) = (backends(&database)[task as usize % 2].clone(), experiment.clone());
        recording.spawn(async move {
            let mut told = Vec::new();
            for round in 0..40_u64 {
                // Units that others have too, in another variant at times, and twice in a batch.
                let batch: Vec<_> = (0..60_u64)
                    .map(|n| {
                        let unit = ((round * 37 + n * 13) % 500).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        outcome(unit, u8::from((unit >> 32) % 7 == 0 && task == 3), n % 2 == 0)
                    })
                    .collect();
                let verdicts = backend.record_outcomes(&acme_id(), &experiment.id, &batch).await;
                told.extend(verdicts.unwrap());
                if task == 0 && round == 30 {
                    let done = change(&experiment, ExperimentStatus::Completed);
                    backend.change_experiment(done).await.unwrap();
                }
            }
            told
        });
    }
    let told: Vec<OutcomeVerdict> = recording.join_all().await.into_iter().flatten().collect();
    let count = |of| told.iter().filter(|verdict| **verdict == of).count() as u64;
    let rows: Vec<TallyRow> = database
        .backend()
        .tallies(&acme_id(), &experiment.id)
        .await
        .unwrap();
    let sum = |of| -> u64 {
        rows.iter()
            .filter(|row| row.key.counter == of)
            .map(|row| row.count)
            .sum()
    };
    let contaminated = sum(Counter::CONTAMINATED);
    assert!(contaminated > 0 && count(OutcomeVerdict::Closed) > 0);
    assert_eq!(sum(Counter::OUTCOMES), count(OutcomeVerdict::Written));
    assert_eq!(sum(Counter::DUPLICATES), count(OutcomeVerdict::Duplicate));
    let stored = "SELECT count(*), count(*) FILTER (WHERE contaminated),
        count(*) FILTER (WHERE success) FROM promptops.outcome";
    let stored: (i64, i64, i64) = sqlx::query_as(stored)
        .fetch_one(database.backend().pool())
        .await
        .unwrap();
    assert_eq!(stored.0 as u64, count(OutcomeVerdict::Written));
    assert_eq!(stored.1 as u64, contaminated);
    assert_eq!(stored.2 as u64, sum(Counter::SUCCESSES));
    let tallies = Tallies::from_rows(rows);
    let judged = tallies.of(0).guardrails[1];
    assert_eq!(judged, (tallies.of(0).outcomes, tallies.of(0).outcomes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_losses_stay_at_the_most_that_fits() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let backend = database.backend();
    let experiment = live(&backend, &v1, 0).await;
    let loss = |count| Loss {
        epoch: u32::MAX,
        variant: 255,
        count,
    };
    for losses in [[loss(u64::MAX), loss(1)], [loss(1), loss(2)]] {
        let recorded = backend.record_losses(&acme_id(), &experiment.id, &losses).await;
        recorded.unwrap();
    }
    let rows = backend.tallies(&acme_id(), &experiment.id).await.unwrap();
    assert_eq!(rows.last().unwrap().count, i64::MAX as u64);
    // One that something else made less than nothing.
    database
        .execute("UPDATE promptops.tally SET count = -1")
        .await
        .unwrap();
    let read = backend.tallies(&acme_id(), &experiment.id).await;
    fails(read, ErrorKind::Corrupt, &["count of an experiment"]);
}

/// What comes with traffic does not wait for its tenant's changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_does_not_wait_for_its_tenants_changes() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let backend = database.backend();
    let experiment = live(&backend, &v1, 0).await;
    let mut other = PgConnection::connect_with(&database.owner()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT promptops.locked('acme')").await.unwrap();
    let work = async {
        backend.record_traces(&[trace(61_000, 1)]).await.unwrap();
        let annotation = AnnotationEntry {
            tenant: acme_id(),
            trace: trace(61_000, 1).trace.id,
            annotation: Annotation::default(),
        };
        backend.annotate_traces(&[annotation]).await.unwrap();
        let outcomes = [outcome(2, 1, true)];
        let counted = backend
            .record_outcomes(&acme_id(), &experiment.id, &outcomes)
            .await;
        assert_eq!(counted.unwrap(), [OutcomeVerdict::Written]);
        let later = Timestamp::from_timestamp(7_200, 0).unwrap();
        assert_eq!(backend.prune_traces(&acme_id(), later, 10).await.unwrap(), 2);
        assert_eq!(backend.prune_minutes(&acme_id(), later, 10).await.unwrap(), 2);
    };
    tokio::time::timeout(Duration::from_secs(4), work)
        .await
        .expect("nobody holds what it needs");
    other.execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_changed_behind_the_backend_is_an_error() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    let backend = database.backend();
    let experiment = live(&backend, &v1, 0).await;
    let behind = "UPDATE promptops.trace SET record = '{}'; UPDATE promptops.rollup SET metrics = '{\"usage_count\":-1}';
        UPDATE promptops.experiment SET record = '{}'";
    database.execute(behind).await.unwrap();
    let page = PageRequest::default();
    let corrupt = ErrorKind::Corrupt;
    fails(
        backend.trace(&acme_id(), trace(1, 1).trace.id).await,
        corrupt,
        &["trace"],
    );
    fails(
        backend.traces(&acme_id(), &TraceFilter::default(), &page).await,
        corrupt,
        &["trace"],
    );
    let counts = backend
        .metrics(&acme_id(), &name("triage"), &closure(), None)
        .await;
    fails(counts, corrupt, &["counts"]);
    let query = RollupQuery {
        prompt: name("triage"),
        resolution: Resolution::Total,
        from: Timestamp::default(),
        to: Timestamp::default(),
        version: None,
        closure_hash: None,
        environment: None,
    };
    fails(backend.rollups(&acme_id(), &query).await, corrupt, &["counts"]);
    fails(backend.record_traces(&[trace(2, 2)]).await, corrupt, &["counts"]);
    fails(
        backend.experiment(&acme_id(), &experiment.id).await,
        corrupt,
        &["experiment"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_clock_runs_ahead_removes_nothing_of_others() {
    let database = Database::new().await;
    for backend in backends(&database) {
        let now = backend.now().await.unwrap().unwrap();
        let off = (now - Timestamp::from(std::time::SystemTime::now())).abs();
        assert!(off < chrono::TimeDelta::minutes(1), "{now}");
    }
    let backend = database.backend();
    let day = 86_400_000;
    let now = backend.now().await.unwrap().unwrap();
    let [old, new] = [91, 89].map(|days| trace(now.timestamp_millis() - days * day, 1));
    backend.record_traces(&[old.clone(), new.clone()]).await.unwrap();
    let clock = Arc::new(ManualClock::at(now + chrono::TimeDelta::days(10_000)));
    let ops = PromptOps::builder(backend.clone()).clock(clock).build();
    let traces = ops.tenant("acme").unwrap().traces();
    traces.record_durable(Trace::of(&new.trace.stamp)).await.unwrap();
    traces.flush(Duration::from_secs(60)).await.unwrap();
    assert_eq!(ops.shutdown(Duration::from_secs(60)).await.traces.written, 1);
    assert_eq!(backend.trace(&acme_id(), old.trace.id).await.unwrap(), None);
    assert_eq!(
        backend.trace(&acme_id(), new.trace.id).await.unwrap(),
        Some(new.trace)
    );
}
