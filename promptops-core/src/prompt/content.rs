//! What a version says: text or chat messages, model settings, tools and schemas. All of it is hashed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::bounds;
use super::settings::{ModelSettings, Tool};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::hash::CanonicalHasher;
use crate::base::{ClosureHash, ContentHash};

/// Who speaks in a chat message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// Instructions to the model.
    System,
    /// Instructions of the application, where a provider tells them from the system's.
    Developer,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl MessageRole {
    const ALL: [Self; 5] = [
        Self::System,
        Self::Developer,
        Self::User,
        Self::Assistant,
        Self::Tool,
    ];

    /// The stable text form, as stored, hashed and sent to providers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for MessageRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageRole {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                invalid(format!(
                    "unknown message role {text:?}; expected system, developer, user, assistant or tool"
                ))
            })
    }
}

/// One place in a chat prompt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatItem {
    /// A message whose text is a template.
    Message {
        /// Who speaks.
        role: MessageRole,
        /// The template of the text.
        template: String,
    },
    /// Where a list of messages, such as the history of a conversation, is put in at render.
    Placeholder {
        /// The parameter that holds the list.
        placeholder: String,
    },
}

/// Without the text.
impl fmt::Debug for ChatItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { role, template } => write!(f, "Message({role}, {} bytes)", template.len()),
            Self::Placeholder { placeholder } => write!(f, "Placeholder({} bytes)", placeholder.len()),
        }
    }
}

fn message(role: MessageRole, template: impl Into<String>) -> ChatItem {
    ChatItem::Message {
        role,
        template: template.into(),
    }
}

/// A system message.
#[must_use]
pub fn system(template: impl Into<String>) -> ChatItem {
    message(MessageRole::System, template)
}

/// A developer message.
#[must_use]
pub fn developer(template: impl Into<String>) -> ChatItem {
    message(MessageRole::Developer, template)
}

/// A user message.
#[must_use]
pub fn user(template: impl Into<String>) -> ChatItem {
    message(MessageRole::User, template)
}

/// An assistant message.
#[must_use]
pub fn assistant(template: impl Into<String>) -> ChatItem {
    message(MessageRole::Assistant, template)
}

/// A placeholder for the list of messages in the parameter of this name.
#[must_use]
pub fn placeholder(parameter: impl Into<String>) -> ChatItem {
    ChatItem::Placeholder {
        placeholder: parameter.into(),
    }
}

/// The text of a prompt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// One text: a completion prompt, or a snippet.
    Text {
        /// The template of the text.
        template: String,
    },
    /// Chat messages.
    Chat {
        /// The messages and placeholders, in order.
        messages: Vec<ChatItem>,
    },
}

/// Without the text.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { template } => write!(f, "Text({} bytes)", template.len()),
            Self::Chat { messages } => f.debug_tuple("Chat").field(messages).finish(),
        }
    }
}

/// Everything a version says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The text.
    pub body: Body,
    /// How the model is to be called.
    #[serde(default)]
    pub settings: ModelSettings,
    /// Functions that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// JSON Schema of the parameters: an object schema whose properties are the variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}

impl Content {
    /// Most messages and placeholders of a chat.
    pub const MAX_MESSAGES: usize = 256;
    /// Most tools.
    pub const MAX_TOOLS: usize = 128;
    /// Largest content in bytes of its JSON form.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Deepest nesting of each JSON value in it: of schemas and of extra settings.
    pub const MAX_NESTING: usize = 64;

    /// A text prompt or snippet.
    #[must_use]
    pub fn text(template: impl Into<String>) -> Self {
        Self::of(Body::Text {
            template: template.into(),
        })
    }

    /// A chat prompt.
    #[must_use]
    pub fn chat(messages: impl IntoIterator<Item = ChatItem>) -> Self {
        Self::of(Body::Chat {
            messages: messages.into_iter().collect(),
        })
    }

    fn of(body: Body) -> Self {
        Self {
            body,
            settings: ModelSettings::default(),
            tools: Vec::new(),
            input_schema: None,
            output_schema: None,
        }
    }

