//! Bounds on the shape of parameters, checked while they are serialized.
//!
//! Serializing, dropping and printing values recurse, so that a value nested without end would overflow the stack.
//! Wrapping the serializer costs a counter and no pass of its own.

use std::cell::Cell;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;

use crate::base::error::{Error, invalid};

/// Deepest nesting: what JSON parsers take.
pub(super) const MAX_DEPTH: usize = 128;
/// Most entries of one map. The engine lists the keys of a map of which it does not find one.
pub(super) const MAX_ENTRIES: usize = 100_000;

/// What was broken while serializing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Depth,
    Entries,
    Bytes,
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        invalid(match broken {
            Broken::Depth => {
                format!("the parameters are nested deeper than {MAX_DEPTH} levels; pass flatter values")
            }
            Broken::Entries => {
                format!("a map in the parameters has more than {MAX_ENTRIES} entries; pass a list, or less")
            }
            Broken::Bytes => "a value in the parameters is raw bytes; pass text".to_owned(),
        })
    }
}

/// Holds JSON to the bounds, as serializing it would.
pub(super) fn check(json: &Value) -> Result<(), Broken> {
    fn within(json: &Value, depth: usize) -> Result<(), Broken> {
        if depth > MAX_DEPTH {
            return Err(Broken::Depth);
        }
        match json {
            Value::Array(items) => items.iter().try_for_each(|item| within(item, depth + 1)),
            Value::Object(map) if map.len() > MAX_ENTRIES => Err(Broken::Entries),
            Value::Object(map) => map.values().try_for_each(|value| within(value, depth + 1)),
            _ => Ok(()),
        }
    }
    within(json, 0)
}

/// A value that refuses to be serialized when it breaks a bound, and says which in `broken`.
pub(super) struct Bounded<'a, T: ?Sized> {
    value: &'a T,
    depth: usize,
    broken: &'a Cell<Option<Broken>>,
}

impl<'a, T: ?Sized> Bounded<'a, T> {
    pub(super) fn new(value: &'a T, broken: &'a Cell<Option<Broken>>) -> Self {
        Self {
            value,
            depth: 0,
            broken,
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for Bounded<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > MAX_DEPTH {
            self.broken.set(Some(Broken::Depth));
            return Err(S::Error::custom("nested too deeply"));
        }
        self.value.serialize(Within {
            inner: serializer,
            depth: self.depth,
            entries: 0,
            broken: self.broken,
        })
    }
}

/// The serializer within such a value, or one of its compounds.
struct Within<'a, S> {
    inner: S,
    depth: usize,
    entries: usize,
    broken: &'a Cell<Option<Broken>>,
}

impl<'a, S> Within<'a, S> {
    /// What is one level further in.
    fn wrap<'b, T: ?Sized>(&self, value: &'b T) -> Bounded<'b, T>
    where
        'a: 'b,
    {
        Bounded {
            value,
            depth: self.depth + 1,
            broken: self.broken,
        }
    }

    fn with<C>(self, inner: C) -> Within<'a, C> {
        Within {
            inner,
            depth: self.depth,
            entries: 0,
            broken: self.broken,
        }
    }
}

macro_rules! forward {
    ($($method:ident($value:ident: $type:ty))*) => {
        $(fn $method(self, $value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method($value)
        })*
    };
}

macro_rules! compound {
    ($($method:ident($($argument:ident: $type:ty),*) -> $compound:ident)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::$compound, S::Error> {
            let Self { inner, depth, entries, broken } = self;
            let inner = inner.$method($($argument),*)?;
            Ok(Within { inner: (), depth, entries, broken }.with(inner))
        })*
    };
}

impl<'a, S: Serializer> Serializer for Within<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Within<'a, S::SerializeSeq>;
    type SerializeTuple = Within<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Within<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Within<'a, S::SerializeTupleVariant>;
    type SerializeMap = Within<'a, S::SerializeMap>;
    type SerializeStruct = Within<'a, S::SerializeStruct>;
    type SerializeStructVariant = Within<'a, S::SerializeStructVariant>;

    forward! {
        serialize_bool(v: bool)
        serialize_i8(v: i8)
        serialize_i16(v: i16)
        serialize_i32(v: i32)
        serialize_i64(v: i64)
        serialize_i128(v: i128)
        serialize_u8(v: u8)
        serialize_u16(v: u16)
        serialize_u32(v: u32)
        serialize_u64(v: u64)
        serialize_u128(v: u128)
        serialize_f32(v: f32)
        serialize_f64(v: f64)
        serialize_char(v: char)
        serialize_str(v: &str)
        serialize_unit_struct(name: &'static str)
    }

    compound! {
        serialize_seq(len: Option<usize>) -> SerializeSeq
        serialize_tuple(len: usize) -> SerializeTuple
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant
        serialize_map(len: Option<usize>) -> SerializeMap
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant
    }

    // JSON has a list of numbers for them, Tera a kind of text: neither is what a prompt is to say.
    fn serialize_bytes(self, _: &[u8]) -> Result<S::Ok, S::Error> {
        self.broken.set(Some(Broken::Bytes));
        Err(S::Error::custom("raw bytes"))
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.wrap(value);
        self.inner.serialize_some(&value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.wrap(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.wrap(value);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($compound:ident::$method:ident)*) => {
        $(impl<S: $compound> $compound for Within<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                let value = self.wrap(value);
                self.inner.$method(&value)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
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
        $(impl<S: $compound> $compound for Within<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                let value = self.wrap(value);
                self.inner.serialize_field(key, &value)
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl<S: SerializeMap> SerializeMap for Within<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            self.broken.set(Some(Broken::Entries));
            return Err(S::Error::custom("too many entries"));
        }
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let value = self.wrap(value);
        self.inner.serialize_value(&value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
