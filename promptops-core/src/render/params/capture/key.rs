//! The serializer of keys.

use std::fmt::Display;

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::Refused;
use crate::render::params::captured::{Captured, Entry};

/// Writes the key of a map.
pub(super) struct KeyCapture<'c> {
    pub(super) out: &'c mut Captured,
    /// Whether numbers and bools become text.
    pub(super) as_text: bool,
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
