//! From parsed templates to the compiled form, or to what in them needs Tera.
//!
//! What may be missing, and where, is the guard's table (see [`crate::render::tera::guard`]): each expression is built as
//! *any* (nothing may be there), *strict* (an attribute or element must be there) or *needed*.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::checks::Check;
use super::code::{
    Attribute, Call, Capture, Checked, Expr, Filtered, For, If, Include, Index, Kind, Literal, Node, Nodes,
    Path, Place, Program, Slice, Template, Ternary,
};
use super::filters::Filter;
use super::scope::{Imports, Scope, bound};
use crate::render::origin::Origin;
use crate::render::source::Source;
use crate::render::tera::guard::{is_comparison, is_path, is_short};
use crate::template::{
    ArrayItem, BinaryOp, Expr as Parsed, ExprKind, FilterCall, For as ParsedFor, Ident, Kwarg,
    Literal as ParsedLiteral, Node as ParsedNode, NodeKind, SetScope, Span, UnaryOp,
};

/// What in a template needs Tera.
#[derive(Debug)]
pub(in crate::render) struct NeedsTera {
    /// In words.
    pub(in crate::render) construct: String,
    pub(in crate::render) origin: Origin,
    pub(in crate::render) span: Span,
}

/// Most names that all includes of a prompt hand to snippets: each takes room with every include.
const MAX_IMPORTS: usize = 1 << 16;

/// Templates are bounded, and far shorter than this can say.
fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

type Built<T> = Result<T, Box<(String, Span)>>;

fn needs_tera<T>(construct: impl Into<String>, span: Span) -> Built<T> {
    Err(Box::new((construct.into(), span)))
}

impl Program {
    /// Builds messages and the snippets that they include; `snippets` in an order in which each comes after those that it
    /// includes. `names` are those of the parameters, more are added where need be.
    pub(in crate::render) fn build<'t>(
        messages: &[Source<'t>],
        snippets: &[Source<'t>],
        names: &[&str],
    ) -> Result<Self, Box<NeedsTera>> {
        let mut binding = BTreeSet::new();
        for source in messages.iter().chain(snippets) {
            bound(&source.template.nodes, &mut binding);
        }
        let mut shared = Shared {
            names: names.iter().map(|name| (*name).into()).collect(),
            places: (0..).zip(names).map(|(at, name)| ((*name).into(), at)).collect(),
            imports: 0,
            texts: String::new(),
            attributes: BTreeMap::new(),
            bytes: 0,
            bound: binding,
            snippets: BTreeMap::new(),
        };
        let mut built = Vec::new();
        for (i, source) in snippets.iter().enumerate() {
            let (template, imports) = build(source, true, &mut shared)?;
            shared
                .snippets
                .insert(source.name.clone(), (short(messages.len() + i), imports));
            built.push(template);
        }
        let messages = messages
            .iter()
            .map(|source| build(source, false, &mut shared).map(|(template, _)| template));
        let mut templates: Vec<Template> = messages.collect::<Result<_, _>>()?;
        templates.extend(built);
        let imports = shared.imports * size_of::<(u32, Place, u32)>();
        Ok(Self {
            names: shared.names.into(),
            sorted: shared.places.into_values().collect(),
            texts: shared.texts.into(),
            nodes_bytes: shared.bytes + imports,
            slots: templates.iter().map(|template| template.slots).sum(),
            templates: templates.into(),
        })
    }
}

/// What the templates of a program have in common.
struct Shared<'t> {
    names: Vec<Box<str>>,
    /// Where each is among them.
    places: BTreeMap<Box<str>, u32>,
    /// How many names all includes hand to snippets.
    imports: usize,
    texts: String,
    attributes: BTreeMap<&'t str, Literal>,
    /// Of nodes and expressions.
    bytes: usize,
    /// Every name that some template gives a value to.
    bound: BTreeSet<&'t str>,
    /// Which template a snippet is, and the names that it takes from whoever includes it, with its slots for them.
    snippets: BTreeMap<String, (u32, Imports<'t>)>,
}

impl<'t> Shared<'t> {
    fn parameter(&mut self, name: &str) -> u32 {
        match self.places.get(name) {
            Some(at) => *at,
            None => {
                let at = short(self.names.len());
                self.names.push(name.into());
                self.places.insert(name.into(), at);
                at
            }
        }
    }

