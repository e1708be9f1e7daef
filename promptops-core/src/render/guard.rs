//! Puts charging filters into a template's source, wherever what it does can grow or a missing value would pass in
//! silence. What a template says is not changed: every filter put in passes its value on.
//!
//! | place | filter | why |
//! |---|---|---|
//! | what a `for` or a comprehension goes through | `__loop` | Tera's loops have no bound |
//! | operands of `~`, values of `set`, what a captured block prints | `__copy` | captures and values have no bound |
//! | before a filter whose result can be longer than its input | `__copy(x=…)` | the same |
//! | operands of comparisons and `in`, what filters and tests read | `__read` | long values, read again and again |
//! | attributes in conditions, comparisons and arguments | `__defined` | Tera takes a missing one for false there |
//!
//! Nothing is put in where nothing can happen: printing a path, comparing with a literal, filters that read little.

use std::collections::HashMap;

use crate::template::{
    ArrayItem, BinaryOp, Expr, ExprKind, FilterCall, Growth, Literal, MapEntry, Node, NodeKind, Span,
    Template, filter_growth,
};

use super::fuel::{COPY, DEFINED, LOOP, READ};

/// Bytes of text that weigh as much as a node.
const BYTES_PER_WEIGHT: usize = 64;

/// Filters that read little of a value, however large it is.
const SHORT_READERS: [&str; 9] = [
    "default",
    "abs",
    "round",
    "first",
    "last",
    "nth",
    "get",
    "pluralize",
    "float",
];

/// What was put into a template, in order of place: leads from the guarded source back to the original.
#[derive(Debug)]
pub(super) struct Insertions(Vec<Insertion>);

#[derive(Debug)]
struct Insertion {
    /// Where it was put, as an offset into the original.
    at: usize,
    text: String,
    /// The path that a missing value here is reported by.
    path: Option<Span>,
}

impl Insertions {
    /// The place in the original of an offset into the guarded source.
    pub(super) fn original_offset(&self, guarded: usize) -> usize {
        let mut shift = 0;
        for insertion in &self.0 {
            if insertion.at + shift >= guarded {
                break;
            }
            // Inside of what was put in: the place where it was put.
            if guarded < insertion.at + shift + insertion.text.len() {
                return insertion.at;
            }
            shift += insertion.text.len();
        }
        guarded - shift
    }

    /// The path, and its place, that a filter put in at this offset of the guarded source checks.
    pub(super) fn checked_path(&self, guarded: usize) -> Option<Span> {
        let mut shift = 0;
        for insertion in &self.0 {
            let start = insertion.at + shift;
            if guarded >= start && guarded < start + insertion.text.len() {
                return insertion.path;
            }
            shift += insertion.text.len();
        }
        None
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|insertion| insertion.text.capacity() + size_of::<Insertion>())
            .sum()
    }
}

/// What one pass through a template weighs, its loops' bodies left out since they charge for themselves.
pub(super) fn weight(template: &Template, snippets: &HashMap<String, u64>) -> u64 {
    weight_of(&template.nodes, snippets)
}

fn weight_of(nodes: &[Node], snippets: &HashMap<String, u64>) -> u64 {
    nodes
        .iter()
        .map(|node| {
            1 + match &node.kind {
                NodeKind::Text(text) => (text.len() / BYTES_PER_WEIGHT) as u64,
                NodeKind::Output { expr, .. } | NodeKind::Set { value: expr, .. } => expressions(expr),
                NodeKind::If(block) => {
                    let branches: u64 = block
                        .branches
                        .iter()
                        .map(|branch| expressions(&branch.condition) + weight_of(&branch.body, snippets))
                        .sum();
                    branches
                        + block
                            .else_branch
                            .as_ref()
                            .map_or(0, |branch| weight_of(&branch.body, snippets))
                }
                NodeKind::For(block) => {
                    expressions(&block.iterable)
                        + block
                            .else_branch
                            .as_ref()
                            .map_or(0, |branch| weight_of(&branch.body, snippets))
                }
                NodeKind::SetBlock { body, filters, .. } | NodeKind::FilterSection { body, filters, .. } => {
                    filters.len() as u64 + weight_of(body, snippets)
                }
                NodeKind::Include { reference, .. } => snippets.get(reference).copied().unwrap_or(1),
                _ => 0,
            }
        })
        .sum()
}

fn expressions(expr: &Expr) -> u64 {
    let mut count = 0;
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        count += 1;
        expr.push_children(&mut open);
    }
    count
}

