//! Versions of the API.

use std::fmt;
use std::str::FromStr;

use promptops_core::{Error, ErrorKind};

use crate::errors::quoted;

/// A version of Anthropic's API, which every request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AnthropicVersion {
    /// `2023-06-01`: the key goes in `x-api-key`.
    #[default]
    V2023_06_01,
    /// `2026-10-21`: the key goes in `Authorization: Bearer`; `temperature`, `top_p` and `top_k` are gone.
    V2026_10_21,
}

impl AnthropicVersion {
    /// As the header `anthropic-version` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2023_06_01 => "2023-06-01",
            Self::V2026_10_21 => "2026-10-21",
        }
    }

    /// Whether a request may say how to sample.
    pub(crate) fn has_sampling(self) -> bool {
        matches!(self, Self::V2023_06_01)
    }
}

impl fmt::Display for AnthropicVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AnthropicVersion {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::V2023_06_01, Self::V2026_10_21]
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "unknown API version {}; expected 2023-06-01 or 2026-10-21",
                        quoted(text)
                    ),
                )
            })
    }
}
