//! How a model is to be called, and the functions that it may call.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schema::bounds;
use crate::base::error::{Result, invalid};

/// How the model is to be called. What is `None` is left to the caller.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// The model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Sampling temperature, ≥ 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 ..= 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens to generate, ≥ 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts at which generation stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Settings of one provider, passed on as they are.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// Without texts of the author's.
impl fmt::Debug for ModelSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSettings")
            .field("model", &self.model)
            .field("temperature", &self.temperature)
            .field("top_p", &self.top_p)
            .field("max_tokens", &self.max_tokens)
            .field("stop", &self.stop.len())
            .field("extra", &self.extra.len())
            .finish()
    }
}

/// A function that the model may call.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name: 1 to 64 bytes of ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

/// Its name alone.
impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tool({:?})", self.name)
    }
}

impl ModelSettings {
    pub(super) fn check(&self) -> Result<()> {
        if let Some(t) = self.temperature
            && !(t.is_finite() && t >= 0.0)
        {
            return Err(invalid(format!("temperature is {t}; expected a number ≥ 0")));
        }
        if let Some(p) = self.top_p
            && !(0.0..=1.0).contains(&p)
        {
            return Err(invalid(format!("top_p is {p}; expected a number in 0 ..= 1")));
        }
        if self.max_tokens == Some(0) {
            return Err(invalid("max_tokens is 0; expected at least 1"));
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(invalid("a stop sequence is empty; remove it"));
        }
        Ok(())
    }
}

impl Tool {
    /// A tool with this name and this JSON Schema of its arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, parameters: Value) -> Self {
        Self {
            name: name.into(),
            description: None,
            parameters,
        }
    }

    /// Says what it does, for the model.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let name = &self.name;
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
            return Err(invalid(format!(
                "the tool name {name:?} is not allowed; expected 1 to 64 ASCII letters, digits, _ and -"
            )));
        }
        if !self.parameters.is_object() {
            return Err(invalid(format!(
                "the parameters of tool {name:?} are not a JSON Schema object"
            )));
        }
        bounds::check(
            &format!("the schema of the parameters of tool {name:?}"),
            &self.parameters,
        )
    }
}