/// Bytes of text that one pass through the nodes writes by itself.
fn text_bytes(nodes: &[Node]) -> usize {
    nodes
        .iter()
        .map(|node| match &node.kind {
            NodeKind::Text(text) => text.len(),
            NodeKind::If(block) => {
                block
                    .branches
                    .iter()
                    .map(|branch| text_bytes(&branch.body))
                    .sum::<usize>()
                    + block
                        .else_branch
                        .as_ref()
                        .map_or(0, |branch| text_bytes(&branch.body))
            }
            NodeKind::SetBlock { body, .. } | NodeKind::FilterSection { body, .. } => text_bytes(body),
            // Whole, whatever it is: captured includes are rare.
            NodeKind::Include { .. } => 1 << 12,
            _ => 0,
        })
        .sum()
}

/// Whether an include stands where its text is captured into a value.
pub(super) fn captures_includes(template: &Template) -> bool {
    fn any(nodes: &[Node], captured: bool) -> bool {
        nodes.iter().any(|node| match &node.kind {
            NodeKind::Include { .. } => captured,
            NodeKind::If(block) => {
                block.branches.iter().any(|branch| any(&branch.body, captured))
                    || block
                        .else_branch
                        .as_ref()
                        .is_some_and(|branch| any(&branch.body, captured))
            }
            NodeKind::For(block) => {
                any(&block.body, captured)
                    || block
                        .else_branch
                        .as_ref()
                        .is_some_and(|branch| any(&branch.body, captured))
            }
            NodeKind::SetBlock { body, .. } | NodeKind::FilterSection { body, .. } => any(body, true),
            _ => false,
        })
    }
    any(&template.nodes, false)
}

/// The source of a guarded template and what was put into it. `captured` says whether its text may end up in a value;
/// `snippets` weighs what it includes.
pub(super) fn guard(
    template: &Template,
    captured: bool,
    snippets: &HashMap<String, u64>,
) -> (String, Insertions) {
    let mut guard = Guard {
        source: template.source(),
        snippets,
        insertions: Vec::new(),
    };
    guard.nodes(&template.nodes, captured);
    let mut insertions = guard.insertions;
    // Stable: what was put in at one place stays in the order it was put in.
    insertions.sort_by_key(|insertion| insertion.at);
    let mut source = String::with_capacity(
        template.source().len()
            + insertions
                .iter()
                .map(|insertion| insertion.text.len())
                .sum::<usize>(),
    );
    let mut done = 0;
    for insertion in &insertions {
        source.push_str(template.source().get(done..insertion.at).unwrap_or_default());
        source.push_str(&insertion.text);
        done = insertion.at;
    }
    source.push_str(template.source().get(done..).unwrap_or_default());
    (source, Insertions(insertions))
}

struct Guard<'a> {
    source: &'a str,
    snippets: &'a HashMap<String, u64>,
    insertions: Vec<Insertion>,
}

