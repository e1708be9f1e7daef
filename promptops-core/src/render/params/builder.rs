//! Parameters put together by hand, without copying the texts that the caller has.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::param::Param;

/// Parameters of a prompt by name, in the order in which they were set.
///
/// Texts are borrowed from the caller: with [`params!`](crate::params!), one list is all that is allocated.
///
/// ```
/// use promptops_core::{Params, params};
///
/// let (name, tags) = (String::from("Ana"), ["new", "vip"]);
/// let mut parameters = params! { name: &name, "a key": 3, tags: &tags };
/// parameters.set("since", 2024);
/// assert_eq!(parameters.len(), 4);
/// assert_eq!(serde_json::to_value(&parameters)?["tags"][1], "vip");
///
/// let nested = Params::new().with("user", parameters);
/// assert_eq!(serde_json::to_value(&nested)?["user"]["name"], "Ana");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Params<'a> {
    entries: Vec<Entry<'a>>,
    /// Where names are, once there are many.
    index: Option<Box<Index>>,
}

pub(in crate::render) type Entry<'a> = (Cow<'a, str>, Param<'a>);

/// Most entries that are searched one by one.
const FEW: usize = 32;
/// Most names that Debug shows.
const SHOWN: usize = 20;

/// The places of names by their hash. Of several names with one hash it has the first: the others are searched for.
#[derive(Clone, Default)]
struct Index {
    hasher: ahash::RandomState,
    places: HashMap<u64, usize, ahash::RandomState>,
}

impl<'a> Params<'a> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            index: None,
        }
    }

    /// With this one; one of the same name that is there is replaced, at its place.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Param<'a>>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds this one, or replaces the one of the same name, at its place.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Param<'a>>) {
        let (name, value) = (name.into(), value.into());
        let place = self.place(&name);
        match place.and_then(|place| self.entries.get_mut(place)) {
            Some((_, before)) => *before = value,
            None => self.push(name, value),
        }
    }

    fn push(&mut self, name: Cow<'a, str>, value: Param<'a>) {
        self.entries.push((name, value));
        if self.entries.len() <= FEW {
            return;
        }
        let index = self.index.get_or_insert_default();
        // All of them when there are many for the first time, then the new one.
        for at in index.places.len().min(self.entries.len() - 1)..self.entries.len() {
            if let Some((name, _)) = self.entries.get(at) {
                let hash = index.hasher.hash_one(&**name);
                index.places.entry(hash).or_insert(at);
            }
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let is_it = |(other, _): &Entry<'a>| other == name;
        let Some(index) = &self.index else {
            return self.entries.iter().position(is_it);
        };
        let place = *index.places.get(&index.hasher.hash_one(name))?;
        if self.entries.get(place).is_some_and(is_it) {
            Some(place)
        } else {
            self.entries.iter().position(is_it)
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Param<'a>> {
        self.entries.get(self.place(name)?).map(|(_, value)| value)
    }

    /// How many entries are gone through for one, at most.
    pub(in crate::render) fn passed(&self) -> usize {
        if self.index.is_some() {
            0
        } else {
            self.entries.len()
        }
    }

    pub(in crate::render) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = f.debug_set();
        names.entries(self.entries.iter().map(|(name, _)| name).take(SHOWN));
        if self.entries.len() > SHOWN {
            return names.finish_non_exhaustive();
        }
        names.finish()
    }
}

impl<'a, K: Into<Cow<'a, str>>, V: Into<Param<'a>>> FromIterator<(K, V)> for Params<'a> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut params = Self {
            entries: Vec::with_capacity(entries.size_hint().0),
            index: None,
        };
        for (name, value) in entries {
            params.set(name, value);
        }
        params
    }
}

impl<'a, K: Into<Cow<'a, str>>, V: Into<Param<'a>>, const N: usize> From<[(K, V); N]> for Params<'a> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (name, value) in &self.entries {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The name of a parameter that is written as an identifier; for [`params!`](crate::params!) alone.
#[doc(hidden)]
#[must_use]
pub const fn name_of(identifier: &'static str) -> &'static str {
    match identifier.as_bytes() {
        [b'r', b'#', ..] => identifier.split_at(2).1,
        _ => identifier,
    }
}

/// [`Params`] by name: `params! { name: user.name.as_str(), "a key": 3, tags: vec!["a", "b"] }`.
///
/// A name is an identifier or a text; a value anything that has a `From` for [`Param`]. Of a name that is there twice
/// the last value holds.
///
/// ```
/// use promptops_core::params;
///
/// let ticket = String::from("Where is my parcel?");
/// let parameters = params! { company: "Acme", ticket: &ticket, type: 'b', "order number": 17 };
/// assert_eq!(parameters.len(), 4);
/// assert!(parameters.get("type").is_some());
/// ```
#[macro_export]
macro_rules! params {
    () => { $crate::render::Params::new() };
    (@name $name:ident) => { const { $crate::render::name_of(::core::stringify!($name)) } };
    (@name $name:literal) => { $name };
    ($($name:tt : $value:expr),+ $(,)?) => {
        $crate::render::Params::from([
            $((
                ::std::borrow::Cow::<str>::Borrowed($crate::params!(@name $name)),
                $crate::render::Param::from($value),
            )),+
        ])
    };
}
