//! `abs`, `int`, `float`, `round`, `pluralize`.

use crate::render::program::arguments::{float as as_float, integer, text, whole};
use crate::render::program::budget::{Budget, Fault, Faulty};
use crate::render::program::value::Val;

/// Bytes that could be read in the time that one digit of 128 bits takes.
const READ_FOR_DIGIT: usize = 4;

pub(super) fn abs(input: &Val<'_>) -> Faulty<Val<'static>> {
    match input {
        Val::Float(value) => Ok(Val::Float(value.abs())),
        Val::Huge(value) => Ok(Val::Huge(*value)),
        Val::Int(value) => match value.checked_abs() {
            Some(value) => Ok(Val::Int(value)),
            None => Err(Fault::Call("the result is too large a number".into())),
        },
        other => Err(Fault::Call(
            format!(
                "This filter can only be used on a number, received `{}`",
                other.type_name()
            )
            .into(),
        )),
    }
}

/// An integer of a number or of a text, which may be written in another base.
pub(super) fn int(input: &Val<'_>, base: Option<&Val<'_>>, budget: &mut Budget) -> Faulty<Val<'static>> {
    let base = base.map_or(Ok(10), integer::<u32>)?;
    if !(2..=36).contains(&base) {
        return Err(Fault::Call("the `base` of `int` must be between 2 and 36".into()));
    }
    if let Some(text) = input.as_str() {
        budget.read(text.len().saturating_mul(READ_FOR_DIGIT))?;
        let text = text.trim();
        let digits = match base {
            2 => text.trim_start_matches("0b"),
            8 => text.trim_start_matches("0o"),
            16 => text.trim_start_matches("0x"),
            _ => text,
        };
        return match i128::from_str_radix(digits, base) {
            Ok(value) => Ok(Val::Int(value)),
            Err(_) if digits.contains('.') => rounded(digits.parse().map_err(|_| no_number())?),
            Err(_) => Err(no_number()),
        };
    }
    match input {
        Val::Int(value) => Ok(Val::Int(*value)),
        Val::Huge(value) => Ok(Val::Huge(*value)),
        Val::Float(value) => rounded(*value),
        other => Err(cannot_become("an int", other)),
    }
}

fn rounded(value: f64) -> Faulty<Val<'static>> {
    whole(value)
        .map(Val::Int)
        .ok_or_else(|| Fault::Call("the number is not a whole one, or too large".into()))
}

fn no_number() -> Fault {
    Fault::Call("the text is not a number".into())
}

fn cannot_become(what: &str, value: &Val<'_>) -> Fault {
    Fault::Call(
        format!(
            "Value of type {} cannot be converted to {what}",
            value.type_name()
        )
        .into(),
    )
}

/// A float of a number or of a text.
pub(super) fn float(input: &Val<'_>, budget: &mut Budget) -> Faulty<Val<'static>> {
    if let Some(text) = input.as_str() {
        budget.read(text.len())?;
        return text.trim().parse().map(Val::Float).map_err(|_| no_number());
    }
    match input {
        Val::Int(value) => Ok(Val::Float(*value as f64)),
        Val::Float(value) => Ok(Val::Float(*value)),
        other => Err(cannot_become("a float", other)),
    }
}

/// A float with so many digits behind the point, `ceil` or `floor` instead of the nearest.
pub(super) fn round(
    input: &Val<'_>,
    method: Option<&Val<'_>>,
    precision: Option<&Val<'_>>,
) -> Faulty<Val<'static>> {
    let value = as_float(input)?;
    let method = method.map(text).transpose()?;
    let scale = match precision.map_or(Ok(0), integer::<i32>)? {
        0 => 1.0,
        precision => 10_f64.powi(precision),
    };
    let scaled = scale * value;
    let scaled = match method {
        None => scaled.round(),
        Some("ceil") => scaled.ceil(),
        Some("floor") => scaled.floor(),
        Some(_) => return Err(Fault::Call("expected `ceil` or `floor` as `method`".into())),
    };
    Ok(Val::Float(scaled / scale))
}

/// The ending of a noun after this many.
pub(super) fn pluralize<'a>(
    input: &Val<'a>,
    singular: Option<&Val<'a>>,
    plural: Option<&Val<'a>>,
) -> Faulty<Val<'a>> {
    let ending = |given: Option<&Val<'a>>, usual| match given {
        Some(given) => text(given).map(|_| given.clone()),
        None => Ok(Val::Str(usual)),
    };
    let (singular, plural) = (ending(singular, "")?, ending(plural, "s")?);
    match input {
        Val::Int(1 | -1) => Ok(singular),
        Val::Int(_) => Ok(plural),
        other => Err(Fault::Call(
            format!(
                "pluralize filter requires an integer, got `{}`",
                other.type_name()
            )
            .into(),
        )),
    }
}
