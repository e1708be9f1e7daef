//! Splits a template into tokens, resolving whitespace control on the way.

use super::error::{Result, TemplateError, TemplateErrorKind};
use super::span::Span;

/// A token without its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// Text between tags after whitespace control, possibly empty.
    Text(&'a str),
    /// `{{`, with whether a `-` follows.
    OutputStart(bool),
    /// `}}`, with whether a `-` precedes.
    OutputEnd(bool),
    /// `{%`, with whether a `-` follows.
    TagStart(bool),
    /// `%}`, with whether a `-` precedes.
    TagEnd(bool),
    Ident(&'a str),
    /// The inside of a string literal whose escapes are known to be valid.
    Str(&'a str),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// An operator or punctuation mark.
    Symbol(&'static str),
    End,
}

impl Token<'_> {
    /// How the token is called in "found …".
    pub(super) fn describe(self) -> String {
        match self {
            Token::Text(_) => "text".to_owned(),
            Token::OutputStart(_) => "`{{`".to_owned(),
            Token::OutputEnd(_) => "`}}`".to_owned(),
            Token::TagStart(_) => "`{%`".to_owned(),
            Token::TagEnd(_) => "`%}`".to_owned(),
            Token::Ident(name) => format!("`{}`", super::builtins::shorten(name)),
            Token::Str(_) => "a string".to_owned(),
            Token::Integer(value) => format!("the number {value}"),
            Token::Float(_) => "a number".to_owned(),
            Token::Bool(value) => format!("`{value}`"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end of the template".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    Output,
    Tag,
}

/// Longer symbols come before their prefixes. `</` is never valid in a
/// template, but Tera reads it as one symbol, so `a </b` must not become a
/// comparison here.
const SYMBOLS: &[&str] = &[
    "...", "//", "**", "==", "!=", ">=", "<=", "</", "?.", "?[", "+", "-", "*", "/", "%", "!", ".", ",", ":",
    "~", "|", "=", ">", "<", "(", ")", "[", "]", "{", "}", "@",
];

/// The opening delimiters; all have two bytes and may be followed by `-`.
const OPENERS: [&str; 3] = ["{{", "{%", "{#"];

pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    mode: Mode,
    /// Whether the last closing delimiter asked for the blanks after it to go.
    /// Comments without their own `-` leave this as it is.
    trim_next: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            at: 0,
            mode: Mode::Text,
            trim_next: false,
        }
    }

    pub(super) fn next_token(&mut self) -> Result<(Token<'a>, Span)> {
        match self.mode {
            Mode::Text => self.text_or_opener(),
            Mode::Output | Mode::Tag => self.inside(),
        }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn error(&self, message: &str, span: Span) -> Box<TemplateError> {
        TemplateError::new(TemplateErrorKind::Syntax, message, span, self.source)
    }

    /// Moves over `length` bytes and returns the span of what was passed.
    fn advance(&mut self, length: usize) -> Span {
        let start = self.at;
        self.at += length;
        Span::new(start, self.at)
    }

    fn text_or_opener(&mut self) -> Result<(Token<'a>, Span)> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok((Token::End, Span::new(self.at, self.at)));
            }
            if rest.starts_with("{#") {
                self.comment(rest)?;
                continue;
            }
            if rest.starts_with("{{") {
                let trim = opens_with_dash(rest);
                self.mode = Mode::Output;
                self.trim_next = false;
                let span = self.advance(2 + usize::from(trim));
                return Ok((Token::OutputStart(trim), span));
            }
            if rest.starts_with("{%") {
                let trim = opens_with_dash(rest);
                let start = self.at;
                let opener = self.advance(2 + usize::from(trim));
                if let Some((body, outer_dash)) = skip_tag(self.rest(), "raw") {
                    return self.raw(start, body, outer_dash);
                }
                self.mode = Mode::Tag;
                self.trim_next = false;
                return Ok((Token::TagStart(trim), opener));
            }
            let length = find_opener(rest);
            let span = self.advance(length);
            return Ok(self.trimmed(span, false));
        }
    }

    fn comment(&mut self, rest: &str) -> Result<()> {
        let opener = 2 + usize::from(opens_with_dash(rest));
        let inside = rest.get(opener..).unwrap_or("");
        let Some(length) = inside.find("#}") else {
            let span = Span::new(self.at, self.at + 2);
            return Err(self
                .error(
                    "expected `#}` to close this comment, found the end of the template",
                    span,
                )
                .with_help("add `#}` where the comment ends"));
        };
        let dash = length > 0 && inside.as_bytes().get(length - 1) == Some(&b'-');
        self.trim_next |= dash;
        self.advance(opener + length + 2);
        Ok(())
    }

    /// Lexes the rest of a `raw` block whose opening tag began at `start` and
    /// has `opener` more bytes.
    fn raw(&mut self, start: usize, opener: usize, trim_body_start: bool) -> Result<(Token<'a>, Span)> {
        let after_opener = self.at + opener;
        let mut search = after_opener;
        while let Some(found) = self.source.get(search..).and_then(|rest| rest.find("{%")) {
            let body_end = search + found;
            search = body_end + 2;
            let tag = self.source.get(search..).unwrap_or("");
            let Some((length, trim_after)) = skip_tag(tag, "endraw") else {
                continue;
            };
            let mut body = Span::new(after_opener, body_end);
            if trim_body_start {
                body = trim_start(self.source, body);
            }
            if tag.starts_with('-') {
                body = trim_end(self.source, body);
            }
            self.at = search + length;
            return Ok(self.trimmed(body, trim_after));
        }
        Err(self
            .error(
                "expected `{% endraw %}` to close this raw block, found the end of the template",
                Span::new(start, after_opener),
            )
            .with_help("add `{% endraw %}` where the literal text ends"))
    }

    /// Applies the whitespace control of the neighbours to text, the lexer
    /// standing right behind it.
    fn trimmed(&mut self, mut span: Span, trim_after: bool) -> (Token<'a>, Span) {
        if std::mem::replace(&mut self.trim_next, trim_after) {
            span = trim_start(self.source, span);
        }
        let rest = self.rest();
        if OPENERS.iter().any(|opener| rest.starts_with(opener)) && opens_with_dash(rest) {
            span = trim_end(self.source, span);
        }
        (Token::Text(span.text(self.source)), span)
    }

    fn inside(&mut self) -> Result<(Token<'a>, Span)> {
        let rest = self.rest();
        let blank = rest.bytes().take_while(u8::is_ascii_whitespace).count();
        self.at += blank;
        let rest = self.rest();
        let Some(first) = rest.bytes().next() else {
            return Ok((Token::End, Span::new(self.at, self.at)));
        };
        if let Some(closed) = self.closer(rest) {
            return Ok(closed);
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            return Ok((Token::Symbol(symbol), self.advance(symbol.len())));
        }
        match first {
            b'"' | b'\'' | b'`' => self.string(rest, first),
            b'0'..=b'9' => self.number(rest),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = rest
                    .bytes()
                    .take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric())
                    .count();
                let span = self.advance(length);
                let token = match span.text(self.source) {
                    "true" | "True" => Token::Bool(true),
                    "false" | "False" => Token::Bool(false),
                    name => Token::Ident(name),
                };
                Ok((token, span))
            }
            _ => {
                let found = rest.chars().next().unwrap_or('\u{fffd}');
                let span = Span::new(self.at, self.at + found.len_utf8());
                let message = format!(
                    "expected a name, a value or an operator, found the character `{}`",
                    found.escape_debug()
                );
                Err(self
                    .error(&message, span)
                    .with_help("names consist of ASCII letters, digits and `_`; put other text in quotes"))
            }
        }
    }

    fn closer(&mut self, rest: &str) -> Option<(Token<'a>, Span)> {
        let trim = rest.starts_with('-');
        let delimiter = rest.get(usize::from(trim)..)?;
        let token = match self.mode {
            Mode::Output if delimiter.starts_with("}}") => Token::OutputEnd(trim),
            Mode::Tag if delimiter.starts_with("%}") => Token::TagEnd(trim),
            _ => return None,
        };
        self.mode = Mode::Text;
        self.trim_next = trim;
        Some((token, self.advance(2 + usize::from(trim))))
    }

    fn string(&mut self, rest: &'a str, quote: u8) -> Result<(Token<'a>, Span)> {
        let mut escaped = false;
        for (index, byte) in rest.bytes().enumerate().skip(1) {
            if escaped {
                escaped = false;
                if !matches!(byte, b'"' | b'\'' | b'/' | b'\\' | b'n' | b't' | b'r') {
                    let found = rest.get(index..).and_then(|rest| rest.chars().next());
                    let length = found.map_or(1, char::len_utf8);
                    let at = self.at + index;
                    return Err(self
                        .error(
                            "expected a valid escape sequence, found an unknown one",
                            Span::new(at - 1, at + length),
                        )
                        .with_help(
                            "use one of \\\", \\', \\/, \\\\, \\n, \\t, \\r, or write `\\\\` for a backslash",
                        ));
                }
            } else if byte == b'\\' {
                escaped = true;
            } else if byte == quote {
                let inside = rest.get(1..index).unwrap_or("");
                return Ok((Token::Str(inside), self.advance(index + 1)));
            }
        }
        let quote = char::from(quote);
        let message = format!("expected a closing {quote} for this string, found the end of the template");
        Err(self
            .error(&message, Span::new(self.at, self.at + 1))
            .with_help(format!("add {quote} where the string ends")))
    }

    fn number(&mut self, rest: &str) -> Result<(Token<'a>, Span)> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(rest);
        let is_float = rest.as_bytes().get(length) == Some(&b'.');
        if is_float {
            length += 1;
            length += digits(rest.get(length..).unwrap_or(""));
        }
        let text = rest.get(..length).unwrap_or("");
        let token = if is_float {
            text.parse().ok().map(Token::Float)
        } else {
            text.parse().ok().map(Token::Integer)
        };
        let span = self.advance(length);
        match token {
            Some(token) => Ok((token, span)),
            None => Err(self
                .error("expected a number that fits 64 bits, found a larger one", span)
                .with_help(format!("use at most {}, or add `.0` for a float", i64::MAX))),
        }
    }
}

