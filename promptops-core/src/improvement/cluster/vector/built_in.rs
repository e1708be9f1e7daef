//! Words and parts of words, weighted by how much they tell: TF-IDF over hashed features.
//!
//! Features are the words of a masked text, without the masks, and the runs of [`GRAM`] characters of each word with a
//! space on both sides, so that "refund", "refunds" and "refunded" are near. Each is hashed (XXH3 of 64 bits) to one of
//! 32,768 places of its sort (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, without
//! signs). Its weight is √tf · idf with idf = 1 + ln((1 + n) / (1 + df)) (Salton and Buckley, "Term-Weighting Approaches in
//! Automatic Text Retrieval", 1988, smoothed as scikit-learn does), over the n different texts of one group. Words and
//! parts of words are brought to length 1 each, and then weighed against each other.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::Vector;

/// All places.
pub(super) const DIMENSIONS: usize = 1 << 16;
/// Where the places of parts of words begin.
const PARTS: u16 = 1 << 15;
/// Characters of a part of a word.
const GRAM: usize = 4;
/// What words weigh, of 1; the rest is what their parts weigh.
const WORDS: f64 = 0.5;
/// Shortest word that is shown as telling.
const SHOWN_CHARS: usize = 3;
/// A word is telling when one in so many has it.
const SHARED: usize = 5;

/// Places in rising order, and how often each is met.
type Counts = Vec<(u16, u32)>;

/// The vectors of some texts.
pub(in crate::improvement::cluster) struct BuiltIn {
    /// Weights of features by their places.
    idf: Vec<f32>,
    counts: Vec<Counts>,
}

impl BuiltIn {
    /// The name of this space: other numbers are not comparable.
    pub(in crate::improvement::cluster) const SPACE: &'static str = "built_in/1";

    /// For these texts, which differ.
    pub(in crate::improvement::cluster) fn of(texts: &[&str]) -> Self {
        let counts: Vec<Counts> = texts.iter().map(|text| counts(text)).collect();
        let mut found_in = vec![0_u32; DIMENSIONS];
        for (place, _) in counts.iter().flatten() {
            if let Some(found_in) = found_in.get_mut(usize::from(*place)) {
                *found_in += 1;
            }
        }
        let idf = found_in
            .into_iter()
            .map(|found_in| idf(texts.len(), found_in))
            .collect();
        Self { idf, counts }
    }

    /// The vector of each text, in order.
    pub(in crate::improvement::cluster) fn vectors(&self) -> Vec<Vector> {
        self.counts.iter().map(|counts| self.vector(counts)).collect()
    }

    fn vector(&self, counts: &Counts) -> Vector {
        let split = counts.partition_point(|(place, _)| *place < PARTS);
        let (words, parts) = counts.split_at(split);
        let (words, parts) = (self.weighted(words), self.weighted(parts));
        let (mut of_words, mut of_parts) = (WORDS.sqrt(), (1.0 - WORDS).sqrt());
        // A text of which one sort is missing is of the other alone.
        if words.1 == 0.0 {
            of_parts = 1.0;
        }
        if parts.1 == 0.0 {
            of_words = 1.0;
        }
        let scaled = |(entries, length): (Vec<(u16, f64)>, f64), share: f64| {
            entries
                .into_iter()
                .map(move |(place, weight)| (place, (weight / length * share) as f32))
        };
        Vector::Sparse(scaled(words, of_words).chain(scaled(parts, of_parts)).collect())
    }

    /// Weights, and their length.
    fn weighted(&self, counts: &[(u16, u32)]) -> (Vec<(u16, f64)>, f64) {
        let entries: Vec<(u16, f64)> = counts
            .iter()
            .map(|(place, count)| {
                let idf = self.idf.get(usize::from(*place)).copied().unwrap_or(1.0);
                (*place, f64::from(*count).sqrt() * f64::from(idf))
            })
            .collect();
        let length = entries
            .iter()
            .map(|(_, weight)| weight * weight)
            .sum::<f64>()
            .sqrt();
        (entries, length)
    }

