//! Datasets made of traces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use promptops_core::base::{
    Actor, ClosureHash, EnvironmentName, ExperimentId, PageRequest, PromptName, ScoreName, TenantId,
    Timestamp, TraceId, VariantName, VersionNumber,
};
use promptops_core::curation::{Curated, CurationReport, FromTraces, Sessions};
use promptops_core::evaluation::{DatasetDraft, Entry};
use promptops_core::observation::{
    Annotation, Assignment, AssignmentReason, Omitted, Redact, RedactTexts, Stamp, TraceEntry, TraceError,
    TraceFilter, TraceRecord, TraceScore, UnitKey, VariantOf,
};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Stores, Tenant};
use serde_json::{Map, json};

/// 2026-01-01, and so many seconds.
pub(crate) fn second(n: u64) -> Timestamp {
    let base: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    base + std::time::Duration::from_secs(n)
}

/// A trace of this second, whose id it decides.
pub(crate) fn trace(n: u64, change: impl FnOnce(&mut TraceRecord)) -> TraceRecord {
    let mut trace = TraceRecord {
        id: TraceId::new(second(n), u128::from(n)),
        stamp: Stamp {
            prompt: PromptName::new("support/triage").unwrap(),
            version: Some(VersionNumber::FIRST),
            closure_hash: ClosureHash::from_bytes([1; 32]),
            environment: Some(EnvironmentName::new("production").unwrap()),
            assignment: None,
        },
        at: second(n),
        inputs: Some(json!({ "ticket": format!("ticket {n}") })),
        output: Some(format!("output {n}")),
        omitted: None,
        error: None,
        success: None,
        rating_millionths: None,
        corrected_output: None,
        comment: None,
        scores: BTreeMap::new(),
        latency: None,
        usage: None,
        cost: None,
        model: None,
        session: None,
        tags: BTreeSet::new(),
    };
    change(&mut trace);
    trace
}

/// A tenant with traces.
struct Desk {
    stores: Stores,
    acme: Tenant,
    ana: Actor,
}

impl Desk {
    async fn with(traces: impl IntoIterator<Item = TraceRecord>) -> Self {
        let stores: Stores = MemoryBackend::new().into();
        let acme = PromptOps::builder(stores.clone()).build().tenant("acme").unwrap();
        let desk = Self {
            stores,
            acme,
            ana: Actor::member("ana"),
        };
        desk.put("acme", traces).await;
        desk
    }

    async fn put(&self, tenant: &str, traces: impl IntoIterator<Item = TraceRecord>) {
        let entry = |trace| TraceEntry {
            tenant: TenantId::new(tenant).unwrap(),
            trace,
        };
        let batch: Vec<TraceEntry> = traces.into_iter().map(entry).collect();
        self.stores.traces.record_traces(&batch).await.unwrap();
    }

    fn dataset(&self, name: &str) -> FromTraces {
        self.acme.curation().dataset(name).from(triage())
    }

    async fn entries(&self, curated: &Curated) -> Vec<Entry> {
        self.acme.datasets().all_entries(&curated.dataset).await.unwrap()
    }

    /// The numbers of the traces that the entries are of.
    async fn numbers(&self, curated: &Curated) -> Vec<u64> {
        self.entries(curated).await.iter().map(number).collect()
    }
}

/// All traces of the prompt.
fn triage() -> TraceFilter {
    TraceFilter {
        prompt: Some(PromptName::new("support/triage").unwrap()),
        ..TraceFilter::default()
    }
}

/// The number of the trace that an entry is of.
fn number(entry: &Entry) -> u64 {
    let id: TraceId = entry.id.strip_prefix("trace-").unwrap().parse().unwrap();
    (id.at() - second(0)).num_seconds() as u64
}

fn plain(n: u64) -> TraceRecord {
    trace(n, |_| ())
}

fn asking(n: u64, ticket: &str) -> TraceRecord {
    trace(n, |trace| trace.inputs = Some(json!({ "ticket": ticket })))
}

