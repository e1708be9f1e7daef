//! Equality, order and containment of values, as Tera has them.
//!
//! Numbers compare by what they are worth, integers of any width with floats exactly; unlike IEEE 754, `NaN` equals
//! itself and is greater than every other number. What is gone through is paid for: a step for every element, and for
//! long texts.

use std::cmp::Ordering;

use super::budget::{Budget, Fault, Faulty};
use super::value::{Key, MAX_DEPTH, Map, Val};

/// Bytes of a text that are read for nothing: looking at a value is paid for already.
const FREE_BYTES: usize = 64;

/// Whether two values are the same: lists by their elements, maps by their keys whatever the order.
#[inline]
pub(super) fn equal(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Faulty<bool> {
    equal_within(left, right, 1, budget)
}

fn equal_within(left: &Val<'_>, right: &Val<'_>, depth: usize, budget: &mut Budget) -> Faulty<bool> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        if left.len() != right.len() {
            return Ok(false);
        }
        read(left.len(), budget)?;
        return Ok(left == right);
    }
    match (left, right) {
        (Val::Undefined, Val::Undefined) | (Val::None, Val::None) => Ok(true),
        (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
        (Val::List(left), Val::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            let depth = deeper(depth)?;
            for (left, right) in left.iter().zip(right.iter()) {
                budget.step(1)?;
                if !equal_within(&left, &right, depth, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Map(left), Val::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            let depth = deeper(depth)?;
            for (key, left) in left.iter() {
                budget.step(1)?;
                let same = match find(right, key, budget)? {
                    Some(right) => equal_within(&left, &right, depth, budget)?,
                    None => false,
                };
                if !same {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (left, right) => Ok(numbers(left, right) == Some(Ordering::Equal)),
    }
}

/// How two values stand to each other; `None` for those that cannot be compared: of different types, or maps.
#[inline]
pub(super) fn order(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Faulty<Option<Ordering>> {
    order_within(left, right, 1, budget)
}

fn order_within(
    left: &Val<'_>,
    right: &Val<'_>,
    depth: usize,
    budget: &mut Budget,
) -> Faulty<Option<Ordering>> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        read(left.len().min(right.len()), budget)?;
        return Ok(Some(left.cmp(right)));
    }
    match (left, right) {
        (Val::Undefined, Val::Undefined) | (Val::None, Val::None) => Ok(Some(Ordering::Equal)),
        (Val::Bool(left), Val::Bool(right)) => Ok(Some(left.cmp(right))),
        (Val::List(left), Val::List(right)) => {
            let depth = deeper(depth)?;
            for (left, right) in left.iter().zip(right.iter()) {
                budget.step(1)?;
                match order_within(&left, &right, depth, budget)? {
                    Some(Ordering::Equal) => {}
                    decided => return Ok(decided),
                }
            }
            Ok(Some(left.len().cmp(&right.len())))
        }
        (left, right) => Ok(numbers(left, right)),
    }
}

/// The order that `sort` goes by: values that cannot be compared stand by their types, `none` last.
pub(super) fn total_order(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Faulty<Ordering> {
    Ok(order(left, right, budget)?.unwrap_or_else(|| rank(left).cmp(&rank(right))))
}

fn rank(value: &Val<'_>) -> u8 {
    match value {
        Val::Bool(_) => 0,
        Val::Int(_) | Val::Huge(_) | Val::Float(_) => 1,
        Val::Str(_) | Val::Text(_) => 2,
        Val::List(_) => 3,
        Val::Map(_) => 4,
        Val::None => 5,
        Val::Undefined => 6,
    }
}

/// Whether a list has an element, a text a part, a map a key. What cannot be one is simply not there.
pub(super) fn contains(container: &Val<'_>, needle: &Val<'_>, budget: &mut Budget) -> Faulty<bool> {
    if let Some(text) = container.as_str() {
        return match needle.as_str() {
            Some(part) => has_part(text, part, budget),
            None => Ok(false),
        };
    }
    match container {
        Val::List(list) => {
            for item in list.iter() {
                budget.step(1)?;
                if equal(&item, needle, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => match needle.as_key() {
            Some(key) => Ok(find(map, key, budget)?.is_some()),
            None => Ok(false),
        },
        other => Err(Fault::Input(
            format!(
                "`in` cannot be used on a container of type `{}`; it takes lists, texts and maps",
                other.type_name()
            )
            .into(),
        )),
    }
}

/// Whether a text has this part, paid for as if it were read to its end.
pub(super) fn has_part(text: &str, part: &str, budget: &mut Budget) -> Faulty<bool> {
    budget.read(text.len().saturating_add(part.len()))?;
    Ok(text.contains(part))
}

/// The value of a key, paid for.
pub(super) fn find<'a>(map: &Map<'a>, key: Key<'_>, budget: &mut Budget) -> Faulty<Option<Val<'a>>> {
    let bytes = match key {
        Key::Str(text) => text.len(),
        _ => 0,
    };
    read(bytes, budget)?;
    budget.step(map.lookup_cost(bytes))?;
    Ok(map.get(key))
}

#[inline]
fn read(bytes: usize, budget: &mut Budget) -> Faulty<()> {
    if bytes > FREE_BYTES {
        budget.read(bytes)
    } else {
        Ok(())
    }
}

fn deeper(depth: usize) -> Faulty<usize> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(Fault::Depth)
    }
}

/// How two numbers stand to each other; `None` when one of them is no number.
#[inline]
fn numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    Some(match (left, right) {
        (Val::Int(left), Val::Int(right)) => left.cmp(right),
        (Val::Huge(left), Val::Huge(right)) => left.cmp(right),
        (Val::Int(_), Val::Huge(_)) => Ordering::Less,
        (Val::Huge(_), Val::Int(_)) => Ordering::Greater,
        (Val::Float(left), Val::Float(right)) => left
            .partial_cmp(right)
            .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan())),
        (Val::Float(left), right) => with_integer(*left, right)?,
        (left, Val::Float(right)) => with_integer(*right, left)?.reverse(),
        _ => return None,
    })
}

/// How a float stands to an integer, exactly: neither is rounded to the type of the other.
fn with_integer(float: f64, integer: &Val<'_>) -> Option<Ordering> {
    let whole = float.floor();
    // Casts from floats stop at the ends of the type, which are told apart by comparing floats: `i128::MAX` and
    // `u128::MAX` as floats are the powers of two above them.
    let by_whole = match integer {
        Val::Int(_) | Val::Huge(_) if float.is_nan() => Ordering::Greater,
        Val::Int(_) if whole >= i128::MAX as f64 => Ordering::Greater,
        Val::Int(_) if whole < i128::MIN as f64 => Ordering::Less,
        Val::Int(integer) => (whole as i128).cmp(integer),
        Val::Huge(_) if whole >= u128::MAX as f64 => Ordering::Greater,
        Val::Huge(_) if whole < 0.0 => Ordering::Less,
        Val::Huge(integer) => (whole as u128).cmp(integer),
        _ => return None,
    };
    Some(by_whole.then(if float > whole {
        Ordering::Greater
    } else {
        Ordering::Equal
    }))
}