impl Guard<'_> {
    fn insert(&mut self, at: usize, text: String, path: Option<Span>) {
        self.insertions.push(Insertion { at, text, path });
    }

    /// `expr` becomes `(expr | filter)`; an operator expression gets parentheses of its own.
    fn wrap(&mut self, expr: &Expr, filter: &str) {
        self.wrap_with(expr, filter, |guard| guard.parts(expr));
    }

    fn wrap_with(&mut self, expr: &Expr, filter: &str, inside: impl FnOnce(&mut Self)) {
        let (open, close) = if is_operand(expr) { ("(", "") } else { ("((", ")") };
        self.insert(expr.span.start, open.to_owned(), None);
        inside(self);
        self.insert(expr.span.end, format!("{close} | {filter})"), path_span(expr));
    }

    fn nodes(&mut self, nodes: &[Node], captured: bool) {
        for node in nodes {
            match &node.kind {
                NodeKind::Output { expr, .. } => {
                    if captured && !is_short(expr) {
                        self.wrap(expr, COPY);
                    } else {
                        self.parts(expr);
                    }
                }
                NodeKind::Set { value, .. } => self.assigned(value),
                NodeKind::If(block) => {
                    for branch in &block.branches {
                        self.condition(&branch.condition);
                        self.nodes(&branch.body, captured);
                    }
                    if let Some(branch) = &block.else_branch {
                        self.nodes(&branch.body, captured);
                    }
                }
                NodeKind::For(block) => {
                    let weight = 1 + weight_of(&block.body, self.snippets);
                    let bytes = if captured { text_bytes(&block.body) } else { 0 };
                    self.iterable(&block.iterable, weight, bytes);
                    self.nodes(&block.body, captured);
                    if let Some(branch) = &block.else_branch {
                        self.nodes(&branch.body, captured);
                    }
                }
                NodeKind::SetBlock { filters, body, .. } | NodeKind::FilterSection { filters, body, .. } => {
                    self.nodes(body, true);
                    for filter in filters {
                        if let Some(charge) = self.charge_before(filter) {
                            self.insert(filter.span.start, format!("{charge} | "), None);
                        }
                        self.arguments(filter);
                    }
                }
                _ => {}
            }
        }
    }

    fn iterable(&mut self, expr: &Expr, weight: u64, bytes: usize) {
        let bytes = if bytes > 0 {
            format!(", b={bytes}")
        } else {
            String::new()
        };
        self.wrap(expr, &format!("{LOOP}(w={weight}{bytes})"));
    }

    /// A value that is kept: charged unless it is short or only another name for one that is kept already.
    fn assigned(&mut self, expr: &Expr) {
        if is_short(expr) {
            self.parts(expr);
        } else if is_path(expr) {
            self.strict(expr);
        } else {
            self.wrap(expr, COPY);
        }
    }

    /// An expression where Tera would take a missing value for false, or for no text.
    fn strict(&mut self, expr: &Expr) {
        if is_attribute(expr) {
            self.wrap(expr, DEFINED);
        } else {
            self.parts(expr);
        }
    }

    fn condition(&mut self, expr: &Expr) {
        self.strict(expr);
    }

    /// An expression whose value is read from end to end.
    fn read(&mut self, expr: &Expr) {
        if is_short(expr) {
            self.parts(expr);
        } else {
            self.wrap(expr, READ);
        }
    }

    fn arguments(&mut self, filter: &FilterCall) {
        for kwarg in &filter.kwargs {
            self.strict(&kwarg.value);
        }
    }

    /// The filter to put before this one, if it needs any.
    fn charge_before(&self, filter: &FilterCall) -> Option<String> {
        match filter.name.name.as_str() {
            // They charge for themselves, but for reading.
            "replace" | "join" | "unique" => Some(READ.to_owned()),
            "indent" => {
                let width = filter.kwargs.iter().find(|kwarg| kwarg.name.name == "width");
                let times = match width.map(|kwarg| &kwarg.value.kind) {
                    None => 5,
                    Some(ExprKind::Literal(Literal::Integer(width))) => (*width).clamp(0, 1_000) * 4 + 1,
                    // The most that Tera takes, in four-byte characters.
                    Some(_) => 4_001,
                };
                Some(format!("{COPY}(x={times})"))
            }
            name if SHORT_READERS.contains(&name) => None,
            name => match filter_growth(name) {
                Some(Growth::Linear(times)) => Some(format!("{COPY}(x={times})")),
                Some(Growth::Never) => Some(READ.to_owned()),
                Some(Growth::Unbounded) | None => Some(COPY.to_owned()),
            },
        }
    }

    fn parts(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Var(_) | ExprKind::Loop(_) => {}
            ExprKind::Array(items) => {
                for item in items {
                    let (ArrayItem::Item(expr) | ArrayItem::Spread(expr)) = item;
                    self.strict(expr);
                }
            }
            ExprKind::Map(entries) => {
                for entry in entries {
                    let (MapEntry::Pair { value, .. } | MapEntry::Spread(value)) = entry;
                    self.strict(value);
                }
            }
            ExprKind::Attribute { object, .. } => self.parts(object),
            ExprKind::Index { object, index, .. } => {
                self.parts(object);
                self.parts(index);
            }
            // Tera lets no filter stand before a slice, so that the object is named once more and charged after.
            ExprKind::Slice {
                object,
                start,
                end,
                step,
                ..
            } => {
                let object_text = object.span.text(self.source).to_owned();
                self.insert(expr.span.start, "(".to_owned(), None);
                self.parts(object);
                for part in [start, end, step].into_iter().flatten() {
                    self.parts(part);
                }
                let charge = if matches!(object.kind, ExprKind::Literal(_)) || object_text.is_empty() {
                    READ.to_owned()
                } else {
                    format!("{READ}(of={object_text})")
                };
                self.insert(expr.span.end, format!(" | {charge})"), None);
            }
            ExprKind::Filter { input, filter } => {
                if filter.name.name == "default" {
                    // The one filter that is meant for what may be missing.
                    self.parts(input);
                } else {
                    let charge = self.charge_before(filter).filter(|_| !is_short(input));
                    match charge {
                        Some(charge) => self.wrap(input, &charge),
                        None => self.strict(input),
                    }
                }
                self.arguments(filter);
            }
            ExprKind::Test {
                input, name, kwargs, ..
            } => {
                match name.name.as_str() {
                    "defined" | "undefined" => self.parts(input),
                    "containing" | "starting_with" | "ending_with" => self.read(input),
                    _ => self.strict(input),
                }
                for kwarg in kwargs {
                    self.strict(&kwarg.value);
                }
            }
            ExprKind::Call { kwargs, .. } => {
                for kwarg in kwargs {
                    self.strict(&kwarg.value);
                }
            }
            ExprKind::Ternary {
                then,
                condition,
                otherwise,
            } => {
                self.parts(then);
                self.condition(condition);
                self.parts(otherwise);
            }
            ExprKind::Comprehension(comprehension) => {
                let condition = comprehension.condition.as_ref();
                let weight = 1 + expressions(&comprehension.element) + condition.map_or(0, expressions);
                self.strict(&comprehension.element);
                self.iterable(&comprehension.iterable, weight, 0);
                if let Some(condition) = condition {
                    self.condition(condition);
                }
            }
            ExprKind::Unary { operand, .. } => self.strict(operand),
            ExprKind::Binary { op, left, right } => self.binary(expr, *op, left, right),
        }
    }

    fn binary(&mut self, expr: &Expr, op: BinaryOp, left: &Expr, right: &Expr) {
        match op {
            // The whole chain at once: its parts are charged operand by operand.
            BinaryOp::Concat => {
                for operand in expr.concat_operands() {
                    if is_short(operand) {
                        self.parts(operand);
                    } else {
                        self.wrap(operand, COPY);
                    }
                }
            }
            BinaryOp::In | BinaryOp::NotIn => {
                self.strict(left);
                self.read(right);
            }
            // A comparison ends with the shorter side, so that a literal bounds it.
            _ if is_comparison(op) && !is_short(left) && !is_short(right) => {
                self.read(left);
                self.read(right);
            }
            _ => {
                self.strict(left);
                self.strict(right);
            }
        }
    }
}

fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual
    )
}

/// Bounded by the template itself: nothing to charge for.
fn is_short(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Loop(_) | ExprKind::Test { .. } => true,
        ExprKind::Unary { .. } => true,
        ExprKind::Binary { op, .. } => {
            is_comparison(*op)
                || matches!(
                    op,
                    BinaryOp::In
                        | BinaryOp::NotIn
                        | BinaryOp::Add
                        | BinaryOp::Subtract
                        | BinaryOp::Multiply
                        | BinaryOp::Divide
                        | BinaryOp::FloorDivide
                        | BinaryOp::Remainder
                        | BinaryOp::Power
                )
        }
        ExprKind::Filter { filter, .. } => {
            matches!(
                filter.name.name.as_str(),
                "length" | "wordcount" | "int" | "float" | "round" | "abs"
            )
        }
        _ => false,
    }
}

fn is_path(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Var(_) => true,
        ExprKind::Attribute { object, .. } | ExprKind::Index { object, .. } => is_path(object),
        _ => false,
    }
}

/// An attribute that must be there: `a.b`, but not `a?.b`, which says that it need not.
fn is_attribute(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Attribute { object, optional, .. } | ExprKind::Index { object, optional, .. } => {
            !optional && is_path(object) && !has_optional(object)
        }
        _ => false,
    }
}

fn has_optional(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Attribute { object, optional, .. } | ExprKind::Index { object, optional, .. } => {
            *optional || has_optional(object)
        }
        _ => false,
    }
}

fn path_span(expr: &Expr) -> Option<Span> {
    is_path(expr).then_some(expr.span)
}

/// Whether a filter can follow directly, without parentheses around the expression.
fn is_operand(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Literal(_)
            | ExprKind::Var(_)
            | ExprKind::Loop(_)
            | ExprKind::Attribute { .. }
            | ExprKind::Index { .. }
            | ExprKind::Call { .. }
            | ExprKind::Filter { .. }
            | ExprKind::Array(_)
            | ExprKind::Comprehension(_)
    )
}
