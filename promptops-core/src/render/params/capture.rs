//! Any `Serialize` into its flat form, with what Tera makes of it: enums as maps or names, units as none, characters as
//! text, of duplicate keys the last value at the place of the first.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};

use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::captured::{Captured, Entry, places};
use super::depth::Bounded;
use super::{failed, not_a_map};
use crate::base::error::{Result, invalid};
use crate::render::program::value::Key;

/// Room for what most prompts take, so that it seldom grows.
const ENTRIES: usize = 32;
const TEXT_BYTES: usize = 512;
/// Most keys that are compared each with each; beyond, a table is made.
const FEW_KEYS: usize = 32;

/// Whether the entry of this name is to be captured.
type Wanted<'w> = &'w dyn Fn(&str) -> bool;

impl Captured {
    /// The entries that are wanted, of a struct or a map; the others are not serialized. Nothing at all is an empty
    /// map. Keys that are numbers or bools become text, as Tera's context has them.
    pub(in crate::render) fn of<T: Serialize + ?Sized>(value: &T, wanted: Wanted<'_>) -> Result<Self> {
        let broken = Cell::new(None);
        let mut captured = Self::empty();
        Bounded::new(value, &broken)
            .serialize(Capture {
                out: &mut captured,
                wanted: Some(wanted),
            })
            .map_err(|error| failed(&broken, error))?;
        match captured.entries.first() {
            Some(Entry::Map { .. }) => {}
            Some(Entry::None) => captured.entries = vec![Entry::Map { len: 0, size: 0 }],
            _ => return Err(not_a_map()),
        }
        Ok(captured)
    }

    /// A value of any kind, whole.
    pub(super) fn whole<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let broken = Cell::new(None);
        let mut captured = Self::empty();
        let done = Bounded::new(value, &broken).serialize(Capture {
            out: &mut captured,
            wanted: None,
        });
        match (done, broken.get()) {
            (Ok(()), _) => Ok(captured),
            (Err(_), Some(broken)) => Err(broken.into()),
            (Err(error), None) => Err(invalid(
                "the value cannot be a parameter; pass one of texts, numbers, bools, lists and maps",
            )
            .caused_by(error)),
        }
    }

    fn empty() -> Self {
        Self {
            entries: Vec::with_capacity(ENTRIES),
            texts: String::with_capacity(TEXT_BYTES),
        }
    }

    fn mark(&self) -> Mark {
        Mark(self.entries.len(), self.texts.len())
    }

    fn back_to(&mut self, Mark(entries, texts): Mark) {
        self.entries.truncate(entries);
        self.texts.truncate(texts);
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// A value with all that is in it, or nothing of it.
    fn child<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let mark = self.mark();
        let done = value.serialize(Capture {
            out: self,
            wanted: None,
        });
        if done.is_err() {
            self.back_to(mark);
        }
        done
    }

    fn push_text(&mut self, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        self.push(Entry::Text {
            start,
            len: text.len(),
        });
    }

    fn push_display(&mut self, value: impl Display) -> Result<(), Refused> {
        let start = self.texts.len();
        write!(self.texts, "{value}").map_err(ser::Error::custom)?;
        let len = self.texts.len() - start;
        self.push(Entry::Text { start, len });
        Ok(())
    }

    /// Says how much is in the map at a place, once all of it is there.
    fn close_map(&mut self, at: usize, len: usize) {
        let len = self.without_duplicates(at, len);
        let size = self.entries.len() - at - 1;
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::Map { len, size };
        }
    }

    fn close_list(&mut self, at: usize, len: usize) {
        let size = self.entries.len() - at - 1;
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::List { len, size };
        }
    }

    fn has_duplicates(&self, map: usize, len: usize) -> bool {
        let keys = || places(self, map, len).filter_map(|at| self.key_at(at));
        if len <= FEW_KEYS {
            keys()
                .enumerate()
                .any(|(i, key)| keys().take(i).any(|before| before == key))
        } else {
            let mut seen =
                std::collections::HashSet::with_capacity_and_hasher(len, ahash::RandomState::new());
            keys().any(|key| !seen.insert(key))
        }
    }

    /// Keeps of each key the last value, at the place of the first; how many entries are left.
    fn without_duplicates(&mut self, map: usize, len: usize) -> usize {
        if !self.has_duplicates(map, len) {
            return len;
        }
        let mut kept: Vec<(usize, usize)> = Vec::with_capacity(len);
        let mut seen: HashMap<Key<'_>, usize, ahash::RandomState> = HashMap::default();
        for at in places(self, map, len) {
            let Some(key) = self.key_at(at) else { continue };
            let place = *seen.entry(key).or_insert(kept.len());
            match kept.get_mut(place) {
                Some((_, value)) => *value = at + 1,
                None => kept.push((at, at + 1)),
            }
        }
        let mut entries = Vec::with_capacity(self.entries.len() - map - 1);
        for (key, value) in &kept {
            entries.extend(self.entries.get(*key));
            entries.extend(self.entries.get(*value..self.after(*value)).unwrap_or_default());
        }
        self.entries.truncate(map + 1);
        self.entries.append(&mut entries);
        kept.len()
    }
}

