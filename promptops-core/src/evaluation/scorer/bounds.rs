//! How large an output may be, so that no scorer takes minutes or gigabytes, and how what is expected is read.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

use super::ScorerInput;
use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;

/// Longest text that is searched, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;
/// Longest text that is parsed as JSON, in bytes: a value takes up to twenty times as much memory.
pub(super) const MAX_JSON_BYTES: usize = 1 << 20;
/// Deepest nesting of JSON.
pub(super) const MAX_JSON_DEPTH: usize = 100;

/// The output, if it is short enough to be searched.
pub(super) fn output_text<'a>(input: &ScorerInput<'a>) -> Result<&'a str> {
    check_length("the output", input.output, MAX_TEXT_BYTES)?;
    Ok(input.output)
}

/// What is expected, as JSON.
pub(super) fn expected<'a>(input: &ScorerInput<'a>) -> Result<&'a Value> {
    input
        .expected_output
        .ok_or_else(|| invalid("the entry has no expected output, which this scorer compares with; add one"))
}

/// What is expected, as text: a string, or how JSON writes a number or a truth value.
pub(super) fn expected_text<'a>(input: &ScorerInput<'a>) -> Result<Cow<'a, str>> {
    let text = match expected(input)? {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(truth) => Cow::Owned(truth.to_string()),
        other => {
            return Err(invalid(format!(
                "the entry's expected output is {}; this scorer compares text, take one that compares JSON",
                kind(other)
            )));
        }
    };
    check_length("the expected output", &text, MAX_TEXT_BYTES)?;
    Ok(text)
}

fn check_length(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() <= most {
        Ok(())
    } else {
        Err(invalid(format!(
            "{what} has {} bytes; at most {most} can be scored",
            text.len()
        )))
    }
}

/// Parses JSON; `Ok(Err(why))` when it is none. Deeper or longer than can be scored is an error.
pub(super) fn parse_json(what: &str, text: &str) -> Result<Result<Value, String>> {
    check_length(what, text, MAX_JSON_BYTES)?;
    if nests_deeper(text, MAX_JSON_DEPTH) {
        return Err(too_deep(what));
    }
    Ok(serde_json::from_str(text).map_err(|e| e.to_string()))
}

pub(super) fn too_deep(what: &str) -> Error {
    invalid(format!(
        "{what} is nested deeper than {MAX_JSON_DEPTH} levels, which is the most that can be scored"
    ))
}

/// Whether brackets outside of strings nest deeper than this.
fn nests_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// What a value is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The beginning of a text, in quotes.
pub(super) fn shown(text: &str) -> String {
    quoted(text)
}

/// The beginning of a value, in compact form.
pub(super) fn shown_json(value: &Value) -> String {
    let mut beginning = Beginning(Vec::new());
    // What it fails with is that it has enough.
    let is_whole = serde_json::to_writer(&mut beginning, value).is_ok();
    let text = String::from_utf8_lossy(&beginning.0);
    // A character may be cut in two.
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    if is_whole {
        text.to_owned()
    } else {
        format!("{text}…")
    }
}

/// Takes so many bytes, and no more.
struct Beginning(Vec<u8>);

impl Beginning {
    const MOST: usize = 120;
}

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = Self::MOST - self.0.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = room.min(bytes.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_value_the_beginning_is_shown() {
        let small = serde_json::json!({"category": "billing", "urgent": false});
        assert_eq!(shown_json(&small), r#"{"category":"billing","urgent":false}"#);
        let long = shown_json(&Value::from(vec!["\u{fc}"; 1_000]));
        assert!(long.ends_with('…') && long.len() < 130, "{long}");
    }

    #[test]
    fn depth_is_found_without_parsing() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_json("it", &nested(MAX_JSON_DEPTH)).unwrap().is_ok());
        assert!(parse_json("it", &nested(MAX_JSON_DEPTH + 1)).is_err());
        assert!(parse_json("it", &"{\"a\":".repeat(100_000)).is_err());
        let brackets = format!(r#""\"{}""#, "[".repeat(200));
        assert!(parse_json("it", &brackets).unwrap().is_ok());
        assert!(
            parse_json("it", &format!("[{}]", "[],".repeat(200)))
                .unwrap()
                .is_err()
        );
        assert!(parse_json("it", &" ".repeat(MAX_JSON_BYTES + 1)).is_err());
    }
}
