//! The prompt that is live at first.

use promptops_core::prompt::{Content, system, user};

use super::chance::{Purpose, mixed};
use super::skill::Skill;

/// Sentences that every prompt of the world has, and that change no answer.
const HOUSE: [&str; 12] = [
    "You write for the service desk of a mail-order house that sells things for home and garden.",
    "The people who read your answers are busy and want to know what happens next.",
    "Say first what was done, then what the reader has to do, and stop there.",
    "Be short and clear.",
    "One thought to a sentence, and as few adjectives as you can do with.",
    "If something is not known, say so rather than guess.",
    "Nobody is blamed, neither the reader nor the carrier nor the workshop.",
    "What was settled earlier stays settled, so look at the whole matter before you write.",
    "Goods that are damaged on the way are replaced, and the old ones need not come back.",
    "Spare parts are free of charge for two years, and later at cost.",
    "The workshop needs about a week, the store sends within two working days.",
    "Whoever writes twice about one matter is called by telephone.",
];

/// A prompt that asks for what is known, each in one of its wordings.
pub(super) fn live(seed: u64, known: &[(Skill, f64)]) -> Content {
    let always = [Skill::Json, Skill::Courtesy];
    let remedies = known.iter().map(|(skill, _)| *skill).chain(always).map(|skill| {
        let remedies = skill.wording().remedies;
        let place = mixed(&[seed, Purpose::Words as u64, skill as u64]) as usize % remedies.len();
        remedies[place]
    });
    let sentences: Vec<&str> = HOUSE.into_iter().chain(remedies).collect();
    Content::chat([system(sentences.join("\n")), user("Ticket:\n{{ ticket }}")])
}
