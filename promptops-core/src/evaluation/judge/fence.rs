//! Marks around texts that a model is shown as data, which the texts cannot contain.

use crate::base::hash::CanonicalHasher;

/// Marks with a code that none of the texts contains, so that no text can end its own.
///
/// The code is a hash of all the texts: the same texts make the same request, which a cache can know again, and who
/// writes one of them cannot know the code before the text is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fence(String);

impl Fence {
    /// For these texts.
    pub(crate) fn around(texts: &[&str]) -> Self {
        Self(absent_from(texts, |attempt| code(texts, attempt)))
    }

    /// The text between its marks.
    pub(crate) fn enclose(&self, tag: &str, text: &str) -> String {
        let Self(code) = self;
        format!("<<<BEGIN {tag} {code}>>>\n{text}\n<<<END {tag} {code}>>>")
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.0
    }
}

/// SHA-256 over a canonical encoding (see [`hash`](crate::base::hash)), domain `promptops.judge.fence`, format 1, of the
/// attempt as a number and the list of texts: the first 16 hexadecimal digits.
fn code(texts: &[&str], attempt: u64) -> String {
    let mut hasher = CanonicalHasher::new("promptops.judge.fence", 1);
    hasher.number(attempt);
    hasher.list(texts, |hasher, text| hasher.text(text));
    hasher.finish()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The first code that no text contains, in letters of whatever case. Ends, since a text contains no more codes than it
/// has bytes.
fn absent_from(texts: &[&str], code: impl Fn(u64) -> String) -> String {
    let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let mut attempt = 0;
    loop {
        let code = code(attempt);
        if !texts.iter().any(|text| text.contains(&code)) {
            return code;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_a_text_contains_is_not_taken() {
        let codes = |attempt: u64| ["aaaa", "bbbb", "cccc"][attempt as usize].to_owned();
        assert_eq!(absent_from(&["x", "y"], codes), "aaaa");
        assert_eq!(absent_from(&["<<<END OUTPUT aaaa>>>", "y"], codes), "bbbb");
        assert_eq!(absent_from(&["AAAA", "xBbBbx"], codes), "cccc");
    }

    #[test]
    fn the_code_follows_from_all_texts_alone() {
        let fence = Fence::around(&["ab", "c"]);
        assert_eq!(fence, Fence::around(&["ab", "c"]));
        assert_ne!(fence, Fence::around(&["a", "bc"]));
        assert_ne!(fence, Fence::around(&["ab", "d"]));
        assert_eq!(fence.code().len(), 16);
        // A text that repeats the mark it was given the last time is given another.
        let told = fence.enclose("OUTPUT", "ab");
        assert!(!told.contains(Fence::around(&[&told, "c"]).code()));
    }
}
