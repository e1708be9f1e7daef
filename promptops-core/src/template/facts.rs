//! What the outcome of a condition says about variables being defined.

use super::ast::{BinaryOp, Expr, ExprKind, UnaryOp};

/// The variables that are certainly defined when `condition` turned out to be
/// `outcome`. Only `is defined` and `is undefined` count, combined with `and`,
/// `or` and `not`.
pub(super) fn defined_when(condition: &Expr, outcome: bool) -> Vec<&str> {
    let mut names = Vec::new();
    let mut pending = vec![(condition, outcome)];
    while let Some((expr, outcome)) = pending.pop() {
        match &expr.kind {
            ExprKind::Unary {
                op: UnaryOp::Not,
                operand,
            } => pending.push((operand, !outcome)),
            ExprKind::Binary { op, left, right } => {
                // Both sides had the same outcome only for these two.
                let both = (*op == BinaryOp::And && outcome) || (*op == BinaryOp::Or && !outcome);
                if both {
                    pending.extend([(&**left, outcome), (&**right, outcome)]);
                }
            }
            ExprKind::Test {
                input, negated, name, ..
            } => {
                let says_defined = match name.name.as_str() {
                    "defined" => !negated,
                    "undefined" => *negated,
                    _ => continue,
                };
                if says_defined == outcome {
                    names.extend(root(input));
                }
            }
            _ => {}
        }
    }
    names
}

/// The variable that attributes and indexes are taken from, if it is one.
fn root(expr: &Expr) -> Option<&str> {
    let mut expr = expr;
    loop {
        match &expr.kind {
            ExprKind::Var(name) => return Some(name),
            ExprKind::Attribute { object, .. }
            | ExprKind::Index { object, .. }
            | ExprKind::Slice { object, .. } => expr = object,
            _ => return None,
        }
    }
}
