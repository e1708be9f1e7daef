//! What puts something else into a text: `replace`, `escape_…`, `newlines_to_br`, `indent`.

use crate::render::program::arguments::{boolean, integer, required, text};
use crate::render::program::budget::{Budget, Fault, Faulty};
use crate::render::program::value::Val;

/// Widest indentation: what Tera takes.
const MAX_WIDTH: usize = 1000;
const USUAL_WIDTH: usize = 4;

/// Every `from` as `to`; between all characters, when `from` is empty.
pub(super) fn replace<'a>(
    input: &Val<'a>,
    from: Option<&Val<'a>>,
    to: Option<&Val<'a>>,
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let from = text(required(from, "from")?)?;
    let to = text(required(to, "to")?)?;
    budget.read(whole.len().saturating_add(from.len()))?;
    let found = whole.matches(from).count();
    if found == 0 {
        return Ok(input.clone());
    }
    let kept = whole.len() - found * from.len();
    let len = found.saturating_mul(to.len()).saturating_add(kept);
    budget.make(len)?;
    let mut replaced = Built::new(whole, len);
    for (at, _) in whole.match_indices(from) {
        replaced.put(at, from.len(), to);
    }
    Ok(replaced.done())
}

/// With what HTML and XML give a meaning to as entities; they differ in that of the apostrophe.
pub(super) fn escape<'a>(input: &Val<'a>, apostrophe: &'static str, budget: &mut Budget) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let entity = |byte: u8| {
        Some(match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => apostrophe,
            _ => return None,
        })
    };
    budget.read(whole.len())?;
    let longer = whole.bytes().filter_map(entity).map(|entity| entity.len() - 1);
    let longer = longer.fold(0_usize, usize::saturating_add);
    if longer == 0 {
        return Ok(input.clone());
    }
    let len = whole.len().saturating_add(longer);
    budget.make(len)?;
    let mut escaped = Built::new(whole, len);
    for (at, byte) in whole.bytes().enumerate() {
        if let Some(entity) = entity(byte) {
            escaped.put(at, 1, entity);
        }
    }
    Ok(escaped.done())
}

/// Every end of a line as `<br>`, whichever way it is written.
pub(super) fn newlines_to_br<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    const BREAK: &str = "<br>";
    let whole = text(input)?;
    budget.read(whole.len())?;
    let ends = || {
        let bytes = whole.as_bytes();
        bytes.iter().enumerate().filter_map(move |(at, byte)| match byte {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => Some((at, 2)),
            b'\n' if at > 0 && bytes.get(at - 1) == Some(&b'\r') => None,
            b'\r' | b'\n' => Some((at, 1)),
            _ => None,
        })
    };
    let (found, replaced) = ends().fold((0, 0), |(found, bytes), (_, len)| (found + 1, bytes + len));
    if found == 0 {
        return Ok(input.clone());
    }
    let len = (whole.len() - replaced).saturating_add(BREAK.len().saturating_mul(found));
    budget.make(len)?;
    let mut broken = Built::new(whole, len);
    for (at, len) in ends() {
        broken.put(at, len, BREAK);
    }
    Ok(broken.done())
}

/// Every line behind spaces, or another character: but for the first line and empty ones, unless asked for. Takes
/// `blank`, `first`, `indentation` and `width`.
pub(super) fn indent<'a>(
    input: &Val<'a>,
    [blank, first, indentation, width]: [Option<&Val<'a>>; 4],
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let whole = text(input)?;
    let width = width.map_or(Ok(USUAL_WIDTH), integer::<usize>)?.min(MAX_WIDTH);
    let indentation = indentation.map_or(Ok(" "), text)?;
    let first = first.map_or(Ok(false), boolean)?;
    let blank = blank.map_or(Ok(false), boolean)?;
    let mut characters = indentation.chars();
    if characters.next().is_none() || characters.next().is_some() {
        return Err(Fault::Call(
            "The `indentation` argument must contain exactly one character".into(),
        ));
    }
    let is_indented = |i: usize, line: &str| if i == 0 { first } else { blank || !line.is_empty() };
    budget.read(whole.len())?;
    let indented = whole
        .lines()
        .enumerate()
        .filter(|(i, line)| is_indented(*i, line));
    let added = indented.count().saturating_mul(width * indentation.len());
    // Ends of lines become shorter, if anything.
    let len = whole.len().saturating_add(added);
    budget.make(len)?;
    let indentation = indentation.repeat(width);
    let mut text = String::with_capacity(len);
    for (i, line) in whole.lines().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        if is_indented(i, line) {
            text.push_str(&indentation);
        }
        text.push_str(line);
    }
    if whole.ends_with('\n') {
        text.push('\n');
    }
    Ok(Val::text(text))
}

/// A text of parts of another one and of what is put between them.
struct Built<'t> {
    whole: &'t str,
    /// Bytes of it that are done.
    done: usize,
    text: String,
}

impl<'t> Built<'t> {
    fn new(whole: &'t str, len: usize) -> Self {
        Self {
            whole,
            done: 0,
            text: String::with_capacity(len),
        }
    }

    /// Puts something in the place of so many bytes.
    fn put(&mut self, at: usize, len: usize, instead: &str) {
        self.text
            .push_str(self.whole.get(self.done..at).unwrap_or_default());
        self.text.push_str(instead);
        self.done = at + len;
    }

    fn done(mut self) -> Val<'static> {
        self.text
            .push_str(self.whole.get(self.done..).unwrap_or_default());
        Val::text(self.text)
    }
}
