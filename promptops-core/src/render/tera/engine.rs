//! One small Tera per compiled prompt.
//!
//! A Tera that held all prompts would link all of them again with every one added, and could not drop any. So each
//! compiled prompt has its own, cloned from a configured empty one, and holds its messages and snippets only.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::OnceLock;

use tera::{Context, ErrorKind as TeraErrorKind, Tera};

use super::costs::{self, Costs};
use super::fuel;
use super::guard::{self, Insertions};
use crate::base::error::{Error, ErrorKind, Result};
use crate::render::limits::RenderLimits;
use crate::render::origin::{Origin, missing_message};
use crate::render::source::Source;
use crate::template::{Position, Span};

#[derive(Debug)]
struct Entry {
    origin: Origin,
    insertions: Insertions,
    costs: Costs,
}

/// Compiled templates.
#[derive(Debug)]
pub(in crate::render) struct Engine {
    tera: Tera,
    /// Few, and looked for by name in errors mostly.
    entries: Box<[(Box<str>, Entry)]>,
    bytes: usize,
}

fn base() -> &'static Tera {
    static BASE: OnceLock<Tera> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut tera = Tera::new();
        // Prompts are text: nothing is escaped, whatever a template is called.
        tera.autoescape_on(Vec::<&str>::new());
        fuel::register(&mut tera);
        tera
    })
}

impl Engine {
    /// Compiles messages and the snippets that they include; `snippets` in an order in which each comes after those
    /// that it includes.
    pub(in crate::render) fn compile(messages: Vec<Source<'_>>, snippets: Vec<Source<'_>>) -> Result<Self> {
        let captured = messages
            .iter()
            .chain(&snippets)
            .any(|source| guard::captures_includes(source.template));
        let mut costs: HashMap<String, Costs> = HashMap::new();
        for snippet in &snippets {
            let cost = costs::costs(snippet.template, &costs);
            costs.insert(snippet.name.clone(), cost);
        }
        let mut entries = Vec::new();
        let mut sources: Vec<(String, String)> = Vec::new();
        let mut bytes = 0;
        let captured_snippets = snippets.into_iter().map(|snippet| (snippet, captured));
        for (source, captured) in
            captured_snippets.chain(messages.into_iter().map(|message| (message, false)))
        {
            let (text, insertions) = guard::guard(source.template, captured, &costs);
            bytes += text.len() * ENGINE_BYTES_PER_SOURCE_BYTE + insertions.bytes();
            let entry = Entry {
                origin: source.origin,
                insertions,
                costs: costs::costs(source.template, &costs),
            };
            entries.push((source.name.as_str().into(), entry));
            sources.push((source.name, text));
        }
        let mut tera = base().clone();
        let mut engine = Self {
            tera: Tera::default(),
            entries: entries.into(),
            bytes: bytes + ENGINE_BASE_BYTES,
        };
        tera.add_raw_templates(sources.iter().map(|(name, text)| (name.as_str(), text.as_str())))
            .map_err(|error| engine.translate(&error, None))?;
        engine.tera = tera;
        Ok(engine)
    }

    /// Renders one template into `out`, of which at most `left` more bytes may be written.
    pub(in crate::render) fn render(
        &self,
        name: &str,
        context: &Context,
        limits: &RenderLimits,
        left: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if let Some(entry) = self.entry(name) {
            // What it costs beside its loops: snippets that include snippets many times over need none.
            fuel::spend_steps(entry.costs.weight)
                .and_then(|()| fuel::spend_scratch(entry.costs.captured))
                .map_err(|error| {
                    let start = Position { line: 1, column: 1 };
                    Error::new(ErrorKind::Template, error.to_string()).at(entry.origin.at(start))
                })?;
        }
        let mut writer = Bounded {
            out,
            left,
            full: false,
        };
        self.tera.render_to(name, context, &mut writer).map_err(|error| {
            let full = writer.full.then_some(limits.output_bytes);
            self.translate(&error, full.map(|limit| (name, limit)))
        })
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, entry)| entry)
    }

    /// About how many bytes it keeps.
    pub(in crate::render) fn bytes(&self) -> usize {
        self.bytes
    }

    fn translate(&self, error: &tera::Error, full: Option<(&str, usize)>) -> Error {
        if let Some((name, limit)) = full {
            let error = Error::new(
                ErrorKind::Template,
                format!(
                    "the rendered text is longer than {limit} bytes; shorten the values or raise the limit"
                ),
            );
            return match self.entry(name) {
                Some(entry) => error.at(entry.origin.at(Position { line: 1, column: 1 })),
                None => error,
            };
        }
        let (TeraErrorKind::SyntaxError(report) | TeraErrorKind::RenderingError(report)) = error.kind()
        else {
            return Error::new(ErrorKind::Template, without_values(&error.to_string()));
        };
        let Some(entry) = self.entry(report.filename()) else {
            return Error::new(ErrorKind::Template, without_values(report.message()));
        };
        let original = entry.origin.source();
        let guarded = &report.span().range;
        let checked = entry.insertions.checked_path(guarded.start);
        let offset = checked.map_or_else(
            || entry.insertions.original_offset(guarded.start),
            |span| span.start,
        );
        let what = report.message();
        let missing = if what == fuel::MISSING {
            checked.or(Some(Span {
                start: offset,
                end: offset,
            }))
        } else if tells_missing(what) {
            let mut end = entry.insertions.original_offset(guarded.end);
            if what.starts_with("Cannot ") {
                // Of what cannot be indexed, Tera gives the first name only.
                end += attributes_after(original.get(end..).unwrap_or_default());
            }
            Some(whole_path(original, offset, end))
        } else {
            None
        };
        match missing {
            Some(span) => Error::new(ErrorKind::Template, missing_message(span.text(original)))
                .at(entry.origin.at(Position::of(original, span.start))),
            // A syntax error repeats the template, not the values.
            None => match error.kind() {
                TeraErrorKind::SyntaxError(_) => Error::new(ErrorKind::Template, what),
                // What a template itself says.
                _ if throws(original.get(offset..).unwrap_or_default(), what) => {
                    Error::new(ErrorKind::Template, what)
                }
                _ => Error::new(ErrorKind::Template, without_values(what)),
            }
            .at(entry.origin.at(Position::of(original, offset))),
        }
    }
}

