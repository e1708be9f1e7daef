//! Arguments and inputs of filters and tests as the types they are taken for, as Tera converts them.

use super::budget::{Fault, Faulty};
use super::value::{List, Map, Val};

pub(super) fn wrong_type(expected: &str, found: &Val<'_>) -> Fault {
    let found = found.type_name();
    Fault::Input(format!("Invalid type for the value, expected `{expected}` but got `{found}`").into())
}

/// An argument that must be there.
pub(super) fn required<'v, 'a>(argument: Option<&'v Val<'a>>, name: &str) -> Faulty<&'v Val<'a>> {
    argument.ok_or_else(|| Fault::Call(format!("Missing keyword argument `{name}`").into()))
}

pub(super) fn text<'v>(value: &'v Val<'_>) -> Faulty<&'v str> {
    value.as_str().ok_or_else(|| wrong_type("string", value))
}

pub(super) fn boolean(value: &Val<'_>) -> Faulty<bool> {
    match value {
        Val::Bool(value) => Ok(*value),
        other => Err(wrong_type("bool", other)),
    }
}

pub(super) fn list<'v, 'a>(value: &'v Val<'a>) -> Faulty<&'v List<'a>> {
    match value {
        Val::List(list) => Ok(list),
        other => Err(wrong_type("array", other)),
    }
}

pub(super) fn map<'v, 'a>(value: &'v Val<'a>) -> Faulty<&'v Map<'a>> {
    match value {
        Val::Map(map) => Ok(map),
        other => Err(wrong_type("map", other)),
    }
}

/// A number as a float, rounded where it has to be.
pub(super) fn float(value: &Val<'_>) -> Faulty<f64> {
    match value {
        Val::Int(value) => Ok(*value as f64),
        Val::Huge(value) => Ok(*value as f64),
        Val::Float(value) => Ok(*value),
        other => Err(wrong_type("number", other)),
    }
}

/// An integer, or a float that is a whole number.
pub(super) fn integer<T>(value: &Val<'_>) -> Faulty<T>
where
    T: TryFrom<i128> + TryFrom<u128>,
{
    let converted = match value {
        Val::Int(value) => T::try_from(*value).ok(),
        Val::Huge(value) => T::try_from(*value).ok(),
        // Infinity is whole too.
        Val::Float(value) if value.trunc() == *value => {
            whole(*value).and_then(|value| T::try_from(value).ok())
        }
        other => return Err(wrong_type("integer", other)),
    };
    converted.ok_or_else(|| Fault::Call("the number is out of the range that is taken here".into()))
}

/// A float as the integer that it is worth.
pub(super) fn whole(value: f64) -> Option<i128> {
    // `i128::MAX` as a float is one more than it is.
    let range = i128::MIN as f64..i128::MAX as f64;
    (range.contains(&value) && value.fract() == 0.0).then_some(value as i128)
}
