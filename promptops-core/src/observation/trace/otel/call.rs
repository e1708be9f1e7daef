//! From a span to a call of a model: pure, and without a look at what prompts there are.

use std::time::Duration;

use chrono::DateTime;
use serde_json::{Map, Value};

use super::attributes::{Attributes, wrong};
use super::content::{Told, inputs, output, told};
use super::names::{self, gen_ai, langfuse, open_inference, open_llmetry, promptops};
use super::report::SkipReason;
use super::stamp::{part, stamp_of};
use super::usage::{cost, usage};
use super::wire::{Fault, Object, Span};
use crate::base::hash::CanonicalHasher;
use crate::base::{Timestamp, TraceId};
use crate::llm::{Cost, Usage};
use crate::observation::Stamp;
use crate::observation::metrics::latency::LONGEST;
use crate::observation::trace::Trace;

/// Longest kind of failure in bytes, as a trace has it.
const MAX_KIND_BYTES: usize = 200;

/// A call of a model.
pub(super) struct Call {
    pub id: TraceId,
    pub at: Timestamp,
    claim: Claim,
    /// The tenant that it says it is of.
    pub tenant: Option<String>,
    said: Said,
}

/// What a call says of the prompt that it was made with.
pub(super) enum Claim {
    /// A stamp of ours.
    Stamp(Stamp),
    /// A prompt's name, and a version.
    Named { name: String, version: Option<String> },
    /// Nothing.
    Nothing,
}

struct Said {
    inputs: Option<Map<String, Value>>,
    output: Option<String>,
    error: Option<(String, String)>,
    success: Option<bool>,
    latency: Option<Duration>,
    usage: Option<Usage>,
    cost: Option<Cost>,
    model: Option<String>,
    session: Option<String>,
    tags: Vec<String>,
}

impl Call {
    /// The call that a span is of.
    pub fn of(mut span: Span) -> Result<Self, Fault> {
        let mut attributes = Attributes::new(span.attributes.take());
        if !is_llm(&mut attributes)? {
            return Err(Fault::new(SkipReason::NotLlm, ""));
        }
        let times = Times::of(&span, &mut attributes)?;
        let claim = claim(&mut attributes)?;
        let tenant = attributes.text(&[promptops::TENANT])?;
        let Told {
            messages,
            choice,
            exception,
            attributes: more,
        } = told(span.events.take())?;
        attributes.fill(more);
        let said = Said {
            error: error(&span, &mut attributes, exception)?,
            success: success(&mut attributes)?,
            latency: times.latency,
            usage: usage(&mut attributes)?,
            cost: cost(&mut attributes)?,
            model: attributes.text(names::MODELS)?,
            session: attributes.written(names::SESSIONS)?,
            tags: tags(&mut attributes)?,
            inputs: inputs(&mut attributes, messages)?,
            output: output(&mut attributes, choice)?,
        };
        Ok(Self {
            id: times.id,
            at: times.at,
            claim,
            tenant,
            said,
        })
    }

    /// What it says of its prompt; nothing any more after that.
    pub fn take_claim(&mut self) -> Claim {
        std::mem::replace(&mut self.claim, Claim::Nothing)
    }

    /// The trace of it, with the prompt that was found.
    pub fn into_trace(self, stamp: &Stamp) -> Trace {
        let said = self.said;
        let mut trace = Trace::of(stamp).id(self.id).at(self.at);
        if let Some(inputs) = &said.inputs {
            trace = trace.inputs(inputs);
        }
        if let Some(output) = said.output {
            trace = trace.output(output);
        }
        if let Some((kind, message)) = said.error {
            trace = trace.error(kind, message);
        }
        if let Some(success) = said.success {
            trace = trace.success(success);
        }
        if let Some(latency) = said.latency {
            trace = trace.latency(latency);
        }
        if let Some(usage) = said.usage {
            trace = trace.usage(usage);
        }
        if let Some(cost) = said.cost {
            trace = trace.cost(cost);
        }
        if let Some(model) = said.model {
            trace = trace.model(model);
        }
        if let Some(session) = said.session {
            trace = trace.session(session);
        }
        said.tags.into_iter().fold(trace, Trace::tag)
    }
}

/// Whether the span is a call of a language model: by the first of the conventions that says what it is.
fn is_llm(attributes: &mut Attributes) -> Result<bool, Fault> {
    if let Some(operation) = attributes.text(&[gen_ai::OPERATION_NAME])? {
        return Ok(names::LLM_OPERATIONS.contains(&operation.as_str()));
    }
    if let Some(kind) = attributes.text(&[open_inference::SPAN_KIND])? {
        return Ok(kind == names::LLM_KIND);
    }
    if let Some(kind) = attributes.text(&[langfuse::OBSERVATION_TYPE])? {
        return Ok(kind == names::LLM_OBSERVATION);
    }
    if let Some(kind) = attributes.text(&[open_llmetry::REQUEST_TYPE])? {
        return Ok(names::LLM_REQUESTS.contains(&kind.as_str()));
    }
    // The first conventions, up to 1.26, had calls of models alone, and no name for what is done.
    let is_asked = attributes.has(gen_ai::SYSTEM) && attributes.has(gen_ai::REQUEST_MODEL);
    Ok(is_asked || attributes.has(promptops::PROMPT))
}

