//! Changes of a prompt as operations on its text, which this library applies.
//!
//! A model that says which place to change can be held to it; one that writes the whole text anew changes what it was not
//! asked to, and nobody can tell.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::prompt::{Body, ChatItem, Content};

/// Where a text is put in, beside its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before it.
    Before,
    /// After it.
    #[default]
    After,
}

/// One change of one message.
///
/// | `old` | `anchor` | what is done |
/// |---|---|---|
/// | a text | empty | `old`, which must occur exactly once in the message, becomes `new` |
/// | a text | a text | the same within the anchor, which must occur exactly once in the message |
/// | empty | a text | `new` is put before or after the anchor, which must occur exactly once in the message |
/// | empty | empty | `new` is put at the beginning or the end of the message |
///
/// Texts are found byte by byte: nothing is trimmed, folded or guessed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Index of the message among the chat's items, from 0; 0 for a text prompt.
    #[serde(default)]
    pub message: usize,
    /// A text of the message that says which place is meant.
    #[serde(default)]
    pub anchor: String,
    /// On which side of the anchor a text without `old` is put.
    #[serde(default)]
    pub place: Place,
    /// What is replaced.
    #[serde(default)]
    pub old: String,
    /// What takes its place; empty to leave it out.
    #[serde(default)]
    pub new: String,
    /// Why; at most 1,000 bytes.
    #[serde(default)]
    pub reason: String,
}

impl Edit {
    /// Longest `anchor`, `old` and `new` in bytes.
    pub const MAX_TEXT_BYTES: usize = 16 * 1024;
    /// Longest reason in bytes.
    pub const MAX_REASON_BYTES: usize = 1_000;

    /// Replaces a text of a message.
    #[must_use]
    pub fn replace(message: usize, old: impl Into<String>, new: impl Into<String>) -> Self {
        Self {
            message,
            old: old.into(),
            new: new.into(),
            ..Self::default()
        }
    }

    /// Puts a text beside another one of a message.
    #[must_use]
    pub fn insert(message: usize, place: Place, anchor: impl Into<String>, new: impl Into<String>) -> Self {
        Self {
            message,
            anchor: anchor.into(),
            place,
            new: new.into(),
            ..Self::default()
        }
    }

    /// The bytes of the text that it replaces.
    fn span(&self, text: &str) -> Result<Span, Why> {
        let sizes = [&self.anchor, &self.old, &self.new].map(String::len);
        if sizes.iter().any(|bytes| *bytes > Self::MAX_TEXT_BYTES)
            || self.reason.len() > Self::MAX_REASON_BYTES
        {
            return Err(Why::TooLong);
        }
        if self.old == self.new {
            return Err(Why::NoEffect);
        }
        let anchor = match self.anchor.as_str() {
            "" => Span {
                start: 0,
                end: text.len(),
            },
            anchor => only(text, anchor, Part::Anchor)?,
        };
        if self.old.is_empty() {
            // Beside the whole message where there is no anchor.
            let at = match self.place {
                Place::Before => anchor.start,
                Place::After => anchor.end,
            };
            return Ok(Span { start: at, end: at });
        }
        let old = only(&text[anchor.start..anchor.end], &self.old, Part::Old)?;
        Ok(Span {
            start: anchor.start + old.start,
            end: anchor.start + old.end,
        })
    }
}

/// Where, and how much, without what is said.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Edit(message {}, {} bytes become {})",
            self.message,
            self.old.len(),
            self.new.len()
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: usize,
    end: usize,
}

/// What of an edit is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The text that is replaced.
    Old,
    /// The text that says which place is meant.
    Anchor,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "`old`",
            Self::Anchor => "`anchor`",
        })
    }
}

/// Why an edit does not apply. Which one it is counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditRefusal {
    /// There are none, or too many.
    Count {
        /// How many.
        found: usize,
    },
    /// One of its texts is too long.
    TooLong {
        /// Which edit.
        edit: usize,
    },
    /// The prompt has no such message.
    NoSuchMessage {
        /// Which edit.
        edit: usize,
        /// The message that it names.
        message: usize,
    },
    /// There is a placeholder, which has no text.
    Placeholder {
        /// Which edit.
        edit: usize,
        /// The message that it names.
        message: usize,
    },
    /// A text of it is not in the message.
    NotFound {
        /// Which edit.
        edit: usize,
        /// What of it.
        part: Part,
    },
    /// A text of it is in the message more than once, so that it is not sure which place is meant.
    Ambiguous {
        /// Which edit.
        edit: usize,
        /// What of it.
        part: Part,
        /// How often it was found, 100 at most.
        found: usize,
    },
    /// Two of them change the same place.
    Overlap {
        /// The first.
        edit: usize,
        /// The other.
        other: usize,
    },
    /// It changes nothing, or all of them together do not.
    NoEffect {
        /// Which edit; `None` for all together.
        edit: Option<usize>,
    },
}