/// Whether this is how Tera says that a value is not there. It goes on to list what is: names, which are data.
fn tells_missing(message: &str) -> bool {
    [
        "Field `",
        "Variable `",
        "Tried to render a variable that is undefined",
        "Cannot index into an undefined",
        "Cannot slice an undefined",
        "Index expression is undefined",
        "Slice start is undefined",
        "Slice end is undefined",
        "Slice step is undefined",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}

/// Length of the `.name.name` that a text starts with.
fn attributes_after(text: &str) -> usize {
    let mut rest = text;
    while let Some(attribute) = rest.trim_start().strip_prefix(['?', '.']) {
        let name = attribute.trim_start_matches('.').trim_start();
        let after = name.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric());
        if after.len() == name.len() {
            break;
        }
        rest = after;
    }
    text.len() - rest.len()
}

/// Whether this source calls `throw` with this very text, rather than with one made of values.
fn throws(source: &str, text: &str) -> bool {
    let message = source
        .strip_prefix("throw(")
        .and_then(|rest| rest.trim_start().strip_prefix("message"))
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .map(str::trim_start);
    let quoted = message.and_then(|rest| rest.strip_prefix(['"', '\'', '`']));
    quoted
        .and_then(|rest| rest.strip_prefix(text))
        .and_then(|rest| rest.strip_prefix(['"', '\'', '`']))
        .is_some_and(|rest| rest.trim_start().starts_with(')'))
}

/// The path that ends with the attribute between these offsets, from its first name on.
fn whole_path(source: &str, start: usize, end: usize) -> Span {
    let mut at = start;
    let before = |at: usize| source.get(..at).unwrap_or_default();
    // Steps back over one `name.`, `name?.` or `name[…].` after the other.
    while let Some(object) = before(at).trim_end().strip_suffix('.') {
        let mut object = object.strip_suffix('?').unwrap_or(object).trim_end();
        while let Some(inside) = object.strip_suffix(']') {
            let mut open = 1;
            let bracket = inside.char_indices().rev().find(|(_, c)| {
                match c {
                    ']' => open += 1,
                    '[' => open -= 1,
                    _ => {}
                }
                open == 0
            });
            match bracket {
                Some((bracket, _)) => {
                    object = before(bracket);
                    object = object.strip_suffix('?').unwrap_or(object).trim_end();
                }
                None => break,
            }
        }
        let name = object.trim_end_matches(|c: char| c == '_' || c.is_alphanumeric());
        if name.len() == object.len() {
            break;
        }
        at = name.len();
    }
    let mut end = end.max(start);
    // The place of an element ends with its index, before the bracket.
    let open = source.get(at..end).unwrap_or_default();
    if open.matches('[').count() > open.matches(']').count() {
        let rest = source.get(end..).unwrap_or_default();
        end += rest.find(']').map_or(0, |bracket| bracket + 1);
    }
    Span { start: at, end }
}

/// What Tera or a charging filter says, when it says so of types, names of arguments and limits; other messages repeat
/// values, which are not for logs.
fn without_values(message: &str) -> String {
    const ABOUT_TYPES: [&str; 27] = [
        "Cannot group",
        "rendering takes more than",
        "rendering needs more than",
        "Cannot compare `",
        "Math operations can only be done on numbers",
        "`+` requires both operands",
        "Iteration not possible",
        "Key/value iteration",
        "Spread operator",
        "Slicing ",
        "Slice ",
        "`in` cannot be used",
        "Invalid type for the value",
        "Missing keyword argument",
        "Cannot divide by 0",
        "Cannot sort",
        "Array index must",
        "String index must",
        "Map keys must",
        "Value of type",
        "This filter can only be used on a number",
        "pluralize filter requires an integer",
        "Function `range` was called",
        "The `indentation` argument must",
        "The `attribute` argument is longer",
        "Not a valid key type",
        "Errored while getting absolute value",
    ];
    if ABOUT_TYPES.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    for (start, said) in [
        ("The string `", "the text is not a number"),
        ("The float ", "the number is not a whole one, or too large"),
        ("Function `range` would", "`range` makes at most 100000 elements"),
        (
            "Value at index",
            "an element of the list does not have the attribute",
        ),
        (
            "Map does not have a key",
            "the map does not have the key; pass `default=`",
        ),
        (
            "Invalid argument for `method`",
            "expected `ceil` or `floor` as `method`",
        ),
        ("Unable to perform", "the result is too large a number"),
    ] {
        if message.starts_with(start) {
            return said.to_owned();
        }
    }
    "the value does not fit what is done with it here".to_owned()
}

/// What an engine keeps beside its templates, and per byte of their source; see the memory bench.
const ENGINE_BASE_BYTES: usize = 8 << 10;
const ENGINE_BYTES_PER_SOURCE_BYTE: usize = 5;

struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    left: usize,
    full: bool,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => {
                self.left = left;
                self.out.extend_from_slice(bytes);
                Ok(())
            }
            None => {
                self.full = true;
                Err(io::ErrorKind::WriteZero.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
