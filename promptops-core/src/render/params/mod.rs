//! Parameters: from any `Serialize` to what the engine and the placeholders take.

mod builder;
mod capture;
mod captured;
mod cast;
mod convert;
mod depth;
mod param;

use std::borrow::Cow;
use std::cell::Cell;

use serde::Serialize;
use serde_json::Value;
use tera::Context;

pub(super) use self::builder::Entry;
pub use self::builder::{Params, name_of};
#[allow(unused_imports, reason = "what renders the compiled form captures by it")]
pub(super) use self::captured::Captured;
pub(super) use self::captured::{Node, Walk};
use self::depth::{Bounded, Broken};
pub use self::param::Param;
use super::program::value::Map;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::prompt::{Message, MessageContent};

fn not_a_map() -> Error {
    invalid(
        "the parameters are not a struct or a map with text keys; pass a struct, a map, `params! {…}` or `json!({…})`",
    )
}

/// What was broken, if a bound on parameters was what made serializing fail.
fn failed(broken: &Cell<Option<Broken>>, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    match broken.get() {
        Some(broken) => broken.into(),
        None => not_a_map().caused_by(cause),
    }
}

/// The parameters where they are, if they are JSON or [`Params`]; `None` for those of any other type.
pub(super) fn borrowed<P: Serialize + ?Sized>(parameters: &P) -> Option<Result<Map<'_>>> {
    static EMPTY: Params<'static> = Params::new();
    if let Some(json) = cast::json(parameters) {
        return Some(match json {
            Value::Object(map) => Ok(Map::Json(map)),
            Value::Null => Ok(Map::Params(&EMPTY)),
            _ => Err(not_a_map()),
        });
    }
    let params = cast::params(parameters).map(Map::Params);
    params.or_else(|| cast::object(parameters).map(Map::Json)).map(Ok)
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
            _ => Err(not_a_map().caused_by(error)),
        },
    }
}

/// The values as JSON, for a schema or placeholders to look at: as they are if they are JSON.
pub(super) fn json<P: Serialize + ?Sized>(parameters: &P) -> Result<Cow<'_, Value>> {
    if let Some(json) = cast::json(parameters) {
        depth::check(json)?;
        return map_only(Cow::Borrowed(json));
    }
    let broken = Cell::new(None);
    let value = serde_json::to_value(Bounded::new(parameters, &broken));
    map_only(Cow::Owned(value.map_err(|error| failed(&broken, error))?))
}

fn map_only(json: Cow<'_, Value>) -> Result<Cow<'_, Value>> {
    match &*json {
        Value::Null => Ok(Cow::Owned(Value::Object(serde_json::Map::new()))),
        Value::Object(_) => Ok(json),
        _ => Err(not_a_map()),
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

#[cfg(test)]
mod tests;
