//! Any `Serialize` into its flat form, with what Tera makes of it: enums as maps or names, units as none, characters as
//! text, of duplicate keys the last value at the place of the first.

mod key;
mod value;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display, Write as _};

use serde::ser::{self, Serialize};

use self::value::Capture;
use super::captured::{Captured, Entry, places};
use super::depth::Bounded;
use super::{failed, not_a_map};
use crate::base::error::{Result, invalid};
use crate::render::program::value::Key;

/// Room for what most prompts take, so that it seldom grows.
const ENTRIES: usize = 64;
const TEXT_BYTES: usize = 2_048;
/// Most keys that are compared each with each; beyond, a table is made.
const FEW_KEYS: usize = 32;

/// Whether the entry of this name is to be captured.
type Wanted<'w> = &'w dyn Fn(&str) -> bool;

impl Captured {
    /// The entries that are wanted, of a struct or a map; the others are not serialized. Nothing at all is an empty
    /// map. Keys that are numbers or bools become text, as Tera's context has them.
    pub(in crate::render) fn of<T: Serialize + ?Sized>(value: &T, wanted: Wanted<'_>) -> Result<Self> {
        let broken = Cell::new(None);
        let mut captured = Self::empty();
        Bounded::new(value, &broken)
            .serialize(Capture {
                out: &mut captured,
                wanted: Some(wanted),
            })
            .map_err(|error| failed(&broken, error))?;
        match captured.entries.first() {
            Some(Entry::Map { .. }) => {}
            Some(Entry::None) => captured.entries = vec![Entry::Map { len: 0, size: 0 }],
            _ => return Err(not_a_map()),
        }
        Ok(captured)
    }

    /// A value of any kind, whole.
    pub(super) fn whole<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let broken = Cell::new(None);
        let mut captured = Self::empty();
        let done = Bounded::new(value, &broken).serialize(Capture {
            out: &mut captured,
            wanted: None,
        });
        match (done, broken.get()) {
            (Ok(()), _) => Ok(captured),
            (Err(_), Some(broken)) => Err(broken.into()),
            (Err(error), None) => Err(invalid(
                "the value cannot be a parameter; pass one of texts, numbers, bools, lists and maps",
            )
            .caused_by(error)),
        }
    }

    fn empty() -> Self {
        Self {
            entries: Vec::with_capacity(ENTRIES),
            texts: String::with_capacity(TEXT_BYTES),
        }
    }

    fn mark(&self) -> Mark {
        Mark(self.entries.len(), self.texts.len())
    }

    fn back_to(&mut self, Mark(entries, texts): Mark) {
        self.entries.truncate(entries);
        self.texts.truncate(texts);
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// A value with all that is in it, or nothing of it.
    fn child<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let mark = self.mark();
        let done = value.serialize(Capture {
            out: self,
            wanted: None,
        });
        if done.is_err() {
            self.back_to(mark);
        }
        done
    }

    fn push_text(&mut self, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        self.push(Entry::Text {
            start,
            len: text.len(),
        });
    }

    fn push_display(&mut self, value: impl Display) -> Result<(), Refused> {
        let start = self.texts.len();
        write!(self.texts, "{value}").map_err(ser::Error::custom)?;
        let len = self.texts.len() - start;
        self.push(Entry::Text { start, len });
        Ok(())
    }

    /// Says how much is in the map at a place, once all of it is there.
    fn close_map(&mut self, at: usize, len: usize) {
        let len = self.without_duplicates(at, len);
        let size = self.entries.len() - at - 1;
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::Map { len, size };
        }
    }

    fn close_list(&mut self, at: usize, len: usize) {
        let size = self.entries.len() - at - 1;
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::List { len, size };
        }
    }

    fn has_duplicates(&self, map: usize, len: usize) -> bool {
        let keys = || places(self, map, len).filter_map(|at| self.key_at(at));
        if len <= FEW_KEYS {
            keys()
                .enumerate()
                .any(|(i, key)| keys().take(i).any(|before| before == key))
        } else {
            let mut seen = HashSet::with_capacity_and_hasher(len, ahash::RandomState::new());
            keys().any(|key| !seen.insert(key))
        }
    }

    /// Keeps of each key the last value, at the place of the first; how many entries are left.
    fn without_duplicates(&mut self, map: usize, len: usize) -> usize {
        if !self.has_duplicates(map, len) {
            return len;
        }
        let mut kept: Vec<(usize, usize)> = Vec::with_capacity(len);
        let mut seen: HashMap<Key<'_>, usize, ahash::RandomState> = HashMap::default();
        for at in places(self, map, len) {
            let Some(key) = self.key_at(at) else { continue };
            let place = *seen.entry(key).or_insert(kept.len());
            match kept.get_mut(place) {
                Some((_, value)) => *value = at + 1,
                None => kept.push((at, at + 1)),
            }
        }
        let mut entries = Vec::with_capacity(self.entries.len() - map - 1);
        for (key, value) in &kept {
            entries.extend(self.entries.get(*key));
            entries.extend(self.entries.get(*value..self.after(*value)).unwrap_or_default());
        }
        self.entries.truncate(map + 1);
        self.entries.append(&mut entries);
        kept.len()
    }
}

/// How much there was, of entries and of text.
#[derive(Clone, Copy)]
struct Mark(usize, usize);

/// Why a value is not captured.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}
