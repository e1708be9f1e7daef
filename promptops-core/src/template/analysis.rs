//! Which variables a template needs and which templates it includes.

use std::collections::HashMap;

use super::ast::Template;
use super::span::{Position, Span};
use super::walk::Walk;

/// A variable the template takes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// Where it is first used.
    pub position: Position,
    /// All uses in source order. Never empty.
    pub uses: Vec<VariableUse>,
    /// Whether some use needs the variable to be there: `false` only when
    /// every use is guarded. A variable that is merely tested for truth, as in
    /// `{% if name %}`, counts as required even though Tera reads a missing
    /// one as false.
    pub required: bool,
}

/// One use of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// The variable with the attributes and indexes taken from it.
    pub span: Span,
    /// The attributes and literal string keys that directly follow the name:
    /// `["name", "first"]` for `customer.name["first"]`.
    pub path: Vec<String>,
    /// Whether Tera accepts the variable to be undefined here: under
    /// `default`, in `is defined`, where a condition has shown that it is
    /// defined, or with `?.` where an undefined result is fine.
    pub guarded: bool,
}

/// An `{% include %}` tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The name as written, with escapes resolved.
    pub reference: String,
    /// The string literal.
    pub span: Span,
    /// Where the string literal starts.
    pub position: Position,
    /// Names that are certain to have a value there, from loops, assignments and
    /// `is defined` around it: the included template needs no parameter for
    /// them. Sorted. Those of all includes of a template are at most 65,536;
    /// none is known at the include that breaks this, or behind it.
    pub bound: Vec<String>,
}

/// What a template takes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// See [`Template::variables`].
    pub variables: Vec<Variable>,
    /// See [`Template::includes`].
    pub includes: Vec<Include>,
}

impl Template {
    /// The variables that are not bound by the template itself, in order of
    /// first use.
    ///
    /// A variable that is assigned on some paths only counts as free where it
    /// is used after them. Included templates are not looked into.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        self.uses().variables
    }

    /// All `include` tags in source order.
    #[must_use]
    pub fn includes(&self) -> Vec<Include> {
        self.uses().includes
    }

    /// [`variables`](Self::variables) and [`includes`](Self::includes), found in one walk.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let mut walk = Walk::new();
        walk.body(&self.nodes);
        Uses {
            variables: self.merged(walk.uses),
            includes: self.located(walk.includes),
        }
    }

    fn merged(&self, mut uses: Vec<(&str, VariableUse)>) -> Vec<Variable> {
        uses.sort_by_key(|(_, found)| (found.span.start, found.span.end));

        let mut positions = Positions::new(self.source());
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut variables: Vec<Variable> = Vec::new();
        for (name, found) in uses {
            let at = *index.entry(name).or_insert(variables.len());
            if at == variables.len() {
                variables.push(Variable {
                    name: name.to_owned(),
                    position: positions.advance_to(found.span.start),
                    uses: Vec::new(),
                    required: false,
                });
            }
            if let Some(variable) = variables.get_mut(at) {
                variable.required |= !found.guarded;
                variable.uses.push(found);
            }
        }
        variables
    }

    fn located(&self, mut found: Vec<(&str, Span, Vec<&str>)>) -> Vec<Include> {
        found.sort_by_key(|(_, span, _)| *span);
        let mut positions = Positions::new(self.source());
        found
            .into_iter()
            .map(|(reference, span, bound)| Include {
                reference: reference.to_owned(),
                span,
                position: positions.advance_to(span.start),
                bound: bound.into_iter().map(str::to_owned).collect(),
            })
            .collect()
    }
}

/// Computes positions of increasing offsets in one pass over the source.
struct Positions<'a> {
    source: &'a str,
    at: usize,
    position: Position,
}

impl<'a> Positions<'a> {
    fn new(source: &'a str) -> Self {
        let position = Position { line: 1, column: 1 };
        Self {
            source,
            at: 0,
            position,
        }
    }

    fn advance_to(&mut self, offset: usize) -> Position {
        for c in self.source.get(self.at..offset).unwrap_or("").chars() {
            if c == '\n' {
                self.position.line = self.position.line.saturating_add(1);
                self.position.column = 1;
            } else {
                self.position.column = self.position.column.saturating_add(1);
            }
        }
        self.at = offset;
        self.position
    }
}
