//! Which messages of two chats belong together.

use std::collections::{HashMap, HashSet};
use std::fmt;
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
/// Equal items are matched first, then changed ones by role, similarity and order. A role is part of what a message is:
/// only a text that stays nearly the same is matched with a message of another role.
pub(super) fn items(from: &[Item<'_>], to: &[Item<'_>], hunks: Option<&DiffOptions>) -> Vec<ItemDiff> {
    let old: Vec<_> = from.iter().map(Item::key).collect();
    let new: Vec<_> = to.iter().map(Item::key).collect();
    let mut matched: Vec<(Option<usize>, Option<usize>)> = Vec::new();
    let (mut i, mut j) = (0, 0);
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        if let DiffOp::Equal { .. } = op {
            let (old, new) = (op.old_range(), op.new_range());
            replaced(from, to, i..old.start, j..new.start, &mut matched);
            (i, j) = (old.end, new.end);
            matched.extend(old.map(Some).zip(new.map(Some)));
        }
    }
    replaced(from, to, i..from.len(), j..to.len(), &mut matched);
    let moved = moved(from, to, &mut matched);
    matched
        .into_iter()
        .map(|(i, j)| {
            let mut item = ItemDiff::between(i.and_then(|i| from.get(i)), j.and_then(|j| to.get(j)), hunks);
            if j.is_some_and(|j| moved.contains(&j)) {
                item.status = ItemStatus::Moved;
            }
            item
        })
        .collect()
}

/// Adds what stands between two stretches of equal items.
fn replaced(
    from: &[Item<'_>],
    to: &[Item<'_>],
    old: Range<usize>,
    new: Range<usize>,
    matched: &mut Vec<(Option<usize>, Option<usize>)>,
) {
    let (mut i, mut j) = (old.start, new.start);
    for (a, b) in pairs(&from[old.clone()], &to[new.clone()]) {
        let (a, b) = (old.start + a, new.start + b);
        matched.extend((i..a).map(|i| (Some(i), None)));
        matched.extend((j..b).map(|j| (None, Some(j))));
        matched.push((Some(a), Some(b)));
        (i, j) = (a + 1, b + 1);
    }
    matched.extend((i..old.end).map(|i| (Some(i), None)));
    matched.extend((j..new.end).map(|j| (None, Some(j))));
}

fn pairs(from: &[Item<'_>], to: &[Item<'_>]) -> Vec<(usize, usize)> {
    if from.is_empty() || to.is_empty() {
        return Vec::new();
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

/// Joins an item that was removed with the same one added elsewhere; gives the new places of those.
fn moved(
    from: &[Item<'_>],
    to: &[Item<'_>],
    matched: &mut Vec<(Option<usize>, Option<usize>)>,
) -> HashSet<usize> {
    let mut removed: HashMap<_, Vec<usize>> = HashMap::new();
    for (i, j) in matched.iter().rev() {
        if let (Some(i), None) = (i, j) {
            removed.entry(from[*i].key()).or_default().push(*i);
        }
    }
    let (mut gone, mut moved) = (HashSet::new(), HashSet::new());
    for entry in matched.iter_mut() {
        if let (None, Some(j)) = *entry
            && let Some(i) = removed.get_mut(&to[j].key()).and_then(Vec::pop)
        {
            entry.0 = Some(i);
            gone.insert(i);
            moved.insert(j);
        }
    }
    matched.retain(|(i, j)| j.is_some() || i.is_none_or(|i| !gone.contains(&i)));
    moved
}
