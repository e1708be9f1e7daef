//! Lists come in pages.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result, invalid};
use super::id::PromptName;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    cursor: Option<String>,
}

impl PageRequest {
    /// Most items on a page.
    pub const MAX_LIMIT: u32 = 1_000;

    /// The first page, of at most `limit` items (cut to 1 ..= 1,000).
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self {
            limit: limit.clamp(1, Self::MAX_LIMIT),
            cursor: None,
        }
    }

    /// The page after the one that returned this cursor.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Most items wanted, 1 ..= 1,000.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Where the previous page ended.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The cursor as the number it was made from, for lists ordered by number. It fits the signed integers of 64 bits
    /// that databases have.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid) when the cursor was not made by such a list.
    pub fn number_cursor(&self) -> Result<Option<u64>> {
        let number = |cursor: &str| {
            cursor
                .parse()
                .ok()
                .filter(|number| i64::try_from(*number).is_ok())
        };
        self.cursor()
            .map(|cursor| number(cursor).ok_or_else(|| foreign_cursor(cursor)))
            .transpose()
    }

    /// The cursor as the name it was made from, for lists ordered by the name of a prompt.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid) when the cursor was not made by such a list.
    pub fn name_cursor(&self) -> Result<Option<PromptName>> {
        self.cursor()
            .map(|cursor| PromptName::new(cursor).map_err(|_| foreign_cursor(cursor)))
            .transpose()
    }
}

impl Default for PageRequest {
    /// The first 100 items.
    fn default() -> Self {
        Self::first(100)
    }
}

/// For backends: the cursor is not one that the list returned.
#[must_use]
pub fn foreign_cursor(cursor: &str) -> Error {
    invalid(format!(
        "the page cursor {:?} is not one that this list returned; pass `next` of a page",
        cursor.chars().take(100).collect::<String>()
    ))
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` items: the surplus item only tells that there is a next page, whose cursor is
    /// made from the last item kept.
    #[must_use]
    pub fn from_surplus(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}
