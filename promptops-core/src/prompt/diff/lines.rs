//! Which lines of a text were added, deleted or modified.

use std::ops::Range;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::align::{SAME, Words, align, similarity};
use super::words::LineChange;

/// Most pairs of replaced lines that are weighed for which belongs to which; above, lines of the same place do.
const MOST_PAIRS: usize = 4096;
/// Words of a line that are weighed.
const MOST_WORDS: usize = 64;
/// Above these many lines of both sides, less their common start and end, the algorithm with the better worst case is
/// used.
const MANY_LINES: usize = 1000;
/// Above these many, lines are equal only to the line of the same place: only contents near the largest allowed size,
/// of very short lines, get there.
const MOST_LINES: usize = 1 << 16;

/// Lines of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct LineRange {
    /// The number of the first line, from 1; with a count of 0, of the line that would come next.
    pub first: usize,
    /// How many lines.
    pub count: usize,
}

impl LineRange {
    fn of(range: &Range<usize>) -> Self {
        Self {
            first: range.start + 1,
            count: range.len(),
        }
    }
}

/// A run of lines with one fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hunk {
    /// Its place in the old text.
    pub from_lines: LineRange,
    /// Its place in the new text.
    pub to_lines: LineRange,
    /// What happened to the lines, and the lines, without their line feeds.
    #[serde(flatten)]
    pub change: HunkChange,
}

/// What happened to the lines of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "lines", rename_all = "snake_case")]
pub enum HunkChange {
    /// In both texts.
    Equal(Vec<String>),
    /// In the new text only.
    Add(Vec<String>),
    /// In the old text only.
    Delete(Vec<String>),
    /// Each replaced by one line: as many on both sides.
    Modify(Vec<LineChange>),
}

/// How many lines changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct LineCounts {
    /// Lines in the new text only.
    pub additions: usize,
    /// Lines in the old text only.
    pub deletions: usize,
    /// Lines replaced by one line.
    pub modifications: usize,
}

impl LineCounts {
    /// Whether no line changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.additions += other.additions;
        self.deletions += other.deletions;
        self.modifications += other.modifications;
    }
}

/// The lines of a text: what its line feeds separate. Joined by line feeds they are the text again: the empty text has
/// no lines, and a text that ends with a line feed has a last, empty line. Carriage returns are part of their line.
pub(super) fn split(text: &str) -> Vec<&str> {
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('\n').collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Equal,
    Add,
    Delete,
    Modify,
}

struct Run {
    fate: Fate,
    from: Range<usize>,
    to: Range<usize>,
}

/// The difference of two texts in lines; hunks and counts are taken from it.
pub(super) struct Lines<'a> {
    from: Vec<&'a str>,
    to: Vec<&'a str>,
    runs: Vec<Run>,
}

impl<'a> Lines<'a> {
    pub(super) fn between(from: &'a str, to: &'a str) -> Self {
        let mut lines = Self {
            from: split(from),
            to: split(to),
            runs: Vec::new(),
        };
        for equal in equal_lines(&lines.from, &lines.to) {
            lines.replaced(equal.0.start, equal.1.start);
            lines.run(Fate::Equal, equal.0.end, equal.1.end);
        }
        lines.replaced(lines.from.len(), lines.to.len());
        lines
    }

    fn end(&self) -> (usize, usize) {
        self.runs.last().map_or((0, 0), |run| (run.from.end, run.to.end))
    }

    /// Adds the lines up to these ends; a run of the same fate just before grows.
    fn run(&mut self, fate: Fate, from: usize, to: usize) {
        let end = self.end();
        if end == (from, to) {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.fate == fate => {
                last.from.end = from;
                last.to.end = to;
            }
            _ => self.runs.push(Run {
                fate,
                from: end.0..from,
                to: end.1..to,
            }),
        }
    }

