//! Why a candidate is not even tried.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::contacts::Contact;
use crate::base::id::quoted;

/// Most names that a refusal tells.
const MAX_NAMES: usize = 8;
/// Longest message of a compiler that a refusal tells, in characters.
const MAX_MESSAGE_CHARS: usize = 200;

/// Which guard refused a candidate, and why. Tells names of variables and snippets, and what compiling or rendering said, which
/// may name a piece of a template and never a value; nothing else of any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuardRefusal {
    /// It says what is live, or what was known already.
    KnownText,
    /// Other messages, roles or placeholders than the live prompt's.
    MessagesChanged,
    /// Other model settings, tools or schemas than the live prompt's.
    SettingsChanged,
    /// It is no content that could be saved, or does not compile.
    DoesNotCompile {
        /// What the check said.
        why: String,
    },
    /// Variables of the live prompt are missing.
    VariablesDropped {
        /// Their names.
        names: Vec<String>,
    },
    /// Variables that the live prompt does not have and the traces' inputs neither; or not all of them, where the prompt
    /// would need it always.
    VariablesInvented {
        /// Their names.
        names: Vec<String>,
    },
    /// Variables that can be left out now would be needed always.
    VariablesRequired {
        /// Their names.
        names: Vec<String>,
    },
    /// What comes from outside would stand among instructions: a variable in a system or developer message that the live
    /// prompt has in other messages only.
    VariablesRaised {
        /// Their names.
        names: Vec<String>,
    },
    /// Other snippets than the live prompt's.
    SnippetsChanged {
        /// Those that are missing or new.
        names: Vec<String>,
    },
    /// The inputs of a trace, with which the live prompt renders, break a limit or lack something.
    DoesNotRender {
        /// What rendering said.
        why: String,
    },
    /// New tags, and no trace's inputs to see by what they do.
    TagsUnseen,
    /// The templates, or what they render to, grow too much.
    Grown {
        /// Bytes of the live prompt.
        from: usize,
        /// Bytes of the candidate.
        to: usize,
        /// Most bytes.
        most: usize,
    },
    /// A run of words, or a long number, is a trace's.
    Copied {
        /// How many words of it were looked at: as many as count as copied, or 1 for a number.
        words: usize,
    },
    /// It has an address or a secret that the live prompt does not have.
    NewContact {
        /// What it looks like.
        kind: Contact,
    },
    /// It has characters that nobody sees, which the live prompt does not have.
    Invisible,
}

impl GuardRefusal {
    /// The stable text form of which guard it was, as counted and stored.
    #[must_use]
    pub fn guard(&self) -> &'static str {
        match self {
            Self::KnownText => "known_text",
            Self::MessagesChanged => "messages_changed",
            Self::SettingsChanged => "settings_changed",
            Self::DoesNotCompile { .. } => "does_not_compile",
            Self::VariablesDropped { .. } => "variables_dropped",
            Self::VariablesInvented { .. } => "variables_invented",
            Self::VariablesRequired { .. } => "variables_required",
            Self::VariablesRaised { .. } => "variables_raised",
            Self::SnippetsChanged { .. } => "snippets_changed",
            Self::DoesNotRender { .. } => "does_not_render",
            Self::TagsUnseen => "tags_unseen",
            Self::Grown { .. } => "grown",
            Self::Copied { .. } => "copied",
            Self::NewContact { .. } => "new_contact",
            Self::Invisible => "invisible",
        }
    }

    /// Bounded names of some things, in order.
    pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let short = |name: &str| name.chars().take(100).collect();
        let mut names: Vec<String> = names.into_iter().take(MAX_NAMES).map(short).collect();
        names.sort_unstable();
        names
    }

    /// A bounded message of an error.
    pub(super) fn message(error: &crate::Error) -> String {
        error.to_string().chars().take(MAX_MESSAGE_CHARS).collect()
    }
}

impl fmt::Display for GuardRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| {
            names
                .iter()
                .map(|name| quoted(name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Self::KnownText => f.write_str("the text is live, or was tried before"),
            Self::MessagesChanged => {
                f.write_str("its messages, roles or placeholders are not the live prompt's")
            }
            Self::SettingsChanged => f.write_str("its settings, tools or schemas are not the live prompt's"),
            Self::DoesNotCompile { why } => write!(f, "it does not compile: {why}"),
            Self::VariablesDropped { names } => write!(f, "it leaves out the variables {}", list(names)),
            Self::VariablesInvented { names } => {
                write!(f, "it has the variables {}, which calls do not pass", list(names))
            }
            Self::VariablesRequired { names } => {
                write!(
                    f,
                    "it needs the variables {}, which can be left out now",
                    list(names)
                )
            }
            Self::VariablesRaised { names } => write!(
                f,
                "it puts the variables {} among the instructions, where the live prompt has them in other messages only",
                list(names)
            ),
            Self::SnippetsChanged { names } => {
                write!(f, "it leaves out or adds the snippets {}", list(names))
            }
            Self::DoesNotRender { why } => write!(f, "it does not render with a trace's inputs: {why}"),
            Self::TagsUnseen => f.write_str("it has new tags, and no trace's inputs show what they do"),
            Self::Grown { from, to, most } => {
                write!(
                    f,
                    "it grows from {from} to {to} bytes; at most {most} are allowed"
                )
            }
            Self::Copied { words: 1 } => f.write_str("it has a long number of a trace's"),
            Self::Copied { words } => write!(f, "it has {words} words in a row that a trace has"),
            Self::NewContact { kind } => write!(f, "it has {kind} that the live prompt does not have"),
            Self::Invisible => f.write_str("it has invisible characters"),
        }
    }
}

impl std::error::Error for GuardRefusal {}
