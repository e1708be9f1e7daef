//! What is generated, and that a difference is found.

use std::collections::BTreeMap;

use proptest::strategy::ValueTree;

use super::evaluation::{EvaluationRead, WorkCall};
use super::traffic::{TrafficCall, TrafficRead};
use super::*;
use crate::base::{ClosureHash, EnvironmentName, PromptName, Result, TenantId, Timestamp};
use crate::conformance::{self, async_trait};
use crate::observation::{Feedback, Metrics, MetricsStore, Rollup, RollupQuery};

/// Every outcome of every call: the call, how what it came to begins, and how often it must come up at least.
const OUTCOMES: &[(&str, &str, usize)] = &[
    ("reopen", "", 20),
    ("save_version", "changes", 400),
    ("save_version", "kept", 50),
    ("save_version", "invalid: the parent does not", 10),
    ("save_version", "already exists: has the semver", 8),
    ("set_status", "changes", 100),
    ("set_status", "kept", 15),
    ("set_status", "not found", 10),
    (
        "set_status",
        "illegal transition: a version cannot go from active to draft",
        5,
    ),
    (
        "set_status",
        "illegal transition: a version cannot go from archived to draft",
        5,
    ),
    ("set_status", "conflict: cannot be archived while it is live", 20),
    ("set_tags", "changes", 50),
    ("set_tags", "not found", 10),
    ("set_parent", "changes", 100),
    ("set_parent", "invalid: cannot be its own", 5),
    ("set_parent", "invalid: cannot be a since it inherits", 5),
    ("set_parent", "invalid: cannot since other tenants inherit", 5),
    ("move_pointer", "changes", 200),
    ("move_pointer", "conflict: is at revision", 15),
    ("move_pointer", "conflict: the policies are at revision", 10),
    ("move_pointer", "conflict: the source is at revision", 10),
    ("move_pointer", "not found: the tenant has no", 10),
    ("move_pointer", "not found: does not have the content", 10),
    ("move_pointer", "illegal transition: is archived", 15),
    ("set_policy", "changes", 150),
    ("set_policy", "not found: has no policy for all", 8),
    ("set_policy", "not found: has no policy for list", 8),
    ("approve", "changes", 100),
    ("approve", "kept", 5),
    ("approve", "conflict: is at revision", 10),
    ("record_feedback", "counts", 80),
    ("record_feedback", "counts nothing", 5),
    ("record_evidence", "changes", 80),
    ("record_evidence", "already exists: the run", 5),
    ("find", "own", 1_000),
    ("find", "inherited", 80),
    ("find", "missing Prompt", 1_000),
    ("find", "missing Version", 30),
    ("find", "missing ActiveVersion", 200),
    ("find", "missing Promotion", 1_000),
    ("prompt", "nothing", 5),
    ("prompt", "something", 10),
    ("list_prompts", "nothing", 30),
    ("list_prompts", "something", 200),
    ("list_prompts", "a page and more", 4),
    ("list_prompts", "invalid: the page cursor", 4),
    ("list_versions", "nothing", 30),
    ("list_versions", "something", 200),
    ("list_versions", "a page and more", 8),
    ("list_versions", "invalid: the page cursor", 8),
    ("history", "nothing", 10),
    ("history", "something", 100),
    ("history", "a page and more", 2),
    ("history", "invalid: the page cursor", 2),
    ("audit_records", "nothing", 30),
    ("audit_records", "something", 200),
    ("audit_records", "a page and more", 15),
    ("audit_records", "invalid: the page cursor", 2),
    ("dependents", "nothing", 200),
    ("dependents", "something", 200),
    ("parent", "nothing", 100),
    ("parent", "something", 50),
    ("slots", "something", 1_000),
    ("policies", "nothing", 100),
    ("policies", "something", 50),
    ("metrics", "something", 500),
    ("latest_evidence", "nothing", 50),
    ("latest_evidence", "something", 50),
    ("audit_head", "nothing", 30),
    ("audit_head", "something", 200),
    ("save_dataset", "changes", 150),
    ("save_dataset", "kept", 10),
    ("create_run", "changes", 72),
    ("create_run", "already exists: a run has", 10),
    ("create_run", "not found: the dataset has", 5),
    ("create_run", "not found: the tenant has no dataset", 10),
    ("claim_tasks", "something of a running run alone", 67),
    ("claim_tasks", "something of a running run beside others", 5),
    ("claim_tasks", "nothing of a running run alone", 30),
    ("claim_tasks", "nothing of a running run beside others", 7),
    ("claim_tasks", "nothing of a stopped run alone", 20),
    ("claim_tasks", "nothing of a stopped run beside others", 2),
    ("claim_tasks", "nothing of a completed run alone", 7),
    ("claim_tasks", "not found: the tenant has no", 1),
    ("renew_leases", "some", 5),
    ("renew_leases", "none", 19),
    ("renew_leases", "not found: the tenant has no", 1),
    ("release_tasks", "done", 17),
    ("release_tasks", "not found: the tenant has no", 1),
    ("record_results", "all of a running run", 24),
    ("record_results", "all of a stopped run", 3),
    ("record_results", "some of a running run", 1),
    ("record_results", "some of a stopped run", 0),
    ("record_results", "none of a running run", 16),
    ("record_results", "none of a stopped run", 4),
    ("record_results", "none of a completed run", 1),
    ("record_results", "invalid: the result of the entry", 5),
    ("record_results", "not found: the tenant has no", 2),
    ("change_run", "changes", 21),
    ("change_run", "kept", 8),
    ("change_run", "conflict: the run has", 18),
    ("change_run", "already exists: the run", 1),
    (
        "change_run",
        "illegal transition: the run is and cannot become resume",
        5,
    ),
    (
        "change_run",
        "illegal transition: the run is and cannot become start another",
        1,
    ),
    ("change_run", "not found: the tenant has no", 2),
    ("keep_completion", "done", 150),
    ("forget_completions", "some", 4),
    ("forget_completions", "none", 50),
    ("dataset", "something", 150),
    ("dataset", "not found: the tenant has no", 4),
    ("list_datasets", "nothing", 200),
    ("list_datasets", "something", 150),
    ("list_datasets", "a page and more", 1),
    ("list_datasets", "invalid: the page cursor", 1),
    ("dataset_versions", "nothing", 1),
    ("dataset_versions", "something", 150),
    ("dataset_versions", "a page and more", 1),
    ("dataset_versions", "invalid: the page cursor", 1),
    ("entries", "nothing", 5),
    ("entries", "something", 150),
    ("entries", "a page and more", 3),
    ("entries", "invalid: the page cursor", 1),
    ("entries", "not found: the tenant has no", 1),
    ("run", "something", 250),
    ("run", "not found: the tenant has no", 20),
    ("runs", "nothing", 300),
    ("runs", "something", 58),
    ("runs", "a page and more", 1),
    ("runs", "invalid: the page cursor", 1),
    ("results", "nothing", 200),
    ("results", "something", 105),
    ("results", "a page and more", 1),
    ("results", "invalid: the page cursor", 1),
    ("results", "not found: the tenant has no", 40),
    ("count_results", "something", 72),
    ("completion", "nothing", 800),
    ("completion", "something", 250),
];

