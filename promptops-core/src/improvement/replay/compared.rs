//! Two versions in one dimension, when only which is better is asked.

use serde::{Deserialize, Serialize};

use super::gate::{Gate, is_aborted};
use super::item::{ReplayItem, prepare};
use super::pairs::Pairs;
use crate::base::error::{Result, invalid};

/// Two versions in one dimension, over all items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// How many items both answered.
    pub items: u64,
    /// Mean of the baseline, 0.0 ..= 1.0.
    pub baseline: f64,
    /// Mean of the candidate, 0.0 ..= 1.0.
    pub candidate: f64,
    /// Items that the candidate is better on.
    pub won: u64,
    /// Items that it is worse on.
    pub lost: u64,
    /// How likely so great an advantage of the candidate is if there were none: the exact McNemar test for passes, else
    /// flipped signs.
    pub p_value: f64,
}

impl Gate {
    /// Which of both arms is better in a dimension, by its place, over the items of both strata; `None` where more calls
    /// failed than may.
    ///
    /// # Errors
    /// Those of [`judge`](Self::judge) for items; [`Invalid`](crate::ErrorKind::Invalid) for a place that has no dimension.
    pub fn compare(&self, items: &[ReplayItem], place: usize) -> Result<Option<Compared>> {
        let Some(dimension) = self.dimensions().get(place) else {
            return Err(invalid(format!(
                "the gate has {} dimensions, and none at the place {place}",
                self.dimensions().len()
            )));
        };
        let prepared = prepare(items, self.dimensions(), self.checks_format())?;
        if is_aborted(self.settings(), &prepared) {
            return Ok(None);
        }
        let pairs = Pairs::of(&prepared.items, None, place, dimension.scale);
        let figures = pairs.figures(self.settings().resampling()?);
        Ok(Some(Compared {
            items: figures.items,
            baseline: figures.baseline,
            candidate: figures.candidate,
            won: figures.won,
            lost: figures.lost,
            p_value: pairs.better(self.settings().resampling()?),
        }))
    }
}
