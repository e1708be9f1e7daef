//! Parses expressions by operator precedence.
//!
//! Every recursion goes through [`Parser::sub_expression`], which checks the
//! depth first. The functions are kept small on purpose: their stack frames
//! multiply with the allowed depth.

use super::ast::{BinaryOp, Expr, ExprKind, Ident, Literal, LoopField, UnaryOp};
use super::builtins;
use super::error::{Result, TemplateErrorKind};
use super::lexer::{Token, unescape};
use super::limits::{Limits, NESTED_SUBSCRIPTS};
use super::parser::{ExprState, Parser};
use super::span::Span;

/// Binding strength below which nothing stops an expression.
pub(super) const ANY: u8 = 0;
/// Binding strength that leaves a following `if` alone.
pub(super) const NO_TERNARY: u8 = 1;

const MEMBERSHIP: u8 = 5;
const NOT_OPERAND: u8 = 5;
const PIPE: u8 = 17;
const MINUS_OPERAND: u8 = 20;

/// Words that Tera would read as a variable where an expression is expected,
/// but which are always a mistake there.
const KEYWORDS: [&str; 7] = ["and", "or", "is", "in", "if", "else", "for"];

const AN_EXPRESSION: &str = "a value, a variable, `(`, `[`, `{`, `-` or `not`";

fn binary_operator(token: Token<'_>) -> Option<(BinaryOp, u8, u8)> {
    use BinaryOp as Op;
    Some(match token {
        Token::Ident("or") => (Op::Or, 1, 2),
        Token::Ident("and") => (Op::And, 3, 4),
        Token::Ident("in") => (Op::In, MEMBERSHIP, 6),
        Token::Symbol("==") => (Op::Equal, 7, 8),
        Token::Symbol("!=") => (Op::NotEqual, 7, 8),
        Token::Symbol("<") => (Op::Less, 7, 8),
        Token::Symbol("<=") => (Op::LessOrEqual, 7, 8),
        Token::Symbol(">") => (Op::Greater, 7, 8),
        Token::Symbol(">=") => (Op::GreaterOrEqual, 7, 8),
        Token::Symbol("+") => (Op::Add, 11, 12),
        Token::Symbol("-") => (Op::Subtract, 11, 12),
        Token::Symbol("*") => (Op::Multiply, 13, 14),
        Token::Symbol("/") => (Op::Divide, 13, 14),
        Token::Symbol("//") => (Op::FloorDivide, 13, 14),
        Token::Symbol("%") => (Op::Remainder, 13, 14),
        Token::Symbol("~") => (Op::Concat, 13, 14),
        Token::Symbol("**") => (Op::Power, 16, 15),
        _ => return None,
    })
}

