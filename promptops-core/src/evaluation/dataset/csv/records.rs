//! From lines to records of cells.

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::format::{CsvFormat, Separator};
use crate::base::error::Error;
use crate::evaluation::dataset::gather::Gathered;
use crate::evaluation::dataset::lines::{Lines, utf8};

/// Records, one at a time, in memory that does not grow with the text.
pub(super) struct Records<R> {
    lines: Lines<R>,
    separator: u8,
    splitter: Reader,
    /// The lines of one record.
    record: Vec<u8>,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

/// The cells of a record, or what is wrong with it.
pub(super) struct Record<'a> {
    /// The line in which it begins, or which is wrong; from 1.
    pub line: usize,
    pub cells: Result<Vec<&'a str>, String>,
}

impl<R: BufRead> Records<R> {
    pub fn new(reader: R, separator: Separator) -> Self {
        Self {
            lines: Lines::new(reader, CsvFormat::MAX_RECORD_BYTES),
            separator: separator.byte(),
            splitter: ReaderBuilder::new().delimiter(separator.byte()).build(),
            record: Vec::new(),
            cells: Vec::new(),
            ends: vec![0; CsvFormat::MAX_COLUMNS + 1],
        }
    }

    /// The next record. `gathered` is told of blank lines, and of what makes it impossible to go on.
    pub fn next(&mut self, gathered: &mut Gathered) -> Result<Option<Record<'_>>, Error> {
        const MOST: usize = CsvFormat::MAX_RECORD_BYTES;
        self.record.clear();
        let mut begin = 0;
        let mut open = false;
        let mut blank = None;
        loop {
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) if open => {
                    return Err(gathered.stop(
                        begin,
                        "a quote is opened in this record and not closed; was the file cut?".to_owned(),
                    ));
                }
                Ok(None) => return Ok(None),
                Err(why) => return Err(gathered.broken(why, MOST)),
            };
            if !open {
                if matches!(line.bytes, b"" | b"\r") {
                    blank.get_or_insert(line.number);
                    continue;
                }
                if let Some(number) = blank.take() {
                    gathered.fault(
                        number,
                        "it is blank; blank lines may be at the end only".to_owned(),
                    )?;
                }
                begin = line.number;
            }
            let number = line.number;
            let checked = utf8(line.bytes).and_then(|_| open_after(line.bytes, open, self.separator));
            self.record.extend_from_slice(line.bytes);
            self.record.push(b'\n');
            if self.record.len() > MOST + 2 {
                return Err(gathered.stop(
                    begin,
                    format!("the record is longer than {MOST} bytes, which is the most allowed; is a quote not closed?"),
                ));
            }
            match checked {
                Ok(true) => open = true,
                Ok(false) => {
                    let cells = split(&mut self.splitter, &self.record, &mut self.cells, &mut self.ends);
                    return Ok(Some(Record { line: begin, cells }));
                }
                // Whether a quote is open is not known now; the next line shall be a record.
                Err(fault) => {
                    return Ok(Some(Record {
                        line: number,
                        cells: Err(fault),
                    }));
                }
            }
        }
    }
}

/// Whether a quoted cell goes on after this line. `csv-core` reads on where a quote is misplaced, as if nothing was.
fn open_after(line: &[u8], open: bool, separator: u8) -> Result<bool, String> {
    #[derive(PartialEq)]
    enum At {
        Begin,
        Plain,
        Quoted,
        /// After a quote in a quoted cell: it closes the cell, or is the first of two.
        Quote,
    }
    let line = match line.strip_suffix(b"\r") {
        Some(rest) => rest,
        None => line,
    };
    let mut at = if open { At::Quoted } else { At::Begin };
    for (i, byte) in line.iter().enumerate() {
        at = match (at, *byte) {
            (At::Begin | At::Quote, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (_, byte) if byte == separator => At::Begin,
            (At::Plain, b'"') => {
                return Err(format!(
                    "byte {} is a quote in a cell that is not in quotes; put the cell in quotes and double those in it",
                    i + 1
                ));
            }
            (At::Quote, _) => {
                return Err(format!(
                    "byte {} comes after a closing quote; expected the cell's end there, or the quote doubled",
                    i + 1
                ));
            }
            (_, b'\r') => {
                return Err(format!(
                    "byte {} is a carriage return that ends no line; put the cell in quotes, or end lines in line feeds",
                    i + 1
                ));
            }
            _ => At::Plain,
        };
    }
    Ok(at == At::Quoted)
}

fn split<'a>(
    splitter: &mut Reader,
    record: &[u8],
    cells: &'a mut Vec<u8>,
    ends: &mut [usize],
) -> Result<Vec<&'a str>, String> {
    // Cells are never longer than what they are written as.
    cells.resize(record.len(), 0);
    let (result, _, _, count) = splitter.read_record(record, cells, ends);
    match result {
        ReadRecordResult::Record if count < ends.len() => {}
        ReadRecordResult::Record | ReadRecordResult::OutputEndsFull => {
            splitter.reset();
            return Err(format!(
                "it has more than {} cells, which is the most allowed",
                CsvFormat::MAX_COLUMNS
            ));
        }
        // Cannot be, since the record was seen to be whole; an error is better than being wrong.
        _ => {
            splitter.reset();
            return Err("it is no record".to_owned());
        }
    }
    let ends = &ends[..count];
    // What lies beyond is left of records before.
    let whole = cells.get(..ends.last().copied().unwrap_or(0)).unwrap_or(cells);
    let whole = utf8(whole)?;
    let mut begin = 0;
    ends.iter()
        .map(|end| {
            let cell = whole.get(begin..*end).ok_or("it is no record")?;
            begin = *end;
            Ok(cell)
        })
        .collect()
}
