//! What became of the traces that a dataset was to be made of.

use std::fmt;

use serde::Serialize;

/// What became of the traces that a dataset was to be made of.
///
/// `looked_at` ≥ `matched` = `without_inputs` + `not_redacted` + `already_there` + `duplicates` + the different ones, of which
/// `sampled` were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CurationReport {
    /// Traces that the filter found.
    pub looked_at: u64,
    /// Whether these are all; else the newest, as many as were to be looked at.
    pub is_whole: bool,
    /// Those that met the condition too, where there is one.
    pub matched: u64,
    /// Left out: without inputs, since it had none or its content was not kept, or with such as an entry cannot hold.
    pub without_inputs: u64,
    /// Left out: the redaction panicked.
    pub not_redacted: u64,
    /// Left out: the dataset that was added to has an entry with these inputs, or of this trace.
    pub already_there: u64,
    /// Left out: another has the same inputs, and is newer or was corrected.
    pub duplicates: u64,
    /// With inputs that no other has.
    pub different: u64,
    /// Those of them that were drawn: the new entries.
    pub sampled: u64,
    /// New entries that expect an output.
    pub expecting: u64,
    /// Entries that were there already, and got an expected output.
    pub completed: u64,
    /// Entries of the version that was saved: the new ones, and those that were there.
    pub saved: u64,
}

/// `412 traces found; 3 without usable inputs, 57 that ask what another asks; 200 of 352 drawn, 41 with an expected output`
impl fmt::Display for CurationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} traces found", self.looked_at)?;
        if !self.is_whole {
            f.write_str(", and not all looked at")?;
        }
        if self.matched < self.looked_at {
            write!(f, ", {} of them wanted", self.matched)?;
        }
        let left_out = [
            (self.without_inputs, "without usable inputs"),
            (self.not_redacted, "that could not be redacted"),
            (self.already_there, "that are there already"),
            (self.duplicates, "that ask what another asks"),
        ];
        let mut before = "; ";
        for (count, words) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {words}")?;
            before = ", ";
        }
        write!(
            f,
            "; {} of {} drawn, {} with an expected output",
            self.sampled, self.different, self.expecting
        )?;
        if self.completed > 0 {
            write!(f, "; {} entries that were there got one", self.completed)?;
        }
        Ok(())
    }
}
