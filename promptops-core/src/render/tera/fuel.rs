//! What a rendering may still spend, and the filters that charge for it.
//!
//! Tera has no budget of its own: a loop that writes nothing never ends early, and sixteen lines of
//! `{% set x = x ~ x %}` take half a gigabyte. The guard (see [`super::guard`]) therefore puts these filters into
//! templates wherever work or memory can grow. One rendering runs on one thread without awaiting, so that the budget
//! can live in a thread-local.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use tera::value::Key;
use tera::{Error, Kwargs, Map, State, StringInput, Tera, TeraResult, Value};

use crate::render::limits::{PATH_BYTES, RenderLimits};

/// Passes an iterable on, charging `w` steps (and `b` bytes) for each of its elements; see [`loop_filter`].
pub(super) const LOOP: &str = "__loop";
/// Passes a value on, charging steps for reading it, or what `of` names; refuses a missing one.
pub(super) const READ: &str = "__read";
/// Passes a value on, charging memory for a copy of it, `x` times; refuses a missing one.
pub(super) const COPY: &str = "__copy";
/// Like [`COPY`], for a copy as text.
pub(super) const TEXT: &str = "__text";
/// Passes a list or map on, charging memory for another one of the same elements, `x` times.
pub(super) const TAKE: &str = "__take";
/// Passes what is to be sorted on, charging for every comparison.
pub(super) const SORT: &str = "__sort";
/// Passes a path on that is followed in every element of a list, unless it is too long.
pub(super) const PATH: &str = "__path";
/// Passes on what an element is taken from, or what `of` names: of a text, Tera makes a list of characters.
pub(super) const INDEX: &str = "__index";
/// Passes on what is to be sliced, or what `of` names.
pub(super) const SLICE: &str = "__slice";
/// Passes a value on; refuses a missing one.
pub(super) const DEFINED: &str = "__defined";

/// The message of the error for a missing value; the engine puts the path in its place.
pub(super) const MISSING: &str = "__missing";

/// Bytes that count as one step.
const BYTES_PER_STEP: usize = 64;
/// What an element of a list costs beside its text.
const ELEMENT_BYTES: usize = 32;
/// What an entry of a map costs beside its texts.
const ENTRY_BYTES: usize = 96;
/// Longest a number is as text.
const NUMBER_BYTES: usize = 40;
/// What a character of a text costs in a list of them.
const CHARACTER_BYTES: usize = 4;

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
pub(in crate::render) fn with_budget<T>(limits: &RenderLimits, render: impl FnOnce() -> T) -> T {
    let before = FUEL.replace(Fuel {
        steps: limits.steps,
        scratch: limits.scratch_bytes,
        limits: Some(*limits),
    });
    let result = render();
    FUEL.set(before);
    result
}

pub(super) fn spend_steps(steps: u64) -> TeraResult<()> {
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

pub(super) fn spend_scratch(bytes: usize) -> TeraResult<()> {
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

/// Bytes of a value with everything in it; `printed` counts texts inside of it as they are printed, with escapes.
/// Stops counting above `most`, so that values which share parts many times over cannot make the counting endless.
fn measure(value: &Value, most: usize, printed: bool) -> usize {
    let text = |text: &str| {
        if printed {
            text.bytes().map(printed_bytes).sum()
        } else {
            text.len()
        }
    };
    let mut open = vec![value];
    let mut bytes = 0_usize;
    while let Some(value) = open.pop() {
        if let Some(items) = value.as_array() {
            bytes = bytes.saturating_add(items.len().saturating_mul(ELEMENT_BYTES));
            if bytes > most {
                break;
            }
            for item in items {
                match item.as_str() {
                    Some(item) => bytes += text(item),
                    None => {
                        open.extend((item.is_array() || item.is_map() || item.is_bytes()).then_some(item))
                    }
                }
            }
        } else if let Some(map) = value.as_map() {
            bytes = bytes.saturating_add(map.len().saturating_mul(ENTRY_BYTES));
            if bytes > most {
                break;
            }
            for (key, item) in map {
                bytes += key.as_str().map_or(0, text);
                match item.as_str() {
                    Some(item) => bytes += text(item),
                    None => {
                        open.extend((item.is_array() || item.is_map() || item.is_bytes()).then_some(item))
                    }
                }
            }
        } else if let Some(raw) = value.as_bytes() {
            // Three for each byte that is not UTF-8.
            bytes += raw.len().saturating_mul(3);
        }
        bytes += 1;
        if bytes > most {
            break;
        }
    }
    bytes
}

/// Most bytes that a byte of a text takes when the text is printed as part of a list.
fn printed_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0..=0x1f | 0x7f => 6,
        0x80.. => 3,
        _ => 1,
    }
}

/// No more is counted than what can be paid for.
fn most() -> usize {
    usize::try_from(FUEL.get().steps)
        .unwrap_or(usize::MAX)
        .saturating_mul(BYTES_PER_STEP)
}