#[tokio::test]
async fn an_entry_says_what_is_known_of_the_answer() {
    let full = trace(1, |trace| {
        trace.inputs = Some(json!({ "ticket": "Where is it?", "history": [1, { "a": null }] }));
        trace.success = Some(false);
        trace.rating_millionths = Some(250_000);
        trace.corrected_output = Some("On Monday.".to_owned());
        trace.error = Some(TraceError {
            kind: "timeout".to_owned(),
            message: "said".to_owned(),
        });
        trace.model = Some("gpt-5-mini".to_owned());
        trace.session = Some("user-42".to_owned());
    });
    let bare = trace(2, |trace| {
        trace.stamp.version = None;
        trace.stamp.environment = None;
    });
    let desk = Desk::with([full, bare]).await;
    let curated = desk.dataset("all").save(&desk.ana).await.unwrap();
    let mut entries = desk.entries(&curated).await;
    let group = entries[0].group.replace("session-SESSION".to_owned()).unwrap();
    assert!(group.starts_with("session-") && !group.contains("42"), "{group}");
    let ids: Vec<&str> = entries
        .iter()
        .map(|entry| entry.id.strip_prefix("trace-").unwrap())
        .collect();
    assert_eq!(
        serde_json::to_value(&entries).unwrap(),
        json!([
            {
                "id": format!("trace-{}", ids[0]),
                "input": { "ticket": "Where is it?", "history": [1, { "a": null }] },
                "expected_output": "On Monday.",
                "metadata": {
                    "trace": ids[0],
                    "at": "2026-01-01T00:00:01.000000Z",
                    "closure_hash": format!("sha256:{}", "01".repeat(32)),
                    "version": 1,
                    "environment": "production",
                    "success": false,
                    "rating": 0.25,
                    "error": "timeout",
                    "model": "gpt-5-mini",
                    "expected_from": "correction",
                },
                "group": "session-SESSION",
            },
            {
                "id": format!("trace-{}", ids[1]),
                "input": { "ticket": "ticket 2" },
                "metadata": {
                    "trace": ids[1],
                    "at": "2026-01-01T00:00:02.000000Z",
                    "closure_hash": format!("sha256:{}", "01".repeat(32)),
                },
            },
        ])
    );
    let dataset = &curated.dataset;
    assert_eq!(dataset.to_string(), "all v1");
    assert_eq!(dataset.prompt.as_deref(), Some("support/triage"));
    assert_eq!(
        dataset.message,
        "2 traces found; 2 of 2 drawn, 1 with an expected output"
    );
    assert_eq!(dataset.metadata["from_traces"]["report"]["saved"], json!(2));
    assert_eq!(dataset.metadata["from_traces"]["seed"], json!(0));
}

#[tokio::test]
async fn every_filter_is_heeded() {
    let blue = VariantOf {
        experiment: ExperimentId::new("e").unwrap(),
        variant: VariantName::new("blue").unwrap(),
    };
    let helpful = || ScoreName::new("helpful").unwrap();
    let score = |value_millionths| TraceScore {
        value_millionths,
        reason: None,
    };
    let traces = [
        trace(0, |trace| trace.stamp.prompt = PromptName::new("other").unwrap()),
        trace(1, |trace| {
            trace.stamp.version = Some(VersionNumber::new(2).unwrap())
        }),
        trace(2, |trace| {
            trace.stamp.closure_hash = ClosureHash::from_bytes([2; 32])
        }),
        trace(3, |trace| trace.stamp.environment = None),
        trace(4, |trace| {
            trace.stamp.assignment = Some(Assignment {
                experiment: blue.experiment.clone(),
                variant: blue.variant.clone(),
                epoch: 1,
                unit: Some(UnitKey::new(7)),
                hash_version: Assignment::HASH_VERSION,
                reason: AssignmentReason::Bucket,
            });
        }),
        trace(5, |trace| {
            trace.error = Some(TraceError {
                kind: "timeout".to_owned(),
                message: String::new(),
            });
        }),
        trace(6, |trace| trace.success = Some(true)),
        trace(7, |trace| trace.rating_millionths = Some(900_000)),
        trace(8, |trace| trace.rating_millionths = Some(100_000)),
        trace(9, |trace| drop(trace.scores.insert(helpful(), score(300_000)))),
        trace(10, |trace| drop(trace.scores.insert(helpful(), score(700_000)))),
        trace(11, |trace| trace.model = Some("large".to_owned())),
        trace(12, |trace| trace.session = Some("user-1".to_owned())),
        trace(13, |trace| {
            trace.tags = ["vip".to_owned(), "eu".to_owned()].into()
        }),
        trace(14, |trace| trace.tags = ["vip".to_owned()].into()),
        trace(15, |trace| trace.corrected_output = Some("so".to_owned())),
    ];
    let desk = Desk::with(traces).await;
    let all = TraceFilter::default;
    let filters = [
        (
            TraceFilter {
                version: Some(VersionNumber::new(2).unwrap()),
                ..all()
            },
            vec![1],
        ),
        (
            TraceFilter {
                closure_hash: Some(ClosureHash::from_bytes([2; 32])),
                ..all()
            },
            vec![2],
        ),
        (
            TraceFilter {
                variant: Some(blue.clone()),
                ..all()
            },
            vec![4],
        ),
        (
            TraceFilter {
                from: Some(second(13)),
                ..all()
            },
            vec![13, 14, 15],
        ),
        (
            TraceFilter {
                to: Some(second(3)),
                ..all()
            },
            vec![1, 2],
        ),
        (
            TraceFilter {
                is_error: Some(true),
                ..all()
            },
            vec![5],
        ),
        (
            TraceFilter {
                success: Some(false),
                ..all()
            },
            vec![5],
        ),
        (
            TraceFilter {
                success: Some(true),
                ..all()
            },
            vec![6],
        ),
        (
            TraceFilter {
                min_rating_millionths: Some(900_000),
                ..all()
            },
            vec![7],
        ),
        (
            TraceFilter {
                max_rating_millionths: Some(100_000),
                ..all()
            },
            vec![8],
        ),
        (
            TraceFilter {
                max_score: Some((helpful(), 300_000)),
                ..all()
            },
            vec![9],
        ),
        (
            TraceFilter {
                model: Some("large".to_owned()),
                ..all()
            },
            vec![11],
        ),
        (
            TraceFilter {
                session: Some("user-1".to_owned()),
                ..all()
            },
            vec![12],
        ),
        (
            TraceFilter {
                tags: ["vip".to_owned()].into(),
                ..all()
            },
            vec![13, 14],
        ),
        (
            TraceFilter {
                tags: ["eu".to_owned(), "vip".to_owned()].into(),
                ..all()
            },
            vec![13],
        ),
        (
            TraceFilter {
                has_correction: true,
                ..all()
            },
            vec![15],
        ),
        (
            TraceFilter {
                environment: Some(EnvironmentName::new("production").unwrap()),
                to: Some(second(5)),
                ..all()
            },
            vec![1, 2, 4],
        ),
    ];
    for (i, (filter, expected)) in filters.into_iter().enumerate() {
        let told = format!("{filter:?}");
        let filter = TraceFilter {
            prompt: triage().prompt,
            ..filter
        };
        let curation = acme_dataset(&desk, &format!("d{i}")).from(filter);
        let curated = curation.save(&desk.ana).await.unwrap();
        assert_eq!(desk.numbers(&curated).await, expected, "{told}");
    }
    // And a condition of the host's own.
    let only = desk.dataset("only").only(|trace| {
        trace.is_success() == Some(false) || trace.rating() < Some(0.5) && trace.rating().is_some()
    });
    let curated = only.save(&desk.ana).await.unwrap();
    assert_eq!(desk.numbers(&curated).await, [5, 8]);
    assert_eq!((curated.report.looked_at, curated.report.matched), (15, 2));
}

