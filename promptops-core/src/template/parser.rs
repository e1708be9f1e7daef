//! The state of the parser and how it moves over the tokens.

use super::ast::{Ident, Node};
use super::blocks::{Open, OpenKind};
use super::error::{Result, TemplateError, TemplateErrorKind};
use super::lexer::{Lexer, Token};
use super::limits::Limits;
use super::span::Span;

/// Parses all of `source`. The limits must already be capped.
pub(super) fn parse(source: &str, limits: &Limits) -> Result<Vec<Node>> {
    let whole = Span::new(0, 0);
    Limits::check(
        source.len(),
        limits.source_bytes,
        "bytes of template source",
        "split the template and use `include`",
        whole,
        source,
    )?;
    Parser::new(source, limits).template()
}

pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    pub(super) limits: &'a Limits,
    lexer: Lexer<'a>,
    /// At most two tokens are ever looked at ahead of time.
    peeked: [Option<(Token<'a>, Span)>; 2],
    /// Where the last consumed token ended.
    pub(super) last: Span,
    pub(super) open: Vec<Open>,
    nodes: usize,
    pub(super) state: ExprState,
}

/// What the expression parser counts.
#[derive(Debug, Default)]
pub(super) struct ExprState {
    pub(super) depth: usize,
    pub(super) operators: usize,
    pub(super) array_dimensions: usize,
    pub(super) subscripts: usize,
    /// Comprehensions inside each other in the expression parsed so far.
    pub(super) loop_height: usize,
    /// Tera resolves `loop` in the header of a loop as if it were in the body.
    pub(super) in_for_header: bool,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, limits: &'a Limits) -> Self {
        Self {
            source,
            limits,
            lexer: Lexer::new(source),
            peeked: [None, None],
            last: Span::default(),
            open: Vec::new(),
            nodes: 0,
            state: ExprState::default(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<Token<'a>> {
        Ok(self.peek_spanned()?.0)
    }

    pub(super) fn peek_spanned(&mut self) -> Result<(Token<'a>, Span)> {
        if let Some(token) = self.peeked[0] {
            return Ok(token);
        }
        let token = match self.peeked[1].take() {
            Some(token) => token,
            None => self.lexer.next_token()?,
        };
        self.peeked[0] = Some(token);
        Ok(token)
    }

    /// The token after the next one.
    pub(super) fn peek_second(&mut self) -> Result<Token<'a>> {
        self.peek_spanned()?;
        if let Some((token, _)) = self.peeked[1] {
            return Ok(token);
        }
        let token = self.lexer.next_token()?;
        self.peeked[1] = Some(token);
        Ok(token.0)
    }

    pub(super) fn next(&mut self) -> Result<(Token<'a>, Span)> {
        let token = self.peek_spanned()?;
        self.peeked[0] = self.peeked[1].take();
        self.last = token.1;
        Ok(token)
    }

    pub(super) fn error(
        &self,
        kind: TemplateErrorKind,
        message: impl Into<String>,
        span: Span,
    ) -> Box<TemplateError> {
        TemplateError::new(kind, message, span, self.source)
    }

    /// A syntax error at the next token, which is not what was expected.
    pub(super) fn unexpected(&mut self, expected: &str) -> Box<TemplateError> {
        match self.peek_spanned() {
            Ok((token, span)) => self.error(
                TemplateErrorKind::Syntax,
                format!("expected {expected}, found {}", token.describe()),
                span,
            ),
            Err(error) => error,
        }
    }

    pub(super) fn eat_symbol(&mut self, symbol: &'static str) -> Result<bool> {
        let found = self.peek()? == Token::Symbol(symbol);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    pub(super) fn expect_symbol(&mut self, symbol: &'static str, expected: &str) -> Result<Span> {
        if self.eat_symbol(symbol)? {
            return Ok(self.last);
        }
        Err(self.unexpected(expected))
    }

    pub(super) fn expect_ident(&mut self, expected: &str) -> Result<Ident> {
        let (Token::Ident(name), span) = self.peek_spanned()? else {
            return Err(self.unexpected(expected));
        };
        self.next()?;
        Ok(Ident {
            name: name.to_owned(),
            span,
        })
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str, expected: &str) -> Result<()> {
        if self.peek()? == Token::Ident(keyword) {
            self.next()?;
            return Ok(());
        }
        Err(self.unexpected(expected))
    }

    /// Names starting with two underscores belong to the engine.
    pub(super) fn refuse_internal(&self, ident: &Ident) -> Result<()> {
        if !ident.name.starts_with("__") {
            return Ok(());
        }
        let name = super::builtins::shorten(&ident.name);
        let kind = TemplateErrorKind::Unsupported;
        let message = format!("expected an ordinary name, found the reserved name `{name}`");
        Err(self
            .error(kind, message, ident.span)
            .with_help("names starting with two underscores are internal; rename it"))
    }

    pub(super) fn count_node(&mut self, span: Span) -> Result<()> {
        self.nodes += 1;
        Limits::check(
            self.nodes,
            self.limits.nodes,
            "nodes and expressions in a template",
            "split the template and use `include`",
            span,
            self.source,
        )
    }

    /// Loops whose body is being read.
    pub(super) fn open_loops(&self) -> usize {
        let is_body = |open: &&Open| matches!(open.kind, OpenKind::For(_));
        self.open.iter().filter(is_body).count()
    }

    pub(super) fn check_loops(&self, loops: usize, span: Span) -> Result<()> {
        Limits::check(
            loops,
            self.limits.loops,
            "loops inside each other",
            "prepare the data before rendering",
            span,
            self.source,
        )
    }
}
