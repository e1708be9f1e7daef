//! Which traces the proposer sees, which choose the finalist, and which decide.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::likeness::Likeness;
use crate::base::TraceId;
use crate::base::error::Result;
use crate::evaluation::{Entry, Split};

/// A part of the traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What the proposer may see.
    Propose,
    /// What a finalist is chosen on.
    Select,
    /// What decides. Nobody who writes a candidate sees it.
    Confirm,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Propose, Self::Select, Self::Confirm];

    /// Its name, as it is hashed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Select => "select",
            Self::Confirm => "confirm",
        }
    }
}

/// How much of the traces each part gets, as weights ≥ 1: only their proportions count. Default: 40, 20, 40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Of [`Part::Propose`].
    pub propose: u32,
    /// Of [`Part::Select`].
    pub select: u32,
    /// Of [`Part::Confirm`].
    pub confirm: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            propose: 40,
            select: 20,
            confirm: 40,
        }
    }
}

impl Shares {
    fn of(self, part: Part) -> u32 {
        match part {
            Part::Propose => self.propose,
            Part::Select => self.select,
            Part::Confirm => self.confirm,
        }
    }
}

/// What a partition needs to know of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayable {
    /// The trace.
    pub id: TraceId,
    /// Its session; those of one session depend on each other, and stay together.
    pub session: Option<String>,
    /// Which others have inputs as good as the same.
    pub likeness: Likeness,
}

/// Puts traces into parts, by the hash of the session, or of the trace's id where there is none: as [`Split`] does for the
/// entries of a dataset, with the parts' names `propose`, `select` and `confirm`. So a trace's part is the same on every
/// machine, and stays the same as others are added.
#[derive(Debug, Clone)]
pub struct Partitioning {
    split: Split,
    shares: Shares,
    salt: String,
}

/// Traces in their parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partitioned {
    /// What the proposer may see, by id.
    pub propose: Vec<Replayable>,
    /// What a finalist is chosen on, by id.
    pub select: Vec<Replayable>,
    /// What decides, by id.
    pub confirm: Vec<Replayable>,
    /// Traces left out, since their like is in another part.
    pub left_out: u64,
    /// How many different inputs that were.
    pub in_several: u64,
}

impl Partitioning {
    /// Of these shares; another salt makes another partition.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a share of 0.
    pub fn new(shares: Shares, salt: impl Into<String>) -> Result<Self> {
        let salt = salt.into();
        Ok(Self {
            split: split(shares, &Part::ALL, &salt)?,
            shares,
            salt,
        })
    }

    /// The part of a trace, whatever others there are.
    #[must_use]
    pub fn part(&self, trace: &Replayable) -> Part {
        let entry = Entry::new(trace.id.to_string(), Map::new());
        part_of(
            &self.split,
            &match &trace.session {
                Some(session) => entry.in_group(session),
                None => entry,
            },
        )
    }

    /// All traces in their parts. A trace whose id came before is left out without a word.
    ///
    /// Inputs that are alike and fall into several parts are kept in one of these and left out of the others, which is
    /// counted. In which is drawn by hash of the inputs, by the shares of the parts that have some, so that frequent inputs,
    /// which fall into every part, are not missing from what decides. As traces are added one may come to be left out, or
    /// be no longer; none changes its part. Make the partition of an attempt once, and keep to it.
    ///
    /// # Errors
    /// None that [`new`](Self::new) would not have had.
    pub fn of(&self, traces: impl IntoIterator<Item = Replayable>) -> Result<Partitioned> {
        let traces: BTreeMap<TraceId, Replayable> =
            traces.into_iter().map(|trace| (trace.id, trace)).collect();
        let placed: Vec<(Part, Replayable)> = traces
            .into_values()
            .map(|trace| (self.part(&trace), trace))
            .collect();
        let mut parts: BTreeMap<Likeness, BTreeSet<Part>> = BTreeMap::new();
        for (part, trace) in &placed {
            parts.entry(trace.likeness).or_default().insert(*part);
        }
        let mut homes = BTreeMap::new();
        for (likeness, parts) in parts.into_iter().filter(|(_, parts)| parts.len() > 1) {
            let among: Vec<Part> = parts.into_iter().collect();
            let split = split(self.shares, &among, &self.salt)?;
            let home = part_of(
                &split,
                &Entry::new("", Map::new()).in_group(format!("alike {}", likeness.text())),
            );
            homes.insert(likeness, home);
        }
        let mut found = Partitioned {
            in_several: homes.len() as u64,
            ..Partitioned::default()
        };
        for (part, trace) in placed {
            if homes.get(&trace.likeness).is_some_and(|home| *home != part) {
                found.left_out += 1;
                continue;
            }
            match part {
                Part::Propose => found.propose.push(trace),
                Part::Select => found.select.push(trace),
                Part::Confirm => found.confirm.push(trace),
            }
        }
        Ok(found)
    }
}

