//! What changed in settings, tools and schemas.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::prompt::content::Content;
use crate::prompt::settings::Tool;

/// Most levels of a value that are looked into; a change further down is shown as one of the value at this depth.
const MOST_DEPTH: usize = 32;
/// Longest path in bytes; values that would need a longer one are shown as a change of what they are in.
const MOST_PATH: usize = 512;

/// A change of one value outside of the text.
///
/// Values are compared as JSON: the order of an object's keys and the difference between `1` and `1.0` do not matter,
/// as they do not for the content hash. Arrays of the same length are compared item by item, others as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueChange {
    /// Where: `settings.temperature`, `settings.stop[0]`, `tools.look_up.description`,
    /// `input_schema.properties.tone`, `output_schema`. Tools go by their name; `tools` itself is their order. A key with
    /// other characters than ASCII letters, digits, `_`, `-` and `$` stands as a JSON string in brackets:
    /// `settings.extra["top.k"]`.
    pub path: String,
    /// The old value; `None` when there was none.
    pub from: Option<Value>,
    /// The new value; `None` when there is none.
    pub to: Option<Value>,
}

/// The changes, at most `most` of them listed.
#[derive(Debug, Default)]
pub(super) struct ValueChanges {
    pub(super) listed: Vec<ValueChange>,
    pub(super) settings: usize,
    pub(super) tools: usize,
    pub(super) schemas: usize,
    most: usize,
    found: usize,
}

impl ValueChanges {
    pub(super) fn between(from: &Content, to: &Content, most: usize) -> Self {
        let mut changes = Self {
            most,
            ..Self::default()
        };
        changes.section("settings", &settings(from), &settings(to));
        changes.settings = changes.found;

        let (old, new) = (tools(from), tools(to));
        let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let before = changes.found;
            changes.value(&join("tools", name), 1, old.get(name), new.get(name));
            changes.tools += usize::from(changes.found > before);
        }
        changes.order(&from.tools, &to.tools);

        for (name, from, to) in [
            ("input_schema", &from.input_schema, &to.input_schema),
            ("output_schema", &from.output_schema, &to.output_schema),
        ] {
            let before = changes.found;
            changes.value(name, 0, from.as_ref(), to.as_ref());
            changes.schemas += usize::from(changes.found > before);
        }
        changes
    }

    /// How many there are beyond the listed ones.
    pub(super) fn omitted(&self) -> usize {
        self.found - self.listed.len()
    }

    fn section(&mut self, path: &str, from: &Value, to: &Value) {
        self.value(path, 0, Some(from), Some(to));
    }

    /// Tools that are on both sides, in another order.
    fn order(&mut self, from: &[Tool], to: &[Tool]) {
        let names = |tools: &[Tool], others: &[Tool]| -> Vec<Value> {
            tools
                .iter()
                .filter(|tool| others.iter().any(|other| other.name == tool.name))
                .map(|tool| Value::from(tool.name.as_str()))
                .collect()
        };
        let (old, new) = (names(from, to), names(to, from));
        if old != new {
            self.tools += usize::from(self.tools == 0);
            self.push("tools", Some(&Value::Array(old)), Some(&Value::Array(new)));
        }
    }

    fn push(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        self.found += 1;
        if self.listed.len() < self.most {
            self.listed.push(ValueChange {
                path: path.to_owned(),
                from: from.cloned(),
                to: to.cloned(),
            });
        }
    }

    fn value(&mut self, path: &str, depth: usize, from: Option<&Value>, to: Option<&Value>) {
        let (old, new) = match (from, to) {
            (None, None) => return,
            (Some(old), Some(new)) => (old, new),
            _ => return self.push(path, from, to),
        };
        match (old, new) {
            (Value::Object(old), Value::Object(new))
                if is_open(path, depth, old.keys().chain(new.keys())) =>
            {
                let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    self.value(&join(path, key), depth + 1, old.get(key), new.get(key));
                }
            }
            (Value::Array(old), Value::Array(new))
                if old.len() == new.len() && is_open(path, depth, std::iter::empty()) =>
            {
                for (i, (old, new)) in old.iter().zip(new).enumerate() {
                    self.value(&format!("{path}[{i}]"), depth + 1, Some(old), Some(new));
                }
            }
            _ if same(old, new) => {}
            _ => self.push(path, from, to),
        }
    }
}

/// Whether the parts of a value are looked into, rather than the value taken as a whole.
fn is_open<'a>(path: &str, depth: usize, keys: impl Iterator<Item = &'a String>) -> bool {
    /// A bracket pair and the digits of an index, or the quotes of a key.
    const EXTRA: usize = 24;
    let longest = keys.map(String::len).max().unwrap_or(0);
    depth < MOST_DEPTH && path.len() + longest + EXTRA <= MOST_PATH
}

fn settings(content: &Content) -> Value {
    serde_json::to_value(&content.settings).unwrap_or_default()
}

/// The tools by name. Names differ in every saved version; those of unsaved content may not.
fn tools(content: &Content) -> BTreeMap<String, Value> {
    let mut tools = BTreeMap::new();
    for tool in &content.tools {
        let mut value = Map::new();
        if let Some(description) = &tool.description {
            value.insert("description".to_owned(), Value::from(description.as_str()));
        }
        value.insert("parameters".to_owned(), tool.parameters.clone());
        let mut name = tool.name.clone();
        while tools.contains_key(&name) {
            name.push('\'');
        }
        tools.insert(name, Value::Object(value));
    }
    tools
}

fn join(path: &str, key: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$');
    if !key.is_empty() && key.bytes().all(is_plain) {
        format!("{path}.{key}")
    } else {
        format!("{path}[{}]", Value::from(key))
    }
}

/// Equality as the content hash has it.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number(a) == number(b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// A number as an integer where it is one, else its bits: the two forms that the content hash knows.
fn number(number: &Number) -> (Option<i128>, u64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let integer = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from));
    match (integer, number.as_f64()) {
        (Some(integer), _) => (Some(integer), 0),
        (None, Some(float)) if float.fract() == 0.0 && float.abs() < EXACT => (Some(float as i128), 0),
        (None, float) => (None, float.unwrap_or(f64::NAN).to_bits()),
    }
}
