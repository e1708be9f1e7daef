//! What was made, as far as it takes to make it smaller.

use std::fmt;

/// What may stand in the place of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nodes, each of which may go.
    Body,
    /// A tag, a block or a text.
    Node,
    /// An expression that needs parentheses as an operand.
    Expr,
    /// An expression that ends with a filter: another one can follow.
    Filtered,
    /// An expression that needs no parentheses.
    Atom,
    /// What may go: an `else`, an argument, a minus of whitespace.
    Optional,
}

impl Kind {
    fn is_expression(self) -> bool {
        matches!(self, Self::Expr | Self::Filtered | Self::Atom)
    }
}

#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    Tree(Tree),
    /// In parentheses where it needs them.
    Operand(Tree),
    /// What a filter follows.
    Input(Tree),
}

#[derive(Debug, Clone)]
pub struct Tree {
    pub kind: Kind,
    pub parts: Vec<Part>,
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Tree> for Part {
    fn from(tree: Tree) -> Self {
        Self::Tree(tree)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Tree(tree) => tree.fmt(f)?,
                Part::Operand(tree) if tree.kind != Kind::Atom => write!(f, "({tree})")?,
                Part::Input(tree) if tree.kind == Kind::Expr => write!(f, "({tree})")?,
                Part::Operand(tree) | Part::Input(tree) => tree.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Part {
    fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Text(_) => None,
            Self::Tree(tree) | Self::Operand(tree) | Self::Input(tree) => Some(tree),
        }
    }

    fn with(&self, tree: Tree) -> Self {
        match self {
            Self::Text(_) | Self::Tree(_) => Self::Tree(tree),
            Self::Operand(_) => Self::Operand(tree),
            Self::Input(_) => Self::Input(tree),
        }
    }
}

impl Tree {
    pub fn new(kind: Kind, parts: Vec<Part>) -> Self {
        Self { kind, parts }
    }

    pub fn text(kind: Kind, text: impl Into<String>) -> Self {
        Self::new(kind, vec![Part::Text(text.into())])
    }

    fn descendants<'a>(&'a self, wanted: &dyn Fn(Kind) -> bool, out: &mut Vec<&'a Tree>) {
        for tree in self.parts.iter().filter_map(Part::tree) {
            if wanted(tree.kind) {
                out.push(tree);
            }
            tree.descendants(wanted, out);
        }
    }

    /// Trees that may stand in the place of this one, each changed in one place.
    pub fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut inner = Vec::new();
        match self.kind {
            Kind::Expr | Kind::Filtered | Kind::Atom => {
                self.descendants(&Kind::is_expression, &mut inner);
                if self.to_string().len() > 4 {
                    all.extend(["1", "''", "true", "[]"].map(|text| Self::text(Kind::Atom, text)));
                }
            }
            Kind::Node | Kind::Body => {
                self.descendants(&|kind| matches!(kind, Kind::Node | Kind::Body), &mut inner);
            }
            Kind::Optional => all.push(Self::text(Kind::Optional, "")),
        }
        all.extend(inner.into_iter().cloned());
        if self.kind == Kind::Node
            && let [Part::Text(text)] = self.parts.as_slice()
            && text.chars().count() > 1
            && !text.contains("{%")
        {
            all.push(Self::text(Kind::Node, "a"));
            all.push(Self::text(Kind::Node, "\n"));
        }
        for (at, part) in self.parts.iter().enumerate() {
            let Some(tree) = part.tree() else { continue };
            if self.kind == Kind::Body {
                let mut less = self.clone();
                less.parts.remove(at);
                all.push(less);
            }
            for tree in tree.simpler() {
                let mut simple = self.clone();
                simple.parts[at] = part.with(tree);
                all.push(simple);
            }
        }
        all
    }
}
