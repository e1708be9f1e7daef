//! Arithmetic, as Tera has it: integers stay integers but for `/` and negative powers, and never wrap around.

use std::borrow::Cow;

use super::budget::{Fault, Faulty};
use super::value::Val;
use crate::template::BinaryOp;

/// Whose place an error is told with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    Both,
}

/// Two numbers of one type.
enum Pair {
    Ints(i128, i128),
    Floats(f64, f64),
}

/// The result of `+`, `-`, `*`, `/`, `//`, `%` or `**`.
pub(super) fn arithmetic(
    op: BinaryOp,
    left: &Val<'_>,
    right: &Val<'_>,
) -> Result<Val<'static>, (Side, Fault)> {
    require_numbers(op, left, right)?;
    let both = |what: &'static str| (Side::Both, Fault::Input(what.into()));
    let pair = pair(left, right)
        .ok_or_else(|| both("Operands of arithmetic must fit in i128; the value is too large a number"))?;
    let by_zero = match pair {
        Pair::Ints(_, right) => right == 0,
        Pair::Floats(_, right) => right == 0.0,
    };
    if by_zero && matches!(op, BinaryOp::Divide | BinaryOp::FloorDivide | BinaryOp::Remainder) {
        return Err((Side::Right, Fault::Input("Cannot divide by 0".into())));
    }
    match pair {
        Pair::Ints(left, right) => {
            ints(op, left, right).ok_or_else(|| both("the result is too large a number"))
        }
        Pair::Floats(left, right) => Ok(Val::Float(floats(op, left, right))),
    }
}

fn require_numbers(op: BinaryOp, left: &Val<'_>, right: &Val<'_>) -> Result<(), (Side, Fault)> {
    if left.is_number() && right.is_number() {
        return Ok(());
    }
    if op == BinaryOp::Add {
        let what = format!(
            "`+` requires both operands to be numbers, found `{}` and `{}`",
            left.type_name(),
            right.type_name()
        );
        return Err((Side::Both, Fault::Input(what.into())));
    }
    let (side, found) = if left.is_number() {
        (Side::Right, right)
    } else {
        (Side::Left, left)
    };
    let what = format!(
        "Math operations can only be done on numbers, found `{}`",
        found.type_name()
    );
    Err((side, Fault::Input(what.into())))
}

fn pair(left: &Val<'_>, right: &Val<'_>) -> Option<Pair> {
    Some(match (left, right) {
        (Val::Int(left), Val::Int(right)) => Pair::Ints(*left, *right),
        (Val::Int(left), Val::Float(right)) => Pair::Floats(*left as f64, *right),
        (Val::Float(left), Val::Int(right)) => Pair::Floats(*left, *right as f64),
        (Val::Float(left), Val::Float(right)) => Pair::Floats(*left, *right),
        _ => return None,
    })
}

/// `None` for what is out of range.
fn ints(op: BinaryOp, left: i128, right: i128) -> Option<Val<'static>> {
    let value = match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::FloorDivide => left.checked_div_euclid(right),
        BinaryOp::Remainder => left.checked_rem_euclid(right),
        BinaryOp::Power if right >= 0 => left.checked_pow(u32::try_from(right).ok()?),
        _ => return Some(Val::Float(floats(op, left as f64, right as f64))),
    };
    value.map(Val::Int)
}

fn floats(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::FloorDivide => left.div_euclid(right),
        BinaryOp::Remainder => left.rem_euclid(right),
        BinaryOp::Power => left.powf(right),
        // No arithmetic.
        _ => f64::NAN,
    }
}

/// The number with the other sign.
pub(super) fn negate(value: &Val<'_>) -> Faulty<Val<'static>> {
    let what: Cow<'static, str> = match value {
        Val::Float(value) => return Ok(Val::Float(-value)),
        Val::Int(value) => match value.checked_neg() {
            Some(negated) => return Ok(Val::Int(negated)),
            None => "Cannot negate the value: too large a number".into(),
        },
        Val::Huge(_) => "Cannot negate the value: too large a number".into(),
        other => format!("Only numbers can be negated, found `{}`", other.type_name()).into(),
    };
    Err(Fault::Input(what))
}
