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
