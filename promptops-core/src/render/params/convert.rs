//! What a parameter can be made of.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::builder::Params;
use super::param::{Kind, Param};

/// What a parameter can be made of without taking it: texts in it are borrowed.
///
/// Rather than a bound on `&T`, which the compiler would follow without end while it does not know `T`.
pub trait AsParam {
    /// The parameter.
    fn as_param(&self) -> Param<'_>;
}

impl<'a, T: AsParam + ?Sized> From<&'a T> for Param<'a> {
    #[inline]
    fn from(value: &'a T) -> Self {
        value.as_param()
    }
}

macro_rules! scalars {
    ($($type:ty: $value:ident => $kind:expr;)*) => {
        $(
            impl From<$type> for Param<'_> {
                #[inline]
                fn from($value: $type) -> Self {
                    Self($kind)
                }
            }

            impl AsParam for $type {
                fn as_param(&self) -> Param<'_> {
                    (*self).into()
                }
            }
        )*
    };
}

scalars! {
    (): _nothing => Kind::None;
    bool: value => Kind::Bool(value);
    i8: value => Kind::Int(value.into());
    i16: value => Kind::Int(value.into());
    i32: value => Kind::Int(value.into());
    i64: value => Kind::Int(value.into());
    i128: value => Kind::Int(value);
    isize: value => Kind::Int(value as i128);
    u8: value => Kind::Int(value.into());
    u16: value => Kind::Int(value.into());
    u32: value => Kind::Int(value.into());
    u64: value => Kind::Int(value.into());
    usize: value => Kind::Int(value as i128);
    u128: value => i128::try_from(value).map_or(Kind::Huge(value), Kind::Int);
    f32: value => Kind::Float(value.into());
    f64: value => Kind::Float(value);
    char: value => Kind::Char(value.into());
}

macro_rules! by_reference {
    ($($type:ty: $kind:ident;)*) => {
        $(impl AsParam for $type {
            #[inline]
            fn as_param(&self) -> Param<'_> {
                Param(Kind::$kind(self))
            }
        })*
    };
}

by_reference! {
    str: Str;
    String: Str;
    Cow<'_, str>: Str;
    Value: Json;
    Map<String, Value>: Object;
    Params<'_>: Borrowed;
}

impl<T: AsParam + ?Sized> AsParam for &T {
    #[inline]
    fn as_param(&self) -> Param<'_> {
        (**self).as_param()
    }
}

impl<T: AsParam> AsParam for Option<T> {
    fn as_param(&self) -> Param<'_> {
        self.as_ref().map_or(Param(Kind::None), T::as_param)
    }
}

impl<T: AsParam> AsParam for [T] {
    fn as_param(&self) -> Param<'_> {
        Param(Kind::List(self.iter().map(T::as_param).collect()))
    }
}

impl<T: AsParam, const N: usize> AsParam for [T; N] {
    fn as_param(&self) -> Param<'_> {
        self.as_slice().as_param()
    }
}

impl<T: AsParam> AsParam for Vec<T> {
    fn as_param(&self) -> Param<'_> {
        self.as_slice().as_param()
    }
}

impl From<String> for Param<'_> {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl<'a> From<Cow<'a, str>> for Param<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(match text {
            Cow::Borrowed(text) => Kind::Str(text),
            Cow::Owned(text) => Kind::Text(text),
        })
    }
}

impl From<Value> for Param<'_> {
    fn from(json: Value) -> Self {
        Self(Kind::OwnJson(Arc::new(json)))
    }
}

impl<'a> From<Params<'a>> for Param<'a> {
    fn from(params: Params<'a>) -> Self {
        Self(Kind::Map(params))
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Kind::None), T::into)
    }
}

impl<'a, T: Into<Param<'a>>> From<Vec<T>> for Param<'a> {
    fn from(items: Vec<T>) -> Self {
        Self(Kind::List(items.into_iter().map(T::into).collect()))
    }
}

impl<'a, T: Into<Param<'a>>, const N: usize> From<[T; N]> for Param<'a> {
    fn from(items: [T; N]) -> Self {
        Self(Kind::List(items.into_iter().map(T::into).collect()))
    }
}
