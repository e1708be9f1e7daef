//! The one error type of every PromptOps crate.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::id::PromptName;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarse enough to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named thing does not exist for this tenant.
    NotFound,
    /// A thing of that name or number exists already.
    AlreadyExists,
    /// Somebody else changed it first; read again and decide anew. See [`Error::current_revision`].
    Conflict,
    /// The change is not possible from the present state.
    IllegalTransition,
    /// What a deployment was compared with is not what is live any more.
    StaleBase,
    /// What was to be rolled back is not live any more.
    NotLive,
    /// The actor's role does not allow it.
    Forbidden,
    /// The environment's policy is not met. See [`Error::unmet`].
    Refused,
    /// The input is wrong; repeating will not help.
    Invalid,
    /// A template does not parse, breaks a limit, or cannot be rendered with these values. See
    /// [`Error::location`].
    Template,
    /// Stored data does not match its hash or cannot be read back.
    Corrupt,
    /// Too many requests; try again later.
    RateLimited,
    /// The backend could not be reached or did not answer in time; try again later.
    Unavailable,
    /// The connection to the backend was lost while it committed a change, or the runtime that worked on it was shut
    /// down: the change was made, or it was not. Look before repeating it.
    OutcomeUnknown,
    /// The database has another schema than this release works with: a newer one, or one to be migrated first.
    Unsupported,
    /// The backend failed in a way that is none of the above.
    Backend,
}

impl ErrorKind {
    /// The stable text form, as used in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::IllegalTransition => "illegal transition",
            Self::StaleBase => "stale base",
            Self::NotLive => "not live",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Template => "template",
            Self::Corrupt => "corrupt",
            Self::RateLimited => "rate limited",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome unknown",
            Self::Unsupported => "unsupported",
            Self::Backend => "backend",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One condition of a policy that is not met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unmet {
    /// The condition, in the words of the policy: `min_success_rate`, `source_environment`, …
    pub condition: String,
    /// What was found.
    pub found: String,
    /// What is needed.
    pub needed: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {}, needed {}",
            self.condition, self.found, self.needed
        )
    }
}

/// Where in a prompt's templates an error lies. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The prompt (or snippet) whose template is meant.
    pub prompt: PromptName,
    /// Its version number; `None` while the version is not saved yet.
    pub version: Option<u32>,
    /// Index of the message among the chat's items, from 0 (shown from 1); `None` for a text prompt.
    pub message: Option<usize>,
    /// Line in the message's template.
    pub line: u32,
    /// Column in that line.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prompt.fmt(f)?;
        if let Some(version) = self.version {
            write!(f, " v{version}")?;
        }
        if let Some(message) = self.message {
            // People count from 1, as the lines and the diffs do.
            write!(f, ", message {}", message + 1)?;
        }
        write!(f, ", line {}, column {}", self.line, self.column)
    }
}

/// An error of PromptOps: a kind to act on, a message to read, and what is known beside it.
///
/// Cheap to clone, so that callers who waited for one shared load all get it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    unmet: Vec<Unmet>,
    location: Option<Location>,
    current_revision: Option<u64>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message says what was expected, what was found and what to do.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            unmet: Vec::new(),
            location: None,
            current_revision: None,
            source: None,
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds a named fact: `prompt`, `tenant`, `environment`, …
    #[must_use]
    pub fn with(self, name: &'static str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        self.edit(|inner| inner.context.push((name, value)))
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Adds the conditions that were not met.
    #[must_use]
    pub fn with_unmet(self, unmet: Vec<Unmet>) -> Self {
        self.edit(|inner| inner.unmet = unmet)
    }

    /// Adds the place in a template.
    #[must_use]
    pub fn at(self, location: Location) -> Self {
        self.edit(|inner| inner.location = Some(location))
    }

    /// Adds the revision that the caller's expectation lost against.
    #[must_use]
    pub fn with_current_revision(self, revision: u64) -> Self {
        self.edit(|inner| inner.current_revision = Some(revision))
    }

    /// The kind to act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without context and source.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The named facts, in the order they were added.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Every condition that is not met; not empty for [`ErrorKind::Refused`].
    #[must_use]
    pub fn unmet(&self) -> &[Unmet] {
        &self.0.unmet
    }

    /// The place in a template, for [`ErrorKind::Template`].
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// The revision now in force, for a [`ErrorKind::Conflict`] of a compare-and-set.
    #[must_use]
    pub fn current_revision(&self) -> Option<u64> {
        self.0.current_revision
    }

    /// Whether the same call may succeed later without any change by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::RateLimited)
    }

    /// Whether this is [`ErrorKind::NotFound`].
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.0.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.0.message)?;
        for (i, unmet) in self.0.unmet.iter().enumerate() {
            write!(f, "{}{unmet}", if i == 0 { ": " } else { "; " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (i, (name, value)) in self.0.context.iter().enumerate() {
                write!(f, "{}{name}: {value}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}): {self}", self.0.kind)?;
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// Shorthand used all over the crates for wrong input.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_location_message_unmet_and_context() {
        let error = Error::new(ErrorKind::Refused, "the policy is not met")
            .with_unmet(vec![
                Unmet {
                    condition: "min_usage_count".into(),
                    found: "3".into(),
                    needed: "10".into(),
                },
                Unmet {
                    condition: "approvals".into(),
                    found: "0".into(),
                    needed: "1".into(),
                },
            ])
            .with("environment", "production");
        assert_eq!(
            error.to_string(),
            "the policy is not met: min_usage_count: found 3, needed 10; approvals: found 0, needed 1 \
             (environment: production)"
        );
        let error = Error::new(ErrorKind::Template, "variable `x` is missing").at(Location {
            prompt: PromptName::new("a/b").unwrap(),
            version: Some(3),
            message: Some(1),
            line: 2,
            column: 7,
        });
        assert_eq!(
            error.to_string(),
            "a/b v3, message 2, line 2, column 7: variable `x` is missing"
        );
    }

    #[test]
    fn only_passing_faults_are_retryable() {
        assert!(Error::new(ErrorKind::Unavailable, "").is_retryable());
        assert!(!Error::new(ErrorKind::Conflict, "").is_retryable());
        assert!(!Error::new(ErrorKind::OutcomeUnknown, "").is_retryable());
        assert!(!Error::new(ErrorKind::Backend, "").is_retryable());
    }
}
