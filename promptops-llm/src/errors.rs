//! Errors of one provider, in one line each.

use promptops_core::llm::{LlmError, LlmErrorKind};
use promptops_core::prompt::MessageRole;

/// Makes errors that carry the provider's name.
#[derive(Clone, Copy)]
pub(crate) struct Errors<'a>(pub(crate) &'a str);

impl Errors<'_> {
    pub(crate) fn unsupported(self, message: impl Into<String>) -> LlmError {
        LlmError::new(LlmErrorKind::Unsupported, self.0, message)
    }

    pub(crate) fn invalid(self, message: impl Into<String>) -> LlmError {
        LlmError::new(LlmErrorKind::InvalidRequest, self.0, message)
    }

    pub(crate) fn malformed(self, message: impl Into<String>) -> LlmError {
        LlmError::new(LlmErrorKind::Malformed, self.0, message)
    }

    /// The provider has no word for what a message of this role says.
    pub(crate) fn cannot_say(self, at: usize, role: MessageRole, what: &str) -> LlmError {
        self.unsupported(format!(
            "message {}: a message of role {role} cannot carry {what} here; leave it out or ask another provider",
            at + 1
        ))
    }
}

/// The text in quotes with everything invisible escaped; of a long one, the beginning.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