fn acme_dataset(desk: &Desk, name: &str) -> FromTraces {
    desk.acme.curation().dataset(name)
}

#[tokio::test]
async fn the_same_traces_and_seed_make_the_same_version_however_they_are_read() {
    let traces = || (0..500).map(|n| asking(n, &format!("ticket {}", n % 300)));
    let desk = Desk::with(traces()).await;
    let backwards = Desk::with(traces().collect::<Vec<_>>().into_iter().rev()).await;
    let first = desk
        .dataset("drawn")
        .sample(40)
        .seed(7)
        .save(&desk.ana)
        .await
        .unwrap();
    assert!(first.created);
    let expected = CurationReport {
        looked_at: 500,
        is_whole: true,
        matched: 500,
        duplicates: 200,
        different: 300,
        sampled: 40,
        saved: 40,
        ..CurationReport::default()
    };
    assert_eq!(first.report, expected);
    for (desk, page) in [
        (&desk, 1),
        (&desk, 7),
        (&desk, 40),
        (&desk, 1_000),
        (&backwards, 13),
    ] {
        let again = desk
            .dataset("drawn")
            .sample(40)
            .seed(7)
            .pages_of(page)
            .message("again");
        let again = again.save(&desk.ana).await.unwrap();
        assert_eq!(again.dataset.hash, first.dataset.hash, "pages of {page}");
        assert_eq!(again.report, expected);
        assert_eq!(again.dataset.version, VersionNumber::FIRST);
        assert_eq!(
            again.created,
            page == 13,
            "the other desk has no such version yet"
        );
    }
    let other = desk
        .dataset("drawn")
        .sample(40)
        .seed(8)
        .save(&desk.ana)
        .await
        .unwrap();
    assert!(other.created);
    assert_ne!(desk.numbers(&other).await, desk.numbers(&first).await);
    // Entries are in the order of their traces, and the newest of those that ask the same.
    let numbers = desk.numbers(&first).await;
    assert!(
        numbers.is_sorted() && numbers.iter().all(|n| *n >= 200),
        "{numbers:?}"
    );
    // A new trace that asks something again changes which trace an entry is of, and not what is drawn.
    let tickets = async |curated: &Curated| -> BTreeSet<String> {
        let entries = desk.entries(curated).await;
        entries
            .iter()
            .map(|entry| entry.input["ticket"].to_string())
            .collect()
    };
    let before = tickets(&first).await;
    desk.put(
        "acme",
        (1_000..1_300).map(|n| asking(n, &format!("ticket {}", n % 300))),
    )
    .await;
    let later = desk
        .dataset("drawn")
        .sample(40)
        .seed(7)
        .save(&desk.ana)
        .await
        .unwrap();
    assert_eq!(tickets(&later).await, before);
    assert!(desk.numbers(&later).await.iter().all(|n| *n >= 1_000));
}

