//! What a cluster is called. A name is shown to people and decides nothing.

mod llm;
mod request;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use llm::LlmLabeller;
pub use request::LabelRequest;

use super::found::Found;
use super::mask::{is_invisible, mask};
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// Whoever names clusters: a model, for example. What it says is checked, and not used where it is no name.
#[async_trait]
pub trait Labeller: Send + Sync {
    /// Who names, to be told with the name: the provider and model, for example.
    fn name(&self) -> String;

    /// A name for the members of a cluster that does not fit the others, as it was said.
    ///
    /// # Errors
    /// Any; the cluster then has the name that this library makes.
    async fn propose(&self, request: &LabelRequest) -> Result<String>;
}

/// What a cluster is called: one line of 1 to [`MAX_CHARS`](Self::MAX_CHARS) characters, nothing invisible among them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    text: String,
    by: LabelBy,
}

/// Who named a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelBy {
    /// This library, of its words.
    BuiltIn,
    /// A labeller of this name.
    Labeller(String),
    /// A person.
    Person,
}

/// A name, and why it is not the labeller's where one was asked.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The name.
    pub label: Label,
    /// Why the labeller's was not taken.
    pub refused: Option<Error>,
}

impl Label {
    /// Longest name in characters.
    pub const MAX_CHARS: usize = 80;

    /// A name that a person gave.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is empty, too long, or has more than one line or invisible
    /// characters.
    pub fn by_person(text: &str) -> Result<Self> {
        Ok(Self {
            text: one_line(text)?,
            by: LabelBy::Person,
        })
    }

    /// The name that follows from what is known: the dimension, and the beginning of the medoid's masked message or,
    /// where nothing was said, what went wrong; and the words that tell the cluster from others, as many as fit.
    #[must_use]
    pub fn built_in(found: &Found) -> Self {
        let what = if found.message.is_empty() {
            found.class.in_words()
        } else {
            &found.message
        };
        // A score's name is a host's text too, and may be long.
        let mut text: String = visible(found.dimension.as_str()).chars().take(24).collect();
        text += ": ";
        let room = Self::MAX_CHARS - text.chars().count();
        let what = visible(what);
        if what.chars().count() <= room {
            text += &what;
        } else {
            text += &beginning(&what, room - 1);
            text.push('…');
        }
        let mut opened = false;
        for word in &found.words {
            if text.contains(word.as_str()) {
                continue;
            }
            let more = format!("{}{word}", if opened { ", " } else { " (" });
            if text.chars().count() + more.chars().count() + 1 > Self::MAX_CHARS {
                break;
            }
            text += &more;
            opened = true;
        }
        if opened {
            text.push(')');
        }
        Self {
            text,
            by: LabelBy::BuiltIn,
        }
    }

    /// A labeller's, where it is a name.
    fn proposed(said: &str, by: String) -> Result<Self> {
        let text = one_line(said.trim().trim_matches(['"', '“', '”', '`', '*', '#']).trim())?;
        let refused = |what: &str| {
            Error::new(
                ErrorKind::Invalid,
                format!("the labeller's name for a cluster has {what}; the one made of its words is kept"),
            )
        };
        if text.contains(['<', '>', '{', '}', '|', '\\']) {
            return Err(refused("signs of markup"));
        }
        // What a name may not repeat of the texts is what masks are for.
        let masked = mask(&text);
        let is_address = text.contains("](") || text.split_whitespace().any(looks_like_host);
        for (mask, what) in [
            ("<url>", "an address"),
            ("<email>", "an address"),
            ("<uuid>", "an id"),
            ("<hex>", "an id"),
            ("<id>", "an id"),
        ] {
            if masked.contains(mask) {
                return Err(refused(what));
            }
        }
        if is_address {
            return Err(refused("an address"));
        }
        Ok(Self {
            text,
            by: LabelBy::Labeller(by),
        })
    }

    /// The name.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who gave it.
    #[must_use]
    pub fn by(&self) -> &LabelBy {
        &self.by
    }
}

/// Names a cluster: by the labeller, if there is one and what it says is a name; else by its words. `all` are the clusters
/// of the same look, from which those that are nearest are shown to the labeller as what the name must not fit.
pub async fn label(found: &Found, all: &[Found], labeller: Option<&dyn Labeller>) -> Labelled {
    let refused = match labeller {
        None => None,
        Some(labeller) => {
            let request = LabelRequest::of(found, all);
            let proposed = labeller.propose(&request).await;
            match proposed.and_then(|said| Label::proposed(&said, labeller.name())) {
                Ok(label) => return Labelled { label, refused: None },
                Err(error) => Some(error),
            }
        }
    };
    Labelled {
        label: Label::built_in(found),
        refused,
    }
}

fn one_line(text: &str) -> Result<String> {
    let text = text.trim();
    if text.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        return Err(invalid(
            "the name of a cluster has more than one line; expected one",
        ));
    }
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(invalid(
            "the name of a cluster has control or invisible characters; leave them out",
        ));
    }
    let chars = text.chars().count();
    if !(1..=Label::MAX_CHARS).contains(&chars) {
        return Err(invalid(format!(
            "the name of a cluster has {chars} characters; expected 1 to {}",
            Label::MAX_CHARS
        )));
    }
    Ok(text.to_owned())
}

fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect()
}

/// At most so many characters, up to the end of a word where one ends in the second half.
fn beginning(text: &str, chars: usize) -> String {
    let cut: String = text.chars().take(chars).collect();
    let end = cut
        .rfind(' ')
        .filter(|end| *end > cut.len() / 2)
        .unwrap_or(cut.len());
    cut[..end].trim_end_matches([' ', ',', ';', ':', '.']).to_owned()
}

/// `evil.example/x`, which a reader's program may make a link of.
fn looks_like_host(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let host = word.split(['/', ':', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('.').is_some_and(|(name, end)| {
        !name.is_empty() && end.chars().count() >= 2 && end.chars().all(char::is_alphabetic)
    })
}

/// Who gave it; a name can repeat what was said.
impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Label")
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}
