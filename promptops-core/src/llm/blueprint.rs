//! The blueprint: a rendered request in no provider's words.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::error::{Error, ErrorKind, Result};
use crate::prompt::{Content, Message, MessageContent, MessageRole, ModelSettings, Tool};

/// A request to a model: messages, how to call it, and what it may call. An adapter makes a provider's JSON of it.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// The messages, in order.
    pub messages: Vec<BlueprintMessage>,
    /// Model, temperature, limits, stop sequences, and one provider's own settings.
    #[serde(default)]
    pub settings: ModelSettings,
    /// Functions that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Which of them it must or must not call; `None` leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The form that the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<OutputSchema>,
}

/// One message of a request or an answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlueprintMessage {
    /// Who speaks.
    pub role: MessageRole,
    /// What is said, in order; empty for an assistant that only calls tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The calls that an assistant makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call whose result a tool's message is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// A name of the speaker, where a provider tells several apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A piece of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text {
        /// What it says.
        text: String,
    },
    /// An image.
    Image {
        /// Where it is.
        source: ImageSource,
        /// How closely to look, in the words of a provider that can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Where an image is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// At an address that the provider fetches.
    Url(String),
    /// In the request.
    Data {
        /// `image/png`, `image/jpeg`, …
        media_type: String,
        /// The bytes in base64, with padding.
        base64: String,
    },
}

/// A call of a tool that a model asks for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The provider's name of this call, which the result names again.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the JSON text that the model wrote, which may be none: see [`parse`](Self::parse).
    pub arguments: String,
}

/// Which tools a model must or must not call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// The one of this name.
    Tool(String),
}

/// The form that an answer must have.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSchema {
    /// Its name: 1 to 64 ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON Schema.
    pub schema: Value,
    /// Whether the provider is to guarantee it. A provider may refuse schemas then that it cannot guarantee.
    #[serde(default)]
    pub strict: bool,
}

impl Blueprint {
    /// A request with these messages.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = BlueprintMessage>) -> Self {
        Self {
            messages: messages.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The request that a rendered prompt makes: its messages, with the settings, tools and output schema of the
    /// content that they were rendered from.
    ///
    /// # Errors
    /// Those of [`BlueprintMessage`]'s conversion from a [`Message`].
    pub fn of(content: &Content, messages: impl IntoIterator<Item = Message>) -> Result<Self> {
        let messages = messages
            .into_iter()
            .enumerate()
            .map(|(i, message)| BlueprintMessage::try_from(message).map_err(|e| e.with("message", i + 1)))
            .collect::<Result<_>>()?;
        Ok(Self {
            messages,
            settings: content.settings.clone(),
            tools: content.tools.clone(),
            tool_choice: None,
            output_schema: content.output_schema.clone().map(OutputSchema::new),
        })
    }

    /// Asks for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.settings.model = Some(model.into());
        self
    }

    /// Asks for this sampling temperature, ≥ 0.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.settings.temperature = Some(temperature);
        self
    }

    /// Asks for at most so many tokens, ≥ 1.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.settings.max_tokens = Some(tokens);
        self
    }

    /// Asks for an answer of this form.
    #[must_use]
    pub fn output_schema(mut self, schema: OutputSchema) -> Self {
        self.output_schema = Some(schema);
        self
    }
}

/// Sizes, without what is said.
impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("messages", &self.messages)
            .field("settings", &self.settings)
            .field("tools", &self.tools)
            .field("tool_choice", &self.tool_choice)
            .field("output_schema", &self.output_schema)
            .finish()
    }
}

impl BlueprintMessage {
    /// A message of text.
    #[must_use]
    pub fn new(role: MessageRole, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![Part::text(text)],
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// All its text, one part after the other; empty when there is none.
    #[must_use]
    pub fn text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }
}

/// A message with the parts and extras that [`Message`] passes through untouched, which are in the form of OpenAI's
/// chat messages: parts `text` and `image_url`, and `name`, `tool_calls`, `tool_call_id`.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for a part or an extra of another kind, [`Invalid`](ErrorKind::Invalid) for
/// one that is malformed. Nothing is left out in silence.
impl TryFrom<Message> for BlueprintMessage {
    type Error = Error;

    fn try_from(message: Message) -> Result<Self> {
        let mut converted = Self {
            role: message.role,
            parts: match message.content {
                MessageContent::None => Vec::new(),
                MessageContent::Text(text) => vec![Part::Text { text }],
                MessageContent::Parts(parts) => parts.iter().map(Part::read).collect::<Result<_>>()?,
            },
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        };
        for (key, value) in message.extra {
            match (key.as_str(), value) {
                (_, Value::Null) => {}
                ("name", Value::String(name)) => converted.name = Some(name),
                ("tool_call_id", Value::String(id)) => converted.tool_call_id = Some(id),
                ("tool_calls", Value::Array(calls)) => {
                    converted.tool_calls = calls.iter().map(ToolCall::read).collect::<Result<_>>()?;
                }
                ("name" | "tool_call_id" | "tool_calls", _) => {
                    return Err(malformed(format!(
                        "`{key}` of a message is of a wrong type; expected `name` and `tool_call_id` as text, \
                         `tool_calls` as a list"
                    )));
                }
                _ => {
                    return Err(unsupported(format!(
                        "a message carries {}, which a blueprint cannot say; expected `name`, `tool_calls` and \
                         `tool_call_id` at most",
                        crate::base::id::quoted(&key)
                    )));
                }
            }
        }
        Ok(converted)
    }
}

