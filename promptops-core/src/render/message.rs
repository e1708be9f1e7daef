//! What rendering makes: messages ready for a model.

use std::fmt;

use crate::prompt::{Message, MessageRole};

/// A rendered prompt.
#[derive(Clone, PartialEq)]
pub enum Rendered {
    /// A text prompt's text.
    Text(String),
    /// A chat prompt's messages.
    Chat(Vec<Message>),
}

/// Without the text.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Chat(messages) => f.debug_tuple("Chat").field(messages).finish(),
        }
    }
}

impl Rendered {
    /// The messages; a text prompt is one user message.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        match self {
            Self::Text(text) => vec![Message::new(MessageRole::User, text)],
            Self::Chat(messages) => messages,
        }
    }
}