impl Partitioned {
    /// In plain words: how many are in each part, and how many were left out.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} traces to propose from, {} to select on, {} to confirm with; {} left out, since their like is in another part \
             ({} different inputs)",
            self.propose.len(),
            self.select.len(),
            self.confirm.len(),
            self.left_out,
            self.in_several
        )
    }
}

fn split(shares: Shares, among: &[Part], salt: &str) -> Result<Split> {
    let parts = among.iter().map(|part| (part.as_str(), shares.of(*part)));
    Ok(Split::new(parts)?.salt(salt))
}

fn part_of(split: &Split, entry: &Entry) -> Part {
    match split.part(entry) {
        "propose" => Part::Propose,
        "select" => Part::Select,
        _ => Part::Confirm,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trace(number: u32, session: Option<&str>, words: &str) -> Replayable {
        Replayable {
            id: format!("{number:032x}").parse().unwrap(),
            session: session.map(str::to_owned),
            likeness: Likeness::of(&json!(words)),
        }
    }

    /// Letters alone: digits are no difference.
    fn different(number: u32) -> String {
        number
            .to_string()
            .bytes()
            .map(|digit| char::from(digit - b'0' + b'a'))
            .collect()
    }

    fn partitioning() -> Partitioning {
        Partitioning::new(Shares::default(), "").unwrap()
    }

    #[test]
    fn shares_are_met_and_nothing_is_lost() {
        let traces = (0..10_000).map(|n| trace(n, None, &different(n)));
        let found = partitioning().of(traces).unwrap();
        let sizes = [found.propose.len(), found.select.len(), found.confirm.len()];
        assert_eq!(sizes.iter().sum::<usize>(), 10_000);
        // Four standard deviations.
        for (size, expected) in sizes.into_iter().zip([4_000_usize, 2_000, 4_000]) {
            assert!(size.abs_diff(expected) < 200, "{sizes:?}");
        }
        assert_eq!((found.left_out, found.in_several), (0, 0));
    }

    #[test]
    fn a_session_stays_together_and_a_trace_keeps_its_part_as_others_come() {
        let partitioning = partitioning();
        let sessions: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
        let all: Vec<Replayable> = (0..1_000)
            .map(|n| trace(n, Some(&sessions[n as usize % 100]), &different(n)))
            .collect();
        let few = partitioning.of(all[..300].iter().cloned()).unwrap();
        let more = partitioning.of(all.iter().rev().cloned()).unwrap();
        for (few, more) in [(&few.propose, &more.propose), (&few.confirm, &more.confirm)] {
            assert!(!few.is_empty());
            assert!(few.iter().all(|trace| more.contains(trace)));
        }
        let of = |part: &[Replayable]| -> BTreeSet<String> {
            part.iter().filter_map(|trace| trace.session.clone()).collect()
        };
        let parts = [of(&more.propose), of(&more.select), of(&more.confirm)];
        assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 100);
    }

    #[test]
    fn the_like_of_a_trace_is_in_no_other_part() {
        // 300 different inputs, ten traces of each.
        let traces = (0..3_000).map(|n| trace(n, None, &different(n % 300)));
        let found = partitioning().of(traces).unwrap();
        let of = |part: &[Replayable]| -> BTreeSet<Likeness> { part.iter().map(|t| t.likeness).collect() };
        let parts = [of(&found.propose), of(&found.select), of(&found.confirm)];
        assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 300);
        let kept = found.propose.len() + found.select.len() + found.confirm.len();
        assert_eq!(kept as u64 + found.left_out, 3_000);
        assert!(found.in_several > 290 && found.left_out > 1_500, "{found:?}");
        // Frequent inputs are in what decides too.
        assert!((90..150).contains(&parts[2].len()), "{}", parts[2].len());
        assert!(found.summary().contains(&format!("{} left out", found.left_out)));
    }

    #[test]
    fn another_salt_is_another_partition_and_no_share_may_be_nothing() {
        let [one, other] = ["", "2"].map(|salt| Partitioning::new(Shares::default(), salt).unwrap());
        let traces: Vec<_> = (0..200).map(|n| trace(n, None, &different(n))).collect();
        assert!(traces.iter().any(|trace| one.part(trace) != other.part(trace)));
        let none = Shares {
            select: 0,
            ..Shares::default()
        };
        assert!(Partitioning::new(none, "").is_err());
    }
}