#[tokio::test]
async fn of_the_same_inputs_a_correction_counts_and_then_the_newest() {
    let corrected = |n, ticket: &str| {
        let mut trace = asking(n, ticket);
        trace.corrected_output = Some(format!("correction {n}"));
        trace
    };
    let swapped = |n, text: &str| {
        trace(n, |trace| {
            trace.inputs = Some(serde_json::from_str(text).unwrap())
        })
    };
    let desk = Desk::with([
        asking(1, "a"),
        asking(2, "a"),
        corrected(3, "b"),
        asking(4, "b"),
        corrected(5, "c"),
        corrected(6, "c"),
        swapped(7, r#"{"x": 1, "y": {"p": 2.0, "q": []}}"#),
        swapped(8, r#"{"y": {"q": [], "p": 2}, "x": 1}"#),
        asking(9, "a "),
    ])
    .await;
    let curated = desk.dataset("d").save(&desk.ana).await.unwrap();
    assert_eq!(desk.numbers(&curated).await, [2, 3, 6, 8, 9]);
    assert_eq!((curated.report.duplicates, curated.report.different), (4, 5));
    assert_eq!(
        desk.entries(&curated).await[2].expected_text().unwrap(),
        "correction 6"
    );
}

#[tokio::test]
async fn only_corrections_are_expected_unless_outputs_are_trusted_explicitly() {
    let said = |n, success, rating: Option<u32>| {
        trace(n, |trace| {
            trace.success = success;
            trace.rating_millionths = rating;
        })
    };
    let failed = trace(5, |trace| {
        trace.error = Some(TraceError {
            kind: "timeout".to_owned(),
            message: String::new(),
        });
        trace.rating_millionths = Some(1_000_000);
    });
    let corrected = trace(6, |trace| {
        trace.success = Some(true);
        trace.corrected_output = Some("better".to_owned());
    });
    let silent = trace(7, |trace| {
        trace.success = Some(true);
        trace.output = None;
    });
    let desk = Desk::with([
        said(1, Some(true), None),
        said(2, None, Some(900_000)),
        said(3, None, Some(899_999)),
        said(4, Some(false), Some(1_000_000)),
        failed,
        corrected,
        silent,
    ])
    .await;
    let expected = async |curation: FromTraces| -> Vec<(u64, String)> {
        let curated = curation.save(&desk.ana).await.unwrap();
        let entries = desk.entries(&curated).await;
        let expecting = entries.iter().filter(|entry| entry.expected_output.is_some());
        let found: Vec<_> = expecting
            .map(|entry| {
                (
                    number(entry),
                    format!(
                        "{} {}",
                        entry.metadata["expected_from"],
                        entry.expected_text().unwrap()
                    ),
                )
            })
            .collect();
        assert_eq!(curated.report.expecting, found.len() as u64);
        found
    };
    let correction = (6, "\"correction\" better".to_owned());
    let output = |n: u64| (n, format!("\"output\" output {n}"));
    assert_eq!(expected(desk.dataset("d")).await, vec![correction.clone()]);
    assert_eq!(
        expected(desk.dataset("d").expect_successes()).await,
        [output(1), correction.clone()]
    );
    assert_eq!(
        expected(desk.dataset("d").expect_rated(0.9)).await,
        [output(2), correction.clone()]
    );
    assert_eq!(
        expected(desk.dataset("d").expect_rated(0.9).expect_successes()).await,
        [output(1), output(2), correction]
    );
}

#[tokio::test]
async fn entries_without_usable_inputs_are_left_out_and_counted() {
    let with = |n, inputs| trace(n, |trace| trace.inputs = inputs);
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    let desk = Desk::with([
        with(1, None),
        with(2, Some(json!({ "deep": deep }))),
        with(3, Some(json!({ "large": "x".repeat(Entry::MAX_BYTES) }))),
        with(4, Some(json!(["no map"]))),
        with(5, Some(json!({}))),
        plain(6),
        // Sampling left it without content; what it should have been was said later.
        trace(7, |trace| {
            (trace.inputs, trace.output) = (None, None);
            trace.omitted = Some(Omitted::Sampled);
            trace.success = Some(true);
            trace.corrected_output = Some("better".into());
        }),
    ])
    .await;
    let dataset = desk.dataset("d").expect_successes();
    let curated = dataset.save(&desk.ana).await.unwrap();
    assert_eq!(desk.numbers(&curated).await, [5, 6]);
    assert_eq!((curated.report.without_inputs, curated.report.matched), (5, 7));
    assert_eq!(
        curated.dataset.message,
        "7 traces found; 5 without usable inputs; 2 of 2 drawn, 0 with an expected output"
    );
}

const CANARY: &str = "ana@example.org";

/// Replaces the canary in all texts.
fn blackened(text: &mut String) {
    *text = text.replace(CANARY, "[email]");
}

/// A trace that has the canary wherever a text can be.
fn leaky(n: u64) -> TraceRecord {
    trace(n, |trace| {
        let canary = || format!("{n} {CANARY}");
        trace.inputs = Some(json!({ "ticket": canary(), "nested": [{ "deep": canary() }] }));
        trace.output = Some(canary());
        trace.corrected_output = n.is_multiple_of(2).then(canary);
        trace.comment = Some(canary());
        trace.session = Some(canary());
        trace.success = Some(true);
        trace.error = Some(TraceError {
            kind: canary(),
            message: canary(),
        });
        trace.scores = BTreeMap::from([(
            ScoreName::new("helpful").unwrap(),
            TraceScore {
                value_millionths: 1,
                reason: Some(canary()),
            },
        )]);
        trace.tags = [canary()].into();
    })
}

#[tokio::test]
async fn nothing_is_saved_that_was_not_redacted() {
    let desk = Desk::with((0..20).map(leaky)).await;
    for sessions in [Sessions::Hashed, Sessions::AsTheyAre, Sessions::Omitted] {
        let name = format!("{sessions:?}").to_lowercase();
        let curated = desk
            .dataset(&name)
            .expect_successes()
            .sessions(sessions)
            .redact(RedactTexts(blackened))
            .save(&desk.ana)
            .await
            .unwrap();
        assert_eq!(curated.report.saved, 20);
        let mut jsonl = Vec::new();
        desk.acme
            .datasets()
            .export_jsonl(&curated.dataset, &mut jsonl)
            .await
            .unwrap();
        let jsonl = String::from_utf8(jsonl).unwrap();
        assert!(jsonl.contains("[email]"));
        let dataset = serde_json::to_string(&curated.dataset).unwrap();
        assert!(
            !jsonl.contains(CANARY) && !dataset.contains(CANARY),
            "{sessions:?}"
        );
    }
    let audit = desk.acme.audit().list(&PageRequest::first(100)).await.unwrap();
    assert!(!format!("{audit:?}").contains(CANARY));
    // Without redaction it is there: the test can fail.
    let curated = desk.dataset("raw").save(&desk.ana).await.unwrap();
    assert!(
        serde_json::to_string(&desk.entries(&curated).await)
            .unwrap()
            .contains(CANARY)
    );
}

#[tokio::test]
async fn inputs_are_compared_after_redaction_and_sessions_told_apart_before() {
    let card = |n| {
        let mut trace = asking(n, &format!("my card is {n}"));
        trace.session = Some(format!("user-{n}"));
        trace
    };
    let desk = Desk::with([card(1), card(2), plain(3)]).await;
    let digits = |text: &mut String| text.retain(|c| !c.is_ascii_digit());
    let curated = desk
        .dataset("d")
        .redact(RedactTexts(digits))
        .save(&desk.ana)
        .await
        .unwrap();
    assert_eq!(desk.numbers(&curated).await, [2, 3]);
    assert_eq!(curated.report.duplicates, 1);
    // What the redaction does to the id, the time and the stamp does not count.
    struct Wild;
    impl Redact for Wild {
        fn trace(&self, trace: &mut TraceRecord) {
            *trace = crate::curating::trace(99, |trace| trace.stamp.version = None);
        }
        fn annotation(&self, _: &mut Annotation) {}
    }
    let curated = desk.dataset("wild").redact(Wild).save(&desk.ana).await.unwrap();
    assert_eq!(desk.numbers(&curated).await, [3]);
    assert_eq!(desk.entries(&curated).await[0].metadata["version"], json!(1));
}

#[tokio::test]
async fn what_a_redactor_panics_on_is_left_out_and_counted() {
    struct Panicky(Arc<AtomicU32>);
    impl Redact for Panicky {
        fn trace(&self, trace: &mut TraceRecord) {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(
                trace.inputs != Some(json!({ "ticket": "ticket 2" })),
                "cannot read this"
            );
        }
        fn annotation(&self, _: &mut Annotation) {}
    }
    let desk = Desk::with((1..=3).map(plain)).await;
    let calls = Arc::new(AtomicU32::new(0));
    let curated = desk
        .dataset("d")
        .redact(Panicky(calls.clone()))
        .save(&desk.ana)
        .await
        .unwrap();
    assert_eq!(desk.numbers(&curated).await, [1, 3]);
    assert_eq!((curated.report.not_redacted, curated.report.saved), (1, 2));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // When it panics on all, nothing is saved, and the error says so without showing anything.
    let all = RedactTexts(|text: &mut String| panic!("on {text}"));
    let error = desk
        .dataset("none")
        .redact(all)
        .save(&desk.ana)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .message()
            .contains("of 3 traces, 0 have no inputs that an entry can hold, and 3 could not be redacted"),
        "{error}"
    );
    assert!(desk.acme.datasets().get("none").await.is_err());
}

#[tokio::test]
async fn sessions_are_groups_that_cannot_be_read_unless_wanted() {
    let of = |n, session: Option<&str>| trace(n, |trace| trace.session = session.map(str::to_owned));
    let traces = || {
        [
            of(1, Some("user-1")),
            of(2, Some("user-2")),
            of(3, Some("user-1")),
            of(4, None),
        ]
    };
    let desk = Desk::with(traces()).await;
    desk.put("other", traces()).await;
    let groups = async |tenant: &Tenant, sessions| -> Vec<Option<String>> {
        let curation = tenant.curation().dataset("d").from(triage()).sessions(sessions);
        let curated = curation.save(&desk.ana).await.unwrap();
        let entries = tenant.datasets().all_entries(&curated.dataset).await.unwrap();
        entries.into_iter().map(|entry| entry.group).collect()
    };
    let hashed = groups(&desk.acme, Sessions::Hashed).await;
    assert_eq!(hashed[0], hashed[2]);
    assert_ne!(hashed[0], hashed[1]);
    assert_eq!(hashed[3], None);
    assert!(
        hashed[0]
            .as_ref()
            .is_some_and(|group| group.starts_with("session-") && group.len() == 24)
    );
    let other = PromptOps::builder(desk.stores.clone())
        .build()
        .tenant("other")
        .unwrap();
    assert_ne!(
        groups(&other, Sessions::Hashed).await[0],
        hashed[0],
        "tenants' groups differ"
    );
    let raw = groups(&desk.acme, Sessions::AsTheyAre).await;
    assert_eq!(
        raw,
        [Some("user-1"), Some("user-2"), Some("user-1"), None].map(|s| s.map(str::to_owned))
    );
    assert_eq!(groups(&desk.acme, Sessions::Omitted).await, [const { None }; 4]);
}

#[tokio::test]
async fn entries_are_added_without_duplicates_and_get_what_is_known_meanwhile() {
    let mut by_hand = Entry::new(
        "by hand",
        Map::from_iter([("ticket".to_owned(), json!("ticket 1"))]),
    );
    by_hand.metadata.insert("note".to_owned(), json!("kept"));
    let known = Entry::new(
        "known",
        Map::from_iter([("ticket".to_owned(), json!("ticket 2"))]),
    )
    .expecting("known");
    let desk = Desk::with((1..=4).map(plain)).await;
    let draft = DatasetDraft::new([by_hand, known]).with("owner", "ana");
    desk.acme
        .datasets()
        .save("golden", draft, &desk.ana)
        .await
        .unwrap();
    let append = || desk.dataset("golden").append();
    let curated = append().save(&desk.ana).await.unwrap();
    assert_eq!(curated.dataset.to_string(), "golden v2");
    let report = &curated.report;
    assert_eq!(
        (
            report.already_there,
            report.sampled,
            report.saved,
            report.completed
        ),
        (2, 2, 4, 0)
    );
    let ids = async |curated: &Curated| -> Vec<String> {
        let entries = desk.entries(curated).await;
        entries.into_iter().map(|entry| entry.id).collect()
    };
    let before = ids(&curated).await;
    assert_eq!(before[..2], ["by hand", "known"]);
    assert_eq!(curated.dataset.metadata["owner"], json!("ana"));
    assert_eq!(
        curated.dataset.prompt, None,
        "it was for any prompt, and stays so"
    );
    // Nothing new: the version stays.
    let again = append().save(&desk.ana).await.unwrap();
    assert!(!again.created);
    assert_eq!(
        (again.dataset.version, again.report.sampled),
        (curated.dataset.version, 0)
    );
    // Corrections come late; what is expected already stays.
    desk.put(
        "acme",
        [1, 2, 3].map(|n| {
            trace(100 + n, |trace| {
                trace.inputs = Some(json!({ "ticket": format!("ticket {n}") }));
                trace.corrected_output = Some(format!("right {n}"));
            })
        }),
    )
    .await;
    let completed = append().save(&desk.ana).await.unwrap();
    assert_eq!((completed.report.completed, completed.report.saved), (2, 4));
    assert_eq!(ids(&completed).await, before);
    let entries = desk.entries(&completed).await;
    let expected: Vec<_> = entries
        .iter()
        .map(|entry| entry.expected_text().map(String::from))
        .collect();
    assert_eq!(
        expected,
        [Some("right 1"), Some("known"), Some("right 3"), None].map(|text| text.map(str::to_owned))
    );
    assert_eq!(entries[0].metadata["note"], json!("kept"));
    assert_eq!(entries[0].metadata["expected_from"], json!("correction"));
    // Without a dataset to add to, one is made; of another prompt none is taken.
    let fresh = desk.dataset("fresh").append().save(&desk.ana).await.unwrap();
    assert_eq!(
        (fresh.dataset.version, fresh.report.saved),
        (VersionNumber::FIRST, 4)
    );
    desk.put(
        "acme",
        [trace(500, |trace| {
            trace.stamp.prompt = PromptName::new("other").unwrap()
        })],
    )
    .await;
    let other = TraceFilter {
        prompt: Some(PromptName::new("other").unwrap()),
        ..TraceFilter::default()
    };
    let error = desk
        .dataset("fresh")
        .from(other)
        .append()
        .save(&desk.ana)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("is for support/triage, and the traces are of other"),
        "{error}"
    );
}

