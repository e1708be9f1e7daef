//! From CSV to entries.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::cell;
use super::columns::{Column, CsvColumns};
use super::records::Records;
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;
use crate::evaluation::dataset::Entry;
use crate::evaluation::dataset::gather::{Gathered, Limits};

/// Reads entries from CSV, all of them or none; see the [module](crate::evaluation::dataset::csv) for the format.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a header that is not as `columns` expect it; for a record with more or
/// fewer cells than the header, a misplaced quote, a cell that is torn JSON, an id that another record has, an entry that
/// is too large or too deep: every wrong line is named with what is wrong, up to 20 of them. Reading ends at a record
/// longer than [`MAX_RECORD_BYTES`](super::CsvFormat::MAX_RECORD_BYTES), at a quote that is never closed, and after
/// [`DatasetDraft::MAX_ENTRIES`](crate::evaluation::DatasetDraft::MAX_ENTRIES). What the reader fails with is
/// [`Unavailable`](crate::ErrorKind::Unavailable), or [`Invalid`](crate::ErrorKind::Invalid) where repeating cannot help.
pub fn read_csv(reader: impl BufRead, columns: &CsvColumns) -> Result<Vec<Entry>> {
    read(reader, columns, Limits::default())
}

pub(super) fn read(reader: impl BufRead, columns: &CsvColumns, limits: Limits) -> Result<Vec<Entry>> {
    let mut records = Records::new(reader, columns.format.separator);
    let mut gathered = Gathered::new(limits);
    let Some(header) = records.next(&mut gathered)? else {
        return Err(invalid(
            "there is no header; expected a line with the columns' names",
        ));
    };
    let line = header.line;
    let kinds = match header.cells.and_then(|headers| columns.resolve(&headers)) {
        Ok(kinds) => kinds,
        Err(fault) => return Err(gathered.stop(line, fault)),
    };
    while let Some(record) = records.next(&mut gathered)? {
        let entry = record.cells.and_then(|cells| entry(&cells, &kinds, columns));
        gathered.take(record.line, entry)?;
    }
    gathered.finish()
}

fn entry(cells: &[&str], kinds: &[Column], columns: &CsvColumns) -> Result<Entry, String> {
    if cells.len() != kinds.len() {
        return Err(format!(
            "it has {} cells; expected {}, as the header has",
            cells.len(),
            kinds.len()
        ));
    }
    let text = |cell: &str| (!cell.is_empty()).then(|| cell.to_owned());
    let (mut id, mut group, mut expected_output) = (None, None, None);
    let (mut input, mut metadata) = (Map::new(), Map::new());
    for (cell, kind) in cells.iter().zip(kinds) {
        let value = || {
            cell::read(cell, columns.format.cells)
                .map_err(|fault| format!("the cell {}: {fault}", quoted(&kind.title())))
        };
        match kind {
            Column::Id => id = text(cell),
            Column::Group => group = text(cell),
            Column::ExpectedOutput => expected_output = value()?.filter(|value| *value != Value::Null),
            Column::Input(name) => input.extend(value()?.map(|value| (name.clone(), value))),
            Column::Metadata(name) => metadata.extend(value()?.map(|value| (name.clone(), value))),
            Column::Ignored => {}
        }
    }
    let id = match id {
        Some(id) => id,
        None => columns.missing_ids.make(&input)?,
    };
    Ok(Entry {
        id,
        input,
        expected_output,
        metadata,
        group,
    })
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
        let read = |text: &str| read(text.as_bytes(), &CsvColumns::new(), limits);
        assert_eq!(read("id\na\nb\n").unwrap().len(), 2);
        let error = read("id\na\nb\nc\n").unwrap_err().to_string();
        assert!(error.contains("line 4: at most 2 entries"), "{error}");
    }
}
