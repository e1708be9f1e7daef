//! Blocks that are being read.

use super::ast::{Branch, ElseBranch, Expr, FilterCall, For, Ident, If, Node, NodeKind, SetScope, Tag};

/// A block whose end tag has not been seen yet.
pub(super) struct Open {
    pub(super) kind: OpenKind,
    /// The tag that opened the current body.
    pub(super) tag: Tag,
    /// The body read so far.
    pub(super) body: Vec<Node>,
    /// The opening tag of the whole block.
    pub(super) first_tag: Tag,
}

pub(super) enum OpenKind {
    If {
        done: Vec<Branch>,
        condition: Expr,
    },
    IfElse {
        done: Vec<Branch>,
    },
    For(Box<ForHeader>),
    ForElse {
        header: Box<ForHeader>,
        body: Vec<Node>,
    },
    Set {
        scope: SetScope,
        target: Ident,
        filters: Vec<FilterCall>,
    },
    Filter {
        filters: Vec<FilterCall>,
    },
}

pub(super) struct ForHeader {
    pub(super) tag: Tag,
    pub(super) key: Option<Ident>,
    pub(super) value: Ident,
    pub(super) iterable: Expr,
}

impl OpenKind {
    pub(super) fn opener(&self) -> &'static str {
        match self {
            Self::If { .. } | Self::IfElse { .. } => "if",
            Self::For(_) | Self::ForElse { .. } => "for",
            Self::Set {
                scope: SetScope::Local,
                ..
            } => "set",
            Self::Set {
                scope: SetScope::Global,
                ..
            } => "set_global",
            Self::Filter { .. } => "filter",
        }
    }

    pub(super) fn closer(&self) -> &'static str {
        match self {
            Self::If { .. } | Self::IfElse { .. } => "endif",
            Self::For(_) | Self::ForElse { .. } => "endfor",
            Self::Set { .. } => "endset",
            Self::Filter { .. } => "endfilter",
        }
    }
}

/// Builds the node of a block whose end tag has been read.
pub(super) fn finish(open: Open, end: Tag) -> NodeKind {
    let Open { kind, tag, body, .. } = open;
    match kind {
        OpenKind::If {
            done: mut branches,
            condition,
        } => {
            branches.push(Branch { tag, condition, body });
            NodeKind::If(If {
                branches,
                else_branch: None,
                end,
            })
        }
        OpenKind::IfElse { done } => NodeKind::If(If {
            branches: done,
            else_branch: Some(ElseBranch { tag, body }),
            end,
        }),
        OpenKind::For(header) => for_node(*header, body, None, end),
        OpenKind::ForElse {
            header,
            body: loop_body,
        } => for_node(*header, loop_body, Some(ElseBranch { tag, body }), end),
        OpenKind::Set {
            scope,
            target,
            filters,
        } => NodeKind::SetBlock {
            tag,
            scope,
            target,
            filters,
            body,
            end,
        },
        OpenKind::Filter { filters } => NodeKind::FilterSection {
            tag,
            filters,
            body,
            end,
        },
    }
}

fn for_node(header: ForHeader, body: Vec<Node>, else_branch: Option<ElseBranch>, end: Tag) -> NodeKind {
    NodeKind::For(Box::new(For {
        tag: header.tag,
        key: header.key,
        value: header.value,
        iterable: header.iterable,
        body,
        else_branch,
        end,
    }))
}