fn size(value: &Value) -> usize {
    // The common case needs no list of what is still to count.
    match value.as_str() {
        Some(text) => text.len(),
        None if value.is_array() || value.is_map() || value.is_bytes() => measure(value, most(), false),
        None => NUMBER_BYTES,
    }
}

/// The bytes of a value as text.
fn printed_size(value: &Value) -> usize {
    match value.as_str() {
        Some(text) => text.len(),
        None if value.is_array() || value.is_map() || value.is_bytes() => measure(value, most(), true),
        None => NUMBER_BYTES,
    }
}

/// Bytes of another list or map of the same elements.
fn shallow_size(value: &Value) -> usize {
    if let Some(text) = value.as_str() {
        text.len()
    } else if let Some(items) = value.as_array() {
        items.len().saturating_mul(ELEMENT_BYTES)
    } else if let Some(map) = value.as_map() {
        map.len().saturating_mul(ENTRY_BYTES)
    } else {
        value.as_bytes().map_or(1, <[u8]>::len)
    }
}

fn spend_reading(value: &Value) -> TeraResult<()> {
    spend_steps((size(value) / BYTES_PER_STEP) as u64 + 1)
}

fn spend_copy(bytes: usize) -> TeraResult<()> {
    spend_steps((bytes / BYTES_PER_STEP) as u64 + 1)?;
    spend_scratch(bytes)
}

fn present(value: &Value) -> TeraResult<()> {
    if value.is_undefined() {
        Err(Error::message(MISSING))
    } else {
        Ok(())
    }
}

fn loop_over(value: Value, weight: u64, bytes: usize) -> TeraResult<Value> {
    present(&value)?;
    // Bytes bound characters, so that a text need not be counted.
    let rounds = value.as_str().map_or_else(|| value.len().unwrap_or(0), str::len);
    spend_steps((rounds as u64).saturating_mul(weight))?;
    spend_scratch(rounds.saturating_mul(bytes))?;
    Ok(value)
}

/// Weights of loops that have a filter of their own, without arguments: Tera builds a map of arguments at every call,
/// which costs more than all the charging. Few, since every compiled prompt keeps a table of all filters.
const COMMON_LOOPS: [(u64, &str); 8] = [
    (4, "__loop4"),
    (8, "__loop8"),
    (12, "__loop12"),
    (16, "__loop16"),
    (24, "__loop24"),
    (32, "__loop32"),
    (48, "__loop48"),
    (64, "__loop64"),
];

/// The filter that charges so many steps, and bytes of memory, for each round of a loop; a small weight is
/// rounded up.
pub(super) fn loop_filter(weight: u64, bytes: usize) -> String {
    match COMMON_LOOPS.into_iter().find(|(common, _)| *common >= weight) {
        Some((_, filter)) if bytes == 0 => filter.to_owned(),
        _ => format!("{LOOP}(w={weight}, b={bytes})"),
    }
}

fn read(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    match kwargs.get::<&Value>("of")? {
        Some(of) => spend_reading(of)?,
        None => spend_reading(&value)?,
    }
    Ok(value)
}

fn path(value: Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    if value.as_str().is_some_and(|path| path.len() > PATH_BYTES) {
        return Err(Error::message(format!(
            "The `attribute` argument is longer than {PATH_BYTES} bytes"
        )));
    }
    Ok(value)
}

fn copy(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let times = kwargs.get::<usize>("x")?.unwrap_or(1);
    spend_copy(size(&value).saturating_mul(times))?;
    Ok(value)
}

fn text(value: Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    spend_copy(printed_size(&value))?;
    Ok(value)
}

fn take(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let times = kwargs.get::<usize>("x")?.unwrap_or(1);
    spend_copy(shallow_size(&value).saturating_mul(times))?;
    Ok(value)
}

fn sort(value: Value, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let rounds = u64::from(value.len().unwrap_or(0).checked_ilog2().unwrap_or(0)) + 1;
    spend_steps(((size(&value) / BYTES_PER_STEP) as u64 + 1).saturating_mul(rounds))?;
    spend_copy(shallow_size(&value))?;
    Ok(value)
}

/// Charges for a list of the characters of a text, `lists` times. Of anything else nothing is made.
fn spend_characters(value: &Value, lists: usize) -> TeraResult<()> {
    match value.as_str() {
        Some(text) => spend_copy(text.len().saturating_mul(CHARACTER_BYTES * lists)),
        None => Ok(()),
    }
}

fn index(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let times = kwargs.get::<usize>("x")?.unwrap_or(1);
    spend_characters(kwargs.get::<&Value>("of")?.unwrap_or(&value), times)?;
    Ok(value)
}

