//! JSON objects in what a model says: alone, in fenced blocks, in prose.

use std::ops::Range;

use serde_json::{Deserializer, Map, Value};

/// Most places of a text that look like the beginning of an object and are none: each of them may be read to the end.
const MAX_BROKEN: usize = 200;

/// The JSON objects of a text, one after the other; those within another are not looked at.
pub(crate) struct Objects<'a> {
    text: &'a str,
    at: usize,
    broken: usize,
}

/// The text is full of what looks like objects and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooBroken;

impl<'a> Objects<'a> {
    pub(crate) fn in_text(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            broken: 0,
        }
    }
}

/// Each with where it stands, in bytes.
impl Iterator for Objects<'_> {
    type Item = Result<(Range<usize>, Map<String, Value>), TooBroken>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(open) = self.text[self.at..].find('{').map(|offset| self.at + offset) {
            self.at = open + 1;
            if !self.text[self.at..].trim_start().starts_with('"') {
                continue;
            }
            let mut objects = Deserializer::from_str(&self.text[open..]).into_iter::<Map<String, Value>>();
            if let Some(Ok(object)) = objects.next() {
                self.at = open + objects.byte_offset();
                return Some(Ok((open..self.at, object)));
            }
            self.broken += 1;
            if self.broken > MAX_BROKEN {
                self.at = self.text.len();
                return Some(Err(TooBroken));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_in_prose_with_their_places_and_a_text_full_of_broken_ones_is_given_up() {
        let text = r#"{a} is a set. {"b": {"c": 1}} and ```{"d": 2}``` {"#;
        let found: Vec<&str> = Objects::in_text(text)
            .map(|found| &text[found.unwrap().0])
            .collect();
        assert_eq!(found, [r#"{"b": {"c": 1}}"#, r#"{"d": 2}"#]);
        let broken = "{\"".repeat(500);
        let all: Vec<_> = Objects::in_text(&broken).collect();
        assert_eq!(all, [Err(TooBroken)]);
    }
}
