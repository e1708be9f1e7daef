//! Which entries are taken, of however many there are, in bounded memory.

use std::collections::{BTreeMap, HashSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::candidate::{Candidate, InputsKey};

/// Keeps the entries whose inputs have the smallest hashes under the seed (XXH3 of 64 bits, of the inputs' own hash). So
/// which are kept depends on the seed and on what was offered, and not on the order in which it was, nor on how often the
/// same inputs were: each of the different inputs is as likely to be kept as another.
pub(super) struct Sample {
    seed: u64,
    size: usize,
    held: BTreeMap<(u64, InputsKey), Candidate>,
    bytes: usize,
    /// Half of each key that was offered: enough to tell a million of them apart.
    seen: HashSet<[u8; 16]>,
    /// How many were offered whose inputs another has.
    pub duplicates: u64,
}

impl Sample {
    pub fn new(size: usize, seed: u64) -> Self {
        Self {
            seed,
            size,
            held: BTreeMap::new(),
            bytes: 0,
            seen: HashSet::new(),
            duplicates: 0,
        }
    }

    /// Takes it into account.
    pub fn offer(&mut self, candidate: Candidate) {
        let mut half = [0; 16];
        half.iter_mut()
            .zip(candidate.key.0)
            .for_each(|(to, byte)| *to = byte);
        if !self.seen.insert(half) {
            self.duplicates += 1;
        }
        let place = (xxh3_64_with_seed(&candidate.key.0, self.seed), candidate.key);
        // What was given up never comes back, since what is kept only gets smaller.
        let is_kept = match self.held.get(&place) {
            Some(held) => candidate.standing() > held.standing(),
            None => {
                self.held.len() < self.size
                    || self.held.last_key_value().is_some_and(|(last, _)| place < *last)
            }
        };
        if !is_kept {
            return;
        }
        self.bytes += candidate.bytes;
        let replaced = self.held.insert(place, candidate);
        let surplus = if self.held.len() > self.size {
            self.held.pop_last().map(|(_, surplus)| surplus)
        } else {
            None
        };
        for gone in replaced.into_iter().chain(surplus) {
            self.bytes -= gone.bytes;
        }
    }

    /// About how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many different inputs were offered.
    pub fn different(&self) -> u64 {
        self.seen.len() as u64
    }

    /// What was kept, the oldest trace first.
    pub fn finish(self) -> Vec<Candidate> {
        let mut kept: Vec<Candidate> = self.held.into_values().collect();
        kept.sort_unstable_by_key(|candidate| candidate.trace);
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::base::{Timestamp, TraceId};
    use crate::evaluation::Entry;

    fn candidate(trace: u128, question: u32, is_corrected: bool) -> Candidate {
        let input = Map::from_iter([("question".to_owned(), json!(question))]);
        Candidate {
            key: InputsKey::of(&input),
            trace: TraceId::new(Timestamp::UNIX_EPOCH, trace),
            is_corrected,
            entry: Entry::new(trace.to_string(), input),
            bytes: 10,
        }
    }

    fn drawn(size: usize, seed: u64, offers: &[(u128, u32, bool)]) -> (Vec<String>, u64, usize) {
        let mut sample = Sample::new(size, seed);
        for (trace, question, is_corrected) in offers {
            sample.offer(candidate(*trace, *question, *is_corrected));
        }
        let (duplicates, bytes) = (sample.duplicates, sample.bytes());
        let ids = sample.finish().into_iter().map(|kept| kept.entry.id).collect();
        (ids, duplicates, bytes)
    }

    #[test]
    fn of_equal_inputs_a_correction_counts_and_then_the_newest() {
        let offers = [
            (1, 7, false),
            (2, 7, true),
            (3, 7, true),
            (4, 7, false),
            (5, 8, false),
        ];
        assert_eq!(
            drawn(9, 0, &offers),
            (vec!["3".to_owned(), "5".to_owned()], 3, 20)
        );
        assert_eq!(drawn(9, 0, &offers[..1]).0, ["1"]);
    }

    #[test]
    fn inputs_are_equal_whatever_the_order_of_their_keys_and_how_numbers_are_written() {
        let key = |text: &str| {
            InputsKey::of(
                serde_json::from_str::<serde_json::Value>(text)
                    .unwrap()
                    .as_object()
                    .unwrap(),
            )
        };
        assert_eq!(
            key(r#"{"a": 1, "b": {"c": [1.0], "d": null}}"#),
            key(r#"{"b": {"d": null, "c": [1]}, "a": 1}"#)
        );
        assert_ne!(key(r#"{"a": "1"}"#), key(r#"{"a": 1}"#));
        assert_ne!(key(r#"{"a": "x "}"#), key(r#"{"a": "x"}"#));
    }

    #[test]
    fn each_is_as_likely_as_another_and_another_seed_draws_others() {
        let offers: Vec<_> = (0..100).map(|n| (u128::from(n), n, false)).collect();
        let mut times = [0_u32; 100];
        for seed in 0..2_000 {
            for id in drawn(20, seed, &offers).0 {
                times[id.parse::<usize>().unwrap()] += 1;
            }
        }
        // 400 on average, with a deviation of 18.
        assert!(times.iter().all(|times| (310..490).contains(times)), "{times:?}");
        assert_ne!(drawn(20, 1, &offers).0, drawn(20, 2, &offers).0);
    }

    proptest! {
        #[test]
        fn the_order_of_offers_does_not_matter(
            mut offers in prop::collection::btree_map(0_u128..200, (0_u32..30, any::<bool>()), 0..60)
                .prop_map(|offers| offers.into_iter().map(|(t, (q, c))| (t, q, c)).collect::<Vec<_>>()),
            size in 1_usize..20,
            seed in any::<u64>(),
        ) {
            let forward = drawn(size, seed, &offers);
            offers.reverse();
            prop_assert_eq!(&drawn(size, seed, &offers), &forward);
            offers.sort_by_key(|(trace, ..)| trace.wrapping_mul(7) % 13);
            prop_assert_eq!(&drawn(size, seed, &offers), &forward);
            let different: std::collections::BTreeSet<u32> = offers.iter().map(|(_, q, _)| *q).collect();
            prop_assert_eq!(forward.0.len(), different.len().min(size));
            prop_assert_eq!(forward.1 as usize, offers.len() - different.len());
            prop_assert_eq!(forward.2, forward.0.len() * 10);
        }
    }
}
