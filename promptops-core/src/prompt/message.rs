//! Messages as models take them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::MessageRole;

/// What a message says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageContent {
    /// Text.
    Text(String),
    /// Parts in a provider's form (text, images, audio), passed through untouched.
    Parts(Vec<Value>),
    /// Nothing, as when an assistant only calls tools.
    None,
}

/// Without what is said.
impl fmt::Debug for MessageContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{} bytes", text.len()),
            Self::Parts(parts) => write!(f, "{} parts", parts.len()),
            Self::None => f.write_str("no content"),
        }
    }
}

/// One message for a model.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: MessageRole,
    /// What is said.
    #[serde(default = "no_content")]
    pub content: MessageContent,
    /// What else a message put in through a placeholder carries, untouched: `name`, `tool_calls`, `tool_call_id`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn no_content() -> MessageContent {
    MessageContent::None
}

impl Message {
    /// A message of text.
    #[must_use]
    pub fn new(role: MessageRole, text: impl Into<String>) -> Self {
        Self {
            role,
            content: MessageContent::Text(text.into()),
            extra: Map::new(),
        }
    }

    /// Its text; `None` for parts or nothing.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            MessageContent::Text(text) => Some(text),
            MessageContent::Parts(_) | MessageContent::None => None,
        }
    }
}

/// Without what is said; as text ([`Display`](fmt::Display)) it has that.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {:?}", self.role, self.content)?;
        if !self.extra.is_empty() {
            write!(f, ", {} extra", self.extra.len())?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Message {
    /// `user: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            MessageContent::Text(text) => write!(f, "{}: {text}", self.role),
            MessageContent::Parts(parts) => write!(f, "{}: ({} parts)", self.role, parts.len()),
            MessageContent::None => write!(f, "{}: (no content)", self.role),
        }
    }
}
