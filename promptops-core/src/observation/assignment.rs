//! What an experiment gave a request: carried by the stamp, so that what is reported about the answer can be counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, invalid};
use crate::base::{ExperimentId, VariantName};

/// A unit as an experiment knows it: the hash of the unit's text with the experiment's seed. It is all that is kept of a
/// unit, so that no store holds who took part in what. It is no secret, though: who can guess a unit's text, and knows the
/// experiment's id and salt, can tell whether it took part. Shown as 16 hexadecimal digits.
///
/// Of ten million units, two have the same key with a probability of three in a million; the later one's outcome then
/// counts as a repetition of the earlier one's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitKey(u64);

impl UnitKey {
    /// A key from its number.
    #[must_use]
    pub fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// Where among 10,000 buckets it lies, 0 ..= 9,999.
    #[must_use]
    pub fn bucket(self) -> u16 {
        // Below 10,000, since the key is below 2^64.
        ((u128::from(self.0) * 10_000) >> 64) as u16
    }
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UnitKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        digits
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| {
                invalid("the key of a unit is 16 digits 0-9 a-f; pass a stamp on as it was handed out")
            })
    }
}

impl TryFrom<String> for UnitKey {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<UnitKey> for String {
    fn from(key: UnitKey) -> Self {
        key.to_string()
    }
}

/// Why a request got its variant. Only [`Bucket`](Self::Bucket) is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssignmentReason {
    /// The unit's bucket is the variant's.
    Bucket,
    /// The caller asked for it.
    Forced,
    /// The experiment is paused: everybody gets the control.
    Paused,
    /// The request names no unit: it gets the control.
    NoUnit,
    /// The unit is in another part of the namespace: it gets the control.
    OutsideNamespace,
    /// The unit is held out of experiments: it gets the control.
    HeldOut,
    /// A variant cannot be served as it was when the experiment began, because a snippet of it changed or the pointer was
    /// moved: everybody gets what is live.
    Unavailable,
}

impl AssignmentReason {
    /// The text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Forced => "forced",
            Self::Paused => "paused",
            Self::NoUnit => "no_unit",
            Self::OutsideNamespace => "outside_namespace",
            Self::HeldOut => "held_out",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for AssignmentReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an experiment gave a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The variant.
    pub variant: VariantName,
    /// Which allocation of traffic was in force: 1, 2, 3 …
    pub epoch: u32,
    /// The unit; `None` when the request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitKey>,
    /// How units are hashed: see [`HASH_VERSION`](Self::HASH_VERSION).
    pub hash_version: u8,
    /// Why.
    pub reason: AssignmentReason,
}

impl Assignment {
    /// The one way in which units are hashed as yet: XXH3 of 64 bits, seeded by the experiment.
    pub const HASH_VERSION: u8 = 1;

    /// Where among 10,000 buckets the unit lies.
    #[must_use]
    pub fn bucket(&self) -> Option<u16> {
        self.unit.map(UnitKey::bucket)
    }

    /// Whether an outcome of it counts.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.reason == AssignmentReason::Bucket
    }
}
