//! What is taken from lists and maps, or makes others of them.

use crate::render::program::access;
use crate::render::program::arguments::{integer, list, map, required, text};
use crate::render::program::budget::{Budget, Fault, Faulty};
use crate::render::program::compare::find;
use crate::render::program::print::{Scratch, Sink as _, print};
use crate::render::program::value::{Key, Val};

/// Elements that are only gone through and count as one step.
const PASSED_PER_STEP: usize = 16;

pub(super) fn first<'a>(input: &Val<'a>) -> Faulty<Val<'a>> {
    Ok(list(input)?.get(0).unwrap_or(Val::None))
}

pub(super) fn last<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let list = list(input)?;
    match list.len().checked_sub(1) {
        Some(last) => Ok(access::nth(list, last, budget)?.unwrap_or(Val::None)),
        None => Ok(Val::None),
    }
}

pub(super) fn nth<'a>(input: &Val<'a>, n: Option<&Val<'a>>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let list = list(input)?;
    let n = integer::<usize>(required(n, "n")?)?;
    if n >= list.len() {
        return Ok(Val::None);
    }
    Ok(access::nth(list, n, budget)?.unwrap_or(Val::None))
}

pub(super) fn get<'a>(
    input: &Val<'a>,
    key: Option<&Val<'a>>,
    default: Option<&Val<'a>>,
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let map = map(input)?;
    let key = text(required(key, "key")?)?;
    let found = find(map, Key::Str(key), budget)?;
    found
        .or_else(|| default.cloned())
        .ok_or_else(|| Fault::Call("the map does not have the key; pass `default=`".into()))
}

/// Elements, entries or characters.
pub(super) fn length(input: &Val<'_>, budget: &mut Budget) -> Faulty<Val<'static>> {
    let length = match (input, input.as_str()) {
        (_, Some(text)) => {
            budget.read(text.len())?;
            text.chars().count()
        }
        (Val::List(list), _) => list.len(),
        (Val::Map(map), _) => map.len(),
        (other, _) => {
            let what = format!("Value of type {} has no length", other.type_name());
            return Err(Fault::Call(what.into()));
        }
    };
    Ok(Val::Int(length as i128))
}

pub(super) fn reverse<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    if let Some(text) = input.as_str() {
        budget.make(text.len())?;
        return Ok(Val::text(text.chars().rev().collect::<String>()));
    }
    let Val::List(list) = input else {
        let what = format!("Value of type {} cannot be reversed", input.type_name());
        return Err(Fault::Call(what.into()));
    };
    budget.make_list(list.len())?;
    let mut items: Vec<Val<'a>> = list.iter().collect();
    items.reverse();
    Ok(Val::list(items))
}

pub(super) fn keys<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let map = map(input)?;
    budget.make_list(map.len())?;
    Ok(Val::list(map.iter().map(|(key, _)| Val::from(key)).collect()))
}

pub(super) fn values<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let map = map(input)?;
    budget.make_list(map.len())?;
    Ok(Val::list(map.iter().map(|(_, value)| value).collect()))
}

pub(super) fn join<'a>(input: &Val<'a>, separator: Option<&Val<'a>>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let list = list(input)?;
    let separator = separator.map_or(Ok(""), text)?;
    // Elements that print nothing cost nothing below.
    budget.step((list.len() / PASSED_PER_STEP) as u64)?;
    let mut joined = Scratch::new(budget);
    for (i, item) in list.iter().enumerate() {
        if i > 0 && !separator.is_empty() {
            joined.push(separator)?;
        }
        print(&item, &mut joined)?;
    }
    Ok(Val::text(joined.text))
}