impl fmt::Display for EditRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { found } => write!(f, "there are {found} edits; expected 1 to {}", Edits::MAX),
            Self::TooLong { edit } => write!(
                f,
                "edit {edit} is too long; at most {} bytes for each text and {} for the reason",
                Edit::MAX_TEXT_BYTES,
                Edit::MAX_REASON_BYTES
            ),
            Self::NoSuchMessage { edit, message } => {
                write!(
                    f,
                    "edit {edit} names message {message}, which the prompt does not have"
                )
            }
            Self::Placeholder { edit, message } => write!(
                f,
                "edit {edit} names message {message}, which is a placeholder and has no text"
            ),
            Self::NotFound { edit, part } => write!(
                f,
                "{part} of edit {edit} is not found; copy it exactly, with its spaces and line breaks{}",
                match part {
                    Part::Old => ", from within the anchor where there is one",
                    Part::Anchor => "",
                }
            ),
            Self::Ambiguous { edit, part, found } => write!(
                f,
                "{part} of edit {edit} is found {found} times; make it longer until it occurs once"
            ),
            Self::Overlap { edit, other } => {
                write!(f, "edits {edit} and {other} change the same place; make them one")
            }
            Self::NoEffect { edit: Some(edit) } => write!(f, "edit {edit} changes nothing"),
            Self::NoEffect { edit: None } => f.write_str("the edits together change nothing"),
        }
    }
}

impl std::error::Error for EditRefusal {}

enum Why {
    TooLong,
    NoEffect,
    NotFound(Part),
    Ambiguous(Part, usize),
}

impl Why {
    fn of(self, edit: usize) -> EditRefusal {
        match self {
            Self::TooLong => EditRefusal::TooLong { edit },
            Self::NoEffect => EditRefusal::NoEffect { edit: Some(edit) },
            Self::NotFound(part) => EditRefusal::NotFound { edit, part },
            Self::Ambiguous(part, found) => EditRefusal::Ambiguous { edit, part, found },
        }
    }
}

/// The one place where a text occurs in another. Occurrences that overlap are several.
fn only(text: &str, wanted: &str, part: Part) -> Result<Span, Why> {
    const MOST: usize = 100;
    let (mut from, mut found, mut first) = (0, 0, 0);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(wanted)) {
        if found == 0 {
            first = from + at;
        }
        found += 1;
        from = text.ceil_char_boundary(from + at + 1);
        if found == MOST {
            break;
        }
    }
    match found {
        0 => Err(Why::NotFound(part)),
        1 => Ok(Span {
            start: first,
            end: first + wanted.len(),
        }),
        _ => Err(Why::Ambiguous(part, found)),
    }
}

/// Edits in rounds: those of one round are made at once, each looking for its place in the text as it was before the
/// round. One round, unless a search changed the prompt more than once.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(Vec<Vec<Edit>>);

impl Edits {
    /// Most edits of one round.
    pub const MAX: usize = 16;

    /// One round.
    #[must_use]
    pub fn new(edits: impl IntoIterator<Item = Edit>) -> Self {
        Self(vec![edits.into_iter().collect()])
    }

    /// The same, and another round after it.
    #[must_use]
    pub fn then(mut self, edits: impl IntoIterator<Item = Edit>) -> Self {
        self.0.push(edits.into_iter().collect());
        self
    }

    /// The rounds, in order.
    #[must_use]
    pub fn rounds(&self) -> &[Vec<Edit>] {
        &self.0
    }

    /// All edits, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Edit> {
        self.0.iter_mut().flatten()
    }

    /// The content that they make of another. What they do not name stays as it is, byte by byte.
    ///
    /// # Errors
    /// The first one that does not apply, and why.
    pub fn apply(&self, content: &Content) -> Result<Content, EditRefusal> {
        let mut changed = content.clone();
        if self.0.is_empty() {
            return Err(EditRefusal::Count { found: 0 });
        }
        for round in &self.0 {
            changed = apply(round, changed)?;
        }
        if changed == *content {
            return Err(EditRefusal::NoEffect { edit: None });
        }
        Ok(changed)
    }
}

/// How many, where, and how much.
impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

