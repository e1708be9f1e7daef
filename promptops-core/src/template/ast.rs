//! The syntax tree.
//!
//! Spans always point into the source the template was parsed from. The span
//! of an expression covers parentheses written around it. Parentheses are
//! transparent in the tree, so wrapping the text of an expression as
//! `(text) | filter` keeps the template valid and applies the filter to exactly
//! that expression when the expression is what a `{{ }}` prints, the right side
//! of a `set`, the iterable of a `for` or of a list comprehension, or one of
//! [`Expr::concat_operands`]. Text inserted after an expression should end in a
//! blank or a closing parenthesis, because the next word may follow directly:
//! `[x for x in (a)if b]`.

use super::error::TemplateError;
use super::limits::Limits;
use super::parser;
use super::span::Span;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The top level of the template, in source order.
    pub nodes: Vec<Node>,
    source: String,
}

impl Template {
    /// Parses `source`.
    ///
    /// # Errors
    ///
    /// Returns the first problem found: invalid syntax, a limit that is
    /// exceeded, a construct that is not available, or an unknown name.
    pub fn parse(source: &str, limits: &Limits) -> Result<Self, TemplateError> {
        parser::parse(source, &limits.capped())
            .map(|nodes| Self {
                nodes,
                source: source.to_owned(),
            })
            .map_err(|error| *error)
    }

    /// The text the template was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// For text, the bytes that are left after whitespace control, so that
    /// they equal the text itself. For everything else from the opening
    /// delimiter to the closing one, with the body and the end tag.
    pub span: Span,
}

/// The kinds of [`Node`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NodeKind {
    /// Literal text after whitespace control, also from `raw` blocks. Never
    /// empty.
    Text(String),
    /// `{{ expr }}`.
    Output {
        /// The delimiters.
        tag: Tag,
        /// What is printed.
        expr: Expr,
    },
    /// `{% if %}` with its branches.
    If(If),
    /// `{% for %}`.
    For(Box<For>),
    /// `{% set name = value %}` or `{% set_global name = value %}`.
    Set {
        /// The tag.
        tag: Tag,
        /// Where the value is stored.
        scope: SetScope,
        /// The variable that is assigned.
        target: Ident,
        /// The assigned value.
        value: Expr,
    },
    /// `{% set name | filter %}…{% endset %}`, also with `set_global`.
    SetBlock {
        /// The opening tag.
        tag: Tag,
        /// Where the value is stored.
        scope: SetScope,
        /// The variable that is assigned.
        target: Ident,
        /// Filters applied to the rendered body, in order.
        filters: Vec<FilterCall>,
        /// What is rendered into the variable.
        body: Vec<Node>,
        /// The `{% endset %}` tag.
        end: Tag,
    },
    /// `{% filter name %}…{% endfilter %}`.
    FilterSection {
        /// The opening tag.
        tag: Tag,
        /// Filters applied to the rendered body, in order. Never empty.
        filters: Vec<FilterCall>,
        /// What is rendered and filtered.
        body: Vec<Node>,
        /// The `{% endfilter %}` tag.
        end: Tag,
    },
    /// `{% include "reference" %}`.
    Include {
        /// The tag.
        tag: Tag,
        /// The unescaped string.
        reference: String,
        /// The string literal with its quotes.
        reference_span: Span,
    },
    /// `{% break %}`.
    Break(Tag),
    /// `{% continue %}`.
    Continue(Tag),
}

/// A delimiter pair with what is between, such as `{% for x in y -%}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// From the opening delimiter to the end of the closing one.
    pub span: Span,
    /// Whether the tag starts with `-` and eats the blanks before it.
    pub trim_left: bool,
    /// Whether the tag ends with `-` and eats the blanks after it.
    pub trim_right: bool,
}

/// An `if` with all its branches.
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// The `if` branch followed by the `elif` branches. Never empty.
    pub branches: Vec<Branch>,
    /// The `else` branch.
    pub else_branch: Option<ElseBranch>,
    /// The `{% endif %}` tag.
    pub end: Tag,
}

/// An `if` or `elif` with its condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The `{% if … %}` or `{% elif … %}` tag.
    pub tag: Tag,
    /// The condition.
    pub condition: Expr,
    /// What is rendered when the condition holds.
    pub body: Vec<Node>,
}

