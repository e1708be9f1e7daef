//! Parameters: from any `Serialize` to what the engine and the placeholders take.

use serde::Serialize;
use serde_json::Value;
use tera::Context;

use super::message::Message;
use crate::base::error::{Error, ErrorKind, Result, invalid};

fn not_a_map(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid("the parameters are not a struct or a map with text keys; pass a struct, a map, or `json!({…})`")
        .caused_by(cause)
}

/// The engine's context straight from the values.
pub(super) fn context<P: Serialize + ?Sized>(parameters: &P) -> Result<Context> {
    match Context::from_serialize(parameters) {
        Ok(context) => Ok(context),
        // `()` and `None` are parameters of a prompt that takes none.
        Err(error) => match tera::Value::try_from_serializable(parameters) {
            Ok(value) if value.is_none() => Ok(Context::new()),
            _ => Err(not_a_map(error)),
        },
    }
}

/// The values as JSON, for a schema or placeholders to look at.
pub(super) fn json<P: Serialize + ?Sized>(parameters: &P) -> Result<Value> {
    match serde_json::to_value(parameters).map_err(not_a_map)? {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        value @ Value::Object(_) => Ok(value),
        _ => Err(invalid(
            "the parameters are not a struct or a map with text keys; pass a struct, a map, or `json!({…})`",
        )),
    }
}

/// The messages in a placeholder's parameter.
pub(super) fn messages(name: &str, parameters: &Value) -> Result<Vec<Message>> {
    let Some(value) = parameters.get(name) else {
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
        let role = role.parse().map_err(|error: Error| error.message().to_owned())?;
        let content = match object.get("content") {
            None | Some(Value::Null) => super::message::MessageContent::None,
            Some(Value::String(text)) => super::message::MessageContent::Text(text.clone()),
            Some(Value::Array(parts)) => super::message::MessageContent::Parts(parts.clone()),
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
