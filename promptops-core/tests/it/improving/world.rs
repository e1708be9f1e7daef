//! A support desk: tickets of a few kinds, a model that follows the prompt's text, and production's traffic.
//!
//! It knows nothing of a backend: the tests of killed and racing workers, and the benches, have it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Actor, ManualClock, SequentialIds};
use promptops_core::deployment::{Deployment, DeploymentFilter, DeploymentSettings};
use promptops_core::evaluation::{Evaluation, Score, Scorer, ScorerInput};
use promptops_core::improvement::monitor::MonitorSettings;
use promptops_core::improvement::replay::Shares;
use promptops_core::improvement::{ImprovementPlan, Improver, LookBack, Pass, ReplaySizes};
use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, LlmErrorKind, ScriptedLlm};
use promptops_core::observation::Trace;
use promptops_core::prompt::{Draft, Version};
use promptops_core::{MemoryBackend, PromptOps, Stores, Tenant};
use serde_json::{Map, Value, json};

pub const PROMPT: &str = "support/triage";
pub const ENVIRONMENT: &str = "production";
/// What every version's text begins with.
pub const BASE: &str = "You sort the tickets of a shop into queues. The queues are billing, accounts, shipping and other. Answer \
                        with the name of the queue alone, without a greeting and without a word of explanation. Logins go to \
                        accounts, parcels to shipping.";
/// What makes the model sort refunds rightly.
pub const REFUNDS: &str = "Refunds go to billing.";
/// What makes the model get everything else wrong.
pub const CONFUSING: &str = "When in doubt, say other.";
/// What comes in day by day: of five tickets two are refunds, two logins, one is a parcel.
pub const USUAL: [&str; 5] = ["refund", "login", "refund", "parcel", "login"];

pub fn olga() -> Actor {
    Actor::owner("olga")
}

pub fn mo() -> Actor {
    Actor::member("mo")
}

/// The queue that a ticket belongs into.
pub fn right_queue(parameters: &Map<String, Value>) -> &'static str {
    match parameters.get("kind").and_then(Value::as_str) {
        Some("refund") => "billing",
        Some("login") => "accounts",
        _ => "shipping",
    }
}

/// Scores whether the right queue was named.
pub struct RightQueue;

#[async_trait]
impl Scorer for RightQueue {
    fn name(&self) -> &str {
        "right_queue"
    }

    fn configuration(&self) -> Value {
        json!({ "version": 1 })
    }

    async fn score(&self, input: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        let right = right_queue(input.parameters) == input.output;
        Ok(Score::pass(right, if right { "right" } else { "wrong queue" }))
    }
}

/// What the model does that no prompt can change.
#[derive(Default)]
pub struct Weather {
    /// It answers `other` to everything.
    pub is_confused: AtomicBool,
    /// It does not answer.
    pub is_out: AtomicBool,
    /// How often it was asked.
    pub asked: AtomicU64,
}

/// What the model says to a prompt as rendered: pure, so that both arms of a replay meet the same model.
pub fn answer(text: &str, weather: &Weather) -> &'static str {
    if weather.is_confused.load(Ordering::Relaxed) {
        return "other";
    }
    let is = |kind: &str| text.contains(&format!("[{kind}]"));
    if text.contains(CONFUSING) && !is("refund") {
        return "other";
    }
    let knows_refunds = text.contains(REFUNDS);
    if is("refund") {
        if knows_refunds { "billing" } else { "other" }
    } else if is("exchange") && knows_refunds {
        // What a version that knows of refunds gets wrong, and one that does not gets right.
        "billing"
    } else if is("login") {
        "accounts"
    } else {
        "shipping"
    }
}

pub fn model(weather: Arc<Weather>) -> Arc<ScriptedLlm> {
    Arc::new(ScriptedLlm::new(
        move |blueprint: &Blueprint| -> Result<Completion, LlmError> {
            weather.asked.fetch_add(1, Ordering::Relaxed);
            if weather.is_out.load(Ordering::Relaxed) {
                return Err(LlmError::new(
                    LlmErrorKind::Overloaded,
                    "scripted",
                    "come back later",
                ));
            }
            let text: Vec<String> = blueprint.messages.iter().map(|message| message.text()).collect();
            Ok(ScriptedLlm::answer(answer(&text.join("\n"), &weather)))
        },
    ))
}

/// A model that proposes: by its task, of four the second helps.
pub fn proposing() -> ScriptedLlm {
    ScriptedLlm::new(proposal).with_model("proposer")
}

/// What it answers.
pub fn proposal(blueprint: &Blueprint) -> Result<Completion, LlmError> {
    let text: Vec<String> = blueprint.messages.iter().map(|message| message.text()).collect();
    let text = text.join("\n");
    let edit = |old: &str, new: &str| {
        json!({
            "rationale": "Refunds are sorted into the wrong queue, since nothing says where they go.",
            "edits": [{ "message": 0, "old": old, "new": new, "reason": "says it" }],
        })
    };
    let reply = if text.contains("Add one short general rule") {
        edit("parcels to shipping.", &format!("parcels to shipping. {REFUNDS}")).to_string()
    } else if text.contains("Find the one instruction") {
        edit("without a word of explanation", "without any explanation").to_string()
    } else if text.contains("Make it up") {
        edit("{{ ticket }}", "").to_string()
    } else {
        "I would make it shorter.".to_owned()
    };
    Ok(ScriptedLlm::answer(reply))
}

/// The model asked, and the queue that it names held against the right one.
pub fn evaluation_by(model: Arc<dyn LlmClient>) -> Evaluation {
    Evaluation::new(model).criterion(RightQueue)
}

