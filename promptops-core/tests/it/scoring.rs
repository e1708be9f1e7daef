//! Help for the tests of scorers: an output, with all that a scorer may look at.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::DateTime;
use promptops_core::base::{Actor, VersionNumber};
use promptops_core::evaluation::{Score, Scorer, ScorerInput};
use promptops_core::llm::{Cost, Usage};
use promptops_core::prompt::{Content, Status, Version};
use promptops_core::{ErrorKind, Result};
use serde_json::{Map, Value};

static VERSION: LazyLock<Version> = LazyLock::new(|| {
    let content = Content::text("x");
    Version {
        tenant: "acme".parse().unwrap(),
        prompt: "triage".parse().unwrap(),
        number: VersionNumber::FIRST,
        hash: content.hash(),
        content: Arc::new(content),
        semver: None,
        parents: Vec::new(),
        author: Actor::owner("ana"),
        message: String::new(),
        status: Status::Active,
        created_at: DateTime::UNIX_EPOCH,
    }
});
static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// What a call came to that took 250 ms and cost a hundredth of a dollar.
pub fn input<'a>(output: &'a str, expected_output: Option<&'a Value>) -> ScorerInput<'a> {
    ScorerInput {
        version: &VERSION,
        parameters: &NOTHING,
        messages: &[],
        output,
        expected_output,
        metadata: &NOTHING,
        latency: Duration::from_millis(250),
        usage: Usage::default(),
        cost: Some(Cost::from_nano_usd(10_000_000)),
    }
}

/// Scores, and checks what holds of every score.
pub async fn scored(scorer: &dyn Scorer, input: &ScorerInput<'_>) -> Result<Score> {
    let score = scorer.score(input).await?;
    assert!((0.0..=1.0).contains(&score.value), "{}", score.value);
    assert!(!score.reason.is_empty() && score.reason.len() < 2_000);
    Ok(score)
}

/// The score of an output where something is expected.
pub async fn against(scorer: &dyn Scorer, output: &str, expected: impl Into<Value>) -> f64 {
    let expected = expected.into();
    let score = scored(scorer, &input(output, Some(&expected))).await;
    score.unwrap().value
}

/// The score of an output where nothing is expected.
pub async fn of(scorer: &dyn Scorer, output: &str) -> f64 {
    scored(scorer, &input(output, None)).await.unwrap().value
}

/// Why there is no score.
pub async fn refusal(scorer: &dyn Scorer, output: &str, expected: Option<Value>) -> String {
    let error = scored(scorer, &input(output, expected.as_ref()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(text.len() < 1_000, "{text}");
    text
}
