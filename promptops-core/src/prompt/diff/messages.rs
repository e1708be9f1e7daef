//! Which messages of two chats belong together.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::ops::Range;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::DiffOptions;
use super::align::{SAME, Words, align, similarity};
use super::lines::{Hunk, LineCounts, Lines};
use crate::prompt::content::{Body, ChatItem, Content, MessageRole};

/// Most pairs of changed messages that are weighed for which belongs to which: all of two chats of the largest size.
const MOST_PAIRS: usize = Content::MAX_MESSAGES * Content::MAX_MESSAGES;
/// Words of a message that are weighed.
const MOST_WORDS: usize = 256;

/// What a piece of a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemKind {
    /// The one text of a text prompt.
    Text,
    /// A chat message.
    Message {
        /// Who speaks.
        role: MessageRole,
    },
    /// A placeholder in a chat; its text is the parameter's name.
    Placeholder,
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Message { role } => role.fmt(f),
            Self::Placeholder => f.write_str("placeholder"),
        }
    }
}

/// Where a piece of a prompt stands on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ItemPlace {
    /// Its number within the prompt, from 1.
    pub number: usize,
    /// What it is there.
    #[serde(flatten)]
    pub kind: ItemKind,
}

/// What happened to a piece of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// On both sides, the same.
    Unchanged,
    /// On both sides, with another text, role or kind.
    Changed,
    /// On both sides, the same, but in another order to the others.
    Moved,
    /// On the new side only.
    Added,
    /// On the old side only.
    Removed,
}

/// The difference in one piece of a prompt: a message, a placeholder, or the one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemDiff {
    /// What happened to it.
    pub status: ItemStatus,
    /// Its place on the old side; `None` when it was added.
    pub from: Option<ItemPlace>,
    /// Its place on the new side; `None` when it was removed.
    pub to: Option<ItemPlace>,
    /// How many of its lines changed.
    #[serde(flatten)]
    pub counts: LineCounts,
    /// Its lines in order, equal ones as well. None when there is no text, or only a summary was made.
    pub hunks: Vec<Hunk>,
}

impl ItemDiff {
    fn between(from: Option<&Item<'_>>, to: Option<&Item<'_>>, hunks: Option<&DiffOptions>) -> Self {
        let status = match (from, to) {
            (Some(from), Some(to)) if from.same(to) => ItemStatus::Unchanged,
            (Some(_), Some(_)) => ItemStatus::Changed,
            (None, _) => ItemStatus::Added,
            (_, None) => ItemStatus::Removed,
        };
        let lines = Lines::between(from.map_or("", |item| item.text), to.map_or("", |item| item.text));
        Self {
            status,
            from: from.map(Item::place),
            to: to.map(Item::place),
            counts: lines.counts(),
            hunks: hunks.map_or_else(Vec::new, |options| lines.hunks(options.word_limit)),
        }
    }

    /// Whether it is a message on both sides, said by another role.
    #[must_use]
    pub fn is_role_changed(&self) -> bool {
        matches!(
            (self.from.map(|place| place.kind), self.to.map(|place| place.kind)),
            (Some(ItemKind::Message { role: from }), Some(ItemKind::Message { role: to })) if from != to
        )
    }
}

/// A piece of a prompt's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    number: usize,
    kind: ItemKind,
    text: &'a str,
}

