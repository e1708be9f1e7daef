//! Requests in a text, one after the other: one on each line, as collectors write their files, or over several lines.

use std::io::{self, BufRead};

/// A request's text, or why there is none.
pub(super) struct Request<'a> {
    /// The line in which it begins, from 1.
    pub line: u64,
    pub text: Result<&'a [u8], Unreadable>,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has more bytes than allowed.
    TooLarge,
    /// It breaks off: a string in it is not closed in its line, the next request begins, or the text ends.
    BreaksOff,
}

/// Cuts a text into requests, in memory that is bounded by the longest that is allowed.
///
/// A request ends with the line in which its last brace is closed. One that breaks off is given up where the next one
/// begins: at a line that starts with `{"resourceSpans"`, which no request has inside.
pub(super) struct Requests<R> {
    reader: R,
    most: usize,
    line: Vec<u8>,
    lines: u64,
    pending: Vec<u8>,
    began: u64,
    scan: Scan,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A line may have been read that is not looked at yet.
    Reading { is_line_read: bool },
    /// What comes is left out, until a request begins.
    Skipping,
}

impl<R: BufRead> Requests<R> {
    pub fn new(reader: R, most: usize) -> Self {
        Self {
            reader,
            most,
            line: Vec::new(),
            lines: 0,
            pending: Vec::new(),
            began: 0,
            scan: Scan::default(),
            state: State::Reading { is_line_read: false },
        }
    }

    /// The next request; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Request<'_>>> {
        if self.scan.is_done() {
            // The longer of the two is read into again.
            if self.pending.capacity() > self.line.capacity() {
                std::mem::swap(&mut self.pending, &mut self.line);
            }
            self.clear();
        }
        loop {
            let is_line_read = self.state == State::Reading { is_line_read: true };
            if !is_line_read && !self.read_line()? {
                let is_cut = !self.pending.is_empty();
                let line = self.began;
                self.clear();
                return Ok(is_cut.then_some(Request {
                    line,
                    text: Err(Unreadable::BreaksOff),
                }));
            }
            let begins = begins_request(&self.line);
            if self.state == State::Skipping {
                if !begins {
                    continue;
                }
            } else if begins && !self.pending.is_empty() {
                self.state = State::Reading { is_line_read: true };
                return Ok(Some(self.give_up(Unreadable::BreaksOff)));
            }
            self.state = State::Reading { is_line_read: false };
            let is_first = self.pending.is_empty();
            if is_first {
                if self.line.trim_ascii().is_empty() {
                    continue;
                }
                self.began = self.lines;
            }
            if self.pending.len().saturating_add(self.line.len()) > self.most.saturating_add(LINE_END) {
                // A line of its own is given up alone; the rest of a longer request with it.
                if !self.pending.is_empty() {
                    self.state = State::Skipping;
                }
                return Ok(Some(self.give_up(Unreadable::TooLarge)));
            }
            self.scan.take(&self.line);
            if is_first {
                // A request is most often one line, and may be long: it is not copied.
                std::mem::swap(&mut self.pending, &mut self.line);
            } else {
                self.pending.extend_from_slice(&self.line);
            }
            if self.scan.is_done() {
                return Ok(Some(Request {
                    line: self.began,
                    text: Ok(self.pending.trim_ascii()),
                }));
            }
            if self.scan.is_in_string {
                if !is_first {
                    self.state = State::Skipping;
                }
                return Ok(Some(self.give_up(Unreadable::BreaksOff)));
            }
        }
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.scan = Scan::default();
    }

    fn give_up(&mut self, why: Unreadable) -> Request<'static> {
        self.clear();
        Request {
            line: self.began,
            text: Err(why),
        }
    }

    /// Reads a line; of one that is too long a byte more than allowed, so that this is seen.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let most = self.most.saturating_add(LINE_END + 1);
        let mut is_any = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if available.is_empty() {
                break;
            }
            is_any = true;
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let used = end.unwrap_or(available.len());
            let room = most.saturating_sub(self.line.len());
            self.line.extend_from_slice(&available[..used.min(room)]);
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if is_any {
            self.lines += 1;
            if self.lines == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
        }
        Ok(is_any)
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// What ends a line does not count.
const LINE_END: usize = 2;

