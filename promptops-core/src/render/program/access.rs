//! Elements and slices, as Tera takes them: counted from the end when negative, characters of texts. A text is walked
//! through only as far as needed, without a list of its characters.

use super::budget::{Budget, Fault, Faulty};
use super::compare::find;
use super::value::{List, Val};

/// Longest that a character is in UTF-8.
const CHARACTER_BYTES: usize = 4;
/// Elements of a list that are gone through for others and count as one step.
const PASSED_PER_STEP: usize = 16;

/// The value of a key of a map, the element of a list or the character of a text; undefined when it is not there, or
/// this is none of them.
pub(super) fn item<'a>(object: &Val<'a>, index: &Val<'_>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let found = match object {
        Val::Map(map) => {
            let Some(key) = index.as_key() else {
                let what = format!(
                    "Map keys must be strings, integers, or bools, got `{}`",
                    index.type_name()
                );
                return Err(Fault::Input(what.into()));
            };
            find(map, key, budget)?
        }
        Val::List(list) => match place(index, "Array")? {
            Some(index) => element(list, index, budget)?,
            None => None,
        },
        Val::Str(text) => match place(index, "String")? {
            Some(index) => character(text, index, budget)?.map(Val::Str),
            None => None,
        },
        Val::Text(text) => match place(index, "String")? {
            Some(index) => match character(text, index, budget)? {
                Some(character) => {
                    budget.make(character.len())?;
                    Some(Val::text(character))
                }
                None => None,
            },
            None => None,
        },
        _ => None,
    };
    Ok(found.unwrap_or(Val::Undefined))
}

/// Where an index leads; `None` for where nothing can be.
fn place(index: &Val<'_>, of: &str) -> Faulty<Option<i128>> {
    match index {
        Val::Int(index) => Ok(Some(*index)),
        Val::Huge(_) => Ok(None),
        other => Err(Fault::Input(
            format!("{of} index must be an integer, got `{}`", other.type_name()).into(),
        )),
    }
}

fn element<'a>(list: &List<'a>, index: i128, budget: &mut Budget) -> Faulty<Option<Val<'a>>> {
    let index = if index < 0 {
        index + list.len() as i128
    } else {
        index
    };
    match usize::try_from(index) {
        Ok(index) if index < list.len() => nth(list, index, budget),
        _ => Ok(None),
    }
}

/// The element at a place from 0, paid for.
pub(super) fn nth<'a>(list: &List<'a>, index: usize, budget: &mut Budget) -> Faulty<Option<Val<'a>>> {
    budget.step(list.get_cost(index))?;
    Ok(list.get(index))
}

fn character<'t>(text: &'t str, index: i128, budget: &mut Budget) -> Faulty<Option<&'t str>> {
    let start = offset(text, index, budget)?;
    let rest = start.and_then(|start| text.get(start..));
    Ok(rest.and_then(|rest| {
        let first = rest.chars().next()?;
        rest.get(..first.len_utf8())
    }))
}

/// Where the character of this number starts, from the end when negative; `None` when there are fewer.
fn offset(text: &str, index: i128, budget: &mut Budget) -> Faulty<Option<usize>> {
    let (back, passed) = if index < 0 {
        (true, index.unsigned_abs() - 1)
    } else {
        (false, index.unsigned_abs())
    };
    // There are no more characters than bytes.
    let passed = match usize::try_from(passed) {
        Ok(passed) if passed < text.len() => passed,
        _ => return Ok(None),
    };
    budget.read((passed + 1).saturating_mul(CHARACTER_BYTES).min(text.len()))?;
    let found = if back {
        text.char_indices().rev().nth(passed)
    } else {
        text.char_indices().nth(passed)
    };
    Ok(found.map(|(start, _)| start))
}

