//! Parameters: from any `Serialize` to what the engine and the placeholders take.

mod depth;

use std::cell::Cell;

use serde::Serialize;
use serde_json::Value;
use tera::Context;

use self::depth::{Bounded, Broken, MAX_DEPTH, MAX_ENTRIES};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::prompt::{Message, MessageContent};

fn not_a_map(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid("the parameters are not a struct or a map with text keys; pass a struct, a map, or `json!({…})`")
        .caused_by(cause)
}

/// What was broken, if a bound on parameters was what made serializing fail.
fn failed(broken: &Cell<Option<Broken>>, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    match broken.get() {
        Some(Broken::Depth) => invalid(format!(
            "the parameters are nested deeper than {MAX_DEPTH} levels; pass flatter values"
        )),
        Some(Broken::Entries) => invalid(format!(
            "a map in the parameters has more than {MAX_ENTRIES} entries; pass a list, or less"
        )),
        None => not_a_map(cause),
    }
}

/// The engine's context straight from the values.
pub(super) fn context<P: Serialize + ?Sized>(parameters: &P) -> Result<Context> {
    let broken = Cell::new(None);
    let bounded = Bounded::new(parameters, &broken);
    match Context::from_serialize(&bounded) {
        Ok(context) => Ok(context),
        Err(error) if broken.get().is_some() => Err(failed(&broken, error)),
        // `()` and `None` are parameters of a prompt that takes none.
        Err(error) => match tera::Value::try_from_serializable(&bounded) {
            Ok(value) if value.is_none() => Ok(Context::new()),
            _ => Err(not_a_map(error)),
        },
    }
}

/// The values as JSON, for a schema or placeholders to look at.
pub(super) fn json<P: Serialize + ?Sized>(parameters: &P) -> Result<std::borrow::Cow<'_, Value>> {
    json_inner(parameters).map(std::borrow::Cow::Owned)
}

fn json_inner<P: Serialize + ?Sized>(parameters: &P) -> Result<Value> {
    let broken = Cell::new(None);
    let value = serde_json::to_value(Bounded::new(parameters, &broken));
    match value.map_err(|error| failed(&broken, error))? {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        _ => Err(invalid(
            "the parameters are not a struct or a map with text keys; pass a struct, a map, or `json!({…})`",
        )),
    }
}

/// The messages in a placeholder's parameter; `left` is how many more bytes there may be. A prompt may name the same
/// parameter in many places, and each makes a copy.
pub(super) fn messages(name: &str, value: Option<&Value>, left: &mut usize) -> Result<Vec<Message>> {
    let Some(value) = value else {
        return Err(Error::new(
            ErrorKind::Template,
            format!("the placeholder `{name}` has no parameter; pass a list of messages, or an empty one"),
        ));
    };
    let Value::Array(items) = value else {
        return Err(Error::new(
            ErrorKind::Template,
            format!(
                "the parameter `{name}` of a placeholder is not a list; expected messages with role and content"
            ),
        ));
    };
    *left = left.checked_sub(bytes_of(value)).ok_or_else(|| {
        Error::new(
            ErrorKind::Template,
            format!(
                "the messages of the placeholder `{name}` are longer than the limit of the output; pass less"
            ),
        )
    })?;
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            Message::deserialize_checked(item).map_err(|what| {
                Error::new(
                    ErrorKind::Template,
                    format!("item {i} of the placeholder `{name}` is not a message: {what}"),
                )
            })
        })
        .collect()
}

/// About the bytes of a value in memory.
fn bytes_of(value: &Value) -> usize {
    let mut bytes = 0;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        bytes += size_of::<Value>();
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => open.extend(items),
            Value::Object(map) => {
                bytes += map
                    .keys()
                    .map(|key| key.len() + size_of::<Value>())
                    .sum::<usize>();
                open.extend(map.values());
            }
            _ => {}
        }
    }
    bytes
}

impl Message {
    /// Reads a message; the error says what is wrong with it without repeating what it says.
    fn deserialize_checked(value: &Value) -> Result<Self, String> {
        let Some(object) = value.as_object() else {
            return Err("expected an object with role and content".into());
        };
        let role = object
            .get("role")
            .and_then(Value::as_str)
            .ok_or("`role` is missing or no text")?;
        let role = role
            .parse()
            .map_err(|_| "`role` is none of system, developer, user, assistant, tool")?;
        let content = match object.get("content") {
            None | Some(Value::Null) => MessageContent::None,
            Some(Value::String(text)) => MessageContent::Text(text.clone()),
            Some(Value::Array(parts)) => MessageContent::Parts(parts.clone()),
            Some(_) => return Err("`content` is neither text nor a list of parts".into()),
        };
        let extra = object
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "role" | "content"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Self { role, content, extra })
    }
}

// TEMPORARY until the capture is merged.
pub(super) struct Captured(Value);
impl Captured {
    pub(super) fn of<P: Serialize + ?Sized>(parameters: &P, _: &dyn Fn(&str) -> bool) -> Result<Self> {
        json_inner(parameters).map(Self)
    }
    pub(super) fn as_map(&self) -> super::program::value::Map<'_> {
        map(&self.0)
    }
}
pub(super) fn borrowed<P: Serialize + ?Sized>(_: &P) -> Option<Result<super::program::value::Map<'_>>> {
    None
}
pub(super) fn map(json: &Value) -> super::program::value::Map<'_> {
    static EMPTY: std::sync::OnceLock<serde_json::Map<String, Value>> = std::sync::OnceLock::new();
    match json {
        Value::Object(map) => super::program::value::Map::Json(map),
        _ => super::program::value::Map::Json(EMPTY.get_or_init(Default::default)),
    }
}