/// How much there was, of entries and of text.
#[derive(Clone, Copy)]
struct Mark(usize, usize);

/// Why a value is not captured.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes one value.
struct Capture<'c, 'w> {
    out: &'c mut Captured,
    /// For the parameters themselves, of which not all may be wanted.
    wanted: Option<Wanted<'w>>,
}

impl<'c, 'w> Capture<'c, 'w> {
    fn put(self, entry: Entry) -> Result<(), Refused> {
        self.out.push(entry);
        Ok(())
    }

    fn open(self) -> Open<'c, 'w> {
        let at = self.out.entries.len();
        self.out.push(Entry::None);
        Open {
            out: self.out,
            wanted: self.wanted,
            at,
            len: 0,
            last: Last::Whole,
            variant: None,
        }
    }

    /// A variant with what is in it: a map of its name alone.
    fn open_variant(self, name: &'static str) -> Open<'c, 'w> {
        let around = self.out.entries.len();
        let wanted = self.wanted.is_none_or(|wanted| wanted(name));
        self.out.push(Entry::None);
        self.out.push(Entry::Name(name));
        let inner = Self {
            out: self.out,
            wanted: None,
        };
        Open {
            variant: Some(Variant { around, wanted }),
            ..inner.open()
        }
    }
}

macro_rules! integers {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, value: $type) -> Result<(), Refused> {
            self.put(Entry::Int(value.into()))
        })*
    };
}