/// The same of traffic; what else comes up there is among [`OUTCOMES`].
const TRAFFIC_OUTCOMES: &[(&str, &str, usize)] = &[
    ("annotate_traces", "Unknown", 47),
    ("annotate_traces", "Written", 160),
    ("change_experiment", "changes", 49),
    (
        "change_experiment",
        "conflict: is at revision expected it was moved look",
        3,
    ),
    (
        "change_experiment",
        "conflict: the experiment is at revision expected it was",
        10,
    ),
    (
        "change_experiment",
        "conflict: the policies are at revision expected one was",
        2,
    ),
    (
        "change_experiment",
        "illegal transition: the experiment is which is begin another",
        21,
    ),
    (
        "change_experiment",
        "not found: there is no experiment list those there",
        9,
    ),
    ("change_experiment", "promotes", 27),
    (
        "create_experiment",
        "already exists: has the experiment only one can be",
        50,
    ),
    (
        "create_experiment",
        "already exists: the open experiment has some of the",
        1,
    ),
    (
        "create_experiment",
        "already exists: there is an experiment ids must differ",
        7,
    ),
    ("create_experiment", "changes", 70),
    (
        "create_experiment",
        "conflict: is at revision expected it was moved look",
        9,
    ),
    (
        "create_experiment",
        "conflict: the policies are at revision expected one was",
        8,
    ),
    (
        "create_experiment",
        "illegal transition: of variant is restore it or compare",
        3,
    ),
    (
        "create_experiment",
        "not found: does not have the content pass the",
        10,
    ),
    (
        "create_experiment",
        "not found: the tenant has no of its list",
        18,
    ),
    ("experiment", "nothing", 90),
    ("experiment", "something", 230),
    ("experiments", "a page and more", 1),
    ("experiments", "invalid: the page cursor is not one that this", 1),
    ("experiments", "nothing", 200),
    ("experiments", "something", 60),
    ("open_experiment", "nothing", 52),
    ("open_experiment", "something", 140),
    ("prune_minutes", "none", 46),
    ("prune_minutes", "some", 16),
    ("prune_traces", "none", 54),
    ("prune_traces", "some", 4),
    ("record_losses", "done", 25),
    (
        "record_losses",
        "not found: there is no experiment list those there",
        1,
    ),
    ("record_outcomes", "Closed", 59),
    ("record_outcomes", "Contaminated", 80),
    ("record_outcomes", "Duplicate", 53),
    ("record_outcomes", "Written", 130),
    (
        "record_outcomes",
        "not found: there is no experiment list those there",
        9,
    ),
    ("record_traces", "Duplicate", 58),
    ("record_traces", "Written", 290),
    ("rollups", "nothing", 58),
    ("rollups", "something", 1_340),
    (
        "set_status",
        "conflict: is a variant of the open experiment stop",
        1,
    ),
    ("tallies", "nothing", 70),
    ("tallies", "something", 170),
    ("trace", "nothing", 47),
    ("trace", "something", 160),
    ("traces", "nothing", 180),
    ("traces", "something", 130),
];

