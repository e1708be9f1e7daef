//! How much work one round of a loop is.

use super::ast::{Comprehension, Expr, ExprKind, For, Node, NodeKind};

impl For {
    /// Nodes and expressions rendered in one iteration. A loop inside counts
    /// for itself and for what it iterates over, not for its body.
    #[must_use]
    pub fn weight(&self) -> usize {
        body_weight(&self.body)
    }
}

impl Comprehension {
    /// Expressions evaluated for one element, by the rules of [`For::weight`].
    #[must_use]
    pub fn weight(&self) -> usize {
        let condition = self.condition.as_ref().map_or(0, expr_weight);
        expr_weight(&self.element) + condition
    }
}

fn body_weight(body: &[Node]) -> usize {
    let mut weight = 0;
    let mut bodies = vec![body];
    while let Some(body) = bodies.pop() {
        for node in body {
            weight += 1 + own_weight(node, &mut bodies);
        }
    }
    weight
}

/// The expressions directly in `node`; bodies that run with it are queued.
fn own_weight<'a>(node: &'a Node, bodies: &mut Vec<&'a [Node]>) -> usize {
    match &node.kind {
        NodeKind::Text(_) | NodeKind::Include { .. } | NodeKind::Break(_) | NodeKind::Continue(_) => 0,
        NodeKind::Output { expr, .. } => expr_weight(expr),
        NodeKind::Set { value, .. } => expr_weight(value),
        NodeKind::If(block) => {
            bodies.extend(block.branches.iter().map(|branch| branch.body.as_slice()));
            bodies.extend(block.else_branch.iter().map(|branch| branch.body.as_slice()));
            let conditions = block.branches.iter().map(|branch| &branch.condition);
            conditions.map(expr_weight).sum()
        }
        NodeKind::For(inner) => {
            bodies.extend(inner.else_branch.iter().map(|branch| branch.body.as_slice()));
            expr_weight(&inner.iterable)
        }
        NodeKind::SetBlock { filters, body, .. } | NodeKind::FilterSection { filters, body, .. } => {
            bodies.push(body);
            let arguments = filters.iter().flat_map(|filter| &filter.kwargs);
            filters.len() + arguments.map(|kwarg| expr_weight(&kwarg.value)).sum::<usize>()
        }
    }
}

fn expr_weight(expr: &Expr) -> usize {
    let mut weight = 0;
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        weight += 1;
        match &expr.kind {
            ExprKind::Comprehension(inner) => pending.push(&inner.iterable),
            _ => expr.push_children(&mut pending),
        }
    }
    weight
}
