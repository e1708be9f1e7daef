//! Running a program: nodes, from the first to the last.

use std::fmt;

use super::budget::{Budget, Fault, Faulty};
use super::code::{At, Capture, FEW_NAMES, For, If, Include, Node, Path, Place, Program};
use super::print::{Sink, print};
use super::value::{Key, List, Map, Val};
use crate::base::error::{Error, ErrorKind, Result};
use crate::render::limits::RenderLimits;
use crate::render::origin::missing_message;
use crate::template::{Position, Span};

/// Places for values that are made or emptied in one step.
const SLOTS_PER_STEP: u64 = 8;

/// One rendering of a program's messages: they share one budget.
pub(in crate::render) struct Run<'a> {
    pub(super) program: &'a Program,
    /// The parameters in the order of [`Program::names`], then the slots of the template that is rendered, then those of
    /// the snippet that it includes, and so on. `None` where nothing is.
    pub(super) values: Vec<Option<Val<'a>>>,
    /// Where the slots of the present template begin.
    pub(super) base: usize,
    /// Which template is rendered.
    template: usize,
    pub(super) out: Out,
}

/// The text so far.
pub(super) struct Out {
    text: String,
    /// How many more bytes there may be.
    left: usize,
    /// Whether the text is to become a value.
    captures: bool,
    pub(super) budget: Budget,
}

