//! Compiled prompts: a closure made ready to render, once, for every request that follows.

use std::fmt;
use std::sync::Arc;

use ::tera::Context;
use serde::Serialize;
use serde_json::Value;

use super::closure::{Closure, Snippet};
use super::limits::RenderLimits;
use super::message::Rendered;
use super::origin::Origin;
use super::params;
use super::tera::{self, Engine, Source};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ClosureHash, Location, PromptName, VersionNumber};
use crate::prompt::{Body, ChatItem, Content, InputSchema, Message, MessageRole, VariableUse};
use crate::template::{NodeKind, Template};

/// A parameter that a prompt takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether rendering fails without it.
    pub required: bool,
    /// Whether it is the list of messages of a placeholder.
    pub is_placeholder: bool,
    /// Where it is used first, in the prompt or one of its snippets; `None` for a placeholder.
    pub location: Option<Location>,
}

/// One piece of the result.
enum Item {
    /// Text without any tag.
    Static(Option<MessageRole>, Box<str>),
    /// A template of the engine, with the length of its source as a first guess of the text's.
    Template(Option<MessageRole>, Box<str>, usize),
    /// Messages from a parameter.
    Placeholder(Box<str>),
}

/// A prompt with all its snippets, ready to render. Immutable.
pub struct CompiledPrompt {
    prompt: PromptName,
    version: Option<VersionNumber>,
    content: Arc<Content>,
    closure_hash: ClosureHash,
    items: Vec<Item>,
    engine: Option<Engine>,
    parameters: Vec<Parameter>,
    schema: Option<InputSchema>,
    has_placeholders: bool,
    limits: RenderLimits,
    bytes: usize,
}

impl CompiledPrompt {
    /// Compiles a closure.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) with the place, for what the engine refuses or a variable that the input
    /// schema does not know; [`Invalid`](ErrorKind::Invalid) for a schema that is none.
    pub fn compile(closure: &Closure, limits: RenderLimits) -> Result<Self> {
        Self::compile_on_tera(closure, limits)
    }

    /// The same, rendered by Tera whatever the templates are: what the compiled form is compared with.
    #[doc(hidden)]
    pub fn compile_on_tera(closure: &Closure, limits: RenderLimits) -> Result<Self> {
        let content = &closure.content;
        let parameters = parameters(closure);
        let schema = content
            .input_schema
            .as_ref()
            .map(|schema| InputSchema::compile("the input schema", schema))
            .transpose()?;
        if let Some(schema) = &schema {
            schema.check_variables(&variables(closure))?;
        }
        let mut items = Vec::new();
        let mut messages = Vec::new();
        let roles: Vec<Option<MessageRole>> = match &content.body {
            Body::Text { .. } => vec![None],
            Body::Chat { messages } => messages
                .iter()
                .map(|item| match item {
                    ChatItem::Message { role, .. } => Some(*role),
                    ChatItem::Placeholder { .. } => None,
                })
                .collect(),
        };
        for parsed in closure.analysis.templates() {
            let role = roles.get(parsed.message.unwrap_or(0)).copied().flatten();
            let at = parsed.message.unwrap_or(0);
            match static_text(&parsed.template) {
                Some(text) => items.push((at, Item::Static(role, text.into()))),
                None => {
                    // Not a name that an include could have.
                    let name = format!("#{at}");
                    let guess = parsed.template.source().len();
                    items.push((at, Item::Template(role, name.clone().into(), guess)));
                    let origin = Origin {
                        prompt: closure.prompt.clone(),
                        version: closure.version,
                        message: parsed.message,
                        content: Arc::clone(content),
                    };
                    messages.push(Source {
                        name,
                        template: &parsed.template,
                        origin,
                    });
                }
            }
        }
        let placeholders = closure.analysis.placeholders();
        items.extend(
            placeholders
                .iter()
                .map(|(at, name)| (*at, Item::Placeholder(name.as_str().into()))),
        );
        items.sort_by_key(|(at, _)| *at);
        let items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
        let engine = if messages.is_empty() {
            None
        } else {
            Some(Engine::compile(messages, innermost_first(&closure.snippets))?)
        };
        let bytes = size_of::<Self>()
            + engine.as_ref().map_or(0, Engine::bytes)
            + content_bytes(content)
            + schema.as_ref().map_or(0, InputSchema::bytes)
            + parameters.len() * (size_of::<Parameter>() + 64);
        Ok(Self {
            prompt: closure.prompt.clone(),
            version: closure.version,
            content: Arc::clone(content),
            closure_hash: closure.hash,
            items,
            engine,
            parameters,
            schema,
            has_placeholders: !placeholders.is_empty(),
            limits,
            bytes,
        })
    }

