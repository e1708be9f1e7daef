//! What is replayed of the part that decides.

use std::collections::BTreeSet;

use super::partition::Replayable;
use crate::base::TraceId;
use crate::base::hash::CanonicalHasher;

/// What is replayed: members of the failure cluster, and others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strata {
    /// Members of the cluster, by id.
    pub target: Vec<Replayable>,
    /// A sample of the others, by id: of traces and not of different inputs, so that what is frequent counts as such.
    pub guard: Vec<Replayable>,
    /// How many members there were.
    pub members: u64,
    /// How many others there were.
    pub others: u64,
}

impl Strata {
    /// Takes up to so many members of a cluster and up to so many others.
    ///
    /// Those are taken whose id has the smallest hash under the seed (SHA-256 over the canonical encoding, see
    /// [`hash`](crate::base::hash), domain `promptops.stratum`, format 1, of the seed as a number and the id as text): which
    /// they are does not depend on the order, and of more traces with the same seed, those taken before are replaced by as
    /// few as can be.
    #[must_use]
    pub fn of(
        confirm: impl IntoIterator<Item = Replayable>,
        members: &BTreeSet<TraceId>,
        most: (usize, usize),
        seed: u64,
    ) -> Self {
        let (target, guard): (Vec<_>, Vec<_>) =
            confirm.into_iter().partition(|trace| members.contains(&trace.id));
        Self {
            members: target.len() as u64,
            others: guard.len() as u64,
            target: sample(target, most.0, seed),
            guard: sample(guard, most.1, seed),
        }
    }
}

fn sample(traces: Vec<Replayable>, most: usize, seed: u64) -> Vec<Replayable> {
    let mut placed: Vec<([u8; 32], Replayable)> = traces
        .into_iter()
        .map(|trace| {
            let mut hasher = CanonicalHasher::new("promptops.stratum", 1);
            hasher.number(seed);
            hasher.text(&trace.id.to_string());
            (hasher.finish(), trace)
        })
        .collect();
    placed.sort_unstable_by_key(|(place, trace)| (*place, trace.id));
    placed.truncate(most);
    let mut taken: Vec<Replayable> = placed.into_iter().map(|(_, trace)| trace).collect();
    taken.sort_unstable_by_key(|trace| trace.id);
    taken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::improvement::replay::Likeness;

    #[test]
    fn members_and_others_are_told_apart_and_drawn_by_the_seed() {
        let traces: Vec<Replayable> = (0..500_u32)
            .map(|n| Replayable {
                id: format!("{n:032x}").parse().unwrap(),
                session: None,
                likeness: Likeness::of(&json!("the same")),
            })
            .collect();
        let members: BTreeSet<TraceId> = traces[..50].iter().map(|trace| trace.id).collect();
        let strata = |seed| Strata::of(traces.iter().rev().cloned(), &members, (30, 200), seed);
        let found = strata(1);
        assert_eq!((found.target.len(), found.guard.len()), (30, 200));
        assert_eq!((found.members, found.others), (50, 450));
        assert!(found.target.iter().all(|trace| members.contains(&trace.id)));
        assert!(found.guard.iter().all(|trace| !members.contains(&trace.id)));
        assert_eq!(found, strata(1));
        assert_ne!(found, strata(2));
        // Of more traces, what was taken is mostly taken again.
        let fewer = Strata::of(traces[..400].iter().cloned(), &members, (30, 200), 1);
        let kept = fewer
            .guard
            .iter()
            .filter(|trace| found.guard.contains(trace))
            .count();
        assert_eq!(fewer.target, found.target);
        assert!((130..200).contains(&kept), "{kept}");
    }
}
