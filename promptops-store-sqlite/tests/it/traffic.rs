//! What live traffic leaves: taken over from older files, kept when a process is killed, found in bounded steps.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::base::audit::AuditAction;
use promptops_core::base::{
    Actor, ClosureHash, ExperimentId, PageRequest, Timestamp, TraceId, VariantName, VersionNumber,
};
use promptops_core::experiment::{
    Allocation, Completion, Ending, Epoch, Experiment, ExperimentChange, ExperimentStatus, ExperimentStore,
    Goal, NewExperiment, OutcomeEntry, OutcomeVerdict, Rules, Tallies, Variant,
};
use promptops_core::observation::{
    Dimensions, Feedback, Metrics, MetricsStore, Resolution, RollupQuery, Stamp, TraceEntry, TraceFilter,
    TraceRecord, TraceStore, TraceVerdict, UnitKey,
};
use promptops_core::prompt::closure_hash;
use promptops_store_sqlite::SqliteBackend;
use serde_json::{Value, json};

use crate::desk::{acme, audit, fails, name, production, promote, promotion, raw, save};
use crate::processes::{acknowledge, acknowledged, spawn};

fn hash(byte: u8) -> ClosureHash {
    ClosureHash::from_bytes([byte; 32])
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_700_000_000_000 + millis).unwrap()
}

fn stamp(prompt: &str) -> Stamp {
    Stamp {
        prompt: name(prompt),
        version: Some(VersionNumber::FIRST),
        closure_hash: hash(7),
        environment: Some(production()),
        assignment: None,
    }
}

/// The nth trace.
fn trace(prompt: &str, n: u64) -> TraceEntry {
    let at = time(n as i64);
    TraceEntry {
        tenant: acme(),
        trace: TraceRecord {
            id: TraceId::new(at, u128::from(n)),
            stamp: stamp(prompt),
            at,
            inputs: Some(json!({"ticket": n})),
            output: Some("done".to_owned()),
            omitted: None,
            error: None,
            success: Some(true),
            rating_millionths: None,
            corrected_output: None,
            comment: None,
            scores: Default::default(),
            latency: Some(Duration::from_millis(n)),
            usage: None,
            cost: None,
            model: None,
            session: None,
            tags: BTreeSet::new(),
        },
    }
}

fn all_of(prompt: &str, resolution: Resolution) -> RollupQuery {
    RollupQuery {
        prompt: name(prompt),
        resolution,
        from: Timestamp::UNIX_EPOCH,
        to: time(1_000_000_000_000),
        version: None,
        closure_hash: None,
        environment: None,
    }
}

async fn sum(backend: &SqliteBackend, prompt: &str, resolution: Resolution) -> Metrics {
    let rollups = backend
        .rollups(&acme(), &all_of(prompt, resolution))
        .await
        .unwrap();
    let mut sum = Metrics::default();
    for rollup in rollups {
        sum.merge(&rollup.metrics);
    }
    sum
}

/// An experiment on the live version of a prompt.
pub async fn begin(backend: &SqliteBackend) -> Experiment {
    let version = save(backend, "tested", "one").await;
    promote(backend, &version).await.unwrap();
    let variant = |name| Variant {
        name: VariantName::new(name).unwrap(),
        version: version.number,
        content_hash: version.hash,
        closure_hash: closure_hash(&version.hash, &[]),
    };
    let experiment = Experiment {
        id: ExperimentId::new("e-1").unwrap(),
        name: "shorter".to_owned(),
        prompt: version.prompt.clone(),
        environment: production(),
        status: ExperimentStatus::Active,
        revision: 1,
        variants: vec![variant("control"), variant("other")],
        epochs: vec![Epoch {
            number: 1,
            allocation: Allocation::new(&[5_000, 5_000]).unwrap(),
            started_at: time(0),
        }],
        salt: String::new(),
        namespace: None,
        holdout: None,
        goal: Goal::Success,
        rules: Rules::default(),
        guardrails: Vec::new(),
        pointer_revision: 1,
        created_by: Actor::owner("ana"),
        created_at: time(0),
        completion: None,
    };
    let new = NewExperiment {
        tenant: acme(),
        experiment,
        policy_revision: 0,
        audit: audit(AuditAction::Promote, "e-1"),
    };
    backend.create_experiment(new).await.unwrap()
}

