//! Reading a judge's reply.
//!
//! A reply is one JSON object `{"reasoning": "…", "verdict": "…"}`, alone, in a fenced block, or in prose. Where there are
//! several, the last counts: what is quoted from the judged text comes before the judge's own verdict. A reply of which it is
//! not sure what its last verdict is cannot be read: it is no score, rather than a wrong one.

use std::fmt;

use serde_json::{Map, Value};

use crate::llm::objects::Objects;
use crate::llm::{Completion, FinishReason};

/// Longest reply in bytes.
const MAX_REPLY_BYTES: usize = 128 * 1024;

/// Why a judge's reply cannot be read. Says nothing of what the reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreadable {
    /// It reached the most tokens allowed.
    CutOff,
    /// The provider's filter cut it off, or the model refused.
    Filtered,
    /// The model calls tools instead, of which it has none.
    ToolCalls,
    /// It is longer than 128 KiB.
    TooLong,
    /// It has no JSON object with a `verdict`.
    NoVerdict,
    /// It speaks of a verdict where it is no JSON, or is full of broken JSON, so that it is not sure which is the last.
    Ambiguous,
    /// It has other keys than `reasoning` and `verdict`.
    OtherKeys,
    /// Its `reasoning` is missing, empty, or no text.
    NoReasoning,
    /// Its `verdict` is none of those that it was asked for.
    OffScale,
}

impl Unreadable {
    pub(super) const ALL: [Self; 9] = [
        Self::CutOff,
        Self::Filtered,
        Self::ToolCalls,
        Self::TooLong,
        Self::NoVerdict,
        Self::Ambiguous,
        Self::OtherKeys,
        Self::NoReasoning,
        Self::OffScale,
    ];
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "it was cut off at the most tokens allowed",
            Self::Filtered => "it was refused or cut off by a filter",
            Self::ToolCalls => "it calls tools, and there are none",
            Self::TooLong => "it is longer than 128 KiB",
            Self::NoVerdict => "it has no JSON object with the key `verdict`",
            Self::Ambiguous => {
                "it speaks of a verdict outside of the JSON object, or is full of broken JSON, so that its last verdict is not certain"
            }
            Self::OtherKeys => "its JSON object has other keys than `reasoning` and `verdict`",
            Self::NoReasoning => "its `reasoning` is missing, empty or no text",
            Self::OffScale => "its `verdict` is none of those allowed",
        })
    }
}

/// A reply that was read.
#[derive(PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) reasoning: String,
    /// Which of the verdicts, from 0.
    pub(super) verdict: usize,
}

/// The text of an answer that ended by itself.
pub(super) fn text_of(completion: &Completion) -> Result<String, Unreadable> {
    match completion.finish {
        FinishReason::Stop | FinishReason::Other(_) => Ok(completion.text()),
        FinishReason::Length => Err(Unreadable::CutOff),
        FinishReason::ContentFilter => Err(Unreadable::Filtered),
        FinishReason::ToolCalls => Err(Unreadable::ToolCalls),
    }
}

/// The last verdict of a reply, one of these in letters of whatever ASCII case.
pub(super) fn read(text: &str, verdicts: &[&str]) -> Result<Reply, Unreadable> {
    if text.len() > MAX_REPLY_BYTES {
        return Err(Unreadable::TooLong);
    }
    let (object, rest) = last_with_verdict(text)?;
    if object.keys().any(|key| key != REASONING && key != VERDICT) {
        return Err(Unreadable::OtherKeys);
    }
    let reasoning = match object.get(REASONING) {
        Some(Value::String(reasoning)) if !reasoning.trim().is_empty() => reasoning.trim().to_owned(),
        _ => return Err(Unreadable::NoReasoning),
    };
    let verdict = object
        .get(VERDICT)
        .and_then(Value::as_str)
        .and_then(|word| {
            let word = word.trim();
            verdicts
                .iter()
                .position(|verdict| verdict.eq_ignore_ascii_case(word))
        })
        .ok_or(Unreadable::OffScale)?;
    // What comes after may be the judge's own verdict in prose, and the object a quotation.
    if verdicts
        .iter()
        .enumerate()
        .any(|(i, other)| i != verdict && names(rest, other))
    {
        return Err(Unreadable::Ambiguous);
    }
    Ok(Reply { reasoning, verdict })
}

const REASONING: &str = "reasoning";
const VERDICT: &str = "verdict";

/// Whether the text has this verdict as a word of its own, in letters of whatever ASCII case; of one letter, as it is.
fn names(text: &str, verdict: &str) -> bool {
    let lower = |text: &str| match verdict.len() {
        1 => text.to_owned(),
        _ => text.to_ascii_lowercase(),
    };
    let (text, verdict) = (lower(text), lower(verdict));
    text.match_indices(&verdict).any(|(at, word)| {
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + word.len()..].starts_with(char::is_alphanumeric)
    })
}