/// Who and how much, without what is said.
impl fmt::Debug for BlueprintMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlueprintMessage({}, {:?}", self.role, self.parts)?;
        if !self.tool_calls.is_empty() {
            write!(f, ", {:?}", self.tool_calls)?;
        }
        f.write_str(")")
    }
}

impl Part {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Its text; `None` for an image.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Image { .. } => None,
        }
    }

    /// Reads a part in OpenAI's form.
    fn read(value: &Value) -> Result<Self> {
        let kind = value.get("type").and_then(Value::as_str);
        match kind {
            Some("text") => {
                let object = fields(value, "a part of text", &["type", "text"])?;
                Ok(Self::text(string(object, "text", "a part of text")?))
            }
            Some("image_url") => {
                let object = fields(value, "an image part", &["type", "image_url"])?;
                let image = object.get("image_url").unwrap_or(&Value::Null);
                let image = fields(image, "`image_url`", &["url", "detail"])?;
                let url = string(image, "url", "`image_url`")?;
                let detail = match image.get("detail") {
                    None | Some(Value::Null) => None,
                    Some(_) => Some(string(image, "detail", "`image_url`")?.to_owned()),
                };
                Ok(Self::Image {
                    source: ImageSource::parse(url)?,
                    detail,
                })
            }
            Some(other) => Err(unsupported(format!(
                "a message has a part of type {}; expected text or image_url",
                crate::base::id::quoted(other)
            ))),
            None => Err(malformed(
                "a part of a message has no `type`; expected text or image_url",
            )),
        }
    }
}

/// The kind, and how large.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text } => write!(f, "{} bytes", text.len()),
            Self::Image { source, .. } => source.fmt(f),
        }
    }
}

impl ImageSource {
    /// Reads an address: a `data:` URL in base64 is an image in the request, `https:` and `http:` are fetched by the
    /// provider.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for any other.
    pub fn parse(url: &str) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("data:") {
            let (media_type, base64) = rest.split_once(";base64,").ok_or_else(|| {
                malformed("the `data:` URL of an image is not of the form data:image/…;base64,…")
            })?;
            return Ok(Self::Data {
                media_type: media_type.to_owned(),
                base64: base64.to_owned(),
            });
        }
        if url.starts_with("https://") || url.starts_with("http://") {
            return Ok(Self::Url(url.to_owned()));
        }
        Err(malformed(
            "the address of an image begins with none of https://, http://, data:",
        ))
    }

    /// The address, as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn to_url(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
        }
    }
}

/// The kind, and how large.
impl fmt::Debug for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "image at a URL of {} bytes", url.len()),
            Self::Data { media_type, base64 } => {
                write!(f, "{media_type:?} of {} bytes in base64", base64.len())
            }
        }
    }
}

impl ToolCall {
    /// The arguments.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when the model wrote something that is no JSON object.
    pub fn parse(&self) -> Result<Map<String, Value>> {
        // Without the parser's own words, which repeat what the model wrote.
        serde_json::from_str(&self.arguments).map_err(|e| {
            malformed(format!(
                "the arguments of the call of {} are no JSON object (line {}, column {})",
                crate::base::id::quoted(&self.name),
                e.line(),
                e.column()
            ))
        })
    }

    /// Reads a call in OpenAI's form.
    fn read(value: &Value) -> Result<Self> {
        let call = fields(value, "a tool call", &["id", "type", "function", "index"])?;
        match call.get("type") {
            None => {}
            Some(Value::String(kind)) if kind == "function" => {}
            Some(_) => return Err(unsupported("a tool call is of another type than function".into())),
        }
        let function = call.get("function").unwrap_or(&Value::Null);
        let function = fields(function, "`function` of a tool call", &["name", "arguments"])?;
        Ok(Self {
            id: string(call, "id", "a tool call")?.to_owned(),
            name: string(function, "name", "`function` of a tool call")?.to_owned(),
            arguments: string(function, "arguments", "`function` of a tool call")?.to_owned(),
        })
    }
}

/// The name alone.
impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolCall({:?}, {} bytes)", self.name, self.arguments.len())
    }
}

impl OutputSchema {
    /// A schema with the name `output`, which the provider need not guarantee.
    #[must_use]
    pub fn new(schema: Value) -> Self {
        Self {
            name: "output".into(),
            schema,
            strict: false,
        }
    }

    /// Gives it another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Asks the provider to guarantee it.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// The name alone.
impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputSchema({:?}, strict: {})", self.name, self.strict)
    }
}

fn fields<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>> {
    let object = value
        .as_object()
        .ok_or_else(|| malformed(format!("{what} is missing or no object")))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) => Err(unsupported(format!(
            "{what} has {}; expected {} at most",
            crate::base::id::quoted(key),
            known.join(", ")
        ))),
    }
}

fn string<'a>(object: &'a Map<String, Value>, key: &str, what: &str) -> Result<&'a str> {
    object
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| malformed(format!("`{key}` of {what} is missing or no text")))
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
