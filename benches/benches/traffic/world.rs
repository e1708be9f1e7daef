//! A tenant with a prompt of two versions, and an experiment between them in production.

use promptops_core::base::{Actor, Timestamp, TraceId};
use promptops_core::experiment::{Assigner, Experiment, ExperimentPlan};
use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::{RecordingSettings, Stamp, Trace, TraceSettings, UnitKey};
use promptops_core::prompt::{Draft, Version};
use promptops_core::{PromptOps, Stores, Tenant};
use serde_json::{Map, Value};

pub const REFERENCE: &str = "support/triage@production";

/// A host's: as many threads as processors.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Who does it all.
pub fn ana() -> Actor {
    Actor::owner("ana")
}

pub struct World {
    pub ops: PromptOps,
    pub acme: Tenant,
    pub experiment: Experiment,
    /// What is handed out with each variant, for some unit.
    stamps: Vec<Stamp>,
    seed: u64,
}

impl World {
    pub async fn new(stores: impl Into<Stores>) -> Self {
        Self::with(stores, RecordingSettings::default()).await
    }

    pub async fn with(stores: impl Into<Stores>, recording: RecordingSettings) -> Self {
        let mut traces = TraceSettings::default();
        traces.recording = recording;
        let ops = PromptOps::builder(stores)
            .outcome_settings(recording)
            .trace_settings(traces)
            .follow_changes(false)
            .build();
        let acme = ops.tenant("acme").expect("a name");
        let second = two_versions(&acme, "support/triage").await;
        let plan = ExperimentPlan::new("support/triage", "production")
            .and_then(|plan| plan.control(50.0).variant("shorter", second.number, 50.0))
            .expect("a plan");
        let experiments = acme.experiments();
        let experiment = experiments.start(plan, &ana()).await.expect("it begins");
        let mut stamps: Vec<Option<Stamp>> = vec![None; experiment.variants.len()];
        for i in 0..1_000 {
            let unit = unit(i);
            let resolved = acme.resolve(REFERENCE).unit(&unit).await.expect("it is live");
            let variant = resolved.assigned().expect("an experiment is on").variant;
            stamps[usize::from(variant)] = Some(resolved.stamp());
        }
        Self {
            seed: Assigner::seed(&experiment.id, &experiment.salt),
            stamps: stamps
                .into_iter()
                .map(|stamp| stamp.expect("each has units"))
                .collect(),
            ops,
            acme,
            experiment,
        }
    }

    /// What a unit has been handed out.
    pub fn stamp(&self, unit: &str) -> Stamp {
        let key = Assigner::unit_key(self.seed, unit);
        let variant = self.experiment.epoch().allocation.variant(key.bucket());
        self.with_key(variant, key)
    }

    fn with_key(&self, variant: u8, key: UnitKey) -> Stamp {
        let mut stamp = self.stamps[usize::from(variant)].clone();
        if let Some(assignment) = &mut stamp.assignment {
            assignment.unit = Some(key);
        }
        stamp
    }

    /// What the unit of this number has been handed out, put into one of the given stamps, so that nothing is copied.
    pub fn with_unit<'a>(&self, stamps: &'a mut [Stamp], i: usize) -> &'a Stamp {
        let key = Assigner::unit_key(self.seed, &unit(i));
        let variant = self.experiment.epoch().allocation.variant(key.bucket());
        let stamp = &mut stamps[usize::from(variant)];
        if let Some(assignment) = &mut stamp.assignment {
            assignment.unit = Some(key);
        }
        stamp
    }

    pub fn stamps(&self) -> Vec<Stamp> {
        self.stamps.clone()
    }

    /// What is reported of the call of this number: 2 KB of inputs, 500 bytes of output, two scores.
    pub fn trace(&self, i: usize) -> Trace {
        Trace::of(&self.stamps[i % self.stamps.len()])
            .inputs(&inputs(i))
            .output(text(i, 500))
            .latency(std::time::Duration::from_millis(300 + i as u64 % 900))
            .usage(Usage::new(500 + i as u64 % 100, 120))
            .cost(Cost::from_nano_usd(40_000))
            .model("model-1")
            .session(format!("session-{}", i / 4))
            .success(!i.is_multiple_of(5))
            .score("helpful", (i % 11) as f64 / 10.0)
            .score("grounded", (i % 3) as f64 / 2.0)
    }
}

/// Saves two versions, of which the first is live in production, and gives the second.
pub async fn two_versions(acme: &Tenant, name: &str) -> Version {
    let mut second = None;
    for text in ["Answer {{ name }}.", "Answer {{ name }} in a sentence."] {
        let draft = Draft::text(text).by(ana()).active();
        let version = acme.prompts().save(name, draft).await.expect("it is saved");
        if second.is_none() {
            let environments = acme.environments();
            let ana = ana();
            let promotion = environments.promote(&version, "production", &ana);
            promotion.await.expect("it is promoted");
        }
        second = Some(version);
    }
    second.expect("two are saved")
}

/// As long as the ids of users often are.
pub fn unit(i: usize) -> String {
    format!("user-0d9b3c52-{i:012}")
}

/// 2 KB in five values.
pub fn inputs(i: usize) -> Map<String, Value> {
    let names = ["ticket", "history", "product", "language", "customer"];
    let lengths = [900, 800, 150, 10, 90];
    let values = names.iter().zip(lengths);
    values
        .map(|(name, length)| ((*name).to_owned(), Value::from(text(i, length))))
        .collect()
}

/// A text of so many bytes; others for other numbers.
pub fn text(i: usize, length: usize) -> String {
    const WORDS: &str = "The parcel that I ordered on Monday has not come, and nobody answers when I call the number on \
        the invoice. Please tell me where it is, or send me another one. ";
    let mut text = format!("Ticket {i}. ");
    while text.len() < length {
        text.push_str(WORDS);
    }
    text.truncate(length);
    text
}

/// The id of the trace of this number, which began then.
pub fn trace_id(at: Timestamp, i: usize) -> TraceId {
    TraceId::new(at, i as u128)
}
