//! The edit distance of texts, with a bound on the work.

use rapidfuzz::distance::levenshtein;

use crate::base::error::{Result, invalid};

/// Most pairs of characters that one score may look at: two texts of 50,000 that have nothing in common, about 0.1 s.
const MAX_PAIRS: u64 = 2_500_000_000;
/// Longest text that is compared, in bytes: the algorithm takes some forty times as much memory.
const MAX_BYTES: usize = 1 << 20;

/// How many pairs of characters may still be looked at.
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MAX_PAIRS)
    }

    /// 1 − d / max(length), with d the least number of characters to insert, delete or replace; 1 for two empty texts.
    pub(super) fn similarity(&mut self, first: &str, second: &str) -> Result<f64> {
        if first == second {
            return Ok(1.0);
        }
        let longest = first.len().max(second.len());
        if longest > MAX_BYTES {
            return Err(invalid(format!(
                "a text of {longest} bytes is too long to be compared; at most {MAX_BYTES} are"
            )));
        }
        let (first_count, second_count) = (first.chars().count(), second.chars().count());
        // What both begin and end with costs nothing.
        let shared = shared(first.chars(), second.chars());
        let most = first_count.min(second_count) - shared;
        let shared = shared + shared_up_to(first.chars().rev(), second.chars().rev(), most);
        let pairs = (first_count - shared) as u64 * (second_count - shared) as u64;
        self.0 = self.0.checked_sub(pairs).ok_or_else(|| {
            invalid(format!(
                "texts of {first_count} and {second_count} characters are too long and too different to be compared; \
                 at most {MAX_PAIRS} pairs of characters are looked at"
            ))
        })?;
        let distance = levenshtein::distance(first.chars(), second.chars());
        Ok(1.0 - distance as f64 / first_count.max(second_count) as f64)
    }
}

fn shared(first: impl Iterator<Item = char>, second: impl Iterator<Item = char>) -> usize {
    shared_up_to(first, second, usize::MAX)
}

fn shared_up_to(first: impl Iterator<Item = char>, second: impl Iterator<Item = char>, most: usize) -> usize {
    first.zip(second).take(most).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of Wagner and Fischer, row by row.
    fn plain(first: &[char], second: &[char]) -> usize {
        let mut row: Vec<usize> = (0..=second.len()).collect();
        for (i, a) in first.iter().enumerate() {
            let mut before = row[0];
            row[0] = i + 1;
            for (j, b) in second.iter().enumerate() {
                let replaced = before + usize::from(a != b);
                before = row[j + 1];
                row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
            }
        }
        row[second.len()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn similarity_is_that_of_the_plain_algorithm(first in "[abé語]{0,150}", second in "[abé語]{0,150}") {
            let (a, b): (Vec<char>, Vec<char>) = (first.chars().collect(), second.chars().collect());
            let most = a.len().max(b.len());
            let expected = if most == 0 { 1.0 } else { 1.0 - plain(&a, &b) as f64 / most as f64 };
            prop_assert_eq!(Budget::new().similarity(&first, &second).unwrap(), expected);
        }
    }

    #[test]
    fn long_texts_are_compared_while_they_share_enough() {
        let longer = "x".repeat(MAX_BYTES + 1);
        assert_eq!(Budget::new().similarity(&longer, &longer).unwrap(), 1.0);
        assert!(Budget::new().similarity(&longer, "y").is_err());
        let long = "x".repeat(MAX_BYTES - 1);
        let mut other = long.clone();
        other.insert(5_000, 'y');
        assert!(Budget::new().similarity(&long, &other).unwrap() > 0.99999);
        assert!(Budget::new().similarity(&long, &"y".repeat(MAX_BYTES)).is_err());
        // Many small comparisons count together.
        let (a, b) = ("a".repeat(40_000), "b".repeat(40_000));
        let mut budget = Budget::new();
        assert_eq!(budget.similarity(&a, &b).unwrap(), 0.0);
        assert!(budget.similarity(&a, &b).is_err());
    }
}
