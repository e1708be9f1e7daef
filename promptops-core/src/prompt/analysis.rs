//! What a content's templates use: parsed once, for saving, composing and compiling.

use std::collections::HashMap;

use super::content::{Body, ChatItem, Content};
use super::reference::SnippetReference;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Location, PromptName, VersionNumber};
use crate::template::{Limits, Position, Template, TemplateError};

/// One template of a content, parsed.
#[derive(Debug, Clone)]
pub struct MessageTemplateRef {
    /// Index of its message; `None` for a text prompt.
    pub message: Option<usize>,
    /// The parsed template.
    pub template: Template,
}

/// One include in a content's templates.
#[derive(Debug, Clone)]
pub struct SnippetUse {
    /// The include as written.
    pub written: String,
    /// What it names.
    pub reference: SnippetReference,
    /// Where.
    pub location: Location,
    /// Names that the including template has bound there, so that the snippet needs no parameter for them.
    pub bound: Vec<String>,
}

/// One variable of a content's templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// Its name.
    pub name: String,
    /// Where it is used first.
    pub location: Location,
    /// Whether rendering fails without it; `false` when every use is guarded by `default` or `is defined`.
    pub required: bool,
}

/// What a content's templates are and use.
#[derive(Debug, Clone)]
pub struct ContentAnalysis {
    templates: Vec<MessageTemplateRef>,
    includes: Vec<SnippetUse>,
    variables: Vec<VariableUse>,
    placeholders: Vec<(usize, String)>,
}

impl ContentAnalysis {
    /// Parses the templates. `prompt` and `version` are for error messages.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) with the place for a template that does not parse or breaks a limit;
    /// [`Invalid`](ErrorKind::Invalid) for an include or placeholder that is no name.
    pub fn of(prompt: &PromptName, version: Option<VersionNumber>, content: &Content) -> Result<Self> {
        let mut analysis = Self {
            templates: Vec::new(),
            includes: Vec::new(),
            variables: Vec::new(),
            placeholders: Vec::new(),
        };
        let at = |message: Option<usize>, position: Position| Location {
            prompt: prompt.clone(),
            version: version.map(VersionNumber::get),
            message,
            line: position.line,
            column: position.column,
        };
        let mut places = HashMap::new();
        match &content.body {
            Body::Text { template } => analysis.add(None, template, &at, &mut places)?,
            Body::Chat { messages } => {
                for (i, item) in messages.iter().enumerate() {
                    match item {
                        ChatItem::Message { template, .. } => {
                            analysis.add(Some(i), template, &at, &mut places)?;
                        }
                        ChatItem::Placeholder { placeholder } => analysis.add_placeholder(i, placeholder)?,
                    }
                }
            }
        }
        Ok(analysis)
    }

    fn add(
        &mut self,
        message: Option<usize>,
        source: &str,
        at: &dyn Fn(Option<usize>, Position) -> Location,
        places: &mut HashMap<String, usize>,
    ) -> Result<()> {
        let template = Template::parse(source, &Limits::default())
            .map_err(|error| template_error(&error).at(at(message, error.position)))?;
        let uses = template.uses();
        for include in uses.includes {
            let location = at(message, include.position);
            let reference = include.reference.parse().map_err(|error: Error| {
                Error::new(
                    error.kind(),
                    format!("the include {:?} is not a reference: {error}", include.reference),
                )
                .at(location.clone())
            })?;
            self.includes.push(SnippetUse {
                written: include.reference,
                reference,
                location,
                bound: include.bound,
            });
        }
        for variable in uses.variables {
            let location = at(message, variable.position);
            let variable = VariableUse {
                name: variable.name,
                location,
                required: variable.required,
            };
            self.add_variable(variable, places);
        }
        self.templates.push(MessageTemplateRef { message, template });
        Ok(())
    }

    fn add_placeholder(&mut self, message: usize, name: &str) -> Result<()> {
        let good =
            |(i, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit());
        if name.is_empty() || name.len() > 100 || name.starts_with("__") || !name.char_indices().all(good) {
            return Err(invalid(format!(
                "the placeholder {name:?} is not a parameter name; expected a letter, then letters, digits and _"
            )));
        }
        self.placeholders.push((message, name.to_owned()));
        Ok(())
    }

    /// `places` says where the known ones are.
    fn add_variable(&mut self, variable: VariableUse, places: &mut HashMap<String, usize>) {
        let known = places.get(&variable.name);
        match known.and_then(|place| self.variables.get_mut(*place)) {
            None => {
                places.insert(variable.name.clone(), self.variables.len());
                self.variables.push(variable);
            }
            // The first place that needs it is the one worth showing.
            Some(known) if variable.required && !known.required => *known = variable,
            Some(_) => {}
        }
    }

    /// The parsed templates, in order of messages.
    #[must_use]
    pub fn templates(&self) -> &[MessageTemplateRef] {
        &self.templates
    }

    /// The includes, in order of place.
    #[must_use]
    pub fn includes(&self) -> &[SnippetUse] {
        &self.includes
    }

    /// The variables that the templates take as parameters, in order of first use.
    #[must_use]
    pub fn variables(&self) -> &[VariableUse] {
        &self.variables
    }

    /// The placeholders, as (index of the item, name of the parameter).
    #[must_use]
    pub fn placeholders(&self) -> &[(usize, String)] {
        &self.placeholders
    }
}

fn template_error(error: &TemplateError) -> Error {
    let help = error
        .help
        .as_ref()
        .map_or_else(String::new, |help| format!("; {help}"));
    Error::new(ErrorKind::Template, format!("{}{help}", error.message))
}
