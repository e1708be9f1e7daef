//! Lines of a text that somebody else wrote: bounded, numbered, without a byte order mark.

use std::io::{self, BufRead, Read};

use crate::base::error::{Error, ErrorKind};

/// Lines as bytes, one at a time, in memory that does not grow with the text.
pub(super) struct Lines<R> {
    reader: R,
    most: usize,
    line: Vec<u8>,
    number: usize,
}

/// One line.
pub(super) struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// All of it but the line feed that ends it.
    pub bytes: &'a [u8],
}

/// Why there is no next line.
pub(super) enum Broken {
    /// This line is longer than allowed.
    TooLong(usize),
    /// The reader failed in this line.
    Io(usize, io::Error),
}

impl<R: BufRead> Lines<R> {
    /// `most` bytes are allowed in a line, without what ends it.
    pub fn new(reader: R, most: usize) -> Self {
        Self {
            reader,
            most,
            line: Vec::new(),
            number: 0,
        }
    }

    pub fn next(&mut self) -> Result<Option<Line<'_>>, Broken> {
        const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
        self.line.clear();
        self.number += 1;
        let mark = if self.number == 1 {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        // One carriage return and one line feed more than the line itself may have.
        let most = (self.most + mark + 2) as u64;
        self.reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.line)
            .map_err(|e| Broken::Io(self.number, e))?;
        let mut bytes = self.line.as_slice();
        if self.number == 1 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.strip_suffix(b"\r").unwrap_or(bytes).len() > self.most {
            return Err(Broken::TooLong(self.number));
        }
        Ok(Some(Line {
            number: self.number,
            bytes,
        }))
    }
}

/// The text, or what is wrong with it.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|e| {
        format!(
            "byte {} is not UTF-8; save the text as UTF-8",
            e.valid_up_to() + 1
        )
    })
}

/// `what` could not be done: "read" or "written".
pub(super) fn io_error(what: &str, e: io::Error) -> Error {
    let (kind, hint) = match e.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidData
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::WriteZero => (ErrorKind::Invalid, "pass another one"),
        _ => (ErrorKind::Unavailable, "try again later"),
    };
    Error::new(kind, format!("the entries cannot be {what}: {e}; {hint}")).caused_by(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], most: usize) -> Vec<Result<(usize, String), usize>> {
        let mut lines = Lines::new(text, most);
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(None) => return found,
                Ok(Some(line)) => {
                    found.push(Ok((line.number, String::from_utf8(line.bytes.to_vec()).unwrap())))
                }
                Err(Broken::TooLong(number)) => {
                    found.push(Err(number));
                    return found;
                }
                Err(Broken::Io(..)) => panic!("a slice does not fail"),
            }
        }
    }

    #[test]
    fn lines_are_numbered_from_one_and_the_mark_is_skipped_once() {
        let line = |number, text: &str| Ok((number, text.to_owned()));
        assert_eq!(lines(b"", 9), []);
        assert_eq!(
            lines("\u{feff}a\n\nb\r\nc".as_bytes(), 9),
            [line(1, "a"), line(2, ""), line(3, "b\r"), line(4, "c")]
        );
        assert_eq!(
            lines("\u{feff}\u{feff}\n\u{feff}".as_bytes(), 9),
            [line(1, "\u{feff}"), line(2, "\u{feff}")]
        );
        assert_eq!(lines("\u{feff}".as_bytes(), 9), [line(1, "")]);
    }

    #[test]
    fn the_bound_is_exact_and_what_ends_a_line_does_not_count() {
        for whole in ["abc", "abc\n", "abc\r\n", "\u{feff}abc\r\n"] {
            assert_eq!(lines(whole.as_bytes(), 3).len(), 1, "{whole:?}");
            assert!(lines(whole.as_bytes(), 3)[0].is_ok(), "{whole:?}");
            assert_eq!(lines(whole.as_bytes(), 2), [Err(1)], "{whole:?}");
        }
        assert_eq!(lines(b"a\nabcdefgh\nb\n", 3)[1], Err(2));
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut lines = Lines::new(io::BufReader::new(io::repeat(b'x')), 1_000);
        assert!(matches!(lines.next(), Err(Broken::TooLong(1))));
        assert!(lines.line.capacity() < 10_000);
    }

    #[test]
    fn a_reader_that_fails_is_told_with_its_line() {
        let broken = b"a\n".chain(Failing);
        let mut lines = Lines::new(io::BufReader::new(broken), 9);
        assert!(lines.next().is_ok());
        assert!(matches!(lines.next(), Err(Broken::Io(2, _))));
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
}