fn name_of(call: &Call) -> &'static str {
    match call {
        Call::SaveVersion(_) => "save_version",
        Call::SetStatus(_) => "set_status",
        Call::SetTags(_) => "set_tags",
        Call::SetParent(_) => "set_parent",
        Call::MovePointer(_) => "move_pointer",
        Call::SetPolicy(_) => "set_policy",
        Call::Approve(_) => "approve",
        Call::RecordFeedback(_) => "record_feedback",
        Call::RecordEvidence(_) => "record_evidence",
        Call::Work(call) => match call {
            WorkCall::SaveDataset(_) => "save_dataset",
            WorkCall::CreateRun(..) => "create_run",
            WorkCall::ClaimTasks(_) => "claim_tasks",
            WorkCall::RenewLeases(..) => "renew_leases",
            WorkCall::ReleaseTasks(..) => "release_tasks",
            WorkCall::RecordResults(_) => "record_results",
            WorkCall::ChangeRun(_) => "change_run",
            WorkCall::KeepCompletion(..) => "keep_completion",
            WorkCall::ForgetCompletions(..) => "forget_completions",
        },
        Call::Traffic(call) => match call {
            TrafficCall::Create(_) => "create_experiment",
            TrafficCall::Change(_) => "change_experiment",
            TrafficCall::RecordOutcomes(..) => "record_outcomes",
            TrafficCall::RecordLosses(..) => "record_losses",
            TrafficCall::RecordTraces(_) => "record_traces",
            TrafficCall::AnnotateTraces(_) => "annotate_traces",
            TrafficCall::PruneTraces(..) => "prune_traces",
            TrafficCall::PruneMinutes(..) => "prune_minutes",
        },
        Call::Read(_, read) => match read {
            Read::Prompt(_) => "prompt",
            Read::Prompts(..) => "list_prompts",
            Read::Versions(..) => "list_versions",
            Read::Find(_) => "find",
            Read::Dependents(..) => "dependents",
            Read::Parent => "parent",
            Read::Slots(_) => "slots",
            Read::History(..) => "history",
            Read::Policies => "policies",
            Read::Metrics(..) => "metrics",
            Read::LatestEvidence(..) => "latest_evidence",
            Read::AuditRecords(_) => "audit_records",
            Read::AuditHead => "audit_head",
            Read::Traffic(read) => match read {
                TrafficRead::Experiment(_) => "experiment",
                TrafficRead::Open(..) => "open_experiment",
                TrafficRead::Experiments(..) => "experiments",
                TrafficRead::Tallies(_) => "tallies",
                TrafficRead::Trace(_) => "trace",
                TrafficRead::Traces(..) => "traces",
                TrafficRead::Rollups(_) => "rollups",
            },
            Read::Evaluation(read) => match read {
                EvaluationRead::Dataset(..) => "dataset",
                EvaluationRead::Datasets(_) => "list_datasets",
                EvaluationRead::DatasetVersions(..) => "dataset_versions",
                EvaluationRead::Entries(..) => "entries",
                EvaluationRead::Run(_) => "run",
                EvaluationRead::Runs(..) => "runs",
                EvaluationRead::Results(..) => "results",
                EvaluationRead::CountResults(_) => "count_results",
                EvaluationRead::EvidenceOn(..) => "latest_evidence",
                EvaluationRead::Completion(_) => "completion",
            },
        },
    }
}