fn apply(round: &[Edit], mut content: Content) -> Result<Content, EditRefusal> {
    if !(1..=Edits::MAX).contains(&round.len()) {
        return Err(EditRefusal::Count { found: round.len() });
    }
    let mut places: Vec<(usize, Span, usize)> = Vec::with_capacity(round.len());
    for (i, edit) in round.iter().enumerate() {
        let text = template(&mut content, edit.message, i)?;
        places.push((edit.message, edit.span(text).map_err(|why| why.of(i))?, i));
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        let ((message, before, edit), (same, after, other)) = (pair[0], pair[1]);
        // Two texts put in at one place would have no order.
        let at_once = before == after || before.end > after.start;
        if message == same && at_once {
            let (edit, other) = (edit.min(other), edit.max(other));
            return Err(EditRefusal::Overlap { edit, other });
        }
    }
    // From the end, so that what comes before stays where it is.
    for (message, span, i) in places.into_iter().rev() {
        template(&mut content, message, i)?.replace_range(span.start..span.end, &round[i].new);
    }
    Ok(content)
}

fn template(content: &mut Content, message: usize, edit: usize) -> Result<&mut String, EditRefusal> {
    match &mut content.body {
        Body::Text { template } if message == 0 => Ok(template),
        Body::Text { .. } => Err(EditRefusal::NoSuchMessage { edit, message }),
        Body::Chat { messages } => match messages.get_mut(message) {
            Some(ChatItem::Message { template, .. }) => Ok(template),
            Some(ChatItem::Placeholder { .. }) => Err(EditRefusal::Placeholder { edit, message }),
            None => Err(EditRefusal::NoSuchMessage { edit, message }),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prompt::{DiffOptions, PromptDiff, placeholder, system, user};

    fn chat() -> Content {
        Content::chat([
            system("Be brief.\nBe kind.\nBe brief and kind."),
            placeholder("history"),
            user("{{ ticket }}"),
        ])
    }

    fn system_text(content: &Content) -> &str {
        match &content.body {
            Body::Chat { messages } => match &messages[0] {
                ChatItem::Message { template, .. } => template,
                ChatItem::Placeholder { .. } => panic!("a placeholder"),
            },
            Body::Text { template } => template,
        }
    }

    #[test]
    fn edits_of_one_round_are_made_at_once() {
        let edits = Edits::new([
            Edit::replace(0, "kind.\nBe", "polite.\nStay"),
            Edit::insert(0, Place::Before, "", "You answer tickets.\n"),
            Edit::insert(0, Place::After, "", "\nNever guess."),
            Edit {
                anchor: "brief and kind.".into(),
                old: "brief".into(),
                new: "short".into(),
                ..Edit::default()
            },
            Edit::insert(2, Place::Before, "{{ ticket }}", "Ticket: "),
        ]);
        let changed = edits.apply(&chat()).unwrap();
        assert_eq!(
            system_text(&changed),
            "You answer tickets.\nBe brief.\nBe polite.\nStay short and kind.\nNever guess."
        );
        let Body::Chat { messages } = &changed.body else {
            panic!()
        };
        assert_eq!(messages[2], user("Ticket: {{ ticket }}"));
        // A later round sees what the one before has made.
        let more = edits.then([Edit::replace(0, "Stay short", "Be short")]);
        assert!(system_text(&more.apply(&chat()).unwrap()).contains("Be short and kind"));
        assert!(!format!("{more:?}").contains("short"));
        let json = serde_json::to_string(&more).unwrap();
        assert_eq!(serde_json::from_str::<Edits>(&json).unwrap(), more);
    }

    #[test]
    fn what_does_not_apply_is_refused_by_name() {
        use EditRefusal as R;
        let long = "x".repeat(Edit::MAX_TEXT_BYTES + 1);
        let old = |old: &str, new: &str| Edit::replace(0, old, new);
        let part = Part::Old;
        for (edits, refusal) in [
            (vec![], R::Count { found: 0 }),
            (vec![old("Be kind", "x"); 17], R::Count { found: 17 }),
            (vec![old("be kind", "x")], R::NotFound { edit: 0, part }),
            (
                vec![old("Be brief", "x")],
                R::Ambiguous {
                    edit: 0,
                    part,
                    found: 2,
                },
            ),
            (
                vec![old("Be kind", "x"), old("kind.\n", "y")],
                R::Overlap { edit: 0, other: 1 },
            ),
            (
                vec![Edit::insert(0, Place::After, "Be ki", "x"), old("Be kind", "y")],
                R::Overlap { edit: 0, other: 1 },
            ),
            (
                vec![
                    Edit::insert(0, Place::After, "", "x"),
                    Edit::insert(0, Place::After, "brief and kind.", "y"),
                ],
                R::Overlap { edit: 0, other: 1 },
            ),
            (vec![old("Be kind", "Be kind")], R::NoEffect { edit: Some(0) }),
            (vec![old("", "")], R::NoEffect { edit: Some(0) }),
            (vec![old(&long, "x")], R::TooLong { edit: 0 }),
            (vec![old("Be kind", &long)], R::TooLong { edit: 0 }),
            (
                vec![Edit::insert(0, Place::After, "nowhere", "x")],
                R::NotFound {
                    edit: 0,
                    part: Part::Anchor,
                },
            ),
            (
                vec![Edit {
                    anchor: "Be kind.".into(),
                    ..old("Be brief", "x")
                }],
                R::NotFound { edit: 0, part },
            ),
            (
                vec![Edit::replace(3, "a", "b")],
                R::NoSuchMessage { edit: 0, message: 3 },
            ),
            (
                vec![old("Be kind", "x"), Edit::replace(1, "history", "b")],
                R::Placeholder { edit: 1, message: 1 },
            ),
        ] {
            let found = Edits::new(edits).apply(&chat()).unwrap_err();
            assert_eq!(found, refusal);
            assert!(!found.to_string().contains("kind"), "{found}");
        }
        assert_eq!(
            Edits::new([Edit::replace(1, "a", "b")]).apply(&Content::text("a")),
            Err(R::NoSuchMessage { edit: 0, message: 1 })
        );
        // Occurrences that overlap are two places.
        assert_eq!(
            Edits::new([Edit::replace(0, "aa", "b")]).apply(&Content::text("aaa")),
            Err(R::Ambiguous {
                edit: 0,
                part,
                found: 2
            })
        );
        let back_and_forth = Edits::new([Edit::replace(0, "a", "b")]).then([Edit::replace(0, "b", "a")]);
        assert_eq!(
            back_and_forth.apply(&Content::text("a")),
            Err(R::NoEffect { edit: None })
        );
    }

    proptest! {
        /// The changed lines of the diff are those that the edits change, and turning the edits round gives back what was.
        #[test]
        fn the_diff_follows_from_the_edits(
            lines in prop::collection::btree_set("[a-z]{1,6}é?[a-z]{0,4}", 1..12),
            changes in prop::collection::vec((any::<prop::sample::Index>(), "[A-Z]{1,8}"), 1..5),
        ) {
            // Every line is unlike all others and is no part of one.
            let lines: Vec<String> = lines.iter().enumerate().map(|(i, line)| format!("<{i}> {line}.")).collect();
            let mut wanted: std::collections::BTreeMap<usize, &str> = std::collections::BTreeMap::new();
            for (at, new) in &changes {
                wanted.insert(at.index(lines.len()), new);
            }
            let live = Content::chat([system(lines.join("\n")), user("{{ a }}")]);
            let forth = Edits::new(wanted.iter().map(|(at, new)| {
                Edit::replace(0, lines[*at].clone(), format!("<{at}> {new}."))
            }));
            let back = Edits::new(wanted.iter().map(|(at, new)| {
                Edit::replace(0, format!("<{at}> {new}."), lines[*at].clone())
            }));
            let changed = forth.apply(&live).unwrap();
            prop_assert_eq!(&back.apply(&changed).unwrap(), &live);
            let diff = PromptDiff::between_contents(("live", &live), ("changed", &changed), &DiffOptions::default());
            let counts = diff.counts.lines;
            prop_assert_eq!(counts.modifications.max(counts.additions.max(counts.deletions)) > 0, true);
            prop_assert!(counts.modifications + counts.additions <= wanted.len());
            prop_assert!(counts.modifications + counts.deletions <= wanted.len());
        }

        /// Whatever a model says, it applies or is refused.
        #[test]
        fn no_edit_panics(
            text in "\\PC{0,40}",
            edits in prop::collection::vec(
                (0usize..3, "\\PC{0,3}", any::<bool>(), "\\PC{0,3}", "\\PC{0,3}"), 0..6),
        ) {
            let edits = Edits::new(edits.into_iter().map(|(message, anchor, before, old, new)| Edit {
                message,
                anchor,
                place: if before { Place::Before } else { Place::After },
                old,
                new,
                reason: String::new(),
            }));
            let content = Content::chat([system(text), placeholder("h")]);
            if let Ok(changed) = edits.apply(&content) {
                prop_assert_ne!(changed, content);
            }
        }
    }
}
