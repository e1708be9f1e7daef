//! Parses text and tags. Open blocks live on an explicit stack, so nesting
//! costs no call stack.

use super::ast::{Branch, Node, NodeKind, SetScope, Tag};
use super::blocks::{ForHeader, Open, OpenKind, finish};
use super::error::{Result, TemplateError, TemplateErrorKind};
use super::lexer::{Token, unescape};
use super::limits::Limits;
use super::parser::Parser;
use super::span::Span;

impl Parser<'_> {
    pub(super) fn template(mut self) -> Result<Vec<Node>> {
        let mut top = Vec::new();
        loop {
            let (token, span) = self.next()?;
            let node = match token {
                Token::Text("") => None,
                Token::Text(text) => Some(Node {
                    kind: NodeKind::Text(text.to_owned()),
                    span,
                }),
                Token::OutputStart(trim) => Some(self.output(trim, span)?),
                Token::TagStart(trim) => self.tag(trim, span)?,
                Token::End => break,
                _ => return Err(self.unexpected("text or a tag")),
            };
            if let Some(node) = node {
                self.count_node(node.span)?;
                match self.open.last_mut() {
                    Some(open) => open.body.push(node),
                    None => top.push(node),
                }
            }
        }
        match self.open.last() {
            None => Ok(top),
            Some(open) => {
                let (opener, closer) = (open.kind.opener(), open.kind.closer());
                let message = format!(
                    "expected `{{% {closer} %}}` to close this `{opener}`, found the end of the template"
                );
                Err(self
                    .error(TemplateErrorKind::Syntax, message, open.first_tag.span)
                    .with_help(format!("add `{{% {closer} %}}` where the block ends")))
            }
        }
    }

    fn output(&mut self, trim_left: bool, start: Span) -> Result<Node> {
        let expr = self.expression()?;
        let (Token::OutputEnd(trim_right), end) = self.peek_spanned()? else {
            return Err(self.unexpected("an operator or `}}`"));
        };
        self.next()?;
        let span = start.to(end);
        let tag = Tag {
            span,
            trim_left,
            trim_right,
        };
        Ok(Node {
            kind: NodeKind::Output { tag, expr },
            span,
        })
    }

    /// Consumes the end of a tag that began at `start`.
    fn close_tag(&mut self, trim_left: bool, start: Span, expected: &str) -> Result<Tag> {
        let (Token::TagEnd(trim_right), end) = self.peek_spanned()? else {
            return Err(self.unexpected(expected));
        };
        self.next()?;
        Ok(Tag {
            span: start.to(end),
            trim_left,
            trim_right,
        })
    }

    fn tag(&mut self, trim: bool, start: Span) -> Result<Option<Node>> {
        let (token, span) = self.peek_spanned()?;
        let name = match token {
            Token::Ident(name) => name,
            Token::Symbol("<" | "</") => return Err(self.no_components(span)),
            _ => return Err(self.unexpected("the name of a tag")),
        };
        self.next()?;
        match name {
            "if" => self.open_if(trim, start),
            "elif" => self.elif(trim, start, span),
            "else" => self.else_tag(trim, start, span),
            "for" => self.open_for(trim, start),
            "set" => self.set(trim, start, SetScope::Local),
            "set_global" => self.set(trim, start, SetScope::Global),
            "filter" => self.open_filter(trim, start),
            "endif" | "endfor" | "endset" | "endfilter" => self.close(name, trim, start, span),
            "include" => self.include(trim, start).map(Some),
            "break" | "continue" => self.jump(name, trim, start, span).map(Some),
            "extends" | "block" | "endblock" => {
                let message = format!("expected a supported tag, found `{name}`");
                Err(self
                    .error(TemplateErrorKind::Unsupported, message, span)
                    .with_help("templates cannot inherit from each other; use `include` for shared parts"))
            }
            "component" | "endcomponent" => Err(self.no_components(span)),
            _ => {
                let name = super::builtins::shorten(name);
                let message = format!("expected the name of a tag, found `{name}`");
                Err(self.error(TemplateErrorKind::Syntax, message, span).with_help(
                    "use one of `if`, `for`, `set`, `set_global`, `filter`, `include`, `raw`, \
                         `break`, `continue`; values are printed with `{{ … }}`",
                ))
            }
        }
    }

    pub(super) fn no_components(&self, span: Span) -> Box<TemplateError> {
        self.error(
            TemplateErrorKind::Unsupported,
            "expected a supported construct, found a component",
            span,
        )
        .with_help("components are not available; use `include` for shared parts")
    }

    fn push_open(&mut self, kind: OpenKind, tag: Tag) -> Result<Option<Node>> {
        self.open.push(Open {
            kind,
            tag,
            body: Vec::new(),
            first_tag: tag,
        });
        Limits::check(
            self.open.len(),
            self.limits.nesting,
            "blocks inside each other",
            "flatten the conditions or move inner parts to an included template",
            tag.span,
            self.source,
        )?;
        self.check_branches(tag.span)?;
        Ok(None)
    }

    /// Conditions enclosing this place, each a recursion in Tera's parser.
    fn check_branches(&self, span: Span) -> Result<()> {
        let conditions = |open: &Open| match &open.kind {
            OpenKind::If { done, .. } => done.len() + 1,
            OpenKind::IfElse { done } => done.len(),
            _ => 0,
        };
        let total = self.open.iter().map(conditions).sum();
        Limits::check(
            total,
            self.limits.branch_depth,
            "enclosing `if` and `elif` conditions",
            "look the value up in a map instead of testing every case",
            span,
            self.source,
        )
    }

    fn open_if(&mut self, trim: bool, start: Span) -> Result<Option<Node>> {
        let condition = self.expression()?;
        let tag = self.close_tag(trim, start, "an operator or `%}`")?;
        let done = Vec::new();
        self.push_open(OpenKind::If { done, condition }, tag)
    }

    /// Takes the innermost block off the stack if `wanted` says it fits.
    fn take_open(&mut self, tag_name: &str, span: Span, wanted: fn(&OpenKind) -> bool) -> Result<Open> {
        match self.open.pop() {
            Some(open) if wanted(&open.kind) => Ok(open),
            Some(open) => {
                let closer = open.kind.closer();
                let opened = open.first_tag.span.position(self.source);
                let message = format!("expected `{{% {closer} %}}`, found `{tag_name}`");
                let opener = open.kind.opener();
                let help = format!("the `{opener}` at {opened} is still open");
                Err(self
                    .error(TemplateErrorKind::Syntax, message, span)
                    .with_help(help))
            }
            None => {
                let message = format!("expected text or an opening tag, found `{tag_name}`");
                Err(self
                    .error(TemplateErrorKind::Syntax, message, span)
                    .with_help("no block is open here; remove it or add the opening tag before"))
            }
        }
    }

    fn elif(&mut self, trim: bool, start: Span, name: Span) -> Result<Option<Node>> {
        let is_if = |kind: &OpenKind| matches!(kind, OpenKind::If { .. });
        let open = self.take_open("elif", name, is_if)?;
        let OpenKind::If { mut done, condition } = open.kind else {
            return Ok(None);
        };
        done.push(Branch {
            tag: open.tag,
            condition,
            body: open.body,
        });
        Limits::check(
            done.len(),
            self.limits.branches,
            "`elif` branches in one `if`",
            "look the value up in a map instead of testing every case",
            name,
            self.source,
        )?;
        let condition = self.expression()?;
        let tag = self.close_tag(trim, start, "an operator or `%}`")?;
        self.open.push(Open {
            kind: OpenKind::If { done, condition },
            tag,
            body: Vec::new(),
            first_tag: open.first_tag,
        });
        self.check_branches(tag.span)?;
        Ok(None)
    }

    fn else_tag(&mut self, trim: bool, start: Span, name: Span) -> Result<Option<Node>> {
        let takes_else = |kind: &OpenKind| matches!(kind, OpenKind::If { .. } | OpenKind::For(_));
        let open = self.take_open("else", name, takes_else)?;
        let tag = self.close_tag(trim, start, "`%}`")?;
        let kind = match open.kind {
            OpenKind::If { mut done, condition } => {
                done.push(Branch {
                    tag: open.tag,
                    condition,
                    body: open.body,
                });
                OpenKind::IfElse { done }
            }
            OpenKind::For(header) => OpenKind::ForElse {
                header,
                body: open.body,
            },
            _ => return Ok(None),
        };
        self.open.push(Open {
            kind,
            tag,
            body: Vec::new(),
            first_tag: open.first_tag,
        });
        Ok(None)
    }

    fn open_for(&mut self, trim: bool, start: Span) -> Result<Option<Node>> {
        let (key, value) = self.loop_variables()?;
        self.state.in_for_header = true;
        let iterable = self.expression();
        self.state.in_for_header = false;
        let iterable = iterable?;
        let tag = self.close_tag(trim, start, "an operator or `%}`")?;
        let header = Box::new(ForHeader {
            tag,
            key,
            value,
            iterable,
        });
        self.push_open(OpenKind::For(header), tag)?;
        self.check_loops(self.open_loops(), tag.span)?;
        Ok(None)
    }

    fn set(&mut self, trim: bool, start: Span, scope: SetScope) -> Result<Option<Node>> {
        let target = self.binding("the name of the variable to set")?;
        if self.eat_symbol("=")? {
            let value = self.expression()?;
            let tag = self.close_tag(trim, start, "an operator or `%}`")?;
            let kind = NodeKind::Set {
                tag,
                scope,
                target,
                value,
            };
            return Ok(Some(Node { kind, span: tag.span }));
        }
        let mut filters = Vec::new();
        while self.eat_symbol("|")? {
            filters.push(self.filter_call()?);
        }
        let expected = if filters.is_empty() {
            "`=` and a value, or `%}` to set the text up to `{% endset %}`"
        } else {
            "`|` or `%}`"
        };
        let tag = self.close_tag(trim, start, expected)?;
        let kind = OpenKind::Set {
            scope,
            target,
            filters,
        };
        self.push_open(kind, tag)
    }

    fn open_filter(&mut self, trim: bool, start: Span) -> Result<Option<Node>> {
        let mut filters = vec![self.filter_call()?];
        while self.eat_symbol("|")? {
            filters.push(self.filter_call()?);
        }
        let tag = self.close_tag(trim, start, "`|` or `%}`")?;
        self.push_open(OpenKind::Filter { filters }, tag)
    }

    fn close(&mut self, name: &str, trim: bool, start: Span, span: Span) -> Result<Option<Node>> {
        let wanted: fn(&OpenKind) -> bool = match name {
            "endif" => |kind| matches!(kind, OpenKind::If { .. } | OpenKind::IfElse { .. }),
            "endfor" => |kind| matches!(kind, OpenKind::For(_) | OpenKind::ForElse { .. }),
            "endset" => |kind| matches!(kind, OpenKind::Set { .. }),
            _ => |kind| matches!(kind, OpenKind::Filter { .. }),
        };
        let open = self.take_open(name, span, wanted)?;
        let end = self.close_tag(trim, start, "`%}`")?;
        let span = open.first_tag.span.to(end.span);
        let kind = finish(open, end);
        Ok(Some(Node { kind, span }))
    }

    fn include(&mut self, trim: bool, start: Span) -> Result<Node> {
        let (Token::Str(inside), reference_span) = self.peek_spanned()? else {
            let found = self.peek()?.describe();
            let message = format!("expected the name of a template in quotes, found {found}");
            let span = self.peek_spanned()?.1;
            return Err(self
                .error(TemplateErrorKind::Unsupported, message, span)
                .with_help("included templates are fixed: write `{% include \"name\" %}`"));
        };
        self.next()?;
        if !matches!(self.peek()?, Token::TagEnd(_)) {
            let (found, span) = self.peek_spanned()?;
            let message = format!("expected `%}}` after the name, found {}", found.describe());
            return Err(self
                .error(TemplateErrorKind::Unsupported, message, span)
                .with_help("`include` takes one name and no options; use `if` around it instead"));
        }
        let tag = self.close_tag(trim, start, "`%}`")?;
        let kind = NodeKind::Include {
            tag,
            reference: unescape(inside),
            reference_span,
        };
        Ok(Node { kind, span: tag.span })
    }

    fn jump(&mut self, name: &str, trim: bool, start: Span, span: Span) -> Result<Node> {
        for open in self.open.iter().rev() {
            match &open.kind {
                OpenKind::For(_) => {
                    let tag = self.close_tag(trim, start, "`%}`")?;
                    let kind = if name == "break" {
                        NodeKind::Break(tag)
                    } else {
                        NodeKind::Continue(tag)
                    };
                    return Ok(Node { kind, span: tag.span });
                }
                OpenKind::Set { .. } | OpenKind::Filter { .. } => {
                    let (opener, closer) = (open.kind.opener(), open.kind.closer());
                    let message =
                        format!("expected `{{% {closer} %}}` before leaving this `{opener}`, found `{name}`");
                    return Err(self
                        .error(TemplateErrorKind::Syntax, message, span)
                        .with_help(format!("move `{name}` out of the `{opener}` block")));
                }
                _ => {}
            }
        }
        let message = format!("expected a surrounding `for` loop, found `{name}` outside of one");
        Err(self
            .error(TemplateErrorKind::Syntax, message, span)
            .with_help("use `if` to leave parts of a template out"))
    }
}
