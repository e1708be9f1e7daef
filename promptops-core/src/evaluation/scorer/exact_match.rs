//! `exact_match`: the output is what is expected, in one of several senses.

use async_trait::async_trait;
use serde_json::{Number, Value, json};
use unicase::UniCase;

use super::bounds::{
    MAX_JSON_DEPTH, expected, expected_text, output_text, parse_json, shown, shown_json, too_deep,
};
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};

/// In which sense two outputs are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatchMode {
    /// Byte by byte.
    #[default]
    Exact,
    /// But for white space at both ends.
    Trim,
    /// But for letter case, by Unicode's full case folding; white space counts.
    Casefold,
    /// As the evaluation script of SQuAD v1.1 compares: in lower case, without ASCII punctuation, without the words
    /// `a`, `an` and `the`, and any white space as one blank (Rajpurkar and others, arXiv:1606.05250, 2016).
    Squad,
    /// As JSON: the order of keys is free, and `1` is `1.0`. An expected output that is a string is read as JSON, and
    /// an error when it is none; an output that is no JSON scores 0.
    Json,
}

impl MatchMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Trim => "trim",
            Self::Casefold => "casefold",
            Self::Squad => "squad",
            Self::Json => "json",
        }
    }
}

/// 1 when the output is what is expected, else 0. There is no common sense of "the same": name the mode.
///
/// In every mode but [`Json`](MatchMode::Json) the expected output is a string, a number or a truth value; anything else
/// is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExactMatch {
    mode: MatchMode,
}

impl ExactMatch {
    /// In this sense.
    #[must_use]
    pub fn new(mode: MatchMode) -> Self {
        Self { mode }
    }

    fn json(input: &ScorerInput<'_>) -> Result<Score> {
        let wanted = match expected(input)? {
            Value::String(text) => parse_json("the expected output", text)?.map_err(|why| {
                invalid(format!(
                    "the expected output is text that is no JSON ({why}); a string as JSON is in quotes"
                ))
            })?,
            value => value.clone(),
        };
        let found = match parse_json("the output", input.output)? {
            Ok(found) => found,
            Err(why) => return Ok(Score::pass(false, format!("the output is no JSON: {why}"))),
        };
        let same = same_json(&found, &wanted, MAX_JSON_DEPTH)?;
        Ok(Score::pass(
            same,
            reason(same, || shown_json(&wanted), || shown_json(&found)),
        ))
    }
}

#[async_trait]
impl Scorer for ExactMatch {
    fn name(&self) -> &str {
        "exact_match"
    }

    fn configuration(&self) -> Value {
        json!({"mode": self.mode.as_str()})
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        if self.mode == MatchMode::Json {
            return Self::json(input);
        }
        let wanted = expected_text(input)?;
        let output = output_text(input)?;
        let same = match self.mode {
            MatchMode::Exact | MatchMode::Json => output == wanted,
            MatchMode::Trim => output.trim() == wanted.trim(),
            MatchMode::Casefold => UniCase::unicode(output) == UniCase::unicode(&*wanted),
            MatchMode::Squad => squad(output) == squad(&wanted),
        };
        Ok(Score::pass(
            same,
            reason(same, || shown(&wanted), || shown(output)),
        ))
    }
}

fn reason(same: bool, wanted: impl Fn() -> String, found: impl Fn() -> String) -> String {
    if same {
        format!("it is {}", wanted())
    } else {
        format!("expected {}, found {}", wanted(), found())
    }
}

/// The normal form of SQuAD v1.1's `evaluate-v1.1.py`.
pub(super) fn squad(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let mut words = String::with_capacity(kept.len());
    // An article is a word between any two characters that are none of a word's.
    for run in kept.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_')) {
        let word = run.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
        if matches!(word, "a" | "an" | "the") {
            words.push(' ');
            words.push_str(&run[word.len()..]);
        } else {
            words.push_str(run);
        }
    }
    // Python splits at these four control characters as well.
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let words: Vec<&str> = words.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Whether two values are the same JSON.
fn same_json(first: &Value, second: &Value, levels: usize) -> Result<bool> {
    let Some(below) = levels.checked_sub(1) else {
        return Err(too_deep("the expected output"));
    };
    Ok(match (first, second) {
        (Value::Number(first), Value::Number(second)) => same_number(first, second),
        (Value::Array(first), Value::Array(second)) => {
            if first.len() != second.len() {
                return Ok(false);
            }
            for (first, second) in first.iter().zip(second) {
                if !same_json(first, second, below)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(first), Value::Object(second)) => {
            if first.len() != second.len() {
                return Ok(false);
            }
            for (key, first) in first {
                match second.get(key) {
                    Some(second) if same_json(first, second, below)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (first, second) => first == second,
    })
}

/// Whole numbers by all their digits, others as floating point.
fn same_number(first: &Number, second: &Number) -> bool {
    let whole = |number: &Number| {
        let signed = number.as_i64().map(i128::from);
        signed.or_else(|| number.as_u64().map(i128::from))
    };
    match (whole(first), whole(second)) {
        (Some(first), Some(second)) => first == second,
        _ => first.as_f64() == second.as_f64(),
    }
}
