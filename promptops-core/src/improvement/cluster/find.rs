//! From failures to clusters.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::found::{Clustering, ExampleBounds, Found, Member, VectorsBy};
use super::linkage::groups;
use super::mask::mask;
use super::settings::ClusterSettings;
use super::vector::{BuiltIn, ClusterVector, Room, Vector, embed, mean};
use crate::base::{EnvironmentName, FailureSignature, PromptName};
use crate::improvement::triage::{Dimension, Failure, OutcomeClass};
use crate::llm::Embedder;

/// Most words and texts that tell a cluster.
const MAX_TOLD: usize = 5;
/// Longest of these texts in bytes.
const MAX_TEXT_BYTES: usize = 400;

/// Groups failures by what this library makes of their words.
///
/// The same failures in any order, and on any number of threads that do so at once, give the same clusters bit by bit. Of
/// several failures with the same trace one counts.
#[must_use]
pub fn cluster(failures: &[Failure], settings: &ClusterSettings) -> Clustering {
    let prepared = Prepared::of(failures);
    prepared.cluster(settings, None, VectorsBy::BuiltIn)
}

/// Groups failures by what an embedder makes of their masked texts, each different one asked for once. If it fails, or
/// answers with what are no directions, as [`cluster`] does, and [`Clustering::vectors`] says so and why.
pub async fn cluster_embedded(
    failures: &[Failure],
    settings: &ClusterSettings,
    embedder: &dyn Embedder,
) -> Clustering {
    let prepared = Prepared::of(failures);
    let name = format!("{}/{}", embedder.provider(), embedder.model());
    let (vectors, by) = match embed(embedder, &prepared.texts, settings.batch).await {
        Ok(vectors) => (Some(vectors), VectorsBy::Embedder(name)),
        Err(why) => (None, VectorsBy::FellBack { embedder: name, why }),
    };
    prepared.cluster(settings, vectors.as_deref(), by)
}

/// What all failures of one group share before their words are looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stem<'a> {
    prompt: &'a PromptName,
    environment: Option<&'a EnvironmentName>,
    dimension: &'a Dimension,
    class: OutcomeClass,
}

impl<'a> Stem<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            prompt: &failure.prompt,
            environment: failure.environment.as_ref(),
            dimension: &failure.dimension,
            class: failure.class,
        }
    }
}

/// A failure, and which of the texts is its own.
#[derive(Clone, Copy)]
struct Item<'a> {
    failure: &'a Failure,
    text: usize,
}

/// Failures by trace, and their different texts.
struct Prepared<'a> {
    items: Vec<Item<'a>>,
    /// In the order of the alphabet.
    texts: Vec<String>,
}

impl<'a> Prepared<'a> {
    fn of(failures: &'a [Failure]) -> Self {
        let mut failures: Vec<&Failure> = failures.iter().collect();
        // All of it, so that which of several failures of a trace counts is the same in any order.
        failures.sort_by(|a, b| {
            let rest = |f: &'a Failure| (f.at, &f.message, &f.content);
            (a.trace, Stem::of(a))
                .cmp(&(b.trace, Stem::of(b)))
                .then_with(|| rest(a).cmp(&rest(b)))
        });
        failures.dedup_by_key(|failure| failure.trace);
        let masked: Vec<String> = failures.iter().map(|failure| text_of(failure)).collect();
        let mut texts = masked.clone();
        texts.sort_unstable();
        texts.dedup();
        let items = failures
            .into_iter()
            .zip(masked)
            .map(|(failure, masked)| Item {
                failure,
                text: texts.partition_point(|text| *text < masked),
            })
            .collect();
        Self { items, texts }
    }

    fn cluster(&self, settings: &ClusterSettings, vectors: Option<&[Vector]>, by: VectorsBy) -> Clustering {
        let mut stems: BTreeMap<Stem<'_>, Vec<Item<'_>>> = BTreeMap::new();
        for item in &self.items {
            stems.entry(Stem::of(item.failure)).or_default().push(*item);
        }
        let mut clustering = Clustering {
            clusters: Vec::new(),
            unclustered: Vec::new(),
            vectors: by,
        };
        let space = match &clustering.vectors {
            VectorsBy::Embedder(name) => name.clone(),
            VectorsBy::BuiltIn | VectorsBy::FellBack { .. } => BuiltIn::SPACE.to_owned(),
        };
        let mut room = Room::new();
        for items in stems.into_values() {
            let group = Group::of(items, &self.texts, vectors);
            group.cluster(settings, &space, &mut room, &mut clustering);
        }
        clustering.unclustered.sort_unstable();
        clustering
    }
}

