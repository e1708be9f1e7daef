//! `range(end=…, start=…, step_by=…)`, as Tera has it, without making a list.

use super::budget::{Fault, Faulty};
use super::value::{List, Range, Val};

/// Most elements: what Tera takes.
const MAX_ELEMENTS: i128 = 100_000;

/// The numbers from `start` (0 without) to before `end`, `step` apart (1 without).
pub(super) fn range<'a>(
    end: Option<Val<'a>>,
    start: Option<Val<'a>>,
    step: Option<Val<'a>>,
) -> Faulty<Val<'a>> {
    let Some(end) = end else {
        return Err(Fault::Call("Missing keyword argument `end` of `range`".into()));
    };
    let end = integer("end", &end)?;
    let start = start.map_or(Ok(0), |start| integer("start", &start))?;
    let step = step.map_or(Ok(1), |step| integer("step_by", &step))?;
    if start > end && step > 0 {
        return Err(called("a `start` argument greater than the `end` one"));
    }
    let elements = elements(start, end, step)?;
    if elements > MAX_ELEMENTS {
        return Err(Fault::Call(
            format!("`range` makes at most {MAX_ELEMENTS} elements").into(),
        ));
    }
    let range = Range {
        start,
        step,
        len: usize::try_from(elements).unwrap_or_default(),
    };
    Ok(Val::List(List::Range(range.into())))
}

fn called(with: &str) -> Fault {
    Fault::Call(format!("Function `range` was called with {with}").into())
}

fn elements(start: i128, end: i128, step: i128) -> Faulty<i128> {
    let overflow = || called("arguments that overflow i128");
    if step == 0 {
        return Err(called("a `step_by` argument of 0"));
    }
    let (span, step) = if step > 0 {
        (end.checked_sub(start), Some(step))
    } else if start <= end {
        return Ok(0);
    } else {
        (start.checked_sub(end), step.checked_neg())
    };
    let (span, step) = span.zip(step).ok_or_else(overflow)?;
    Ok(span.checked_add(step - 1).ok_or_else(overflow)? / step)
}

fn integer(name: &str, value: &Val<'_>) -> Faulty<i128> {
    // `i128::MAX` as a float is one more than it is.
    let (least, above) = (i128::MIN as f64, i128::MAX as f64);
    match value {
        Val::Int(value) => Ok(*value),
        Val::Float(value) if value.trunc() == *value && (least..above).contains(value) => Ok(*value as i128),
        Val::Undefined => Err(Fault::Missing),
        value => Err(called(&format!(
            "`{name}` of type `{}`; expected an integer",
            value.type_name()
        ))),
    }
}
