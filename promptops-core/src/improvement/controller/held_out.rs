//! Which of production's traces a candidate is tried on, kept as a dataset so that every worker tries it on the same.

use std::collections::{BTreeMap, BTreeSet};

use super::arms::marked;
use super::improver::Improver;
use crate::base::error::{ErrorKind, Result};
use crate::base::hash::{CanonicalHasher, hex};
use crate::base::{DatasetName, TraceId};
use crate::curation::entry_of;
use crate::evaluation::{Dataset, DatasetDraft, Entry};
use crate::improvement::replay::{Likeness, Partitioned, Partitioning, Replayable, Strata, Stratum};
use crate::observation::TraceRecord;

/// Traces that can be replayed, in their parts.
pub(super) struct Parts {
    pub partitioned: Partitioned,
    traces: BTreeMap<TraceId, TraceRecord>,
}

impl Parts {
    /// The traces of a part.
    pub fn traces<'a>(&'a self, part: &'a [Replayable]) -> impl Iterator<Item = &'a TraceRecord> {
        part.iter().filter_map(|of| self.traces.get(&of.id))
    }

    fn entry(&self, improver: &Improver, of: &Replayable, stratum: Stratum) -> Option<Entry> {
        let trace = self.traces.get(&of.id)?.clone();
        let entry = entry_of(&improver.tenant, trace, improver.plan.expect_successes)?;
        Some(marked(entry, stratum))
    }

    /// Entries of a part: members of the cluster as target, others as guard, at most so many of each.
    pub fn entries(
        &self,
        improver: &Improver,
        part: &[Replayable],
        members: &BTreeSet<TraceId>,
        most: (usize, usize),
    ) -> Vec<Entry> {
        let strata = Strata::of(part.iter().cloned(), members, most, improver.plan.gate.seed);
        let of = |part: &[Replayable], stratum| -> Vec<Entry> {
            part.iter()
                .filter_map(|of| self.entry(improver, of, stratum))
                .collect()
        };
        let mut entries = of(&strata.target, Stratum::Target);
        entries.extend(of(&strata.guard, Stratum::Guard));
        entries
    }
}

impl Improver {
    /// The traces that have inputs, in their parts. The parts are by prompt and environment alone, so that what a proposer was
    /// shown for one candidate decides on none.
    pub(super) fn parts(&self, traces: Vec<TraceRecord>) -> Result<Parts> {
        let salt = format!("{}@{}", self.prompt, self.environment);
        let partitioning = Partitioning::new(self.plan.shares, salt)?;
        let mut kept = BTreeMap::new();
        let mut replayable = Vec::new();
        for trace in traces {
            let Some(inputs) = trace.inputs.as_ref().filter(|inputs| inputs.is_object()) else {
                continue;
            };
            replayable.push(Replayable {
                id: trace.id,
                session: trace.session.clone(),
                likeness: Likeness::of(inputs),
            });
            kept.insert(trace.id, trace);
        }
        Ok(Parts {
            partitioned: partitioning.of(replayable)?,
            traces: kept,
        })
    }

    /// The dataset of a purpose, if it was made.
    pub(super) async fn held_out(&self, purpose: &str, id: &str, number: u32) -> Result<Option<Dataset>> {
        let reference = format!("{}@v1", held_out_name(purpose, id, number)?);
        match self.datasets().get(&reference).await {
            Ok(dataset) => Ok(Some(dataset)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the dataset of a purpose; of two workers that do so at once the first one's counts.
    pub(super) async fn hold_out(
        &self,
        purpose: &str,
        id: &str,
        number: u32,
        entries: Vec<Entry>,
    ) -> Result<Dataset> {
        let draft = DatasetDraft::new(entries)
            .prompt(self.prompt.clone())
            .with("for", id)
            .message(format!(
                "traces of {}@{} for a {purpose}",
                self.prompt, self.environment
            ));
        let name = held_out_name(purpose, id, number)?;
        match self.datasets().put(name, draft, Some(0), &self.actor).await {
            Ok(saved) => Ok(saved.dataset),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.held_out(purpose, id, number).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// `replay/…`, after the id where that can be part of a name, and else after its hash. Each number has a name of its own: of
/// some numbers there is nothing to keep.
fn held_out_name(purpose: &str, id: &str, number: u32) -> Result<DatasetName> {
    let numbered = format!("{id}/{number}");
    let id = if number == 1 { id } else { &numbered };
    DatasetName::new(format!("{purpose}/{id}")).or_else(|_| {
        let mut hasher = CanonicalHasher::new("promptops.held_out", 1);
        hasher.text(id);
        let mut digits = hex(&hasher.finish());
        digits.truncate(32);
        DatasetName::new(format!("{purpose}/{digits}"))
    })
}
