//! Values of any `Serialize`, flat: one list of entries and one text, however deep they are.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::render::program::value::{Key, List, Map, Val};

/// A value, or the key of one, with what is in it behind it.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    None,
    Bool(bool),
    Int(i128),
    /// An integer above what an `i128` holds.
    Huge(u128),
    Float(f64),
    /// Bytes of the texts.
    Text {
        start: usize,
        len: usize,
    },
    /// The name of a field or a variant.
    Name(&'static str),
    /// So many elements, which are so many entries with all that is in them.
    List {
        len: usize,
        size: usize,
    },
    /// So many keys, each with its value behind it.
    Map {
        len: usize,
        size: usize,
    },
}

impl Entry {
    /// How many entries it is with all that is in it.
    fn whole(self) -> usize {
        match self {
            Self::List { size, .. } | Self::Map { size, .. } => size + 1,
            _ => 1,
        }
    }
}

/// A value of any type that can be serialized, taken in one pass.
#[derive(Clone)]
pub(in crate::render) struct Captured {
    /// The value first. Sizes are relative, so that a part can be moved.
    pub(super) entries: Vec<Entry>,
    pub(super) texts: String,
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").finish_non_exhaustive()
    }
}

impl Captured {
    /// The parameters by name.
    pub(in crate::render) fn as_map(&self) -> Map<'_> {
        Map::Captured(Node {
            captured: self,
            at: 0,
        })
    }

    /// The value.
    pub(super) fn value(&self) -> Val<'_> {
        self.value_at(0)
    }

    fn text(&self, start: usize, len: usize) -> &str {
        self.texts.get(start..start + len).unwrap_or_default()
    }

    fn value_at(&self, at: usize) -> Val<'_> {
        let node = Node { captured: self, at };
        match self.entries.get(at) {
            None => Val::Undefined,
            Some(Entry::None) => Val::None,
            Some(Entry::Bool(value)) => Val::Bool(*value),
            Some(Entry::Int(value)) => Val::Int(*value),
            Some(Entry::Huge(value)) => Val::Huge(*value),
            Some(Entry::Float(value)) => Val::Float(*value),
            Some(Entry::Text { start, len }) => Val::Str(self.text(*start, *len)),
            Some(Entry::Name(name)) => Val::Str(name),
            Some(Entry::List { .. }) => Val::List(List::Captured(node)),
            Some(Entry::Map { .. }) => Val::Map(Map::Captured(node)),
        }
    }

    /// The key that an entry is.
    pub(super) fn key_at(&self, at: usize) -> Option<Key<'_>> {
        Some(match self.entries.get(at)? {
            Entry::Text { start, len } => Key::Str(self.text(*start, *len)),
            Entry::Name(name) => Key::Str(name),
            Entry::Bool(value) => Key::Bool(*value),
            Entry::Int(value) => Key::Int(*value),
            Entry::Huge(value) => Key::Huge(*value),
            Entry::None | Entry::Float(_) | Entry::List { .. } | Entry::Map { .. } => return None,
        })
    }

    /// The place behind a value and all that is in it.
    pub(super) fn after(&self, at: usize) -> usize {
        at + self.entries.get(at).map_or(1, |entry| entry.whole())
    }
}

/// A list or a map within such a value.
#[derive(Clone, Copy)]
pub(in crate::render) struct Node<'a> {
    captured: &'a Captured,
    at: usize,
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Node<'a> {
    pub(in crate::render) fn len(self) -> usize {
        match self.captured.entries.get(self.at) {
            Some(Entry::List { len, .. } | Entry::Map { len, .. }) => *len,
            _ => 0,
        }
    }

    /// Whether it is a list of nothing that holds values itself, so that an element's place is known.
    fn is_plain(self) -> bool {
        matches!(self.captured.entries.get(self.at), Some(Entry::List { len, size }) if len == size)
    }

    /// The element of a list.
    pub(in crate::render) fn element(self, index: usize) -> Option<Val<'a>> {
        if index >= self.len() {
            None
        } else if self.is_plain() {
            Some(self.captured.value_at(self.at + 1 + index))
        } else {
            self.walk().nth(index)
        }
    }

    /// How many elements are gone through for that one.
    pub(in crate::render) fn passed(self, index: usize) -> usize {
        if self.is_plain() { 0 } else { index.min(self.len()) }
    }

    /// The value of a key of a map.
    pub(in crate::render) fn get(self, key: Key<'_>) -> Option<Val<'a>> {
        let captured = self.captured;
        places(captured, self.at, self.len())
            .find(|at| captured.key_at(*at) == Some(key))
            .map(|at| captured.value_at(at + 1))
    }

    /// The elements of a list.
    pub(in crate::render) fn walk(self) -> Walk<'a> {
        Walk {
            captured: self.captured,
            at: self.at + 1,
            left: self.len(),
        }
    }
}

/// The places of the keys of the map at a place.
pub(super) fn places(captured: &Captured, map: usize, len: usize) -> impl Iterator<Item = usize> {
    let mut next = map + 1;
    (0..len).map(move |_| {
        let key = next;
        next = captured.after(key + 1);
        key
    })
}

/// The elements of a list or the entries of a map that are still to come.
pub(in crate::render) struct Walk<'a> {
    captured: &'a Captured,
    at: usize,
    left: usize,
}

impl<'a> Walk<'a> {
    /// The next entry of a map.
    #[inline]
    pub(in crate::render) fn next_entry(&mut self) -> Option<(Key<'a>, Val<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let key = self.captured.key_at(self.at)?;
        let value = self.captured.value_at(self.at + 1);
        self.at = self.captured.after(self.at + 1);
        Some((key, value))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Val<'a>;

    /// The next element of a list.
    #[inline]
    fn next(&mut self) -> Option<Val<'a>> {
        self.left = self.left.checked_sub(1)?;
        let value = self.captured.value_at(self.at);
        self.at = self.captured.after(self.at);
        Some(value)
    }
}

impl Serialize for Captured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Part(self, 0).serialize(serializer)
    }
}

/// The value at a place, or a key.
struct Part<'a>(&'a Captured, usize);

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(captured, at) = *self;
        match captured.entries.get(at) {
            None | Some(Entry::None) => serializer.serialize_none(),
            Some(Entry::Bool(value)) => serializer.serialize_bool(*value),
            Some(Entry::Int(value)) => integer(*value, serializer),
            Some(Entry::Huge(value)) => serializer.serialize_u128(*value),
            Some(Entry::Float(value)) => serializer.serialize_f64(*value),
            Some(Entry::Text { start, len }) => serializer.serialize_str(captured.text(*start, *len)),
            Some(Entry::Name(name)) => serializer.serialize_str(name),
            Some(Entry::List { len, .. }) => {
                let mut list = serializer.serialize_seq(Some(*len))?;
                let mut next = at + 1;
                for _ in 0..*len {
                    list.serialize_element(&Part(captured, next))?;
                    next = captured.after(next);
                }
                list.end()
            }
            Some(Entry::Map { len, .. }) => {
                let mut map = serializer.serialize_map(Some(*len))?;
                for key in places(captured, at, *len) {
                    map.serialize_entry(&Part(captured, key), &Part(captured, key + 1))?;
                }
                map.end()
            }
        }
    }
}

/// An integer by the narrowest of the types that serializers know well.
pub(super) fn integer<S: Serializer>(value: i128, serializer: S) -> Result<S::Ok, S::Error> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => serializer.serialize_i64(value),
        (_, Ok(value)) => serializer.serialize_u64(value),
        _ => serializer.serialize_i128(value),
    }
}
