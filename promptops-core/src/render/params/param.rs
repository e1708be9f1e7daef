//! The value of one parameter.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use super::builder::Params;
use super::captured::{Captured, integer};
use crate::base::error::Result;
use crate::render::program::value::{List, Map, Val};

/// The value of a parameter: made by `From` of texts, numbers, bools, lists, options, JSON and nested [`Params`], or of
/// anything else by [`Param::of`].
#[derive(Clone)]
pub struct Param<'a>(pub(super) Kind<'a>);

#[derive(Clone)]
pub(super) enum Kind<'a> {
    None,
    Bool(bool),
    Int(i128),
    /// An integer above what an `i128` holds.
    Huge(u128),
    Float(f64),
    Char(Character),
    Str(&'a str),
    Text(String),
    Json(&'a Value),
    Object(&'a serde_json::Map<String, Value>),
    OwnJson(Arc<Value>),
    Captured(Arc<Captured>),
    List(Vec<Param<'a>>),
    Map(Params<'a>),
    Borrowed(&'a Params<'a>),
}

/// A character as text.
#[derive(Clone, Copy)]
pub(super) struct Character {
    utf8: [u8; 4],
    len: u8,
}

impl From<char> for Character {
    fn from(value: char) -> Self {
        let mut utf8 = [0; 4];
        let len = value.encode_utf8(&mut utf8).len() as u8;
        Self { utf8, len }
    }
}

impl Character {
    fn as_str(&self) -> &str {
        let bytes = self.utf8.get(..self.len.into()).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Param<'static> {
    /// Of any value that can be serialized, copied: for what has no `From`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for raw bytes, for keys of maps that are neither text nor integers nor
    /// bools, and for values nested deeper than 128 levels or maps of more than 100,000 entries.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self(Kind::Captured(Arc::new(Captured::whole(value)?))))
    }
}

impl<'a> Param<'a> {
    /// As the compiled form sees it.
    #[inline]
    pub(in crate::render) fn val(&'a self) -> Val<'a> {
        match &self.0 {
            Kind::None => Val::None,
            Kind::Bool(value) => Val::Bool(*value),
            Kind::Int(value) => Val::Int(*value),
            Kind::Huge(value) => Val::Huge(*value),
            Kind::Float(value) => Val::Float(*value),
            Kind::Char(value) => Val::Str(value.as_str()),
            Kind::Str(text) => Val::Str(text),
            Kind::Text(text) => Val::Str(text),
            Kind::Json(json) => Val::from(*json),
            Kind::Object(map) => Val::Map(Map::Json(map)),
            Kind::OwnJson(json) => Val::from(&**json),
            Kind::Captured(captured) => captured.value(),
            Kind::List(items) => Val::List(List::Params(items)),
            Kind::Map(params) => Val::Map(Map::Params(params)),
            Kind::Borrowed(params) => Val::Map(Map::Params(params)),
        }
    }
}

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Map(params) => params.fmt(f),
            Kind::Borrowed(params) => params.fmt(f),
            _ => write!(f, "Param({})", self.val().type_name()),
        }
    }
}

impl Serialize for Param<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kind::None => serializer.serialize_none(),
            Kind::Bool(value) => serializer.serialize_bool(*value),
            Kind::Int(value) => integer(*value, serializer),
            Kind::Huge(value) => serializer.serialize_u128(*value),
            Kind::Float(value) => serializer.serialize_f64(*value),
            Kind::Char(value) => serializer.serialize_str(value.as_str()),
            Kind::Str(text) => serializer.serialize_str(text),
            Kind::Text(text) => serializer.serialize_str(text),
            Kind::Json(json) => json.serialize(serializer),
            Kind::Object(map) => map.serialize(serializer),
            Kind::OwnJson(json) => json.serialize(serializer),
            Kind::Captured(captured) => captured.serialize(serializer),
            Kind::List(items) => serializer.collect_seq(items),
            Kind::Map(params) => params.serialize(serializer),
            Kind::Borrowed(params) => params.serialize(serializer),
        }
    }
}