/// The value of a string literal whose escapes the lexer has checked.
pub(super) fn unescape(inside: &str) -> String {
    if !inside.contains('\\') {
        return inside.to_owned();
    }
    let mut value = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(next) = chars.next() {
        let plain = if next == '\\' {
            match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            }
        } else {
            next
        };
        value.push(plain);
    }
    value
}

fn opens_with_dash(rest: &str) -> bool {
    rest.as_bytes().get(2) == Some(&b'-')
}

/// Bytes before the next opening delimiter, or all of them.
fn find_opener(rest: &str) -> usize {
    rest.as_bytes()
        .windows(2)
        .position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))
        .unwrap_or(rest.len())
}

/// Matches what follows `{%` in a tag that consists of nothing but `name`.
/// Returns the length up to the end of the tag and whether it ends in `-%}`.
fn skip_tag(rest: &str, name: &str) -> Option<(usize, bool)> {
    let blank = |c: char| c.is_ascii_whitespace();
    let tail = rest.strip_prefix('-').unwrap_or(rest);
    let tail = tail.trim_start_matches(blank).strip_prefix(name)?;
    let tail = tail.trim_start_matches(blank);
    let (tail, dash) = match tail.strip_prefix('-') {
        Some(tail) => (tail, true),
        None => (tail, false),
    };
    let tail = tail.strip_prefix("%}")?;
    Some((rest.len() - tail.len(), dash))
}

fn trim_start(source: &str, span: Span) -> Span {
    let kept = span.text(source).trim_start().len();
    Span::new(span.end - kept, span.end)
}

fn trim_end(source: &str, span: Span) -> Span {
    let kept = span.text(source).trim_end().len();
    Span::new(span.start, span.start + kept)
}