impl<'a> Item<'a> {
    pub(super) fn all(body: &'a Body) -> Vec<Self> {
        match body {
            Body::Text { template } => vec![Self {
                number: 1,
                kind: ItemKind::Text,
                text: template,
            }],
            Body::Chat { messages } => messages
                .iter()
                .zip(1..)
                .map(|(item, number)| match item {
                    ChatItem::Message { role, template } => Self {
                        number,
                        kind: ItemKind::Message { role: *role },
                        text: template,
                    },
                    ChatItem::Placeholder { placeholder } => Self {
                        number,
                        kind: ItemKind::Placeholder,
                        text: placeholder,
                    },
                })
                .collect(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    fn key(&self) -> (ItemKind, &'a str) {
        (self.kind, self.text)
    }

    fn same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    fn place(&self) -> ItemPlace {
        ItemPlace {
            number: self.number,
            kind: self.kind,
        }
    }
}

/// The differences of two bodies, in the order of the new one; a removed item stands where it was.
///
/// Equal items are matched first, in the same order and then in another, and then changed ones by role, similarity and
/// order. A role is part of what a message is: only a text that stays nearly the same is matched with a message of
/// another role.
pub(super) fn items(from: &[Item<'_>], to: &[Item<'_>], hunks: Option<&DiffOptions>) -> Vec<ItemDiff> {
    matches(from, to)
        .into_iter()
        .map(|Match { old, new, is_moved }| {
            let mut item =
                ItemDiff::between(old.and_then(|i| from.get(i)), new.and_then(|j| to.get(j)), hunks);
            if is_moved {
                item.status = ItemStatus::Moved;
            }
            item
        })
        .collect()
}

/// The places in both lists of what belongs together.
struct Match {
    old: Option<usize>,
    new: Option<usize>,
    is_moved: bool,
}

impl Match {
    fn of(old: Option<usize>, new: Option<usize>) -> Self {
        Self {
            old,
            new,
            is_moved: false,
        }
    }
}

fn matches(from: &[Item<'_>], to: &[Item<'_>]) -> Vec<Match> {
    let old: Vec<_> = from.iter().map(Item::key).collect();
    let new: Vec<_> = to.iter().map(Item::key).collect();
    let mut equal: Vec<(Range<usize>, Range<usize>)> = capture_diff_slices(Algorithm::Myers, &old, &new)
        .into_iter()
        .filter(|op| matches!(op, DiffOp::Equal { .. }))
        .map(|op| (op.old_range(), op.new_range()))
        .collect();
    equal.push((from.len()..from.len(), to.len()..to.len()));
    let moved = moved(&old, &new, &equal);
    let gone: HashSet<_> = moved.values().copied().collect();

    let mut matches = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (old, new) in equal {
        // What stands before this stretch of equal items.
        let left: Vec<_> = (i..old.start).filter(|i| !gone.contains(i)).collect();
        let right: Vec<_> = (j..new.start).filter(|j| !moved.contains_key(j)).collect();
        let left_items: Vec<_> = left.iter().map(|&i| from[i]).collect();
        let right_items: Vec<_> = right.iter().map(|&j| to[j]).collect();
        let mut pairs = pairs(&left_items, &right_items)
            .into_iter()
            .map(|(a, b)| (a, right[b]))
            .peekable();
        let mut left_done = 0;
        for j in j..new.start {
            // Removed items come before what stands in their place.
            let (next, at) = pairs.peek().copied().unwrap_or((left.len(), new.start));
            matches.extend(left[left_done..next].iter().map(|&i| Match::of(Some(i), None)));
            left_done = next;
            if let Some(&i) = moved.get(&j) {
                matches.push(Match {
                    is_moved: true,
                    ..Match::of(Some(i), Some(j))
                });
            } else if j == at {
                matches.push(Match::of(Some(left[next]), Some(j)));
                left_done = next + 1;
                pairs.next();
            } else {
                matches.push(Match::of(None, Some(j)));
            }
        }
        matches.extend(left[left_done..].iter().map(|&i| Match::of(Some(i), None)));
        (i, j) = (old.end, new.end);
        matches.extend(old.zip(new).map(|(i, j)| Match::of(Some(i), Some(j))));
    }
    matches
}

/// New places of items that stand elsewhere on the old side, with their old places.
fn moved<K: Eq + Hash>(
    old: &[K],
    new: &[K],
    equal: &[(Range<usize>, Range<usize>)],
) -> HashMap<usize, usize> {
    let mut removed: HashMap<&K, Vec<usize>> = HashMap::new();
    let (mut i, mut j) = (0, 0);
    let mut added = Vec::new();
    for (equal_old, equal_new) in equal {
        for (key, i) in old[i..equal_old.start].iter().zip(i..) {
            removed.entry(key).or_default().push(i);
        }
        added.extend(j..equal_new.start);
        (i, j) = (equal_old.end, equal_new.end);
    }
    // From the back on both sides, so that items that are the same among themselves keep their order.
    added
        .into_iter()
        .rev()
        .filter_map(|j| removed.get_mut(&new[j]).and_then(Vec::pop).map(|i| (j, i)))
        .collect()
}

fn pairs(from: &[Item<'_>], to: &[Item<'_>]) -> Vec<(usize, usize)> {
    if from.is_empty() || to.is_empty() {
        return Vec::new();
    }
    if let ([a], [b]) = (from, to)
        && a.kind == b.kind
    {
        return vec![(0, 0)];
    }
    let mut words = Words::default();
    let old: Vec<_> = from.iter().map(|item| words.of(item.text, MOST_WORDS)).collect();
    let new: Vec<_> = to.iter().map(|item| words.of(item.text, MOST_WORDS)).collect();
    align(from.len(), to.len(), MOST_PAIRS, |i, j| {
        let similar = || similarity(&old[i], &new[j]);
        match (from[i].kind, to[j].kind) {
            (ItemKind::Placeholder, ItemKind::Placeholder) => {
                100 + if from[i].text == to[j].text { SAME } else { 0 }
            }
            (ItemKind::Placeholder, _) | (_, ItemKind::Placeholder) => 0,
            (ItemKind::Message { role: a }, ItemKind::Message { role: b }) if a != b => {
                let similar = similar();
                if similar >= SAME * 4 / 5 { similar / 2 } else { 0 }
            }
            _ => {
                let similar = similar();
                100 + if similar >= SAME * 3 / 10 { similar } else { 0 }
            }
        }
    })
}
