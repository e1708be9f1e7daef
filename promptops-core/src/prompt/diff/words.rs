//! What changed inside a line, word by word.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use serde::Serialize;
use similar::{Algorithm, DiffOp, DiffableStr, capture_diff_slices};

/// Lines with less than one part in this many in common are replaced as a whole.
const LITTLE: usize = 4;

/// A piece of a modified line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Which side has it.
    pub kind: SegmentKind,
    /// The text, never empty.
    pub text: String,
}

/// Which side of a modified line has a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// Both.
    Equal,
    /// The old line only.
    Deleted,
    /// The new line only.
    Inserted,
}

/// A line that was replaced by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineChange {
    /// Both lines in pieces, in order: what is equal or deleted makes the old line, what is equal or inserted the
    /// new one. Lines with little in common, and lines beyond the limits of the options, are replaced as a whole.
    pub segments: Vec<Segment>,
}

impl LineChange {
    /// The old line.
    #[must_use]
    pub fn from_line(&self) -> String {
        self.without(SegmentKind::Inserted)
    }

    /// The new line.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.without(SegmentKind::Deleted)
    }

    fn without(&self, kind: SegmentKind) -> String {
        self.segments
            .iter()
            .filter(|segment| segment.kind != kind)
            .map(|segment| segment.text.as_str())
            .collect()
    }

    /// Compares two different lines. `limit` is the most words and signs of both, after their common start and end,
    /// that are compared one by one.
    pub(super) fn between(from: &str, to: &str, limit: usize) -> Self {
        let mut pieces = Pieces::new(from, to);
        if limit == 0 {
            return pieces.whole();
        }
        let (old, new) = (words(from), words(to));
        let start = common(old.iter(), new.iter());
        let end = common(old[start..].iter().rev(), new[start..].iter().rev());
        let (old_middle, new_middle) = (&old[start..old.len() - end], &new[start..new.len() - end]);

        pieces.equal(&old[..start], &new[..start]);
        if old_middle.len() + new_middle.len() <= limit && !is_rewritten(old_middle, new_middle) {
            for op in capture_diff_slices(Algorithm::Myers, old_middle, new_middle) {
                if let DiffOp::Equal { .. } = op {
                    pieces.equal(&old_middle[op.old_range()], &new_middle[op.new_range()]);
                }
            }
        }
        pieces.equal(&old[old.len() - end..], &new[new.len() - end..]);
        pieces.finish()
    }
}

/// A word or sign, and where it stands in its line. White space is left out: it is compared where words match.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl PartialEq for Word<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Word<'_> {}

impl Hash for Word<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

fn words(line: &str) -> Vec<Word<'_>> {
    let mut at = 0;
    DiffableStr::tokenize_unicode_words(line)
        .into_iter()
        .map(|text| {
            at += text.len();
            Word {
                text,
                at: at - text.len(),
            }
        })
        .filter(|word| !word.text.chars().all(char::is_whitespace))
        .collect()
}

fn common<'a>(old: impl Iterator<Item = &'a Word<'a>>, new: impl Iterator<Item = &'a Word<'a>>) -> usize {
    old.zip(new).take_while(|(a, b)| a == b).count()
}

fn bytes(words: &[Word<'_>]) -> usize {
    words.iter().map(|word| word.text.len()).sum()
}

/// Whether too few words are on both sides, in whatever order, for a comparison in order to find any use.
fn is_rewritten(old: &[Word<'_>], new: &[Word<'_>]) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in old {
        *counts.entry(word.text).or_default() += 1;
    }
    let mut common = 0;
    for word in new {
        if let Some(count) = counts.get_mut(word.text).filter(|count| **count > 0) {
            *count -= 1;
            common += word.text.len();
        }
    }
    common * LITTLE < bytes(old).max(bytes(new))
}

/// Gathers the pieces of two lines from front to back; neighbours of one kind become one.
struct Pieces<'a> {
    from: &'a str,
    to: &'a str,
    /// How much of each side is in `segments`.
    done: (usize, usize),
    segments: Vec<Segment>,
}

impl<'a> Pieces<'a> {
    fn new(from: &'a str, to: &'a str) -> Self {
        Self {
            from,
            to,
            done: (0, 0),
            segments: Vec::new(),
        }
    }

    /// Adds words that are equal, and before each what stands between it and the one before.
    fn equal(&mut self, old: &[Word<'_>], new: &[Word<'_>]) {
        for (old, new) in old.iter().zip(new) {
            self.between(old.at, new.at);
            self.both(old.text.len());
        }
    }

