//! Texts of values, and parts of texts.

use crate::render::program::access::part;
use crate::render::program::arguments::{integer, required, text};
use crate::render::program::budget::{Budget, Faulty};
use crate::render::program::print::{Scratch, print};
use crate::render::program::value::Val;

/// Longest that a character is in UTF-8.
const CHARACTER_BYTES: usize = 4;
/// Bytes that could be read in the time that one byte takes where it is compared with `pat`, or may end a word.
const READ_FOR_MATCH: usize = 4;
/// What a text made on the way costs beside its bytes.
const TEXT_BYTES: usize = 16;

/// The value as it is printed.
pub(super) fn text_of<'a>(input: Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    if input.as_str().is_some() {
        return Ok(input);
    }
    let mut printed = Scratch::new(budget);
    print(&input, &mut printed)?;
    Ok(Val::text(printed.text))
}

/// Which ends of a text are trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Start,
    End,
    Both,
}

/// Without the white space, or what `pat` says again and again, at its ends.
pub(super) fn trim<'a>(
    input: &Val<'a>,
    pat: Option<&Val<'a>>,
    ends: Ends,
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let pat = pat.map(text).transpose()?;
    budget.read(pat.map_or(0, str::len))?;
    let mut rest = whole;
    if ends != Ends::End {
        rest = pat.map_or_else(|| rest.trim_start(), |pat| rest.trim_start_matches(pat));
    }
    let start = whole.len() - rest.len();
    if ends != Ends::Start {
        rest = pat.map_or_else(|| rest.trim_end(), |pat| rest.trim_end_matches(pat));
    }
    let each = if pat.is_some() { READ_FOR_MATCH } else { 1 };
    budget.read((whole.len() - rest.len()).saturating_mul(each))?;
    part(input, start, start + rest.len(), budget)
}

/// The first `length` characters, with `end` behind them where there are more.
pub(super) fn truncate<'a>(
    input: &Val<'a>,
    length: Option<&Val<'a>>,
    end: Option<&Val<'a>>,
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let length = integer::<usize>(required(length, "length")?)?;
    let end = end.map_or(Ok("…"), text)?;
    // There are no more characters than bytes.
    if length >= whole.len() {
        return Ok(input.clone());
    }
    budget.read(length.saturating_mul(CHARACTER_BYTES).min(whole.len()))?;
    let Some((cut, _)) = whole.char_indices().nth(length) else {
        return Ok(input.clone());
    };
    if end.is_empty() {
        return part(input, 0, cut, budget);
    }
    budget.make(cut.saturating_add(end.len()))?;
    let kept = whole.get(..cut).unwrap_or_default();
    Ok(Val::text([kept, end].concat()))
}

pub(super) fn split<'a>(input: &Val<'a>, pat: Option<&Val<'a>>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let pat = text(required(pat, "pat")?)?;
    budget.read(whole.len().saturating_add(pat.len()))?;
    let count = whole.split(pat).count();
    budget.make_list(count)?;
    Ok(Val::list(match input {
        Val::Str(whole) => whole.split(pat).map(Val::Str).collect(),
        _ => {
            budget.make(whole.len().saturating_add(count.saturating_mul(TEXT_BYTES)))?;
            whole.split(pat).map(Val::text).collect()
        }
    }))
}

pub(super) fn wordcount(input: &Val<'_>, budget: &mut Budget) -> Faulty<Val<'static>> {
    let text = text(input)?;
    budget.read(text.len().saturating_mul(READ_FOR_MATCH))?;
    Ok(Val::Int(text.split_whitespace().count() as i128))
}
