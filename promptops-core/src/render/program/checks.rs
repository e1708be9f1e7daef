//! The tests after `is`.

use super::arguments::{integer, required, text, wrong_type};
use super::budget::{Budget, Fault, Faulty};
use super::compare::{contains, has_part};
use super::value::Val;

/// A test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Array,
    Bool,
    Containing,
    Defined,
    DivisibleBy,
    EndingWith,
    Even,
    Float,
    Integer,
    Iterable,
    Map,
    None,
    Number,
    Odd,
    StartingWith,
    String,
    Undefined,
}

impl Check {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "array" => Self::Array,
            "bool" => Self::Bool,
            "containing" => Self::Containing,
            "defined" => Self::Defined,
            "divisible_by" => Self::DivisibleBy,
            "ending_with" => Self::EndingWith,
            "even" => Self::Even,
            "float" => Self::Float,
            "integer" => Self::Integer,
            "iterable" => Self::Iterable,
            "map" => Self::Map,
            "none" => Self::None,
            "number" => Self::Number,
            "odd" => Self::Odd,
            "starting_with" => Self::StartingWith,
            "string" => Self::String,
            "undefined" => Self::Undefined,
            _ => return None,
        })
    }

    /// The name of its argument, if it takes one.
    pub(super) fn argument(self) -> Option<&'static str> {
        match self {
            Self::Containing | Self::EndingWith | Self::StartingWith => Some("pat"),
            Self::DivisibleBy => Some("divisor"),
            _ => None,
        }
    }

    /// Whether a value passes. Only `defined` and `undefined` are asked of what may be missing.
    pub(super) fn holds(
        self,
        input: &Val<'_>,
        argument: Option<&Val<'_>>,
        budget: &mut Budget,
    ) -> Faulty<bool> {
        let argument = || required(argument, self.argument().unwrap_or_default());
        Ok(match self {
            Self::Array => matches!(input, Val::List(_)),
            Self::Bool => matches!(input, Val::Bool(_)),
            Self::Defined => !input.is_undefined(),
            Self::Float => matches!(input, Val::Float(_)),
            Self::Integer => matches!(input, Val::Int(_) | Val::Huge(_)),
            Self::Iterable => matches!(input, Val::List(_) | Val::Map(_) | Val::Str(_) | Val::Text(_)),
            Self::Map => matches!(input, Val::Map(_)),
            Self::None => matches!(input, Val::None),
            Self::Number => input.is_number(),
            Self::String => input.as_str().is_some(),
            Self::Undefined => input.is_undefined(),
            Self::Even => whole(input)? % 2 == 0,
            Self::Odd => whole(input)? % 2 != 0,
            Self::DivisibleBy => {
                let number = number(input)?;
                match integer::<i128>(argument()?)? {
                    0 => false,
                    // The least of all integers by -1 is out of range, and leaves nothing.
                    divisor => {
                        number
                            .ok_or_else(is_float)?
                            .checked_rem_euclid(divisor)
                            .unwrap_or(0)
                            == 0
                    }
                }
            }
            Self::StartingWith => {
                let (input, part) = (text(input)?, text(argument()?)?);
                budget.read(part.len().min(input.len()))?;
                input.starts_with(part)
            }
            Self::EndingWith => {
                let (input, part) = (text(input)?, text(argument()?)?);
                budget.read(part.len().min(input.len()))?;
                input.ends_with(part)
            }
            Self::Containing => match (argument()?, input) {
                (part, input) if input.as_str().is_some() => has_part(text(input)?, text(part)?, budget)?,
                (part, input @ (Val::List(_) | Val::Map(_))) => contains(input, part, budget)?,
                (_, input) => {
                    let what = format!(
                        "Value of type {} is not a container; cannot check for containment",
                        input.type_name()
                    );
                    return Err(Fault::Call(what.into()));
                }
            },
        })
    }
}

/// A number as an integer; `None` for floats.
fn number(value: &Val<'_>) -> Faulty<Option<i128>> {
    match value {
        Val::Int(value) => Ok(Some(*value)),
        Val::Float(_) => Ok(None),
        Val::Huge(_) => Err(Fault::Call("the number is out of the range of i128".into())),
        other => Err(wrong_type("number", other)),
    }
}

fn whole(value: &Val<'_>) -> Faulty<i128> {
    number(value)?.ok_or_else(is_float)
}

fn is_float() -> Fault {
    Fault::Call("Value of type float cannot be tested; expected an integer".into())
}
