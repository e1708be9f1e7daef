//! Names and numbers, each parsed once at the edge.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result, invalid};

/// Longest name in bytes, of every kind.
pub const MAX_NAME_BYTES: usize = 200;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Parses a `", stringify!($name), "`; the error says which rule the text breaks.")]
            ///
            /// # Errors
            /// [`Invalid`](super::ErrorKind::Invalid) when the text breaks a rule of the type's description.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                $check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text as given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name_type! {
    /// The isolation boundary: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    TenantId, check_tenant
}

name_type! {
    /// The name of a prompt: 1 to 200 bytes, segments of `a-z 0-9 . _ -` separated by `/`.
    ///
    /// A segment is not empty and not `.` or `..`.
    PromptName, check_prompt
}

name_type! {
    /// The name of an environment: 1 to 200 bytes of `a-z 0-9 . _ -` that begin with a letter.
    ///
    /// `latest` and `v` followed by digits are reserved: they select versions in a reference.
    EnvironmentName, check_environment
}

name_type! {
    /// A label on a prompt, to find it again: 1 to 200 bytes of `a-z 0-9 . _ -`.
    Tag, check_tag
}

name_type! {
    /// The name of a dataset: the rules of [`PromptName`].
    DatasetName, check_dataset
}

name_type! {
    /// The id of an evaluation run: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    RunId, check_run
}

name_type! {
    /// The id of an experiment: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    ExperimentId, check_experiment
}

name_type! {
    /// The id of a cluster of failures: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    ClusterId, check_cluster
}

name_type! {
    /// The name of an experiment's variant: 1 to 200 bytes of `a-z 0-9 . _ -`.
    VariantName, check_variant
}

name_type! {
    /// The id of a deployment: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    DeploymentId, check_deployment
}

name_type! {
    /// The id of an attempt at a better text: 1 to 200 bytes of ASCII letters, digits and `. _ - :`.
    AttemptId, check_attempt
}

name_type! {
    /// What tells a command from another of the same kind, so that it can be sent twice and is done once: 1 to 200 bytes of
    /// ASCII letters, digits and `. _ - :`, unique for the tenant.
    CommandKey, check_command
}

name_type! {
    /// What a score is called, after the scorer for example: 1 to 200 bytes, no control characters.
    ScoreName, check_score
}

impl EnvironmentName {
    /// The environments that a tenant has unless the host says otherwise: dev, staging, production.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        ["dev", "staging", "production"]
            .into_iter()
            .map(|name| Self(Arc::from(name)))
            .collect()
    }
}

fn check_length(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(invalid(format!(
            "{what} is empty; expected 1 to {MAX_NAME_BYTES} bytes"
        )));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(invalid(format!(
            "{what} has {} bytes; at most {MAX_NAME_BYTES} are allowed",
            text.len()
        )));
    }
    Ok(())
}

fn check_characters(what: &str, text: &str, allowed: fn(u8) -> bool, expected: &str) -> Result<()> {
    match text
        .char_indices()
        .find(|(_, c)| !c.is_ascii() || !allowed(*c as u8))
    {
        None => Ok(()),
        Some((at, c)) => Err(invalid(format!(
            "{what} {} has the character {c:?} at byte {at}; expected only {expected}",
            quoted(text)
        ))),
    }
}

/// The text in quotes with everything invisible escaped, so that an error can safely be shown; of a long one, the
/// beginning.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(100) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
}

fn check_id(what: &str, text: &str) -> Result<()> {
    check_length(what, text)?;
    check_characters(
        what,
        text,
        |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'),
        "ASCII letters, digits and . _ - :",
    )
}

fn check_tenant(text: &str) -> Result<()> {
    check_id("the tenant id", text)
}

fn check_run(text: &str) -> Result<()> {
    check_id("the run's id", text)
}

fn check_experiment(text: &str) -> Result<()> {
    check_id("the experiment's id", text)
}

fn check_deployment(text: &str) -> Result<()> {
    check_id("the deployment's id", text)
}

fn check_attempt(text: &str) -> Result<()> {
    check_id("the attempt's id", text)
}

fn check_command(text: &str) -> Result<()> {
    check_id("the command's key", text)
}

fn check_cluster(text: &str) -> Result<()> {
    check_id("the cluster's id", text)
}