/// Whether a request begins at the beginning of the line.
fn begins_request(line: &[u8]) -> bool {
    line.strip_prefix(b"{")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"resourceSpans\""))
}

/// How deep in braces and strings a text is after what was seen of it.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    has_begun: bool,
    is_in_string: bool,
    is_escaped: bool,
}

impl Scan {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.is_in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        self.has_begun |= !bytes.trim_ascii().is_empty();
    }

    fn is_done(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.is_in_string
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn requests(text: &[u8], most: usize) -> Vec<(u64, Result<String, Unreadable>)> {
        // A small buffer, so that nothing rests on a line being in one piece.
        let mut requests = Requests::new(BufReader::with_capacity(3, text), most);
        let mut found = Vec::new();
        while let Some(request) = requests.next().unwrap() {
            let text = request.text.map(|text| String::from_utf8(text.to_vec()).unwrap());
            found.push((request.line, text));
        }
        found
    }

    fn good(line: u64, text: &str) -> (u64, Result<String, Unreadable>) {
        (line, Ok(text.to_owned()))
    }

    fn bad(line: u64, why: Unreadable) -> (u64, Result<String, Unreadable>) {
        (line, Err(why))
    }

    #[test]
    fn a_request_is_a_line_or_several() {
        assert_eq!(requests(b"", 99), []);
        assert_eq!(requests(b"\n \r\n", 99), []);
        assert_eq!(
            requests("\u{feff}{\"a\":\"}\\\"\"}\r\n\n[1]\n{}".as_bytes(), 99),
            [good(1, "{\"a\":\"}\\\"\"}"), good(3, "[1]"), good(4, "{}")]
        );
        let pretty = "{\n  \"resourceSpans\": [\n{\"a\": \"{\"}\n]\n}";
        assert_eq!(
            requests(format!("\n{pretty}\n{pretty}\n").as_bytes(), 99),
            [good(2, pretty), good(7, pretty)]
        );
    }

    #[test]
    fn what_breaks_off_costs_no_other_request() {
        let whole = r#"{ "resourceSpans":[]}"#;
        for cut in [r#"{"resourceSpans":["#, r#"{"resourceSpans":[{"a":"b"#, "{\n [\n"] {
            let text = format!("{whole}\n{cut}\n{whole}\n");
            let found = requests(text.as_bytes(), 99);
            assert_eq!(found.first(), Some(&good(1, whole)), "{cut}");
            assert_eq!(found[1], bad(2, Unreadable::BreaksOff), "{cut}");
            assert_eq!(found[2].1, Ok(whole.to_owned()), "{cut}");
            assert_eq!(found.len(), 3, "{cut}");
        }
        assert_eq!(requests(b"{\n\"a\":", 99), [bad(1, Unreadable::BreaksOff)]);
        assert_eq!(requests(b"}}\n{}", 99), [good(1, "}}"), good(2, "{}")]);
    }

    #[test]
    fn what_is_too_long_is_left_out_and_takes_no_memory() {
        let line = |bytes: usize| format!("[{}]", "1".repeat(bytes - 2));
        let text = format!("{}\r\n{}\n{{}}", line(20), line(23));
        assert_eq!(
            requests(text.as_bytes(), 20),
            [good(1, &line(20)), bad(2, Unreadable::TooLarge), good(3, "{}")]
        );
        let text = format!(
            "{{\n\"a\":\n\"{}\"}}\n{{}}\n{{\"resourceSpans\":1}}",
            "x".repeat(30)
        );
        assert_eq!(
            requests(text.as_bytes(), 20),
            [bad(1, Unreadable::TooLarge), good(5, "{\"resourceSpans\":1}")]
        );
        let mut endless = Requests::new(BufReader::new(io::Read::take(io::repeat(b'x'), 1 << 20)), 1_000);
        assert!(matches!(
            endless.next(),
            Ok(Some(Request {
                line: 1,
                text: Err(Unreadable::TooLarge)
            }))
        ));
        assert!(endless.line.capacity() + endless.pending.capacity() < 20_000);
    }
}
