//! Quantiles.

/// Values in order, to ask for quantiles of.
#[derive(Debug, Clone)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// `None` when there is no value, or one that is infinite or no number.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() || !super::mean::all_finite(&values) {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        Some(Self(values))
    }

    /// The quantile at `q` from 0 (the least) to 1 (the most), between two values by straight line: type 7 of Hyndman
    /// and Fan ("Sample Quantiles in Statistical Packages", The American Statistician 50(4), 1996), which is the
    /// default of R and NumPy. `None` for any other `q`.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let place = q * (self.0.len() - 1) as f64;
        let low = *self.0.get(place.floor() as usize)?;
        let high = *self.0.get(place.ceil() as usize)?;
        let share = place.fract();
        // Two products, since a difference could be infinite; and one value twice, since products round.
        Some(if low == high {
            low
        } else {
            low * (1.0 - share) + high * share
        })
    }

    /// The quantile at 0.5.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5).unwrap_or_default()
    }

    /// The values, least first; never empty.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let sample = Sample::new(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        for (q, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (1.0, 4.0)] {
            assert_eq!(sample.quantile(q), Some(expected));
        }
        assert_eq!(Sample::new(vec![7.0]).unwrap().quantile(0.99), Some(7.0));
        let wide = Sample::new(vec![f64::MIN, f64::MAX]).unwrap();
        assert_eq!(wide.median(), 0.0);
    }

    #[test]
    fn what_has_no_quantile_has_none() {
        assert!(Sample::new(vec![]).is_none());
        assert!(Sample::new(vec![1.0, f64::NAN]).is_none());
        let sample = Sample::new(vec![1.0]).unwrap();
        for q in [-0.1, 1.1, f64::NAN] {
            assert_eq!(sample.quantile(q), None);
        }
    }
}
