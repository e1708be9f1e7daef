//! Values as text: what Tera prints.

use std::fmt::{self, Write as _};

use super::budget::{Budget, Fault, Faulty};
use super::value::{Key, MAX_DEPTH, Val};

/// Where text goes.
pub(super) trait Sink {
    /// Adds text, as far as it may become longer.
    fn push(&mut self, text: &str) -> Faulty<()>;
}

/// A text that a value is made of, paid for from the budget.
pub(super) struct Scratch<'b> {
    pub(super) text: String,
    budget: &'b mut Budget,
}

impl<'b> Scratch<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self::onto(String::new(), budget)
    }

    /// Behind what is there already, and paid for.
    pub(super) fn onto(text: String, budget: &'b mut Budget) -> Self {
        Self { text, budget }
    }
}

impl Sink for Scratch<'_> {
    fn push(&mut self, text: &str) -> Faulty<()> {
        self.budget.make(text.len())?;
        self.text.push_str(text);
        Ok(())
    }
}

/// Prints a value: text as it is, numbers, `true` and `false`, nothing for `none`, lists and maps with their texts in
/// quotes.
#[inline]
pub(super) fn print(value: &Val<'_>, out: &mut impl Sink) -> Faulty<()> {
    match value {
        Val::Str(text) => out.push(text),
        Val::Text(text) => out.push(text),
        // The parameters themselves are the first level.
        value => inner(value, out, 1),
    }
}

fn inner(value: &Val<'_>, out: &mut impl Sink, depth: usize) -> Faulty<()> {
    if depth > MAX_DEPTH {
        return Err(Fault::Depth);
    }
    match value {
        Val::Undefined | Val::None => Ok(()),
        Val::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Val::Int(value) => match i64::try_from(*value) {
            Ok(value) => write(out, format_args!("{value}")),
            Err(_) => write(out, format_args!("{value}")),
        },
        Val::Huge(value) => write(out, format_args!("{value}")),
        // As Debug has it: whole ones keep their `.0`.
        Val::Float(value) => write(out, format_args!("{value:?}")),
        Val::Str(text) => quoted(text, out),
        Val::Text(text) => quoted(text, out),
        Val::List(list) => {
            out.push("[")?;
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(", ")?;
                }
                inner(&item, out, depth + 1)?;
            }
            out.push("]")
        }
        Val::Map(map) => {
            out.push("{")?;
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(", ")?;
                }
                match key {
                    Key::Str(key) => quoted(key, out)?,
                    key => inner(&Val::from(key), out, depth)?,
                }
                out.push(": ")?;
                inner(&value, out, depth + 1)?;
            }
            out.push("}")
        }
    }
}

/// A text in quotes, with escapes as Debug has them.
fn quoted(text: &str, out: &mut impl Sink) -> Faulty<()> {
    write(out, format_args!("{text:?}"))
}

fn write(out: &mut impl Sink, arguments: fmt::Arguments<'_>) -> Faulty<()> {
    struct Writer<'s, S> {
        out: &'s mut S,
        fault: Option<Fault>,
    }
    impl<S: Sink> fmt::Write for Writer<'_, S> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.out.push(text).map_err(|fault| {
                self.fault = Some(fault);
                fmt::Error
            })
        }
    }
    let mut writer = Writer { out, fault: None };
    match writer.write_fmt(arguments) {
        Ok(()) => Ok(()),
        Err(fmt::Error) => Err(writer.fault.unwrap_or(Fault::Output)),
    }
}
