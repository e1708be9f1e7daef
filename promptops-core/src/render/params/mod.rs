//! Parameters: from any `Serialize` to what the engine and the placeholders take.

mod builder;
mod capture;
mod captured;
mod cast;
mod convert;
mod depth;
mod param;
mod placeholder;

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
pub(super) use self::placeholder::add_messages;
use super::program::value::Map;
use crate::base::error::{Error, Result, invalid};

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
    if let Some(json) = cast::json(parameters) {
        return Some(match json {
            Value::Object(map) => Ok(Map::Json(map)),
            Value::Null => Ok(none()),
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

/// No parameters at all.
pub(super) fn none() -> Map<'static> {
    static NONE: Params<'static> = Params::new();
    Map::Params(&NONE)
}

/// JSON as the parameters that it is; none, where it is no object.
pub(super) fn map(json: &Value) -> Map<'_> {
    match json {
        Value::Object(map) => Map::Json(map),
        _ => none(),
    }
}

#[cfg(test)]
mod tests;