/// The `else` part of an `if` or `for`.
#[derive(Debug, Clone, PartialEq)]
pub struct ElseBranch {
    /// The `{% else %}` tag.
    pub tag: Tag,
    /// What is rendered.
    pub body: Vec<Node>,
}

/// A `for` loop.
#[derive(Debug, Clone, PartialEq)]
pub struct For {
    /// The `{% for … %}` tag.
    pub tag: Tag,
    /// The first of two loop variables, bound to the key.
    pub key: Option<Ident>,
    /// The loop variable bound to the element.
    pub value: Ident,
    /// What is iterated over.
    pub iterable: Expr,
    /// What is rendered for each element.
    pub body: Vec<Node>,
    /// What is rendered when there are no elements.
    pub else_branch: Option<ElseBranch>,
    /// The `{% endfor %}` tag.
    pub end: Tag,
}

/// Where `set` stores its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetScope {
    /// `set`: in a loop, for the rest of the iteration; elsewhere for the rest
    /// of the template.
    Local,
    /// `set_global`: for the rest of the template, also from inside a loop.
    Global,
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

/// A filter with its arguments, without the value it is applied to.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterCall {
    /// The filter.
    pub name: Ident,
    /// The arguments in source order.
    pub kwargs: Vec<Kwarg>,
    /// From the name to the closing parenthesis of the arguments.
    pub span: Span,
}

/// `name=value` in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Kwarg {
    /// The name of the argument, unique in its call.
    pub name: Ident,
    /// The value.
    pub value: Expr,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// All of its text, with parentheses around it.
    pub span: Span,
}

/// The kinds of [`Expr`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExprKind {
    /// A string, number, boolean or `none`. A `-` before a number is part of
    /// the number.
    Literal(Literal),
    /// `[a, ...b]`.
    Array(Vec<ArrayItem>),
    /// `{"a": b, ...c}`.
    Map(Vec<MapEntry>),
    /// A variable.
    Var(String),
    /// `loop.index` and its siblings inside a loop.
    Loop(LoopField),
    /// `object.name` or `object?.name`.
    Attribute {
        /// What the attribute is taken from.
        object: Box<Expr>,
        /// The attribute.
        name: Ident,
        /// Whether it was written `?.`.
        optional: bool,
    },
    /// `object[index]` or `object?[index]`.
    Index {
        /// What is indexed.
        object: Box<Expr>,
        /// The index or key.
        index: Box<Expr>,
        /// Whether it was written `?[`.
        optional: bool,
    },
    /// `object[start:end:step]`, each part optional.
    Slice {
        /// What is sliced.
        object: Box<Expr>,
        /// First index.
        start: Option<Box<Expr>>,
        /// Index after the last.
        end: Option<Box<Expr>>,
        /// Distance between elements.
        step: Option<Box<Expr>>,
        /// Whether it was written `?[`.
        optional: bool,
    },
    /// `input | filter`.
    Filter {
        /// What the filter is applied to.
        input: Box<Expr>,
        /// The filter.
        filter: FilterCall,
    },
    /// `input is test`, or `input is not test`.
    Test {
        /// What is tested.
        input: Box<Expr>,
        /// Whether it was written `is not`.
        negated: bool,
        /// The test.
        name: Ident,
        /// The arguments in source order.
        kwargs: Vec<Kwarg>,
    },
    /// `name(argument=value)`.
    Call {
        /// The function.
        name: Ident,
        /// The arguments in source order.
        kwargs: Vec<Kwarg>,
    },
    /// `then if condition else otherwise`.
    Ternary {
        /// The value when the condition holds.
        then: Box<Expr>,
        /// The condition.
        condition: Box<Expr>,
        /// The value when it does not.
        otherwise: Box<Expr>,
    },
    /// `[element for value in iterable if condition]`.
    Comprehension(Box<Comprehension>),
    /// `not operand` or `-operand`.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// The operand.
        operand: Box<Expr>,
    },
    /// `left op right`.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
}

