//! Tokens and costs of a span.

use serde_json::{Map, Value};

use super::attributes::{Attributes, count, object, wrong};
use super::names::{
    CACHE_WRITE_TOKENS, CACHED_TOKENS, COSTS, INPUT_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS, langfuse,
    promptops,
};
use super::wire::Fault;
use crate::llm::{Cost, Usage};

/// More tokens than these no single call has.
const MOST_TOKENS: u64 = 1_000_000_000;
/// More US dollars than these no single call costs.
const MOST_DOLLARS: f64 = 1e6;

/// The tokens that a span tells; `None` where it tells none.
pub(super) fn usage(attributes: &mut Attributes) -> Result<Option<Usage>, Fault> {
    let mut counted = |names| attributes.count(names, MOST_TOKENS);
    let (input, output) = (counted(INPUT_TOKENS)?, counted(OUTPUT_TOKENS)?);
    let (cached, written) = (counted(CACHED_TOKENS)?, counted(CACHE_WRITE_TOKENS)?);
    let reasoning = counted(REASONING_TOKENS)?;
    let details = attributes.take(langfuse::USAGE_DETAILS)?;
    if input.is_none() && output.is_none() {
        return details
            .map(|details| detailed(&object(langfuse::USAGE_DETAILS, details)?))
            .transpose()
            .map(Option::flatten);
    }
    Ok(Some(whole(Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        cached_input_tokens: cached.unwrap_or(0),
        cache_write_tokens: written.unwrap_or(0),
        reasoning_tokens: reasoning.unwrap_or(0),
    })))
}

/// Where a part is more than the whole, whoever counted left the part out of it.
fn whole(mut usage: Usage) -> Usage {
    let of_cache = usage.cached_input_tokens + usage.cache_write_tokens;
    if of_cache > usage.input_tokens {
        usage.input_tokens += of_cache;
    }
    if usage.reasoning_tokens > usage.output_tokens {
        usage.output_tokens += usage.reasoning_tokens;
    }
    usage
}

/// Langfuse's counts by kind: kinds of input have `input` in their names, and kinds of output `output`, each token being of
/// one kind; or else what OpenAI's interfaces answer, where details are parts of a whole.
fn detailed(details: &Map<String, Value>) -> Result<Option<Usage>, Fault> {
    let name = langfuse::USAGE_DETAILS;
    let one = |map: &Map<String, Value>, key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => count(name, value, MOST_TOKENS).map(Some),
    };
    for (input, output) in [
        ("prompt_tokens", "completion_tokens"),
        ("input_tokens", "output_tokens"),
    ] {
        let parts = |of: &str| details.get(&format!("{of}_details")).and_then(Value::as_object);
        if details.contains_key("prompt_tokens") || parts(input).is_some() || parts(output).is_some() {
            let part = |of, key| parts(of).map_or(Ok(None), |parts| one(parts, key));
            let usage = Usage {
                input_tokens: one(details, input)?.unwrap_or(0),
                output_tokens: one(details, output)?.unwrap_or(0),
                cached_input_tokens: part(input, "cached_tokens")?.unwrap_or(0),
                cache_write_tokens: 0,
                reasoning_tokens: part(output, "reasoning_tokens")?.unwrap_or(0),
            };
            return Ok(Some(whole(usage)));
        }
    }
    let mut usage = None::<Usage>;
    for (kind, value) in details {
        let (is_input, is_output) = (kind.contains("input"), kind.contains("output"));
        if value.is_null() || !(is_input || is_output) {
            continue;
        }
        let tokens = count(name, value, MOST_TOKENS)?;
        let usage = usage.get_or_insert_default();
        if is_input {
            usage.input_tokens = usage.input_tokens.saturating_add(tokens);
            if kind.contains("creation") || kind.contains("write") {
                usage.cache_write_tokens += tokens;
            } else if kind.contains("cache") {
                usage.cached_input_tokens += tokens;
            }
        } else {
            usage.output_tokens = usage.output_tokens.saturating_add(tokens);
            if kind.contains("reasoning") {
                usage.reasoning_tokens += tokens;
            }
        }
    }
    Ok(usage)
}

/// What a span says that it cost; `None` where it does not say so.
pub(super) fn cost(attributes: &mut Attributes) -> Result<Option<Cost>, Fault> {
    const MOST_NANOS: u64 = 1_000_000 * 1_000_000_000;
    if let Some(nanos) = attributes.count(&[promptops::COST], MOST_NANOS)? {
        return Ok(Some(Cost::from_nano_usd(nanos)));
    }
    if let Some((name, value)) = attributes.first(COSTS)? {
        return dollars(name, &value).map(Some);
    }
    let Some(details) = attributes.take(langfuse::COST_DETAILS)? else {
        return Ok(None);
    };
    let name = langfuse::COST_DETAILS;
    let details = object(name, details)?;
    if let Some(total) = details.get("total").filter(|total| !total.is_null()) {
        return dollars(name, total).map(Some);
    }
    let mut sum = None;
    for value in details.values().filter(|value| !value.is_null()) {
        sum = Some(sum.unwrap_or(Cost::ZERO) + dollars(name, value)?);
    }
    Ok(sum)
}

fn dollars(name: &str, value: &Value) -> Result<Cost, Fault> {
    value
        .as_f64()
        .filter(|dollars| (0.0..=MOST_DOLLARS).contains(dollars))
        .and_then(|dollars| Cost::from_usd(dollars).ok())
        .ok_or_else(|| wrong(name, &format!("US dollars in 0 ..= {MOST_DOLLARS}")))
}
