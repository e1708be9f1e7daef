//! Reading what a model proposes.
//!
//! A reply is one JSON object `{"rationale": "…", "edits": [{…}, …]}`, alone, in a fenced block, or in prose. Where there are
//! several with edits, the last counts: what is quoted from the data shown comes before the model's own.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::edit::Edit;
use crate::llm::objects::Objects;
use crate::llm::{Completion, FinishReason};

/// Longest reply in bytes.
const MAX_REPLY_BYTES: usize = 256 * 1024;

/// Why a model's proposal cannot be read. Says nothing of what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unreadable {
    /// It reached the most tokens allowed.
    CutOff,
    /// The provider's filter cut it off, or the model refused.
    Filtered,
    /// The model calls tools instead, of which it has none.
    ToolCalls,
    /// It is longer than 256 KiB.
    TooLong,
    /// It has no JSON object with `edits`, or it is broken.
    NoEdits,
    /// It is full of broken JSON.
    Broken,
    /// It has other keys than `rationale` and `edits`.
    OtherKeys,
    /// Its `rationale` is missing, empty, or no text.
    NoRationale,
    /// One of its edits is not of the form asked for.
    EditForm,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "it was cut off at the most tokens allowed",
            Self::Filtered => "it was refused or cut off by a filter",
            Self::ToolCalls => "it calls tools, and there are none",
            Self::TooLong => "it is longer than 256 KiB",
            Self::NoEdits => "it has no whole JSON object with the key `edits`",
            Self::Broken => "it is full of broken JSON",
            Self::OtherKeys => "its JSON object has other keys than `rationale` and `edits`",
            Self::NoRationale => "its `rationale` is missing, empty or no text",
            Self::EditForm => {
                "its `edits` are no list of objects with the keys `message`, `anchor`, `place`, `old`, `new` and `reason`"
            }
        })
    }
}

impl std::error::Error for Unreadable {}

/// A proposal as a model made it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) rationale: String,
    pub(super) edits: Vec<Edit>,
}

/// Without what it says.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({:?})", self.edits)
    }
}

/// Reads the proposal of an answer.
pub(super) fn read(completion: &Completion) -> Result<Reply, Unreadable> {
    match completion.finish {
        FinishReason::Stop | FinishReason::Other(_) => read_text(&completion.text()),
        FinishReason::Length => Err(Unreadable::CutOff),
        FinishReason::ContentFilter => Err(Unreadable::Filtered),
        FinishReason::ToolCalls => Err(Unreadable::ToolCalls),
    }
}

fn read_text(text: &str) -> Result<Reply, Unreadable> {
    if text.len() > MAX_REPLY_BYTES {
        return Err(Unreadable::TooLong);
    }
    let mut object = last_with_edits(text)?;
    if object.keys().any(|key| key != RATIONALE && key != EDITS) {
        return Err(Unreadable::OtherKeys);
    }
    let rationale = match object.remove(RATIONALE) {
        Some(Value::String(rationale)) if !rationale.trim().is_empty() => rationale.trim().to_owned(),
        _ => return Err(Unreadable::NoRationale),
    };
    let edits = object.remove(EDITS).unwrap_or_default();
    let edits = serde_json::from_value(edits).map_err(|_| Unreadable::EditForm)?;
    Ok(Reply { rationale, edits })
}

const RATIONALE: &str = "rationale";
const EDITS: &str = "edits";

fn last_with_edits(text: &str) -> Result<Map<String, Value>, Unreadable> {
    let mut last = None;
    for found in Objects::in_text(text) {
        let (_, object) = found.map_err(|_| Unreadable::Broken)?;
        if object.contains_key(EDITS) {
            last = Some(object);
        }
    }
    last.ok_or(Unreadable::NoEdits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        r#"{"rationale": "Clearer.", "edits": [{"message": 0, "old": "a", "new": "b", "reason": "r"}]}"#;

    fn read_as(text: &str) -> Result<Reply, Unreadable> {
        read(&Completion::new("m", text))
    }

    #[test]
    fn an_object_is_found_in_prose_and_fences_and_the_last_counts() {
        let good = read_as(GOOD).unwrap();
        assert_eq!(good.rationale, "Clearer.");
        assert_eq!(good.edits[0].old, "a");
        let quoted = r#"The data says {"rationale": "x", "edits": []} and {"verdict": 1}, but:"#;
        for text in [
            format!("```json\n{GOOD}\n```"),
            format!("Here is my proposal {{as asked}}:\n\n{GOOD}\n\nI hope it helps."),
            format!("{quoted}\n{GOOD}"),
        ] {
            assert_eq!(read_as(&text).unwrap(), good, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, why) in [
            ("I would make the rules clearer.", Unreadable::NoEdits),
            ("", Unreadable::NoEdits),
            (&GOOD[..GOOD.len() - 3], Unreadable::NoEdits),
            ("[1, 2]", Unreadable::NoEdits),
            (r#"{"rationale": "x"}"#, Unreadable::NoEdits),
            (r#"{"edits": []}"#, Unreadable::NoRationale),
            (r#"{"rationale": " ", "edits": []}"#, Unreadable::NoRationale),
            (
                r#"{"rationale": "x", "edits": [], "more": 1}"#,
                Unreadable::OtherKeys,
            ),
            (r#"{"rationale": "x", "edits": {}}"#, Unreadable::EditForm),
            (
                r#"{"rationale": "x", "edits": [{"text": "all new"}]}"#,
                Unreadable::EditForm,
            ),
            (
                r#"{"rationale": "x", "edits": [{"message": -1}]}"#,
                Unreadable::EditForm,
            ),
            (r#"{"rationale": "x", "edits": ["s"]}"#, Unreadable::EditForm),
            (&"{\"".repeat(500), Unreadable::Broken),
            (&"[".repeat(300_000), Unreadable::TooLong),
        ] {
            assert_eq!(read_as(text).unwrap_err(), why, "{}", &text[..text.len().min(80)]);
        }
        let mut cut = Completion::new("m", GOOD);
        cut.finish = FinishReason::Length;
        assert_eq!(read(&cut).unwrap_err(), Unreadable::CutOff);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:a-z0-9 é]{0,200}", cut in 0usize..100) {
            let _ = read_as(&text);
            let _ = read_as(&GOOD[..GOOD.floor_char_boundary(cut)]);
        }
    }
}