impl<'c, 'w> Serializer for Capture<'c, 'w> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Open<'c, 'w>;
    type SerializeTuple = Open<'c, 'w>;
    type SerializeTupleStruct = Open<'c, 'w>;
    type SerializeTupleVariant = Open<'c, 'w>;
    type SerializeMap = Open<'c, 'w>;
    type SerializeStruct = Open<'c, 'w>;
    type SerializeStructVariant = Open<'c, 'w>;

    integers! {
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        self.put(i128::try_from(value).map_or(Entry::Huge(value), Entry::Int))
    }

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.put(Entry::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.put(Entry::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        self.put(Entry::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.out.push_text(value);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.out.push_display(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Refused> {
        Err(ser::Error::custom("raw bytes"))
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.put(Entry::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.put(Entry::None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.put(Entry::None)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Refused> {
        self.put(Entry::Name(name))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        let mut map = self.open();
        SerializeStruct::serialize_field(&mut map, name, value)?;
        SerializeStruct::end(map)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open())
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open_variant(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Open<'c, 'w>, Refused> {
        Ok(self.open_variant(name))
    }
}

/// A list or a map of which more may come.
struct Open<'c, 'w> {
    out: &'c mut Captured,
    wanted: Option<Wanted<'w>>,
    at: usize,
    len: usize,
    last: Last,
    variant: Option<Variant>,
}

/// What was written last.
#[derive(Clone, Copy)]
enum Last {
    /// An entry with its value.
    Whole,
    /// A key, from there on; its value is to come.
    Key(Mark),
    /// A key that is not wanted, and so not there.
    Unwanted,
}

/// The map around what is in a variant.
#[derive(Clone, Copy)]
struct Variant {
    around: usize,
    wanted: bool,
}

impl Open<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if self.variant.is_some_and(|variant| !variant.wanted) {
            return Ok(());
        }
        self.out.child(value)?;
        self.len += 1;
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        let unwanted = self.variant.is_some_and(|variant| !variant.wanted);
        if unwanted || self.wanted.is_some_and(|wanted| !wanted(name)) {
            return Ok(());
        }
        let mark = self.out.mark();
        self.out.push(Entry::Name(name));
        let done = self.out.child(value);
        match done {
            Ok(()) => self.len += 1,
            Err(_) => self.out.back_to(mark),
        }
        done
    }

    fn close_list(self) {
        self.out.close_list(self.at, self.len);
        self.close_variant();
    }

    fn close_map(self) {
        self.out.close_map(self.at, self.len);
        self.close_variant();
    }

    fn close_variant(self) {
        match self.variant {
            Some(Variant { around, wanted: true }) => self.out.close_map(around, 1),
            Some(Variant {
                around,
                wanted: false,
            }) => {
                self.out.entries.truncate(around + 1);
                self.out.close_map(around, 0);
            }
            None => {}
        }
    }
}

macro_rules! elements {
    ($($compound:ident::$method:ident)*) => {
        $(impl $compound for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.element(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close_list();
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($compound:ident)*) => {
        $(impl $compound for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close_map();
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        // One without a value.
        if let Last::Key(mark) = self.last {
            self.out.back_to(mark);
        }
        let mark = self.out.mark();
        let done = key.serialize(KeyCapture {
            out: self.out,
            as_text: self.wanted.is_some(),
        });
        self.last = Last::Whole;
        if done.is_err() {
            self.out.back_to(mark);
            return done;
        }
        let Mark(at, _) = mark;
        self.last = match (self.wanted, self.out.key_at(at)) {
            (Some(wanted), Some(Key::Str(name))) if !wanted(name) => {
                self.out.back_to(mark);
                Last::Unwanted
            }
            _ => Last::Key(mark),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        match std::mem::replace(&mut self.last, Last::Whole) {
            Last::Whole => Err(ser::Error::custom("a map has a value without a key")),
            Last::Unwanted => Ok(()),
            Last::Key(mark) => {
                let done = self.out.child(value);
                match done {
                    Ok(()) => self.len += 1,
                    Err(_) => self.out.back_to(mark),
                }
                done
            }
        }
    }

    fn end(self) -> Result<(), Refused> {
        if let Last::Key(mark) = self.last {
            self.out.back_to(mark);
        }
        self.close_map();
        Ok(())
    }
}

/// Writes the key of a map.
struct KeyCapture<'c> {
    out: &'c mut Captured,
    /// Whether numbers and bools become text.
    as_text: bool,
}

impl KeyCapture<'_> {
    fn put(self, value: impl Display, entry: Entry) -> Result<(), Refused> {
        if self.as_text {
            return self.out.push_display(value);
        }
        self.out.push(entry);
        Ok(())
    }
}

fn no_key<T>() -> Result<T, Refused> {
    Err(ser::Error::custom(
        "a key of a map is neither text nor an integer nor a bool",
    ))
}

macro_rules! integer_keys {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, value: $type) -> Result<(), Refused> {
            self.put(value, Entry::Int(value.into()))
        })*
    };
}

macro_rules! no_keys {
    ($($method:ident($($argument:ty),*) -> $result:ty)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, Refused> {
            no_key()
        })*
    };
}

impl Serializer for KeyCapture<'_> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Impossible<(), Refused>;
    type SerializeTuple = Impossible<(), Refused>;
    type SerializeTupleStruct = Impossible<(), Refused>;
    type SerializeTupleVariant = Impossible<(), Refused>;
    type SerializeMap = Impossible<(), Refused>;
    type SerializeStruct = Impossible<(), Refused>;
    type SerializeStructVariant = Impossible<(), Refused>;

    integer_keys! {
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
    }

    no_keys! {
        serialize_f32(f32) -> ()
        serialize_f64(f64) -> ()
        serialize_bytes(&[u8]) -> ()
        serialize_none() -> ()
        serialize_unit() -> ()
        serialize_unit_struct(&'static str) -> ()
        serialize_seq(Option<usize>) -> Self::SerializeSeq
        serialize_tuple(usize) -> Self::SerializeTuple
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant
        serialize_map(Option<usize>) -> Self::SerializeMap
        serialize_struct(&'static str, usize) -> Self::SerializeStruct
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant
    }

    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        self.put(
            value,
            i128::try_from(value).map_or(Entry::Huge(value), Entry::Int),
        )
    }

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.put(value, Entry::Bool(value))
    }

    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.out.push_text(value);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.out.push_display(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Refused> {
        self.out.push(Entry::Name(name));
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Refused> {
        no_key()
    }
}
