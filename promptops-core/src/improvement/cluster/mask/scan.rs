//! Quotations, and the words between them.

use super::token;

/// Longest quotation, in characters: a mark that has no fellow within them stands for itself.
const MAX_QUOTED: usize = 400;

/// A mark that opens, and those that close.
const MARKS: [(char, &[char]); 7] = [
    ('"', &['"']),
    ('\'', &['\'']),
    ('“', &['”']),
    ('„', &['“', '”']),
    ('‘', &['’']),
    ('«', &['»']),
    ('「', &['」']),
];

/// Where the next closing mark of each kind is: looked for once, since the places asked about only grow.
struct Closings<'a> {
    chars: &'a [char],
    next: [usize; MARKS.len()],
}

impl Closings<'_> {
    /// The end of the quotation that begins here, past its closing mark.
    fn end(&mut self, begin: usize) -> Option<usize> {
        let opening = *self.chars.get(begin)?;
        let (kind, (_, closing)) = MARKS.iter().enumerate().find(|(_, (mark, _))| *mark == opening)?;
        let is_apostrophe = matches!(opening, '\'' | '‘');
        let is_word = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric());
        if is_apostrophe && begin > 0 && is_word(self.chars.get(begin - 1)) {
            return None;
        }
        let next = self.next.get_mut(kind)?;
        if *next <= begin {
            let closes = |at: &usize| {
                self.chars.get(*at).is_some_and(|c| closing.contains(c))
                    && self.chars.get(at - 1) != Some(&'\\')
                    && !(is_apostrophe && is_word(self.chars.get(at + 1)))
            };
            *next = (begin + 1..self.chars.len()).find(closes).unwrap_or(usize::MAX);
        }
        (*next != usize::MAX && *next - begin <= MAX_QUOTED).then(|| *next + 1)
    }
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Masked {
    text: String,
    /// The mask that was put last, and where it ends.
    last: Option<(&'static str, usize)>,
}

impl Masked {
    pub(super) fn push(&mut self, c: char) {
        if c != ' ' {
            self.text.push(c);
        } else if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    /// A mask; a list of equal ones is one.
    pub(super) fn mask(&mut self, mask: &'static str) {
        // `a: 1` keeps its colon, `10.0.0.1:80` does not.
        if let Some((last, end)) = self.last
            && last == mask
            && let between = &self.text[end..]
            && (between == ":" || between.len() <= 3 && between.bytes().all(|b| b" ,;/-.".contains(&b)))
        {
            self.text.truncate(end);
            return;
        }
        self.text.push_str(mask);
        self.last = Some((mask, self.text.len()));
    }
}

/// The masked text, but for dates with names.
pub(super) fn scan(chars: &[char]) -> String {
    let mut masked = Masked::default();
    let mut closings = Closings {
        chars,
        next: [0; MARKS.len()],
    };
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        if let Some(end) = closings.end(at) {
            masked.mask("<str>");
            at = end;
        } else if is_delimiter(*c) {
            masked.push(*c);
            at += 1;
        } else {
            at = token::read(chars, at, &mut masked);
        }
    }
    masked.text
}

/// Whether a character stands between words. Apostrophes within words do not.
pub(super) fn is_delimiter(c: char) -> bool {
    c == ' ' || "()[]{}<>,;|\"“”„«»「」‘".contains(c)
}