impl Sink for Out {
    #[inline]
    fn push(&mut self, text: &str) -> Faulty<()> {
        if self.captures {
            self.budget.make(text.len())?;
        } else {
            self.left = self.left.checked_sub(text.len()).ok_or(Fault::Output)?;
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// Why a template could not be rendered to its end.
#[derive(Debug)]
pub(super) struct Failure {
    fault: Fault,
    /// Where; `None` until some part of the template knows.
    at: Option<At>,
    /// In which template.
    template: usize,
}

/// A result whose error has a place.
pub(super) type Outcome<T> = std::result::Result<T, Box<Failure>>;

/// How nodes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The value at a place.
#[inline]
pub(super) fn find<'v, 'a>(
    values: &'v [Option<Val<'a>>],
    base: usize,
    mut place: &Place,
) -> Option<&'v Val<'a>> {
    loop {
        match place {
            Place::Parameter(at) => return values.get(*at as usize)?.as_ref(),
            Place::Slot(slot) => return values.get(base + *slot as usize)?.as_ref(),
            Place::FirstOf(places) => {
                let set = |slot: &u32| values.get(base + *slot as usize)?.as_ref();
                match places.0.iter().find_map(set) {
                    Some(value) => return Some(value),
                    None => place = &places.1,
                }
            }
        }
    }
}

impl<'a> Run<'a> {
    /// Looks the parameters up.
    pub(in crate::render) fn new(program: &'a Program, limits: &RenderLimits, parameters: Map<'a>) -> Self {
        let mut values = Vec::with_capacity(program.names.len() + program.slots);
        if matches!(parameters, Map::Captured(_)) && program.names.len() > FEW_NAMES {
            // Each looked up by itself would go through all the others.
            values.resize(program.names.len(), None);
            for (key, value) in parameters.iter() {
                let Key::Str(name) = key else { continue };
                if let Some(place) = program.place(name).and_then(|at| values.get_mut(at)) {
                    *place = Some(value);
                }
            }
        } else {
            values.extend(program.names.iter().map(|name| parameters.get_str(name)));
        }
        Self {
            program,
            values,
            base: 0,
            template: 0,
            out: Out {
                text: String::new(),
                left: limits.output_bytes,
                captures: false,
                budget: Budget::new(limits),
            },
        }
    }

    /// Whether the parameter at this place among [`Program::names`] is there.
    pub(in crate::render) fn has(&self, parameter: usize) -> bool {
        self.values.get(parameter).is_some_and(Option::is_some)
    }

    /// How many more bytes of output there may be.
    pub(in crate::render) fn left(&mut self) -> &mut usize {
        &mut self.out.left
    }

    /// Renders a message; `guess` is how many bytes it may become.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) with the place.
    pub(in crate::render) fn message(&mut self, message: usize, guess: usize) -> Result<String> {
        let Some(template) = self.program.templates.get(message) else {
            return Ok(String::new());
        };
        self.template = message;
        self.base = self.program.names.len();
        self.values.truncate(self.base);
        self.values.resize(self.base + template.slots, None);
        self.out.text = String::with_capacity(guess.min(self.out.left));
        match self.nodes(&template.nodes) {
            Ok(_) => Ok(std::mem::take(&mut self.out.text)),
            Err(failure) => Err(self.error(*failure)),
        }
    }

    pub(super) fn fail<T>(&self, fault: Fault, at: At) -> Outcome<T> {
        Err(self.failure(fault, Some(at)))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn failure(&self, fault: Fault, at: Option<At>) -> Box<Failure> {
        Box::new(Failure {
            // A loop says where steps went.
            at: at.filter(|_| fault != Fault::Steps),
            fault,
            template: self.template,
        })
    }

    #[inline]
    pub(super) fn step(&mut self) -> Outcome<()> {
        self.steps(1)
    }

    #[inline]
    fn steps(&mut self, steps: u64) -> Outcome<()> {
        match self.out.budget.step(steps) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.failure(fault, None)),
        }
    }

    fn push(&mut self, text: &str, at: At) -> Outcome<()> {
        self.out.push(text).map_err(|fault| self.failure(fault, Some(at)))
    }

    fn print(&mut self, value: &Val<'a>, at: At) -> Outcome<()> {
        print(value, &mut self.out).map_err(|fault| self.failure(fault, Some(at)))
    }

    fn set(&mut self, slot: u32, value: Val<'a>) {
        if let Some(place) = self.values.get_mut(self.base + slot as usize) {
            *place = Some(value);
        }
    }

    fn unset(&mut self, slot: u32) {
        if let Some(place) = self.values.get_mut(self.base + slot as usize) {
            *place = None;
        }
    }

    fn nodes(&mut self, nodes: &'a [Node]) -> Outcome<Flow> {
        for node in nodes {
            self.step()?;
            let flow = match node {
                Node::Text(text) => {
                    let program = self.program;
                    // A text has no place of its own; what it overflows is the template.
                    self.push(program.text(*text), At { start: 0, end: 0 })?;
                    Flow::Next
                }
                Node::Name(place, at) => {
                    match find(&self.values, self.base, place) {
                        None | Some(Val::Undefined) => return self.fail(Fault::Missing, *at),
                        Some(value) => {
                            if let Err(fault) = print(value, &mut self.out) {
                                return self.fail(fault, *at);
                            }
                        }
                    }
                    Flow::Next
                }
                Node::Path(path) => {
                    self.path(path)?;
                    Flow::Next
                }
                Node::Output(expr) => {
                    let value = self.eval(expr)?;
                    self.print(&value, expr.at)?;
                    Flow::Next
                }
                Node::If(block) => self.branch(block)?,
                Node::For(block) => self.each(block)?,
                Node::Set(slot, value) => {
                    let value = self.eval(value)?;
                    self.set(*slot, value);
                    Flow::Next
                }
                Node::Capture(block) => {
                    self.capture(block)?;
                    Flow::Next
                }
                Node::Include(include) => {
                    self.include(include)?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn path(&mut self, path: &'a Path) -> Outcome<()> {
        let mut object = match find(&self.values, self.base, &path.place) {
            None | Some(Val::Undefined) => return self.fail(Fault::Missing, path.at),
            Some(Val::Map(map)) => Val::Map(*map),
            // Nothing else has attributes.
            Some(_) => Val::None,
        };
        let mut at = path.at;
        for (name, with_it) in &path.attributes {
            let found = object.attribute(self.program.text(*name), &mut self.out.budget);
            object = match found {
                Ok(Some(value)) if !value.is_undefined() => value,
                Ok(_) => return self.fail(Fault::Missing, *with_it),
                Err(fault) => return self.fail(fault, at),
            };
            at = *with_it;
        }
        self.print(&object, at)
    }

    fn branch(&mut self, block: &'a If) -> Outcome<Flow> {
        for (condition, body) in &block.branches {
            if self.eval(condition)?.is_truthy() {
                return self.nodes(body);
            }
        }
        self.nodes(&block.otherwise)
    }

    #[inline(never)]
    fn each(&mut self, block: &'a For) -> Outcome<Flow> {
        let at = block.iterable.at;
        let iterable = self.eval(&block.iterable)?;
        let of_type = iterable.type_name();
        if block.key.is_some() && !matches!(iterable, Val::Map(_)) && is_iterable(&iterable) {
            let what = format!(
                "Key/value iteration is not possible on type `{of_type}`, only on maps; loop over one variable"
            );
            return self.fail(Fault::Input(what.into()), at);
        }
        let ran = match iterable {
            Val::List(List::Json(items)) => {
                self.rounds(block, items.len(), items.iter().map(|item| (None, item.into())))
            }
            Val::List(list) => self.rounds(block, list.len(), list.iter().map(|item| (None, item))),
            Val::Map(map) => {
                let entries = map.iter().map(|(key, value)| (Some(Val::from(key)), value));
                self.rounds(block, map.len(), entries)
            }
            Val::Str(text) => {
                self.pay(text.len(), at)?;
                let characters = text.char_indices().map(|(start, c)| {
                    (
                        None,
                        Val::Str(text.get(start..start + c.len_utf8()).unwrap_or_default()),
                    )
                });
                self.rounds(block, text.chars().count(), characters)
            }
            Val::Text(text) => {
                self.pay(text.len(), at)?;
                let characters = text
                    .chars()
                    .map(|c| (None, Val::text(c.encode_utf8(&mut [0; 4]) as &str)));
                self.rounds(block, text.chars().count(), characters)
            }
            _ => {
                let what =
                    format!("Iteration not possible on type `{of_type}`; pass a list, a map or a text");
                return self.fail(Fault::Input(what.into()), at);
            }
        };
        match ran {
            Ok(true) => Ok(Flow::Next),
            Ok(false) => self.nodes(&block.otherwise),
            Err(mut failure) => {
                if failure.fault == Fault::Steps && failure.at.is_none() {
                    failure.at = Some(at);
                    failure.template = self.template;
                }
                Err(failure)
            }
        }
    }

    fn pay(&mut self, bytes: usize, at: At) -> Outcome<()> {
        self.out
            .budget
            .read(bytes)
            .map_err(|fault| self.failure(fault, Some(at)))
    }

    /// Renders the body for each element. Whether there was any.
    fn rounds(
        &mut self,
        block: &'a For,
        length: usize,
        elements: impl Iterator<Item = (Option<Val<'a>>, Val<'a>)>,
    ) -> Outcome<bool> {
        let mut index = 0;
        // Names that a round forgets take a while when they are many.
        let steps = 1 + block.sets.len() as u64 / SLOTS_PER_STEP;
        for (key, value) in elements {
            self.steps(steps)?;
            for slot in &block.sets {
                self.unset(*slot);
            }
            if let (Some(slot), Some(key)) = (block.key, key) {
                self.set(slot, key);
            }
            self.set(block.value, value);
            self.set(block.counters, Val::Int(index));
            self.set(block.counters + 1, Val::Int(length as i128));
            if self.nodes(&block.body)? == Flow::Break {
                return Ok(true);
            }
            index += 1;
        }
        Ok(index > 0)
    }

    #[inline(never)]
    fn capture(&mut self, block: &'a Capture) -> Outcome<()> {
        let outer = std::mem::take(&mut self.out.text);
        let captured = std::mem::replace(&mut self.out.captures, true);
        let ended = self.nodes(&block.body);
        let text = std::mem::replace(&mut self.out.text, outer);
        self.out.captures = captured;
        ended?;
        let mut value = Val::text(text);
        for call in &block.filters {
            value = self.apply(value, call, call.at)?;
        }
        match block.target {
            Some(slot) => {
                self.set(slot, value);
                Ok(())
            }
            None => {
                let at = block
                    .filters
                    .last()
                    .map_or(At { start: 0, end: 0 }, |call| call.at);
                self.print(&value, at)
            }
        }
    }

    #[inline(never)]
    fn include(&mut self, include: &'a Include) -> Outcome<()> {
        let template = include.template as usize;
        let Some(snippet) = self.program.templates.get(template) else {
            return Ok(());
        };
        self.steps((include.imports.len() + snippet.slots) as u64 / SLOTS_PER_STEP)?;
        let base = self.values.len();
        self.values.resize(base + snippet.slots, None);
        for (slot, place, parameter) in &include.imports {
            let value = match find(&self.values, self.base, place) {
                None | Some(Val::Undefined) => find(&self.values, self.base, &Place::Parameter(*parameter)),
                value => value,
            };
            let value = value.cloned();
            if let Some(place) = self.values.get_mut(base + *slot as usize) {
                *place = value;
            }
        }
        let outer = (
            std::mem::replace(&mut self.base, base),
            std::mem::replace(&mut self.template, template),
        );
        let ended = self.nodes(&snippet.nodes);
        (self.base, self.template) = outer;
        self.values.truncate(base);
        match ended {
            Ok(_) => Ok(()),
            Err(mut failure) => {
                if failure.fault == Fault::Steps && failure.at.is_none() {
                    failure.at = Some(include.at);
                    failure.template = self.template;
                }
                Err(failure)
            }
        }
    }

    #[cold]
    fn error(&self, failure: Failure) -> Error {
        let limits = self.out.budget.limits();
        let origin = self
            .program
            .templates
            .get(failure.template)
            .map(|template| &template.origin);
        let source = origin.map_or("", |origin| origin.source());
        let span = failure.at.map_or(Span::default(), Span::from);
        let what = match failure.fault {
            Fault::Missing => missing_message(span.text(source)),
            Fault::Steps => format!("rendering takes more than {} steps; loop over less", limits.steps),
            Fault::Scratch => format!(
                "rendering needs more than {} bytes for values made on the way; build less text",
                limits.scratch_bytes
            ),
            Fault::Output => format!(
                "the rendered text is longer than {} bytes; shorten the values or raise the limit",
                limits.output_bytes
            ),
            Fault::Depth => format!(
                "a value is nested deeper than {} levels; pass flatter values",
                super::value::MAX_DEPTH
            ),
            Fault::Input(what) | Fault::Call(what) => what.into_owned(),
        };
        let error = Error::new(ErrorKind::Template, what);
        match origin {
            Some(origin) => error.at(origin.at(Position::of(source, span.start))),
            None => error,
        }
    }
}

fn is_iterable(value: &Val<'_>) -> bool {
    matches!(value, Val::List(_) | Val::Map(_) | Val::Str(_) | Val::Text(_))
}

/// Without values.
impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
