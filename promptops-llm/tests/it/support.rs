//! What the tests of layers share.

use promptops_core::llm::{Blueprint, BlueprintMessage, LlmError, LlmErrorKind};
use promptops_core::prompt::MessageRole;

pub fn asking(text: impl Into<String>) -> Blueprint {
    Blueprint::new([BlueprintMessage::new(MessageRole::User, text)])
}

pub fn error(kind: LlmErrorKind) -> LlmError {
    LlmError::new(kind, "scripted", "no")
}
