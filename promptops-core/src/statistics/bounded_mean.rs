//! Evidence on the mean of scores from 0 to 1 that may be looked at after every score: bets against a null mean.
//!
//! Whoever bets the part c of what they have on "below m" has 1 + c (m − x)/(1 − m) times as much after a score x. While
//! the scores' mean given all before is m or above, that is 1 at most on average: what they have is a non-negative
//! supermartingale, and by Ville's inequality it ever reaches 1/α with probability α at most ("Étude critique de la notion
//! de collectif", 1939). Scores need be neither independent nor of one distribution (Waudby-Smith and Ramdas, "Estimating
//! means of bounded random variables by betting", JRSS B 86(1), 2024).
//!
//! For ones and zeros the bet is the likelihood ratio of the rate m − c·m to m, so the grid of c is one of rates below m.

use serde::{Deserialize, Serialize};

use super::one_sided::bisect;

/// How many bets there are.
const BETS: usize = 7;
/// The parts that are bet, each with an equal share of the stake.
const PARTS: [f64; BETS] = [0.02, 0.04, 0.08, 0.15, 0.3, 0.55, 0.9];

/// The outcome of every bet for one score, as logarithms.
pub type Wins = [f64; BETS];

/// Bets that a mean is below a null mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BelowMean {
    null: f64,
}

impl BelowMean {
    /// `None` unless the null mean lies between 0 and 1: nothing is below 0.
    #[must_use]
    pub fn new(null: f64) -> Option<Self> {
        (null > 0.0 && null < 1.0).then_some(Self { null })
    }

    /// What each bet makes of its stake for this score. `None` for a score that is not within 0 ..= 1.
    #[must_use]
    pub fn wins(self, score: f64) -> Option<Wins> {
        if !(0.0..=1.0).contains(&score) {
            return None;
        }
        let odds = (self.null - score) / (1.0 - self.null);
        Some(PARTS.map(|part| (part * odds).ln_1p()))
    }
}

/// E<sub>t</sub> = (1/K) Σ<sub>k</sub> Π<sub>s≤t</sub> L<sub>k</sub>(x<sub>s</sub>): evidence that the mean has been below
/// the null from the start. P(ever E ≥ 1/α) ≤ α while it is not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FromTheStart {
    /// Logarithms of what each bet has. Finite always.
    ln: [f64; BETS],
}

impl FromTheStart {
    /// Adds the next score's wins.
    pub fn add(&mut self, wins: &Wins) {
        for (ln, win) in self.ln.iter_mut().zip(wins) {
            *ln += win;
        }
    }

    /// ln E: 0 at the beginning.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        ln_mean(&self.ln)
    }

    /// Whether every figure is finite, as all that was made by [`add`](Self::add) is.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.ln.iter().all(|ln| ln.is_finite())
    }
}

/// Evidence that the mean fell below the null at some time: a stake of 1/H is kept for a beginning at each of the first H
/// scores, so that E = (1/H) Σ<sub>s≤H</sub> (1/K) Σ<sub>k</sub> Π<sub>s≤r≤t</sub> L<sub>k</sub>(x<sub>r</sub>).
///
/// Up to H scores that is R/H, with the recursion R ← (1 + R)·L of Shiryaev and Roberts (Shin, Ramdas and Rinaldo,
/// "E-detectors", New England Journal of Statistics in Data Science 2(2), 2024). With what is still kept it is a
/// supermartingale from 1 on, since each score takes a kept stake of 1/H: P(ever E ≥ 1/α) ≤ α, and not within H scores
/// alone. After H scores no bet begins.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SinceSomeTime {
    /// Logarithms of R + 1, or of R when no bet begins any more: finite always, as that of R is not.
    ln: [f64; BETS],
}

impl SinceSomeTime {
    /// Adds the next score's wins. `begins`: whether a bet begins at the score after it, as one does until there are H.
    pub fn add(&mut self, wins: &Wins, begins: bool) {
        for (ln, win) in self.ln.iter_mut().zip(wins) {
            *ln += win;
            if begins {
                *ln = ln.max(0.0) + (-ln.abs()).exp().ln_1p();
            }
        }
    }

    /// ln E for a horizon of H scores: −ln H at the beginning.
    #[must_use]
    pub fn ln_e(&self, horizon: u64) -> f64 {
        ln_mean(&self.ln) - (horizon.max(1) as f64).ln()
    }

    /// Whether every figure is finite, as all that was made by [`add`](Self::add) is.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.ln.iter().all(|ln| ln.is_finite())
    }
}

/// ln E that the mean of scores from 0 to 1 is above `null`, from their count and sum alone: a mixture over rates q above
/// the null of the likelihood ratios (q/m)<sup>Σx</sup> ((1 − q)/(1 − m))<sup>n − Σx</sup>. Each is a supermartingale while
/// the mean given all before is `null` or below, for any scores from 0 to 1, since 1 + x(r − 1) ≥ rˣ there. For ones and zeros
/// it is the mirror of [`FromTheStart`].
///
/// `count` need not be whole, as for [`mean_at_least`](super::mean_at_least). `None` unless 0 ≤ `mean` ≤ 1, `count` ≥ 0 and
/// finite, and 0 < `null` < 1.
#[must_use]
pub fn above_mean_ln_e(count: f64, mean: f64, null: f64) -> Option<f64> {
    let fits = count.is_finite() && count >= 0.0 && (0.0..=1.0).contains(&mean);
    (fits && null > 0.0 && null < 1.0).then(|| above(count, mean, null))
}

fn above(count: f64, mean: f64, null: f64) -> f64 {
    let ln = PARTS.map(|part| {
        // q = m + c (1 − m).
        let odds = (1.0 - null) / null;
        count * (mean * (part * odds).ln_1p() + (1.0 - mean) * (-part).ln_1p())
    });
    ln_mean(&ln)
}

/// A mean that the scores' true mean is not below, with error `alpha` over all looks together: the greatest null that
/// [`above_mean_ln_e`] rules out at ln(1/alpha). 0 while it rules out none.
///
/// `None` as there, and unless 0 < `alpha` < 1.
#[must_use]
pub fn mean_at_least_anytime(count: f64, mean: f64, alpha: f64) -> Option<f64> {
    above_mean_ln_e(count, mean, 0.5)?;
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let needed = -alpha.ln();
    // At 0 exactly there is no such null, and from the mean on nothing speaks for more.
    Some(bisect(0.0, mean.min(1.0 - f64::EPSILON), |null| {
        above(count, mean, null) >= needed
    }))
}

/// ln((1/K) Σ exp).
fn ln_mean(ln: &[f64; BETS]) -> f64 {
    let most = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = ln.iter().map(|ln| (ln - most).exp()).sum();
    most + (sum / BETS as f64).ln()
}
