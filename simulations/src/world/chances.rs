//! How a prompt's text makes answers right, well-formed and polite: the figures are made up, and plausible.

use super::conditions::Conditions;
use super::population::Case;
use super::reading::{Reading, Said};
use super::skill::Skill;

/// Words that cost nothing.
const FREE_WORDS: usize = 220;
/// Share of right answers that each word above costs.
const COST_OF_A_WORD: f64 = 0.001;
/// Share of right answers that each contradiction costs, whatever an item needs.
const COST_OF_A_CONFLICT: f64 = 0.02;

/// That an answer is JSON and right; a prompt that does not compile has none.
pub(super) fn chance_of_correct(case: &Case, reading: Option<&Reading>, conditions: Conditions) -> f64 {
    reading.map_or(0.0, |reading| {
        chance_of_content(case, reading, conditions) * chance_of_format(reading)
    })
}

/// That what it says is right.
pub(super) fn chance_of_content(case: &Case, reading: &Reading, conditions: Conditions) -> f64 {
    if !reading.has_ticket {
        return 0.0;
    }
    let met = case.need.map_or(1.0, |need| match reading.said(need) {
        Said::Stated => 0.95,
        Said::Hinted if case.is_easy => 0.95,
        Said::Both => 0.45,
        Said::Nothing | Said::Hinted => 0.15,
        Said::Denied => 0.05,
    });
    let above = reading.words.saturating_sub(FREE_WORDS) as f64;
    let clear = (1.0 - COST_OF_A_WORD * above).max(0.5);
    let coherent = (1.0 - COST_OF_A_CONFLICT * reading.conflicts() as f64).max(0.0);
    let decayed = conditions
        .decay
        .map_or(1.0, |(skill, keeps)| match reading.said(skill) {
            Said::Nothing | Said::Denied => 1.0,
            Said::Hinted | Said::Stated | Said::Both => keeps,
        });
    case.quality * met * clear * coherent * decayed * conditions.keeps
}

/// That it is JSON.
pub(super) fn chance_of_format(reading: &Reading) -> f64 {
    match reading.said(Skill::Json) {
        Said::Stated => 0.99,
        Said::Hinted => 0.95,
        Said::Nothing => 0.80,
        Said::Both => 0.60,
        Said::Denied => 0.05,
    }
}

/// That it is polite.
pub(super) fn chance_of_polite(reading: &Reading) -> f64 {
    match reading.said(Skill::Courtesy) {
        Said::Stated => 0.98,
        Said::Hinted => 0.96,
        Said::Nothing => 0.92,
        Said::Both => 0.75,
        Said::Denied => 0.40,
    }
}