struct Times {
    id: TraceId,
    at: Timestamp,
    latency: Option<Duration>,
}

impl Times {
    fn of(span: &Span, attributes: &mut Attributes) -> Result<Self, Fault> {
        let (trace, id) = span.ids()?;
        let (start, end) = (span.start()?, span.end()?);
        let latency = match end.map(|end| end.checked_sub(start)) {
            None => None,
            Some(Some(nanos)) => Some(Duration::from_nanos(nanos)),
            Some(None) => return Err(Fault::new(SkipReason::BadTime, "it ends before it begins")),
        };
        let at = i64::try_from(start / 1_000)
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            .ok_or_else(|| Fault::new(SkipReason::BadTime, "it begins after the year 10000"))?;
        // What was recorded is one trace, and not another one that came by way of an exporter.
        if let Some(id) = part::<TraceId>(attributes, promptops::TRACE_ID)? {
            const MICROS: u64 = LONGEST.as_micros() as u64;
            let took = attributes.count(&[promptops::LATENCY], MICROS)?;
            return Ok(Self {
                id,
                at: id.at(),
                latency: took.map(Duration::from_micros),
            });
        }
        if latency.is_some_and(|latency| latency > LONGEST) {
            return Err(Fault::new(SkipReason::BadTime, "it takes longer than a day"));
        }
        Ok(Self {
            id: TraceId::new(at, bits(&trace, &id)),
            at,
            latency,
        })
    }
}

/// 80 bits by which the span is told from others of its millisecond: the first ten bytes of a hash (see
/// [`base::hash`](crate::base::hash)) with the domain `promptops.span`, of the ids of its trace and of itself as bytes.
fn bits(trace: &[u8; 16], span: &[u8; 8]) -> u128 {
    let mut hasher = CanonicalHasher::new("promptops.span", 1);
    hasher.bytes(trace);
    hasher.bytes(span);
    let hash = hasher.finish();
    hash[..10]
        .iter()
        .fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

fn claim(attributes: &mut Attributes) -> Result<Claim, Fault> {
    if let Some(stamp) = stamp_of(attributes)? {
        return Ok(Claim::Stamp(stamp));
    }
    let Some(name) = attributes.text(names::PROMPT_NAMES)? else {
        return Ok(Claim::Nothing);
    };
    let version = attributes.written(names::PROMPT_VERSIONS)?;
    Ok(Claim::Named { name, version })
}

fn error(
    span: &Span,
    attributes: &mut Attributes,
    exception: (Option<String>, Option<String>),
) -> Result<Option<(String, String)>, Fault> {
    let kind = attributes.text(&[gen_ai::ERROR_TYPE])?;
    let level = attributes.text(&[langfuse::LEVEL])?;
    let remark = attributes.text(&[langfuse::STATUS_MESSAGE])?;
    let status = span.status.as_ref().map(|Object(status)| status);
    let is_error = kind.is_some()
        || level.is_some_and(|level| level == "ERROR")
        || status.is_some_and(|status| status.is_error());
    if !is_error {
        return Ok(None);
    }
    let (thrown, says) = exception;
    let mut kind = kind.or(thrown).unwrap_or_else(|| "error".to_owned());
    if kind.len() > MAX_KIND_BYTES {
        let end = (0..=MAX_KIND_BYTES).rev().find(|end| kind.is_char_boundary(*end));
        kind.truncate(end.unwrap_or(0));
    }
    let status = status.and_then(|status| status.message.clone());
    let message = status.filter(|message| !message.is_empty()).or(says).or(remark);
    Ok(Some((kind, message.unwrap_or_default())))
}

fn success(attributes: &mut Attributes) -> Result<Option<bool>, Fault> {
    match attributes.take(promptops::SUCCESS)? {
        None => Ok(None),
        Some(Value::Bool(success)) => Ok(Some(success)),
        Some(_) => Err(wrong(promptops::SUCCESS, "a truth value")),
    }
}

fn tags(attributes: &mut Attributes) -> Result<Vec<String>, Fault> {
    let mut tags = Vec::new();
    for name in names::TAGS {
        let Some(value) = attributes.take(name)? else {
            continue;
        };
        match value {
            Value::Array(items) => all(name, items, &mut tags)?,
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(Value::Array(items)) => all(name, items, &mut tags)?,
                _ => tags.push(text),
            },
            _ => return Err(wrong(name, "a list of texts")),
        }
    }
    Ok(tags)
}

fn all(name: &str, items: Vec<Value>, tags: &mut Vec<String>) -> Result<(), Fault> {
    for item in items {
        let Value::String(tag) = item else {
            return Err(wrong(name, "a list of texts"));
        };
        tags.push(tag);
    }
    Ok(())
}