fn slice(value: Value, kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    present(&value)?;
    let sliced = kwargs.get::<&Value>("of")?.unwrap_or(&value);
    spend_characters(sliced, 2 * kwargs.get::<usize>("x")?.unwrap_or(1))?;
    spend_copy(shallow_size(sliced))?;
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
    spend_copy(text.len().saturating_add(found.saturating_mul(to.as_str().len())))?;
    Ok(Value::from(text.replace(from, to.as_str())))
}

/// Tera's `join`, charged before it copies.
fn join(value: &[Value], kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let separator = kwargs.get::<StringInput<'_>>("sep")?;
    let separator = separator.as_ref().map_or("", |separator| separator.as_str());
    // Three times: the parts, each made by way of another text, and the text made of them.
    let parts = value
        .iter()
        .map(printed_size)
        .fold(0_usize, usize::saturating_add);
    let separators = value.len().saturating_mul(separator.len() + ELEMENT_BYTES);
    spend_copy(parts.saturating_mul(3).saturating_add(separators))?;
    let parts: Vec<String> = value.iter().map(ToString::to_string).collect();
    Ok(Value::from(parts.join(separator)))
}

/// Tera's `unique`, which compares every element with every one kept, charged before.
fn unique(value: &[Value], _: Kwargs, _: &State<'_>) -> TeraResult<Vec<Value>> {
    const COMPARISONS_PER_STEP: u64 = 16;
    const COMPARED_BYTES_PER_STEP: u64 = 1024;
    let count = value.len() as u64;
    let bytes = value.iter().map(size).fold(0_usize, usize::saturating_add) as u64;
    spend_steps(count.saturating_mul(count) / COMPARISONS_PER_STEP)?;
    // Each may be read as often as there are others.
    spend_steps(count.saturating_mul(bytes) / COMPARED_BYTES_PER_STEP)?;
    spend_scratch(value.len().saturating_mul(ELEMENT_BYTES))?;
    let mut kept: Vec<Value> = Vec::new();
    for item in value {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

/// Tera's `group_by`, with the groups in order of their first element: Tera's order changes from run to run, and the
/// same parameters must make the same text.
fn group_by(value: &[Value], kwargs: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    let mut groups: Vec<(Key<'static>, Vec<Value>)> = Vec::new();
    let mut places: HashMap<Key<'static>, usize> = HashMap::new();
    if !value.is_empty() {
        let attribute = kwargs.must_get::<&str>("attribute")?;
        for (i, item) in value.iter().enumerate() {
            let Some(of) = item.get_from_path(attribute) else {
                return Err(Error::message(format!(
                    "Cannot group: element {i} has no such attribute"
                )));
            };
            if of.is_none() {
                continue;
            }
            let Some(key) = key(of) else {
                return Err(Error::message(format!(
                    "Cannot group: that attribute of element {i} is a {}",
                    of.name()
                )));
            };
            let place = *places.entry(key.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) => group.push(item.clone()),
                None => groups.push((key, vec![item.clone()])),
            }
        }
    }
    Ok(groups
        .into_iter()
        .map(|(key, group)| (key, Value::from(group)))
        .collect())
}

/// A value as the key of a map, where it can be one.
fn key(value: &Value) -> Option<Key<'static>> {
    value
        .as_str()
        .map(|text| Key::String(Arc::from(text)))
        .or_else(|| value.as_bool().map(Key::Bool))
        .or_else(|| value.is_u64().then(|| value.as_u64().map(Key::U64)).flatten())
        .or_else(|| value.is_i64().then(|| value.as_i64().map(Key::I64)).flatten())
        .or_else(|| value.is_u128().then(|| value.as_u128().map(Key::U128)).flatten())
        .or_else(|| value.is_i128().then(|| value.as_i128().map(Key::I128)).flatten())
}

/// Puts the charging filters into an engine.
pub(in crate::render) fn register(tera: &mut Tera) {
    tera.register_filter("group_by", group_by);
    tera.register_filter(LOOP, |value: Value, kwargs: Kwargs, _: &State<'_>| {
        let bytes = kwargs.get::<usize>("b")?.unwrap_or(0);
        loop_over(value, kwargs.get::<u64>("w")?.unwrap_or(1), bytes)
    });
    for (weight, filter) in COMMON_LOOPS {
        tera.register_filter(filter, move |value: Value, _: Kwargs, _: &State<'_>| {
            loop_over(value, weight, 0)
        });
    }
    tera.register_filter(READ, read);
    tera.register_filter(COPY, copy);
    tera.register_filter(TEXT, text);
    tera.register_filter(TAKE, take);
    tera.register_filter(SORT, sort);
    tera.register_filter(PATH, path);
    tera.register_filter(INDEX, index);
    tera.register_filter(SLICE, slice);
    tera.register_filter(DEFINED, defined);
    tera.register_filter("replace", replace);
    tera.register_filter("join", join);
    tera.register_filter("unique", unique);
}
