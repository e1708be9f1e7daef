//! A scorer of one's own, composed with built-in ones: an answer must name the ticket, must not promise anything, and
//! should be short.
//!
//! ```text
//! cargo run --example custom_scorer
//! ```

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use promptops_core::base::Actor;
use promptops_core::evaluation::scorer::{Constraint, Contains, Rule, Unit};
use promptops_core::evaluation::{Criterion, DatasetDraft, Entry, Evaluation, Score, Scorer, ScorerInput};
use promptops_core::llm::ScriptedLlm;
use promptops_core::prompt::{Draft, user};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps};
use promptops_examples::say;
use serde_json::{Map, Value, json};

/// Whether an answer names the ticket that it is about.
struct NamesTicket;

#[async_trait]
impl Scorer for NamesTicket {
    fn name(&self) -> &str {
        "names_ticket"
    }

    // What decides the score beside its input. Two runs are compared only when it is the same in both.
    fn configuration(&self) -> Value {
        json!({ "version": 1 })
    }

    async fn score(&self, input: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        // A scorer that cannot tell says so: the entry counts as an error, never as passed and never as 0.
        let number = input
            .parameters
            .get("number")
            .and_then(Value::as_str)
            .ok_or_else(|| {
                promptops_core::Error::new(ErrorKind::Invalid, "the entry has no `number` to look for")
            })?;
        let named = input.output.contains(number);
        let reason = if named {
            "names the ticket"
        } else {
            "does not name the ticket"
        };
        Ok(Score::pass(named, reason))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let acme = PromptOps::builder(MemoryBackend::new()).build().tenant("acme")?;
    let ana = Actor::owner("ana");
    let draft = Draft::chat([user("Answer ticket {{ number }}: {{ text }}")]);
    let version = acme.prompts().save("reply", draft.by(&ana)).await?;
    let entry = |id: &str, number: Option<&str>, text: &str| {
        let mut input = Map::from_iter([("text".to_owned(), json!(text))]);
        input.insert("number".into(), number.map_or(Value::Null, Value::from));
        Entry::new(id, input)
    };
    let entries = [
        entry("late", Some("T-1"), "My parcel is late."),
        entry("broken", Some("T-2"), "The screen is broken."),
        entry("refund", Some("T-3"), "I want my money back."),
        entry("unnumbered", None, "Hello?"),
    ];
    acme.datasets()
        .save("replies", DatasetDraft::new(entries), &ana)
        .await?;

    let model = ScriptedLlm::new(|request| {
        let asked = request.messages[0].text();
        let answer = if asked.contains("parcel") {
            "T-1: your parcel is on its way; the courier has it since this morning."
        } else if asked.contains("money") {
            "T-3: we guarantee that you have your money back tomorrow."
        } else {
            "We are sorry to hear that, and will look into it."
        };
        Ok(ScriptedLlm::answer(answer))
    });
    let evaluation = Evaluation::new(Arc::new(model))
        .criterion(NamesTicket)
        .criterion(Criterion::from(Contains::ignoring_case("guarantee")?.not()).dimension("safety"))
        .criterion(
            Criterion::from(Constraint::new([Rule::at_most(Unit::Words, 20)])?).dimension("verbosity"),
        );
    let report = acme
        .evaluations()
        .evaluate(&version, "replies", &evaluation, &ana)
        .await?;
    say!("{report}");
    Ok(())
}
