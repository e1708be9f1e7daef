//! `upper`, `lower`, `capitalize`, `title`.

use crate::render::program::arguments::text;
use crate::render::program::budget::{Budget, Faulty};
use crate::render::program::value::Val;

/// How much longer a text of any characters can become: two bytes of Greek become three letters of two bytes.
const GROWTH: usize = 3;

fn pay(text: &str, budget: &mut Budget) -> Faulty<()> {
    budget.read(text.len())?;
    let growth = if text.is_ascii() { 1 } else { GROWTH };
    budget.make(text.len().saturating_mul(growth))
}

/// Whether changing the case changes nothing, as far as that is seen at once.
fn is_plain(text: &str, other: fn(&u8) -> bool) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !other(&byte))
}

pub(super) fn upper<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let text = text(input)?;
    budget.read(text.len())?;
    if is_plain(text, u8::is_ascii_lowercase) {
        return Ok(input.clone());
    }
    pay(text, budget)?;
    Ok(Val::text(text.to_uppercase()))
}

pub(super) fn lower<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let text = text(input)?;
    budget.read(text.len())?;
    if is_plain(text, u8::is_ascii_uppercase) {
        return Ok(input.clone());
    }
    pay(text, budget)?;
    Ok(Val::text(text.to_lowercase()))
}

/// The first character in upper case, the rest in lower case.
pub(super) fn capitalize<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let text = text(input)?;
    pay(text, budget)?;
    let mut rest = text.chars();
    let mut capitalized: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    // By itself: what stands before decides how a final sigma is written.
    capitalized.push_str(&rest.as_str().to_lowercase());
    Ok(Val::text(capitalized))
}

/// Every word with its first character in upper case, the rest in lower case. Words end at spaces and at ASCII's
/// punctuation, but not at an apostrophe.
pub(super) fn title<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let text = text(input)?;
    pay(text, budget)?;
    let mut titled = String::with_capacity(text.len());
    let mut starts = true;
    for character in text.chars() {
        if character.is_whitespace() || character.is_ascii_punctuation() {
            starts |= character != '\'';
            titled.push(character);
        } else if starts {
            starts = false;
            titled.extend(character.to_uppercase());
        } else {
            titled.extend(character.to_lowercase());
        }
    }
    Ok(Val::text(titled))
}