/// Part of a list or a text, as Python slices.
pub(super) fn slice<'a>(
    object: &Val<'a>,
    start: Option<i128>,
    end: Option<i128>,
    step: Option<i128>,
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Fault::Input("Slicing step cannot be 0".into()));
    }
    if let Val::List(list) = object {
        let picked = Picked::of(list.len(), start, end, step);
        return elements(list, &picked, budget);
    }
    let Some(text) = object.as_str() else {
        let what = format!(
            "Slicing can only be used on arrays or strings, not on `{}`",
            object.type_name()
        );
        return Err(Fault::Input(what.into()));
    };
    if step == 1 {
        let from = match start {
            // Before the first character is at its start.
            Some(start) => offset(text, start, budget)?.unwrap_or(if start < 0 { 0 } else { text.len() }),
            None => 0,
        };
        let to = match end {
            Some(end) => offset(text, end, budget)?.unwrap_or(if end < 0 { 0 } else { text.len() }),
            None => text.len(),
        };
        return part(object, from, to.max(from), budget);
    }
    budget.read(text.len())?;
    let picked = Picked::of(text.chars().count(), start, end, step);
    budget.make(picked.count.saturating_mul(CHARACTER_BYTES).min(text.len()))?;
    let taken: String = if picked.back {
        let before = text.chars().rev().skip(picked.behind);
        before.step_by(picked.apart).take(picked.count).collect()
    } else {
        let after = text.chars().skip(picked.first);
        after.step_by(picked.apart).take(picked.count).collect()
    };
    Ok(Val::text(taken))
}

fn elements<'a>(list: &List<'a>, picked: &Picked, budget: &mut Budget) -> Faulty<Val<'a>> {
    budget.make_list(picked.count)?;
    let lowest = if picked.back { picked.last() } else { picked.first };
    let highest = if picked.back { picked.first } else { picked.last() };
    let mut taken: Vec<Val<'a>> = Vec::with_capacity(picked.count);
    if picked.count > 0 && list.get_cost(highest) > 0 {
        // Cheaper to walk once than to find each.
        budget.step((highest / PASSED_PER_STEP) as u64)?;
        let after = list.iter().skip(lowest);
        taken.extend(after.step_by(picked.apart).take(picked.count));
    } else {
        taken.extend((0..picked.count).filter_map(|i| list.get(lowest + i * picked.apart)));
    }
    if picked.back {
        taken.reverse();
    }
    Ok(Val::list(taken))
}

/// The part of a text between two of its offsets: of a borrowed one the same bytes.
pub(super) fn part<'a>(text: &Val<'a>, from: usize, to: usize, budget: &mut Budget) -> Faulty<Val<'a>> {
    match text {
        Val::Str(text) => Ok(Val::Str(text.get(from..to).unwrap_or_default())),
        Val::Text(whole) if from == 0 && to == whole.len() => Ok(text.clone()),
        Val::Text(text) => {
            let part = text.get(from..to).unwrap_or_default();
            budget.make(part.len())?;
            Ok(Val::text(part))
        }
        _ => Ok(Val::Str("")),
    }
}

/// What a slice takes of so many elements.
struct Picked {
    /// The place of the first taken.
    first: usize,
    /// How many there are behind it.
    behind: usize,
    /// How far one taken is from the next.
    apart: usize,
    count: usize,
    /// Whether it goes towards the start.
    back: bool,
}

impl Picked {
    fn of(len: usize, start: Option<i128>, end: Option<i128>, step: i128) -> Self {
        let (back, len) = (step < 0, len as i128);
        // Going back ends before the first element.
        let (low, high) = if back { (-1, len - 1) } else { (0, len) };
        let bound = |bound: Option<i128>, absent: i128| match bound {
            Some(bound) if bound < 0 => bound.saturating_add(len).clamp(low, high),
            Some(bound) => bound.clamp(low, high),
            None => absent,
        };
        let (from, to) = if back {
            (bound(start, high), bound(end, low))
        } else {
            (bound(start, low), bound(end, high))
        };
        let span = if back { from - to } else { to - from };
        let apart = step.unsigned_abs();
        let count = u128::try_from(span).map_or(0, |span| span.div_ceil(apart));
        let short = |n: i128| usize::try_from(n).unwrap_or_default();
        Self {
            first: short(from),
            behind: short(len - 1 - from),
            apart: usize::try_from(apart).unwrap_or(usize::MAX),
            count: usize::try_from(count).unwrap_or_default(),
            back,
        }
    }

    /// The place of the last taken.
    fn last(&self) -> usize {
        let way = self.count.saturating_sub(1).saturating_mul(self.apart);
        if self.back {
            self.first.saturating_sub(way)
        } else {
            self.first.saturating_add(way)
        }
    }
}
