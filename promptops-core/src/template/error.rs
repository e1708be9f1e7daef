//! The error a template can be refused with.

use std::fmt;

use super::span::{Position, Span};

/// Why a template was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// The text is not valid in the template language.
    Syntax,
    /// The template is larger or more deeply nested than the limits allow.
    Limit,
    /// The construct exists in Tera but is deliberately not available here.
    Unsupported,
    /// A filter that does not exist.
    UnknownFilter,
    /// A test (the word after `is`) that does not exist.
    UnknownTest,
    /// A function that does not exist.
    UnknownFunction,
}

/// A refused template: what is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateError {
    /// The class of the problem.
    pub kind: TemplateErrorKind,
    /// What was expected and what was found instead.
    pub message: String,
    /// The bytes of the source the message is about.
    pub span: Span,
    /// Where `span` starts, for people.
    pub position: Position,
    /// What to write instead, when there is something to suggest.
    pub help: Option<String>,
}

impl TemplateError {
    pub(super) fn new(
        kind: TemplateErrorKind,
        message: impl Into<String>,
        span: Span,
        source: &str,
    ) -> Box<Self> {
        Box::new(Self {
            kind,
            message: message.into(),
            span,
            position: span.position(source),
            help: None,
        })
    }

    pub(super) fn with_help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

/// Results inside the parser. The error is boxed so that the recursive
/// expression parser keeps small stack frames.
pub(super) type Result<T> = std::result::Result<T, Box<TemplateError>>;
