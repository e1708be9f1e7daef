//! A compiled JSON Schema, and what it finds in a value, both within bounds.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::bounds;
use crate::base::error::{Result, invalid};

/// Most problems that one error lists.
const MAX_LISTED: usize = 10;
/// Most that checking a value may take, counted in subschemas times values.
const MAX_WORK: u64 = 50_000_000;
/// Most for which problems are listed: finding all that is wrong in every branch takes memory.
const MAX_LISTED_WORK: u64 = 100_000;

/// A compiled JSON Schema: 2020-12 unless `$schema` says otherwise.
pub(crate) struct JsonSchema {
    validator: Validator,
    cost: bounds::Cost,
}

/// What came of checking a value.
pub(crate) enum Findings {
    /// It fits.
    Fits,
    /// It does not, for these reasons, which name places and rules but no value.
    Problems(Vec<String>),
    /// It does not, and is too large to tell where.
    Unlisted,
    /// It is too large to be checked.
    TooLarge,
}

impl JsonSchema {
    /// Compiles a schema. `what` names it in errors: "the input schema".
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for what is no JSON Schema, or refers to anything outside of itself:
    /// references are never fetched.
    pub(crate) fn compile(what: &str, schema: &Value) -> Result<Self> {
        let cost = bounds::measure(what, schema)?;
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex().size_limit(256 << 10))
            .build(schema)
            .map_err(|e| {
                invalid(format!(
                    "{what} is not a JSON Schema: at {}: {}",
                    place(&e.instance_path().to_string()),
                    e
                ))
            })?;
        Ok(Self { validator, cost })
    }

    pub(super) fn cost(&self) -> bounds::Cost {
        self.cost
    }

    /// Checks a value.
    pub(crate) fn check(&self, value: &Value) -> Findings {
        let work = bounds::size(value).saturating_mul(self.cost.weight);
        if work > MAX_WORK {
            return Findings::TooLarge;
        }
        if self.validator.is_valid(value) {
            return Findings::Fits;
        }
        if work > MAX_LISTED_WORK {
            return Findings::Unlisted;
        }
        let mut problems: Vec<String> = self
            .validator
            .iter_errors(value)
            .take(MAX_LISTED + 1)
            .map(|e| {
                let at = e.instance_path().to_string();
                shortened(format!("{}: {}", place(&at), e.masked_with("the value")))
            })
            .collect();
        if problems.len() > MAX_LISTED {
            problems.truncate(MAX_LISTED);
            problems.push("and more".into());
        }
        Findings::Problems(problems)
    }
}

/// A problem may list every property of the value.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 300;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}
