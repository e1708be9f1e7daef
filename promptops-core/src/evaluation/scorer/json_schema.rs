//! `json_schema`: the output is JSON that fits a schema.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bounds::parse_json;
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};
use crate::prompt::{Findings, JsonSchema};

/// Most problems that a reason lists.
const MAX_LISTED: usize = 3;

/// 1 when the output is JSON that fits the schema, else 0.
///
/// The schema is one of JSON Schema 2020-12, or of the draft that its `$schema` names (draft-07, 2019-09). Only
/// references within it (`#…`) are followed, none is fetched; patterns run on an engine whose time is linear. At most
/// 1 MiB of output nested 100 levels deep is looked at; more is an error. Of objects with one key twice the last counts.
#[derive(Clone)]
pub struct JsonSchemaMatch {
    schema: Value,
    compiled: Arc<JsonSchema>,
    fenced: bool,
}

impl JsonSchemaMatch {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for what is no schema, refers to anything outside of itself, or would
    /// take too long to check.
    pub fn new(schema: Value) -> Result<Self> {
        Ok(Self {
            compiled: Arc::new(JsonSchema::compile("the scorer's schema", &schema)?),
            schema,
            fenced: false,
        })
    }

    /// Accepts JSON in one fenced block (three backticks, with or without a word such as `json` after them) as well,
    /// with nothing around it but white space.
    #[must_use]
    pub fn accept_fenced(mut self) -> Self {
        self.fenced = true;
        self
    }
}

#[async_trait]
impl Scorer for JsonSchemaMatch {
    fn name(&self) -> &str {
        "json_schema"
    }

    fn configuration(&self) -> Value {
        json!({"schema": self.schema, "accept_fenced": self.fenced})
    }

    fn dimension(&self) -> &str {
        "format"
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let text = match unfenced(input.output) {
            Some(inner) if self.fenced => inner,
            _ => input.output,
        };
        let value = match parse_json("the output", text)? {
            Ok(value) => value,
            Err(why) => return Ok(Score::pass(false, format!("the output is no JSON: {why}"))),
        };
        match self.compiled.check(&value) {
            Findings::Fits => Ok(Score::pass(true, "the output fits the schema")),
            Findings::Problems(mut problems) => {
                if problems.len() > MAX_LISTED {
                    problems.truncate(MAX_LISTED);
                    problems.push("and more".into());
                }
                let problems = problems.join("; ");
                Ok(Score::pass(
                    false,
                    format!("the output does not fit the schema: {problems}"),
                ))
            }
            Findings::Unlisted => Ok(Score::pass(
                false,
                "the output does not fit the schema, and is too large to tell where",
            )),
            Findings::TooLarge => Err(invalid(
                "the output is too large to be checked against the schema; take a simpler schema",
            )),
        }
    }
}

/// What is in the fenced block that all of the text is.
fn unfenced(text: &str) -> Option<&str> {
    const FENCE: &str = "```";
    let inner = text.trim().strip_prefix(FENCE)?.strip_suffix(FENCE)?;
    let (word, body) = inner.split_once('\n')?;
    let is_word = word.trim().chars().all(|c| c.is_ascii_alphanumeric());
    // With a second block inside it is no JSON.
    is_word.then_some(body)
}

impl fmt::Debug for JsonSchemaMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSchemaMatch")
            .field("fenced", &self.fenced)
            .finish_non_exhaustive()
    }
}