#[tokio::test]
async fn who_adds_while_others_add_loses_nothing_of_theirs() {
    let desk = Desk::with((1..=4).map(plain)).await;
    let numbered = |numbers: std::ops::RangeInclusive<u64>| {
        let of = move |trace: &TraceRecord| numbers.clone().any(|n| trace.at == second(n));
        desk.dataset("golden").append().only(of)
    };
    numbered(1..=1).save(&desk.ana).await.unwrap();
    // Another one adds twice, between what this one has read and what it saves.
    let others = Arc::new(AtomicU32::new(0));
    let curation = desk.acme.curation();
    let (count, ana) = (others.clone(), desk.ana.clone());
    let adding = desk.dataset("golden").append().only(move |trace| {
        if trace.at == second(4) && count.fetch_add(1, Ordering::SeqCst) < 2 {
            let n = u64::from(count.load(Ordering::SeqCst)) + 1;
            let theirs = curation.dataset("golden").from(triage()).append();
            let theirs = theirs.only(move |trace| trace.at == second(n));
            let ana = ana.clone();
            let save = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(theirs.save(&ana)).unwrap();
            };
            std::thread::spawn(save).join().unwrap();
        }
        trace.at == second(4)
    });
    let curated = adding.save(&desk.ana).await.unwrap();
    assert_eq!(curated.dataset.to_string(), "golden v4");
    assert_eq!(desk.numbers(&curated).await, [1, 2, 3, 4]);
    assert_eq!((curated.report.sampled, curated.report.saved), (1, 4));
    assert_eq!(others.load(Ordering::SeqCst), 3, "it read the traces three times");
}

