//! Who gets which variant: ranges of buckets, stored with the experiment and never derived again.

use serde::{Deserialize, Serialize};

use crate::base::error::{Result, invalid};

/// How many buckets there are: a bucket is a basis point of the traffic.
pub const BUCKETS: u16 = 10_000;

/// A range of buckets and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRange {
    /// The first bucket, 0 ..= 9,999.
    pub from: u16,
    /// The bucket after the last, 1 ..= 10,000.
    pub to: u16,
    /// The variant, by its place in the experiment's list.
    pub variant: u8,
}

impl BucketRange {
    fn len(self) -> u16 {
        self.to - self.from
    }
}

/// All buckets, each a variant's: ranges in order, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<BucketRange>", into = "Vec<BucketRange>")]
pub struct Allocation(Box<[BucketRange]>);

impl Allocation {
    /// Gives each variant a range as large as its share, in basis points.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the shares do not sum to 10,000, one is 0, or there are not 2 to 255.
    pub fn new(basis_points: &[u16]) -> Result<Self> {
        check_shares(basis_points)?;
        let mut from = 0;
        let ranges = basis_points.iter().zip(0..).map(|(share, variant)| {
            let range = BucketRange {
                from,
                to: from + share,
                variant,
            };
            from = range.to;
            range
        });
        Ok(Self(ranges.collect()))
    }

    /// The same for other shares: buckets go from variants that shrink to variants that grow, and all others stay where
    /// they are.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for another number of variants.
    pub fn reweighted(&self, basis_points: &[u16]) -> Result<Self> {
        check_shares(basis_points)?;
        let mut surplus = self.shares();
        if surplus.len() != basis_points.len() {
            return Err(invalid(format!(
                "{} shares for {} variants; give every variant a share",
                basis_points.len(),
                surplus.len()
            )));
        }
        let mut wanted = Vec::new();
        for (variant, (has, gets)) in (0..).zip(surplus.iter_mut().zip(basis_points)) {
            if *gets > *has {
                wanted.push((variant, *gets - *has));
            }
            *has = has.saturating_sub(*gets);
        }
        wanted.reverse();
        let mut ranges: Vec<BucketRange> = Vec::new();
        let mut push = |range: BucketRange| match ranges.last_mut() {
            Some(last) if last.variant == range.variant => last.to = range.to,
            _ => ranges.push(range),
        };
        for range in &self.0 {
            // What is given up is the end of a range.
            let given = range.len().min(surplus[usize::from(range.variant)]);
            surplus[usize::from(range.variant)] -= given;
            let mut from = range.to - given;
            if from > range.from {
                push(BucketRange { to: from, ..*range });
            }
            while from < range.to
                && let Some((variant, left)) = wanted.last_mut()
            {
                let to = range.to.min(from + *left);
                *left -= to - from;
                let variant = *variant;
                if *left == 0 {
                    wanted.pop();
                }
                push(BucketRange { from, to, variant });
                from = to;
            }
        }
        Ok(Self(ranges.into()))
    }

    /// The variant of a bucket. One above 9,999 is the last range's.
    #[must_use]
    pub fn variant(&self, bucket: u16) -> u8 {
        let range = self.0.iter().find(|range| bucket < range.to);
        range.or(self.0.last()).map_or(0, |range| range.variant)
    }

    /// The ranges, in order.
    #[must_use]
    pub fn ranges(&self) -> &[BucketRange] {
        &self.0
    }

    /// Each variant's share in basis points.
    #[must_use]
    pub fn shares(&self) -> Vec<u16> {
        let variants = self.0.iter().map(|range| usize::from(range.variant) + 1).max();
        let mut shares = vec![0; variants.unwrap_or(0)];
        for range in &self.0 {
            shares[usize::from(range.variant)] += range.len();
        }
        shares
    }
}

impl TryFrom<Vec<BucketRange>> for Allocation {
    type Error = crate::base::Error;

    fn try_from(ranges: Vec<BucketRange>) -> Result<Self> {
        let mut at = 0;
        for range in &ranges {
            if range.from != at || range.to <= at || range.to > BUCKETS {
                return Err(invalid(format!(
                    "the range {} .. {} of buckets; expected one that begins at {at} and ends above it, at {BUCKETS} at most",
                    range.from, range.to
                )));
            }
            at = range.to;
        }
        let this = Self(ranges.into());
        check_shares(&this.shares())?;
        Ok(this)
    }
}

