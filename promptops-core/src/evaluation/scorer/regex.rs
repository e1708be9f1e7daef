//! `regex`: a regular expression matches the output.

use async_trait::async_trait;
use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::bounds::{output_text, shown};
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;

/// Most memory that a compiled expression may take, and its cache beside it, in bytes.
const MAX_COMPILED: usize = 256 << 10;
/// Longest expression, in bytes.
const MAX_PATTERN_BYTES: usize = 16 << 10;

/// 1 when the expression matches anywhere in the output, else 0; `^` and `$` (or `\A` and `\z`) anchor it.
///
/// The syntax is that of the crate `regex`: no look-around and no back-references, so that the time is linear in the
/// output, of which at most 16 MiB are searched. An expression may be 16 KiB long, and 256 KiB compiled.
#[derive(Debug, Clone)]
pub struct RegexMatch {
    regex: Regex,
}

impl RegexMatch {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for one that does not compile, is too large, or is empty: it would match
    /// every output.
    pub fn new(pattern: &str) -> Result<Self> {
        let refused = |why: &str| invalid(format!("the regular expression {}: {why}", quoted(pattern)));
        if pattern.is_empty() {
            return Err(refused("it is empty, which matches every output; give one"));
        }
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(refused(&format!(
                "it has {} bytes, of {MAX_PATTERN_BYTES} that are allowed",
                pattern.len()
            )));
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
            .map_err(|e| match e {
                regex::Error::CompiledTooBig(_) => refused(&format!(
                    "compiled it takes more than {MAX_COMPILED} bytes; repeat less, or write `(?-u:\\w)` for ASCII"
                )),
                // The last line says what is wrong, those before show the whole expression.
                other => {
                    let text = other.to_string();
                    refused(text.lines().last().unwrap_or_default().trim())
                }
            })?;
        Ok(Self { regex })
    }
}

#[async_trait]
impl Scorer for RegexMatch {
    fn name(&self) -> &str {
        "regex"
    }

    fn configuration(&self) -> Value {
        json!({"pattern": self.regex.as_str()})
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let found = self.regex.find(output_text(input)?);
        let reason = match found {
            Some(found) => format!("it matches at {}", shown(found.as_str())),
            None => format!("no match of {}", shown(self.regex.as_str())),
        };
        Ok(Score::pass(found.is_some(), reason))
    }
}
