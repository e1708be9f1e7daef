//! What a rendering may still spend, and the filters that charge for it.
//!
//! Tera has no budget of its own: a loop that writes nothing never ends early, and sixteen lines of
//! `{% set x = x ~ x %}` take half a gigabyte. The guard (see [`super::guard`]) therefore puts these filters into
//! templates wherever work or memory can grow. One rendering runs on one thread without awaiting, so that the budget
//! can live in a thread-local.

use std::cell::Cell;

use tera::{Error, Kwargs, State, StringInput, Tera, TeraResult, Value};

use super::limits::RenderLimits;

/// Passes an iterable on, charging `w` steps (and `b` bytes) for each of its elements.
pub(super) const LOOP: &str = "__loop";
/// Passes a value on, charging steps for reading it, or what `of` names; refuses a missing one.
pub(super) const READ: &str = "__read";
/// Passes a value on, charging memory for a copy of it, `x` times; refuses a missing one.
pub(super) const COPY: &str = "__copy";
/// Passes a value on; refuses a missing one.
pub(super) const DEFINED: &str = "__defined";

/// The message of the error for a missing value; the engine puts the path in its place.
pub(super) const MISSING: &str = "__missing";

/// Bytes that count as one step.
const BYTES_PER_STEP: usize = 64;
/// What an element of a list costs beside its text.
const ELEMENT_BYTES: usize = 32;

#[derive(Clone, Copy, Default)]
struct Fuel {
    steps: u64,
    scratch: usize,
    limits: Option<RenderLimits>,
}

thread_local! {
    static FUEL: Cell<Fuel> = const { Cell::new(Fuel { steps: 0, scratch: 0, limits: None }) };
}

/// Runs a rendering with a full budget.
pub(super) fn with_budget<T>(limits: &RenderLimits, render: impl FnOnce() -> T) -> T {
    let before = FUEL.replace(Fuel {
        steps: limits.steps,
        scratch: limits.scratch_bytes,
        limits: Some(*limits),
    });
    let result = render();
    FUEL.set(before);
    result
}

fn spend_steps(steps: u64) -> TeraResult<()> {
    let mut fuel = FUEL.get();
    match fuel.steps.checked_sub(steps) {
        Some(left) => {
            fuel.steps = left;
            FUEL.set(fuel);
            Ok(())
        }
        None => Err(Error::message(format!(
            "rendering takes more than {} steps; loop over less",
            fuel.limits.map_or(0, |limits| limits.steps)
        ))),
    }
}

fn spend_scratch(bytes: usize) -> TeraResult<()> {
    let mut fuel = FUEL.get();
    match fuel.scratch.checked_sub(bytes) {
        Some(left) => {
            fuel.scratch = left;
            FUEL.set(fuel);
            Ok(())
        }
        None => Err(Error::message(format!(
            "rendering needs more than {} bytes for values made on the way; build less text",
            fuel.limits.map_or(0, |limits| limits.scratch_bytes)
        ))),
    }
}

/// Bytes of a value with everything in it. Stops counting above `most`, so that values which share parts many times
/// over cannot make the counting itself endless.
fn measure(value: &Value, most: usize) -> usize {
    let mut open = vec![value];
    let mut bytes = 0_usize;
    while let Some(value) = open.pop() {
        bytes += 1;
        if let Some(text) = value.as_str() {
            bytes += text.len();
        } else if let Some(items) = value.as_array() {
            bytes += items.len().saturating_mul(ELEMENT_BYTES);
            open.extend(items);
        } else if let Some(map) = value.as_map() {
            for (key, item) in map {
                bytes += ELEMENT_BYTES + key.as_str().map_or(0, str::len);
                open.push(item);
            }
        } else if let Some(raw) = value.as_bytes() {
            bytes += raw.len();
        }
        if bytes > most || open.len() > most {
            return most.saturating_add(1);
        }
    }
    bytes
}

fn size(value: &Value) -> usize {
    // The common case needs no list of what is still to count.
    value
        .as_str()
        .map_or_else(|| measure(value, FUEL.get().scratch.max(1 << 16)), str::len)
}

fn spend_reading(value: &Value) -> TeraResult<()> {
    spend_steps((size(value) / BYTES_PER_STEP) as u64 + 1)
}

fn present(value: &Value) -> TeraResult<()> {
    if value.is_undefined() {
        Err(Error::message(MISSING))
    } else {
        Ok(())
    }
}

fn loop_over(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    // Bytes bound characters, so that a text need not be counted.
    let rounds = value.as_str().map_or_else(|| value.len().unwrap_or(0), str::len);
    let weight = kwargs.get::<u64>("w")?.unwrap_or(1);
    spend_steps((rounds as u64).saturating_mul(weight))?;
    if let Some(bytes) = kwargs.get::<usize>("b")? {
        spend_scratch(rounds.saturating_mul(bytes))?;
    }
    Ok(value)
}

fn read(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    match kwargs.get::<&Value>("of")? {
        Some(of) => spend_reading(of)?,
        None => spend_reading(&value)?,
    }
    Ok(value)
}

fn copy(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let times = kwargs.get::<usize>("x")?.unwrap_or(1);
    let bytes = size(&value).saturating_mul(times);
    spend_steps((bytes / BYTES_PER_STEP) as u64 + 1)?;
    spend_scratch(bytes)?;
    Ok(value)
}

fn defined(value: Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    Ok(value)
}

/// Tera's `replace`, charged before it copies.
fn replace(value: StringInput<'_>, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let text = value.as_str();
    let from = kwargs.must_get::<&str>("from")?;
    let to = kwargs.must_get::<StringInput<'_>>("to")?;
    let found = text.matches(from).count();
    spend_scratch(text.len().saturating_add(found.saturating_mul(to.as_str().len())))?;
    Ok(Value::from(text.replace(from, to.as_str())))
}

/// Tera's `join`, charged before it copies.
fn join(value: &[Value], kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let separator = kwargs.get::<StringInput<'_>>("sep")?;
    let separator = separator.as_ref().map_or("", |separator| separator.as_str());
    // Twice: the parts, and the text made of them.
    let parts = value.iter().map(size).fold(0_usize, usize::saturating_add);
    spend_scratch(
        parts
            .saturating_mul(2)
            .saturating_add(value.len().saturating_mul(separator.len() + ELEMENT_BYTES)),
    )?;
    let parts: Vec<String> = value.iter().map(ToString::to_string).collect();
    Ok(Value::from(parts.join(separator)))
}

/// Tera's `unique`, which compares every element with every one kept, charged before.
fn unique(value: &[Value], _: Kwargs, _: &State<'_>) -> TeraResult<Vec<Value>> {
    const COMPARISONS_PER_STEP: u64 = 16;
    let count = value.len() as u64;
    spend_steps(count.saturating_mul(count) / COMPARISONS_PER_STEP)?;
    let mut kept: Vec<Value> = Vec::new();
    for item in value {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

/// Puts the charging filters into an engine.
pub(super) fn register(tera: &mut Tera) {
    tera.register_filter(LOOP, loop_over);
    tera.register_filter(READ, read);
    tera.register_filter(COPY, copy);
    tera.register_filter(DEFINED, defined);
    tera.register_filter("replace", replace);
    tera.register_filter("join", join);
    tera.register_filter("unique", unique);
}
