//! Values as the compiled form sees them: the caller's own, borrowed, and those made on the way.
//!
//! Their types are Tera's: an integer is one whatever its width, text has no marks of safety since nothing is escaped.

use std::rc::Rc;

use serde_json::Value as Json;

use super::budget::{Budget, Faulty};
use crate::render::params::{Entry, Node, Param, Params, Walk};

/// Deepest that values are followed when they are printed or compared: what JSON parsers take.
pub(super) const MAX_DEPTH: usize = 128;

/// Entries of a map or list that are gone through for one and count as one step.
const PASSED_PER_STEP: usize = 16;

/// Bytes of names that are compared in one step.
const COMPARED_PER_STEP: usize = 1024;

/// A value. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::render) enum Val<'a> {
    /// Nothing is there.
    Undefined,
    /// `none`, JSON's `null`.
    None,
    Bool(bool),
    Int(i128),
    /// An integer above what an `i128` holds; nothing can be calculated with it.
    Huge(u128),
    Float(f64),
    /// Text of the caller or of the template.
    Str(&'a str),
    /// Text made on the way.
    Text(Rc<str>),
    List(List<'a>),
    Map(Map<'a>),
}

/// A list of values.
#[derive(Debug, Clone)]
pub(in crate::render) enum List<'a> {
    Json(&'a [Json]),
    /// What `range` makes.
    Range(Rc<Range>),
    Params(&'a [Param<'a>]),
    Captured(Node<'a>),
    /// Made on the way.
    Made(Rc<Made<'a>>),
}

/// A list made on the way.
#[derive(Debug)]
pub(in crate::render) struct Made<'a> {
    items: Box<[Val<'a>]>,
    /// How many lists made on the way are inside each other, this one included: dropping them recurses.
    depth: usize,
}

/// Numbers in equal distances.
#[derive(Debug, Clone, Copy)]
pub(in crate::render) struct Range {
    pub(super) start: i128,
    pub(super) step: i128,
    pub(super) len: usize,
}

impl Range {
    fn get<'a>(&self, index: usize) -> Option<Val<'a>> {
        (index < self.len).then(|| Val::Int(self.start + index as i128 * self.step))
    }
}

/// A map of values.
#[derive(Debug, Clone, Copy)]
pub(in crate::render) enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>),
    Params(&'a Params<'a>),
    Captured(Node<'a>),
}

/// The key of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::render) enum Key<'a> {
    Str(&'a str),
    Bool(bool),
    Int(i128),
    Huge(u128),
}

impl<'a> From<&'a Json> for Val<'a> {
    #[inline]
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Self::Int(value.into()),
                (None, Some(value)) => Self::Int(value.into()),
                // Always a float, but for numbers of any precision that a host may have switched on in `serde_json`.
                (None, None) => match number.as_f64() {
                    Some(value) => Self::Float(value),
                    None => Self::Text(number.to_string().into()),
                },
            },
            Json::String(text) => Self::Str(text),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(map) => Self::Map(Map::Json(map)),
        }
    }
}

impl<'a> From<Key<'a>> for Val<'a> {
    fn from(key: Key<'a>) -> Self {
        match key {
            Key::Str(text) => Self::Str(text),
            Key::Bool(value) => Self::Bool(value),
            Key::Int(value) => Self::Int(value),
            Key::Huge(value) => Self::Huge(value),
        }
    }
}

impl<'a> Val<'a> {
    /// A text made on the way.
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// A list made on the way.
    pub(super) fn list(items: Vec<Self>) -> Self {
        let depth = 1 + items.iter().map(Self::made_depth).max().unwrap_or(0);
        let items = items.into();
        Self::List(List::Made(Rc::new(Made { items, depth })))
    }

    /// How many lists made on the way are inside each other here.
    pub(super) fn made_depth(&self) -> usize {
        match self {
            Self::List(List::Made(made)) => made.depth,
            _ => 0,
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Huge(_) | Self::Float(_))
    }

    #[inline]
    pub(in crate::render) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is called in errors.
    pub(in crate::render) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::None => "none",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Huge(_) => "integer",
            Self::Float(_) => "float",
            Self::Str(_) | Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "map",
        }
    }

    /// Whether it counts as true: neither missing nor none, false, zero or empty.
    #[inline]
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Huge(_) => true,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => list.len() > 0,
            Self::Map(map) => map.len() > 0,
        }
    }

    /// As the key of a map, where it can be one.
    pub(super) fn as_key(&self) -> Option<Key<'_>> {
        Some(match self {
            Self::Bool(value) => Key::Bool(*value),
            Self::Int(value) => Key::Int(*value),
            Self::Huge(value) => Key::Huge(*value),
            Self::Str(text) => Key::Str(text),
            Self::Text(text) => Key::Str(text),
            _ => return None,
        })
    }

    /// The value of this name in a map; `None` when it is not there, or this is no map.
    #[inline]
    pub(super) fn attribute(&self, name: &str, budget: &mut Budget) -> Faulty<Option<Val<'a>>> {
        match self {
            Self::Map(map) => {
                // The name is one of the template's, and may be compared with others as long.
                budget.step(map.lookup_cost(name.len()) + (name.len() / 64) as u64)?;
                Ok(map.get_str(name))
            }
            _ => Ok(None),
        }
    }
}

