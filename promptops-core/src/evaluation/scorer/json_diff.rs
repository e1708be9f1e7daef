//! `json_diff`: how alike two JSON values are, part by part.

use std::collections::BTreeSet;
use std::fmt::Write;

use async_trait::async_trait;
use serde_json::{Number, Value, json};

use super::bounds::{MAX_JSON_DEPTH, expected, parse_json, shown_json, too_deep};
use super::distance::Budget;
use super::numeric::nearness;
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Error, Result};

/// How alike the output and the expected output are as JSON, as `JSONDiff` of the Python package autoevals has it:
///
/// - objects: the mean over the union of their keys, a missing one counting as null; arrays: the sum over the items at
///   the same place, by the greater length; two empty ones are 1
/// - strings as [`Levenshtein`](super::Levenshtein), numbers as [`Numeric`](super::Numeric), with true as 1 and false
///   as 0; null and null are 1, null and anything else 0
/// - anything else, such as a string and a number: as the texts that Python writes for both
/// - a string, wherever it is, that is an object or array as JSON is read as that
///
/// Other than there: a missing expected output is an error; where it is no string, the output is read as JSON whatever
/// value it is, so that the output `42` is the expected number 42. Deeper than 100 levels, longer than 1 MiB, or too
/// different ([`Levenshtein`](super::Levenshtein) says when) is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonDiff;

#[async_trait]
impl Scorer for JsonDiff {
    fn name(&self) -> &str {
        "json_diff"
    }

    fn configuration(&self) -> Value {
        json!({})
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let wanted = expected(input)?;
        let as_text = || Value::String(input.output.to_owned());
        let found = if wanted.is_string() {
            as_text()
        } else {
            parse_json("the output", input.output)?.unwrap_or_else(|_| as_text())
        };
        let mut worst = Worst::default();
        let mut compared = Comparison {
            budget: Budget::new(),
            worst: &mut worst,
        };
        let value = compared.alike(&found, wanted, &mut String::new(), MAX_JSON_DEPTH)?;
        let reason = match worst.at {
            Some((place, wanted, found)) => format!("expected {wanted} at {place}, found {found}"),
            None => "all parts are alike".into(),
        };
        Ok(Score::new(value, reason))
    }
}

/// The first of the parts that are least alike.
#[derive(Default)]
struct Worst {
    value: Option<f64>,
    at: Option<(String, String, String)>,
}

impl Worst {
    fn see(&mut self, value: f64, place: &str, wanted: &Value, found: &Value) {
        if value < self.value.unwrap_or(1.0) {
            let place = if place.is_empty() { "the top" } else { place };
            self.value = Some(value);
            self.at = Some((
                place.chars().take(100).collect(),
                shown_json(wanted),
                shown_json(found),
            ));
        }
    }
}

struct Comparison<'a> {
    budget: Budget,
    worst: &'a mut Worst,
}

impl Comparison<'_> {
    fn alike(&mut self, found: &Value, wanted: &Value, place: &mut String, levels: usize) -> Result<f64> {
        let Some(below) = levels.checked_sub(1) else {
            return Err(deep());
        };
        let (inner_found, inner_wanted) = (inside(found)?, inside(wanted)?);
        let found = inner_found.as_ref().unwrap_or(found);
        let wanted = inner_wanted.as_ref().unwrap_or(wanted);
        let value = match (found, wanted) {
            (Value::Object(found), Value::Object(wanted)) => {
                let keys: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
                if keys.is_empty() {
                    return Ok(1.0);
                }
                let mut sum = 0.0;
                for key in &keys {
                    let (a, b) = (found.get(*key), wanted.get(*key));
                    let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                    let length = place.len();
                    let _ = write!(place, "/{key}");
                    sum += self.alike(a, b, place, below)?;
                    place.truncate(length);
                }
                return Ok(sum / keys.len() as f64);
            }
            (Value::Array(found), Value::Array(wanted)) => {
                let longest = found.len().max(wanted.len());
                if longest == 0 {
                    return Ok(1.0);
                }
                let mut sum = 0.0;
                for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
                    let length = place.len();
                    let _ = write!(place, "/{i}");
                    sum += self.alike(a, b, place, below)?;
                    place.truncate(length);
                }
                sum / longest as f64
            }
            (Value::String(found), Value::String(wanted)) => self.budget.similarity(found, wanted)?,
            (Value::Null, Value::Null) => 1.0,
            (Value::Null, _) | (_, Value::Null) => 0.0,
            (found, wanted) => match (numeric(found), numeric(wanted)) {
                (Some(found), Some(wanted)) => nearness(found, wanted),
                _ => {
                    let text = |value| -> Result<String> {
                        let mut text = String::new();
                        write_as_python(value, &mut text, levels)?;
                        Ok(text)
                    };
                    self.budget.similarity(&text(found)?, &text(wanted)?)?
                }
            },
        };
        self.worst.see(value, place, wanted, found);
        Ok(value)
    }
}

fn deep() -> Error {
    too_deep("the output or the expected output")
}

/// The object or array that a string is.
fn inside(value: &Value) -> Result<Option<Value>> {
    let Value::String(text) = value else {
        return Ok(None);
    };
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(None);
    }
    Ok(parse_json("a string that is JSON", text)?
        .ok()
        .filter(|inner| inner.is_object() || inner.is_array()))
}

fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    }
}

/// As Python's `json.dumps(…, separators=(",", ":"), sort_keys=True)`, which escapes what is not ASCII.
fn write_as_python(value: &Value, out: &mut String, levels: usize) -> Result<()> {
    let Some(below) = levels.checked_sub(1) else {
        return Err(deep());
    };
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_as_python(number)),
        Value::String(text) => string_as_python(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_as_python(item, out, below)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, item)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string_as_python(key, out);
                out.push(':');
                write_as_python(item, out, below)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn string_as_python(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Python writes the fewest digits that read back, with an exponent below 10⁻⁴ and from 10¹⁶ on.
fn number_as_python(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) && value != 0.0 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value:?}"),
    }
}
