//! Inputs that are as good as the same.

use serde_json::Value;

use crate::base::hash::CanonicalHasher;

/// Identifies inputs but for case, punctuation, space and everything with digits in it: who was shown one has been shown the
/// others. Never stored; another release may find others alike.
///
/// SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain `promptops.alike`, format 1, of the inputs as
/// JSON, with every number replaced by 0 and every text by its words (runs of letters and digits) in lower case, one space
/// between them, and one `0` for words that have digits. Keys are kept as they are; their order does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Likeness([u8; 32]);

impl Likeness {
    /// That of these inputs.
    #[must_use]
    pub fn of(inputs: &Value) -> Self {
        let mut hasher = CanonicalHasher::new("promptops.alike", 1);
        hasher.json(&masked(inputs));
        Self(hasher.finish())
    }

    /// Its digits, to place it by.
    pub(super) fn text(self) -> String {
        crate::base::hash::hex(&self.0)
    }
}

/// Not by [`mask`](crate::improvement::cluster::mask), which reads the beginning of a text alone and masks what is quoted:
/// right for messages, while inputs may differ at their end. They are bounded in depth where they are recorded.
fn masked(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) => Value::from(0),
        Value::String(text) => Value::String(words(text)),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), masked(value)))
                .collect(),
        ),
    }
}

fn words(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let has_digit = word.chars().any(char::is_numeric);
        if has_digit && (masked == "0" || masked.ends_with(" 0")) {
            continue;
        }
        if !masked.is_empty() {
            masked.push(' ');
        }
        if has_digit {
            masked.push('0');
        } else {
            masked.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_in_numbers_case_and_signs_alone_is_alike() {
        let of = |text: &str| Likeness::of(&json!({ "question": text, "n": 3 }));
        let one = of("Where is order 4711, please?");
        assert_eq!(one, of("where  is order a99 - 1.5 please"));
        assert_eq!(
            one,
            Likeness::of(&json!({ "n": 4.5, "question": "Where is order #a9, please?" }))
        );
        for other in [
            "Where is my order 4711, please?",
            "Where is order please",
            "order is where 4711, please",
            "",
        ] {
            assert_ne!(one, of(other), "{other}");
        }
        // Where a value stands, and of what kind it is, tells inputs apart.
        assert_ne!(
            Likeness::of(&json!({ "a": "x" })),
            Likeness::of(&json!({ "b": "x" }))
        );
        assert_ne!(
            Likeness::of(&json!({ "a": "0" })),
            Likeness::of(&json!({ "a": 0 }))
        );
        assert_eq!(of("Ärger mit ÖL"), of("ärger mit öl!"));
    }
}
