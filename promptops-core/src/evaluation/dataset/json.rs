//! JSON that somebody else wrote: nothing in it is passed over.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::base::id::quoted;

/// The value that the text is. An object that has a key twice is refused: of two values one would be lost. What is
/// wrong is told without the text itself.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    // Twice, since `Value` takes the last of two values, and only its own reading works with every feature of
    // `serde_json` that a host may have on.
    serde_json::from_str::<UniqueKeys>(text)
        .and_then(|UniqueKeys| serde_json::from_str(text))
        .map_err(|e| fault(&e))
}

fn fault(e: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", e.line(), e.column());
    let what = e.to_string();
    let what = what.strip_suffix(&place).unwrap_or(&what);
    if e.is_eof() {
        return format!("the JSON breaks off ({what}); was it cut?");
    }
    let within = if e.line() > 1 {
        format!("byte {} of its line {}", e.column(), e.line())
    } else {
        format!("byte {}", e.column())
    };
    if e.is_data() {
        format!("{what}, at {within}")
    } else {
        format!("no JSON: {what} at {within}")
    }
}

/// What a value is, in words.
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

/// Any value whose objects have no key twice.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = UniqueKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
        while items.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<UniqueKeys, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!(
                    "the key {} comes twice in one object",
                    quoted(&key)
                )));
            }
            keys.insert(key);
            entries.next_value::<UniqueKeys>()?;
        }
        Ok(UniqueKeys)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let text = r#"{"a": [null, true, -1, 18446744073709551615, 0.1, "x\u00e9", {}], "b": {"a": 1}}"#;
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": [null, true, -1, u64::MAX, 0.1, "xé", {}], "b": {"a": 1}})
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_the_text() {
        for (text, words) in [
            ("", "breaks off"),
            (r#"{"secret": "#, "breaks off"),
            (r#"{"secret": "hidd"#, "breaks off"),
            (r#"{"secret": NaN}"#, "no JSON: expected value at byte 12"),
            (r#"{"secret": Infinity}"#, "no JSON: expected value at byte 12"),
            (r#"{"secret": 1e999}"#, "number out of range"),
            (r#"{"secret": 'x'}"#, "expected value"),
            (r#"{"secret": 1,}"#, "trailing comma"),
            (r#"{"secret": 1} {"#, "trailing characters at byte 15"),
            ("{\"secret\":\n1,}", "byte 3 of its line 2"),
            (r#""\ud800 secret""#, "no JSON"),
            ("\"secret\u{1}\"", "control character"),
            (
                r#"{"a": 1, "a": 1}"#,
                "the key \"a\" comes twice in one object, at byte",
            ),
            (r#"[{"b": {"a": 1, "\u0061": 2}}]"#, "the key \"a\" comes twice"),
            (&"[".repeat(1_000_000), "recursion limit"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(words), "{fault}");
            assert!(!fault.contains("secret") && !fault.contains("hidd"), "{fault}");
        }
        let long = "k".repeat(10_000);
        assert!(
            parse(&format!(r#"{{"{long}": 1, "{long}": 2}}"#))
                .unwrap_err()
                .len()
                < 300
        );
    }
}
