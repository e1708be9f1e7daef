//! Reading JSON objects strictly: what nobody takes is an error.

use std::collections::BTreeMap;

use promptops_core::llm::LlmError;
use serde_json::{Map, Value};

use crate::errors::{Errors, quoted};

/// The keys of an object that have not been taken yet. `null` counts as absent.
pub(crate) struct Fields<'a> {
    what: &'static str,
    rest: BTreeMap<&'a str, &'a Value>,
    errors: Errors<'a>,
}

impl<'a> Fields<'a> {
    /// The keys of an object, which an error calls `what`.
    pub(crate) fn of(value: &'a Value, what: &'static str, errors: Errors<'a>) -> Result<Self, LlmError> {
        let object = value.as_object().ok_or_else(|| {
            errors.malformed(format!("{what} is missing or no object; expected a JSON object"))
        })?;
        Ok(Self {
            what,
            rest: object.iter().map(|(key, value)| (key.as_str(), value)).collect(),
            errors,
        })
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Value> {
        self.rest.remove(key).filter(|value| !value.is_null())
    }

    pub(crate) fn peek(&self, key: &str) -> Option<&'a Value> {
        self.rest.get(key).copied().filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<&'a str>, LlmError> {
        self.typed(key, "text", Value::as_str)
    }

    pub(crate) fn need_text(&mut self, key: &str) -> Result<&'a str, LlmError> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn list(&mut self, key: &str) -> Result<Option<&'a Vec<Value>>, LlmError> {
        self.typed(key, "a list", Value::as_array)
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<f64>, LlmError> {
        self.typed(key, "a number", Value::as_f64)
    }

    pub(crate) fn tokens(&mut self, key: &str) -> Result<Option<u32>, LlmError> {
        self.typed(key, "a whole number below 2^32", |value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok())
        })
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, LlmError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// Takes a key that may only have this text.
    pub(crate) fn expect(&mut self, key: &str, expected: &str) -> Result<(), LlmError> {
        match self.text(key)? {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(self.errors.unsupported(format!(
                "`{key}` of {} is {}, which a blueprint cannot say; expected {expected}",
                self.what,
                quoted(found)
            ))),
            None => Err(self.missing(key)),
        }
    }

    /// Takes a switch that a blueprint cannot turn on.
    pub(crate) fn off(&mut self, key: &str) -> Result<(), LlmError> {
        match self.flag(key)? {
            None | Some(false) => Ok(()),
            Some(true) => Err(self.errors.unsupported(format!(
                "{} has `{key}`, which a blueprint cannot say; remove it",
                self.what
            ))),
        }
    }

    /// Everything must have been taken by now.
    pub(crate) fn done(self) -> Result<(), LlmError> {
        match self.rest.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((key, _)) => Err(self.errors.unsupported(format!(
                "{} has {}, which a blueprint cannot say; remove it",
                self.what,
                quoted(key)
            ))),
        }
    }

    /// What nobody took.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.rest
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect()
    }

    pub(crate) fn missing(&self, key: &str) -> LlmError {
        self.errors
            .malformed(format!("{} has no `{key}`; it is needed", self.what))
    }

    fn typed<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LlmError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| {
                self.errors
                    .malformed(format!("`{key}` of {} is not {expected}", self.what))
            }),
        }
    }
}

/// A number at a path of a response; 0 when it is not there.
pub(crate) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// Whether a usage has both of these counts.
pub(crate) fn counts(usage: &Value, input: &str, output: &str) -> bool {
    [input, output]
        .iter()
        .all(|key| usage.get(key).is_some_and(Value::is_u64))
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|text| text.as_str().map(str::to_owned))
        .collect()
}