    fn text(&mut self, text: &str) -> Literal {
        let start = self.texts.len();
        self.texts.push_str(text);
        Literal {
            start: short(start),
            end: short(self.texts.len()),
        }
    }

    /// The name of an attribute, of which there are many the same.
    fn attribute(&mut self, name: &'t str) -> Literal {
        match self.attributes.get(name) {
            Some(literal) => *literal,
            None => {
                let literal = self.text(name);
                self.attributes.insert(name, literal);
                literal
            }
        }
    }
}

fn build<'t>(
    source: &Source<'t>,
    is_snippet: bool,
    shared: &mut Shared<'t>,
) -> Result<(Template, Imports<'t>), Box<NeedsTera>> {
    let mut builder = Builder {
        is_snippet,
        scope: Scope::new(&source.template.nodes),
        shared,
    };
    let nodes = builder.nodes(&source.template.nodes).map_err(|needed| {
        let (construct, span) = *needed;
        NeedsTera {
            construct,
            origin: source.origin.clone(),
            span,
        }
    })?;
    let scope = builder.scope;
    let template = Template {
        nodes,
        slots: scope.slots(),
        origin: source.origin.clone(),
    };
    Ok((template, scope.into_imports()))
}

struct Builder<'b, 't> {
    is_snippet: bool,
    scope: Scope<'t>,
    shared: &'b mut Shared<'t>,
}

