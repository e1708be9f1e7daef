//! How much of a long text a judge is shown.

use serde_json::{Value, json};

use crate::base::error::{Result, invalid};

/// What becomes of a text that is longer than a judge may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongTexts {
    /// There is no score: the judge would not have seen what it judges.
    Refuse,
    /// The beginning is shown; the judge is told how much is missing, and so is who reads the score's reason. An expected
    /// output is never cut, since an output that is held against half of it looks wrong.
    Cut,
}

/// How much a judge is shown of each text: input, output, expected output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) max_bytes: usize,
    pub(super) long: LongTexts,
}

/// A text as it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Excerpt<'a> {
    pub(super) text: &'a str,
    /// How many bytes the whole text has, when this is its beginning only.
    pub(super) whole: Option<usize>,
}

impl Bounds {
    /// Bytes of each text unless said otherwise: some 12,000 tokens of English.
    pub(super) const DEFAULT_BYTES: usize = 48 * 1024;
    /// What can be said otherwise.
    pub(super) const POSSIBLE_BYTES: std::ops::RangeInclusive<usize> = 100..=4 * 1024 * 1024;

    pub(super) fn check(self) -> Result<()> {
        if !Self::POSSIBLE_BYTES.contains(&self.max_bytes) {
            return Err(invalid(format!(
                "a judge is to be shown {} bytes of a text; expected {} to {}",
                self.max_bytes,
                Self::POSSIBLE_BYTES.start(),
                Self::POSSIBLE_BYTES.end()
            )));
        }
        Ok(())
    }

    /// As much of the text as may be shown.
    pub(super) fn excerpt<'a>(self, what: &str, text: &'a str) -> Result<Excerpt<'a>> {
        match self.long {
            LongTexts::Cut if text.len() > self.max_bytes => Ok(Excerpt {
                text: &text[..text.floor_char_boundary(self.max_bytes)],
                whole: Some(text.len()),
            }),
            _ => self.whole(what, text),
        }
    }

    /// All of the text.
    pub(super) fn whole<'a>(self, what: &str, text: &'a str) -> Result<Excerpt<'a>> {
        if text.len() > self.max_bytes {
            return Err(invalid(format!(
                "{what} has {} bytes, and the judge is shown at most {}; raise its `max_bytes`{}",
                text.len(),
                self.max_bytes,
                match self.long {
                    LongTexts::Refuse => ", or let it judge beginnings by `LongTexts::Cut`",
                    LongTexts::Cut => "; this text is never cut",
                }
            )));
        }
        Ok(Excerpt { text, whole: None })
    }

    pub(super) fn configuration(self) -> Value {
        json!({
            "max_bytes": self.max_bytes,
            "long_texts": match self.long {
                LongTexts::Refuse => "refuse",
                LongTexts::Cut => "cut",
            },
        })
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_bytes: Self::DEFAULT_BYTES,
            long: LongTexts::Refuse,
        }
    }
}

impl Excerpt<'_> {
    /// What is to be said of a cut, to the judge and to who reads its score; empty when nothing is cut.
    pub(super) fn notice(&self) -> String {
        match self.whole {
            None => String::new(),
            Some(whole) => format!("the first {} of {whole} bytes", self.text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_refused_or_cut_between_characters() {
        let text = "é".repeat(100);
        let mut bounds = Bounds {
            max_bytes: 101,
            long: LongTexts::Refuse,
        };
        assert!(bounds.excerpt("the output", &text).is_err());
        bounds.long = LongTexts::Cut;
        let cut = bounds.excerpt("the output", &text).ok().unwrap();
        assert_eq!((cut.text.len(), cut.whole), (100, Some(200)));
        assert_eq!(cut.notice(), "the first 100 of 200 bytes");
        assert!(bounds.whole("the expected output", &text).is_err());
        bounds.max_bytes = 200;
        assert!(bounds.excerpt("the output", &text).ok().unwrap().whole.is_none());
        assert!(bounds.whole("the expected output", &text).is_ok());
        for max_bytes in [0, 99, usize::MAX] {
            assert!(Bounds { max_bytes, ..bounds }.check().is_err());
        }
    }
}
