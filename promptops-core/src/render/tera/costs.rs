//! What one pass through a template costs: what the guard charges for, and the engine for what it starts.

use std::collections::HashMap;

use super::guard::NUMBER_BYTES;
use crate::template::{Expr, ExprKind, Literal, Node, NodeKind, Template};

/// Bytes of text that weigh as much as a node.
const BYTES_PER_WEIGHT: usize = 64;

/// Bytes that a part of a comprehension's element may keep.
const PART_BYTES: usize = 64;

/// Bytes that a map in a comprehension's element keeps beside its parts.
const MAP_BYTES: usize = 160;

/// What one pass through a template costs, its loops' bodies left out since they charge for themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::render) struct Costs {
    /// Steps.
    pub(super) weight: u64,
    /// Bytes of text that it writes by itself.
    pub(super) text: usize,
    /// Bytes of such text in what it captures.
    pub(super) captured: usize,
}

impl Costs {
    fn add(&mut self, other: Self) {
        self.weight = self.weight.saturating_add(other.weight);
        self.text = self.text.saturating_add(other.text);
        self.captured = self.captured.saturating_add(other.captured);
    }

    fn weight(weight: u64) -> Self {
        Self {
            weight,
            ..Self::default()
        }
    }
}

/// What one pass through a template costs, given what it includes.
pub(super) fn costs(template: &Template, snippets: &HashMap<String, Costs>) -> Costs {
    costs_of(&template.nodes, snippets)
}

pub(super) fn costs_of(nodes: &[Node], snippets: &HashMap<String, Costs>) -> Costs {
    let mut costs = Costs::default();
    for node in nodes {
        costs.add(Costs::weight(1));
        match &node.kind {
            NodeKind::Text(text) => costs.add(Costs {
                weight: (text.len() / BYTES_PER_WEIGHT) as u64,
                text: text.len(),
                captured: 0,
            }),
            NodeKind::Output { expr, .. } => costs.add(Costs {
                weight: expressions(expr),
                text: match &expr.kind {
                    ExprKind::Literal(Literal::String(text)) => text.len(),
                    _ => NUMBER_BYTES,
                },
                captured: 0,
            }),
            NodeKind::Set { value, .. } => costs.add(Costs::weight(expressions(value))),
            NodeKind::If(block) => {
                for branch in &block.branches {
                    costs.add(Costs::weight(expressions(&branch.condition)));
                    costs.add(costs_of(&branch.body, snippets));
                }
                if let Some(branch) = &block.else_branch {
                    costs.add(costs_of(&branch.body, snippets));
                }
            }
            NodeKind::For(block) => {
                costs.add(Costs::weight(expressions(&block.iterable)));
                if let Some(branch) = &block.else_branch {
                    costs.add(costs_of(&branch.body, snippets));
                }
            }
            NodeKind::SetBlock { body, filters, .. } | NodeKind::FilterSection { body, filters, .. } => {
                let mut inner = costs_of(body, snippets);
                inner.captured = inner.captured.saturating_add(inner.text);
                costs.add(inner);
                for kwarg in filters.iter().flat_map(|filter| &filter.kwargs) {
                    costs.add(Costs::weight(expressions(&kwarg.value)));
                }
                costs.add(Costs::weight(filters.len() as u64));
            }
            NodeKind::Include { reference, .. } => {
                costs.add(snippets.get(reference).copied().unwrap_or_default());
            }
            _ => {}
        }
    }
    costs
}

pub(super) fn expressions(expr: &Expr) -> u64 {
    let mut count = 0;
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        count += 1;
        if let ExprKind::Literal(Literal::String(text)) = &expr.kind {
            count += (text.len() / BYTES_PER_WEIGHT) as u64;
        }
        expr.push_children(&mut open);
    }
    count
}

/// Bytes that the value of a comprehension's element may keep, beside what is charged where it is made.
pub(super) fn element_bytes(expr: &Expr) -> usize {
    let mut bytes = 0;
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        bytes += PART_BYTES;
        if matches!(expr.kind, ExprKind::Map(_)) {
            bytes += MAP_BYTES;
        }
        expr.push_children(&mut open);
    }
    bytes
}
