//! Entries as JSON lines: one entry per line, as <https://jsonlines.org> has it.
//!
//! A line is a JSON object with the keys of [`Entry`]: `id` (a string; see [`MissingIds`]), `input` (an object),
//! `expected_output` (any value), `metadata` (an object), `group` (a string). `null` is the same as no such key. Other
//! keys are refused, `input_data` among them, which is what other tools call `input`: a name that is nearly right is
//! more often a mistake than meant. Blank lines may be at the end only; in between they may be lost entries. The text
//! is UTF-8, with or without a byte order mark; lines end in a line feed, with or without a carriage return, and the
//! last one may do without. An integer beyond 64 bits becomes the nearest double, as all over the library.

use std::io::{BufRead, Write};

use serde_json::{Map, Value};

use super::entry::Entry;
use super::gather::{Gathered, Limits};
use super::json::{kind, parse};
use super::lines::{Lines, io_error, utf8};
use super::missing_ids::MissingIds;
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;

const KEYS: [&str; 5] = ["id", "input", "expected_output", "metadata", "group"];

/// Reads entries from JSON lines, all of them or none; a text is read by its bytes (`text.as_bytes()`).
///
/// ```
/// use promptops_core::evaluation::{MissingIds, read_jsonl};
///
/// let text = r#"{"id": "e1", "input": {"question": "2 + 2"}, "expected_output": "4"}
/// {"id": "e2", "input": {"question": "6 × 7"}, "expected_output": "42", "group": "times"}"#;
/// let entries = read_jsonl(text.as_bytes(), MissingIds::Refused)?;
/// assert_eq!(entries[1].group.as_deref(), Some("times"));
/// # Ok::<(), promptops_core::Error>(())
/// ```
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid), naming every wrong line with what is wrong, up to 20 of them: no JSON, a
/// number that JSON has not, a key twice in one object, an unknown key, a missing `id` or `input`, an id that another
/// line has, an entry that is too large or too deep, a line longer than [`Entry::MAX_BYTES`] (reading ends there), more
/// than [`DatasetDraft::MAX_ENTRIES`](super::DatasetDraft::MAX_ENTRIES), no entry at all. What the reader fails with is
/// [`Unavailable`](crate::ErrorKind::Unavailable), or [`Invalid`](crate::ErrorKind::Invalid) where repeating cannot help.
pub fn read_jsonl(reader: impl BufRead, missing_ids: MissingIds) -> Result<Vec<Entry>> {
    read(reader, missing_ids, Limits::default())
}

fn read(reader: impl BufRead, missing_ids: MissingIds, limits: Limits) -> Result<Vec<Entry>> {
    let mut lines = Lines::new(reader, Entry::MAX_BYTES);
    let mut gathered = Gathered::new(limits);
    let mut blank = None;
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return gathered.finish(),
            Err(why) => return Err(gathered.broken(why, Entry::MAX_BYTES)),
        };
        if line.bytes.trim_ascii().is_empty() {
            blank.get_or_insert(line.number);
            continue;
        }
        if let Some(number) = blank.take() {
            gathered.fault(
                number,
                "it is blank; blank lines may be at the end only".to_owned(),
            )?;
        }
        let entry = utf8(line.bytes)
            .and_then(parse)
            .and_then(|value| entry(value, missing_ids));
        gathered.take(line.number, entry)?;
    }
}

fn entry(value: Value, missing_ids: MissingIds) -> Result<Entry, String> {
    let Value::Object(mut map) = value else {
        return Err(format!("it is {}; expected an object", kind(&value)));
    };
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = if key == "input_data" {
            "; rename it to `input`"
        } else {
            ""
        };
        return Err(format!(
            "unknown key {}; expected only {}{hint}",
            quoted(key),
            KEYS.join(", ")
        ));
    }
    let mut take = |key: &str| map.remove(key).filter(|value| !value.is_null());
    let input = object("input", take("input"))?.ok_or("it has no `input`; expected an object")?;
    let id = match text("id", take("id"))? {
        Some(id) => id,
        None => missing_ids.make(&input)?,
    };
    Ok(Entry {
        id,
        input,
        expected_output: take("expected_output"),
        metadata: object("metadata", take("metadata"))?.unwrap_or_default(),
        group: text("group", take("group"))?,
    })
}

fn object(key: &str, value: Option<Value>) -> Result<Option<Map<String, Value>>, String> {
    match value {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(format!("`{key}` is {}; expected an object", kind(&other))),
    }
}

fn text(key: &str, value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` is {}; expected a string", kind(&other))),
    }
}

/// Writes entries as JSON lines, which [`read_jsonl`] reads as the same entries. Each is written at once, so that a
/// writer to a file is best a [`BufWriter`](std::io::BufWriter).
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for an entry that no dataset takes, or that the format cannot say: JSON null
/// as expected output, which would be read as none. What the writer fails with, as for [`read_jsonl`].
pub fn write_jsonl<'a>(entries: impl IntoIterator<Item = &'a Entry>, mut writer: impl Write) -> Result<()> {
    for entry in entries {
        write_entry(entry, &mut writer)?;
    }
    writer.flush().map_err(|e| io_error("written", e))
}

pub(super) fn write_entry(entry: &Entry, writer: &mut impl Write) -> Result<()> {
    entry.check()?;
    let mut line = serde_json::to_vec(entry)
        .map_err(|e| invalid(format!("the entry {} has no JSON form", quoted(&entry.id))).caused_by(e))?;
    line.push(b'\n');
    writer.write_all(&line).map_err(|e| io_error("written", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_entries_are_read_than_a_dataset_takes() {
        let limits = Limits {
            entries: 2,
            ..Limits::default()
        };
        let text: String = (0..3)
            .map(|i| format!("{{\"id\":\"{i}\",\"input\":{{}}}}\n"))
            .collect();
        let two = text.lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(
            read(two.as_bytes(), MissingIds::Refused, limits).unwrap().len(),
            2
        );
        let error = read(text.as_bytes(), MissingIds::Refused, limits).unwrap_err();
        assert!(error.to_string().contains("line 3: at most 2 entries"), "{error}");
    }
}
