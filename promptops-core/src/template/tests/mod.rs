//! Tests, most of them against Tera itself.

pub(crate) mod bombs;
pub(crate) mod corpus;
mod differential;
mod errors;
pub(crate) mod fuzz;
mod spans;
mod structure;
mod variables;

use super::{Limits, Template, TemplateError, TemplateErrorKind};

pub(super) fn parse(source: &str) -> Result<Template, TemplateError> {
    Template::parse(source, &Limits::default())
}

/// Whether Tera accepts `source` when the templates it includes exist.
pub(super) fn tera_accepts(source: &str) -> Result<tera::Tera, String> {
    let mut engine = tera::Tera::default();
    engine.autoescape_on(Vec::<&str>::new());
    let mut templates = vec![("main template", source), ("part", "P"), ("part.txt", "P")];
    let parsed = parse(source);
    let includes = parsed.map(|template| template.includes()).unwrap_or_default();
    for include in &includes {
        if !templates.iter().any(|(name, _)| *name == include.reference) {
            templates.push((&include.reference, "P"));
        }
    }
    engine
        .add_raw_templates(templates)
        .map_err(|error| error.to_string())?;
    Ok(engine)
}

/// The rule that ties this parser to Tera.
pub(super) fn compare(source: &str) -> Result<(), String> {
    let ours = parse(source);
    let theirs = tera_accepts(source);
    match (ours, theirs) {
        (Ok(_), Err(error)) => Err(format!("only Tera refuses {source:?}: {error}")),
        (Err(error), Ok(_)) if error.kind == TemplateErrorKind::Syntax => {
            Err(format!("only we refuse {source:?}: {error}"))
        }
        _ => Ok(()),
    }
}