impl<'t> Builder<'_, 't> {
    fn place(&mut self, name: &'t str) -> Place {
        let found = self.scope.find(name);
        let (scope, shared) = (&mut self.scope, &mut *self.shared);
        let imported = self.is_snippet && shared.bound.contains(name);
        found.place(|| {
            if imported {
                Place::Slot(scope.import(name))
            } else {
                Place::Parameter(shared.parameter(name))
            }
        })
    }

    fn nodes(&mut self, nodes: &'t [ParsedNode]) -> Built<Nodes> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn node(&mut self, node: &'t ParsedNode) -> Built<Node> {
        self.shared.bytes += size_of::<Node>();
        Ok(match &node.kind {
            NodeKind::Text(text) => Node::Text(self.shared.text(text)),
            NodeKind::Output { expr, .. } => match &expr.kind {
                ExprKind::Var(name) => Node::Name(self.place(name), expr.span.into()),
                _ => match self.path(expr) {
                    Some(path) => Node::Path(Box::new(path)),
                    None => Node::Output(Box::new(self.needed(expr)?)),
                },
            },
            NodeKind::If(block) => {
                let mut branches = Vec::with_capacity(block.branches.len());
                for branch in &block.branches {
                    branches.push((self.strict(&branch.condition)?, self.nodes(&branch.body)?));
                }
                let otherwise = match &block.else_branch {
                    Some(branch) => self.nodes(&branch.body)?,
                    None => Nodes::default(),
                };
                Node::If(Box::new(If {
                    branches: branches.into(),
                    otherwise,
                }))
            }
            NodeKind::For(block) => self.for_loop(block)?,
            NodeKind::Set {
                scope, target, value, ..
            } => {
                let value = if is_short(value) {
                    self.any(value)
                } else if is_path(value) {
                    self.strict(value)
                } else {
                    self.needed(value)
                }?;
                Node::Set(self.target(*scope, target, node.span)?, Box::new(value))
            }
            NodeKind::SetBlock {
                scope,
                target,
                filters,
                body,
                ..
            } => {
                let body = self.nodes(body)?;
                let filters = self.calls(filters)?;
                let target = Some(self.target(*scope, target, node.span)?);
                Node::Capture(Box::new(Capture {
                    target,
                    body,
                    filters,
                }))
            }
            NodeKind::FilterSection { filters, body, .. } => Node::Capture(Box::new(Capture {
                target: None,
                body: self.nodes(body)?,
                filters: self.calls(filters)?,
            })),
            NodeKind::Include {
                reference,
                reference_span,
                ..
            } => self.include(reference, *reference_span)?,
            NodeKind::Break(_) => Node::Break,
            NodeKind::Continue(_) => Node::Continue,
        })
    }

    /// An expression that is a name with attributes.
    fn path(&mut self, expr: &'t Parsed) -> Option<Path> {
        let mut attributes = Vec::new();
        let mut object = expr;
        let (root, at) = loop {
            match &object.kind {
                ExprKind::Var(root) => break (root, object.span),
                ExprKind::Attribute {
                    object: inner,
                    name,
                    optional: false,
                } => {
                    attributes.push((name.name.as_str(), object.span));
                    object = inner;
                }
                _ => return None,
            }
        };
        let attributes = attributes.into_iter().rev();
        Some(Path {
            place: self.place(root),
            at: at.into(),
            attributes: attributes
                .map(|(name, span)| (self.shared.attribute(name), span.into()))
                .collect(),
        })
    }

    fn target(&self, scope: SetScope, target: &Ident, span: Span) -> Built<u32> {
        match self.scope.target(scope, &target.name) {
            Some(slot) => Ok(slot),
            None => needs_tera("an assignment", span),
        }
    }

    fn for_loop(&mut self, block: &'t ParsedFor) -> Built<Node> {
        let iterable = self.needed(&block.iterable)?;
        let slots = self.scope.enter(block);
        let body = self.nodes(&block.body);
        self.scope.leave();
        let body = body?;
        let otherwise = match &block.else_branch {
            Some(branch) => self.nodes(&branch.body)?,
            None => Nodes::default(),
        };
        Ok(Node::For(Box::new(For {
            iterable,
            key: slots.key,
            value: slots.value,
            counters: slots.counters,
            sets: slots.sets,
            body,
            otherwise,
        })))
    }

    fn include(&mut self, reference: &str, span: Span) -> Built<Node> {
        let Some((template, imports)) = self.shared.snippets.get(reference) else {
            return needs_tera("an include", span);
        };
        self.shared.imports += imports.len();
        if self.shared.imports > MAX_IMPORTS {
            return needs_tera(format!("more than {MAX_IMPORTS} names handed to snippets"), span);
        }
        let (template, imports) = (*template, Rc::clone(imports));
        let imports = imports
            .iter()
            .map(|(name, slot)| (*slot, self.place(name), self.shared.parameter(name)))
            .collect();
        Ok(Node::Include(Box::new(Include {
            template,
            imports,
            at: span.into(),
        })))
    }

    fn calls(&mut self, filters: &'t [FilterCall]) -> Built<Box<[Call]>> {
        filters.iter().map(|filter| self.call(filter)).collect()
    }

    fn call(&mut self, call: &'t FilterCall) -> Built<Call> {
        let name = call.name.name.as_str();
        let Some(filter) = Filter::of(name) else {
            return needs_tera(format!("the filter `{name}`"), call.name.span);
        };
        let known = filter.arguments();
        let mut arguments = Vec::with_capacity(call.kwargs.len());
        for kwarg in &call.kwargs {
            let Some(at) = known.iter().position(|known| *known == kwarg.name.name) else {
                let construct = format!("the argument `{}` of `{name}`", kwarg.name.name);
                return needs_tera(construct, kwarg.name.span);
            };
            let value = match name {
                "default" => self.strict(&kwarg.value),
                _ => self.read(&kwarg.value),
            }?;
            arguments.push((u8::try_from(at).unwrap_or(u8::MAX), value));
        }
        // Evaluated in this order.
        arguments.sort_by_key(|(at, _)| *at);
        Ok(Call {
            filter,
            arguments: arguments.into(),
            at: call.span.into(),
        })
    }

    /// What may be missing.
    fn any(&mut self, expr: &'t Parsed) -> Built<Expr> {
        self.expr(expr, false)
    }

    /// What may be missing only where the template says so.
    fn strict(&mut self, expr: &'t Parsed) -> Built<Expr> {
        let needed = matches!(
            expr.kind,
            ExprKind::Attribute { optional: false, .. } | ExprKind::Index { optional: false, .. }
        );
        self.expr(expr, needed)
    }

    fn needed(&mut self, expr: &'t Parsed) -> Built<Expr> {
        self.expr(expr, true)
    }

    fn read(&mut self, expr: &'t Parsed) -> Built<Expr> {
        self.expr(expr, !is_short(expr))
    }

    /// The input of `default` and `is defined`.
    fn tolerated(&mut self, expr: &'t Parsed) -> Built<Expr> {
        let ExprKind::Ternary {
            then,
            condition,
            otherwise,
        } = &expr.kind
        else {
            return self.any(expr);
        };
        let kind = Kind::Ternary(Box::new(Ternary {
            then: self.tolerated(then)?,
            condition: self.strict(condition)?,
            otherwise: self.tolerated(otherwise)?,
        }));
        Ok(Expr {
            kind,
            at: expr.span.into(),
            needed: false,
        })
    }

    fn pair(&mut self, left: &'t Parsed, right: &'t Parsed) -> Built<Box<(Expr, Expr)>> {
        Ok(Box::new((self.strict(left)?, self.strict(right)?)))
    }

    fn expr(&mut self, expr: &'t Parsed, needed: bool) -> Built<Expr> {
        // Nearly all are boxed one by one.
        self.shared.bytes += size_of::<Expr>() + size_of::<usize>();
        let kind = match &expr.kind {
            ExprKind::Literal(literal) => match literal {
                ParsedLiteral::String(text) => Kind::Text(self.shared.text(text)),
                ParsedLiteral::Integer(value) => Kind::Int(*value),
                ParsedLiteral::Float(value) => Kind::Float(*value),
                ParsedLiteral::Bool(value) => Kind::Bool(*value),
                ParsedLiteral::None => Kind::None,
            },
            ExprKind::Array(items) => self.list(items, expr.span)?,
            ExprKind::Var(name) => Kind::Name(self.place(name)),
            ExprKind::Loop(field) => match self.scope.counters() {
                Some(counters) => Kind::Loop(*field, counters),
                None => return needs_tera("`loop` here", expr.span),
            },
            ExprKind::Attribute {
                object,
                name,
                optional,
            } => Kind::Attribute(Box::new(Attribute {
                object: self.any(object)?,
                name: self.shared.attribute(&name.name),
                optional: *optional,
            })),
            ExprKind::Index {
                object,
                index,
                optional,
            } => Kind::Index(Box::new(Index {
                object: match index.kind {
                    // Of a text, nothing can be taken by a text.
                    ExprKind::Literal(ParsedLiteral::String(_)) => self.any(object),
                    _ => self.subscripted(object),
                }?,
                index: self.needed(index)?,
                optional: *optional,
            })),
            ExprKind::Slice {
                object,
                start,
                end,
                step,
                optional,
            } => {
                let object = self.subscripted(object)?;
                let mut part =
                    |part: &'t Option<Box<Parsed>>| part.as_ref().map(|part| self.needed(part)).transpose();
                Kind::Slice(Box::new(Slice {
                    object,
                    parts: [part(start)?, part(end)?, part(step)?],
                    optional: *optional,
                }))
            }
            ExprKind::Filter { input, filter } => Kind::Filter(Box::new(Filtered {
                input: match filter.name.name.as_str() {
                    "default" => self.tolerated(input),
                    // Their arguments come first; what is missing then is told by the filter.
                    "abs" | "round" | "first" | "last" | "nth" | "get" | "pluralize" => self.strict(input),
                    _ => self.needed(input),
                }?,
                call: self.call(filter)?,
            })),
            ExprKind::Test {
                input,
                negated,
                name,
                kwargs,
            } => self.check(input, *negated, name, kwargs)?,
            ExprKind::Call { name, kwargs } => self.function(name, kwargs, expr.span)?,
            ExprKind::Ternary {
                then,
                condition,
                otherwise,
            } => Kind::Ternary(Box::new(Ternary {
                then: self.strict(then)?,
                condition: self.strict(condition)?,
                otherwise: self.strict(otherwise)?,
            })),
            ExprKind::Unary { op, operand } => {
                let operand = Box::new(self.strict(operand)?);
                match op {
                    UnaryOp::Not => Kind::Not(operand),
                    UnaryOp::Minus => Kind::Negate(operand),
                }
            }
            ExprKind::Binary { op, left, right } => self.binary(expr, *op, left, right)?,
            ExprKind::Map(_) => return needs_tera("a map", expr.span),
            ExprKind::Comprehension(_) => return needs_tera("a list made by `for`", expr.span),
        };
        Ok(Expr {
            kind,
            at: expr.span.into(),
            needed,
        })
    }

    /// What an element is taken from: a path may lead to nothing, which is told where the element is taken.
    fn subscripted(&mut self, object: &'t Parsed) -> Built<Expr> {
        match &object.kind {
            ExprKind::Var(_)
            | ExprKind::Attribute { .. }
            | ExprKind::Index { .. }
            | ExprKind::Slice { .. } => self.any(object),
            _ => self.read(object),
        }
    }

    fn list(&mut self, items: &'t [ArrayItem], span: Span) -> Built<Kind> {
        let mut built = Vec::with_capacity(items.len());
        for item in items {
            match item {
                ArrayItem::Item(expr) => built.push(self.strict(expr)?),
                ArrayItem::Spread(_) => return needs_tera("`...` in a list", span),
            }
        }
        Ok(Kind::List(built.into()))
    }

    fn check(&mut self, input: &'t Parsed, negated: bool, name: &Ident, kwargs: &'t [Kwarg]) -> Built<Kind> {
        let Some(check) = Check::of(&name.name) else {
            return needs_tera(format!("the test `{}`", name.name), name.span);
        };
        let input = match name.name.as_str() {
            "defined" | "undefined" => self.tolerated(input),
            "containing" | "starting_with" | "ending_with" => self.read(input),
            _ => self.strict(input),
        }?;
        let argument = match kwargs {
            [] => None,
            [kwarg] if check.argument() == Some(kwarg.name.name.as_str()) => Some(self.read(&kwarg.value)?),
            [kwarg, ..] => {
                let construct = format!("the argument `{}` of `{}`", kwarg.name.name, name.name);
                return needs_tera(construct, kwarg.name.span);
            }
        };
        Ok(Kind::Check(Box::new(Checked {
            input,
            check,
            negated,
            argument,
            at: name.span.into(),
        })))
    }

    fn function(&mut self, name: &Ident, kwargs: &'t [Kwarg], span: Span) -> Built<Kind> {
        if name.name != "range" {
            return needs_tera(format!("`{}`", name.name), span);
        }
        let mut parts = [None, None, None];
        for kwarg in kwargs {
            let at = ["end", "start", "step_by"]
                .iter()
                .position(|known| *known == kwarg.name.name);
            let Some(part) = at.and_then(|at| parts.get_mut(at)) else {
                return needs_tera(
                    format!("the argument `{}` of `range`", kwarg.name.name),
                    kwarg.name.span,
                );
            };
            *part = Some(self.strict(&kwarg.value)?);
        }
        Ok(Kind::Range(Box::new(parts)))
    }

    fn binary(&mut self, expr: &'t Parsed, op: BinaryOp, left: &'t Parsed, right: &'t Parsed) -> Built<Kind> {
        Ok(match op {
            BinaryOp::Concat => {
                let operands = expr.concat_operands();
                Kind::Concat(
                    operands
                        .into_iter()
                        .map(|operand| self.read(operand))
                        .collect::<Built<_>>()?,
                )
            }
            BinaryOp::And => Kind::And(self.pair(left, right)?),
            BinaryOp::Or => Kind::Or(self.pair(left, right)?),
            BinaryOp::In | BinaryOp::NotIn => {
                let pair = Box::new((self.read(left)?, self.read(right)?));
                if op == BinaryOp::In {
                    Kind::In(pair)
                } else {
                    Kind::NotIn(pair)
                }
            }
            op if is_comparison(op) => {
                let pair = if is_short(left) || is_short(right) {
                    self.pair(left, right)?
                } else {
                    Box::new((self.needed(left)?, self.needed(right)?))
                };
                match op {
                    BinaryOp::Equal => Kind::Equal(pair),
                    BinaryOp::NotEqual => Kind::NotEqual(pair),
                    _ => Kind::Order(op, pair),
                }
            }
            _ => Kind::Arithmetic(op, self.pair(left, right)?),
        })
    }
}
