//! Whether variants got the traffic that they were to get.

/// How sure the alternative is that shares are nearly as said: it looks for small deviations first.
const CONCENTRATION: f64 = 1_000.0;

/// ln E against "each outcome is from a variant with the probability that the variant's weight says": declare a mismatch
/// at ln(1/α), after as many looks as wanted. 0 without outcomes.
///
/// The alternative draws the shares from a Dirichlet distribution around the weights (concentration 1,000); E is the
/// Dirichlet–multinomial probability of the counts over the multinomial one (Lindon and Malek, "Anytime-Valid Inference
/// For Multinomial Count Data", NeurIPS 2022). Over epochs the logarithms are added up.
///
/// `None` when the lists differ in length or are empty, or a weight is 0: whoever gets no traffic is no part of this,
/// and outcomes of it are an error elsewhere.
#[must_use]
pub fn sample_ratio_ln_e(counts: &[u64], weights: &[u32]) -> Option<f64> {
    if counts.len() != weights.len() || counts.is_empty() || weights.contains(&0) {
        return None;
    }
    let all_weights: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let all: f64 = counts.iter().map(|count| *count as f64).sum();
    // lnΓ by Stirling's series: what would cancel for large counts is cancelled on paper.
    let after = CONCENTRATION + all;
    let cells = counts.iter().zip(weights).map(|(count, weight)| {
        let share = f64::from(*weight) / all_weights;
        let (before, count) = (CONCENTRATION * share, *count as f64);
        let now = before + count;
        // ln(now / (share · after)): near 1 by how much the count is off, which keeps its digits.
        let off = (count - share * all) / (share * after);
        let quotient = if off.abs() < 0.5 {
            off.ln_1p()
        } else {
            (now / (share * after)).ln()
        };
        (now - 0.5) * quotient + stirling_rest(now) - stirling_rest(before)
    });
    let cells: f64 = cells.sum();
    let growth = (all / CONCENTRATION).ln_1p();
    let ln_e = cells + (0.5 - counts.len() as f64 / 2.0) * growth - stirling_rest(after)
        + stirling_rest(CONCENTRATION);
    ln_e.is_finite().then_some(ln_e)
}

/// lnΓ(x) − ((x − ½) ln x − x + ½ ln 2π), for x > 0: Stirling's series (Abramowitz and Stegun 6.1.41) from 15 on, and
/// below by Γ(x + 1) = x Γ(x).
fn stirling_rest(x: f64) -> f64 {
    const FROM: f64 = 15.0;
    let (mut at, mut rest) = (x, 0.0);
    while at < FROM {
        rest += (at + 0.5) * (1.0 / at).ln_1p() - 1.0;
        at += 1.0;
    }
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1_260.0,
        -1.0 / 1_680.0,
        1.0 / 1_188.0,
    ];
    let square = 1.0 / (at * at);
    rest + series.iter().rev().fold(0.0, |sum, term| sum * square + term) / at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stirling_and_its_rest_are_factorials() {
        let mut factorial = 1.0_f64;
        for n in 1..=30_u32 {
            let x = f64::from(n);
            let found = (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + stirling_rest(x);
            assert!(
                (found - factorial.ln()).abs() < 1e-13 * factorial.ln().max(1.0),
                "{n}"
            );
            factorial *= x;
        }
    }

    #[test]
    fn counts_as_weighted_are_no_evidence_and_others_are() {
        assert_eq!(sample_ratio_ln_e(&[0, 0], &[9_000, 1_000]), Some(0.0));
        assert!(sample_ratio_ln_e(&[9_000, 1_000], &[9_000, 1_000]).unwrap() < 0.0);
        assert!(sample_ratio_ln_e(&[8_500, 1_500], &[9_000, 1_000]).unwrap() > 1_000_f64.ln());
        // A product of what each outcome adds, in whatever order: 3 of 3 with even weights.
        let grown = [500.0_f64, 501.0, 502.0].iter().zip([1_000.0, 1_001.0, 1_002.0]);
        let expected: f64 = grown.map(|(a, k)| (2.0 * a / k).ln()).sum();
        let found = sample_ratio_ln_e(&[3, 0], &[1, 1]).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn any_counts_have_an_answer_but_not_any_weights() {
        for counts in [
            [u64::MAX, u64::MAX],
            [u64::MAX, 0],
            [1_000_000_000, 1_000_000_001],
        ] {
            assert!(sample_ratio_ln_e(&counts, &[1, 9_999]).is_some(), "{counts:?}");
        }
        // Even at a billion, as many as said is the least evidence there is.
        let even = sample_ratio_ln_e(&[1_000_000_000; 2], &[1, 1]).unwrap();
        assert!((-8.0..-6.0).contains(&even), "{even}");
        assert_eq!(sample_ratio_ln_e(&[], &[]), None);
        assert_eq!(sample_ratio_ln_e(&[1], &[1, 1]), None);
        assert_eq!(sample_ratio_ln_e(&[1, 0], &[1, 0]), None);
    }
}