impl From<Allocation> for Vec<BucketRange> {
    fn from(allocation: Allocation) -> Self {
        allocation.0.into_vec()
    }
}

fn check_shares(basis_points: &[u16]) -> Result<()> {
    if !(2..=255).contains(&basis_points.len()) {
        return Err(invalid(format!(
            "{} variants; an experiment compares at least 2, and 255 at most",
            basis_points.len()
        )));
    }
    if let Some(at) = basis_points.iter().position(|share| *share == 0) {
        return Err(invalid(format!(
            "variant {} of {} gets no traffic; leave it out, or give it a share above 0",
            at + 1,
            basis_points.len()
        )));
    }
    let sum: u32 = basis_points.iter().map(|share| u32::from(*share)).sum();
    if sum != u32::from(BUCKETS) {
        return Err(invalid(format!(
            "the variants' traffic sums to {} %; expected 100 %",
            f64::from(sum) / 100.0
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owners(allocation: &Allocation) -> Vec<u8> {
        (0..BUCKETS).map(|bucket| allocation.variant(bucket)).collect()
    }

    fn shares() -> impl Strategy<Value = Vec<u16>> {
        proptest::collection::vec(1_u16..9_999, 1..4).prop_map(|cuts| {
            let cuts: std::collections::BTreeSet<u16> = cuts.into_iter().collect();
            let mut from = 0;
            let mut shares: Vec<u16> = cuts
                .into_iter()
                .map(|cut| {
                    let share = cut - from;
                    from = cut;
                    share
                })
                .collect();
            shares.push(BUCKETS - from);
            shares
        })
    }

    proptest! {
        #[test]
        fn reweighting_moves_buckets_from_shrinking_to_growing_variants_and_nobody_else(
            first in shares(), weights in proptest::collection::vec(shares(), 0..6)
        ) {
            let mut allocation = Allocation::new(&first).unwrap();
            for shares in weights.iter().filter(|shares| shares.len() == first.len()) {
                let next = allocation.reweighted(shares).unwrap();
                prop_assert_eq!(&next.shares(), shares);
                let (before, after) = (allocation.shares(), shares);
                let must: u16 = before.iter().zip(after).map(|(b, a)| b.saturating_sub(*a)).sum();
                let moved: Vec<(u8, u8)> = owners(&allocation)
                    .into_iter()
                    .zip(owners(&next))
                    .filter(|(from, to)| from != to)
                    .collect();
                prop_assert_eq!(moved.len(), usize::from(must));
                for (from, to) in moved {
                    prop_assert!(after[usize::from(from)] < before[usize::from(from)]);
                    prop_assert!(after[usize::from(to)] > before[usize::from(to)]);
                }
                let read: Allocation = serde_json::from_value(serde_json::to_value(&next).unwrap()).unwrap();
                prop_assert_eq!(&read, &next);
                allocation = next;
            }
        }
    }

    #[test]
    fn what_is_no_allocation_is_refused_with_what_was_expected() {
        let refused = |shares: &[u16]| Allocation::new(shares).unwrap_err().to_string();
        assert!(refused(&[5_000, 4_000]).contains("sums to 90 %; expected 100 %"));
        assert!(refused(&[10_000, 0]).contains("variant 2 of 2 gets no traffic"));
        assert!(refused(&[10_000]).contains("at least 2"));
        assert!(refused(&[60_000, 60_000]).contains("sums to 1200 %"));
        let half = Allocation::new(&[5_000, 5_000]).unwrap();
        assert!(
            half.reweighted(&[5_000, 3_000, 2_000])
                .unwrap_err()
                .to_string()
                .contains("3 shares for 2 variants")
        );
        for ranges in [
            r#"[{"from":0,"to":5000,"variant":0}]"#,
            r#"[{"from":0,"to":5000,"variant":0},{"from":5001,"to":10000,"variant":1}]"#,
            r#"[{"from":0,"to":5000,"variant":0},{"from":5000,"to":10000,"variant":2}]"#,
            r#"[{"from":0,"to":10001,"variant":0}]"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Allocation>(ranges).is_err(), "{ranges}");
        }
    }
}
