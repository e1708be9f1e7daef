//! A span's attributes, read when they are asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::report::SkipReason;
use super::wire::{Fault, KeyValue, Object, any_value};

/// Attributes by name; of one that comes twice the last.
#[derive(Default)]
pub(super) struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    pub fn new(attributes: Option<Vec<Object<KeyValue>>>) -> Self {
        let entries = attributes.into_iter().flatten();
        Self(entries.map(|Object(entry)| (entry.key, entry.value)).collect())
    }

    /// Takes over what others have and this has not.
    pub fn fill(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// The value of an attribute, taken out; an empty text is none.
    pub fn take(&mut self, name: &str) -> Result<Option<Value>, Fault> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        let value = any_value(value).map_err(|()| wrong(name, "a value as the protocol has it"))?;
        Ok(value.filter(|value| value.as_str() != Some("")))
    }

    /// The first of these attributes that is there, with its name.
    pub fn first<'n>(&mut self, names: &[&'n str]) -> Result<Option<(&'n str, Value)>, Fault> {
        for name in names {
            if let Some(value) = self.take(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// The first of these attributes, which must be a text.
    pub fn text(&mut self, names: &[&str]) -> Result<Option<String>, Fault> {
        match self.first(names)? {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text)),
            Some((name, _)) => Err(wrong(name, "a text")),
        }
    }

    /// The first of these attributes as it would be written: a text, or a number.
    pub fn written(&mut self, names: &[&str]) -> Result<Option<String>, Fault> {
        match self.first(names)? {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text)),
            Some((_, Value::Number(number))) => Ok(Some(number.to_string())),
            Some((name, _)) => Err(wrong(name, "a text or a number")),
        }
    }

    /// The first of these attributes, which must be a count up to `most`.
    pub fn count(&mut self, names: &[&str], most: u64) -> Result<Option<u64>, Fault> {
        match self.first(names)? {
            None => Ok(None),
            Some((name, value)) => count(name, &value, most).map(Some),
        }
    }

    /// The values under this prefix, by what comes after it. Those that are no attribute of the protocol are left out.
    pub fn under(&mut self, prefix: &str) -> BTreeMap<String, Value> {
        let mut rest = self.0.split_off(prefix);
        // What begins with the prefix lies together.
        let end = rest.keys().find(|name| !name.starts_with(prefix)).cloned();
        if let Some(end) = end {
            let mut others = rest.split_off(&end);
            self.0.append(&mut others);
        }
        let values = rest.into_iter().filter_map(|(name, value)| {
            let value = any_value(value).ok()??;
            Some((name[prefix.len()..].to_owned(), value))
        });
        values.collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// A whole number from 0 up to `most`.
pub(super) fn count(name: &str, value: &Value, most: u64) -> Result<u64, Fault> {
    let number = match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && (0.0..=most as f64).contains(&float)).then_some(float as u64)
        }),
        _ => None,
    };
    number
        .filter(|number| *number <= most)
        .ok_or_else(|| wrong(name, &format!("a whole number in 0 ..= {most}")))
}

/// The JSON value that a text is, if it is one; other values as they are.
pub(super) fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        value => value,
    }
}

/// The object that a value is, or the text of one.
pub(super) fn object(name: &str, value: Value) -> Result<Map<String, Value>, Fault> {
    match parsed(value) {
        Value::Object(map) => Ok(map),
        _ => Err(wrong(name, "an object, or the JSON of one")),
    }
}

pub(super) fn wrong(name: &str, expected: &str) -> Fault {
    Fault::new(
        SkipReason::BadValue,
        format!("`{name}` is not what is expected: {expected}"),
    )
}
