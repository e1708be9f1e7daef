//! A parser for the subset of the Tera 2 template language that prompts may use.
//!
//! [`Template::parse`] turns source text into a typed tree in which every node
//! and expression knows the bytes it came from. Anything accepted here is also
//! accepted by Tera 2.4; what Tera would accept but a prompt should not contain
//! (inheritance, components, runtime internals) is refused with an explanation.
//!
//! The parser keeps its own stack use bounded: block nesting is handled with an
//! explicit stack and expression nesting is checked before each recursion, so
//! hostile input ends in an error and never in a stack overflow.
//!
//! The language, its limits and its errors:
#![doc = include_str!("../../docs/templates.md")]

mod analysis;
mod ast;
mod bindings;
mod blocks;
mod builtins;
mod error;
mod expression;
mod facts;
mod lexer;
mod limits;
mod parser;
mod span;
mod tags;
mod walk;
mod weight;

pub use analysis::{Include, Uses, Variable, VariableUse};
pub use ast::{
    ArrayItem, BinaryOp, Branch, Comprehension, ElseBranch, Expr, ExprKind, FilterCall, For, Ident, If,
    Kwarg, Literal, LoopField, MapEntry, MapKey, Node, NodeKind, SetScope, Tag, Template, UnaryOp,
};
pub use builtins::{Growth, filter_growth, known_filters, known_functions, known_tests};
pub use error::{TemplateError, TemplateErrorKind};
pub use limits::Limits;
pub use span::{Position, Span};

#[cfg(test)]
pub(crate) mod tests;