fn outcome(unit: u64) -> OutcomeEntry {
    OutcomeEntry {
        // Spread over all keys, so that half of them are negative in the file.
        unit: UnitKey::new(unit.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        variant: (unit % 2) as u8,
        epoch: 1,
        success: Some(unit.is_multiple_of(3)),
        score_millionths: Some(500_000),
        measured: 0b1,
        harmed: 0,
        at: time(unit as i64),
    }
}

#[tokio::test]
async fn feedback_of_schema_3_becomes_totals() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let old = raw(&path);
    old.execute_batch(
        "CREATE TABLE promptops_schema (version INTEGER PRIMARY KEY, applied_by TEXT NOT NULL) STRICT",
    )
    .unwrap();
    for migration in [
        include_str!("../../migrations/0001_initial.sql"),
        include_str!("../../migrations/0002_change_log.sql"),
        include_str!("../../migrations/0003_evaluation.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.execute_batch(
        "INSERT INTO promptops_schema VALUES (1, 'old'), (2, 'old'), (3, 'old');
        INSERT INTO promptops_tenant (id, name) VALUES (4, 'acme'), (5, 'other');
        INSERT INTO promptops_metrics
        SELECT 4, 'p', unhex(replace(printf('%032d', 0), '0', '07')), 'production', 10, 7, 4, 3000000
        UNION ALL SELECT 4, 'p', unhex(replace(printf('%032d', 0), '0', '07')), '', 2, 1, 0, 0
        UNION ALL SELECT 4, 'p', unhex(replace(printf('%032d', 0), '0', '08')), 'dev', 1, 0, 0, 0
        UNION ALL SELECT 5, 'p', unhex(replace(printf('%032d', 0), '0', '07')), 'dev', 9000000000, 1, 0, 0",
    )
    .unwrap();
    drop(old);

    let backend = SqliteBackend::open(&path).await.unwrap();
    let counts = |usage, success, rated, rating| Metrics {
        usage_count: usage,
        judged_count: usage,
        success_count: success,
        rated_count: rated,
        rating_sum_millionths: rating,
        ..Metrics::default()
    };
    let (prompt, live) = (name("p"), production());
    let metrics = |byte, environment| {
        let (backend, prompt) = (&backend, &prompt);
        async move {
            let metrics = backend.metrics(&acme(), prompt, &hash(byte), environment).await;
            metrics.unwrap()
        }
    };
    assert_eq!(metrics(7, Some(&live)).await, counts(10, 7, 4, 3_000_000));
    assert_eq!(metrics(7, None).await, counts(12, 8, 4, 3_000_000));
    assert_eq!(metrics(8, None).await, counts(1, 0, 0, 0));
    let other = promptops_core::base::TenantId::new("other").unwrap();
    let of_other = backend.metrics(&other, &prompt, &hash(7), None).await.unwrap();
    assert_eq!(of_other, counts(9_000_000_000, 1, 0, 0));
    let totals = backend
        .rollups(&acme(), &all_of("p", Resolution::Total))
        .await
        .unwrap();
    assert_eq!(totals.len(), 3);
    assert!(totals.iter().all(|of| of.key.dimensions.version.is_none()));
    assert_eq!(sum(&backend, "p", Resolution::Day).await, Metrics::default());

    // What comes now adds up with it.
    let feedback = |dimensions: Dimensions| Feedback {
        tenant: acme(),
        dimensions,
        success: true,
        rating_millionths: None,
        at: time(0),
    };
    let mut unversioned = Dimensions::from(&stamp("p"));
    unversioned.version = None;
    let batch = [feedback((&stamp("p")).into()), feedback(unversioned)];
    backend.record_feedback(&batch).await.unwrap();
    assert_eq!(metrics(7, None).await, counts(14, 10, 4, 3_000_000));
    assert_eq!(sum(&backend, "p", Resolution::Day).await, counts(2, 2, 0, 0));

    let tables: i64 = raw(&path)
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'promptops_metrics%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0);
}

/// How many go into one call of the process that records.
const BATCH: u64 = 20;

/// What another process does until it is killed: records traces, feedback and outcomes from a number on.
pub async fn record(path: &Path, label: &str) {
    let backend = SqliteBackend::open(path).await.unwrap();
    let (tenant, id) = (acme(), ExperimentId::new("e-1").unwrap());
    let mut from: u64 = label.parse().unwrap();
    loop {
        let batch = || from..from + BATCH;
        let traces: Vec<_> = batch().map(|n| trace("traced", n)).collect();
        let feedback: Vec<_> = batch()
            .map(|n| Feedback::new(acme(), &stamp("rated"), true, None, time(n as i64)).unwrap())
            .collect();
        let outcomes: Vec<_> = batch().map(outcome).collect();
        let (traces, feedback, outcomes) = tokio::join!(
            backend.record_traces(&traces),
            backend.record_feedback(&feedback),
            backend.record_outcomes(&tenant, &id, &outcomes),
        );
        assert!(traces.unwrap().iter().all(|of| *of == TraceVerdict::Written));
        feedback.unwrap();
        assert!(outcomes.unwrap().iter().all(|of| *of == OutcomeVerdict::Written));
        acknowledge(&format!("recorded {from}"));
        from += BATCH;
    }
}

#[tokio::test]
async fn a_killed_recorder_loses_nothing_acknowledged_and_leaves_no_half() {
    const LIVES: u64 = 20;
    const APART: u64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let experiment = begin(&backend).await;
    backend.close().await;
    let mut recorded = Vec::new();
    for life in 0..LIVES {
        let (mut child, mut stdout) = spawn("record", &path, &(life * APART).to_string());
        let mut output = String::new();
        while acknowledged(&output).len() < 3 {
            assert_ne!(stdout.read_line(&mut output).unwrap(), 0, "the child gave up");
        }
        std::thread::sleep(Duration::from_micros(life * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        output += &std::io::read_to_string(stdout).unwrap();
        recorded.extend(
            acknowledged(&output)
                .iter()
                .map(|ack| ack[1].parse::<u64>().unwrap()),
        );
    }

    let backend = SqliteBackend::open(&path).await.unwrap();
    let acknowledged = recorded.len() as u64 * BATCH;
    for from in &recorded {
        let again: Vec<_> = (*from..from + BATCH).map(|n| trace("traced", n)).collect();
        let verdicts = backend.record_traces(&again).await.unwrap();
        assert!(verdicts.iter().all(|of| *of == TraceVerdict::Duplicate), "{from}");
    }
    // Before the outcomes are recorded again, which counts duplicates.
    let rows = backend.tallies(&acme(), &experiment.id).await.unwrap();
    let tallies = Tallies::from_rows(rows);
    let outcomes = tallies.of(0).outcomes + tallies.of(1).outcomes;
    for from in &recorded {
        let again: Vec<_> = (*from..from + BATCH).map(outcome).collect();
        let verdicts = backend
            .record_outcomes(&acme(), &experiment.id, &again)
            .await
            .unwrap();
        assert!(
            verdicts.iter().all(|of| *of == OutcomeVerdict::Duplicate),
            "{from}"
        );
    }
    let raw = raw(&path);
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM promptops_{table}");
        let count: i64 = raw.query_row(&sql, [], |row| row.get(0)).unwrap();
        count as u64
    };
    assert_eq!(outcomes, count("outcome"));
    let most = acknowledged + LIVES * BATCH;
    for (what, found) in [
        ("traces", count("trace")),
        ("outcomes", outcomes),
        (
            "feedback",
            sum(&backend, "rated", Resolution::Total).await.usage_count,
        ),
    ] {
        assert!((acknowledged..=most).contains(&found), "{found} {what}");
        assert_eq!(found % BATCH, 0, "a part of a batch of {what}");
    }
    for resolution in Resolution::ALL {
        let sum = sum(&backend, "traced", resolution).await;
        assert_eq!(sum.usage_count, count("trace"), "{resolution}");
        assert_eq!(sum.latencies.count(), sum.usage_count);
    }
    println!("{acknowledged} of each acknowledged in {LIVES} lives");
}

#[tokio::test]
async fn a_page_looks_at_so_many_traces_and_says_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    let mut batch: Vec<_> = (0..10_000).map(|n| trace("p", n)).collect();
    for rare in [17, 5_000, 9_999] {
        batch[rare].trace.session = Some("rare".to_owned());
        batch[rare].trace.tags = ["rare".to_owned()].into();
    }
    backend.record_traces(&batch).await.unwrap();
    let rare = [9_999, 5_000, 17].map(|n| batch[n].trace.id);
    let filters = [
        TraceFilter {
            session: Some("rare".to_owned()),
            ..TraceFilter::default()
        },
        TraceFilter {
            prompt: Some(name("p")),
            tags: ["rare".to_owned()].into(),
            ..TraceFilter::default()
        },
    ];
    for filter in filters {
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut page = PageRequest::first(100);
        loop {
            let part = backend.traces(&acme(), &filter, &page).await.unwrap();
            found.extend(part.items.iter().map(|trace| trace.id));
            pages += 1;
            match part.next {
                Some(next) => page = PageRequest::first(100).after(next),
                None => break,
            }
        }
        assert_eq!(found, rare);
        assert_eq!(pages, 3, "a page looked at more, or at less, than it may");
    }
}

#[tokio::test]
async fn inputs_that_could_not_be_read_back_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    let nested = |depth| (0..depth).fold(json!(7), |inner, _| Value::Array(vec![inner]));
    let mut deep = trace("p", 1);
    deep.trace.inputs = Some(nested(128));
    let refused = backend.record_traces(&[trace("p", 0), deep.clone()]).await;
    fails(refused, ErrorKind::Invalid, &["nested", "120"]);
    deep.trace.inputs = Some(nested(120));
    backend.record_traces(&[deep.clone()]).await.unwrap();
    let found = backend.trace(&acme(), deep.trace.id).await.unwrap();
    assert_eq!(found, Some(deep.trace));
    let all = backend
        .traces(&acme(), &TraceFilter::default(), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(all.items.len(), 1);
}

#[tokio::test]
async fn what_was_changed_behind_the_back_of_the_backend_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let experiment = begin(&backend).await;
    let batch = [trace("p", 1), trace("p", 2)];
    backend.record_traces(&batch).await.unwrap();
    let raw = raw(&path);

    raw.execute_batch("UPDATE promptops_trace SET body = (SELECT max(body) FROM promptops_trace)")
        .unwrap();
    let first = batch[0].trace.id;
    fails(
        backend.trace(&acme(), first).await,
        ErrorKind::Corrupt,
        &["trace", &first.to_string()],
    );
    raw.execute_batch("UPDATE promptops_rollup SET metrics = '{\"usage_count\": -1}'")
        .unwrap();
    let rollups = backend.rollups(&acme(), &all_of("p", Resolution::Hour)).await;
    fails(rollups, ErrorKind::Corrupt, &["metrics"]);
    fails(
        backend.record_traces(&[trace("p", 3)]).await,
        ErrorKind::Corrupt,
        &["metrics"],
    );
    let metrics = backend.metrics(&acme(), &name("p"), &hash(7), None).await;
    fails(metrics, ErrorKind::Corrupt, &["metrics"]);

    raw.execute_batch("UPDATE promptops_experiment SET revision = 9")
        .unwrap();
    let found = backend.experiment(&acme(), &experiment.id).await;
    fails(found, ErrorKind::Corrupt, &["experiment", "e-1"]);
}

