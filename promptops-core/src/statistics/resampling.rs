//! How often to draw, and from which seed.

use serde::{Deserialize, Serialize};

use super::random::Random;

/// How often a method that draws at random does so, and its seed: the same for both gives the same figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Resampling {
    draws: u32,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    draws: u32,
    seed: u64,
}

impl Resampling {
    /// Fewest draws: below, the ends of an interval are noise.
    pub const MIN_DRAWS: u32 = 100;
    /// Most draws: 8 MB of figures.
    pub const MAX_DRAWS: u32 = 1_000_000;
    /// Draws unless said otherwise.
    pub const DEFAULT_DRAWS: u32 = 10_000;

    /// As many draws as given. `None` for fewer than [`MIN_DRAWS`](Self::MIN_DRAWS) or more than
    /// [`MAX_DRAWS`](Self::MAX_DRAWS).
    #[must_use]
    pub fn new(draws: u32, seed: u64) -> Option<Self> {
        (Self::MIN_DRAWS..=Self::MAX_DRAWS)
            .contains(&draws)
            .then_some(Self { draws, seed })
    }

    /// [`DEFAULT_DRAWS`](Self::DEFAULT_DRAWS) draws.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            draws: Self::DEFAULT_DRAWS,
            seed,
        }
    }

    /// How many draws.
    #[must_use]
    pub fn draws(self) -> u32 {
        self.draws
    }

    /// The seed.
    #[must_use]
    pub fn seed(self) -> u64 {
        self.seed
    }

    pub(super) fn random(self) -> Random {
        Random::seeded(self.seed)
    }
}

impl TryFrom<Parts> for Resampling {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        Self::new(parts.draws, parts.seed).ok_or("from 100 to 1,000,000 draws are possible")
    }
}

impl From<Resampling> for Parts {
    fn from(resampling: Resampling) -> Self {
        Self {
            draws: resampling.draws,
            seed: resampling.seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn draws_are_bounded_however_they_are_given() {
        for wrong in [0, 99, 1_000_001, u32::MAX] {
            assert!(Resampling::new(wrong, 1).is_none(), "{wrong}");
            assert!(serde_json::from_value::<Resampling>(json!({"draws": wrong, "seed": 1})).is_err());
        }
        let some = Resampling::new(100, u64::MAX).unwrap();
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<Resampling>(&text).unwrap(), some);
    }
}