impl<'a> List<'a> {
    #[inline]
    pub(in crate::render) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Range(range) => range.len,
            Self::Params(items) => items.len(),
            Self::Captured(list) => list.len(),
            Self::Made(made) => made.items.len(),
        }
    }

    /// The element at this place, from 0.
    pub(in crate::render) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Val::from),
            Self::Range(range) => range.get(index),
            Self::Params(items) => items.get(index).map(Param::val),
            Self::Captured(list) => list.element(index),
            Self::Made(made) => made.items.get(index).cloned(),
        }
    }

    /// The steps that [`get`](Self::get) takes beyond one.
    #[inline]
    pub(in crate::render) fn get_cost(&self, index: usize) -> u64 {
        match self {
            Self::Json(_) | Self::Params(_) | Self::Range(_) | Self::Made(_) => 0,
            Self::Captured(list) => (list.passed(index) / PASSED_PER_STEP) as u64,
        }
    }

    /// The elements in order.
    pub(in crate::render) fn iter(&self) -> ListIter<'a> {
        match self {
            Self::Json(items) => ListIter::Json(items.iter()),
            Self::Range(range) => ListIter::Range(**range, 0),
            Self::Params(items) => ListIter::Params(items.iter()),
            Self::Captured(list) => ListIter::Captured(list.walk()),
            Self::Made(made) => ListIter::Made(Rc::clone(made), 0),
        }
    }
}

impl<'a> Map<'a> {
    #[inline]
    pub(in crate::render) fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Params(params) => params.len(),
            Self::Captured(map) => map.len(),
        }
    }

    /// The steps that a lookup of a name of so many bytes takes beyond one.
    #[inline]
    pub(in crate::render) fn lookup_cost(&self, bytes: usize) -> u64 {
        let passed = match self {
            Self::Json(_) => 0,
            Self::Params(params) => params.passed(),
            Self::Captured(map) => map.len(),
        };
        // Other names can be as long, and differ at their end.
        (passed / PASSED_PER_STEP + passed.saturating_mul(bytes) / COMPARED_PER_STEP) as u64
    }

    /// The value of a name.
    #[inline]
    pub(in crate::render) fn get_str(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Json(map) => map.get(name).map(Val::from),
            Self::Params(params) => params.get(name).map(Param::val),
            Self::Captured(map) => map.get(Key::Str(name)),
        }
    }

    /// The value of a key of any type.
    pub(in crate::render) fn get(&self, key: Key<'_>) -> Option<Val<'a>> {
        match (self, key) {
            (_, Key::Str(name)) => self.get_str(name),
            (Self::Captured(map), key) => map.get(key),
            // Their keys are text.
            (Self::Json(_) | Self::Params(_), _) => None,
        }
    }

    /// The entries in order.
    pub(in crate::render) fn iter(&self) -> MapIter<'a> {
        match self {
            Self::Json(map) => MapIter::Json(map.iter()),
            Self::Params(params) => MapIter::Params(params.entries().iter()),
            Self::Captured(map) => MapIter::Captured(map.walk()),
        }
    }
}

/// The elements of a list.
pub(in crate::render) enum ListIter<'a> {
    Json(std::slice::Iter<'a, Json>),
    Range(Range, usize),
    Params(std::slice::Iter<'a, Param<'a>>),
    Captured(Walk<'a>),
    Made(Rc<Made<'a>>, usize),
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Val<'a>;

    #[inline]
    fn next(&mut self) -> Option<Val<'a>> {
        match self {
            Self::Json(items) => items.next().map(Val::from),
            Self::Range(range, at) => {
                let item = range.get(*at);
                *at += 1;
                item
            }
            Self::Params(items) => items.next().map(Param::val),
            Self::Captured(items) => items.next(),
            Self::Made(made, at) => {
                let item = made.items.get(*at).cloned();
                *at += 1;
                item
            }
        }
    }
}

/// The entries of a map.
pub(in crate::render) enum MapIter<'a> {
    Json(serde_json::map::Iter<'a>),
    Params(std::slice::Iter<'a, Entry<'a>>),
    Captured(Walk<'a>),
}

impl<'a> Iterator for MapIter<'a> {
    type Item = (Key<'a>, Val<'a>);

    #[inline]
    fn next(&mut self) -> Option<(Key<'a>, Val<'a>)> {
        match self {
            Self::Json(entries) => entries
                .next()
                .map(|(key, value)| (Key::Str(key), Val::from(value))),
            Self::Params(entries) => entries.next().map(|(key, value)| (Key::Str(key), value.val())),
            Self::Captured(entries) => entries.next_entry(),
        }
    }
}

/// What is printed of a value, for tests outside.
#[cfg(test)]
pub(in crate::render) fn printed(value: &Val<'_>) -> String {
    use super::budget::Budget;
    use super::print::{Scratch, print};
    use crate::render::RenderLimits;

    let mut budget = Budget::new(&RenderLimits::default());
    let mut scratch = Scratch::new(&mut budget);
    print(value, &mut scratch).unwrap();
    scratch.text
}
