//! How long an experiment will take, were the truth what it looks like now.

use super::label_e_value::LabelTest;
use super::moments::Moments;

/// About how many more outcomes of both together it takes for [`LabelTest::ln_e`] to grow by `missing`, were the means and
/// variances what they are now: `missing` over the growth per outcome. `share` is the variant's part of both.
///
/// Per outcome ln E grows by what it tells of its label: for outcomes of 0 and 1 the mutual information
/// I = (1 − π) KL(p<sub>A</sub> ‖ p̄) + π KL(p<sub>B</sub> ‖ p̄), p̄ the mean of all (Shannon 1948; for the growth of
/// evidence, Kelly, "A New Interpretation of Information Rate", Bell System Technical Journal 35(4), 1956). Scores that
/// vary less tell more: I grows by p̄(1 − p̄) over their variance. Differences beyond the test's grid are seen as its last:
/// there the parabola of the growth in the assumed difference is below its top.
///
/// 0 when nothing is missing. `None` when there is no effect to see, or more would be needed than can be counted, or the
/// share is not more than 0 and less than 1.
#[must_use]
pub fn outcomes_needed(control: &Moments, variant: &Moments, share: f64, missing: f64) -> Option<u64> {
    if missing <= 0.0 {
        return Some(0);
    }
    let needed = (missing / growth(control, variant, share)?).ceil();
    (needed < u64::MAX as f64).then_some(needed as u64)
}

fn growth(control: &Moments, variant: &Moments, share: f64) -> Option<f64> {
    let mean = (1.0 - share) * control.mean + share * variant.mean;
    let effect = variant.mean - control.mean;
    let spread =
        (1.0 - share) * control.variance + share * variant.variance + share * (1.0 - share) * effect * effect;
    let likely = [share, mean].iter().all(|value| *value > 0.0 && *value < 1.0);
    if !likely || effect == 0.0 || spread <= 0.0 {
        return None;
    }
    let information = (1.0 - share) * divergence(control.mean, mean) + share * divergence(variant.mean, mean);
    let slope = effect.abs() / spread;
    let reached = (LabelTest::farthest() / slope).min(1.0);
    let growth = information * (mean * (1.0 - mean) / spread) * reached * (2.0 - reached);
    (growth.is_finite() && growth > 0.0).then_some(growth)
}

/// KL(p ‖ q) of two coins, 0 ln 0 = 0.
fn divergence(p: f64, q: f64) -> f64 {
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    (part(p, q) + part(1.0 - p, 1.0 - q)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Counts;

    fn rates(control: u64, variant: u64) -> (Counts, Counts) {
        let counts = |successes| Counts::new(successes, 1_000).unwrap();
        (counts(control), counts(variant))
    }

    #[test]
    fn evidence_grows_as_foreseen() {
        for (control, variant) in [(700, 750), (900, 930), (500, 450), (200, 350)] {
            let (control, variant) = rates(control, variant);
            let test = LabelTest::new(0.5, control.moments().map(|control| control.mean)).unwrap();
            // Far out, where what the mixture costs no longer grows.
            let at = |times: u64| {
                let [a, b] = [control, variant]
                    .map(|counts| Counts::new(counts.successes() * times, counts.total() * times).unwrap());
                test.ln_e(&a, &b)
            };
            let grown = at(200) - at(100);
            let needed = outcomes_needed(
                &control.moments().unwrap(),
                &variant.moments().unwrap(),
                0.5,
                grown,
            )
            .unwrap();
            let off = needed as f64 / 200_000.0;
            assert!((0.85..1.15).contains(&off), "{control:?} {variant:?}: {off}");
        }
    }

    #[test]
    fn scores_that_vary_less_take_fewer() {
        let of = |mean, variance| Moments::new(100, mean, variance).unwrap();
        let needed = |variance| outcomes_needed(&of(0.60, variance), &of(0.62, variance), 0.5, 3.0).unwrap();
        let (wide, narrow) = (needed(0.2), needed(0.05));
        assert!(
            (3.8..4.2).contains(&(wide as f64 / narrow as f64)),
            "{wide} {narrow}"
        );
    }

    #[test]
    fn without_an_effect_no_number_is_enough() {
        let (same, _) = rates(700, 700);
        let same = same.moments().unwrap();
        assert_eq!(outcomes_needed(&same, &same, 0.5, 3.0), None);
        assert_eq!(outcomes_needed(&same, &same, 0.5, 0.0), Some(0));
        let (all, none) = rates(1_000, 0);
        let (all, none) = (all.moments().unwrap(), none.moments().unwrap());
        assert_eq!(outcomes_needed(&all, &all, 0.5, 3.0), None);
        assert!(outcomes_needed(&all, &none, 0.5, 3.0).unwrap() < 40);
        assert_eq!(outcomes_needed(&all, &none, 1.0, 3.0), None);
        assert_eq!(outcomes_needed(&all, &none, f64::NAN, 3.0), None);
    }
}
