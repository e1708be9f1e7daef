//! How versions are named: `support/triage@production`, `support/triage@v3`, `support/triage@sha256:…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, invalid};
use crate::base::{ContentHash, EnvironmentName, PromptName, VersionNumber};

/// Which version of a prompt is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// The latest active version.
    Latest,
    /// The version with this number.
    Version(VersionNumber),
    /// The version with this content.
    Hash(ContentHash),
    /// The version that is live in this environment.
    Environment(EnvironmentName),
}

/// A prompt and which version of it.
///
/// As text: `name`, `name@latest`, `name@v3` or `name@3`, `name@sha256:…`, or `name@environment`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// The prompt.
    pub prompt: PromptName,
    /// Which version.
    pub selector: Selector,
}

impl Reference {
    /// The prompt's latest active version.
    #[must_use]
    pub fn latest(prompt: PromptName) -> Self {
        Self {
            prompt,
            selector: Selector::Latest,
        }
    }

    /// The version with this number.
    #[must_use]
    pub fn version(prompt: PromptName, number: VersionNumber) -> Self {
        Self {
            prompt,
            selector: Selector::Version(number),
        }
    }

    /// What is live in the environment.
    #[must_use]
    pub fn environment(prompt: PromptName, environment: EnvironmentName) -> Self {
        Self {
            prompt,
            selector: Selector::Environment(environment),
        }
    }
}

fn split(text: &str) -> Result<(PromptName, Option<&str>)> {
    let (name, selector) = match text.split_once('@') {
        Some((name, selector)) => (name, Some(selector)),
        None => (text, None),
    };
    Ok((PromptName::new(name)?, selector))
}

fn number(digits: &str) -> Result<VersionNumber> {
    VersionNumber::new(
        digits
            .parse()
            .map_err(|_| invalid(format!("the version number {digits:?} is too large")))?,
    )
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for Selector {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if text == "latest" {
            Ok(Self::Latest)
        } else if let Some(digits) =
            Some(text.strip_prefix('v').unwrap_or(text)).filter(|digits| is_number(digits))
        {
            number(digits).map(Self::Version)
        } else if text.starts_with("sha256:") {
            text.parse().map(Self::Hash)
        } else {
            EnvironmentName::new(text).map(Self::Environment).map_err(|e| {
                invalid(format!(
                    "{text:?} selects no version; expected latest, v<number>, sha256:<hash> or an environment"
                ))
                .caused_by(e)
            })
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Version(number) => number.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
            Self::Environment(environment) => environment.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (prompt, selector) = split(text)?;
        let selector = selector.map_or(Ok(Selector::Latest), str::parse)?;
        Ok(Self { prompt, selector })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selector {
            Selector::Latest => self.prompt.fmt(f),
            _ => write!(f, "{}@{}", self.prompt, self.selector),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// What an `{% include "…" %}` names, in the form of a [`Reference`]: `safety` (latest active), `safety@3` (pinned),
/// `safety@production` (by environment).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnippetReference(Reference);

impl SnippetReference {
    /// The reference that it stands for.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.0
    }

    /// Whether what it names can change without a new version of the prompt that includes it.
    #[must_use]
    pub fn is_floating(&self) -> bool {
        self.0.selector == Selector::Latest
    }
}

impl FromStr for SnippetReference {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self)
    }
}

impl fmt::Display for SnippetReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_round_trip_as_text() {
        let hash = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "triage",
            "support/triage@production",
            "triage@v3",
            &format!("triage@{hash}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), *text);
        }
        assert_eq!(
            "triage@latest".parse::<Reference>().unwrap().to_string(),
            "triage"
        );
        let pinned = "safety@3".parse::<SnippetReference>().unwrap();
        assert_eq!(pinned.to_string(), "safety@v3");
        assert!(!pinned.is_floating());
        assert!("safety".parse::<SnippetReference>().unwrap().is_floating());
    }

    #[test]
    fn bad_references_say_what_is_expected() {
        for (text, part) in [
            ("", "is empty"),
            ("triage@", "selects no version"),
            ("triage@v0", "count from 1"),
            ("triage@v99999999999", "too large"),
            ("triage@sha256:zz", "is not a hash"),
            ("triage@Prod", "selects no version"),
            ("a@b@c", "selects no version"),
            ("@production", "is empty"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
