//! 10,000 traces triaged and grouped.

use std::collections::BTreeMap;

use chrono::DateTime;
use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName, ScoreName, TraceId};
use promptops_core::improvement::cluster::{ClusterSettings, cluster, mask};
use promptops_core::improvement::triage::{Failure, TriageSettings, Triaged, triage};
use promptops_core::observation::{Stamp, TraceRecord, TraceScore};
use promptops_core::statistics::Random;

const TRACES: usize = 10_000;
const ROUNDS: usize = 7;

/// What a judge says of each cause; numbers and names differ from trace to trace.
const REASONS: [&str; 10] = [
    "The reply to {n} does not state the refund deadline",
    "The tone towards \"{n}\" is rude and dismissive",
    "The answer is in English although question {n} was in German",
    "The invoice total of {n} EUR was added up wrongly",
    "It invents a tracking number {n} for the parcel",
    "The answer reveals the internal escalation policy of case {n}",
    "The summary is far too long: {n} words instead of one paragraph",
    "No source is cited for the medical claim on {n} mg",
    "It ignores the attached screenshot {n}",
    "The booking on 2026-11-21 was put into the wrong time zone by {n} hours",
];
const MORE: [&str; 40] = [
    "and", "so", "which", "customer", "asked", "before", "twice", "policy", "agent", "again", "never",
    "order", "ticket", "said", "reply", "should", "clearly", "needed", "second", "sentence", "first",
    "later", "support", "manager", "account", "detail", "missing", "reader", "example", "version", "product",
    "team", "without", "reason", "after", "thanks", "please", "contract", "monthly", "update",
];

pub fn run() {
    let mut table = Table::new(
        "10,000 failed traces triaged and grouped",
        "triage, and masks of the same messages",
    );
    let settings = ClusterSettings::default();
    for (what, scores, words, goal) in [
        ("one dimension, 10 causes", 1, 0, Goal::AtMost(1e9)),
        (
            "the same, 6 more words, all texts different",
            1,
            6,
            Goal::AtMost(1e9),
        ),
        ("four dimensions, all texts different", 4, 6, Goal::AtMost(1e9)),
        ("ten dimensions, all texts different", 10, 6, Goal::None),
    ] {
        let traces = traces(scores, words);
        let (mut ours, mut floor) = (Samples::default(), Samples::default());
        let mut found = 0;
        for _ in 0..ROUNDS {
            found = ours.time(|| cluster(&failures(&traces), &settings).clusters.len());
            floor.time(|| {
                let failures = failures(&traces);
                failures
                    .iter()
                    .map(|failure| mask(&failure.message).len())
                    .sum::<usize>()
            });
        }
        table.times(
            &format!("{what}: {found} clusters"),
            ours.median(),
            Some(floor.median()),
            goal,
        );
    }
}

fn failures(traces: &[TraceRecord]) -> Vec<Failure> {
    let settings = TriageSettings::default();
    traces
        .iter()
        .filter_map(|trace| match triage(trace, &settings) {
            Triaged::Behaviour(failure) => Some(*failure),
            _ => None,
        })
        .collect()
}

fn traces(scores: usize, words: usize) -> Vec<TraceRecord> {
    let mut random = Random::seeded(7);
    let mut below = |bound: usize| (random.bits() % bound as u64) as usize;
    (0..TRACES)
        .map(|i| {
            let mut reason = REASONS[below(REASONS.len())].replace("{n}", &below(1_000_000).to_string());
            for _ in 0..words {
                reason.push(' ');
                reason.push_str(MORE[below(MORE.len())]);
            }
            trace(i, &format!("score-{}", below(scores)), reason)
        })
        .collect()
}

fn trace(i: usize, score: &str, reason: String) -> TraceRecord {
    let at = DateTime::from_timestamp(1_790_000_000 + i as i64, 0).expect("a time in 2026");
    TraceRecord {
        id: TraceId::new(at, i as u128),
        stamp: Stamp {
            prompt: PromptName::new("support/triage").expect("a name"),
            version: None,
            closure_hash: ClosureHash::from_bytes([7; 32]),
            environment: Some(EnvironmentName::new("production").expect("a name")),
            assignment: None,
        },
        at,
        inputs: None,
        output: Some("It arrives tomorrow.".to_owned()),
        omitted: None,
        error: None,
        success: None,
        rating_millionths: None,
        corrected_output: None,
        comment: None,
        scores: BTreeMap::from([(
            ScoreName::new(score).expect("a name"),
            TraceScore {
                value_millionths: 100_000,
                reason: Some(reason),
            },
        )]),
        latency: None,
        usage: None,
        cost: None,
        model: None,
        session: None,
        tags: Default::default(),
    }
}
