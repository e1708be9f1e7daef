//! Follows the scopes of a template to find its free variables.

use std::collections::{BTreeMap, HashSet};

use super::analysis::VariableUse;
use super::ast::{
    BinaryOp, Expr, ExprKind, FilterCall, For, Ident, If, Literal, Node, NodeKind, SetScope, UnaryOp,
};
use super::facts::defined_when;
use super::span::Span;

/// Most names that are kept for all includes of a template: each include has a list of its own.
const MAX_CERTAIN: usize = 1 << 16;

/// What happens to an undefined value at some place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It is an error, now or soon.
    Strict,
    /// It counts as false.
    Truthy,
    /// It is exactly what is asked for.
    Tolerant,
}

/// What holds in part of an expression only.
enum Local<'t> {
    Bound(Vec<&'t str>),
    Defined(Vec<&'t str>),
}

/// A chain of [`Local`]s, as an index into a list of them with their parents.
type Env = Option<usize>;

/// How a body ends and what it made certain.
struct Outcome<'t> {
    bound: HashSet<(usize, &'t str)>,
    defined: HashSet<&'t str>,
    /// The body always ends in `break` or `continue`.
    leaves: bool,
}

#[derive(Default)]
pub(super) struct Walk<'t> {
    /// Names certainly assigned: the template, then each enclosing loop.
    frames: Vec<HashSet<&'t str>>,
    /// What was newly added to `frames`, so that it can be taken back.
    bound_log: Vec<(usize, &'t str)>,
    /// Free variables known to be defined, with how often that was learned.
    defined: BTreeMap<&'t str, usize>,
    defined_log: Vec<&'t str>,
    pub(super) uses: Vec<(&'t str, VariableUse)>,
    /// How many names were looked at for that.
    certain: usize,
    /// Includes, with the names that are certain to have a value there.
    pub(super) includes: Vec<(&'t str, Span, Vec<&'t str>)>,
}

impl<'t> Walk<'t> {
    pub(super) fn new() -> Self {
        Self {
            frames: vec![HashSet::new()],
            ..Self::default()
        }
    }

    fn bind(&mut self, frame: usize, name: &'t str) {
        if let Some(names) = self.frames.get_mut(frame)
            && names.insert(name)
        {
            self.bound_log.push((frame, name));
        }
    }

    fn learn(&mut self, names: impl IntoIterator<Item = &'t str>) {
        for name in names {
            *self.defined.entry(name).or_insert(0) += 1;
            self.defined_log.push(name);
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| frame.contains(name))
    }

    /// Takes back everything learned since the logs had these lengths.
    fn rewind(&mut self, bound: usize, defined: usize) -> (Vec<(usize, &'t str)>, Vec<&'t str>) {
        let bound = self.bound_log.split_off(bound);
        for (frame, name) in &bound {
            if let Some(names) = self.frames.get_mut(*frame) {
                names.remove(name);
            }
        }
        let defined = self.defined_log.split_off(defined);
        for name in &defined {
            if let Some(count) = self.defined.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.defined.remove(name);
                }
            }
        }
        (bound, defined)
    }

    /// Walks nodes in order. Returns whether they always leave the loop round.
    pub(super) fn body(&mut self, nodes: &'t [Node]) -> bool {
        let mut leaves = false;
        for node in nodes {
            leaves |= self.node(node);
        }
        leaves
    }

    fn node(&mut self, node: &'t Node) -> bool {
        match &node.kind {
            NodeKind::Text(_) => {}
            NodeKind::Include {
                reference,
                reference_span,
                ..
            } => {
                let bound = self.frames.iter().flatten().copied();
                let mut certain: Vec<&str> = Vec::new();
                let names = self.frames.iter().map(HashSet::len).sum::<usize>() + self.defined.len();
                self.certain += names;
                if self.certain <= MAX_CERTAIN {
                    certain.extend(bound.chain(self.defined.keys().copied()));
                }
                certain.sort_unstable();
                certain.dedup();
                self.includes.push((reference, *reference_span, certain));
            }
            NodeKind::Output { expr, .. } => self.expr(expr, Mode::Strict),
            NodeKind::If(block) => return self.branches(block),
            NodeKind::For(block) => self.for_loop(block),
            NodeKind::Set {
                scope, target, value, ..
            } => {
                self.expr(value, Mode::Strict);
                self.assign(*scope, target);
            }
            NodeKind::SetBlock {
                scope,
                target,
                filters,
                body,
                ..
            } => {
                self.body(body);
                self.filters(filters);
                self.assign(*scope, target);
            }
            NodeKind::FilterSection { filters, body, .. } => {
                self.body(body);
                self.filters(filters);
            }
            NodeKind::Break(_) | NodeKind::Continue(_) => return true,
        }
        false
    }

    fn filters(&mut self, filters: &'t [FilterCall]) {
        for kwarg in filters.iter().flat_map(|filter| &filter.kwargs) {
            self.expr(&kwarg.value, Mode::Strict);
        }
    }

    fn assign(&mut self, scope: SetScope, target: &'t Ident) {
        let frame = match scope {
            SetScope::Global => 0,
            SetScope::Local => self.frames.len().saturating_sub(1),
        };
        self.bind(frame, &target.name);
    }

    fn for_loop(&mut self, block: &'t For) {
        self.expr(&block.iterable, Mode::Strict);
        let mark = (self.bound_log.len(), self.defined_log.len());
        self.frames.push(HashSet::new());
        let frame = self.frames.len() - 1;
        for variable in block.key.iter().chain([&block.value]) {
            self.bind(frame, &variable.name);
        }
        self.body(&block.body);
        // There may be no element, so nothing from the body is certain.
        self.rewind(mark.0, mark.1);
        self.frames.pop();
        if let Some(branch) = &block.else_branch {
            self.body(&branch.body);
            self.rewind(mark.0, mark.1);
        }
    }

    fn branches(&mut self, block: &'t If) -> bool {
        let start = (self.bound_log.len(), self.defined_log.len());
        let mut failed: Vec<&'t str> = Vec::new();
        let mut outcomes = Vec::new();
        for branch in &block.branches {
            // Later conditions are evaluated when the earlier ones failed.
            self.learn(failed.iter().copied());
            self.expr(&branch.condition, Mode::Truthy);
            self.learn(defined_when(&branch.condition, true));
            let leaves = self.body(&branch.body);
            outcomes.push(self.outcome(start, leaves));
            failed.extend(defined_when(&branch.condition, false));
        }
        self.learn(failed);
        let leaves = match &block.else_branch {
            Some(branch) => self.body(&branch.body),
            None => false,
        };
        outcomes.push(self.outcome(start, leaves));
        self.merge(outcomes)
    }

    fn outcome(&mut self, start: (usize, usize), leaves: bool) -> Outcome<'t> {
        let (bound, defined) = self.rewind(start.0, start.1);
        Outcome {
            bound: bound.into_iter().collect(),
            defined: defined.into_iter().collect(),
            leaves,
        }
    }

    /// Keeps what every branch that goes on made certain.
    fn merge(&mut self, outcomes: Vec<Outcome<'t>>) -> bool {
        let mut going_on = outcomes.into_iter().filter(|outcome| !outcome.leaves);
        let Some(mut common) = going_on.next() else {
            return true;
        };
        let mut assured: HashSet<&str> = common.bound.iter().map(|(_, name)| *name).collect();
        assured.extend(&common.defined);
        for outcome in going_on {
            common.bound.retain(|bound| outcome.bound.contains(bound));
            let names: HashSet<&str> = outcome.bound.iter().map(|(_, name)| *name).collect();
            assured.retain(|name| names.contains(name) || outcome.defined.contains(name));
        }
        for (frame, name) in common.bound {
            self.bind(frame, name);
        }
        self.learn(assured);
        false
    }

    /// Walks an expression without recursion: operator chains can be long.
    fn expr(&mut self, expr: &'t Expr, mode: Mode) {
        let mut locals: Vec<(Env, Local<'t>)> = Vec::new();
        let mut pending: Vec<(&'t Expr, Mode, Env)> = vec![(expr, mode, None)];
        let mut children = Vec::new();
        while let Some((expr, mode, env)) = pending.pop() {
            let mut extend = |parent: Env, local: Local<'t>| -> Env {
                locals.push((parent, local));
                Some(locals.len() - 1)
            };
            let passed = if mode == Mode::Truthy { mode } else { Mode::Strict };
            match &expr.kind {
                ExprKind::Var(_)
                | ExprKind::Attribute { .. }
                | ExprKind::Index { .. }
                | ExprKind::Slice { .. } => self.access(expr, mode, env, &locals, &mut pending),
                ExprKind::Filter { input, filter } => {
                    let tolerant = filter.name.name == "default";
                    let mode = if tolerant { Mode::Tolerant } else { Mode::Strict };
                    pending.push((input, mode, env));
                    let values = filter.kwargs.iter().map(|kwarg| &kwarg.value);
                    pending.extend(values.map(|value| (value, Mode::Strict, env)));
                }
                ExprKind::Test {
                    input, name, kwargs, ..
                } => {
                    let tolerant = matches!(name.name.as_str(), "defined" | "undefined");
                    let mode = if tolerant { Mode::Tolerant } else { Mode::Strict };
                    pending.push((input, mode, env));
                    let values = kwargs.iter().map(|kwarg| &kwarg.value);
                    pending.extend(values.map(|value| (value, Mode::Strict, env)));
                }
                ExprKind::Unary {
                    op: UnaryOp::Not,
                    operand,
                } => pending.push((operand, Mode::Truthy, env)),
                ExprKind::Binary {
                    op: BinaryOp::And,
                    left,
                    right,
                } => {
                    pending.push((left, passed, env));
                    let env = extend(env, Local::Defined(defined_when(left, true)));
                    pending.push((right, passed, env));
                }
                ExprKind::Binary {
                    op: BinaryOp::Or,
                    left,
                    right,
                } => {
                    pending.push((left, Mode::Truthy, env));
                    let env = extend(env, Local::Defined(defined_when(left, false)));
                    pending.push((right, passed, env));
                }
                ExprKind::Ternary {
                    then,
                    condition,
                    otherwise,
                } => {
                    pending.push((condition, Mode::Truthy, env));
                    let holds = extend(env, Local::Defined(defined_when(condition, true)));
                    pending.push((then, passed, holds));
                    let fails = extend(env, Local::Defined(defined_when(condition, false)));
                    pending.push((otherwise, passed, fails));
                }
                ExprKind::Comprehension(inner) => {
                    pending.push((&inner.iterable, Mode::Strict, env));
                    let names = inner.key.iter().chain([&inner.value]);
                    let names = names.map(|ident| ident.name.as_str()).collect();
                    let mut env = extend(env, Local::Bound(names));
                    if let Some(condition) = &inner.condition {
                        pending.push((condition, Mode::Truthy, env));
                        env = extend(env, Local::Defined(defined_when(condition, true)));
                    }
                    pending.push((&inner.element, Mode::Strict, env));
                }
                _ => {
                    expr.push_children(&mut children);
                    pending.extend(children.drain(..).map(|child| (child, Mode::Strict, env)));
                }
            }
        }
    }

    /// A variable or a value with attributes and indexes taken from it.
    fn access(
        &mut self,
        whole: &'t Expr,
        mode: Mode,
        env: Env,
        locals: &[(Env, Local<'t>)],
        pending: &mut Vec<(&'t Expr, Mode, Env)>,
    ) {
        let mut path: Vec<Option<&str>> = Vec::new();
        let mut all_optional = true;
        let mut expr = whole;
        let name = loop {
            match &expr.kind {
                ExprKind::Attribute {
                    object,
                    name,
                    optional,
                } => {
                    path.push(Some(&name.name));
                    all_optional &= *optional;
                    expr = object;
                }
                ExprKind::Index {
                    object,
                    index,
                    optional,
                } => {
                    path.push(match &index.kind {
                        ExprKind::Literal(Literal::String(key)) => Some(key),
                        _ => None,
                    });
                    pending.push((index, Mode::Strict, env));
                    all_optional &= *optional;
                    expr = object;
                }
                ExprKind::Slice {
                    object,
                    start,
                    end,
                    step,
                    optional,
                } => {
                    path.push(None);
                    let parts = [start, end, step].into_iter().flatten();
                    pending.extend(parts.map(|part| (&**part, Mode::Strict, env)));
                    all_optional &= *optional;
                    expr = object;
                }
                ExprKind::Var(name) => break name.as_str(),
                _ => {
                    pending.push((expr, Mode::Strict, env));
                    return;
                }
            }
        };
        let mut guarded = match mode {
            Mode::Strict => false,
            Mode::Truthy => all_optional && !path.is_empty(),
            Mode::Tolerant => all_optional,
        };
        let mut at = env;
        while let Some((parent, local)) = at.and_then(|at| locals.get(at)) {
            match local {
                Local::Bound(names) if names.contains(&name) => return,
                Local::Defined(names) => guarded |= names.contains(&name),
                Local::Bound(_) => {}
            }
            at = *parent;
        }
        if self.is_bound(name) {
            return;
        }
        guarded |= self.defined.contains_key(name);
        let path = path.iter().rev().map_while(|segment| *segment);
        let found = VariableUse {
            span: whole.span,
            path: path.map(str::to_owned).collect(),
            guarded,
        };
        self.uses.push((name, found));
    }
}
