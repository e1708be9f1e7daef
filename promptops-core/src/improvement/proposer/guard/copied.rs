//! Runs of words that two texts share.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::Xxh3;

use crate::improvement::cluster::mask::is_invisible;

/// Digits of a number that is long enough to be somebody's.
const LONG_NUMBER: usize = 5;

/// The words of a text without case, spaces and punctuation: runs of letters and digits, and each sign of a script that is
/// written without spaces.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        // The wide forms lie in the order of ASCII.
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            c => c,
        };
        let alone = is_written_without_spaces(c);
        if (alone || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Kana, Han, Thai, Lao, Khmer, Burmese.
fn is_written_without_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// What texts are made of: every run of so many words, and every long number, as 64 bits each. Two runs that differ are
/// taken for one about once in 2^64 comparisons, which refuses a candidate and lets none through.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Vec<u64>);

impl Runs {
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>, length: usize) -> Self {
        let mut runs = Vec::new();
        for text in texts {
            runs.extend(hashes(text, length).map(|(hash, _)| hash));
        }
        runs.sort_unstable();
        runs.dedup();
        Self(runs)
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.0.extend_from_slice(&more.0);
        // The stable sort merges what is in order already.
        self.0.sort();
        self.0.dedup();
    }

    fn has(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }

    /// How many words of the text are copied from these and not from the `allowed`: the length of a run, 1 for a number.
    pub(super) fn copied(&self, text: &str, length: usize, allowed: &[&Self]) -> Option<usize> {
        hashes(text, length)
            .find(|(hash, _)| self.has(*hash) && !allowed.iter().any(|allowed| allowed.has(*hash)))
            .map(|(_, words)| words)
    }
}

/// A hash of every run and every long number, with how many words it has.
fn hashes(text: &str, length: usize) -> impl Iterator<Item = (u64, usize)> {
    let words = words(text);
    let runs: Vec<u64> = words
        .windows(length)
        .map(|run| {
            let mut hasher = Xxh3::new();
            for word in run {
                hasher.update(word.as_bytes());
                hasher.update(&[0]);
            }
            hasher.digest()
        })
        .collect();
    let numbers: BTreeSet<u64> = words
        .iter()
        .filter(|word| word.chars().filter(|c| c.is_numeric()).count() >= LONG_NUMBER)
        .map(|word| xxhash_rust::xxh3::xxh3_64(word.as_bytes()))
        .collect();
    let runs = runs.into_iter().map(move |hash| (hash, length));
    runs.chain(numbers.into_iter().map(|hash| (hash, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "Hello, I'm Ana: my parcel (no. 8817264) never came to the Blue House!";

    fn copied(text: &str, allowed: &str) -> Option<usize> {
        let runs = Runs::of([TRACE], 8);
        runs.copied(text, 8, &[&Runs::of([allowed], 8)])
    }

    #[test]
    fn a_run_is_known_whatever_its_case_and_punctuation() {
        assert_eq!(copied("Say: “HELLO — I’m Ana; my PARCEL, no…”. Good.", ""), None);
        assert_eq!(
            copied("Never say „ANA my\nparcel; no 7 8817264“", ""),
            Some(1),
            "the number alone"
        );
        assert_eq!(
            copied("x i m ana my par\u{200b}cel no 8817264 NEVER came y", ""),
            Some(8)
        );
        assert_eq!(copied("to the blue house", ""), None);
        assert_eq!(copied("ｃａｍｅ to the blue house", TRACE), None);
        assert_eq!(
            copied(TRACE, TRACE),
            None,
            "what the live prompt holds is not copied"
        );
        assert_eq!(copied(TRACE, "Hello, I'm Ana"), Some(8));
        assert_eq!(copied("", ""), None);
    }

    #[test]
    fn scripts_without_spaces_are_counted_by_signs() {
        let runs = Runs::of(["我的包裹昨天没有到我家"], 8);
        assert_eq!(runs.copied("例：我的包裹昨天没有到。", 8, &[]), Some(8));
        assert_eq!(runs.copied("包裹没有到", 8, &[]), None);
    }
}
