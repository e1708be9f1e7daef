//! Scorers against other tools' answers: `scripts/make_scorer_vectors.py` made the vectors, and names versions.

use promptops_core::evaluation::scorer::{ExactMatch, JsonDiff, Levenshtein, MatchMode, Numeric};
use serde::Deserialize;
use serde_json::Value;

use crate::scoring::against;

#[derive(Deserialize)]
struct Vectors {
    levenshtein: Vec<(String, String, f64)>,
    numeric: Vec<(Value, Value, f64)>,
    json_diff: Vec<(String, Value, f64)>,
    squad: Vec<(String, String, bool)>,
    casefold: Vec<(String, String, bool)>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/scorers.json")).unwrap()
}

#[tokio::test]
async fn levenshtein_equals_that_of_autoevals() {
    for (output, expected, score) in vectors().levenshtein {
        let found = against(&Levenshtein, &output, expected.as_str()).await;
        assert!((found - score).abs() < 1e-12, "{output:?} {expected:?}");
    }
}

#[tokio::test]
async fn numeric_equals_that_of_autoevals() {
    for (output, expected, score) in vectors().numeric {
        let found = against(&Numeric::new(), &output.to_string(), expected.clone()).await;
        assert!(
            (found - score).abs() < 1e-12,
            "{output} {expected}: {found}, not {score}"
        );
    }
}

#[tokio::test]
async fn json_diff_equals_that_of_autoevals() {
    let vectors = vectors().json_diff;
    assert!(vectors.len() > 1_000);
    for (output, expected, score) in vectors {
        let found = against(&JsonDiff, &output, expected.clone()).await;
        assert!(
            (found - score).abs() < 1e-12,
            "{output} {expected}: {found}, not {score}"
        );
    }
}

#[tokio::test]
async fn squad_equals_the_rule_of_squad() {
    for (output, expected, same) in vectors().squad {
        let found = against(&ExactMatch::new(MatchMode::Squad), &output, expected.as_str()).await;
        assert_eq!(found == 1.0, same, "{output:?} {expected:?}");
    }
}

#[tokio::test]
async fn casefold_equals_that_of_python() {
    for (output, expected, same) in vectors().casefold {
        let found = against(&ExactMatch::new(MatchMode::Casefold), &output, expected.as_str()).await;
        assert_eq!(found == 1.0, same, "{output:?} {expected:?}");
    }
}
