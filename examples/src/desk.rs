//! A support desk for examples: tickets, two models that follow scripts, and a scorer. Not an LLM's insight, but enough to see
//! the machinery work without a key.

use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::evaluation::{Score, Scorer, ScorerInput};
use promptops_core::llm::{Blueprint, LlmClient, ScriptedLlm};
use serde_json::{Map, Value, json};

/// The prompt as it is at first.
pub const TRIAGE: &str = "\
You sort the tickets of a shop into queues. The queues are billing, accounts, shipping and other.
Answer with the name of the queue alone, without a greeting and without a word of explanation.
Logins go to accounts, parcels to shipping.

[{{ kind }}] {{ ticket }}";

/// The rule that a proposer adds.
pub const RULE: &str = "Whatever speaks of a refund goes to billing.";

/// What customers write about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Money back: billing.
    Refund,
    /// An account: accounts.
    Login,
    /// A parcel: shipping.
    Parcel,
    /// A broken parcel and a refund: shipping has to look at it first.
    Damaged,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Login => "login",
            Self::Parcel => "parcel",
            Self::Damaged => "damaged, refund",
        }
    }
}

/// What the prompt is rendered with for the n-th ticket: no two say the same.
pub fn ticket(kind: Kind, n: u64) -> Value {
    const WORDS: [&str; 16] = [
        "order", "lamp", "chair", "invoice", "courier", "cable", "password", "colour", "box", "letter",
        "card", "shelf", "app", "sofa", "voucher", "number",
    ];
    let scattered = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let words: Vec<&str> = (0..6)
        .map(|i| WORDS[(scattered >> (4 * i + 20)) as usize % 16])
        .collect();
    json!({ "kind": kind.as_str(), "ticket": words.join(" ") })
}

fn right_queue(inputs: &Map<String, Value>) -> &'static str {
    match inputs.get("kind").and_then(Value::as_str) {
        Some("refund") => "billing",
        Some("login") => "accounts",
        _ => "shipping",
    }
}

/// Whether an answer names the right queue; production's traces are scored the same way.
pub struct RightQueue;

impl RightQueue {
    /// Whether this queue is right for these inputs.
    pub fn is_right(inputs: &Value, queue: &str) -> bool {
        inputs
            .as_object()
            .is_some_and(|inputs| right_queue(inputs) == queue)
    }
}

#[async_trait]
impl Scorer for RightQueue {
    fn name(&self) -> &str {
        "right_queue"
    }

    fn configuration(&self) -> Value {
        json!({ "version": 1 })
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let right = right_queue(input.parameters) == input.output;
        Ok(Score::pass(
            right,
            if right {
                "the right queue"
            } else {
                "the wrong queue"
            },
        ))
    }
}

/// What the model says to a rendered prompt: it does what the prompt's rules say, and has no sense of its own.
pub fn answer(prompt: &str) -> &'static str {
    let is = |kind: Kind| prompt.contains(&format!("[{}]", kind.as_str()));
    if prompt.contains("When in doubt, answer other.") && !is(Kind::Parcel) {
        "other"
    } else if prompt.contains(RULE) && (is(Kind::Refund) || is(Kind::Damaged)) {
        "billing"
    } else if is(Kind::Refund) {
        "other"
    } else if is(Kind::Login) {
        "accounts"
    } else {
        "shipping"
    }
}

fn said(blueprint: &Blueprint) -> String {
    let texts: Vec<String> = blueprint.messages.iter().map(|message| message.text()).collect();
    texts.join("\n")
}

/// The model that sorts tickets.
pub fn sorting_model() -> Arc<dyn LlmClient> {
    Arc::new(ScriptedLlm::new(|blueprint| {
        Ok(ScriptedLlm::answer(answer(&said(blueprint))))
    }))
}

/// The model that proposes. Of four candidates one is right, one changes nothing, one loses a variable, and one is no candidate.
pub fn proposing_model() -> ScriptedLlm {
    let edit = |rationale: &str, old: &str, new: &str| {
        json!({ "rationale": rationale, "edits": [{ "message": 0, "old": old, "new": new, "reason": rationale }] }).to_string()
    };
    ScriptedLlm::new(move |blueprint| {
        let asked = said(blueprint);
        let reply = if asked.contains("Add one short general rule") {
            let why = "Refunds end up in the queue `other`, since no rule says where they go.";
            edit(
                why,
                "parcels to shipping.",
                &format!("parcels to shipping. {RULE}"),
            )
        } else if asked.contains("Find the one instruction") {
            let why = "The form of the answer could be said more plainly.";
            edit(why, "without a word of explanation", "without any explanation")
        } else if asked.contains("Make it up") {
            edit(
                "An example in place of the ticket.",
                "{{ ticket }}",
                "where is my money?",
            )
        } else {
            "I would simply ask nicely.".to_owned()
        };
        Ok(ScriptedLlm::answer(reply))
    })
    .with_model("proposer")
}

/// A model that was told by a ticket what to propose, and does.
pub fn misled_model(injected: &str) -> ScriptedLlm {
    let injected = injected.to_owned();
    ScriptedLlm::new(move |_| {
        let edits = json!([{ "message": 0, "old": "parcels to shipping.", "new": format!("parcels to shipping. {injected}") }]);
        let reply = json!({ "rationale": "A customer suggests it.", "edits": edits });
        Ok(ScriptedLlm::answer(reply.to_string()))
    })
    .with_model("misled")
}
