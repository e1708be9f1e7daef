//! How versions are named: `support/triage@production`, `support/triage@v3`, `support/triage@sha256:…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;
use crate::base::{ContentHash, EnvironmentName, PromptName, VersionNumber};

/// Longest reference in bytes: more than a name, an `@` and a hash.
const MAX_REFERENCE_BYTES: usize = 512;

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
/// As text: `name`, `name@latest`, `name@v3` or `name@3`, `name@sha256:…`, or `name@environment`; 512 bytes at most.
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

fn check_length(text: &str) -> Result<()> {
    if text.len() > MAX_REFERENCE_BYTES {
        return Err(invalid(format!(
            "the reference has {} bytes; at most {MAX_REFERENCE_BYTES} are allowed",
            text.len()
        )));
    }
    Ok(())
}

fn number(digits: &str) -> Result<VersionNumber> {
    let number = VersionNumber::new(
        digits
            .parse()
            .map_err(|_| invalid(format!("the version number {} is too large", quoted(digits))))?,
    )?;
    // One version has one number, and one spelling of it.
    if digits.starts_with('0') {
        return Err(invalid(format!(
            "the version number {} has leading zeros; write {number}",
            quoted(digits)
        )));
    }
    Ok(number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for Selector {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        check_length(text)?;
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
                    "{} selects no version; expected latest, v<number>, sha256:<hash> or an environment",
                    quoted(text)
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
        check_length(text)?;
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
            ("triage@v001", "\"001\" has leading zeros; write v1"),
            ("triage@007", "leading zeros; write v7"),
            ("triage@00", "count from 1"),
            (
                &format!("triage@v{}1", "0".repeat(300)),
                "leading zeros; write v1",
            ),
            (&format!("triage@v{}", "9".repeat(300)), "too large"),
            (&format!("triage@{}", "x".repeat(300)), "selects no version"),
            (&format!("triage@sha256:{}", "0".repeat(300)), "is not a hash"),
            (&"@".repeat(513), "has 513 bytes; at most 512 are allowed"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(error.to_string().len() < 250, "{error}");
        }
    }
}
