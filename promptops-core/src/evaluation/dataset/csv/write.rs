//! From entries to CSV.

use std::collections::BTreeSet;
use std::io::Write;

use super::cell;
use super::columns::Column;
use super::format::CsvFormat;
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;
use crate::evaluation::dataset::Entry;
use crate::evaluation::dataset::lines::io_error;

/// Writes entries as CSV with the standard names, which [`read_csv`](super::read_csv) reads in the same format as the
/// same entries. The columns are `id`, `input.<name>` in byte order, `expected_output`, `group`, `metadata.<name>` in
/// byte order; but for `id`, those that some entry has a value in. Each record is written at once, so that a writer to a
/// file is best a [`BufWriter`](std::io::BufWriter).
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for an entry that no dataset takes, or that the format cannot say (see the
/// [module](crate::evaluation::dataset::csv)); nothing is written then. What the writer fails with is
/// [`Unavailable`](crate::ErrorKind::Unavailable), or [`Invalid`](crate::ErrorKind::Invalid) where repeating cannot help.
pub fn write_csv(entries: &[Entry], format: CsvFormat, writer: impl Write) -> Result<()> {
    let mut writer = CsvWriter::new(format, writer);
    for entry in entries {
        writer.prepare(entry)?;
    }
    writer.begin()?;
    for entry in entries {
        writer.write(entry)?;
    }
    writer.finish()
}

/// Writes entries that are seen twice: once to know the columns, once to be written.
pub(in crate::evaluation::dataset) struct CsvWriter<W> {
    format: CsvFormat,
    writer: W,
    inputs: BTreeSet<String>,
    metadata: BTreeSet<String>,
    expected_output: bool,
    group: bool,
    columns: Vec<Column>,
}

impl<W: Write> CsvWriter<W> {
    pub fn new(format: CsvFormat, writer: W) -> Self {
        Self {
            format,
            writer,
            inputs: BTreeSet::new(),
            metadata: BTreeSet::new(),
            expected_output: false,
            group: false,
            columns: Vec::new(),
        }
    }

    /// Sees an entry for the first time, and refuses what would not come back.
    pub fn prepare(&mut self, entry: &Entry) -> Result<()> {
        entry.check()?;
        self.expected_output |= entry.expected_output.is_some();
        self.group |= entry.group.is_some();
        for (map, names) in [
            (&entry.input, &mut self.inputs),
            (&entry.metadata, &mut self.metadata),
        ] {
            for name in map.keys() {
                if name.is_empty() {
                    return Err(invalid(format!(
                        "the entry {} has a value without a name, for which there is no column; export JSON lines",
                        quoted(&entry.id)
                    )));
                }
                if !names.contains(name) {
                    names.insert(name.clone());
                }
            }
        }
        let count = self.inputs.len() + self.metadata.len() + 3;
        if count > CsvFormat::MAX_COLUMNS {
            return Err(invalid(format!(
                "the entries need more than {} columns, which is the most allowed; export JSON lines",
                CsvFormat::MAX_COLUMNS
            )));
        }
        let values = entry
            .input
            .iter()
            .map(|(name, value)| (Column::Input(name.clone()), value))
            .chain(
                entry
                    .expected_output
                    .iter()
                    .map(|value| (Column::ExpectedOutput, value)),
            )
            .chain(
                entry
                    .metadata
                    .iter()
                    .map(|(name, value)| (Column::Metadata(name.clone()), value)),
            );
        for (column, value) in values {
            cell::write(value, self.format.cells).map_err(|found| {
                invalid(format!(
                    "the entry {} has {found} as {}, which a cell of text cannot say; export with `json_cells`",
                    quoted(&entry.id),
                    quoted(&column.title())
                ))
            })?;
        }
        Ok(())
    }

    /// Writes the header.
    pub fn begin(&mut self) -> Result<()> {
        let names = |names: &mut BTreeSet<String>| std::mem::take(names).into_iter();
        self.columns = vec![Column::Id];
        self.columns.extend(names(&mut self.inputs).map(Column::Input));
        self.columns
            .extend(self.expected_output.then_some(Column::ExpectedOutput));
        self.columns.extend(self.group.then_some(Column::Group));
        self.columns
            .extend(names(&mut self.metadata).map(Column::Metadata));
        let titles: Vec<_> = self.columns.iter().map(Column::title).collect();
        self.record(titles)
    }

    /// Writes an entry, which was prepared.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let cells = self.columns.iter().map(|column| {
            let value = match column {
                Column::Id => return Ok(entry.id.clone()),
                Column::Group => return Ok(entry.group.clone().unwrap_or_default()),
                Column::ExpectedOutput => entry.expected_output.as_ref(),
                Column::Input(name) => entry.input.get(name),
                Column::Metadata(name) => entry.metadata.get(name),
                Column::Ignored => None,
            };
            value.map_or(Ok(String::new()), |value| cell::write(value, self.format.cells))
        });
        let cells = cells.collect::<Result<Vec<_>, _>>().map_err(|found| {
            invalid(format!(
                "the entry {} has {found}, which a cell cannot say",
                quoted(&entry.id)
            ))
        })?;
        self.record(cells)
    }

    pub fn finish(mut self) -> Result<()> {
        self.writer.flush().map_err(|e| io_error("written", e))
    }

    fn record(&mut self, cells: Vec<String>) -> Result<()> {
        let separator = char::from(self.format.separator.byte());
        let mut record = String::new();
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                record.push(separator);
            }
            if cell.contains([separator, '"', '\n', '\r']) {
                record.push('"');
                record.push_str(&cell.replace('"', "\"\""));
                record.push('"');
            } else {
                record.push_str(cell);
            }
        }
        if record.len() > CsvFormat::MAX_RECORD_BYTES {
            return Err(invalid(format!(
                "a record would be longer than {} bytes, which is the most allowed; export JSON lines",
                CsvFormat::MAX_RECORD_BYTES
            )));
        }
        record.push('\n');
        self.writer
            .write_all(record.as_bytes())
            .map_err(|e| io_error("written", e))
    }
}