/// The last JSON object that has a verdict, if no verdict is anywhere else that may be the judge's own, and what comes
/// after it.
fn last_with_verdict(text: &str) -> Result<(Map<String, Value>, &str), Unreadable> {
    let mut last = None;
    let mut end_of_last = 0;
    for found in Objects::in_text(text) {
        let (place, object) = found.map_err(|_| Unreadable::Ambiguous)?;
        if object.contains_key(VERDICT) {
            // A verdict in an object that is broken, or within another object, may be the judge's, and this one a quotation
            // in it.
            if has_quoted_verdict(&text[end_of_last..place.start]) {
                return Err(Unreadable::Ambiguous);
            }
            (last, end_of_last) = (Some(object), place.end);
        }
    }
    let object = last.ok_or(Unreadable::NoVerdict)?;
    if text[end_of_last..].to_ascii_lowercase().contains(VERDICT) {
        return Err(Unreadable::Ambiguous);
    }
    Ok((object, &text[end_of_last..]))
}

/// Whether the text has the word as a key of JSON or of something like it.
fn has_quoted_verdict(text: &str) -> bool {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`' | '\\' | '“' | '”' | '‘' | '’');
    let text = text.to_ascii_lowercase();
    text.match_indices(VERDICT)
        .any(|(at, word)| text[..at].ends_with(is_quote) && text[at + word.len()..].starts_with(is_quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: [&str; 5] = ["unacceptable", "poor", "fair", "good", "excellent"];

    fn verdict(text: &str) -> Result<&'static str, Unreadable> {
        read(text, &SCALE).map(|reply| SCALE[reply.verdict])
    }

    #[test]
    fn json_is_read_alone_in_a_block_and_in_prose() {
        let json = r#"{"reasoning": "It is {so} \"so\".", "verdict": "fair"}"#;
        for text in [
            json.to_owned(),
            format!("\u{feff}\n {json}\n"),
            format!("```json\n{json}\n```"),
            format!("```\n{json}\n```\n"),
            format!("Let me think. {{a, b}} is a set.\n\n{json}\n\nI hope this helps {{:-)"),
            json.replace("fair", " FAIR "),
            json.replace("fair", "f\\u0061ir"),
        ] {
            assert_eq!(verdict(&text), Ok("fair"), "{text}");
        }
        assert_eq!(read(json, &SCALE).ok().unwrap().reasoning, "It is {so} \"so\".");
    }

    #[test]
    fn the_last_verdict_counts() {
        let object = |label: &str| format!(r#"{{"reasoning": "r", "verdict": "{label}"}}"#);
        let (good, poor) = (object("good"), object("poor"));
        for text in [
            format!("{good}{poor}"),
            format!("The text says {good}, which is to be ignored.\n{poor}"),
            format!("```json\n{good}\n```\nOn second thought:\n```json\n{poor}\n```"),
            format!("[{good}, {poor}]"),
            r#"{"reasoning": "r", "verdict": "good", "verdict": "poor"}"#.to_owned(),
            r#"{"reasoning": "It says: VERDICT: excellent {\"verdict\": \"excellent\"}", "verdict": "poor"}"#
                .to_owned(),
            format!("The text claims \"VERDICT: excellent\", but it is wrong. {poor}"),
        ] {
            assert_eq!(verdict(&text), Ok("poor"), "{text}");
        }
        // An earlier one does not stand in for a last one that is none.
        assert_eq!(
            verdict(&format!("{good}{}", object("superb"))),
            Err(Unreadable::OffScale)
        );
    }

    #[test]
    fn a_verdict_that_may_not_be_the_judges_last_is_none() {
        let excellent = r#"{"reasoning": "r", "verdict": "excellent"}"#;
        for text in [
            // Quoted without escapes, inside of the judge's own object.
            format!(r#"{{"reasoning": "it says {excellent} and is wrong", "verdict": "poor"}}"#),
            format!(r#"{{"verdict": "poor", "reasoning": "it says {excellent} and is wrong"}}"#),
            format!("{{'verdict': 'poor', 'reasoning': 'it says {excellent}'}}"),
            format!("{excellent}\nVERDICT: poor"),
            format!("{excellent}\n{{\"verdict\": \"poor\""),
            format!(r#"It says {excellent} {{"result": {{"reasoning": "r", "verdict": "poor"}}}}"#),
            format!(r#"{{"result": {{"reasoning": "r", "verdict": "poor"}}}} It says {excellent}"#),
            format!(r#"{{"Verdict": "poor"}} It says {excellent}"#),
            // The judge's own in prose, after a quotation.
            format!("It says {excellent}, but I find it poor."),
            format!("It says {excellent}\n\n**Poor**"),
        ] {
            assert_eq!(verdict(&text), Err(Unreadable::Ambiguous), "{text}");
        }
    }

    #[test]
    fn what_is_no_verdict_is_never_one() {
        use Unreadable::{NoReasoning, NoVerdict, OffScale, OtherKeys};
        for (text, why) in [
            ("", NoVerdict),
            ("{}", NoVerdict),
            ("null", NoVerdict),
            ("excellent", NoVerdict),
            ("VERDICT: excellent", NoVerdict),
            ("\"verdict\": \"excellent\"", NoVerdict),
            ("The output is excellent, I would pass it.", NoVerdict),
            (r#"{"reasoning": "r", "verdict": "excellent""#, NoVerdict),
            (r#"{"reasoning": "r", "Verdict": "excellent"}"#, NoVerdict),
            (
                r#"{"answer": {"reasoning": "r", "verdict": "excellent"}}"#,
                NoVerdict,
            ),
            (r#"{"verdict": "excellent"}"#, NoReasoning),
            (r#"{"reasoning": " ", "verdict": "excellent"}"#, NoReasoning),
            (r#"{"reasoning": null, "verdict": "excellent"}"#, NoReasoning),
            (r#"{"reasoning": ["r"], "verdict": "excellent"}"#, NoReasoning),
            (r#"{"reasoning": "r", "verdict": "superb"}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": ""}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": "good or excellent"}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": 4}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": 1.0}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": true}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": null}"#, OffScale),
            (r#"{"reasoning": "r", "verdict": ["excellent"]}"#, OffScale),
            (
                r#"{"reasoning": "r", "verdict": "excellent", "score": 1}"#,
                OtherKeys,
            ),
            // A Cyrillic letter, an invisible one, wide ones, a soft hyphen, a direction.
            (
                "{\"reasoning\": \"r\", \"verdict\": \"\u{435}xcellent\"}",
                OffScale,
            ),
            (
                "{\"reasoning\": \"r\", \"verdict\": \"ex\u{200b}cellent\"}",
                OffScale,
            ),
            (
                "{\"reasoning\": \"r\", \"verdict\": \"ｅｘｃｅｌｌｅｎｔ\"}",
                OffScale,
            ),
            (
                "{\"reasoning\": \"r\", \"verdict\": \"ex\u{ad}cellent\"}",
                OffScale,
            ),
            (
                "{\"reasoning\": \"r\", \"verdict\": \"\u{202e}tnellecxe\"}",
                OffScale,
            ),
            (
                "{\"reasoning\": \"r\", \"v\u{435}rdict\": \"excellent\"}",
                NoVerdict,
            ),
        ] {
            assert_eq!(verdict(text), Err(why), "{text}");
        }
    }

    #[test]
    fn huge_and_deep_replies_end_soon() {
        let fit = |piece: &str| piece.repeat(MAX_REPLY_BYTES / piece.len());
        for piece in [
            "{",
            "[",
            "{\"a\":",
            "{\"a\":[",
            "{}",
            "{\"verdict\":",
            "\"",
            "{\"x{",
            "{ ",
        ] {
            assert!(verdict(&fit(piece)).is_err(), "{piece}");
        }
        // As many beginnings as the parser's depth allows, each of which is read to the end.
        let deep = format!("{}{}", "{\"a\":[".repeat(63), "1,".repeat(1_000));
        assert_eq!(verdict(&deep), Err(Unreadable::NoVerdict));
        assert_eq!(
            verdict(&"x".repeat(MAX_REPLY_BYTES + 1)),
            Err(Unreadable::TooLong)
        );
        let own = r#"{"reasoning": "r", "verdict": "poor"}"#;
        let padding = " ".repeat(MAX_REPLY_BYTES - own.len());
        assert_eq!(verdict(&format!("{padding}{own}")), Ok("poor"));
    }

    #[test]
    fn an_answer_that_did_not_end_by_itself_has_no_text() {
        let mut completion = Completion::new("m", "{}");
        for (finish, expected) in [
            (FinishReason::Stop, Ok("{}")),
            (FinishReason::Other("eos".into()), Ok("{}")),
            (FinishReason::Length, Err(Unreadable::CutOff)),
            (FinishReason::ContentFilter, Err(Unreadable::Filtered)),
            (FinishReason::ToolCalls, Err(Unreadable::ToolCalls)),
        ] {
            completion.finish = finish;
            assert_eq!(text_of(&completion), expected.map(str::to_owned));
        }
    }
}
