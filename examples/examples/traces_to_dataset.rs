//! Two days of production: what was recorded of each answer, seen by the hour, two versions compared, and a dataset made of what
//! went wrong.
//!
//! ```text
//! cargo run --example traces_to_dataset
//! ```
//!
//! No key is needed: nobody is asked. The traffic is made up from a fixed seed.

use std::error::Error;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{Actor, ManualClock, SequentialIds, Timestamp, TraceId};
use promptops_core::curation::Curated;
use promptops_core::evaluation::write_jsonl;
use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::{
    Annotate, Grouping, MetricsFilter, Period, RedactTexts, SeriesQuery, Stamp, Step, Trace, TraceFilter,
};
use promptops_core::prompt::{Draft, system, user};
use promptops_core::statistics::Random;
use promptops_core::{PromptOps, Tenant};
use promptops_examples::{chapter, chart, row, say, table};
use promptops_store_sqlite::SqliteBackend;
use serde_json::json;

const HOURS: u32 = 48;
/// From this hour on, the second version is live.
const SECOND_FROM: u32 = 24;
/// The model's provider had an outage in these hours.
const OUTAGE: std::ops::Range<u32> = 33..36;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("promptops-traces-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let backend = SqliteBackend::open(directory.join("prompts.db")).await?;
    let start: Timestamp = "2026-03-02T00:00:00Z".parse()?;
    let end = start + Duration::from_secs(u64::from(HOURS) * 3_600);
    // Time and ids of its own, so that it says the same whenever it is run.
    let ops = PromptOps::builder(backend.clone())
        .clock(Arc::new(ManualClock::at(end)))
        .ids(Arc::new(SequentialIds::default()))
        .build();
    let told = tell(&ops.tenant("acme")?, Period::new(start, end, Step::Hour)?).await;
    ops.shutdown(Duration::from_secs(5)).await;
    backend.close().await;
    std::fs::remove_dir_all(&directory)?;
    told
}

async fn tell(acme: &Tenant, two_days: Period) -> Result<(), Box<dyn Error>> {
    let ana = Actor::owner("ana");

    chapter(1, "Two days of production are recorded");
    let mut stamps = Vec::new();
    for instructions in [
        "Answer the customer.",
        "Answer the customer. Say when, and say where.",
    ] {
        let draft = Draft::chat([system(instructions), user("{{ ticket }}")]).by(&ana);
        let version = acme.prompts().save("support/answer", draft).await?;
        acme.environments().promote(&version, "production", &ana).await?;
        let answer = acme
            .resolve("support/answer@production")
            .render(&json!({ "ticket": "" }))
            .await?;
        stamps.push(answer.stamp().clone());
    }
    let mut traffic = Traffic(Random::seeded(7));
    let mut failed = Vec::new();
    for (hour, start) in (0..).zip(two_days.starts()) {
        let is_second = hour >= SECOND_FROM;
        for _ in 0..traffic.calls(hour) {
            let (trace, has_failed) = traffic.call(&stamps[usize::from(is_second)], hour, start);
            // Never waits, never fails.
            let id = acme.traces().record(trace);
            failed.extend(has_failed.then_some(id));
        }
    }
    // People say later what some of the answers should have been.
    let corrected: Vec<TraceId> = failed.iter().copied().filter(|_| traffic.chance(30)).collect();
    for id in &corrected {
        acme.traces().annotate(
            *id,
            Annotate::new().corrected_output("It arrives on Monday, at your door."),
        );
    }
    let stats = acme.traces().flush(Duration::from_secs(30)).await?;
    say!(
        "{} traces and remarks are written, {} were lost; {} answers failed, {} of them were corrected by people.",
        stats.written,
        stats.lost(),
        failed.len(),
        corrected.len()
    );

    chapter(2, "By the hour");
    let production = MetricsFilter::of(stamps[0].prompt.clone()).environment("production".parse()?);
    let series = acme
        .metrics()
        .series(&SeriesQuery::new(production.clone(), two_days))
        .await?;
    let points = &series.lines[0].points;
    let success: Vec<_> = points.iter().map(|point| point.metrics.success_rate()).collect();
    let p95: Vec<_> = points
        .iter()
        .map(|point| point.metrics.latency(0.95).map(|latency| latency.as_secs_f64()))
        .collect();
    for (title, values, range, ends) in [
        ("success rate", &success, 0.5..=1.0, ["100 %", " 50 %"]),
        ("latency, 95th percentile", &p95, 0.0..=12.0, [" 12 s", "  0 s"]),
    ] {
        say!("{title}");
        let labels = [ends[0], "", "", ends[1]];
        for (label, line) in labels.iter().zip(chart(values, range)) {
            println!("   {label:>5} │{line}│");
        }
        println!("         └{:─<24}┬{:─<23}┘", "", "");
    }
    println!("          {:<24}{}", "Monday, v1", "Tuesday, v2");

    chapter(3, "The two versions");
    let (v1, v2) = (stamps[0].version, stamps[1].version);
    if let (Some(v1), Some(v2)) = (v1, v2) {
        let metrics = acme.metrics();
        say!(
            "{}",
            metrics
                .compare(&stamps[0].prompt, v1, v2, Some(&two_days), None)
                .await?
        );
        say!(
            "They were live on different days: what differs may be the day's doing. An experiment would tell."
        );
    }
    let totals = acme
        .metrics()
        .totals(&production, Some(&two_days), Grouping::Version)
        .await?;
    let mut rows = vec![row!["version", "answers", "errors", "tokens", "cost"]];
    rows.extend(totals.iter().map(|total| {
        let of = total.metrics.figures();
        row![
            total.of,
            of.answers,
            of.errors,
            of.input_tokens + of.output_tokens,
            of.cost
        ]
    }));
    println!();
    table(&rows);

    chapter(4, "A dataset of what went wrong");
    let failures = TraceFilter {
        prompt: Some(stamps[0].prompt.clone()),
        success: Some(false),
        ..TraceFilter::default()
    };
    let Curated { dataset, report, .. } = acme
        .curation()
        .dataset("support/failures")
        .from(failures)
        // An outage says nothing about the prompt.
        .only(|trace| trace.error.is_none())
        .sample(150)
        .seed(7)
        .redact(RedactTexts(without_addresses))
        .save(&ana)
        .await?;
    say!("{dataset}, {} entries: {report}.", dataset.entries);
    let entries = acme.datasets().all_entries(&dataset).await?;
    let mut lines = Vec::new();
    let expecting = entries.iter().filter(|entry| entry.expected_output.is_some());
    let others = entries.iter().filter(|entry| entry.expected_output.is_none());
    write_jsonl(expecting.take(1).chain(others.take(1)), &mut lines)?;
    say!("As JSON lines (of {}):", dataset.entries);
    say!("{}", String::from_utf8(lines)?);
    say!("It is evaluated on like any other: see the example `evaluate`.");
    Ok(())
}