#[tokio::test]
async fn who_is_always_overtaken_is_told_so_and_changes_nothing() {
    let desk = Desk::with((1..=100).map(plain)).await;
    desk.dataset("golden").sample(1).save(&desk.ana).await.unwrap();
    let (datasets, ana) = (desk.acme.datasets(), desk.ana.clone());
    let tries = AtomicU32::new(0);
    let adding = desk.dataset("golden").append().only(move |trace| {
        if trace.at == second(1) {
            let n = tries.fetch_add(1, Ordering::SeqCst);
            let entry = Entry::new(format!("try-{n}"), Map::new());
            let (datasets, ana) = (datasets.clone(), ana.clone());
            let save = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let saved = datasets.save("golden", DatasetDraft::new([entry]), &ana);
                runtime.block_on(saved).unwrap();
            };
            std::thread::spawn(save).join().unwrap();
        }
        true
    });
    let error = adding.save(&desk.ana).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error.to_string().contains("has v11 as its latest, expected v10"),
        "{error}"
    );
    let latest = desk.acme.datasets().get("golden").await.unwrap();
    assert_eq!(latest.to_string(), "golden v11");
}

#[tokio::test]
async fn what_entries_that_are_there_get_counts_among_the_bytes() {
    let desk = Desk::with((1..=4).map(plain)).await;
    desk.dataset("golden").save(&desk.ana).await.unwrap();
    // Each twice, of which the newer counts.
    let corrected = (1..=8).map(|n| {
        trace(100 + n, |trace| {
            trace.inputs = Some(json!({ "ticket": format!("ticket {}", 1 + n % 4) }));
            trace.corrected_output = Some("x".repeat(10_000));
        })
    });
    desk.put("acme", corrected).await;
    let append = |bytes| desk.dataset("golden").append().max_bytes(bytes);
    let error = append(30_000).save(&desk.ana).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("more than 30000 bytes"), "{error}");
    let completed = append(60_000).save(&desk.ana).await.unwrap();
    assert_eq!((completed.report.completed, completed.report.saved), (4, 4));
}

