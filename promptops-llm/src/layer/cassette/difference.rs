//! How a request differs from those recorded: names of parts, never what they say.

use promptops_core::llm::{Blueprint, BlueprintMessage};

/// Most parts that are named.
const NAMED: usize = 6;

/// A request, and whom it is for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) provider: &'a str,
    pub(super) model: Option<&'a str>,
    pub(super) request: &'a Blueprint,
}

/// The index of the recorded request that differs in the fewest parts, and in which; of several, the one whose
/// messages agree the longest. `None` when there is none.
pub(super) fn nearest<'a>(
    asked: &Asked<'_>,
    recorded: impl Iterator<Item = Asked<'a>>,
) -> Option<(usize, String)> {
    recorded
        .enumerate()
        .map(|(i, recorded)| (i, differences(asked, &recorded)))
        .min_by_key(|(_, found)| (found.parts.len(), std::cmp::Reverse(found.agree)))
        .map(|(i, found)| (i, found.named()))
}

#[derive(Default)]
struct Differences {
    parts: Vec<String>,
    /// Bytes of the messages before the first that differs.
    agree: usize,
}

impl Differences {
    fn named(mut self) -> String {
        let more = self.parts.len().saturating_sub(NAMED);
        self.parts.truncate(NAMED);
        let mut text = self.parts.join(", ");
        if more > 0 {
            text += &format!(" and {more} more");
        }
        text
    }
}

fn differences(asked: &Asked<'_>, recorded: &Asked<'_>) -> Differences {
    let mut found = Differences::default();
    let (a, b) = (asked.request, recorded.request);
    let mut agree = true;
    for (i, (a, b)) in a.messages.iter().zip(&b.messages).enumerate() {
        let same = a == b;
        if agree {
            found.agree += common_bytes(a, b);
        }
        agree &= same;
        if !same {
            found.parts.push(message(i, a, b));
        }
    }
    if a.messages.len() != b.messages.len() {
        found.parts.push(format!(
            "the number of messages ({} instead of {})",
            a.messages.len(),
            b.messages.len()
        ));
    }
    let (s, t) = (&a.settings, &b.settings);
    for (same, name) in [
        (asked.provider == recorded.provider, "provider"),
        (asked.model == recorded.model, "model"),
        (s.temperature == t.temperature, "settings.temperature"),
        (s.top_p == t.top_p, "settings.top_p"),
        (s.max_tokens == t.max_tokens, "settings.max_tokens"),
        (s.stop == t.stop, "settings.stop"),
        (s.extra == t.extra, "settings.extra"),
        (a.tools == b.tools, "tools"),
        (a.tool_choice == b.tool_choice, "tool_choice"),
        (a.output_schema == b.output_schema, "output_schema"),
        // The same model, here by the request and there by the client.
        (
            s.model == t.model || asked.model != recorded.model,
            "settings.model",
        ),
    ] {
        if !same {
            found.parts.push(name.to_owned());
        }
    }
    found
}

fn message(i: usize, a: &BlueprintMessage, b: &BlueprintMessage) -> String {
    if a.role != b.role {
        format!("messages[{i}].role")
    } else if a.text() != b.text() {
        format!("messages[{i}] from byte {} on", common_bytes(a, b))
    } else {
        format!("messages[{i}] beside its text")
    }
}

fn common_bytes(a: &BlueprintMessage, b: &BlueprintMessage) -> usize {
    let (a, b) = (a.text(), b.text());
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptops_core::llm::{OutputSchema, ToolChoice};
    use promptops_core::prompt::{MessageRole, Tool};
    use serde_json::json;

    fn chat(texts: &[&str]) -> Blueprint {
        Blueprint::new(
            texts
                .iter()
                .map(|text| BlueprintMessage::new(MessageRole::User, *text)),
        )
    }

    fn asked(request: &Blueprint) -> Asked<'_> {
        Asked {
            provider: "openai",
            model: Some("m"),
            request,
        }
    }

    fn named(a: &Blueprint, b: &Blueprint) -> String {
        differences(&asked(a), &asked(b)).named()
    }

    #[test]
    fn every_part_has_its_name() {
        let plain = chat(&["one", "two"]);
        let with = |change: fn(&mut Blueprint)| {
            let mut changed = plain.clone();
            change(&mut changed);
            named(&changed, &plain)
        };
        assert_eq!(with(|_| {}), "");
        assert_eq!(
            with(|r| r.messages[1] = chat(&["twice"]).messages.remove(0)),
            "messages[1] from byte 2 on"
        );
        assert_eq!(
            with(|r| r.messages[0].role = MessageRole::System),
            "messages[0].role"
        );
        assert_eq!(
            with(|r| r.messages[0].name = Some("n".into())),
            "messages[0] beside its text"
        );
        assert_eq!(
            with(|r| r.messages.truncate(1)),
            "the number of messages (1 instead of 2)"
        );
        assert_eq!(with(|r| r.settings.model = Some("m".into())), "settings.model");
        assert_eq!(
            with(|r| r.settings.temperature = Some(0.0)),
            "settings.temperature"
        );
        assert_eq!(with(|r| r.settings.top_p = Some(0.0)), "settings.top_p");
        assert_eq!(with(|r| r.settings.max_tokens = Some(1)), "settings.max_tokens");
        assert_eq!(with(|r| r.settings.stop.push("s".into())), "settings.stop");
        assert_eq!(
            with(|r| drop(r.settings.extra.insert("k".into(), json!(1)))),
            "settings.extra"
        );
        assert_eq!(with(|r| r.tools.push(Tool::new("t", json!({})))), "tools");
        assert_eq!(with(|r| r.tool_choice = Some(ToolChoice::Auto)), "tool_choice");
        assert_eq!(
            with(|r| r.output_schema = Some(OutputSchema::new(json!({})))),
            "output_schema"
        );
        let other = Asked {
            provider: "anthropic",
            model: None,
            request: &plain,
        };
        assert_eq!(differences(&other, &asked(&plain)).named(), "provider, model");
    }

    #[test]
    fn the_nearest_differs_in_the_fewest_parts_and_the_latest() {
        let requests = [
            chat(&["system", "when is it?"]).temperature(1.0),
            chat(&["other", "where are they?"]),
            chat(&["system", "what"]),
            chat(&["system", "where was it?"]),
        ];
        let (i, how) = nearest(
            &asked(&chat(&["system", "where is it?"])),
            requests.iter().map(asked),
        )
        .unwrap();
        assert_eq!((i, how.as_str()), (3, "messages[1] from byte 6 on"));
        assert!(nearest(&asked(&requests[0]), std::iter::empty()).is_none());
    }

    #[test]
    fn many_differences_are_not_all_named() {
        let many: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = named(&chat(&["x"; 10]), &chat(&many));
        assert!(text.ends_with("messages[5] from byte 0 on and 4 more"), "{text}");
    }
}