    /// Renders with these parameters: a struct, a map, or `serde_json::json!({…})`.
    ///
    /// A value is text and never read as a template. A parameter that is not used is ignored, unless the input schema
    /// refuses it; a prompt of text alone, without a schema, looks at no parameters at all.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) with the place, for a missing variable, a value of a wrong kind, or a limit
    /// that is broken; [`Invalid`](ErrorKind::Invalid) for parameters that are no map or do not fit the input schema.
    pub fn render<P: Serialize + ?Sized>(&self, parameters: &P) -> Result<Rendered> {
        self.render_inner(parameters)
            .map_err(|error| match error.location() {
                Some(_) => error,
                None => error.with("prompt", self.label()),
            })
    }

    fn render_inner<P: Serialize + ?Sized>(&self, parameters: &P) -> Result<Rendered> {
        let mut json = if self.schema.is_some() || self.has_placeholders {
            Some(params::json(parameters)?.into_owned())
        } else {
            None
        };
        // What is missing is told with its place, before the schema tells of it without.
        if let (Some(schema), Some(json)) = (&self.schema, &json) {
            self.check_required(|name| json.get(name).is_some())?;
            schema.check(json)?;
        }
        // A history is not for the engine: it can be long, and the context would be another copy of it.
        let mut histories = serde_json::Map::new();
        if let Some(Value::Object(values)) = &mut json {
            let only = |parameter: &&Parameter| parameter.is_placeholder && parameter.location.is_none();
            for parameter in self.parameters.iter().filter(only) {
                histories.extend(values.remove_entry(&parameter.name));
            }
        }
        let context = match (&self.engine, &json) {
            (None, _) => Context::new(),
            (Some(_), Some(json)) => params::context(json)?,
            (Some(_), None) => params::context(parameters)?,
        };
        if self.engine.is_some() && self.schema.is_none() {
            self.check_required(|name| context.contains_key(name))?;
        }
        tera::with_budget(&self.limits, || {
            let mut left = self.limits.output_bytes;
            match (&self.content.body, self.items.as_slice()) {
                (Body::Text { .. }, [item]) => self.text(item, &context, &mut left).map(Rendered::Text),
                _ => {
                    let mut messages = Vec::with_capacity(self.items.len());
                    for item in &self.items {
                        match item {
                            Item::Placeholder(name) => {
                                let both = || json.as_ref().and_then(|json| json.get(&**name));
                                let history = histories.get(&**name).or_else(both);
                                messages.extend(params::messages(name, history, &mut left)?);
                            }
                            Item::Static(role, _) | Item::Template(role, ..) => {
                                let text = self.text(item, &context, &mut left)?;
                                messages.push(Message::new(role.unwrap_or(MessageRole::User), text));
                            }
                        }
                    }
                    Ok(Rendered::Chat(messages))
                }
            }
        })
    }

    fn text(&self, item: &Item, context: &Context, left: &mut usize) -> Result<String> {
        match item {
            Item::Static(_, text) => {
                *left = left.saturating_sub(text.len());
                Ok(text.to_string())
            }
            Item::Template(_, name, guess) => {
                let mut out = Vec::with_capacity(guess * 2);
                if let Some(engine) = &self.engine {
                    engine.render(name, context, &self.limits, *left, &mut out)?;
                }
                *left -= out.len().min(*left);
                String::from_utf8(out).map_err(|e| {
                    Error::new(ErrorKind::Template, "the rendered text is not UTF-8").caused_by(e)
                })
            }
            Item::Placeholder(_) => Ok(String::new()),
        }
    }

    fn check_required(&self, has: impl Fn(&str) -> bool) -> Result<()> {
        let missing =
            |parameter: &&Parameter| parameter.required && !parameter.is_placeholder && !has(&parameter.name);
        let Some(first) = self.parameters.iter().find(missing) else {
            return Ok(());
        };
        let mut names: Vec<String> = self
            .parameters
            .iter()
            .filter(missing)
            .map(|parameter| format!("`{}`", shortened(&parameter.name)))
            .collect();
        if names.len() > MAX_LISTED {
            let more = names.len() - MAX_LISTED;
            names.truncate(MAX_LISTED);
            names.push(format!("and {more} more"));
        }
        let what = match names.as_slice() {
            [name] => format!("the variable {name} is missing; pass it as a parameter"),
            names => format!(
                "the variables {} are missing; pass them as parameters",
                names.join(", ")
            ),
        };
        let error = Error::new(ErrorKind::Template, what);
        Err(match &first.location {
            Some(location) => error.at(location.clone()),
            None => error,
        })
    }

    fn label(&self) -> String {
        match self.version {
            Some(version) => format!("{} {version}", self.prompt),
            None => self.prompt.to_string(),
        }
    }

    /// What the version says.
    #[must_use]
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// The identity of the prompt with its snippets.
    #[must_use]
    pub fn closure_hash(&self) -> ClosureHash {
        self.closure_hash
    }

    /// The parameters that it takes, in order of first use, placeholders last.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// About how many bytes it keeps in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for CompiledPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledPrompt")
            .field("prompt", &self.label())
            .field("closure_hash", &self.closure_hash)
            .finish_non_exhaustive()
    }
}

