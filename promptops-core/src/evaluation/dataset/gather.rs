//! Entries as they are read, and everything that is wrong with what they are read from.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::draft::DatasetDraft;
use super::entry::Entry;
use super::lines::{Broken, io_error};
use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;

/// How much is read before it is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most entries.
    pub entries: usize,
    /// So many wrong lines are told; what comes after them is not read.
    pub faults: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: DatasetDraft::MAX_ENTRIES,
            faults: 20,
        }
    }
}

/// What was read so far. An error is the last word: reading stops.
pub(super) struct Gathered {
    limits: Limits,
    entries: Vec<Entry>,
    /// Where each id was met.
    ids: HashMap<String, usize>,
    faults: Vec<String>,
}

impl Gathered {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            ids: HashMap::new(),
            faults: Vec::new(),
        }
    }

    /// Takes the entry that begins in this line, or what is wrong with it.
    pub fn take(&mut self, line: usize, entry: Result<Entry, String>) -> Result<()> {
        let entry = match entry.and_then(|entry| match entry.check() {
            Ok(()) => Ok(entry),
            Err(e) => Err(e.message().to_owned()),
        }) {
            Ok(entry) => entry,
            Err(fault) => return self.fault(line, fault),
        };
        if self.ids.len() == self.limits.entries {
            let most = self.limits.entries;
            return Err(self.stop(
                line,
                format!("at most {most} entries are allowed; split the dataset"),
            ));
        }
        match self.ids.entry(entry.id.clone()) {
            Slot::Occupied(first) => {
                let fault = format!(
                    "the id {} is that of line {} already; ids must differ",
                    quoted(&entry.id),
                    first.get()
                );
                self.fault(line, fault)
            }
            Slot::Vacant(slot) => {
                slot.insert(line);
                self.entries.push(entry);
                Ok(())
            }
        }
    }

    /// Notes what is wrong with a line.
    pub fn fault(&mut self, line: usize, fault: String) -> Result<()> {
        self.faults.push(format!("line {line}: {fault}"));
        if self.faults.len() < self.limits.faults {
            return Ok(());
        }
        let found = self.faults.len();
        Err(self.error(&format!("; after {found} wrong lines the rest was not read")))
    }

    /// What is wrong with a line, and makes it impossible to go on.
    pub fn stop(&mut self, line: usize, fault: String) -> Error {
        self.faults.push(format!("line {line}: {fault}"));
        self.error("; the rest was not read")
    }

    /// Why there is no next line.
    pub fn broken(&mut self, why: Broken, most: usize) -> Error {
        match why {
            Broken::Io(line, e) => io_error("read", e).with("line", line),
            Broken::TooLong(line) => self.stop(
                line,
                format!("it is longer than {most} bytes, which is the most allowed"),
            ),
        }
    }

    /// The entries, if all of them were right.
    pub fn finish(self) -> Result<Vec<Entry>> {
        if !self.faults.is_empty() {
            return Err(self.error(""));
        }
        if self.entries.is_empty() {
            return Err(invalid("there is no entry to read; expected at least one"));
        }
        Ok(self.entries)
    }

    fn error(&self, rest: &str) -> Error {
        invalid(format!(
            "the entries cannot be taken over: {}{rest}",
            self.faults.join("; ")
        ))
    }
}
