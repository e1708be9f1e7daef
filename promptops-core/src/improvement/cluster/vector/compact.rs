//! Where a cluster lies, as it is kept: small enough for a row.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Vector;
use crate::base::error::{Error, Result, invalid};
use crate::base::hash::hex;

/// Most places that are kept of a sparse vector, those of the largest weights.
const MAX_PLACES: usize = 256;
/// Bytes of a place and its weight.
const PLACE_BYTES: usize = 3;

/// The mean direction of a cluster's members, in 768 bytes, or in a byte for each dimension of an embedder's.
///
/// The mean, since medoids of one cause in two looks can be put in quite other words. On planted causes in six scenarios, the
/// cosine of two means of different causes is at most .37 (of medoids .38), and of one cause, in 19 of 20 pairs, at least .47
/// in four of the scenarios; in the two with few causes, of which fragments remain, .20 (of medoids down to .02).
///
/// As JSON `{"space": …, "sparse": …}` or `{"space": …, "dense": …}` in hexadecimal digits: places (16 bits, big-endian,
/// rising) with weights (8 bits, 255 the largest); or whole numbers of 8 bits with a sign, 127 the largest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct ClusterVector {
    space: String,
    values: Values,
}

#[derive(Clone, PartialEq, Eq)]
enum Values {
    Sparse(Vec<(u16, u8)>),
    Dense(Vec<i8>),
}

impl ClusterVector {
    pub(in crate::improvement::cluster) fn new(space: &str, vector: &Vector) -> Self {
        let values = match vector {
            Vector::Sparse(entries) => Values::Sparse(sparse(entries)),
            Vector::Dense(values) => {
                let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                let scaled = values.iter().map(|value| (value / largest * 127.0).round() as i8);
                Values::Dense(if largest > 0.0 {
                    scaled.collect()
                } else {
                    Vec::new()
                })
            }
        };
        Self {
            space: space.to_owned(),
            values,
        }
    }

    /// Who made it: only vectors of one space can be compared.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.space
    }

    /// The cosine, 0 ..= 1; `None` for vectors of different spaces, and for one without a direction.
    #[must_use]
    pub fn similarity(&self, other: &Self) -> Option<f64> {
        if self.space != other.space {
            return None;
        }
        // Sums of whole numbers are the same in whatever order.
        let (product, mine, others) = match (&self.values, &other.values) {
            (Values::Sparse(a), Values::Sparse(b)) => {
                (sparse_product(a, b), sparse_product(a, a), sparse_product(b, b))
            }
            (Values::Dense(a), Values::Dense(b)) if a.len() == b.len() => {
                (dense_product(a, b), dense_product(a, a), dense_product(b, b))
            }
            _ => return None,
        };
        let lengths = (mine as f64).sqrt() * (others as f64).sqrt();
        (lengths > 0.0).then(|| (product as f64 / lengths).clamp(0.0, 1.0))
    }
}

fn sparse(entries: &[(u16, f32)]) -> Vec<(u16, u8)> {
    let mut entries = entries.to_vec();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    entries.truncate(MAX_PLACES);
    let largest = entries.first().map_or(1.0, |(_, weight)| *weight);
    let mut kept: Vec<(u16, u8)> = entries
        .into_iter()
        .map(|(place, weight)| (place, (weight / largest * 255.0).round() as u8))
        .collect();
    kept.sort_unstable();
    kept
}

fn sparse_product(a: &[(u16, u8)], b: &[(u16, u8)]) -> i64 {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut sum = 0;
    while let (Some((left, mine)), Some((right, others))) = (a.peek(), b.peek()) {
        if left == right {
            sum += i64::from(*mine) * i64::from(*others);
        }
        let (next_a, next_b) = (left <= right, right <= left);
        if next_a {
            a.next();
        }
        if next_b {
            b.next();
        }
    }
    sum
}

fn dense_product(a: &[i8], b: &[i8]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}

#[derive(Serialize, Deserialize)]
struct Parts {
    space: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sparse: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dense: Option<String>,
}

impl From<ClusterVector> for Parts {
    fn from(vector: ClusterVector) -> Self {
        let (sparse, dense) = match vector.values {
            Values::Sparse(entries) => {
                let bytes: Vec<u8> = entries
                    .into_iter()
                    .flat_map(|(place, weight)| {
                        let [high, low] = place.to_be_bytes();
                        [high, low, weight]
                    })
                    .collect();
                (Some(hex(&bytes)), None)
            }
            Values::Dense(values) => {
                let bytes: Vec<u8> = values.into_iter().map(i8::cast_unsigned).collect();
                (None, Some(hex(&bytes)))
            }
        };
        Self {
            space: vector.space,
            sparse,
            dense,
        }
    }
}

impl TryFrom<Parts> for ClusterVector {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        let values = match (parts.sparse, parts.dense) {
            (Some(sparse), None) => {
                let bytes = bytes(&sparse)?;
                if !bytes.len().is_multiple_of(PLACE_BYTES) {
                    return Err(unreadable());
                }
                let entries: Vec<(u16, u8)> = bytes
                    .chunks_exact(PLACE_BYTES)
                    .map(|entry| (u16::from_be_bytes([entry[0], entry[1]]), entry[2]))
                    .collect();
                if !entries.is_sorted_by(|a, b| a.0 < b.0) {
                    return Err(unreadable());
                }
                Values::Sparse(entries)
            }
            (None, Some(dense)) => Values::Dense(bytes(&dense)?.into_iter().map(u8::cast_signed).collect()),
            _ => return Err(unreadable()),
        };
        Ok(Self {
            space: parts.space,
            values,
        })
    }
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(unreadable)
}

fn unreadable() -> Error {
    invalid(
        "no vector of a cluster; expected `space` and either `sparse` or `dense` in hexadecimal digits, as it was written",
    )
}

/// Its space, without what lies in it.
impl fmt::Debug for ClusterVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterVector")
            .field("space", &self.space)
            .finish_non_exhaustive()
    }
}