#[tokio::test]
async fn the_database_itself_keeps_what_an_experiment_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let mut experiment = begin(&backend).await;
    let raw = raw(&path);
    crate::integrity::only_grows(
        &raw,
        "promptops_experiment",
        &["prompt", "environment", "status", "revision", "experiment"],
    );
    let second =
        "INSERT INTO promptops_experiment (tenant, name, prompt, environment, status, revision, experiment)
        SELECT tenant, 'e-2', prompt, environment, 'paused', 1, experiment FROM promptops_experiment";
    for or in ["", " OR REPLACE"] {
        let error = raw
            .execute_batch(&second.replace("INSERT", &format!("INSERT{or}")))
            .unwrap_err();
        assert!(error.to_string().contains("promptops: "), "{error}");
    }

    let winner = save(&backend, "tested", "two").await;
    experiment.revision = 2;
    experiment.status = ExperimentStatus::Completed;
    experiment.completion = Some(Completion {
        ending: Ending::Stopped,
        reason: "enough".to_owned(),
        by: Actor::owner("ana"),
        at: time(1),
    });
    let change = ExperimentChange {
        tenant: acme(),
        experiment: experiment.clone(),
        promotion: Some(promotion(&winner, 1)),
        audit: audit(AuditAction::Promote, "e-1"),
    };
    backend.change_experiment(change).await.unwrap();
    crate::integrity::only_grows(&raw, "promptops_experiment", &[]);
    let outcome = backend
        .record_outcomes(&acme(), &experiment.id, &[outcome(1)])
        .await
        .unwrap();
    assert_eq!(outcome, [OutcomeVerdict::Closed]);
    raw.execute_batch(second).unwrap();
}
