//! Whether parameters of any type are of one that can be read where it is.
//!
//! `Any` cannot tell, since parameters may borrow and are not `'static`.

use serde_json::Value;

use super::builder::Params;

/// A type to look for, at the lifetime of a borrow.
trait Known {
    /// The type. Whatever the lifetimes of one that exists, it can be seen as this one for as long as it is borrowed:
    /// it has no lifetimes, or is covariant in its only one.
    type At<'a>: 'a;
}

impl Known for Value {
    type At<'a> = Self;
}

/// An object of JSON.
struct Object;

impl Known for Object {
    type At<'a> = serde_json::Map<String, Value>;
}

impl Known for Params<'_> {
    type At<'a> = Params<'a>;
}

/// The value as the type, if it is of it.
fn cast<'a, T: ?Sized, K: Known>(value: &'a T) -> Option<&'a K::At<'a>> {
    if typeid::of::<T>() != typeid::of::<K::At<'a>>() {
        return None;
    }
    let value: *const T = value;
    // SAFETY: the ids are equal, so that `T` is `K::At<'x>` for some `'x`, with the same layout, since lifetimes change
    // none; it is sized, so that the pointer keeps all that it needs. It came from a reference that is valid for `'a`
    // and shared, as is the result. `'x` outlives `'a`, because `&'a T` is well-formed only if `T: 'a`. By the
    // contract of `Known`, `K::At<'x>` is then a subtype of `K::At<'a>`: for `Value` and `Object` both are one type,
    // and `_shorten` has the compiler check it for `Params`.
    #[allow(
        unsafe_code,
        reason = "there is no safe way to look at a type that may borrow; the argument is above"
    )]
    Some(unsafe { &*value.cast::<K::At<'a>>() })
}

/// Compiles only while `Params` is covariant, which [`cast`] relies on.
const fn _shorten<'a: 'b, 'b>(params: &'b Params<'a>) -> &'b Params<'b> {
    params
}

/// The parameters as JSON, if that is what they are.
#[inline]
pub(super) fn json<T: ?Sized>(parameters: &T) -> Option<&Value> {
    cast::<T, Value>(parameters)
}

/// The parameters as an object of JSON, if that is what they are.
#[inline]
pub(super) fn object<T: ?Sized>(parameters: &T) -> Option<&serde_json::Map<String, Value>> {
    cast::<T, Object>(parameters)
}

/// The parameters as [`Params`], if that is what they are.
#[inline]
pub(super) fn params<'a, T: ?Sized>(parameters: &'a T) -> Option<&'a Params<'a>> {
    cast::<T, Params<'_>>(parameters)
}
