//! The compiled form itself: trees of nodes and expressions with every name resolved to a place.

use super::checks::Check;
use super::filters::Filter;
use crate::render::origin::Origin;
use crate::template::{BinaryOp, LoopField, Span};

/// Most names that are compared one by one.
pub(super) const FEW_NAMES: usize = 16;

/// A prompt's messages and the snippets that they include.
#[derive(Debug)]
pub(in crate::render) struct Program {
    /// The parameters that it looks at, each looked up once for a rendering.
    pub(super) names: Box<[Box<str>]>,
    /// Their places, sorted by name.
    pub(super) sorted: Box<[u32]>,
    /// All literal text.
    pub(super) texts: Box<str>,
    /// The messages in their order, then the snippets.
    pub(super) templates: Box<[Template]>,
    /// About how many bytes its nodes and expressions take.
    pub(super) nodes_bytes: usize,
    /// How many slots all its templates have together.
    pub(super) slots: usize,
}

/// One message or snippet.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) nodes: Nodes,
    /// How many values of its own it keeps while it is rendered.
    pub(super) slots: usize,
    pub(super) origin: Origin,
}

pub(super) type Nodes = Box<[Node]>;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Literal text.
    Text(Literal),
    /// `{{ name }}`, the most frequent of all.
    Name(Place, At),
    /// `{{ name.attribute }}`
    Path(Box<Path>),
    /// `{{ … }}`
    Output(Box<Expr>),
    If(Box<If>),
    For(Box<For>),
    Set(u32, Box<Expr>),
    Capture(Box<Capture>),
    Include(Box<Include>),
    Break,
    Continue,
}

/// A range of [`Program::texts`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Bytes of a template's source, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl From<Span> for At {
    fn from(span: Span) -> Self {
        // Sources are far shorter than this can say; see the parser's limits.
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            start: short(span.start),
            end: short(span.end),
        }
    }
}

impl From<At> for Span {
    fn from(at: At) -> Self {
        Self {
            start: at.start as usize,
            end: at.end as usize,
        }
    }
}

/// Where the value of a name is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A parameter of the rendering.
    Parameter(u32),
    /// A value of the template's own.
    Slot(u32),
    /// The first of these that has been set, else what follows.
    FirstOf(Box<(Box<[u32]>, Place)>),
}

/// A name and the attributes that lead from it to a value, all of which must be there.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) place: Place,
    pub(super) at: At,
    /// The name of each, and the path so far.
    pub(super) attributes: Box<[(Literal, At)]>,
}

/// `if` with its `elif` and `else`.
#[derive(Debug)]
pub(super) struct If {
    pub(super) branches: Box<[(Expr, Nodes)]>,
    pub(super) otherwise: Nodes,
}

/// `for` with its `else`.
#[derive(Debug)]
pub(super) struct For {
    pub(super) iterable: Expr,
    pub(super) key: Option<u32>,
    pub(super) value: u32,
    /// Where `loop.index0` is, and behind it `loop.length`.
    pub(super) counters: u32,
    /// What `set` makes in a round is gone in the next one.
    pub(super) sets: Box<[u32]>,
    pub(super) body: Nodes,
    pub(super) otherwise: Nodes,
}

/// A block whose text becomes a value.
#[derive(Debug)]
pub(super) struct Capture {
    /// Where it is kept; printed where there is none.
    pub(super) target: Option<u32>,
    pub(super) body: Nodes,
    pub(super) filters: Box<[Call]>,
}

/// `include`.
#[derive(Debug)]
pub(super) struct Include {
    /// Which of [`Program::templates`].
    pub(super) template: u32,
    /// Slots of the snippet, and what the including template puts there. A value that is not there is looked for among
    /// the parameters.
    pub(super) imports: Box<[(u32, Place, u32)]>,
    pub(super) at: At,
}

/// An expression.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) at: At,
    /// Whether it is an error when nothing is there.
    pub(super) needed: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Text(Literal),
    Int(i64),
    Float(f64),
    Bool(bool),
    None,
    Name(Place),
    /// With the slot of the loop's counters.
    Loop(LoopField, u32),
    Attribute(Box<Attribute>),
    Index(Box<Index>),
    Slice(Box<Slice>),
    List(Box<[Expr]>),
    Filter(Box<Filtered>),
    Check(Box<Checked>),
    Ternary(Box<Ternary>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<(Expr, Expr)>),
    Or(Box<(Expr, Expr)>),
    Equal(Box<(Expr, Expr)>),
    NotEqual(Box<(Expr, Expr)>),
    /// `<`, `<=`, `>`, `>=`
    Order(BinaryOp, Box<(Expr, Expr)>),
    In(Box<(Expr, Expr)>),
    NotIn(Box<(Expr, Expr)>),
    /// `+`, `-`, `*`, `/`, `//`, `%`, `**`
    Arithmetic(BinaryOp, Box<(Expr, Expr)>),
    /// `a ~ b ~ c`
    Concat(Box<[Expr]>),
    Range(Box<[Option<Expr>; 3]>),
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) object: Expr,
    pub(super) name: Literal,
    pub(super) optional: bool,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) object: Expr,
    pub(super) index: Expr,
    pub(super) optional: bool,
}

#[derive(Debug)]
pub(super) struct Slice {
    pub(super) object: Expr,
    /// Start, end and step.
    pub(super) parts: [Option<Expr>; 3],
    pub(super) optional: bool,
}

#[derive(Debug)]
pub(super) struct Filtered {
    pub(super) input: Expr,
    pub(super) call: Call,
}

/// A filter with its arguments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) filter: Filter,
    /// In the order of [`Filter::arguments`].
    pub(super) arguments: Box<[(u8, Expr)]>,
    /// From its name to the end of its arguments.
    pub(super) at: At,
}

#[derive(Debug)]
pub(super) struct Checked {
    pub(super) input: Expr,
    pub(super) check: Check,
    pub(super) negated: bool,
    pub(super) argument: Option<Expr>,
    pub(super) at: At,
}

#[derive(Debug)]
pub(super) struct Ternary {
    pub(super) then: Expr,
    pub(super) condition: Expr,
    pub(super) otherwise: Expr,
}

impl Program {
    /// The names of the parameters that it looks at.
    pub(in crate::render) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// Where a name is among those that it looks at.
    pub(in crate::render) fn place(&self, name: &str) -> Option<usize> {
        if self.names.len() <= FEW_NAMES {
            return self.names.iter().position(|known| **known == *name);
        }
        let known = |at: &u32| self.names.get(*at as usize).map(|known| &**known);
        let found = self
            .sorted
            .binary_search_by(|at| known(at).cmp(&Some(name)))
            .ok()?;
        self.sorted.get(found).map(|at| *at as usize)
    }

    /// About how many bytes it keeps.
    pub(in crate::render) fn bytes(&self) -> usize {
        let names = (self.names.iter()).map(|name| name.len() + size_of::<Box<str>>() + size_of::<u32>());
        names.sum::<usize>() + self.texts.len() + self.nodes_bytes
    }

    pub(super) fn text(&self, literal: Literal) -> &str {
        self.texts
            .get(literal.start as usize..literal.end as usize)
            .unwrap_or_default()
    }
}

const _: () = assert!(size_of::<Node>() <= 24 && size_of::<Expr>() <= 40);