    /// The identity of this content: SHA-256 over its canonical encoding (see [`hash`](crate::base::hash)), domain
    /// `promptops.content`, format 1. In this order:
    ///
    /// | part | encoded as |
    /// |---|---|
    /// | body | the text `text`, then the template as text; or the text `chat`, then a list of items |
    /// | … item | the texts `message`, role, template; or the texts `placeholder`, name of the parameter |
    /// | model | optional text |
    /// | temperature, top_p | each an optional JSON float (so that 1.0 is encoded as the integer 1) |
    /// | max_tokens | optional number |
    /// | stop | list of texts |
    /// | extra | entries of a JSON object, without the `o` |
    /// | tools | list of: name as text, description as optional text, parameters as JSON |
    /// | input_schema, output_schema | each optional JSON |
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        let mut hasher = CanonicalHasher::new("promptops.content", 1);
        match &self.body {
            Body::Text { template } => {
                hasher.text("text");
                hasher.text(template);
            }
            Body::Chat { messages } => {
                hasher.text("chat");
                hasher.list(messages, |hasher, item| match item {
                    ChatItem::Message { role, template } => {
                        hasher.text("message");
                        hasher.text(role.as_str());
                        hasher.text(template);
                    }
                    ChatItem::Placeholder { placeholder } => {
                        hasher.text("placeholder");
                        hasher.text(placeholder);
                    }
                });
            }
        }
        let settings = &self.settings;
        hasher.optional(settings.model.as_deref(), CanonicalHasher::text);
        hasher.optional(settings.temperature.as_ref(), |hasher, t| {
            hasher.json(&Value::from(*t))
        });
        hasher.optional(settings.top_p.as_ref(), |hasher, p| hasher.json(&Value::from(*p)));
        hasher.optional(settings.max_tokens.as_ref(), |hasher, n| {
            hasher.number(u64::from(*n))
        });
        hasher.list(&settings.stop, |hasher, stop| hasher.text(stop));
        let mut extra: Vec<_> = settings.extra.iter().collect();
        extra.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        hasher.list(&extra, |hasher, (key, value)| {
            hasher.text(key);
            hasher.json(value);
        });
        hasher.list(&self.tools, |hasher, tool| {
            hasher.text(&tool.name);
            hasher.optional(tool.description.as_deref(), CanonicalHasher::text);
            hasher.json(&tool.parameters);
        });
        hasher.optional(self.input_schema.as_ref(), CanonicalHasher::json);
        hasher.optional(self.output_schema.as_ref(), CanonicalHasher::json);
        ContentHash::from_bytes(hasher.finish())
    }

    /// The form in which stores keep it.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when a number in it has no JSON form.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| invalid("the content has no JSON form").caused_by(e))
    }

    /// Reads what a store kept, and checks it against the hash kept beside it.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) when it cannot be read or does not have this hash.
    pub fn from_json(json: &str, expected: &ContentHash) -> Result<Self> {
        let content: Self = serde_json::from_str(json)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "the stored content cannot be read").caused_by(e))?;
        let found = content.hash();
        if found != *expected {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the stored content has the hash {found}, but was saved as {expected}; it was changed"
                ),
            ));
        }
        Ok(content)
    }

    /// Checks everything but the templates.
    pub(crate) fn check(&self) -> Result<()> {
        if let Body::Chat { messages } = &self.body {
            if messages.is_empty() {
                return Err(invalid("the chat has no message; expected at least one"));
            }
            if messages.len() > Self::MAX_MESSAGES {
                return Err(invalid(format!(
                    "the chat has {} messages; at most {} are allowed",
                    messages.len(),
                    Self::MAX_MESSAGES
                )));
            }
        }
        for (what, values) in [
            ("the input schema", self.input_schema.iter().collect::<Vec<_>>()),
            ("the output schema", self.output_schema.iter().collect()),
            ("an extra setting", self.settings.extra.values().collect()),
            (
                "a schema of a tool's parameters",
                self.tools.iter().map(|tool| &tool.parameters).collect(),
            ),
        ] {
            if !bounds::is_within(values, Self::MAX_NESTING) {
                return Err(invalid(format!(
                    "{what} is nested deeper than {} levels; pass flatter values",
                    Self::MAX_NESTING
                )));
            }
        }
        self.settings.check()?;
        if self.tools.len() > Self::MAX_TOOLS {
            return Err(invalid(format!(
                "{} tools; at most {} are allowed",
                self.tools.len(),
                Self::MAX_TOOLS
            )));
        }
        for (i, tool) in self.tools.iter().enumerate() {
            tool.check()?;
            if self.tools[..i].iter().any(|other| other.name == tool.name) {
                return Err(invalid(format!(
                    "two tools are named {:?}; names must differ",
                    tool.name
                )));
            }
        }
        let json = self.to_json()?;
        let bytes = json.len();
        if bytes > Self::MAX_BYTES {
            return Err(invalid(format!(
                "the content has {bytes} bytes; at most {} are allowed",
                Self::MAX_BYTES
            )));
        }
        // What is saved once must be there for ever.
        Self::from_json(&json, &self.hash())
            .map_err(|e| invalid("the content does not survive being stored").caused_by(e))?;
        Ok(())
    }
}