/// A plan with figures for small worlds.
pub fn plan_of(evaluation: Evaluation) -> ImprovementPlan {
    ImprovementPlan::new(evaluation)
        .sizes(ReplaySizes {
            repeats: 1,
            ..ReplaySizes::default()
        })
        .shares(Shares {
            propose: 20,
            select: 20,
            confirm: 60,
        })
        .look_back(LookBack {
            traces: 2_000,
            ..LookBack::default()
        })
        .monitor(MonitorSettings {
            horizon: 500,
            ..MonitorSettings::default()
        })
}

pub struct World {
    #[allow(dead_code, reason = "lives as long as the world does")]
    pub ops: PromptOps,
    pub acme: Tenant,
    pub clock: Arc<ManualClock>,
    pub weather: Arc<Weather>,
    tickets: AtomicU64,
}

impl World {
    pub async fn new() -> Self {
        Self::on(MemoryBackend::new(), DeploymentSettings::default()).await
    }

    pub async fn on(stores: impl Into<Stores>, settings: DeploymentSettings) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ops = PromptOps::builder(stores)
            .clock(clock.clone())
            .ids(Arc::new(SequentialIds::default()))
            .deployment_settings(settings)
            .build();
        Self::of(ops, clock).await
    }

    /// A world that nothing has happened in, by the clock that these go by.
    pub async fn of(ops: PromptOps, clock: Arc<ManualClock>) -> Self {
        let world = Self::going_on(ops, clock, 0);
        let first = world.save("").await;
        world
            .acme
            .environments()
            .promote(&first, ENVIRONMENT, &olga())
            .await
            .unwrap();
        world
    }

    /// A world in which something has happened, so many tickets among it.
    pub fn going_on(ops: PromptOps, clock: Arc<ManualClock>, tickets: u64) -> Self {
        Self {
            acme: ops.tenant("acme").unwrap(),
            ops,
            clock,
            weather: Arc::default(),
            tickets: AtomicU64::new(tickets),
        }
    }

    /// A version whose text says this beside the base.
    pub async fn save(&self, rule: &str) -> Version {
        let text = format!("{BASE} {rule}\n[{{{{ kind }}}}] {{{{ ticket }}}}");
        self.acme
            .prompts()
            .save(PROMPT, Draft::text(text).by("ana"))
            .await
            .unwrap()
    }

    /// So many tickets come in, three minutes apart.
    pub async fn traffic(&self, tickets: u64) {
        self.traffic_of(tickets, &USUAL).await;
    }

    /// So many tickets come in, three minutes apart, of these kinds in turns.
    pub async fn traffic_of(&self, tickets: u64, kinds: &[&str]) {
        for _ in 0..tickets {
            let n = self.tickets.fetch_add(1, Ordering::Relaxed);
            let inputs = ticket_of(n, kinds);
            let resolved = self
                .acme
                .resolve(&format!("{PROMPT}@{ENVIRONMENT}"))
                .await
                .unwrap();
            let rendered = resolved.render(&inputs).unwrap();
            let text: Vec<String> = rendered.messages().iter().map(ToString::to_string).collect();
            let said = answer(&text.join("\n"), &self.weather);
            let right = right_queue(inputs.as_object().unwrap()) == said;
            let reason = if right {
                "right"
            } else {
                "refund ticket sorted into the wrong queue"
            };
            let trace = Trace::of(rendered.stamp())
                .inputs(&inputs)
                .output(said)
                .score_because("correctness", f64::from(u8::from(right)), reason);
            self.acme.traces().record_durable(trace).await.unwrap();
            self.clock.advance(Duration::from_secs(180));
        }
    }

    /// A plan with figures for small worlds.
    pub fn plan(&self) -> ImprovementPlan {
        plan_of(evaluation_by(model(self.weather.clone())))
    }

    /// The same by another evaluation.
    pub fn plan_by(&self, evaluation: Evaluation) -> ImprovementPlan {
        plan_of(evaluation)
    }

    pub fn improver(&self) -> Improver {
        self.improver_by(self.plan())
    }

    pub fn improver_by(&self, plan: ImprovementPlan) -> Improver {
        self.acme
            .improvements()
            .improver(PROMPT, ENVIRONMENT, plan)
            .unwrap()
    }

    /// A pass in which nothing went wrong.
    pub async fn pass(&self, improver: &Improver) -> Pass {
        let pass = improver.run_once().await.unwrap();
        assert!(pass.problems.is_empty(), "{:?}", pass.problems);
        pass
    }

    /// All deployments, the newest first.
    pub async fn deployments(&self) -> Vec<Deployment> {
        let filter = DeploymentFilter::default();
        let page = promptops_core::base::PageRequest::default();
        self.acme.deployments().list(&filter, &page).await.unwrap().items
    }

    pub async fn live(&self) -> u32 {
        self.acme
            .environments()
            .get(PROMPT, ENVIRONMENT)
            .await
            .unwrap()
            .version
            .get()
    }
}

/// What the prompt is rendered with for the n-th ticket.
pub fn ticket(n: u64) -> Value {
    ticket_of(n, &USUAL)
}

fn ticket_of(n: u64, kinds: &[&str]) -> Value {
    json!({ "kind": kinds[n as usize % kinds.len()], "ticket": words(n) })
}

/// Words that no two tickets share, without digits, which count as none.
pub fn words(n: u64) -> String {
    let letters = |mut n: u64| -> String {
        let mut word = String::new();
        loop {
            word.push(char::from(b'a' + (n % 26) as u8));
            n /= 26;
            if n == 0 {
                return word;
            }
        }
    };
    let scattered = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{} {} {}",
        letters(scattered >> 40),
        letters(scattered & 0xFF_FFFF),
        letters(n)
    )
}
