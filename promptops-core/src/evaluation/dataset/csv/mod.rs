//! Entries as CSV: RFC 4180, with a header.
//!
//! Columns are named `id`, `expected_output`, `group`, `input.<name>` and `metadata.<name>`; [`CsvColumns`] maps other
//! headers. Cells are separated by commas, or as [`CsvFormat`] says. A cell with a separator, a quote, a line feed or a
//! carriage return in it is put in quotes, and quotes in it are doubled; a quote anywhere else is an error. Lines end in
//! a line feed, with or without a carriage return before it; the text is UTF-8, with or without a byte order mark. Blank
//! lines may be at the end only. Nothing is trimmed.
//!
//! An empty cell is no value: no expected output, no group, no such parameter or metadata. What else a cell says depends
//! on the format, except in the columns `id` and `group`, which are texts in each:
//!
//! | format | a cell is |
//! |---|---|
//! | texts | a string, as it is |
//! | [JSON cells](CsvFormat::json_cells) | JSON if it begins with `{`, `[` or `"` (then anything else is an error), or if it is a number, `true`, `false` or `null`; else a string as it is. An integer beyond 64 bits is a string. In `expected_output`, `null` is none |
//!
//! What is written is read in the same format, by the standard names, as the same entries. What a format cannot say is
//! refused before anything is written: with texts, values other than strings, and empty strings; with either, a
//! parameter or metadata without a name, JSON null as expected output, more than [`CsvFormat::MAX_COLUMNS`] columns.
//!
//! A file cut in the middle is found when its last record lacks a cell or a quote, and not when it ends in the last
//! cell's middle: JSON lines are safer in transport. A spreadsheet may take a cell that begins with `=`, `+`, `-` or `@`
//! for a formula; cells are written as they are all the same, since they would not be the same entries otherwise.

mod cell;
mod columns;
mod format;
mod read;
mod records;
mod write;

pub use columns::CsvColumns;
pub use format::CsvFormat;
pub use read::read_csv;
pub(super) use write::CsvWriter;
pub use write::write_csv;