/// Takes e-mail addresses out of a text.
fn without_addresses(text: &mut String) {
    if text.contains('@') {
        let words = text
            .split(' ')
            .map(|word| if word.contains('@') { "[address]" } else { word });
        *text = words.collect::<Vec<_>>().join(" ");
    }
}

/// Made-up traffic.
struct Traffic(Random);

impl Traffic {
    /// A number below another.
    fn below(&mut self, bound: u64) -> u64 {
        NonZeroU64::new(bound).map_or(0, |bound| self.0.below(bound))
    }

    /// Whether something happens that does so many times of a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// How many calls there are in an hour: few at night.
    fn calls(&mut self, hour: u32) -> u64 {
        let by_day = [
            2, 1, 1, 1, 2, 4, 8, 14, 20, 24, 25, 24, 20, 22, 25, 24, 22, 18, 14, 12, 10, 8, 5, 3,
        ];
        let usual = by_day[hour as usize % 24];
        usual * 4 + self.below(usual * 2)
    }

    /// One of them, and whether it failed.
    fn call(&mut self, stamp: &Stamp, hour: u32, start: Timestamp) -> (Trace, bool) {
        let is_second = hour >= SECOND_FROM;
        let what = ["parcel", "invoice", "refund", "replacement", "voucher"][self.below(5) as usize];
        let asks = ["Where is my", "When do I get my", "I am still waiting for my"][self.below(3) as usize];
        let order = 1_000 + self.below(60);
        let mut ticket = format!("{asks} {what}? Order {order}.");
        if self.chance(10) {
            ticket.push_str(" Write to kim@example.org please.");
        }
        let trace = Trace::of(stamp)
            .at(start + Duration::from_millis(self.below(3_600_000)))
            .inputs(&json!({ "ticket": ticket }))
            .model("simulated")
            .session(format!("user-{}", self.below(400)));
        if OUTAGE.contains(&hour) && self.chance(35) {
            let trace = trace
                .error("unavailable", "the provider is overloaded")
                .latency(Duration::from_secs(10));
            return (trace, true);
        }
        // The sum of a few is often near its middle and seldom far above.
        let millis = 300
            + (0..4).map(|_| self.below(400)).sum::<u64>()
            + if self.chance(6) { self.below(4_000) } else { 0 };
        let has_failed = self.chance(if is_second { 12 } else { 24 });
        let tokens = Usage::new(if is_second { 92 } else { 81 }, 30 + self.below(30));
        let mut trace = trace
            .output(if has_failed {
                "It is on its way."
            } else {
                "It arrives tomorrow, at your door."
            })
            .latency(Duration::from_millis(if is_second {
                millis * 6 / 5
            } else {
                millis
            }))
            .usage(tokens)
            .cost(Cost::from_nano_usd(
                tokens.input_tokens * 150 + tokens.output_tokens * 600,
            ));
        // Not everybody says how it went.
        if has_failed || self.chance(70) {
            trace = trace.success(!has_failed);
        }
        if self.chance(20) {
            trace = trace.rating(if has_failed { 0.2 } else { 0.8 } + self.below(20) as f64 / 100.0);
        }
        (trace, has_failed)
    }
}
