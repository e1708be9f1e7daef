//! Does a judge judge as people do? Holds two judges against outputs that people rated.
//!
//! ```text
//! cargo run --example judge_calibration
//! ```
//!
//! Both judges are simulated, so that this runs without key and network. For a real one put any client in the place of
//! `ScriptedLlm`, of another model than the one whose outputs it will judge; the crate `promptops-llm` has clients. Then
//! keep the calibration (it can be serialized), and call `calibrated_by` with it wherever the same judge is built.

use std::error::Error;

use promptops_core::evaluation::judge::{Calibration, Form, HumanRating, JudgeModel, LlmJudge, Scale};
use promptops_core::llm::{Price, PriceTable, ScriptedLlm, Usage};
use serde_json::json;

const RUBRIC: &str = "The reply answers the customer's question: right, complete, polite, and without promising what a shop \
                      would not do.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ratings = HumanRating::read_jsonl(include_str!("../data/ratings.jsonl"))?;
    let prices = PriceTable::new().with("scripted", "scripted", Price::per_million(2.0, 8.0))?;
    for (what, model) in [
        ("A decent judge", decent(&ratings)),
        (
            "A judge that finds everything fair",
            ScriptedLlm::saying(verdict("fair")),
        ),
    ] {
        let model = JudgeModel::new(model).prices(prices.clone());
        let judge = LlmJudge::builder(model, Form::rubric(RUBRIC, Scale::default())).build()?;
        let calibration = Calibration::run(&judge, &ratings).await?;
        println!("{what}: {calibration}");
        // A small error is not enough: where people find most outputs good, always saying so errs by little as well. A judge
        // must err by less than the best constant, and by more than chance explains.
        match judge.calibrated_by(&calibration) {
            Ok(judge) => println!("  A run may count on it: {:?}\n", judge.standing()),
            Err(refusal) => println!("  A run may not count on it: {refusal}\n"),
        }
    }
    Ok(())
}

/// Simulates a judge that says what people say, but for every third output one label more.
fn decent(ratings: &[HumanRating]) -> ScriptedLlm {
    let ratings = ratings.to_vec();
    ScriptedLlm::new(move |request| {
        let told = request.messages[1].text();
        let shown = |rating: &HumanRating| told.contains(&format!("\n{}\n<<<END OUTPUT", rating.output));
        let at = ratings.iter().position(shown).unwrap_or_default();
        let scale = Scale::default();
        let human = ratings[at].score(&scale).unwrap_or_default();
        let step = scale.nearest(human) + usize::from(at.is_multiple_of(3));
        let label = &scale.labels()[step.min(scale.labels().len() - 1)];
        Ok(ScriptedLlm::answer(verdict(label.name())).with_usage(Usage::new(420, 60)))
    })
}

fn verdict(label: &str) -> String {
    json!({"reasoning": "Simulated.", "verdict": label}).to_string()
}
