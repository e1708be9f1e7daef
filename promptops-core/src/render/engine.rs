//! One small Tera per compiled prompt.
//!
//! A Tera that held all prompts would link all of them again with every one added, and could not drop any. So each
//! compiled prompt has its own, cloned from a configured empty one, and holds its messages and snippets only.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::OnceLock;

use tera::{Context, ErrorKind as TeraErrorKind, Tera};

use super::fuel;
use super::guard::{self, Insertions};
use super::limits::RenderLimits;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Location, PromptName, VersionNumber};
use crate::template::{Position, Template};

/// A template for the engine, and where it comes from.
pub(super) struct Source<'a> {
    /// The name by which `include` finds it; unique in the engine.
    pub(super) name: String,
    pub(super) template: &'a Template,
    pub(super) origin: Origin,
}

/// Where a template of the engine comes from, for errors.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) prompt: PromptName,
    pub(super) version: Option<VersionNumber>,
    pub(super) message: Option<usize>,
}

impl Origin {
    fn at(&self, position: Position) -> Location {
        Location {
            prompt: self.prompt.to_string(),
            version: self.version.map(VersionNumber::get),
            message: self.message,
            line: position.line,
            column: position.column,
        }
    }
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    original: Box<str>,
    insertions: Insertions,
}

/// Compiled templates.
#[derive(Debug)]
pub(super) struct Engine {
    tera: Tera,
    entries: HashMap<String, Entry>,
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
    pub(super) fn compile(messages: Vec<Source<'_>>, snippets: Vec<Source<'_>>) -> Result<Self> {
        let captured = messages
            .iter()
            .chain(&snippets)
            .any(|source| guard::captures_includes(source.template));
        let mut weights: HashMap<String, u64> = HashMap::new();
        for snippet in &snippets {
            let weight = guard::weight(snippet.template, &weights);
            weights.insert(snippet.name.clone(), weight);
        }
        let mut entries = HashMap::new();
        let mut sources: Vec<(String, String)> = Vec::new();
        let mut bytes = 0;
        let captured_snippets = snippets.into_iter().map(|snippet| (snippet, captured));
        for (source, captured) in
            captured_snippets.chain(messages.into_iter().map(|message| (message, false)))
        {
            let (text, insertions) = guard::guard(source.template, captured, &weights);
            bytes += text.len() * ENGINE_BYTES_PER_SOURCE_BYTE
                + insertions.bytes()
                + source.template.source().len();
            let entry = Entry {
                origin: source.origin,
                original: source.template.source().into(),
                insertions,
            };
            entries.insert(source.name.clone(), entry);
            sources.push((source.name, text));
        }
        let mut tera = base().clone();
        let mut engine = Self {
            tera: Tera::default(),
            entries,
            bytes: bytes + ENGINE_BASE_BYTES,
        };
        tera.add_raw_templates(sources.iter().map(|(name, text)| (name.as_str(), text.as_str())))
            .map_err(|error| engine.translate(&error, None))?;
        engine.tera = tera;
        Ok(engine)
    }

    /// Renders one template into `out`, of which at most `left` more bytes may be written.
    pub(super) fn render(
        &self,
        name: &str,
        context: &Context,
        limits: &RenderLimits,
        left: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
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

    /// About how many bytes it keeps.
    pub(super) fn bytes(&self) -> usize {
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
            return match self.entries.get(name) {
                Some(entry) => error.at(entry.origin.at(Position { line: 1, column: 1 })),
                None => error,
            };
        }
        let (TeraErrorKind::SyntaxError(report) | TeraErrorKind::RenderingError(report)) = error.kind()
        else {
            return Error::new(ErrorKind::Template, error.to_string());
        };
        let Some(entry) = self.entries.get(report.filename()) else {
            return Error::new(ErrorKind::Template, report.message());
        };
        let guarded = report.span().range.start;
        if report.message() == fuel::MISSING {
            let path = entry.insertions.checked_path(guarded);
            let text = path.map_or("a value", |span| span.text(&entry.original));
            let offset = path.map_or_else(|| entry.insertions.original_offset(guarded), |span| span.start);
            return Error::new(
                ErrorKind::Template,
                format!(
                    "`{text}` is missing; pass it, or write `{text} | default(value=…)` or `{{% if {text} is defined %}}`"
                ),
            )
            .at(entry.origin.at(Position::of(&entry.original, offset)));
        }
        let offset = entry.insertions.original_offset(guarded);
        Error::new(ErrorKind::Template, report.message())
            .at(entry.origin.at(Position::of(&entry.original, offset)))
    }
}

/// What an engine keeps beside its templates, and per byte of their source; see the memory bench.
const ENGINE_BASE_BYTES: usize = 6 << 10;
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