/// A list comprehension.
#[derive(Debug, Clone, PartialEq)]
pub struct Comprehension {
    /// The value of each element.
    pub element: Expr,
    /// The first of two variables, bound to the key.
    pub key: Option<Ident>,
    /// The variable bound to the element.
    pub value: Ident,
    /// What is iterated over.
    pub iterable: Expr,
    /// Elements for which this does not hold are left out.
    pub condition: Option<Expr>,
}

/// A literal value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A string, with escapes resolved.
    String(String),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// `none`.
    None,
}

/// One element of an array literal.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayItem {
    /// `value`.
    Item(Expr),
    /// `...array`.
    Spread(Expr),
}

/// One entry of a map literal.
#[derive(Debug, Clone, PartialEq)]
pub enum MapEntry {
    /// `key: value`.
    Pair {
        /// The key.
        key: MapKey,
        /// Where the key is written.
        key_span: Span,
        /// The value.
        value: Expr,
    },
    /// `...map`.
    Spread(Expr),
}

/// The key of a map literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapKey {
    /// A string, with escapes resolved.
    String(String),
    /// An integer.
    Integer(i64),
    /// A boolean.
    Bool(bool),
}

/// What is known about the innermost loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoopField {
    /// `loop.index`, starting at 1.
    Index,
    /// `loop.index0`, starting at 0.
    Index0,
    /// `loop.first`.
    First,
    /// `loop.last`.
    Last,
    /// `loop.length`.
    Length,
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `not`.
    Not,
    /// `-`.
    Minus,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `or`.
    Or,
    /// `and`.
    And,
    /// `in`.
    In,
    /// `not in`.
    NotIn,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `//`.
    FloorDivide,
    /// `%`.
    Remainder,
    /// `~`.
    Concat,
    /// `**`, the only operator that groups to the right.
    Power,
}

impl Expr {
    /// Appends the direct sub-expressions in source order.
    pub fn push_children<'a>(&'a self, out: &mut Vec<&'a Self>) {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Var(_) | ExprKind::Loop(_) => {}
            ExprKind::Array(items) => out.extend(items.iter().map(|item| match item {
                ArrayItem::Item(expr) | ArrayItem::Spread(expr) => expr,
            })),
            ExprKind::Map(entries) => out.extend(entries.iter().map(|entry| match entry {
                MapEntry::Pair { value, .. } => value,
                MapEntry::Spread(expr) => expr,
            })),
            ExprKind::Attribute { object, .. } => out.push(object),
            ExprKind::Index { object, index, .. } => out.extend([&**object, &**index]),
            ExprKind::Slice {
                object,
                start,
                end,
                step,
                ..
            } => {
                out.push(object);
                out.extend([start, end, step].into_iter().flatten().map(|part| &**part));
            }
            ExprKind::Filter { input, filter } => {
                out.push(input);
                out.extend(filter.kwargs.iter().map(|kwarg| &kwarg.value));
            }
            ExprKind::Test { input, kwargs, .. } => {
                out.push(input);
                out.extend(kwargs.iter().map(|kwarg| &kwarg.value));
            }
            ExprKind::Call { kwargs, .. } => out.extend(kwargs.iter().map(|kwarg| &kwarg.value)),
            ExprKind::Ternary {
                then,
                condition,
                otherwise,
            } => out.extend([&**then, &**condition, &**otherwise]),
            ExprKind::Comprehension(comprehension) => {
                out.extend([&comprehension.element, &comprehension.iterable]);
                out.extend(comprehension.condition.as_ref());
            }
            ExprKind::Unary { operand, .. } => out.push(operand),
            ExprKind::Binary { left, right, .. } => out.extend([&**left, &**right]),
        }
    }

    /// The operands of a chain of `~` from left to right, or just `self` when
    /// the expression is not a concatenation.
    ///
    /// Chains are flattened, so that wrapping every operand of a long chain
    /// does not nest the wrappers.
    #[must_use]
    pub fn concat_operands(&self) -> Vec<&Self> {
        let mut pending = vec![self];
        let mut operands = Vec::new();
        while let Some(expr) = pending.pop() {
            match &expr.kind {
                ExprKind::Binary {
                    op: BinaryOp::Concat,
                    left,
                    right,
                } => pending.extend([&**right, &**left]),
                _ => operands.push(expr),
            }
        }
        operands
    }
}
