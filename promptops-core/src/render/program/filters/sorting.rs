//! `sort`: stable, by the elements themselves or by what a path leads to in each.

use std::cmp::Ordering;

use crate::render::limits::PATH_BYTES;
use crate::render::program::access;
use crate::render::program::arguments::{list, text};
use crate::render::program::budget::{Budget, Fault, Faulty};
use crate::render::program::compare::{find, order, total_order};
use crate::render::program::value::{Key, Val};

/// Comparisons of short values that count as one step.
const COMPARISONS_PER_STEP: usize = 4;

pub(super) fn sort<'a>(input: &Val<'a>, attribute: Option<&Val<'a>>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let list = list(input)?;
    if list.len() == 0 {
        return Ok(Val::list(Vec::new()));
    }
    let attribute = attribute.map(text).transpose()?;
    if attribute.is_some_and(|path| path.len() > PATH_BYTES) {
        return Err(Fault::Call(
            format!("The `attribute` argument is longer than {PATH_BYTES} bytes").into(),
        ));
    }
    budget.make_list(list.len())?;
    let items: Vec<Val<'a>> = list.iter().collect();
    let keys = match attribute {
        Some(path) => {
            budget.make_list(items.len())?;
            let mut keys = Vec::with_capacity(items.len());
            for item in &items {
                keys.push(at_path(item, path, budget)?.ok_or_else(|| {
                    Fault::Call("an element of the list does not have the attribute".into())
                })?);
            }
            Some(keys)
        }
        None => None,
    };
    let keys = keys.as_deref().unwrap_or(&items);
    let sorted = sorted(keys.iter().zip(&items).collect(), budget)?;
    comparable(&sorted, budget)?;
    Ok(Val::list(
        sorted.into_iter().map(|(_, item)| item.clone()).collect(),
    ))
}

/// What a path of names and places leads to; `none` at once in `none`.
fn at_path<'a>(value: &Val<'a>, path: &str, budget: &mut Budget) -> Faulty<Option<Val<'a>>> {
    match value {
        Val::Undefined => return Ok(None),
        Val::None => return Ok(Some(Val::None)),
        _ => {}
    }
    let mut value = value.clone();
    for name in path.split('.') {
        // Read for every element: zeros do not make a number too large.
        budget.read(name.len())?;
        let found = match (name.parse::<usize>(), value) {
            (Ok(place), Val::List(list)) if place < list.len() => access::nth(&list, place, budget)?,
            (Err(_), Val::Map(map)) => find(&map, Key::Str(name), budget)?,
            _ => None,
        };
        match found {
            Some(found) => value = found,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// An element with what it is sorted by before it.
type Keyed<'v, 'a> = (&'v Val<'a>, &'v Val<'a>);

/// A merge sort: that of the standard library may panic where the order is none, as that of lists is which hold values
/// of different types, and cannot stop when nothing is left to spend.
fn sorted<'v, 'a>(mut items: Vec<Keyed<'v, 'a>>, budget: &mut Budget) -> Faulty<Vec<Keyed<'v, 'a>>> {
    let bytes = items.len().saturating_mul(size_of::<Keyed<'_, '_>>());
    budget.make(bytes.saturating_mul(2))?;
    let mut merged = Vec::with_capacity(items.len());
    let mut width = 1;
    while width < items.len() {
        budget.step((items.len() / COMPARISONS_PER_STEP) as u64 + 1)?;
        for runs in items.chunks(2 * width) {
            let (mut left, mut right) = runs.split_at(width.min(runs.len()));
            while let ([first, after_left @ ..], [second, after_right @ ..]) = (left, right) {
                if total_order(first.0, second.0, budget)? == Ordering::Greater {
                    merged.push(*second);
                    right = after_right;
                } else {
                    merged.push(*first);
                    left = after_left;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut items, &mut merged);
        merged.clear();
        width *= 2;
    }
    Ok(items)
}

/// Refuses what was sorted by types alone. `none` stands anywhere.
fn comparable(sorted: &[Keyed<'_, '_>], budget: &mut Budget) -> Faulty<()> {
    budget.step((sorted.len() / COMPARISONS_PER_STEP) as u64)?;
    for pair in sorted.windows(2) {
        let [(left, _), (right, _)] = pair else { continue };
        let is_none = matches!(left, Val::None) || matches!(right, Val::None);
        if !is_none && order(left, right, budget)?.is_none() {
            let what = format!(
                "Cannot sort: `{}` and `{}` are not comparable",
                left.type_name(),
                right.type_name()
            );
            return Err(Fault::Call(what.into()));
        }
    }
    Ok(())
}
