//! Adding entries to those that a dataset has.

use std::collections::{HashMap, HashSet};

use super::candidate::{Candidate, InputsKey, Making};
use crate::evaluation::Entry;

/// The entries that a dataset has.
#[derive(Default)]
pub(super) struct Present {
    entries: Vec<Entry>,
    by_inputs: HashMap<InputsKey, usize>,
    ids: HashSet<String>,
    /// What is to be expected by entries that expect nothing yet, by their places.
    completions: HashMap<usize, Candidate>,
    /// How many were met whose inputs an entry has.
    pub met: u64,
}

impl Present {
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut by_inputs = HashMap::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            by_inputs.entry(InputsKey::of(&entry.input)).or_insert(place);
        }
        Self {
            by_inputs,
            ids: entries.iter().map(|entry| entry.id.clone()).collect(),
            entries,
            ..Self::default()
        }
    }

    /// Gives back what is new. What is there already can still say what its entry is to expect.
    pub fn pass(&mut self, candidate: Candidate) -> Option<Candidate> {
        let Some(&place) = self.by_inputs.get(&candidate.key) else {
            if self.ids.contains(&candidate.entry.id) {
                self.met += 1;
                return None;
            }
            return Some(candidate);
        };
        self.met += 1;
        let lacks = self
            .entries
            .get(place)
            .is_some_and(|entry| entry.expected_output.is_none());
        let is_better = || {
            let known = self.completions.get(&place);
            known.is_none_or(|known| candidate.standing() > known.standing())
        };
        if lacks && candidate.entry.expected_output.is_some() && is_better() {
            self.completions.insert(place, candidate);
        }
        None
    }

    /// How many entries get an expected output.
    pub fn completed(&self) -> u64 {
        self.completions.len() as u64
    }

    /// What was there, in its order, and then what is new.
    pub fn join(mut self, new: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
        for (place, candidate) in self.completions {
            let Some(entry) = self.entries.get_mut(place) else {
                continue;
            };
            entry.expected_output = candidate.entry.expected_output;
            if let Some(from) = candidate.entry.metadata.get(Making::EXPECTED_FROM) {
                entry
                    .metadata
                    .insert(Making::EXPECTED_FROM.to_owned(), from.clone());
            }
        }
        self.entries.extend(new);
        self.entries
    }
}
