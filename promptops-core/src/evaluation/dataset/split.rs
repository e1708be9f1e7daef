//! Parts of a dataset, such as what is trained on and what is tested on.

use std::borrow::Borrow;

use super::entry::Entry;
use crate::base::error::{Result, invalid};
use crate::base::hash::CanonicalHasher;
use crate::base::id::{MAX_NAME_BYTES, quoted};

/// Splits entries into parts by weights. The part of an entry is a function of the salt, its group (its id where it has
/// none), and the parts' names and weights alone: it is the same on every machine, does not depend on the other
/// entries, and what has one group stays together. The shares of the weights are met on average: the fewer groups, the
/// less exactly.
///
/// # Formula
/// Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", SPAA 2005, the
/// logarithmic method): an entry is in the part with the smallest −log₂(u) / weight, where u in (0, 1) is drawn by hash
/// for the entry and the part. When weights change, an entry moves from a part to another only if the other's weight
/// grew against its own; a new part takes entries from the others, and nothing else moves. When one weight is changed,
/// or of two parts both are, as few entries move as the new shares allow.
///
/// x is the first 8 bytes, big-endian, of SHA-256 over the canonical encoding (see [`hash`](crate::base::hash)), domain
/// `promptops.split`, format 1, of: the salt as text; `group` or `id` as text; that group or id as text; the part's name
/// as text. u = max(x, 1) / 2^64. −log₂(u) is taken in integers, in units of 2^−48, so that no machine's rounding
/// decides: with z the leading zero bits of x and m = x · 2^z, 48 times m is squared, its upper 64 bits of 128 taken,
/// and if these begin with a 1 bit that is a 1 digit of log₂, else a 0 digit, and m is doubled. The quotients are
/// compared by multiplying across; of equal ones the first part's counts.
///
/// ```
/// use promptops_core::evaluation::{Entry, Split};
///
/// let split = Split::new([("train", 70), ("test", 30)])?;
/// let entries = (0..1_000).map(|i| Entry::new(format!("e{i}"), Default::default()));
/// let parts = split.of(entries);
/// assert_eq!((parts[0].0, parts[1].0), ("train", "test"));
/// assert_eq!(parts[0].1.len() + parts[1].1.len(), 1_000);
/// assert!((650..750).contains(&parts[0].1.len()));
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    salt: String,
    parts: Vec<(String, u32)>,
}

impl Split {
    /// Most parts.
    pub const MAX_PARTS: usize = 1_000;

