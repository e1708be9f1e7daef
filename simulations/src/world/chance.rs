//! Numbers that look drawn, and follow from what they are for.

/// A number for these: the same for the same, another for others. Each part is mixed in by the finalizer of SplitMix64 (Steele,
/// Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[must_use]
pub fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |at, part| {
        let z = (at ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// [`mixed`], as a number 0.0 ..< 1.0.
#[must_use]
pub fn drawn(parts: &[u64]) -> f64 {
    (mixed(parts) >> 11) as f64 / (1_u64 << 53) as f64
}

/// One of these.
#[must_use]
pub fn one_of<T: Copy>(all: &[T], parts: &[u64]) -> Option<T> {
    let place = (drawn(parts) * all.len() as f64) as usize;
    all.get(place).copied()
}

/// What a number is drawn for, so that no two purposes share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Case = 1,
    Ticket,
    Resolution,
    Common,
    IsFresh,
    Fresh,
    Judge,
    Fault,
    World,
    Complaint,
    Words,
    Candidate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_even_and_of_their_parts_alone() {
        let mean: f64 = (0..10_000).map(|n| drawn(&[7, n])).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_eq!(drawn(&[1, 2]), drawn(&[1, 2]));
        assert_ne!(mixed(&[1, 2]), mixed(&[2, 1]));
        assert_eq!(one_of(&[3], &[9]), Some(3));
        assert_eq!(one_of::<u8>(&[], &[9]), None);
    }
}
