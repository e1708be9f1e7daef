//! Where a text lies among others.

mod built_in;
mod compact;
mod embedded;

use std::collections::BTreeMap;

pub(super) use built_in::BuiltIn;
pub use compact::ClusterVector;
pub(super) use embedded::embed;

/// A direction: of length 1 where it is a text's, or 0 for one without any feature.
#[derive(Clone, PartialEq)]
pub(super) enum Vector {
    /// Places in rising order, with what stands there.
    Sparse(Vec<(u16, f32)>),
    Dense(Vec<f32>),
}

impl Vector {
    /// Whether it has no direction.
    fn is_zero(&self) -> bool {
        match self {
            Self::Sparse(entries) => entries.is_empty(),
            Self::Dense(values) => values.iter().all(|value| *value == 0.0),
        }
    }
}

/// The sum of these, each so many times: its direction is that of their mean.
pub(super) fn mean<'a>(vectors: impl Iterator<Item = (&'a Vector, usize)>) -> Vector {
    let mut sparse: BTreeMap<u16, f64> = BTreeMap::new();
    let mut dense: Vec<f64> = Vec::new();
    for (vector, times) in vectors {
        match vector {
            Vector::Sparse(entries) => {
                for (place, weight) in entries {
                    *sparse.entry(*place).or_default() += f64::from(*weight) * times as f64;
                }
            }
            Vector::Dense(values) => {
                dense.resize(values.len(), 0.0);
                for (sum, value) in dense.iter_mut().zip(values) {
                    *sum += f64::from(*value) * times as f64;
                }
            }
        }
    }
    if dense.is_empty() {
        Vector::Sparse(
            sparse
                .into_iter()
                .map(|(place, sum)| (place, sum as f32))
                .collect(),
        )
    } else {
        Vector::Dense(dense.into_iter().map(|sum| sum as f32).collect())
    }
}

/// One vector to be held against many: spread out, so that each of them is read once.
pub(super) struct Against<'a> {
    vector: &'a Vector,
    spread: &'a [f32],
}

/// Room to spread a sparse vector out.
pub(super) struct Room(Vec<f32>);

impl Room {
    pub(super) fn new() -> Self {
        Self(vec![0.0; built_in::DIMENSIONS])
    }

    /// Calls with the vector spread out.
    pub(super) fn with<T>(&mut self, vector: &Vector, run: impl FnOnce(&Against<'_>) -> T) -> T {
        self.fill(vector, |value| value);
        let result = run(&Against {
            vector,
            spread: &self.0,
        });
        self.fill(vector, |_| 0.0);
        result
    }

    fn fill(&mut self, vector: &Vector, value: impl Fn(f32) -> f32) {
        if let Vector::Sparse(entries) = vector {
            for (at, weight) in entries {
                if let Some(place) = self.0.get_mut(usize::from(*at)) {
                    *place = value(*weight);
                }
            }
        }
    }
}

impl Against<'_> {
    /// 1 − cosine, 0 ..= 1: what points away counts as what is at right angles. Two without direction are the same, and
    /// one of them is far from all else.
    pub(super) fn distance(&self, other: &Vector) -> f64 {
        if self.vector.is_zero() && other.is_zero() {
            return 0.0;
        }
        let cosine = match (self.vector, other) {
            (Vector::Sparse(_), Vector::Sparse(entries)) => sum(entries.iter().map(|(at, weight)| {
                let mine = self.spread.get(usize::from(*at)).copied().unwrap_or(0.0);
                mine * weight
            })),
            (Vector::Dense(mine), Vector::Dense(others)) => sum(mine.iter().zip(others).map(|(a, b)| a * b)),
            _ => 0.0,
        };
        (1.0 - cosine).clamp(0.0, 1.0)
    }
}

/// The sum in a fixed order: four sums in turns, which a processor adds side by side.
fn sum(products: impl Iterator<Item = f32>) -> f64 {
    let mut sums = [0.0_f64; 4];
    for (at, product) in products.enumerate() {
        sums[at % 4] += f64::from(product);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