/// What a failure is compared by: what was said of it, else what was asked and answered.
fn text_of(failure: &Failure) -> String {
    let message = mask(&failure.message);
    if message.is_empty() {
        mask(&failure.content)
    } else {
        message
    }
}

/// The failures of one stem.
struct Group<'a> {
    /// By trace; texts are counted within the group.
    items: Vec<Item<'a>>,
    texts: Vec<&'a str>,
    vectors: Vec<Vector>,
    built_in: BuiltIn,
}

impl<'a> Group<'a> {
    fn of(mut items: Vec<Item<'a>>, all: &'a [String], vectors: Option<&[Vector]>) -> Self {
        let mut numbers: Vec<usize> = items.iter().map(|item| item.text).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for item in &mut items {
            item.text = numbers.partition_point(|number| *number < item.text);
        }
        let texts: Vec<&str> = numbers.iter().map(|number| all[*number].as_str()).collect();
        let built_in = BuiltIn::of(&texts);
        let vectors = match vectors {
            Some(vectors) => numbers.iter().map(|number| vectors[*number].clone()).collect(),
            None => built_in.vectors(),
        };
        Self {
            items,
            texts,
            vectors,
            built_in,
        }
    }

    fn cluster(&self, settings: &ClusterSettings, space: &str, room: &mut Room, to: &mut Clustering) {
        let sample = self.sample(settings);
        let distances = Distances::between(&sample, &self.vectors, room);
        let mut condensed = distances.condensed();
        let is_whole = sample.len() == self.items.len();
        // One that was drawn alone may be anything: it gathers nobody around it.
        let least = if is_whole { 1 } else { 2 };
        let kernels: Vec<Kernel> = groups(sample.len(), &mut condensed, settings.cut)
            .into_iter()
            .filter(|members| members.len() >= least)
            .map(|members| distances.kernel(&sample, &members))
            .collect();
        let found_in = self.nearest(&kernels, settings.cut, room);
        let mut members: Vec<Vec<Item<'_>>> = vec![Vec::new(); kernels.len()];
        for item in &self.items {
            match found_in[item.text] {
                Some(kernel) => members[kernel].push(*item),
                None => to.unclustered.push(item.failure.trace),
            }
        }
        let mut found: Vec<Found> = Vec::new();
        for (kernel, members) in kernels.iter().zip(members) {
            if members.len() < settings.min_size {
                to.unclustered
                    .extend(members.iter().map(|item| item.failure.trace));
            } else {
                found.push(self.found(kernel.medoid, &members, space, room));
            }
        }
        found.sort_by(|a, b| b.size().cmp(&a.size()).then(a.medoid.cmp(&b.medoid)));
        to.clusters.extend(found);
    }

