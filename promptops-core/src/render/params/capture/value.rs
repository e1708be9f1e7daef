//! The serializer of values.

use std::fmt::Display;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::key::KeyCapture;
use super::{Mark, Refused, Wanted};
use crate::render::params::captured::{Captured, Entry};
use crate::render::program::value::Key;

/// Writes one value.
pub(super) struct Capture<'c, 'w> {
    pub(super) out: &'c mut Captured,
    /// For the parameters themselves, of which not all may be wanted.
    pub(super) wanted: Option<Wanted<'w>>,
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
pub(super) struct Open<'c, 'w> {
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