/// What an answer says, without names and numbers; a lookup says something for each reference.
fn labels(call: &Call, answer: &Value, changed: bool) -> Vec<String> {
    let empty = Value::is_null;
    if let Some(kind) = answer.get("refused").and_then(Value::as_str) {
        let message = answer["message"].as_str().unwrap();
        let words = message.split(' ').filter(|word| {
            let names = names::TENANTS
                .iter()
                .chain(&names::PROMPTS)
                .chain(&names::DATASETS)
                .chain(&names::ENVIRONMENTS);
            word.bytes().all(|c| c.is_ascii_lowercase()) && !names.copied().any(|name| name == *word)
        });
        return vec![format!("{kind}: {}", words.collect::<Vec<_>>().join(" "))];
    }
    match call {
        Call::Read(tenant, Read::Find(_)) => {
            let found = answer.as_array().unwrap().iter();
            let label = |lookup: &Value| match lookup["missing"].as_str() {
                Some(missing) => format!("missing {missing}"),
                None if lookup["version"]["tenant"] == tenant.as_str() => "own".into(),
                None => "inherited".into(),
            };
            found.map(label).collect()
        }
        Call::Read(..) => {
            let items = answer.get("items").unwrap_or(answer).as_array();
            vec![match (items.map(Vec::len), answer.get("next")) {
                (Some(0), _) => "nothing".into(),
                (_, Some(next)) if !empty(next) => "a page and more".into(),
                (_, _) if empty(answer) => "nothing".into(),
                _ => "something".into(),
            }]
        }
        Call::Work(WorkCall::ClaimTasks(_)) => {
            let some = |field: &str| answer[field].as_array().is_some_and(|tasks| !tasks.is_empty());
            let given = if some("tasks") { "something" } else { "nothing" };
            let held = if answer["held_elsewhere"] == 0 {
                "alone"
            } else {
                "beside others"
            };
            let state = answer["state"]["status"].as_str().unwrap();
            vec![format!("{given} of a {state} run {held}")]
        }
        Call::Work(WorkCall::RenewLeases(..) | WorkCall::ForgetCompletions(..)) => {
            vec![if *answer == 0 { "none" } else { "some" }.into()]
        }
        Call::Work(WorkCall::RecordResults(batch)) => {
            let accepted = answer["accepted"].as_array().map(Vec::len);
            let state = answer["state"]["status"].as_str().unwrap();
            let kept = match accepted {
                Some(0) => "none",
                Some(n) if n == batch.results.len() => "all",
                _ => "some",
            };
            vec![format!("{kept} of a {state} run")]
        }
        Call::Work(WorkCall::ReleaseTasks(..) | WorkCall::KeepCompletion(..)) => vec!["done".into()],
        Call::Traffic(TrafficCall::PruneTraces(..) | TrafficCall::PruneMinutes(..)) => {
            vec![if *answer == 0 { "none" } else { "some" }.into()]
        }
        Call::Traffic(TrafficCall::RecordLosses(..)) => vec!["done".into()],
        Call::Traffic(TrafficCall::Change(change)) if change.promotion.is_some() => vec!["promotes".into()],
        Call::Traffic(
            TrafficCall::RecordOutcomes(..) | TrafficCall::RecordTraces(_) | TrafficCall::AnnotateTraces(_),
        ) => {
            let verdicts = answer.as_array().unwrap().iter();
            verdicts
                .map(|verdict| verdict.as_str().unwrap().to_owned())
                .collect()
        }
        Call::RecordFeedback(batch) if batch.is_empty() => vec!["counts nothing".into()],
        Call::RecordFeedback(_) => vec!["counts".into()],
        _ if changed => vec!["changes".into()],
        _ => vec!["kept".into()],
    }
}

/// How many changes are on record.
async fn audited(memory: &Stores) -> u64 {
    let mut count = 0;
    for tenant in names::TENANTS {
        let head = memory.audit.audit_head(&TenantId::new(tenant).unwrap()).await;
        count += head.unwrap().map_or(0, |head| head.seq);
    }
    count
}

#[test]
fn every_outcome_is_generated() {
    every_outcome(&operations(), CASES, OUTCOMES);
}

#[test]
fn every_outcome_of_traffic_is_generated() {
    every_outcome(&traffic_operations(), TRAFFIC_CASES, TRAFFIC_OUTCOMES);
}

