//! Puts charging filters into a template's source, wherever what it does can grow or a missing value would pass in
//! silence. What a template says is not changed: every filter put in passes its value on.
//!
//! | place | filter | why |
//! |---|---|---|
//! | what a `for` or a comprehension goes through | `__loop` | Tera's loops have no bound |
//! | values of `set`, what `...` spreads into a map or list, what functions return | `__copy`, `__take` | values have no bound |
//! | operands of `~`, what a captured block prints | `__text` | texts have no bound |
//! | before a filter whose result can be longer than its input, or is another text | `__copy(x=…)` | the same |
//! | before a filter that makes a list of the elements it gets | `__take`, `__sort` | the same |
//! | operands of comparisons and `in`, what filters, tests and their arguments read | `__read` | long values, read again and again |
//! | what an element is taken from by number, or slices | `__index`, `__slice` | Tera makes a list of a text's characters |
//! | what `sort` and `group_by` go by | `__path` | the path is followed in every element |
//! | attributes in conditions, comparisons and arguments | `__defined` | Tera takes a missing one for false there |
//!
//! Nothing is put in where nothing can happen: printing a path, comparing with a short literal, filters that read
//! little. What has neither a loop nor a name is charged once, before: see [`Costs`].
//!
//! # What may be missing
//!
//! A missing value is an error that names it, wherever it is: printed, in a condition (`if`, `elif`, `… if … else`, of a
//! comprehension), under `and`, `or`, `not`, on either side of a comparison, of `in`, `~` or arithmetic, in a list or
//! map, as an argument, as an index, as what a filter or test is applied to, as what a loop goes through, as the value
//! of a `set`. A parameter counts before rendering (all that are missing are listed); an attribute or an element when
//! its place is reached, so that what stands behind `and`, `or` or in a branch not taken may be missing.
//!
//! A value may be missing, as far as it is the last step of its path, only
//! - as what `default` is applied to, or the result of an `… if … else` there;
//! - as what `is defined` or `is undefined` is applied to;
//! - when that last step is written `?.` or `?[`.

use std::collections::HashMap;

use crate::template::{
    ArrayItem, BinaryOp, Expr, ExprKind, FilterCall, Growth, Kwarg, Literal, MapEntry, Node, NodeKind, Span,
    Template, filter_growth,
};

use super::costs::{Costs, costs_of, element_bytes, expressions};
use super::fuel::{COPY, DEFINED, INDEX, PATH, READ, SLICE, SORT, TAKE, TEXT, loop_filter};

/// What a round of a loop weighs by itself; an entry of a map is copied before it starts.
const LOOP_WEIGHT: u64 = 2;

/// Bytes up to which a text in a template is nothing to charge for.
const SHORT_TEXT: usize = 64;
/// Bytes that a number or boolean takes when printed, at most.
pub(super) const NUMBER_BYTES: usize = 40;

/// What was put into a template, in order of place: leads from the guarded source back to the original. Kept with every
/// compiled prompt, so that it is small.
#[derive(Debug)]
pub(in crate::render) struct Insertions(Box<[Put]>);

#[derive(Debug, Clone, Copy)]
struct Put {
    /// Where it was put, as an offset into the original.
    at: u32,
    /// Bytes that were put there.
    len: u32,
    /// The path that a missing value here is reported by; empty when there is none.
    path: (u32, u32),
}

/// Something to put into a template.
#[derive(Debug)]
struct Insertion {
    at: usize,
    text: String,
    path: Option<Span>,
}

impl Insertions {
    fn of(insertions: &[Insertion]) -> Self {
        // Sources are far shorter than this can say; see the parser's limits.
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let put = |insertion: &Insertion| Put {
            at: short(insertion.at),
            len: short(insertion.text.len()),
            path: insertion
                .path
                .map_or((0, 0), |span| (short(span.start), short(span.end))),
        };
        Self(insertions.iter().map(put).collect())
    }

    /// The place in the original of an offset into the guarded source.
    pub(super) fn original_offset(&self, guarded: usize) -> usize {
        let mut shift = 0;
        for put in &self.0 {
            let (at, len) = (put.at as usize, put.len as usize);
            if at + shift >= guarded {
                break;
            }
            // Inside of what was put in: the place where it was put.
            if guarded < at + shift + len {
                return at;
            }
            shift += len;
        }
        guarded - shift
    }

