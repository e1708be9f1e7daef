//! Server-sent events, as the HTML standard defines them (section 9.2.6, "Interpreting an event stream").

use promptops_core::llm::LlmError;
use serde_json::Value;

use super::classify::in_band;
use crate::errors::Errors;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty when it has none.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
}

impl Event {
    /// The data as JSON. An error that the data says is returned as one.
    pub(crate) fn json(&self, provider: &str) -> Result<Value, LlmError> {
        let value: Value = serde_json::from_str(&self.data).map_err(|e| {
            Errors(provider)
                .malformed("an event of the streamed answer is no JSON; ask again")
                .caused_by(e)
        })?;
        let failed = self.name == "error"
            || value.get("type").and_then(Value::as_str) == Some("error")
            || value.get("error").is_some_and(|error| !error.is_null());
        if failed {
            Err(in_band(provider, &value))
        } else {
            Ok(value)
        }
    }
}

/// Puts the events of a streamed answer together.
pub(crate) trait Collect: Send {
    /// Takes an event; `true` when it was the last.
    fn event(&mut self, event: &Event) -> Result<bool, LlmError>;

    /// The answer, in the form that it has when it is not streamed.
    fn finish(&mut self) -> Result<Value, LlmError>;
}

/// Finds the events in pieces of a stream.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, after which a line feed ends no line of its own.
    after_return: bool,
    begun: bool,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes a piece and hands each event that it completes to `take`, until that says `true`.
    ///
    /// # Errors
    /// What `take` returns, and `None` for bytes that are no UTF-8.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        take: &mut dyn FnMut(&Event) -> Result<bool, LlmError>,
    ) -> Result<bool, Option<LlmError>> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let (line, after) = rest.split_at(end);
            let after_return = std::mem::take(&mut self.after_return);
            self.after_return = after.first() == Some(&b'\r');
            rest = after.get(1..).unwrap_or_default();
            if after_return && line.is_empty() && !self.after_return {
                continue;
            }
            self.line.extend_from_slice(line);
            if self.end_line()? {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) && take(&event).map_err(Some)? {
                    return Ok(true);
                }
            }
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.line.extend_from_slice(rest);
        }
        Ok(false)
    }

    /// Reads a line; `true` when it ends an event.
    fn end_line(&mut self) -> Result<bool, Option<LlmError>> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&bytes).map_err(|_| None)?;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(true);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.name),
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8], piece: usize) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in stream.chunks(piece) {
            let mut take = |event: &Event| {
                events.push((event.name.clone(), event.data.clone()));
                Ok(false)
            };
            parser.feed(piece, &mut take).unwrap();
        }
        events
    }

    #[test]
    fn events_do_not_depend_on_pieces_or_line_ends() {
        let text = "\u{feff}: hello\ndata: {\"a\":\ndata:1}\n\nevent: ping\nid: 7\n\nevent: x\ndata\n\n\ndata:  ä\n\ndata: cut";
        let expected: Vec<(String, String)> = [("", "{\"a\":\n1}"), ("x", ""), ("", " ä")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()))
            .into();
        for text in [
            text.to_owned(),
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
        ] {
            for piece in [1, 2, 3, 7, 1_000] {
                assert_eq!(events(text.as_bytes(), piece), expected, "{piece} {text:?}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let mut parser = Parser::default();
        let fed = parser.feed(b"data: \xff\xfe\n\n", &mut |_| Ok(false));
        assert!(matches!(fed, Err(None)));
    }
}