#[tokio::test]
async fn an_entry_of_a_trace_that_is_there_is_not_added_again_though_it_reads_otherwise() {
    let desk = Desk::with([plain(1), plain(2)]).await;
    desk.dataset("d").save(&desk.ana).await.unwrap();
    let digits = |text: &mut String| text.retain(|c| !c.is_ascii_digit());
    let curated = desk
        .dataset("d")
        .append()
        .redact(RedactTexts(digits))
        .save(&desk.ana)
        .await
        .unwrap();
    assert!(!curated.created);
    assert_eq!(curated.report.already_there, 2);
}

#[tokio::test]
async fn a_dataset_of_nothing_is_refused_with_the_reason() {
    let desk = Desk::with([trace(1, |trace| trace.inputs = None)]).await;
    let late = TraceFilter {
        from: Some(second(50)),
        ..triage()
    };
    for (curation, words) in [
        (
            desk.dataset("d").from(late),
            "no trace of support/triage is what the filter asks for",
        ),
        (
            desk.dataset("d").only(|_| false),
            "none of 1 traces meets the condition",
        ),
        (
            desk.dataset("d"),
            "of 1 traces, 1 have no inputs that an entry can hold",
        ),
        (
            desk.dataset("d").append(),
            "of 1 traces, 1 have no inputs that an entry can hold",
        ),
    ] {
        assert_eq!(curation.preview().await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = curation.save(&desk.ana).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.message().contains("nothing is left to be saved as d: "),
            "{error}"
        );
        assert!(error.message().contains(words), "{error}");
    }
    assert!(desk.acme.datasets().get("d").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let desk = Desk::with([plain(1)]).await;
    let error = desk.dataset("d").save(&Actor::viewer("vic")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    for (curation, words) in [
        (desk.dataset("No Name"), "'N' at byte 0"),
        (desk.acme.curation().dataset("d"), "set `prompt` in the filter"),
        (desk.dataset("d").sample(0), "expected 1 to 100000"),
        (desk.dataset("d").sample(100_001), "expected 1 to 100000"),
        (
            desk.dataset("d").expect_rated(1.1),
            "expected a number in 0.0 ..= 1.0",
        ),
        (
            desk.dataset("d").expect_rated(f64::NAN),
            "expected a number in 0.0 ..= 1.0",
        ),
    ] {
        let error = curation.save(&desk.ana).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(words), "{error}");
    }
    let datasets = desk.acme.datasets().list(&PageRequest::default()).await.unwrap();
    assert_eq!(datasets.items, []);
    let large = (0..20).map(|n| {
        trace(n, |trace| {
            trace.inputs = Some(json!({ "ticket": format!("{n}{}", "x".repeat(10_000)) }));
        })
    });
    let desk = Desk::with(large).await;
    let bounded = || desk.dataset("d").max_bytes(100_000);
    let error = bounded().save(&desk.ana).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("more than 100000 bytes together; draw fewer"),
        "{error}"
    );
    assert!(bounded().sample(5).save(&desk.ana).await.is_ok());
}

#[tokio::test]
async fn only_so_many_traces_are_looked_at_and_another_tenants_never() {
    let desk = Desk::with((1..=10).map(plain)).await;
    desk.put("other", (11..=20).map(plain)).await;
    let newest = desk.dataset("d").look_at_most(4).pages_of(3);
    let report = newest.preview().await.unwrap();
    assert_eq!((report.looked_at, report.is_whole, report.saved), (4, false, 4));
    assert!(
        desk.acme.datasets().get("d").await.is_err(),
        "a preview saves nothing"
    );
    fn on_any_thread<T: Send>(future: T) -> T {
        future
    }
    let curated = on_any_thread(newest.save(&desk.ana)).await.unwrap();
    assert_eq!(desk.numbers(&curated).await, [7, 8, 9, 10]);
    assert!(
        curated
            .dataset
            .message
            .contains("4 traces found, and not all looked at")
    );
    let exactly = desk
        .dataset("all")
        .look_at_most(10)
        .save(&desk.ana)
        .await
        .unwrap();
    assert_eq!((exactly.report.looked_at, exactly.report.is_whole), (10, true));
}
