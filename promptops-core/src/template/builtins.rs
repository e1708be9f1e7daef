//! The filters, tests and functions of Tera 2.4 without optional features.

use super::error::{Result, TemplateError, TemplateErrorKind};
use super::span::Span;

/// How much longer than its input the output of a filter can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Growth {
    /// The rendered output has at most as many bytes as the rendered input, up
    /// to a constant of at most 64 bytes (numbers and booleans), or is an
    /// element or rearrangement of it.
    Never,
    /// Each input byte becomes at most this many output bytes.
    Linear(u32),
    /// The arguments decide, so there is no bound from the input alone.
    Unbounded,
}

/// Every built-in filter with its growth, sorted by name.
///
/// Case changes are linear: some characters map to up to three, and a
/// two-byte character can become six bytes. Turning a container into text or
/// pieces adds quotes and separators, which is at most a few bytes for each
/// element, but an element can itself be empty, so those count as unbounded
/// unless every element costs input bytes.
const FILTERS: &[(&str, Growth)] = &[
    ("abs", Growth::Never),
    ("capitalize", Growth::Linear(3)),
    ("default", Growth::Unbounded),
    ("escape", Growth::Linear(6)),
    ("escape_html", Growth::Linear(6)),
    ("escape_xml", Growth::Linear(6)),
    ("first", Growth::Never),
    ("float", Growth::Unbounded),
    ("get", Growth::Unbounded),
    ("group_by", Growth::Unbounded),
    ("indent", Growth::Unbounded),
    ("int", Growth::Never),
    ("join", Growth::Unbounded),
    ("keys", Growth::Never),
    ("last", Growth::Never),
    ("length", Growth::Never),
    ("lower", Growth::Linear(3)),
    ("newlines_to_br", Growth::Linear(4)),
    ("nth", Growth::Never),
    ("pairs", Growth::Linear(8)),
    ("pluralize", Growth::Unbounded),
    ("replace", Growth::Unbounded),
    ("reverse", Growth::Never),
    ("round", Growth::Unbounded),
    ("safe", Growth::Never),
    ("sort", Growth::Never),
    ("split", Growth::Linear(12)),
    ("str", Growth::Never),
    ("title", Growth::Linear(3)),
    ("trim", Growth::Never),
    ("trim_end", Growth::Never),
    ("trim_start", Growth::Never),
    ("truncate", Growth::Unbounded),
    ("unique", Growth::Never),
    ("upper", Growth::Linear(3)),
    ("values", Growth::Never),
    ("wordcount", Growth::Never),
];

const TESTS: &[&str] = &[
    "array",
    "bool",
    "containing",
    "defined",
    "divisible_by",
    "ending_with",
    "even",
    "float",
    "integer",
    "iterable",
    "map",
    "none",
    "number",
    "odd",
    "starting_with",
    "string",
    "undefined",
];

const FUNCTIONS: &[&str] = &["range", "throw"];

/// Names people bring along from other template languages or earlier versions.
const ALIASES: &[(&str, &str)] = &[
    ("count", "length"),
    ("size", "length"),
    ("len", "length"),
    ("d", "default"),
    ("e", "escape"),
    ("uppercase", "upper"),
    ("lowercase", "lower"),
    ("to_string", "str"),
    ("string", "str"),
    ("striptags", "escape_html"),
    ("trim_start_matches", "trim_start"),
    ("trim_end_matches", "trim_end"),
    ("object", "map"),
    ("matching", "containing"),
    ("divisibleby", "divisible_by"),
    ("null", "none"),
];

/// The names of all filters a template may use, sorted.
pub fn known_filters() -> impl Iterator<Item = &'static str> + Clone {
    FILTERS.iter().map(|(name, _)| *name)
}

/// The names of all tests a template may use, sorted.
pub fn known_tests() -> impl Iterator<Item = &'static str> + Clone {
    TESTS.iter().copied()
}

/// The names of all functions a template may use, sorted.
pub fn known_functions() -> impl Iterator<Item = &'static str> + Clone {
    FUNCTIONS.iter().copied()
}

/// How much the filter called `name` can grow its input, or `None` when there
/// is no such filter.
#[must_use]
pub fn filter_growth(name: &str) -> Option<Growth> {
    FILTERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, growth)| *growth)
}

pub(super) fn require_filter(name: &str, span: Span, source: &str) -> Result<()> {
    if known_filters().any(|known| known == name) {
        return Ok(());
    }
    let kind = TemplateErrorKind::UnknownFilter;
    Err(unknown(kind, "filter", name, known_filters(), span, source))
}

pub(super) fn require_test(name: &str, span: Span, source: &str) -> Result<()> {
    if known_tests().any(|known| known == name) {
        return Ok(());
    }
    let kind = TemplateErrorKind::UnknownTest;
    Err(unknown(kind, "test", name, known_tests(), span, source))
}

pub(super) fn require_function(name: &str, span: Span, source: &str) -> Result<()> {
    if known_functions().any(|known| known == name) {
        return Ok(());
    }
    let kind = TemplateErrorKind::UnknownFunction;
    let names = known_functions();
    Err(unknown(kind, "function", name, names, span, source))
}

fn unknown(
    kind: TemplateErrorKind,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    span: Span,
    source: &str,
) -> Box<TemplateError> {
    let help = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<String> = known.map(|known| format!("`{known}`")).collect();
            format!("use one of {}", all.join(", "))
        }
    };
    let message = format!(
        "expected the name of a {what}, found the unknown {what} `{}`",
        shorten(name)
    );
    TemplateError::new(kind, message, span, source).with_help(help)
}

/// Cuts a name so that a hostile template cannot blow up the message.
pub(super) fn shorten(name: &str) -> String {
    const LONGEST: usize = 64;
    match name.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or("")),
        None => name.to_owned(),
    }
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(from, _)| *from == name);
    if let Some((_, to)) = alias
        && known.clone().any(|candidate| candidate == *to)
    {
        return Some(to);
    }
    // Names longer than this cannot be near any built-in one, and the distance
    // below is quadratic.
    if name.len() > 32 {
        return None;
    }
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance where swapping two neighbours counts as one edit.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let replace = cell(&above, column) + usize::from(from != to);
            let mut best = replace
                .min(cell(&above, column + 1) + 1)
                .min(cell(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && left.get(row - 1) == Some(to) && right.get(column - 1) == Some(from);
            if swapped {
                best = best.min(cell(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

fn cell(row: &[usize], column: usize) -> usize {
    row.get(column).copied().unwrap_or(usize::MAX / 2)
}
