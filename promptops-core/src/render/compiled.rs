//! Compiled prompts: a closure made ready to render, once, for every request that follows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ::tera::Context;
use serde::Serialize;
use serde_json::Value;

use super::bytes::content_bytes;
use super::closure::Closure;
use super::engine::Engine;
use super::limits::RenderLimits;
use super::message::Rendered;
use super::parameter::{Parameter, parameters, variables};
use super::params;
use super::program::{NeedsTera, Program, Run, value::Map};
use super::source;
use super::tera;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ClosureHash, PromptName, VersionNumber};
use crate::prompt::{Body, ChatItem, Content, InputSchema, Message, MessageRole};
use crate::template::Position;

/// One piece of the result.
enum Item {
    /// A message with its place among those that are rendered.
    Message(MessageRole, usize),
    /// Messages from a parameter.
    Placeholder(Box<str>),
}

/// What renders the messages.
enum Form {
    Compiled(Program),
    Tera(Box<tera::Engine>),
}

/// A prompt with all its snippets, ready to render. Immutable.
pub struct CompiledPrompt {
    prompt: PromptName,
    version: Option<VersionNumber>,
    content: Arc<Content>,
    closure_hash: ClosureHash,
    items: Box<[Item]>,
    form: Form,
    engine: Engine,
    /// About how long each message becomes, as far as is known by now.
    lengths: Box<[AtomicU32]>,
    parameters: Vec<Parameter>,
    /// The required ones, as places among the names of the program.
    required: Box<[usize]>,
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
        Self::compile_with(closure, limits, |sources, names| {
            Program::build(&sources.messages, &sources.snippets, names)
        })
    }

    /// The same, rendered by Tera whatever the templates are: what the compiled form is compared with.
    #[doc(hidden)]
    pub fn compile_on_tera(closure: &Closure, limits: RenderLimits) -> Result<Self> {
        Self::compile_with(closure, limits, |sources, _| {
            Err(Box::new(NeedsTera {
                construct: "comparison".to_owned(),
                origin: match sources.messages.first() {
                    Some(source) => source.origin.clone(),
                    None => return Program::build(&[], &[], &[]),
                },
                span: Default::default(),
            }))
        })
    }

    fn compile_with(
        closure: &Closure,
        limits: RenderLimits,
        build: impl FnOnce(&Sources<'_>, &[&str]) -> Result<Program, Box<NeedsTera>>,
    ) -> Result<Self> {
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
        let (places, messages) = source::messages(closure);
        let sources = Sources {
            messages,
            snippets: source::snippets(closure),
        };
        let items = items(content, &places);
        let lengths = sources
            .messages
            .iter()
            .map(|source| AtomicU32::new(u32::try_from(source.template.source().len()).unwrap_or(u32::MAX)))
            .collect();
        let needed = parameters
            .iter()
            .enumerate()
            .filter(|(_, parameter)| is_required(parameter));
        let required = needed.map(|(place, _)| place).collect();
        let variables = parameters.iter().filter(|parameter| parameter.location.is_some());
        let names: Vec<&str> = variables.map(|parameter| parameter.name.as_str()).collect();
        let (form, engine) = match build(&sources, &names) {
            Ok(program) => (Form::Compiled(program), Engine::Compiled),
            Err(needs) => {
                let position = Position::of(needs.origin.source(), needs.span.start);
                let engine = Engine::Tera {
                    construct: needs.construct,
                    location: needs.origin.at(position),
                };
                let compiled = tera::Engine::compile(sources.messages, sources.snippets)?;
                let form = Form::Tera(Box::new(compiled));
                (form, engine)
            }
        };
        let bytes = BASE_BYTES
            + size_of::<Self>()
            + match &form {
                Form::Compiled(program) => program.bytes(),
                Form::Tera(engine) => engine.bytes(),
            }
            + content_bytes(content)
            + schema.as_ref().map_or(0, InputSchema::bytes)
            + parameters.len() * (size_of::<Parameter>() + 64);
        Ok(Self {
            prompt: closure.prompt.clone(),
            version: closure.version,
            content: Arc::clone(content),
            closure_hash: closure.hash,
            has_placeholders: items.iter().any(|item| matches!(item, Item::Placeholder(_))),
            items,
            form,
            engine,
            lengths,
            parameters,
            required,
            schema,
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
        let rendered = match &self.form {
            Form::Compiled(program) => self.render_compiled(program, parameters),
            Form::Tera(engine) => self.render_on_tera(engine, parameters),
        };
        rendered.map_err(|error| match error.location() {
            Some(_) => error,
            None => error.with("prompt", self.label()),
        })
    }

    fn render_compiled<P: Serialize + ?Sized>(&self, program: &Program, parameters: &P) -> Result<Rendered> {
        if self.schema.is_some() || self.has_placeholders {
            let json = params::json(parameters)?;
            self.run(program, params::map(&json), Some(&json))
        } else if program.names().is_empty() {
            self.run(program, params::none(), None)
        } else if let Some(map) = params::borrowed(parameters) {
            self.run(program, map?, None)
        } else {
            let captured = params::Captured::of(parameters, &|name| program.place(name).is_some())?;
            self.run(program, captured.as_map(), None)
        }
    }

    fn run(&self, program: &Program, parameters: Map<'_>, json: Option<&Value>) -> Result<Rendered> {
        let mut run = Run::new(program, &self.limits, parameters);
        // What is missing is told with its place, before the schema tells of it without.
        if !self.required.iter().all(|parameter| run.has(*parameter)) {
            self.check_required(|name| parameters.get_str(name).is_some())?;
        }
        if let (Some(schema), Some(json)) = (&self.schema, json) {
            schema.check(json)?;
        }
        self.assemble(json, &mut run)
    }

    fn render_on_tera<P: Serialize + ?Sized>(
        &self,
        engine: &tera::Engine,
        parameters: &P,
    ) -> Result<Rendered> {
        if self.schema.is_none() && !self.has_placeholders {
            let context = params::context(parameters)?;
            self.check_required(|name| context.contains_key(name))?;
            return self.render_context(engine, &context, None);
        }
        let json = params::json(parameters)?;
        if let Some(schema) = &self.schema {
            self.check_required(|name| json.get(name).is_some())?;
            schema.check(&json)?;
        }
        // A history is not for the engine: it can be long, and the context would be another copy of it.
        let only = |name: &String| {
            let parameter = self.parameters.iter().find(|parameter| parameter.name == *name);
            parameter.is_some_and(|parameter| parameter.is_placeholder && parameter.location.is_none())
        };
        let context = match &*json {
            Value::Object(values) if values.keys().any(only) => {
                let values = values.iter().filter(|(name, _)| !only(name));
                params::context(&values.collect::<std::collections::BTreeMap<_, _>>())?
            }
            json => params::context(json)?,
        };
        if self.schema.is_none() {
            self.check_required(|name| context.contains_key(name))?;
        }
        self.render_context(engine, &context, Some(&json))
    }

    fn render_context(
        &self,
        engine: &tera::Engine,
        context: &Context,
        json: Option<&Value>,
    ) -> Result<Rendered> {
        tera::with_budget(&self.limits, || {
            self.assemble(
                json,
                &mut OnTera {
                    engine,
                    context,
                    limits: &self.limits,
                    left: self.limits.output_bytes,
                },
            )
        })
    }

    fn assemble(&self, json: Option<&Value>, messages: &mut impl Messages) -> Result<Rendered> {
        if let (Body::Text { .. }, [Item::Message(_, place)]) = (&self.content.body, &*self.items) {
            return self.message(messages, *place).map(Rendered::Text);
        }
        let mut rendered = Vec::with_capacity(self.items.len());
        for item in &self.items {
            match item {
                Item::Message(role, place) => {
                    rendered.push(Message::new(*role, self.message(messages, *place)?))
                }
                Item::Placeholder(name) => {
                    let history = json.and_then(|json| json.get(&**name));
                    params::add_messages(name, history, messages.left(), &mut rendered)?;
                }
            }
        }
        Ok(Rendered::Chat(rendered))
    }

    fn message(&self, messages: &mut impl Messages, place: usize) -> Result<String> {
        let Some(length) = self.lengths.get(place) else {
            return messages.message(place, 0);
        };
        let guess = length.load(Ordering::Relaxed);
        let text = messages.message(place, guess as usize)?;
        let now = u32::try_from(text.len()).unwrap_or(u32::MAX);
        // Followed at a distance: threads share the figure, and a long one must not be paid for ever after.
        if now > guess || now < guess / 2 {
            let next = if now > guess {
                now.saturating_add(now / 8)
            } else {
                guess - guess / 4
            };
            length.store(next, Ordering::Relaxed);
        }
        Ok(text)
    }

    fn check_required(&self, has: impl Fn(&str) -> bool) -> Result<()> {
        let missing = |parameter: &&Parameter| is_required(parameter) && !has(&parameter.name);
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

    /// What renders it, and where Tera does, what needs it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
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

struct Sources<'a> {
    messages: Vec<source::Source<'a>>,
    snippets: Vec<source::Source<'a>>,
}

/// What makes the text of messages, one after the other.
trait Messages {
    /// The text of the message at this place, of about so many bytes.
    fn message(&mut self, place: usize, guess: usize) -> Result<String>;

    /// How many more bytes there may be.
    fn left(&mut self) -> &mut usize;
}

impl Messages for Run<'_> {
    fn message(&mut self, place: usize, guess: usize) -> Result<String> {
        self.message(place, guess)
    }

    fn left(&mut self) -> &mut usize {
        self.left()
    }
}

struct OnTera<'a> {
    engine: &'a tera::Engine,
    context: &'a Context,
    limits: &'a RenderLimits,
    left: usize,
}

impl Messages for OnTera<'_> {
    fn message(&mut self, place: usize, guess: usize) -> Result<String> {
        let mut out = Vec::with_capacity(guess.min(self.left));
        let name = source::message_name(place);
        self.engine
            .render(&name, self.context, self.limits, self.left, &mut out)?;
        self.left -= out.len().min(self.left);
        String::from_utf8(out)
            .map_err(|e| Error::new(ErrorKind::Template, "the rendered text is not UTF-8").caused_by(e))
    }

    fn left(&mut self) -> &mut usize {
        &mut self.left
    }
}

/// The items of a content; `places` are those of its messages among them.
fn items(content: &Content, places: &[usize]) -> Box<[Item]> {
    let message = |at: usize, role: MessageRole| {
        let place = places.iter().position(|place| *place == at)?;
        Some(Item::Message(role, place))
    };
    match &content.body {
        Body::Text { .. } => message(0, MessageRole::User).into_iter().collect(),
        Body::Chat { messages } => messages
            .iter()
            .enumerate()
            .filter_map(|(at, item)| match item {
                ChatItem::Message { role, .. } => message(at, *role),
                ChatItem::Placeholder { placeholder } => Some(Item::Placeholder(placeholder.as_str().into())),
            })
            .collect(),
    }
}

fn is_required(parameter: &Parameter) -> bool {
    parameter.required && !parameter.is_placeholder
}

/// What comes with every compiled prompt, and is not looked into: names, places, what holds it; see the memory bench.
const BASE_BYTES: usize = 900;

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