    /// The path, and its place, that a filter put in at this offset of the guarded source checks.
    pub(super) fn checked_path(&self, guarded: usize) -> Option<Span> {
        let mut shift = 0;
        for put in &self.0 {
            let (start, len) = (put.at as usize + shift, put.len as usize);
            if guarded >= start && guarded < start + len {
                let (start, end) = (put.path.0 as usize, put.path.1 as usize);
                return (start < end).then_some(Span { start, end });
            }
            shift += len;
        }
        None
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
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
/// `snippets` has the costs of what it includes.
pub(in crate::render) fn guard(
    template: &Template,
    captured: bool,
    snippets: &HashMap<String, Costs>,
) -> (String, Insertions) {
    let mut guard = Guard {
        source: template.source(),
        snippets,
        subscripts: 0,
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
    (source, Insertions::of(&insertions))
}

struct Guard<'a> {
    source: &'a str,
    snippets: &'a HashMap<String, Costs>,
    /// Subscripts that follow on the one being looked at.
    subscripts: usize,
    insertions: Vec<Insertion>,
}

impl Guard<'_> {
    fn insert(&mut self, at: usize, text: String, path: Option<Span>) {
        self.insertions.push(Insertion { at, text, path });
    }

    /// `expr` becomes `(expr | filter)`; an operator expression gets parentheses of its own.
    fn wrap(&mut self, expr: &Expr, filter: &str) {
        match &expr.kind {
            ExprKind::Call { kwargs, .. } => {
                self.wrap_with(expr, &format!("{TAKE} | {filter}"), |guard| guard.numbers(kwargs));
            }
            _ => self.wrap_with(expr, filter, |guard| guard.parts(expr)),
        }
    }

    fn wrap_with(&mut self, expr: &Expr, filter: &str, inside: impl FnOnce(&mut Self)) {
        let (open, close) = if is_operand(expr) { ("(", "") } else { ("((", ")") };
        self.insert(expr.span.start, open.to_owned(), None);
        inside(self);
        self.insert(expr.span.end, format!("{close} | {filter})"), Some(expr.span));
    }

    fn nodes(&mut self, nodes: &[Node], captured: bool) {
        for node in nodes {
            match &node.kind {
                NodeKind::Output { expr, .. } => {
                    if captured && !is_short(expr) {
                        self.wrap(expr, TEXT);
                    } else {
                        self.parts(expr);
                    }
                }
                NodeKind::Set { value, .. } => self.assigned(value),
                NodeKind::If(block) => {
                    for branch in &block.branches {
                        self.strict(&branch.condition);
                        self.nodes(&branch.body, captured);
                    }
                    if let Some(branch) = &block.else_branch {
                        self.nodes(&branch.body, captured);
                    }
                }
                NodeKind::For(block) => {
                    let costs = costs_of(&block.body, self.snippets);
                    let text = if captured { costs.text } else { 0 };
                    self.iterable(&block.iterable, LOOP_WEIGHT + costs.weight, text + costs.captured);
                    self.nodes(&block.body, captured);
                    if let Some(branch) = &block.else_branch {
                        self.nodes(&branch.body, captured);
                    }
                }
                NodeKind::SetBlock { filters, body, .. } | NodeKind::FilterSection { filters, body, .. } => {
                    self.nodes(body, true);
                    for filter in filters {
                        if let Some(charge) = Self::charge_before(filter) {
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
        let charge = loop_filter(weight, bytes);
        match &expr.kind {
            // The rounds are charged at once; the list is gone when they are over.
            ExprKind::Call { kwargs, .. } => self.wrap_with(expr, &charge, |guard| guard.numbers(kwargs)),
            _ => self.wrap(expr, &charge),
        }
    }

    /// Arguments of functions, which take numbers.
    fn numbers(&mut self, kwargs: &[Kwarg]) {
        for kwarg in kwargs {
            self.strict(&kwarg.value);
        }
    }

    /// Arguments of tests.
    fn values(&mut self, kwargs: &[Kwarg]) {
        for kwarg in kwargs {
            self.read(&kwarg.value);
        }
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
        match &expr.kind {
            ExprKind::Attribute { optional: false, .. } | ExprKind::Index { optional: false, .. } => {
                self.wrap(expr, DEFINED);
            }
            _ => self.parts(expr),
        }
    }

    /// An expression whose value may be missing.
    fn tolerated(&mut self, expr: &Expr) {
        if let ExprKind::Ternary {
            then,
            condition,
            otherwise,
        } = &expr.kind
        {
            self.tolerated(then);
            self.strict(condition);
            self.tolerated(otherwise);
        } else {
            self.parts(expr);
        }
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
            match filter.name.name.as_str() {
                // Passed on as it is.
                "default" => self.strict(&kwarg.value),
                // It becomes the result, or part of it.
                "truncate" | "pluralize" if !is_short(&kwarg.value) => self.wrap(&kwarg.value, COPY),
                "sort" | "group_by" if !is_short(&kwarg.value) => self.wrap(&kwarg.value, PATH),
                _ => self.read(&kwarg.value),
            }
        }
    }

    /// The filter to put before this one, if it needs any.
    fn charge_before(filter: &FilterCall) -> Option<String> {
        Some(match filter.name.name.as_str() {
            // Meant for what may be missing, or reading little.
            "default" | "abs" | "round" | "first" | "last" | "nth" | "get" | "pluralize" => return None,
            // They charge for themselves, but for reading.
            "replace" | "join" | "unique" => READ.to_owned(),
            "length" | "wordcount" | "int" | "float" => READ.to_owned(),
            "sort" => SORT.to_owned(),
            "reverse" | "values" | "keys" => TAKE.to_owned(),
            "pairs" => format!("{TAKE}(x=2)"),
            "str" | "safe" => TEXT.to_owned(),
            // By nothing, it makes an element of each byte.
            "split" => format!("{COPY}(x=24)"),
            "group_by" => format!("{COPY}(x=2)"),
            "indent" => {
                let width = filter.kwargs.iter().find(|kwarg| kwarg.name.name == "width");
                let times = match width.map(|kwarg| &kwarg.value.kind) {
                    None => 4 * 4 + 2,
                    // An indentation of four-byte characters for every byte that ends a line.
                    Some(ExprKind::Literal(Literal::Integer(width))) => (*width).clamp(0, 1_000) * 4 + 2,
                    // The most that Tera takes.
                    Some(_) => 4_002,
                };
                format!("{COPY}(x={times})")
            }
            name => match filter_growth(name) {
                Some(Growth::Linear(times)) => format!("{COPY}(x={times})"),
                Some(Growth::Never | Growth::Unbounded) | None => COPY.to_owned(),
            },
        })
    }

    /// What an element is taken from, or sliced. Within a path no filter can stand, so that it is named once more,
    /// in the subscript: the answer says which filter goes there.
    fn subscripted(&mut self, object: &Expr, filter: &str) -> Option<String> {
        if let Some(root) = root(object) {
            self.subscripts += 1;
            self.parts(object);
            self.subscripts -= 1;
            return Some(if is_plain(object) {
                let times = self.subscripts + 1;
                format!("{filter}(of={}, x={times})", object.span.text(self.source))
            } else {
                format!("{READ}(of={root})")
            });
        }
        if is_short(object) {
            self.parts(object);
        } else {
            let outer = std::mem::take(&mut self.subscripts);
            self.wrap(object, filter);
            self.subscripts = outer;
        }
        None
    }

    /// What stands in a subscript, with the charge for what it is taken from.
    fn subscript(&mut self, expr: &Expr, charge: Option<&str>) {
        let outer = std::mem::take(&mut self.subscripts);
        match charge {
            Some(charge) => self.wrap(expr, charge),
            None => self.strict(expr),
        }
        self.subscripts = outer;
    }

    fn parts(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(_) | ExprKind::Var(_) | ExprKind::Loop(_) => {}
            ExprKind::Array(items) => {
                for item in items {
                    match item {
                        ArrayItem::Item(expr) => self.strict(expr),
                        ArrayItem::Spread(expr) => self.wrap(expr, TAKE),
                    }
                }
            }
            ExprKind::Map(entries) => {
                for entry in entries {
                    match entry {
                        MapEntry::Pair { value, .. } => self.strict(value),
                        MapEntry::Spread(value) => self.wrap(value, TAKE),
                    }
                }
            }
            ExprKind::Attribute { object, .. } => self.parts(object),
            ExprKind::Index { object, index, .. } => {
                // Texts have no keys.
                if matches!(index.kind, ExprKind::Literal(Literal::String(_))) {
                    self.parts(object);
                } else {
                    let charge = self.subscripted(object, INDEX);
                    // A key may be long, and is read.
                    let charge = charge.or_else(|| (!is_short(index)).then(|| READ.to_owned()));
                    self.subscript(index, charge.as_deref());
                }
            }
            ExprKind::Slice {
                object,
                start,
                end,
                step,
                ..
            } => {
                let charge = self.subscripted(object, SLICE);
                match (start, &charge) {
                    (Some(start), _) => self.subscript(start, charge.as_deref()),
                    (None, Some(charge)) => {
                        let after = self.source.get(object.span.end..).unwrap_or_default();
                        let bracket = after.find('[').unwrap_or_default();
                        self.insert(object.span.end + bracket + 1, format!("(none | {charge})"), None);
                    }
                    (None, None) => {}
                }
                for part in [end, step].into_iter().flatten() {
                    self.subscript(part, None);
                }
            }
            ExprKind::Filter { input, filter } => {
                if filter.name.name == "default" {
                    self.tolerated(input);
                } else {
                    // What makes more of it is charged for even when it is short.
                    let charge = Self::charge_before(filter)
                        .filter(|charge| !(is_short(input) && [READ, TAKE, SORT].contains(&charge.as_str())));
                    match charge {
                        // Filters in a row need no parentheses, of which Tera takes few.
                        Some(charge) if is_operand(input) => {
                            self.parts(input);
                            self.insert(input.span.end, format!(" | {charge}"), Some(input.span));
                        }
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
                    "defined" | "undefined" => self.tolerated(input),
                    "containing" | "starting_with" | "ending_with" => self.read(input),
                    _ => self.strict(input),
                }
                self.values(kwargs);
            }
            ExprKind::Call { kwargs, .. } => {
                self.insert(expr.span.start, "(".to_owned(), None);
                self.numbers(kwargs);
                self.insert(expr.span.end, format!(" | {TAKE})"), None);
            }
            ExprKind::Ternary {
                then,
                condition,
                otherwise,
            } => {
                self.strict(then);
                self.strict(condition);
                self.strict(otherwise);
            }
            ExprKind::Comprehension(comprehension) => {
                let condition = comprehension.condition.as_ref();
                let weight =
                    LOOP_WEIGHT + expressions(&comprehension.element) + condition.map_or(0, expressions);
                self.strict(&comprehension.element);
                let bytes = element_bytes(&comprehension.element);
                self.iterable(&comprehension.iterable, weight, bytes);
                if let Some(condition) = condition {
                    self.strict(condition);
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
                        self.wrap(operand, TEXT);
                    }
                }
            }
            BinaryOp::In | BinaryOp::NotIn => {
                self.read(left);
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

pub(in crate::render) fn is_comparison(op: BinaryOp) -> bool {
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
pub(in crate::render) fn is_short(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => text.len() <= SHORT_TEXT,
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

pub(in crate::render) fn is_path(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Var(_) => true,
        ExprKind::Attribute { object, .. } | ExprKind::Index { object, .. } => is_path(object),
        _ => false,
    }
}

/// The variable that a path starts with, slices on the way included.
fn root(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Var(name) => Some(name),
        ExprKind::Attribute { object, .. }
        | ExprKind::Index { object, .. }
        | ExprKind::Slice { object, .. } => root(object),
        _ => None,
    }
}

/// A path whose subscripts are literals and variables: following it once more costs little.
fn is_plain(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Var(_) => true,
        ExprKind::Attribute { object, .. } => is_plain(object),
        ExprKind::Index { object, index, .. } => {
            is_plain(object)
                && matches!(
                    index.kind,
                    ExprKind::Literal(_) | ExprKind::Var(_) | ExprKind::Loop(_)
                )
        }
        _ => false,
    }
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