fn check_variant(text: &str) -> Result<()> {
    check_length("the variant's name", text)?;
    check_characters("the variant's name", text, is_name_byte, "a-z 0-9 . _ -")
}

fn check_score(text: &str) -> Result<()> {
    check_length("the score's name", text)?;
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(c) => Err(invalid(format!(
            "the score's name {} has the control character {c:?}; leave it out",
            quoted(text)
        ))),
    }
}

fn check_path(what: &str, text: &str) -> Result<()> {
    check_length(what, text)?;
    check_characters(
        what,
        text,
        |b| is_name_byte(b) || b == b'/',
        "a-z 0-9 . _ - and / between folders",
    )?;
    match text
        .split('/')
        .find(|segment| matches!(*segment, "" | "." | ".."))
    {
        None => Ok(()),
        Some(segment) => Err(invalid(format!(
            "{what} {} has the segment {segment:?}; expected names separated by single slashes",
            quoted(text)
        ))),
    }
}

fn check_prompt(text: &str) -> Result<()> {
    check_path("the prompt name", text)
}

fn check_dataset(text: &str) -> Result<()> {
    check_path("the dataset name", text)
}

fn check_environment(text: &str) -> Result<()> {
    check_length("the environment name", text)?;
    check_characters("the environment name", text, is_name_byte, "a-z 0-9 . _ -")?;
    let rest = text.strip_prefix('v').unwrap_or("");
    if text == "latest" || (!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())) {
        return Err(invalid(format!(
            "the environment name {} is reserved for selecting versions; choose another name",
            quoted(text)
        )));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(invalid(format!(
            "the environment name {} does not begin with a letter a-z",
            quoted(text)
        )));
    }
    Ok(())
}

fn check_tag(text: &str) -> Result<()> {
    check_length("the tag", text)?;
    check_characters("the tag", text, is_name_byte, "a-z 0-9 . _ -")
}

/// The number of a version within its prompt or dataset: 1, 2, 3 …, shown as `v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct VersionNumber(u32);

impl VersionNumber {
    /// The first version of every prompt.
    pub const FIRST: Self = Self(1);

    /// A version number.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid) for 0.
    pub fn new(number: u32) -> Result<Self> {
        if number == 0 {
            Err(invalid("version 0 does not exist; versions count from 1"))
        } else {
            Ok(Self(number))
        }
    }

    /// The plain number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number that follows, `None` after the largest.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl TryFrom<u32> for VersionNumber {
    type Error = Error;
    fn try_from(number: u32) -> Result<Self> {
        Self::new(number)
    }
}

impl From<VersionNumber> for u32 {
    fn from(number: VersionNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_parse() {
        for name in ["support/triage", "a", "x.y_z-1/2", "safety"] {
            assert_eq!(PromptName::new(name).unwrap().as_str(), name);
        }
        for name in ["dev", "staging", "production", "eu-west.1", "v", "v1x", "latest2"] {
            assert!(EnvironmentName::new(name).is_ok(), "{name}");
        }
        assert!(TenantId::new("018f-ABC:x").is_ok());
    }

    #[test]
    fn bad_names_say_what_is_wrong() {
        let long = "a".repeat(201);
        for (error, part) in [
            (PromptName::new("").unwrap_err(), "is empty"),
            (PromptName::new(&long).unwrap_err(), "201 bytes"),
            (PromptName::new("Ab").unwrap_err(), "'A' at byte 0"),
            (PromptName::new("caf\u{e9}").unwrap_err(), "'é' at byte 3"),
            (PromptName::new("a\u{202e}b").unwrap_err(), "\\u{202e}"),
            (PromptName::new("a//b").unwrap_err(), "segment \"\""),
            (PromptName::new("../b").unwrap_err(), "segment \"..\""),
            (PromptName::new("a@b").unwrap_err(), "'@' at byte 1"),
            (EnvironmentName::new("latest").unwrap_err(), "reserved"),
            (EnvironmentName::new("v12").unwrap_err(), "reserved"),
            (
                EnvironmentName::new("3").unwrap_err(),
                "does not begin with a letter",
            ),
            (EnvironmentName::new("a/b").unwrap_err(), "'/' at byte 1"),
            (TenantId::new("a b").unwrap_err(), "' ' at byte 1"),
            (VersionNumber::new(0).unwrap_err(), "count from 1"),
        ] {
            assert!(error.to_string().contains(part), "{error} lacks {part}");
        }
    }
}