    /// Adds what stands between two equal runs: lines that belong together as modified, the others around them.
    fn replaced(&mut self, from: usize, to: usize) {
        let (i, j) = self.end();
        for (a, b) in pairs(&self.from[i..from], &self.to[j..to]) {
            self.apart(i + a, j + b);
            // The search for equal lines takes shortcuts; what it missed may come together here.
            let is_equal = self.from[i + a] == self.to[j + b];
            let fate = if is_equal { Fate::Equal } else { Fate::Modify };
            self.run(fate, i + a + 1, j + b + 1);
        }
        self.apart(from, to);
    }

    fn apart(&mut self, from: usize, to: usize) {
        self.run(Fate::Delete, from, self.end().1);
        self.run(Fate::Add, from, to);
    }

    pub(super) fn counts(&self) -> LineCounts {
        let mut counts = LineCounts::default();
        for run in &self.runs {
            match run.fate {
                Fate::Equal => {}
                Fate::Add => counts.additions += run.to.len(),
                Fate::Delete => counts.deletions += run.from.len(),
                Fate::Modify => counts.modifications += run.to.len(),
            }
        }
        counts
    }

    pub(super) fn hunks(&self, word_limit: usize) -> Vec<Hunk> {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        self.runs
            .iter()
            .map(|run| {
                let (from, to) = (&self.from[run.from.clone()], &self.to[run.to.clone()]);
                Hunk {
                    from_lines: LineRange::of(&run.from),
                    to_lines: LineRange::of(&run.to),
                    change: match run.fate {
                        Fate::Equal => HunkChange::Equal(owned(to)),
                        Fate::Add => HunkChange::Add(owned(to)),
                        Fate::Delete => HunkChange::Delete(owned(from)),
                        Fate::Modify => HunkChange::Modify(
                            from.iter()
                                .zip(to)
                                .map(|(from, to)| LineChange::between(from, to, word_limit))
                                .collect(),
                        ),
                    },
                }
            })
            .collect()
    }
}

/// Stretches of equal lines, in order on both sides.
fn equal_lines(from: &[&str], to: &[&str]) -> Vec<(Range<usize>, Range<usize>)> {
    let start = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let end = (from[start..].iter().rev())
        .zip(to[start..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&from[start..from.len() - end], &to[start..to.len() - end]);
    // Rare lines make better anchors than blank ones, but looking for them is quadratic at worst.
    let algorithm = if old.len() + new.len() <= MANY_LINES {
        Algorithm::Histogram
    } else {
        Algorithm::Myers
    };
    let mut equal = vec![(0..start, 0..start)];
    if old.len() + new.len() <= MOST_LINES {
        for op in capture_diff_slices(algorithm, old, new) {
            if let DiffOp::Equal { .. } = op {
                let (old, new) = (op.old_range(), op.new_range());
                equal.push((
                    old.start + start..old.end + start,
                    new.start + start..new.end + start,
                ));
            }
        }
    } else {
        let same = (start..).zip(old.iter().zip(new)).filter(|(_, (a, b))| a == b);
        equal.extend(same.map(|(at, _)| (at..at + 1, at..at + 1)));
    }
    equal.push((from.len() - end..from.len(), to.len() - end..to.len()));
    equal
}

/// Which of the replaced lines belong together. Similar ones first of all; else whatever stands in the same place, for
/// one line in the place of another reads as modified.
fn pairs(from: &[&str], to: &[&str]) -> Vec<(usize, usize)> {
    let (n, m) = (from.len(), to.len());
    if n * m <= 1 || n.saturating_mul(m) > MOST_PAIRS {
        return align(n, m, 1, |_, _| 1);
    }
    let mut words = Words::default();
    let old: Vec<_> = from.iter().map(|line| words.of(line, MOST_WORDS)).collect();
    let new: Vec<_> = to.iter().map(|line| words.of(line, MOST_WORDS)).collect();
    align(n, m, MOST_PAIRS, |i, j| {
        if from[i].trim_ascii().is_empty() != to[j].trim_ascii().is_empty() {
            return 1;
        }
        let similar = similarity(&old[i], &new[j]);
        50 + if similar >= SAME * 2 / 5 { similar } else { 0 }
    })
}
