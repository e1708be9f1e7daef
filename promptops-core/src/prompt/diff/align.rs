//! Which of two changed lists' entries belong together: shared by lines and messages.

use std::collections::HashMap;

use similar::DiffableStr;

/// The similarity of two equal sets of words; 0 is none in common.
pub(super) const SAME: u32 = 1000;

/// Bytes of a word and what follows it, on the long side.
const LONG_WORD: usize = 16;

/// The distinct words of texts as numbers, so that comparing two texts costs a merge of two sorted lists.
#[derive(Default)]
pub(super) struct Words<'a> {
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Words<'a> {
    /// The distinct words among the first `most` of the text, sorted by number.
    pub(super) fn of(&mut self, text: &'a str, most: usize) -> Vec<u32> {
        // Looking for the ends of words costs more than comparing them; the rest of a long text is left alone.
        let text = &text[..text.floor_char_boundary(most.saturating_mul(LONG_WORD))];
        let mut words: Vec<u32> = DiffableStr::tokenize_unicode_words(text)
            .into_iter()
            .filter(|token| token.chars().any(char::is_alphanumeric))
            .take(most)
            .map(|word| {
                let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                *self.numbers.entry(word).or_insert(next)
            })
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// The share of words in common, 0 ..= [`SAME`] (the Sørensen–Dice coefficient in thousandths).
pub(super) fn similarity(a: &[u32], b: &[u32]) -> u32 {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        i += usize::from(x <= y);
        j += usize::from(y <= x);
        common += u32::from(x == y);
    }
    let words = u32::try_from(a.len() + b.len()).unwrap_or(u32::MAX).max(1);
    common.saturating_mul(2 * SAME) / words
}

/// Pairs of positions, rising on both sides, whose weights have the largest sum; the earliest among equals.
///
/// A weight of 0 forbids a pair. Time and memory grow with `n * m`; where that is above `most`, entries of the same
/// position are paired instead.
pub(super) fn align(
    n: usize,
    m: usize,
    most: usize,
    weight: impl Fn(usize, usize) -> u32,
) -> Vec<(usize, usize)> {
    if n.saturating_mul(m) > most {
        return (0..n.min(m))
            .filter(|&i| weight(i, i) > 0)
            .map(|i| (i, i))
            .collect();
    }
    // best[i][j]: the largest sum for the entries from i and from j on.
    let width = m + 1;
    let mut best = vec![0_u32; (n + 1) * width];
    let mut weights = vec![0_u32; n * m];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            let w = weight(i, j);
            weights[i * m + j] = w;
            let skip = best[(i + 1) * width + j].max(best[i * width + j + 1]);
            let pair = if w > 0 {
                w + best[(i + 1) * width + j + 1]
            } else {
                0
            };
            best[i * width + j] = skip.max(pair);
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < n && j < m {
        let w = weights[i * m + j];
        let here = best[i * width + j];
        if w > 0 && here == w + best[(i + 1) * width + j + 1] {
            pairs.push((i, j));
            i += 1;
            j += 1;
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_pair_up_in_order() {
        let texts = [
            "be kind to them",
            "answer in one word",
            "answer in two words please",
            "other",
        ];
        let mut words = Words::default();
        let bags: Vec<_> = texts.iter().map(|text| words.of(text, 9)).collect();
        assert_eq!(similarity(&bags[0], &bags[0]), SAME);
        assert_eq!(similarity(&bags[0], &bags[3]), 0);
        let pairs = align(2, 2, 100, |i, j| 1 + similarity(&bags[i], &bags[j + 2]));
        assert_eq!(pairs, [(1, 0)]);
        assert_eq!(align(2, 3, 100, |_, _| 1), [(0, 0), (1, 1)]);
        assert_eq!(align(2, 3, 5, |_, _| 1), [(0, 0), (1, 1)]);
        assert_eq!(align(2, 3, 100, |_, _| 0), []);
        assert_eq!(align(0, 3, 100, |_, _| 1), []);
    }
}
