//! Assignment: a pure function of the experiment and the unit. No I/O, no floats, no allocation.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::allocation::{Allocation, BUCKETS};
use super::record::{Experiment, ExperimentStatus};
use crate::base::{ExperimentId, VariantName};
use crate::observation::{AssignmentReason, UnitKey};

/// A seed for hashing units: the first 8 bytes, little-endian, of SHA-256 over the domain, a zero byte, the name, a zero
/// byte and the salt. Every purpose has a domain of its own, since using one hash twice would make two choices depend on
/// each other.
fn seed(domain: &str, name: &str, salt: &str) -> u64 {
    let mut hasher = Sha256::new();
    for part in [domain, "\0", name, "\0", salt] {
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

fn key(unit: &str, seed: u64) -> UnitKey {
    UnitKey::new(xxh3_64_with_seed(unit.as_bytes(), seed))
}

/// What a unit gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The variant, by its place in the experiment's list.
    pub variant: u8,
    /// The unit, if there is one.
    pub unit: Option<UnitKey>,
    /// Why.
    pub reason: AssignmentReason,
}

impl Assigned {
    /// The control, for this reason.
    fn control(unit: Option<UnitKey>, reason: AssignmentReason) -> Self {
        Self {
            variant: 0,
            unit,
            reason,
        }
    }
}

/// Hash of a unit with a seed of its own, and the buckets that take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    seed: u64,
    from: u16,
    to: u16,
}

impl Part {
    fn has(self, unit: &str) -> bool {
        (self.from..self.to).contains(&key(unit, self.seed).bucket())
    }
}

/// Assigns units to an experiment's variants. Computed once per configuration; used on every request.
///
/// The unit's hash is XXH3 (64 bits) of its UTF-8 bytes with the experiment's seed; its bucket is
/// (hash · 10,000) >> 64; its variant the one whose range holds the bucket. The seed is the first 8 bytes,
/// little-endian, of SHA-256(`promptops.assign.v1\0` id `\0` salt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigner {
    seed: u64,
    allocation: Allocation,
    is_active: bool,
    namespace: Option<Part>,
    held_out: Option<Part>,
}

impl Assigner {
    /// The assigner of an experiment as it is now.
    #[must_use]
    pub fn new(experiment: &Experiment) -> Self {
        let namespace = experiment.namespace.as_ref().map(|namespace| Part {
            seed: seed("promptops.namespace.v1", &namespace.name, ""),
            from: namespace.from,
            to: namespace.to,
        });
        let held_out = experiment.holdout.as_ref().map(|holdout| Part {
            seed: seed("promptops.holdout.v1", &holdout.name, ""),
            from: 0,
            to: holdout.basis_points.min(BUCKETS),
        });
        Self {
            seed: Self::seed(&experiment.id, &experiment.salt),
            allocation: experiment.epoch().allocation.clone(),
            is_active: experiment.status == ExperimentStatus::Active,
            namespace,
            held_out,
        }
    }

    /// The seed of an experiment.
    #[must_use]
    pub fn seed(experiment: &ExperimentId, salt: &str) -> u64 {
        seed("promptops.assign.v1", experiment, salt)
    }

    /// The key of a unit in the experiment with this seed.
    #[must_use]
    pub fn unit_key(seed: u64, unit: &str) -> UnitKey {
        key(unit, seed)
    }

    /// What a unit gets. An empty unit is none.
    #[must_use]
    pub fn assign(&self, unit: Option<&str>) -> Assigned {
        if !self.is_active {
            return Assigned::control(None, AssignmentReason::Paused);
        }
        let Some(unit) = unit.filter(|unit| !unit.is_empty()) else {
            return Assigned::control(None, AssignmentReason::NoUnit);
        };
        if self.held_out.is_some_and(|part| part.has(unit)) {
            return Assigned::control(None, AssignmentReason::HeldOut);
        }
        if self.namespace.is_some_and(|part| !part.has(unit)) {
            return Assigned::control(None, AssignmentReason::OutsideNamespace);
        }
        let unit = key(unit, self.seed);
        Assigned {
            variant: self.allocation.variant(unit.bucket()),
            unit: Some(unit),
            reason: AssignmentReason::Bucket,
        }
    }

    /// What a caller gets who asks for a variant; `None` when the experiment has none of this name.
    #[must_use]
    pub fn forced(experiment: &Experiment, variant: &VariantName) -> Option<Assigned> {
        let variant = experiment.variant_index(variant)?;
        Some(Assigned {
            variant,
            unit: None,
            reason: AssignmentReason::Forced,
        })
    }
}