/// Kind and sizes, without any text.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(")?;
        match &self.body {
            Body::Text { template } => write!(f, "text, {} bytes", template.len())?,
            Body::Chat { messages } => {
                let bytes = messages.iter().map(|item| match item {
                    ChatItem::Message { template, .. } => template.len(),
                    ChatItem::Placeholder { placeholder } => placeholder.len(),
                });
                write!(
                    f,
                    "chat, {} messages, {} bytes",
                    messages.len(),
                    bytes.sum::<usize>()
                )?;
            }
        }
        if !self.tools.is_empty() {
            write!(f, ", {} tools", self.tools.len())?;
        }
        if self.input_schema.is_some() {
            f.write_str(", input schema")?;
        }
        if self.output_schema.is_some() {
            f.write_str(", output schema")?;
        }
        f.write_str(")")
    }
}

/// A text prompt.
impl From<&str> for Content {
    fn from(template: &str) -> Self {
        Self::text(template)
    }
}

/// The closure hash of a content and the snippets it includes, directly or not.
///
/// `snippets` are pairs of the reference as written and the hash of the content found for it, in any order; the
/// same reference always means the same content within one closure.
///
/// SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain `promptops.closure`, format 1: the 32
/// bytes of the root's hash as bytes, then a list of (reference as text, its 32 bytes as bytes) without repeats, in byte
/// order of the reference, then of the hash.
#[must_use]
pub fn closure_hash(root: &ContentHash, snippets: &[(&str, ContentHash)]) -> ClosureHash {
    let mut snippets = snippets.to_vec();
    snippets.sort_unstable();
    snippets.dedup();
    let mut hasher = CanonicalHasher::new("promptops.closure", 1);
    hasher.bytes(root.as_bytes());
    hasher.list(&snippets, |hasher, (reference, hash)| {
        hasher.text(reference);
        hasher.bytes(hash.as_bytes());
    });
    ClosureHash::from_bytes(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_form_round_trips_and_keeps_the_hash() {
        let mut content = Content::chat([system("a {{ b }}"), placeholder("history"), user("ü\u{0}")]);
        content.settings.temperature = Some(0.1 + 0.2);
        content.settings.extra.insert("seed".into(), Value::from(7));
        content
            .tools
            .push(Tool::new("look_up", serde_json::json!({"type": "object"})).description("d"));
        content.input_schema = Some(serde_json::json!({"type": "object", "x": 1.0}));
        let json = content.to_json().unwrap();
        assert_eq!(Content::from_json(&json, &content.hash()).unwrap(), content);
    }

    #[test]
    fn changed_content_is_an_error_not_data() {
        let content = Content::text("hello");
        let json = content.to_json().unwrap().replace("hello", "hullo");
        let error = Content::from_json(&json, &content.hash()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("it was changed"));
    }

    #[test]
    fn every_field_is_hashed() {
        let base = Content::chat([system("s"), user("u")]);
        let change = |f: &dyn Fn(&mut Content)| {
            let mut content = base.clone();
            f(&mut content);
            content.hash()
        };
        let hashes = [
            base.hash(),
            Content::text("s").hash(),
            Content::chat([user("s"), user("u")]).hash(),
            Content::chat([user("u"), system("s")]).hash(),
            Content::chat([system("su"), user("")]).hash(),
            Content::chat([system("s"), placeholder("u")]).hash(),
            change(&|c| c.settings.model = Some("m".into())),
            change(&|c| c.settings.temperature = Some(0.0)),
            change(&|c| c.settings.top_p = Some(0.0)),
            change(&|c| c.settings.max_tokens = Some(1)),
            change(&|c| c.settings.stop = vec!["m".into()]),
            change(&|c| drop(c.settings.extra.insert("m".into(), Value::Null))),
            change(&|c| c.tools = vec![Tool::new("t", serde_json::json!({}))]),
            change(&|c| c.tools = vec![Tool::new("t", serde_json::json!({})).description("")]),
            change(&|c| c.input_schema = Some(Value::Null)),
            change(&|c| c.output_schema = Some(Value::Null)),
        ];
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
    }

    #[test]
    fn closure_hash_ignores_order_and_repeats() {
        let (a, b) = (Content::text("a").hash(), Content::text("b").hash());
        let root = Content::text("r").hash();
        assert_eq!(
            closure_hash(&root, &[("a", a), ("b", b), ("a", a)]),
            closure_hash(&root, &[("b", b), ("a", a)])
        );
        assert_ne!(closure_hash(&root, &[("a", a)]), closure_hash(&root, &[("a", b)]));
        assert_ne!(
            closure_hash(&root, &[("a", a)]),
            closure_hash(&root, &[("a@1", a)])
        );
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn what_is_nested_too_deep_to_be_read_back_is_refused() {
        type Place<'a> = &'a dyn Fn(&mut Content, Value);
        let change = |f: Place<'_>, depth: usize| {
            let mut content = Content::text("x");
            f(&mut content, nested(depth));
            content.check()
        };
        let places: [Place<'_>; 3] = [
            &|c, v| c.input_schema = Some(serde_json::json!({"const": v})),
            &|c, v| c.output_schema = Some(serde_json::json!({"const": v})),
            &|c, v| drop(c.settings.extra.insert("k".into(), v)),
        ];
        for place in places {
            change(place, 63).unwrap();
            for depth in [66, 126, 1_000] {
                let error = change(place, depth).unwrap_err();
                assert!(error.message().contains("deeper than 64 levels"), "{error}");
            }
        }
        let tool = |depth: usize| {
            let mut content = Content::text("x");
            content
                .tools
                .push(Tool::new("t", serde_json::json!({"const": nested(depth)})));
            content.check()
        };
        tool(30).unwrap();
        let error = tool(40).unwrap_err();
        assert!(
            error.message().contains("tool \"t\" is nested deeper than 32"),
            "{error}"
        );
        tool(126).unwrap_err();
    }

    #[test]
    fn schemas_of_tools_are_bounded() {
        let mut content = Content::text("x");
        let double = |i| serde_json::json!({"anyOf": [{"$ref": format!("#/$defs/d{i}")}, {"$ref": format!("#/$defs/d{i}")}]});
        let defs: serde_json::Map<_, _> = (0..30).map(|i| (format!("d{i}"), double(i + 1))).collect();
        let mut schema = serde_json::json!({"$ref": "#/$defs/d0", "$defs": defs});
        schema["$defs"]["d30"] = Value::Bool(true);
        content.tools.push(Tool::new("t", schema));
        let error = content.check().unwrap_err();
        assert!(error.message().contains("parameters of tool \"t\""), "{error}");
    }
}