impl Parser<'_> {
    /// Parses a whole expression.
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.sub_expression(ANY)
    }

    pub(super) fn sub_expression(&mut self, least: u8) -> Result<Expr> {
        if self.state.depth == 0 {
            self.state = ExprState {
                in_for_header: self.state.in_for_header,
                ..ExprState::default()
            };
        }
        self.state.depth += 1;
        self.check_depth()?;
        let mut expr = self.prefix()?;
        while let Some(next) = self.infix(&mut expr, least)? {
            expr = next;
        }
        self.state.depth -= 1;
        Ok(expr)
    }

    fn check_depth(&mut self) -> Result<()> {
        if self.state.depth <= self.limits.expression_depth {
            return Ok(());
        }
        let span = self.peek_spanned()?.1;
        Limits::check(
            self.state.depth,
            self.limits.expression_depth,
            "levels in an expression",
            "store parts of it with `set` first",
            span,
            self.source,
        )
    }

    pub(super) fn count_operator(&mut self, span: Span) -> Result<()> {
        self.state.operators += 1;
        Limits::check(
            self.state.operators,
            self.limits.operators,
            "operators, filters and accesses in an expression",
            "store parts of it with `set` first",
            span,
            self.source,
        )
    }

    pub(super) fn make(&mut self, kind: ExprKind, span: Span) -> Result<Expr> {
        self.count_node(span)?;
        Ok(Expr { kind, span })
    }

    fn prefix(&mut self) -> Result<Expr> {
        let (token, span) = self.peek_spanned()?;
        let literal = match token {
            Token::Integer(value) => Literal::Integer(value),
            Token::Float(value) => Literal::Float(value),
            Token::Bool(value) => Literal::Bool(value),
            Token::Str(inside) => Literal::String(unescape(inside)),
            Token::Ident("none" | "None" | "null") => Literal::None,
            Token::Ident("not") => return self.unary(UnaryOp::Not, NOT_OPERAND),
            Token::Symbol("-") => return self.unary(UnaryOp::Minus, MINUS_OPERAND),
            Token::Ident(name) if KEYWORDS.contains(&name) => {
                return Err(self.keyword_error(name, span));
            }
            Token::Ident(name) => return self.name(name, span),
            Token::Symbol("(") => return self.parenthesised(),
            Token::Symbol("[") => return self.array(),
            Token::Symbol("{") => return self.map(),
            Token::Symbol("<") => return Err(self.no_components(span)),
            _ => return Err(self.unexpected(AN_EXPRESSION)),
        };
        self.next()?;
        self.make(ExprKind::Literal(literal), span)
    }

    fn keyword_error(&self, name: &str, span: Span) -> Box<super::error::TemplateError> {
        let message = format!("expected {AN_EXPRESSION}, found the keyword `{name}`");
        self.error(TemplateErrorKind::Unsupported, message, span)
            .with_help("an operand is missing, or a variable needs another name")
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        let start = self.next()?.1;
        let mut expr = self.sub_expression(ANY)?;
        let end = self.expect_symbol(")", "an operator or `)`")?;
        expr.span = start.to(end);
        Ok(expr)
    }

    fn unary(&mut self, op: UnaryOp, least: u8) -> Result<Expr> {
        let start = self.next()?.1;
        if matches!(self.peek()?, Token::Symbol("-") | Token::Ident("not")) {
            return Err(self
                .unexpected("an operand")
                .with_help("`-` and `not` cannot follow each other directly; use parentheses"));
        }
        let operand = self.sub_expression(least)?;
        let span = start.to(operand.span);
        // Tera folds the sign into numbers, which decides what may follow `~`.
        let kind = match (op, &operand.kind) {
            (UnaryOp::Minus, ExprKind::Literal(Literal::Integer(value))) => {
                ExprKind::Literal(Literal::Integer(value.saturating_neg()))
            }
            (UnaryOp::Minus, ExprKind::Literal(Literal::Float(value))) => {
                ExprKind::Literal(Literal::Float(-value))
            }
            _ => ExprKind::Unary {
                op,
                operand: Box::new(operand),
            },
        };
        self.make(kind, span)
    }

    /// A function call or a variable with what is accessed on it.
    fn name(&mut self, name: &str, span: Span) -> Result<Expr> {
        self.next()?;
        let ident = Ident {
            name: name.to_owned(),
            span,
        };
        self.refuse_internal(&ident)?;
        if self.peek()? == Token::Symbol("(") {
            return self.call(ident);
        }
        let is_loop = name == "loop" && self.loop_is_special(span)?;
        let mut expr = if is_loop && matches!(self.peek()?, Token::Symbol("." | "?.")) {
            self.loop_field(span)?
        } else {
            self.make(ExprKind::Var(ident.name), span)?
        };
        loop {
            let (token, at) = self.peek_spanned()?;
            match token {
                Token::Symbol("." | "?.") if is_loop => return Err(self.loop_chain_error(at)),
                Token::Symbol("." | "?.") => expr = self.attribute(expr)?,
                Token::Symbol("[" | "?[") => expr = self.subscript(expr)?,
                Token::Symbol("(") => {
                    return Err(self
                        .unexpected("an operator")
                        .with_help("only built-in functions can be called, not attributes"));
                }
                _ => return Ok(expr),
            }
        }
    }

    fn call(&mut self, name: Ident) -> Result<Expr> {
        if name.name == "super" {
            return Err(self
                .error(
                    TemplateErrorKind::Unsupported,
                    "expected a supported function, found `super`",
                    name.span,
                )
                .with_help("templates cannot inherit from each other; use `include`"));
        }
        builtins::require_function(&name.name, name.span, self.source)?;
        let kwargs = self.kwargs()?;
        let span = name.span.to(self.last);
        self.make(ExprKind::Call { name, kwargs }, span)
    }

    fn attribute(&mut self, object: Expr) -> Result<Expr> {
        let (token, at) = self.next()?;
        self.count_operator(at)?;
        let name = self.expect_ident("the name of an attribute")?;
        let span = object.span.to(name.span);
        let kind = ExprKind::Attribute {
            object: Box::new(object),
            name,
            optional: token == Token::Symbol("?."),
        };
        self.make(kind, span)
    }

    /// Whether `loop` followed by a dot means the loop and not a variable.
    fn loop_is_special(&mut self, span: Span) -> Result<bool> {
        if self.open_loops() > 0 {
            return Ok(true);
        }
        let accessed = matches!(self.peek()?, Token::Symbol("." | "?." | "[" | "?["));
        if self.state.in_for_header && accessed {
            return Err(self
                .error(
                    TemplateErrorKind::Unsupported,
                    "expected something to loop over, found `loop` before the loop has begun",
                    span,
                )
                .with_help("use `loop` in the body of the loop, or rename the variable"));
        }
        Ok(false)
    }

    fn loop_field(&mut self, start: Span) -> Result<Expr> {
        let at = self.next()?.1;
        self.count_operator(at)?;
        let (token, span) = self.peek_spanned()?;
        let field = match token {
            Token::Ident("index") => LoopField::Index,
            Token::Ident("index0") => LoopField::Index0,
            Token::Ident("first") => LoopField::First,
            Token::Ident("last") => LoopField::Last,
            Token::Ident("length") => LoopField::Length,
            _ => {
                return Err(self.unexpected("`index`, `index0`, `first`, `last` or `length` after `loop.`"));
            }
        };
        self.next()?;
        self.make(ExprKind::Loop(field), start.to(span))
    }

    /// Tera forgets everything between `loop` and the last attribute.
    fn loop_chain_error(&self, span: Span) -> Box<super::error::TemplateError> {
        self.error(
            TemplateErrorKind::Unsupported,
            "expected an operator, found another attribute on `loop`",
            span,
        )
        .with_help("the fields of `loop` are numbers and booleans and have no attributes")
    }

    /// Parses one operator with its right side, if one follows that binds at
    /// least as strongly as `least`. `left` is taken when it does.
    fn infix(&mut self, left: &mut Expr, least: u8) -> Result<Option<Expr>> {
        let (token, at) = self.peek_spanned()?;
        match token {
            // Subscripts apply to whatever was read last, at any strength.
            Token::Symbol("[") => self.subscript(take(left)).map(Some),
            Token::Symbol("|") if least <= PIPE => self.filter(take(left), at).map(Some),
            Token::Ident("is") if least <= MEMBERSHIP => self.test(take(left), at).map(Some),
            Token::Ident("if") if least == ANY => self.ternary(take(left)).map(Some),
            Token::Ident("not") if least <= MEMBERSHIP => {
                if self.peek_second()? != Token::Ident("in") {
                    return Err(self
                        .unexpected("an operator")
                        .with_help("only `not in` and `is not` have `not` after a value"));
                }
                self.next()?;
                self.binary(take(left), BinaryOp::NotIn, 6, at).map(Some)
            }
            _ => match binary_operator(token) {
                Some((op, strength, right)) if strength >= least => {
                    self.binary(take(left), op, right, at).map(Some)
                }
                _ => Ok(None),
            },
        }
    }

    fn binary(&mut self, left: Expr, op: BinaryOp, strength: u8, at: Span) -> Result<Expr> {
        self.count_operator(at)?;
        self.next()?;
        let right = self.sub_expression(strength)?;
        if op == BinaryOp::Concat {
            self.check_concat_operand(&right)?;
        }
        let span = left.span.to(right.span);
        let kind = ExprKind::Binary {
            op,
            left: Box::new(left),
            right: Box::new(right),
        };
        self.make(kind, span)
    }

    fn check_concat_operand(&self, right: &Expr) -> Result<()> {
        let negation = match &right.kind {
            ExprKind::Unary { op, .. } => match op {
                UnaryOp::Not => "`not`",
                UnaryOp::Minus => "`-`",
            },
            ExprKind::Binary {
                op: BinaryOp::NotIn, ..
            } => "`not in`",
            ExprKind::Test { negated: true, .. } => "`is not`",
            _ => return Ok(()),
        };
        let message = format!("expected a plain operand after `~`, found {negation}");
        Err(self
            .error(TemplateErrorKind::Syntax, message, right.span)
            .with_help("store it with `set` first; parentheses do not help here"))
    }

    fn ternary(&mut self, then: Expr) -> Result<Expr> {
        self.next()?;
        let condition = self.sub_expression(ANY)?;
        self.expect_keyword("else", "an operator or `else`")?;
        let otherwise = self.sub_expression(ANY)?;
        let span = then.span.to(otherwise.span);
        let kind = ExprKind::Ternary {
            then: Box::new(then),
            condition: Box::new(condition),
            otherwise: Box::new(otherwise),
        };
        self.make(kind, span)
    }

    fn filter(&mut self, input: Expr, at: Span) -> Result<Expr> {
        // Twice: rendering puts a filter of its own before it, which makes the tree deeper.
        self.count_operator(at)?;
        self.count_operator(at)?;
        self.next()?;
        let filter = self.filter_call()?;
        let span = input.span.to(filter.span);
        let kind = ExprKind::Filter {
            input: Box::new(input),
            filter,
        };
        self.make(kind, span)
    }

    fn test(&mut self, input: Expr, at: Span) -> Result<Expr> {
        self.count_operator(at)?;
        self.next()?;
        let negated = self.peek()? == Token::Ident("not");
        if negated {
            self.next()?;
        }
        let name = self.expect_ident("the name of a test")?;
        self.refuse_internal(&name)?;
        builtins::require_test(&name.name, name.span, self.source)?;
        let kwargs = self.optional_kwargs()?;
        let span = input.span.to(self.last);
        let kind = ExprKind::Test {
            input: Box::new(input),
            negated,
            name,
            kwargs,
        };
        self.make(kind, span)
    }

    /// `[…]` or `?[…]` after a value.
    fn subscript(&mut self, object: Expr) -> Result<Expr> {
        let (token, at) = self.next()?;
        self.count_operator(at)?;
        self.state.subscripts += 1;
        Limits::check(
            self.state.subscripts,
            NESTED_SUBSCRIPTS,
            "subscripts inside each other",
            "store the inner index with `set` first",
            at,
            self.source,
        )?;
        let optional = token == Token::Symbol("?[");
        let start = match self.peek()? {
            Token::Symbol(":") => None,
            _ => Some(Box::new(self.sub_expression(ANY)?)),
        };
        let kind = if self.eat_symbol(":")? {
            let end = match self.peek()? {
                Token::Symbol(":" | "]") => None,
                _ => Some(Box::new(self.sub_expression(ANY)?)),
            };
            let step = if self.eat_symbol(":")? {
                Some(Box::new(self.sub_expression(ANY)?))
            } else {
                None
            };
            Slot::Slice { start, end, step }
        } else {
            match start {
                Some(index) => Slot::Index(index),
                None => return Err(self.unexpected("an index")),
            }
        };
        let close = self.expect_symbol("]", "an operator, `:` or `]`")?;
        self.state.subscripts -= 1;
        let span = object.span.to(close);
        let object = Box::new(object);
        let kind = match kind {
            Slot::Index(index) => ExprKind::Index {
                object,
                index,
                optional,
            },
            Slot::Slice { start, end, step } => ExprKind::Slice {
                object,
                start,
                end,
                step,
                optional,
            },
        };
        self.make(kind, span)
    }
}

/// What stands between the brackets of a subscript.
enum Slot {
    Index(Box<Expr>),
    Slice {
        start: Option<Box<Expr>>,
        end: Option<Box<Expr>>,
        step: Option<Box<Expr>>,
    },
}

/// Moves an expression out of its place.
fn take(expr: &mut Expr) -> Expr {
    let empty = Expr {
        kind: ExprKind::Literal(Literal::None),
        span: expr.span,
    };
    std::mem::replace(expr, empty)
}
