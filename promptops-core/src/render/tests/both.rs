//! The two engines side by side: the compiled form, and Tera.

use serde::Serialize;

use super::*;
use crate::base::Location;
use crate::base::error::Error;

/// What renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What a host gets: the compiled form where the templates allow it.
    Compiled,
    /// Tera, whatever the templates are.
    Tera,
}

pub(super) const BOTH: [Form; 2] = [Form::Compiled, Form::Tera];

pub(super) fn compile(form: Form, closure: &Closure, limits: RenderLimits) -> Result<CompiledPrompt> {
    match form {
        Form::Compiled => CompiledPrompt::compile(closure, limits),
        Form::Tera => CompiledPrompt::compile_on_tera(closure, limits),
    }
}

pub(super) fn render_text<P: Serialize + ?Sized>(
    form: Form,
    template: &str,
    snippets: &[(&str, &str)],
    parameters: &P,
) -> Result<String> {
    let closure = resolve(Content::text(template), snippets)?;
    match compile(form, &closure, RenderLimits::default())?.render(parameters)? {
        Rendered::Text(text) => Ok(text),
        Rendered::Chat(_) => unreachable!("a text prompt"),
    }
}

/// How two renderings that do not contradict each other went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    /// The same messages.
    Text,
    /// Errors at the same place.
    Failed,
    /// Errors at different places: which of two wrong parts is told first.
    FailedElsewhere,
    /// A budget ended at least one of them. The engines count differently.
    Limited,
    /// Neither compiles.
    Refused,
}

fn place(error: &Error) -> Option<&Location> {
    error.location()
}

fn is_missing(error: &Error) -> bool {
    ["is missing; pass", "are missing; pass", "a value is missing"]
        .iter()
        .any(|said| error.message().contains(said))
}

pub(super) fn is_limit(error: &Error) -> bool {
    [
        "rendering takes more than",
        "rendering needs more than",
        "the rendered text is longer than",
        "a value is nested deeper than",
    ]
    .iter()
    .any(|said| error.message().contains(said))
}

/// The messages as they are shown when they differ.
pub(super) fn shown(result: &Result<Rendered>) -> String {
    match result {
        Ok(Rendered::Text(text)) => format!("{text:?}"),
        Ok(Rendered::Chat(messages)) => serde_json::to_string(messages).unwrap(),
        Err(error) => format!("{error}"),
    }
}

/// Holds what the compiled form gives against what Tera gives.
pub(super) fn agreed(compiled: &Result<Rendered>, tera: &Result<Rendered>) -> Result<Agreed, String> {
    let differ = |what: &str| {
        Err(format!(
            "{what}:\n  compiled {}\n  Tera     {}",
            shown(compiled),
            shown(tera)
        ))
    };
    match (compiled, tera) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(Agreed::Text),
        (Ok(_), Ok(_)) => differ("different text"),
        (Err(error), _) | (_, Err(error)) if is_limit(error) => Ok(Agreed::Limited),
        (Err(ours), Err(theirs)) => match (is_missing(ours), is_missing(theirs)) {
            _ if place(ours).is_none() != place(theirs).is_none() => differ("only one has a place"),
            (true, true) if place(ours) != place(theirs) => differ("missing at different places"),
            _ if place(ours) == place(theirs) => Ok(Agreed::Failed),
            _ => Ok(Agreed::FailedElsewhere),
        },
        _ => differ("only one is an error"),
    }
}

/// A prompt compiled in both forms.
pub(super) struct Pair {
    compiled: CompiledPrompt,
    tera: CompiledPrompt,
}

impl Pair {
    /// `None` when neither compiles.
    pub(super) fn of(closure: &Closure, limits: RenderLimits) -> Result<Option<Self>, String> {
        match BOTH.map(|form| compile(form, closure, limits)) {
            [Ok(compiled), Ok(tera)] => Ok(Some(Self { compiled, tera })),
            [Err(_), Err(_)] => Ok(None),
            [Ok(_), Err(error)] => Err(format!("only the compiled form compiles; Tera says {error}")),
            [Err(error), Ok(_)] => Err(format!("only Tera compiles; the compiled form says {error}")),
        }
    }

    /// Whether it is the compiled form that is compared with Tera, and not Tera with itself.
    pub(super) fn is_compiled(&self) -> bool {
        *self.compiled.engine() == Engine::Compiled
    }

    /// Renders in both forms.
    pub(super) fn compare<P: Serialize + ?Sized>(&self, parameters: &P) -> Result<Agreed, String> {
        agreed(&self.compiled.render(parameters), &self.tera.render(parameters))
    }

    /// What both say, to be looked at.
    pub(super) fn errors<P: Serialize + ?Sized>(&self, parameters: &P) -> String {
        let [ours, theirs] = [&self.compiled, &self.tera].map(|form| shown(&form.render(parameters)));
        format!("compiled {ours}\n           Tera     {theirs}")
    }
}