fn every_outcome(operations: &BoxedStrategy<Sequence>, cases: u32, expected: &[(&str, &str, usize)]) {
    let mut outcomes: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut runner = TestRunner::new(config(cases, SEED));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..cases {
        let (_, sequence, _) = operations.new_tree(&mut runner).unwrap().current();
        let memory: Stores = MemoryBackend::new().into();
        runtime.block_on(async {
            let mut count = |name, label| *outcomes.entry((name, label)).or_default() += 1;
            let mut calls = Vec::new();
            for operation in sequence {
                if matches!(operation, Operation::Reopen) {
                    count("reopen", String::new());
                }
                calls.extend(operation.call(&memory, "").await);
                for (tenant, read) in operation.glance() {
                    calls.extend(Operation::Read(tenant, read).call(&memory, "").await);
                }
                for call in calls.drain(..) {
                    let before = audited(&memory).await;
                    let answer = call.answer(&memory).await;
                    let changed = audited(&memory).await != before;
                    for label in labels(&call, &answer, changed) {
                        count(name_of(&call), label);
                    }
                }
            }
            for call in Read::everything(&memory, "").await {
                for label in labels(&call, &call.answer(&memory).await, false) {
                    count(name_of(&call), label);
                }
            }
        });
    }
    let list: Vec<_> = outcomes
        .iter()
        .map(|((call, outcome), n)| format!("{n:6} {call}: {outcome}"))
        .collect();
    println!("{}", list.join("\n"));
    for (call, text, least) in expected {
        let found = outcomes
            .iter()
            .filter(|((name, outcome), _)| name == call && outcome.starts_with(text));
        let found: usize = found.map(|(_, n)| n).sum();
        assert!(
            found >= *least,
            "{call} came to {text:?} {found} times, expected {least}"
        );
    }
    for (name, outcome) in outcomes.keys() {
        let expected = OUTCOMES
            .iter()
            .chain(TRAFFIC_OUTCOMES)
            .any(|(call, text, _)| name == call && outcome.starts_with(text));
        assert!(expected, "{name} came to {outcome:?}: add it to the outcomes");
    }
}

/// A backend that counts each piece of feedback once for each rating.
struct Miscounting(MemoryBackend);

#[async_trait]
impl MetricsStore for Miscounting {
    async fn record_feedback(&self, batch: &[Feedback]) -> Result<()> {
        let rated = batch
            .iter()
            .filter(|feedback| feedback.rating_millionths.is_some());
        self.0.record_feedback(batch).await?;
        self.0.record_feedback(&rated.cloned().collect::<Vec<_>>()).await
    }

    async fn metrics(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        self.0.metrics(tenant, prompt, closure_hash, environment).await
    }

    async fn rollups(&self, tenant: &TenantId, query: &RollupQuery) -> Result<Vec<Rollup>> {
        self.0.rollups(tenant, query).await
    }

    async fn prune_minutes(&self, tenant: &TenantId, before: Timestamp, at_most: usize) -> Result<usize> {
        self.0.prune_minutes(tenant, before, at_most).await
    }
}

#[async_trait]
impl Harness for Miscounting {
    async fn open(&self) -> Stores {
        Stores {
            metrics: Arc::new(Self(self.0.clone())),
            ..self.0.clone().into()
        }
    }
}

#[test]
fn a_difference_is_told_with_the_fewest_operations_that_show_it() {
    conformance::run(async {
        let harness = Miscounting(MemoryBackend::new());
        let difference = block_in_place(|| check(&harness, &operations(), CASES, SEED)).unwrap_err();
        for part in [
            "PROMPTOPS_MODEL_SEED=0",
            "    Metrics(\n",
            "-  \"usage_count\": 1\n+  \"usage_count\": 2\n",
            "\n  1. RecordFeedback([Answered { tenant: \"shared\", prompt: \"safety\", closure: \"one\", ",
        ] {
            assert!(difference.contains(part), "{part:?} is not in: {difference}");
        }
        assert!(!difference.contains("\n  2. "), "{difference}");
    });
}

/// A backend that is empty whenever it is opened.
struct Forgetting;

#[async_trait]
impl Harness for Forgetting {
    async fn open(&self) -> Stores {
        MemoryBackend::new().into()
    }
}

#[test]
fn stores_are_closed_and_opened_again() {
    conformance::run(async {
        let difference = block_in_place(|| check(&Forgetting, &operations(), CASES, SEED)).unwrap_err();
        assert!(difference.contains("\n  2. Reopen\n"), "{difference}");
    });
}
