//! How large and how deep a template may be.

use super::error::{Result, TemplateError, TemplateErrorKind};
use super::span::Span;

/// Bounds checked while a template is parsed.
///
/// The defaults leave room for the prompts people write while keeping Tera's
/// own recursive parser and compiler inside a 2 MiB stack, also in unoptimised
/// builds and with every wrapped expression wrapped once. Higher values need a
/// larger stack for Tera; up to the ceilings given with each field the parser
/// itself stays small. Values above a ceiling are treated as the ceiling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Length of the source in bytes. Default 65 536, ceiling 1 048 576.
    pub source_bytes: usize,
    /// Blocks (`if`, `for`, `filter`, block `set`) inside each other.
    /// Default 16, ceiling 32.
    pub nesting: usize,
    /// Sub-expressions inside each other: right operands, parentheses,
    /// arguments, indexes. Default 16, ceiling 20. The ceiling is half of what
    /// Tera accepts, so that a later pass may wrap each level once.
    pub expression_depth: usize,
    /// `elif` branches of a single `if`. Default 64, ceiling 128.
    pub branches: usize,
    /// `if` and `elif` conditions that enclose one place, summed over all
    /// nested blocks; Tera's parser recurses once for each. Default 68,
    /// ceiling 128.
    pub branch_depth: usize,
    /// `for` loops inside each other, list comprehensions included.
    /// Default 4, ceiling 16.
    pub loops: usize,
    /// Nodes and expressions in the whole template. Default 8 192,
    /// ceiling 65 536.
    pub nodes: usize,
    /// Operators, filters, tests, attribute and index accesses and list
    /// comprehensions in one expression; a filter counts twice. Default 40,
    /// ceiling 100: Tera stops at 256, and a later pass may add one filter for
    /// each.
    pub operators: usize,
    /// Keyword arguments of one call. Default 32, ceiling 64.
    pub arguments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 65_536,
            nesting: 16,
            expression_depth: 16,
            branches: 64,
            branch_depth: 68,
            loops: 4,
            nodes: 8_192,
            operators: 40,
            arguments: 32,
        }
    }
}

impl Limits {
    /// The same limits with every value lowered to its ceiling.
    #[must_use]
    pub fn capped(&self) -> Self {
        Self {
            source_bytes: self.source_bytes.min(1_048_576),
            nesting: self.nesting.min(32),
            expression_depth: self.expression_depth.min(20),
            branches: self.branches.min(128),
            branch_depth: self.branch_depth.min(128),
            loops: self.loops.min(16),
            nodes: self.nodes.min(65_536),
            operators: self.operators.min(100),
            arguments: self.arguments.min(64),
        }
    }

    pub(super) fn check(
        value: usize,
        limit: usize,
        what: &str,
        advice: &str,
        span: Span,
        source: &str,
    ) -> Result<()> {
        if value <= limit {
            return Ok(());
        }
        Err(TemplateError::new(
            TemplateErrorKind::Limit,
            format!("expected at most {limit} {what}, found more"),
            span,
            source,
        )
        .with_help(advice))
    }
}

/// Array literals inside each other that Tera accepts.
pub(super) const ARRAY_DIMENSIONS: usize = 2;

/// Subscripts inside each other that Tera accepts.
pub(super) const NESTED_SUBSCRIPTS: usize = 4;