    /// Adds what stands up to here on both sides.
    fn between(&mut self, from_end: usize, to_end: usize) {
        let (from, to) = (&self.from[self.done.0..from_end], &self.to[self.done.1..to_end]);
        let start = common_blank(from.chars(), to.chars());
        let end = common_blank(from[start..].chars().rev(), to[start..].chars().rev());
        self.both(start);
        self.push(SegmentKind::Deleted, &from[start..from.len() - end]);
        self.push(SegmentKind::Inserted, &to[start..to.len() - end]);
        self.done = (from_end - end, to_end - end);
        self.both(end);
    }

    fn both(&mut self, bytes: usize) {
        let from = self.from;
        self.push(SegmentKind::Equal, &from[self.done.0..self.done.0 + bytes]);
        self.done.0 += bytes;
        self.done.1 += bytes;
    }

    fn push(&mut self, kind: SegmentKind, text: &str) {
        match self.segments.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.kind == kind => last.text.push_str(text),
            _ => self.segments.push(Segment {
                kind,
                text: text.to_owned(),
            }),
        }
    }

    fn finish(mut self) -> LineChange {
        self.between(self.from.len(), self.to.len());
        let common: usize = self
            .segments
            .iter()
            .filter(|segment| segment.kind == SegmentKind::Equal)
            .map(|segment| segment.text.trim().len())
            .sum();
        // Below this, what is equal is so by chance, and pieces would only be confetti.
        if common * LITTLE < self.from.trim().len().max(self.to.trim().len()) {
            return Self::new(self.from, self.to).whole();
        }
        LineChange {
            segments: self.segments,
        }
    }

    fn whole(mut self) -> LineChange {
        self.push(SegmentKind::Deleted, self.from);
        self.push(SegmentKind::Inserted, self.to);
        LineChange {
            segments: self.segments,
        }
    }
}

/// Bytes of white space that both begin with.
fn common_blank(old: impl Iterator<Item = char>, new: impl Iterator<Item = char>) -> usize {
    old.zip(new)
        .take_while(|(a, b)| a == b && a.is_whitespace())
        .map(|(a, _)| a.len_utf8())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(from: &str, to: &str, limit: usize) -> String {
        let change = LineChange::between(from, to, limit);
        assert_eq!(change.from_line(), from);
        assert_eq!(change.to_line(), to);
        change
            .segments
            .iter()
            .map(|segment| match segment.kind {
                SegmentKind::Equal => segment.text.clone(),
                SegmentKind::Deleted => format!("[-{}-]", segment.text),
                SegmentKind::Inserted => format!("{{+{}+}}", segment.text),
            })
            .collect()
    }

    #[test]
    fn words_are_told_apart() {
        for (from, to, expected) in [
            ("Be brief.", "Be very brief.", "Be {+very +}brief."),
            (
                "Answer in one word, then stop.",
                "Answer in two lines, then stop.",
                "Answer in [-one word-]{+two lines+}, then stop.",
            ),
            (
                "Hello {{name}}!",
                "Hello {{user}}!",
                "Hello {{[-name-]{+user+}}}!",
            ),
            ("", "new", "{+new+}"),
            ("one", "two", "[-one-]{+two+}"),
            ("a line", "a line\r", "a line{+\r+}"),
            ("回答を短く", "回答を長く", "回答を[-短-]{+長+}く"),
            // A family is one sign, not four.
            (
                "greet the 👨‍👩‍👧 first",
                "greet the 👨‍👩‍👦 first",
                "greet the [-👨‍👩‍👧-]{+👨‍👩‍👦+} first",
            ),
            (
                "alpha beta gamma delta epsilon",
                "one two three four delta six seven",
                "[-alpha beta gamma delta epsilon-]{+one two three four delta six seven+}",
            ),
        ] {
            assert_eq!(shown(from, to, 1000), expected);
        }
    }

    #[test]
    fn beyond_the_limit_only_the_common_ends_are_kept() {
        let (from, to) = (
            "keep this a b c d e and this too",
            "keep this v b x d z and this too",
        );
        assert_eq!(
            shown(from, to, 10),
            "keep this [-a-]{+v+} b [-c-]{+x+} d [-e-]{+z+} and this too"
        );
        assert_eq!(
            shown(from, to, 9),
            "keep this [-a b c d e-]{+v b x d z+} and this too"
        );
        assert_eq!(shown("a b", "a c", 0), "[-a b-]{+a c+}");
    }
}