/// Most missing variables that one error lists.
const MAX_LISTED: usize = 20;

/// A name for a message, cut when it is absurdly long.
fn shortened(name: &str) -> &str {
    const LONGEST: usize = 80;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => name.get(..end).unwrap_or_default(),
        None => name,
    }
}

/// About how many bytes a content keeps: its texts, and a guess for the rest.
fn content_bytes(content: &Content) -> usize {
    let texts: usize = match &content.body {
        Body::Text { template } => template.len(),
        Body::Chat { messages } => messages
            .iter()
            .map(|item| match item {
                ChatItem::Message { template, .. } => template.len() + size_of::<ChatItem>(),
                ChatItem::Placeholder { placeholder } => placeholder.len() + size_of::<ChatItem>(),
            })
            .sum(),
    };
    let schemas = [&content.input_schema, &content.output_schema];
    let tools = content.tools.iter().map(|tool| &tool.parameters);
    texts
        + schemas
            .into_iter()
            .flatten()
            .chain(tools)
            .map(json_bytes)
            .sum::<usize>()
}

fn json_bytes(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    match value {
        Value::String(text) => NODE + text.len(),
        Value::Array(items) => NODE + items.iter().map(json_bytes).sum::<usize>(),
        Value::Object(map) => {
            NODE + map
                .iter()
                .map(|(key, value)| NODE + key.len() + json_bytes(value))
                .sum::<usize>()
        }
        _ => NODE,
    }
}

/// The text of a template that has no tag.
fn static_text(template: &Template) -> Option<String> {
    template
        .nodes
        .iter()
        .map(|node| match &node.kind {
            NodeKind::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Every snippet after those that it includes.
fn innermost_first(snippets: &[Snippet]) -> Vec<Source<'_>> {
    fn visit<'a>(
        snippet: &'a Snippet,
        all: &'a [Snippet],
        done: &mut Vec<&'a str>,
        out: &mut Vec<Source<'a>>,
    ) {
        if done.contains(&snippet.reference.as_str()) {
            return;
        }
        done.push(&snippet.reference);
        for include in snippet.analysis.includes() {
            if let Some(inner) = all.iter().find(|inner| inner.reference == include.written) {
                visit(inner, all, done, out);
            }
        }
        if let Some(parsed) = snippet.analysis.templates().first() {
            out.push(Source {
                name: snippet.reference.clone(),
                template: &parsed.template,
                origin: Origin {
                    prompt: snippet.source.prompt.clone(),
                    version: Some(snippet.source.version),
                    message: None,
                    content: Arc::clone(&snippet.source.content),
                },
            });
        }
    }
    let mut done = Vec::new();
    let mut out = Vec::new();
    for snippet in snippets {
        visit(snippet, snippets, &mut done, &mut out);
    }
    out
}

/// The variables of the prompt and of its snippets that nothing binds on the way.
fn variables(closure: &Closure) -> Vec<VariableUse> {
    let mut found: Vec<VariableUse> = Vec::new();
    let mut add = |variable: &VariableUse| match found.iter_mut().find(|known| known.name == variable.name) {
        None => found.push(variable.clone()),
        Some(known) if variable.required && !known.required => *known = variable.clone(),
        Some(_) => {}
    };
    for variable in closure.analysis.variables() {
        add(variable);
    }
    // Snippets with the names bound around them; the same snippet may be included in several places.
    let mut open: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for include in closure.analysis.includes() {
        open.push((
            &include.written,
            include.bound.iter().map(String::as_str).collect(),
        ));
    }
    while let Some((reference, bound)) = open.pop() {
        if seen
            .iter()
            .any(|(name, names)| *name == reference && *names == bound)
        {
            continue;
        }
        let Some(snippet) = closure
            .snippets
            .iter()
            .find(|snippet| snippet.reference == reference)
        else {
            continue;
        };
        for variable in snippet.analysis.variables() {
            if !bound.contains(&variable.name.as_str()) {
                add(variable);
            }
        }
        for include in snippet.analysis.includes() {
            let mut inner = bound.clone();
            inner.extend(include.bound.iter().map(String::as_str));
            inner.sort_unstable();
            inner.dedup();
            open.push((&include.written, inner));
        }
        seen.push((reference, bound));
    }
    found
}

fn parameters(closure: &Closure) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = variables(closure)
        .into_iter()
        .map(|variable| Parameter {
            name: variable.name,
            required: variable.required,
            is_placeholder: false,
            location: Some(variable.location),
        })
        .collect();
    for (_, name) in closure.analysis.placeholders() {
        match parameters.iter_mut().find(|parameter| parameter.name == *name) {
            Some(parameter) => parameter.is_placeholder = true,
            None => parameters.push(Parameter {
                name: name.clone(),
                required: true,
                is_placeholder: true,
                location: None,
            }),
        }
    }
    parameters
}
