//! Parses what binds or carries names: arguments, collections, loop variables.

use super::ast::{ArrayItem, Comprehension, Expr, ExprKind, FilterCall, Ident, Kwarg, MapEntry, MapKey};
use super::builtins;
use super::error::{Result, TemplateErrorKind};
use super::expression::{ANY, NO_TERNARY};
use super::lexer::{Token, unescape};
use super::limits::{ARRAY_DIMENSIONS, Limits};
use super::parser::Parser;
use super::span::Span;

/// Names Tera does not allow to be assigned.
const RESERVED: [&str; 12] = [
    "loop", "self", "and", "or", "not", "is", "in", "continue", "break", "none", "None", "null",
];

/// Names Tera would allow to be assigned but which could not be read here.
const KEYWORDS: [&str; 3] = ["if", "else", "for"];

impl Parser<'_> {
    /// A filter with its arguments; the `|` is already consumed.
    pub(super) fn filter_call(&mut self) -> Result<FilterCall> {
        let name = self.expect_ident("the name of a filter")?;
        self.refuse_internal(&name)?;
        builtins::require_filter(&name.name, name.span, self.source)?;
        self.count_node(name.span)?;
        let kwargs = self.optional_kwargs()?;
        let span = name.span.to(self.last);
        Ok(FilterCall { name, kwargs, span })
    }

    pub(super) fn optional_kwargs(&mut self) -> Result<Vec<Kwarg>> {
        if self.peek()? == Token::Symbol("(") {
            self.kwargs()
        } else {
            Ok(Vec::new())
        }
    }

    /// `(name=value, …)` with an optional comma at the end.
    pub(super) fn kwargs(&mut self) -> Result<Vec<Kwarg>> {
        self.expect_symbol("(", "`(`")?;
        let mut kwargs: Vec<Kwarg> = Vec::new();
        loop {
            if self.eat_symbol(")")? {
                return Ok(kwargs);
            }
            if !kwargs.is_empty() {
                self.expect_symbol(",", "an operator, `,` or `)`")?;
                if self.eat_symbol(")")? {
                    return Ok(kwargs);
                }
            }
            let kwarg = self.kwarg(&kwargs)?;
            kwargs.push(kwarg);
        }
    }

    fn kwarg(&mut self, earlier: &[Kwarg]) -> Result<Kwarg> {
        let name = self.expect_kwarg_name()?;
        self.refuse_internal(&name)?;
        Limits::check(
            earlier.len() + 1,
            self.limits.arguments,
            "arguments in one call",
            "remove the arguments that are not needed",
            name.span,
            self.source,
        )?;
        if earlier.iter().any(|kwarg| kwarg.name.name == name.name) {
            let shown = builtins::shorten(&name.name);
            let message = format!("expected each argument once, found `{shown}` again");
            return Err(self
                .error(TemplateErrorKind::Syntax, message, name.span)
                .with_help("remove one of the two"));
        }
        if !self.eat_symbol("=")? {
            return Err(self
                .unexpected("`=` after the name of the argument")
                .with_help("arguments are named: write `name=value`"));
        }
        let value = self.sub_expression(ANY)?;
        Ok(Kwarg { name, value })
    }

    fn expect_kwarg_name(&mut self) -> Result<Ident> {
        if matches!(self.peek()?, Token::Ident(_)) {
            return self.expect_ident("the name of an argument");
        }
        Err(self
            .unexpected("the name of an argument")
            .with_help("arguments are named: write `name=value`"))
    }

    /// An array literal or a list comprehension.
    pub(super) fn array(&mut self) -> Result<Expr> {
        let start = self.next()?.1;
        self.state.array_dimensions += 1;
        Limits::check(
            self.state.array_dimensions,
            ARRAY_DIMENSIONS,
            "array literals inside each other",
            "store the inner arrays with `set` first",
            start,
            self.source,
        )?;
        let outer_height = std::mem::take(&mut self.state.loop_height);
        let mut items = Vec::new();
        loop {
            if self.eat_symbol("]")? {
                break;
            }
            if !items.is_empty() {
                self.expect_symbol(",", "an operator, `,` or `]`")?;
                if self.eat_symbol("]")? {
                    break;
                }
            }
            if self.eat_symbol("...")? {
                items.push(ArrayItem::Spread(self.sub_expression(ANY)?));
                continue;
            }
            let item = self.sub_expression(ANY)?;
            if items.is_empty() && self.peek()? == Token::Ident("for") {
                return self.comprehension(item, start, outer_height);
            }
            items.push(ArrayItem::Item(item));
        }
        self.state.array_dimensions -= 1;
        self.state.loop_height = self.state.loop_height.max(outer_height);
        let span = start.to(self.last);
        self.make(ExprKind::Array(items), span)
    }

    /// The rest of a list comprehension whose element has been read.
    fn comprehension(&mut self, element: Expr, start: Span, outer_height: usize) -> Result<Expr> {
        self.state.array_dimensions -= 1;
        self.count_operator(start)?;
        let element_height = std::mem::take(&mut self.state.loop_height);
        self.next()?;
        let (key, value) = self.loop_variables()?;
        let iterable = self.sub_expression(NO_TERNARY)?;
        let iterable_height = std::mem::take(&mut self.state.loop_height);
        let condition = if self.peek()? == Token::Ident("if") {
            self.next()?;
            Some(self.sub_expression(NO_TERNARY)?)
        } else {
            None
        };
        let height = 1 + element_height.max(self.state.loop_height);
        self.check_loops(self.open_loops() + height, start)?;
        self.state.loop_height = height.max(iterable_height).max(outer_height);
        if self.peek()? == Token::Ident("for") {
            return Err(self
                .unexpected("`]`")
                .with_help("a list comprehension has one `for`; nest another comprehension instead"));
        }
        let end = self.expect_symbol("]", "an operator, `if` or `]`")?;
        let comprehension = Comprehension {
            element,
            key,
            value,
            iterable,
            condition,
        };
        self.make(ExprKind::Comprehension(Box::new(comprehension)), start.to(end))
    }

    pub(super) fn map(&mut self) -> Result<Expr> {
        let start = self.next()?.1;
        let mut entries = Vec::new();
        loop {
            if self.eat_symbol("}")? {
                break;
            }
            if !entries.is_empty() {
                self.expect_symbol(",", "an operator, `,` or `}`")?;
                if self.eat_symbol("}")? {
                    break;
                }
            }
            let entry = self.map_entry()?;
            entries.push(entry);
        }
        let span = start.to(self.last);
        self.make(ExprKind::Map(entries), span)
    }

    fn map_entry(&mut self) -> Result<MapEntry> {
        if self.eat_symbol("...")? {
            return Ok(MapEntry::Spread(self.sub_expression(ANY)?));
        }
        let (token, key_span) = self.peek_spanned()?;
        let key = match token {
            Token::Str(inside) => MapKey::String(unescape(inside)),
            Token::Integer(value) => MapKey::Integer(value),
            Token::Bool(value) => MapKey::Bool(value),
            Token::Ident(_) => {
                return Err(self
                    .unexpected("`...`, a string, an integer or a boolean as key")
                    .with_help("put the key in quotes"));
            }
            _ => return Err(self.unexpected("`...`, a string, an integer or a boolean as key")),
        };
        self.next()?;
        self.expect_symbol(":", "`:` after the key")?;
        let value = self.sub_expression(ANY)?;
        Ok(MapEntry::Pair { key, key_span, value })
    }

    /// `value in` or `key, value in`.
    pub(super) fn loop_variables(&mut self) -> Result<(Option<Ident>, Ident)> {
        let first = self.binding("the name of the loop variable")?;
        let names = if self.eat_symbol(",")? {
            let value = self.binding("the name of the second loop variable")?;
            (Some(first), value)
        } else {
            (None, first)
        };
        self.expect_keyword("in", "`in`")?;
        Ok(names)
    }

    /// A name that is about to be assigned.
    pub(super) fn binding(&mut self, expected: &str) -> Result<Ident> {
        let ident = self.expect_ident(expected)?;
        self.refuse_internal(&ident)?;
        let name = ident.name.as_str();
        let kind = if RESERVED.contains(&name) {
            TemplateErrorKind::Syntax
        } else if KEYWORDS.contains(&name) {
            TemplateErrorKind::Unsupported
        } else {
            return Ok(ident);
        };
        let message = format!("expected {expected}, found the reserved word `{name}`");
        Err(self
            .error(kind, message, ident.span)
            .with_help("choose another name"))
    }
}