    /// Those with the smallest hashes of their traces, by trace: as more failures come, most of them stay drawn.
    fn sample(&self, settings: &ClusterSettings) -> Vec<Item<'a>> {
        if self.items.len() <= settings.sample {
            return self.items.clone();
        }
        let hash = |item: &Item<'_>| {
            let trace = item.failure.trace;
            (xxh3_64_with_seed(&trace.to_bytes(), settings.seed), trace)
        };
        let mut drawn = self.items.clone();
        drawn.sort_by_cached_key(hash);
        drawn.truncate(settings.sample);
        drawn.sort_by_key(|item| item.failure.trace);
        drawn
    }

    /// The kernel that each text belongs to: its own, else that of the nearest medoid within the cut, of equally near
    /// ones the first.
    fn nearest(&self, kernels: &[Kernel], cut: f64, room: &mut Room) -> Vec<Option<usize>> {
        let mut found_in: Vec<Option<usize>> = vec![None; self.texts.len()];
        for (at, kernel) in kernels.iter().enumerate() {
            for text in &kernel.texts {
                found_in[*text] = Some(at);
            }
        }
        let is_open: Vec<bool> = found_in.iter().map(Option::is_none).collect();
        let mut nearest = vec![f64::INFINITY; self.texts.len()];
        for (at, kernel) in kernels.iter().enumerate() {
            room.with(&self.vectors[kernel.medoid.text], |medoid| {
                for text in (0..self.texts.len()).filter(|text| is_open[*text]) {
                    let distance = medoid.distance(&self.vectors[text]);
                    if distance <= cut && distance < nearest[text] {
                        nearest[text] = distance;
                        found_in[text] = Some(at);
                    }
                }
            });
        }
        found_in
    }

    fn found(&self, medoid: Item<'_>, members: &[Item<'_>], space: &str, room: &mut Room) -> Found {
        let vector = &self.vectors[medoid.text];
        let similarity: f64 = room.with(vector, |against| {
            members
                .iter()
                .map(|item| 1.0 - against.distance(&self.vectors[item.text]))
                .sum()
        });
        let cohesion = similarity / members.len() as f64;
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for item in members {
            *counts.entry(item.text).or_default() += 1;
        }
        let Failure {
            prompt,
            environment,
            dimension,
            class,
            ..
        } = medoid.failure;
        let message = mask(&medoid.failure.message);
        Found {
            signature: FailureSignature::of(prompt, dimension, *class, &message),
            prompt: prompt.clone(),
            environment: environment.clone(),
            dimension: dimension.clone(),
            class: *class,
            message,
            members: members
                .iter()
                .map(|item| Member {
                    trace: item.failure.trace,
                    at: item.failure.at,
                })
                .collect(),
            medoid: medoid.failure.trace,
            vector: ClusterVector::new(
                space,
                &mean(counts.iter().map(|(text, count)| (&self.vectors[*text], *count))),
            ),
            cohesion: (cohesion * 1e6).round() / 1e6,
            example: ExampleBounds::of(medoid.failure),
            words: self.built_in.telling(
                counts.iter().map(|(text, count)| (self.texts[*text], *count)),
                MAX_TOLD,
            ),
            texts: self.told(medoid.text, counts),
        }
    }

    /// The medoid's text, then the most frequent.
    fn told(&self, medoid: usize, counts: BTreeMap<usize, usize>) -> Vec<String> {
        let mut ranked: Vec<(usize, usize)> = counts.into_iter().collect();
        ranked.sort_by_key(|(text, count)| (*text != medoid, std::cmp::Reverse(*count), *text));
        ranked
            .into_iter()
            .take(MAX_TOLD)
            .map(|(text, _)| {
                let text = self.texts[text];
                text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
            })
            .collect()
    }
}

/// A group of those that were drawn.
struct Kernel<'a> {
    medoid: Item<'a>,
    texts: Vec<usize>,
}

/// Distances between those that were drawn, by their different texts.
struct Distances {
    /// The texts, rising.
    texts: Vec<usize>,
    /// Rows of all of them.
    matrix: Vec<f64>,
    /// The row of each that was drawn.
    rows: Vec<usize>,
}

impl Distances {
    fn between(sample: &[Item<'_>], vectors: &[Vector], room: &mut Room) -> Self {
        let mut texts: Vec<usize> = sample.iter().map(|item| item.text).collect();
        texts.sort_unstable();
        texts.dedup();
        let n = texts.len();
        let mut matrix = vec![0.0; n * n];
        for row in 0..n {
            room.with(&vectors[texts[row]], |against| {
                for column in row + 1..n {
                    let distance = against.distance(&vectors[texts[column]]);
                    matrix[row * n + column] = distance;
                    matrix[column * n + row] = distance;
                }
            });
        }
        let row = |item: &Item<'_>| texts.partition_point(|text| *text < item.text);
        Self {
            rows: sample.iter().map(row).collect(),
            texts,
            matrix,
        }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.matrix[row * self.texts.len() + column]
    }

    /// As [`groups`] takes them.
    fn condensed(&self) -> Vec<f64> {
        let n = self.rows.len();
        let mut condensed = Vec::with_capacity(n * n.saturating_sub(1) / 2);
        for (at, row) in self.rows.iter().enumerate() {
            condensed.extend(self.rows[at + 1..].iter().map(|column| self.at(*row, *column)));
        }
        condensed
    }

    /// The group of these members (of the sample), with the one whose distances to the others sum up to the least; of
    /// equal ones the first.
    fn kernel<'a>(&self, sample: &[Item<'a>], members: &[usize]) -> Kernel<'a> {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for member in members {
            *counts.entry(self.rows[*member]).or_default() += 1;
        }
        let sum = |row: usize| -> f64 {
            counts
                .iter()
                .map(|(column, count)| self.at(row, *column) * *count as f64)
                .sum()
        };
        let sums: BTreeMap<usize, f64> = counts.keys().map(|row| (*row, sum(*row))).collect();
        let mut medoid = members[0];
        for member in members {
            if sums[&self.rows[*member]] < sums[&self.rows[medoid]] {
                medoid = *member;
            }
        }
        Kernel {
            medoid: sample[medoid],
            texts: counts.keys().map(|row| self.texts[*row]).collect(),
        }
    }
}
