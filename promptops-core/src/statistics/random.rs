//! Numbers that look random and are the same for the same seed.

use std::num::NonZeroU64;

/// The generator xoshiro256++ of Blackman and Vigna ("Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47(4),
/// 2021), its state filled from the seed by SplitMix64 as they advise. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator that gives the same numbers for the same seed, in every release and on every machine.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut at = seed;
        let state = [(); 4].map(|()| {
            at = at.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (at ^ (at >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number below the bound, each as likely as the other: Lemire's multiplication with rejection ("Fast Random
    /// Integer Generation in an Interval", ACM TOMACS 29(1), 2019).
    pub fn below(&mut self, bound: NonZeroU64) -> u64 {
        let bound = bound.get();
        let mut product = u128::from(self.bits()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.bits()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// Puts the items in an order drawn at random, each as likely as the other (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            if let Some(bound) = NonZeroU64::new(last as u64 + 1) {
                items.swap(last, self.below(bound) as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // Of the authors' C code, for the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        for expected in [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
            14_011_001_112_246_962_877,
            12_406_186_145_184_390_807,
            15_849_039_046_786_891_736,
            10_450_023_813_501_588_000,
        ] {
            assert_eq!(random.bits(), expected);
        }
        // With the state that SplitMix64 makes of 0.
        let mut random = Random::seeded(0);
        for expected in [
            5_987_356_902_031_041_503,
            7_051_070_477_665_621_255,
            6_633_766_593_972_829_180,
        ] {
            assert_eq!(random.bits(), expected);
        }
    }

    #[test]
    fn numbers_below_a_bound_are_equally_likely() {
        let mut random = Random::seeded(7);
        let six = NonZeroU64::new(6).unwrap();
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[random.below(six) as usize] += 1;
        }
        // Five standard deviations.
        assert!(
            counts.iter().all(|count| count.abs_diff(10_000) < 457),
            "{counts:?}"
        );
        let most = NonZeroU64::new(u64::MAX).unwrap();
        assert!((0..1_000).all(|_| random.below(most) < u64::MAX));
        // Of four draws three are taken; were all, every third number would come twice as often as the others.
        let odd = NonZeroU64::new(3 << 62).unwrap();
        let thirds = (0..30_000)
            .filter(|_| random.below(odd).is_multiple_of(3))
            .count();
        assert!(thirds.abs_diff(10_000) < 409, "{thirds}");
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::seeded(1).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        Random::seeded(1).shuffle::<u8>(&mut []);
    }
}