    /// The words that tell these texts from the others, so many at most: those that at least one failure in
    /// [`SHARED`] has, by how many have them times ln((1 + n) / (1 + df)); of equal ones the longer, then by the
    /// alphabet. Each text comes with how many failures have it.
    pub(in crate::improvement::cluster) fn telling<'a>(
        &self,
        texts: impl Iterator<Item = (&'a str, usize)>,
        most: usize,
    ) -> Vec<String> {
        let mut having: BTreeMap<&str, usize> = BTreeMap::new();
        let mut all = 0;
        for (text, failures) in texts {
            all += failures;
            let mut words: Vec<&str> = words(text).collect();
            words.sort_unstable();
            words.dedup();
            for word in words {
                *having.entry(word).or_default() += failures;
            }
        }
        let mut ranked: Vec<(f64, usize, &str)> = having
            .into_iter()
            .map(|(word, failures)| (word, failures, word.chars().count()))
            .filter(|(_, failures, chars)| *chars >= SHOWN_CHARS && failures * SHARED >= all)
            .map(|(word, failures, chars)| {
                let idf = self
                    .idf
                    .get(usize::from(word_place(word)))
                    .copied()
                    .unwrap_or(1.0);
                (failures as f64 * (f64::from(idf) - 1.0), chars, word)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(b.2)));
        ranked
            .into_iter()
            .take(most)
            .map(|(.., word)| word.to_owned())
            .collect()
    }
}

/// Rounded to 2^-16: a logarithm's last bits are the machine's affair.
fn idf(texts: usize, found_in: u32) -> f32 {
    let idf = 1.0 + ((1.0 + texts as f64) / (1.0 + f64::from(found_in))).ln();
    ((idf * 65_536.0).round() / 65_536.0) as f32
}

/// The words of a masked text, without masks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    // A mask is a word between `<` and `>`; what a text itself has so is lost with them, as little as it tells.
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '<' | '>' | '\'' | '’')))
        .flat_map(|word| word.split_inclusive('>'))
        .flat_map(|word| match word.find('<') {
            Some(at) if word.ends_with('>') => word.get(..at),
            _ => Some(word),
        })
        .map(|word| word.trim_matches(['\'', '’', '<', '>']))
        .filter(|word| !word.is_empty())
}

fn word_place(word: &str) -> u16 {
    (xxh3_64(word.as_bytes()) as u16) & (PARTS - 1)
}

fn counts(text: &str) -> Counts {
    let mut places: Vec<u16> = Vec::with_capacity(text.len() * 3 / 2);
    let mut padded = String::new();
    let mut begins: Vec<usize> = Vec::new();
    for word in words(text) {
        places.push(word_place(word));
        padded.clear();
        padded.push(' ');
        padded.push_str(word);
        padded.push(' ');
        begins.clear();
        begins.extend(padded.char_indices().map(|(at, _)| at));
        begins.push(padded.len());
        // A word that is shorter has itself as its part.
        for at in 0..begins.len().saturating_sub(GRAM).max(1) {
            let end = begins.get(at + GRAM).copied().unwrap_or(padded.len());
            let part = padded.as_bytes().get(begins[at]..end).unwrap_or_default();
            places.push(xxh3_64(part) as u16 | PARTS);
        }
    }
    places.sort_unstable();
    let mut counts: Counts = Vec::with_capacity(places.len());
    for place in places {
        match counts.last_mut() {
            Some((last, count)) if *last == place => *count += 1,
            _ => counts.push((place, 1)),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_no_words() {
        let words = |text| words(text).collect::<Vec<_>>();
        assert_eq!(
            words("order <num>ms of <str>: can't <a pay>, v<num>"),
            ["order", "ms", "of", "can't", "a", "pay", "v"]
        );
        assert_eq!(words("<num> <num> <str>"), [""; 0]);
        assert_eq!(words("‘x’ 'y' <"), ["‘x", "y"].map(|w| w.trim_start_matches('‘')));
        assert_eq!(words("订单失败"), ["订单失败"]);
    }
}