    /// Parts by name (1 to 200 bytes without control characters) and weight (≥ 1). Only the proportions of the weights
    /// count: 70 to 30 is 7 to 3.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for no part, more than [`MAX_PARTS`](Self::MAX_PARTS), a name that stands
    /// for two parts or is none, a weight of 0.
    pub fn new<N: Into<String>>(parts: impl IntoIterator<Item = (N, u32)>) -> Result<Self> {
        let mut checked: Vec<(String, u32)> = Vec::new();
        for (name, weight) in parts {
            let name = name.into();
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
                return Err(invalid(format!(
                    "the part's name {}: expected 1 to {MAX_NAME_BYTES} bytes without control characters",
                    quoted(&name)
                )));
            }
            if weight == 0 {
                return Err(invalid(format!(
                    "the part {} has the weight 0; expected at least 1, or leave it out",
                    quoted(&name)
                )));
            }
            if checked.iter().any(|(other, _)| *other == name) {
                return Err(invalid(format!(
                    "the name {} stands for two parts; names must differ",
                    quoted(&name)
                )));
            }
            if checked.len() == Self::MAX_PARTS {
                return Err(invalid(format!(
                    "more than {} parts; at most so many are allowed",
                    Self::MAX_PARTS
                )));
            }
            checked.push((name, weight));
        }
        if checked.is_empty() {
            return Err(invalid("the split has no part; expected at least one"));
        }
        Ok(Self {
            salt: String::new(),
            parts: checked,
        })
    }

    /// Another salt makes another split, independent of this one. It is empty at first.
    #[must_use]
    pub fn salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// The part that this entry is in.
    #[must_use]
    pub fn part(&self, entry: &Entry) -> &str {
        &self.parts[self.index(entry)].0
    }

    /// All parts by name, in the order they were given, each with its entries, in their order. A part may be empty.
    #[must_use]
    pub fn of<E: Borrow<Entry>>(&self, entries: impl IntoIterator<Item = E>) -> Vec<(&str, Vec<E>)> {
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .map(|(name, _)| (name.as_str(), Vec::new()))
            .collect();
        for entry in entries {
            let index = self.index(entry.borrow());
            parts[index].1.push(entry);
        }
        parts
    }

    fn index(&self, entry: &Entry) -> usize {
        let distances = self.parts.iter().map(|(name, weight)| {
            let distance = minus_log2(self.draw(entry, name));
            (u128::from(distance), u128::from(*weight))
        });
        distances
            .enumerate()
            .min_by(|(_, (a, a_weight)), (_, (b, b_weight))| (a * b_weight).cmp(&(b * a_weight)))
            .map_or(0, |(index, _)| index)
    }

    fn draw(&self, entry: &Entry, part: &str) -> u64 {
        let (kind, key) = match &entry.group {
            Some(group) => ("group", group),
            None => ("id", &entry.id),
        };
        let mut hasher = CanonicalHasher::new("promptops.split", 1);
        for text in [&self.salt, kind, key, part] {
            hasher.text(text);
        }
        let [a, b, c, d, e, f, g, h, ..] = hasher.finish();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// −log₂(max(x, 1) / 2^64) in units of 2^−48, 0 < it ≤ 64 · 2^48.
fn minus_log2(x: u64) -> u64 {
    const DIGITS: u32 = 48;
    let x = x.max(1);
    let zeros = x.leading_zeros();
    let mut mantissa = x << zeros;
    let mut digits = 0;
    for _ in 0..DIGITS {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 64;
        mantissa = square as u64;
        digits <<= 1;
        if mantissa >> 63 == 1 {
            digits |= 1;
        } else {
            mantissa <<= 1;
        }
    }
    (u64::from(zeros + 1) << DIGITS) - digits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Map;

    use super::*;

    fn entries(count: usize) -> Vec<Entry> {
        (0..count)
            .map(|i| Entry::new(format!("e{i}"), Map::new()))
            .collect()
    }

    fn split<const N: usize>(parts: [(&str, u32); N]) -> Split {
        Split::new(parts).unwrap()
    }

    /// How many moved, by (from, to).
    fn moves(before: &Split, after: &Split) -> BTreeMap<(String, String), usize> {
        let mut moves = BTreeMap::new();
        for entry in entries(10_000) {
            let (from, to) = (before.part(&entry), after.part(&entry));
            if from != to {
                *moves.entry((from.to_owned(), to.to_owned())).or_default() += 1;
            }
        }
        moves
    }

    /// The figures are those of the formula written down in another language.
    #[test]
    fn splits_are_frozen() {
        for (x, expected) in [
            (0, 64 << 48),
            (1, 64 << 48),
            (2, 63 << 48),
            (1 << 63, 1 << 48),
            (u64::MAX, 1),
            (12_345_678_901_234_567, 2_968_194_248_475_635),
        ] {
            assert_eq!(minus_log2(x), expected, "{x}");
        }
        let parts = split([("train", 70), ("dev", 10), ("test", 20)]);
        let first = |split: &Split, group: bool| -> String {
            entries(12)
                .into_iter()
                .map(|entry| {
                    if group {
                        Entry::new("any", Map::new()).in_group(entry.id)
                    } else {
                        entry
                    }
                })
                .map(|entry| split.part(&entry)[..2].to_owned() + " ")
                .collect()
        };
        assert_eq!(first(&parts, false), "tr tr te tr tr de tr tr tr tr de tr ");
        assert_eq!(first(&parts, true), "tr tr tr de tr tr tr tr tr te te tr ");
        assert_eq!(
            first(&parts.salt("2"), false),
            "tr tr tr tr tr te tr tr tr tr tr tr "
        );
    }

    #[test]
    fn logarithms_are_those_of_floats_as_far_as_floats_go() {
        let mut x = 1_u64;
        for _ in 0..10_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let exact = -(x as f64 / 2.0_f64.powi(64)).log2();
            let found = minus_log2(x) as f64 / 2.0_f64.powi(48);
            assert!((found - exact).abs() < 1e-13, "{x}: {found}, {exact}");
        }
    }

    #[test]
    fn shares_are_those_of_the_weights() {
        let parts = split([("a", 70), ("b", 20), ("c", 10)]);
        let parts = parts.of(entries(10_000));
        let counts: Vec<_> = parts.iter().map(|(_, entries)| entries.len()).collect();
        // Four standard deviations, which are 46, 40 and 30.
        for (count, expected) in counts.iter().zip([7_000_usize, 2_000, 1_000]) {
            assert!(count.abs_diff(expected) < 180, "{counts:?}");
        }
    }

    #[test]
    fn an_entrys_part_does_not_depend_on_the_others_and_order_is_kept() {
        let split = split([("train", 2), ("test", 1)]);
        let all = entries(500);
        let few = split.of(&all[..100]);
        let more = split.of(&all);
        for ((name, few), (_, more)) in few.iter().zip(&more) {
            assert!(!few.is_empty());
            assert_eq!(few[..], more[..few.len()], "{name}");
        }
    }

    #[test]
    fn a_group_stays_together_and_is_not_an_id_of_the_same_name() {
        let split = split([("a", 1), ("b", 1)]);
        let mut apart = 0;
        for group in entries(100) {
            let in_group = |id: String| Entry::new(id, Map::new()).in_group(&group.id);
            let first = in_group("x".to_owned());
            for i in 0..20 {
                assert_eq!(split.part(&in_group(format!("{i}"))), split.part(&first));
            }
            apart += usize::from(split.part(&first) != split.part(&group));
        }
        assert!((20..80).contains(&apart), "{apart}");
    }

    #[test]
    fn changed_weights_move_the_fewest() {
        let before = split([("train", 70), ("test", 30)]);
        assert_eq!(
            moves(&before, &split([("train", 7), ("test", 3)])),
            BTreeMap::new()
        );
        assert_eq!(
            moves(&before, &split([("test", 30), ("train", 70)])),
            BTreeMap::new()
        );
        let found = moves(&before, &split([("train", 80), ("test", 20)]));
        assert_eq!(found.len(), 1);
        let moved = found[&("test".to_owned(), "train".to_owned())];
        assert!((880..1_120).contains(&moved), "{moved} instead of 1,000");

        // A new part takes its share from the others, and nothing else moves.
        let found = moves(&before, &split([("train", 70), ("test", 30), ("dev", 100)]));
        assert!(found.keys().all(|(_, to)| to == "dev"), "{found:?}");
        let moved: usize = found.values().sum();
        assert!((4_800..5_200).contains(&moved), "{moved} instead of 5,000");
    }

    #[test]
    fn another_salt_is_an_independent_split() {
        let split = split([("a", 1), ("b", 1)]);
        let moved: usize = moves(&split, &split.clone().salt("2")).values().sum();
        assert!((4_800..5_200).contains(&moved), "{moved}");
    }

    #[test]
    fn what_is_no_split_is_refused() {
        let refused = |parts: &[(&str, u32)]| Split::new(parts.to_vec()).unwrap_err().to_string();
        assert!(refused(&[]).contains("no part"));
        assert!(refused(&[("a", 0)]).contains("weight 0"));
        assert!(refused(&[("a", 1), ("a", 2)]).contains("stands for two parts"));
        assert!(refused(&[("", 1)]).contains("1 to 200 bytes"));
        assert!(refused(&[("a\n", 1)]).contains("1 to 200 bytes"));
        let many = (0..=Split::MAX_PARTS).map(|i| (format!("p{i}"), 1));
        assert!(Split::new(many).unwrap_err().to_string().contains("1000 parts"));
        let heavy = split([("a", u32::MAX), ("b", u32::MAX)]);
        assert!(heavy.of(entries(100)).iter().all(|(_, part)| part.len() > 20));
    }
}
