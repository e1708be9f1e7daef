//! Which clusters are those that were known already.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Found, Member};
use super::label::Label;
use super::record::ClusterRecord;
use super::settings::ClusterSettings;
use super::status::ClusterStatus;
use crate::base::error::Result;
use crate::base::{ClusterId, IdSource, Timestamp};

/// What a look at the failures changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterChange {
    /// What happened.
    pub kind: ClusterChangeKind,
    /// The record that is to be kept.
    pub record: ClusterRecord,
    /// All members of this look.
    pub members: Vec<Member>,
}

impl ClusterChange {
    /// The revision that the record is to replace; 0 when there is none.
    #[must_use]
    pub fn base_revision(&self) -> u64 {
        self.record.revision.saturating_sub(1)
    }
}

/// What happened to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterChangeKind {
    /// It was not known.
    Opened,
    /// It was seen again, and something about it is new.
    Seen,
    /// It was resolved, and calls that began later failed like it.
    Reopened,
}

/// Holds what was found against the clusters that are known, and says what changes.
///
/// What was found can be a known cluster of the same prompt, environment, dimension and class. Of all such pairs whose
/// mean directions' cosine is at least [`ClusterSettings::identity`], or whose signatures are the same and of a message, which
/// counts as a cosine of 1, the one with the largest cosine is one cluster, then the next of those left, and so on; of equal ones
/// the smaller id of the known, then the smaller medoid. The known keeps id, label, status and first sight. Vectors of
/// different embedders cannot be compared: after a change of embedder only signatures tell.
///
/// A resolved cluster is reopened by a member that began after it was resolved; found without one, it stays as it is. A
/// known cluster that was not found, or of which nothing changed, has no change: to look at the same failures twice
/// changes nothing.
///
/// The order of both lists does not matter, but that new clusters get their ids one after the other, by prompt,
/// environment, dimension, class and medoid. Changes come in that order too, those of known clusters first.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) when `ids` gives what is no [`ClusterId`].
pub fn merge(
    previous: &[ClusterRecord],
    found: &[Found],
    settings: &ClusterSettings,
    now: Timestamp,
    ids: &dyn IdSource,
) -> Result<Vec<ClusterChange>> {
    let mut found: Vec<&Found> = found.iter().filter(|found| !found.members.is_empty()).collect();
    found.sort_by(|a, b| {
        stem_of_found(a)
            .cmp(&stem_of_found(b))
            .then(a.medoid.cmp(&b.medoid))
    });
    let mut previous: Vec<&ClusterRecord> = previous.iter().collect();
    previous.sort_by(|a, b| a.id.cmp(&b.id));
    let known = pairs(&previous, &found, settings.identity);
    let mut seen = Vec::new();
    let mut opened = Vec::new();
    for (at, found) in found.iter().enumerate() {
        match known.get(&at) {
            Some(record) => seen.extend(see(previous[*record], found, now)),
            None => opened.push(open(found, now, ids)?),
        }
    }
    seen.extend(opened);
    Ok(seen)
}

type Stem<'a> = (&'a str, Option<&'a str>, &'a str, &'a str);

fn stem_of_found(found: &Found) -> Stem<'_> {
    let environment = found.environment.as_ref().map(|name| name.as_str());
    (
        &found.prompt,
        environment,
        found.dimension.as_str(),
        found.class.as_str(),
    )
}

fn stem_of_record(record: &ClusterRecord) -> Stem<'_> {
    let environment = record.environment.as_ref().map(|name| name.as_str());
    (
        &record.prompt,
        environment,
        record.dimension.as_str(),
        record.class.as_str(),
    )
}

/// The place of the known cluster for each place of what was found.
fn pairs(previous: &[&ClusterRecord], found: &[&Found], least: f64) -> BTreeMap<usize, usize> {
    let mut by_stem: BTreeMap<Stem<'_>, Vec<usize>> = BTreeMap::new();
    for (at, record) in previous.iter().enumerate() {
        by_stem.entry(stem_of_record(record)).or_default().push(at);
    }
    let mut near: Vec<(f64, usize, usize)> = Vec::new();
    for (at, found) in found.iter().enumerate() {
        for record in by_stem.get(&stem_of_found(found)).into_iter().flatten() {
            let similarity = similarity(previous[*record], found);
            near.extend(similarity.filter(|s| *s >= least).map(|s| (s, *record, at)));
        }
    }
    // Places are in the order of ids and of medoids.
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut taken = BTreeSet::new();
    let mut pairs = BTreeMap::new();
    for (_, record, found) in near {
        if !taken.contains(&record) && !pairs.contains_key(&found) {
            taken.insert(record);
            pairs.insert(found, record);
        }
    }
    pairs
}

fn similarity(record: &ClusterRecord, found: &Found) -> Option<f64> {
    if record.signature == found.signature && !found.message.is_empty() {
        return Some(1.0);
    }
    record.vector.similarity(&found.vector)
}

fn open(found: &Found, now: Timestamp, ids: &dyn IdSource) -> Result<ClusterChange> {
    let size = found.size() as u64;
    let record = ClusterRecord {
        id: ClusterId::new(ids.id(now))?,
        prompt: found.prompt.clone(),
        environment: found.environment.clone(),
        dimension: found.dimension.clone(),
        class: found.class,
        signature: found.signature,
        message: found.message.clone(),
        medoid: found.medoid,
        vector: found.vector.clone(),
        example: found.example.clone(),
        cohesion: found.cohesion,
        label: Label::built_in(found),
        status: ClusterStatus::New,
        status_at: now,
        status_by: None,
        first_seen: found.first_seen().unwrap_or(now),
        last_seen: found.last_seen().unwrap_or(now),
        size,
        total: size,
        reopened: 0,
        revision: 1,
    };
    Ok(ClusterChange {
        kind: ClusterChangeKind::Opened,
        record,
        members: found.members.clone(),
    })
}

/// `None` when nothing about it changed.
fn see(known: &ClusterRecord, found: &Found, now: Timestamp) -> Option<ClusterChange> {
    let last_seen = found.last_seen()?;
    let reopens = known.status == ClusterStatus::Resolved && last_seen > known.status_at;
    if known.status == ClusterStatus::Resolved && !reopens {
        return None;
    }
    let since = found.members.iter().filter(|member| member.at > known.last_seen);
    let mut record = ClusterRecord {
        signature: found.signature,
        message: found.message.clone(),
        medoid: found.medoid,
        vector: found.vector.clone(),
        example: found.example.clone(),
        cohesion: found.cohesion,
        first_seen: known.first_seen.min(found.first_seen()?),
        last_seen: known.last_seen.max(last_seen),
        size: found.size() as u64,
        total: known.total.saturating_add(since.count() as u64),
        ..known.clone()
    };
    if reopens {
        record.come_to(ClusterStatus::Reopened, None, now);
    }
    if record == *known {
        return None;
    }
    record.revision += 1;
    Some(ClusterChange {
        kind: if reopens {
            ClusterChangeKind::Reopened
        } else {
            ClusterChangeKind::Seen
        },
        record,
        members: found.members.clone(),
    })
}
