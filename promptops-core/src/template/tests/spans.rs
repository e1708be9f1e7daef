use super::corpus::CORPUS;
use super::*;
use crate::template::{ArrayItem, Expr, ExprKind, Literal, MapEntry, Node, NodeKind, Span};

/// Writes an expression with explicit parentheses around every operation.
pub(super) fn parenthesise(expr: &Expr, source: &str) -> String {
    let go = |expr: &Expr| parenthesise(expr, source);
    match &expr.kind {
        ExprKind::Literal(Literal::Integer(value)) if *value < 0 => format!("({value})"),
        ExprKind::Literal(_) | ExprKind::Var(_) => expr.span.text(source).to_owned(),
        ExprKind::Binary { op, left, right } => {
            use crate::template::BinaryOp as Op;
            let op = match op {
                Op::Or => "or",
                Op::And => "and",
                Op::In => "in",
                Op::NotIn => "not in",
                Op::Equal => "==",
                Op::NotEqual => "!=",
                Op::Less => "<",
                Op::LessOrEqual => "<=",
                Op::Greater => ">",
                Op::GreaterOrEqual => ">=",
                Op::Add => "+",
                Op::Subtract => "-",
                Op::Multiply => "*",
                Op::Divide => "/",
                Op::FloorDivide => "//",
                Op::Remainder => "%",
                Op::Concat => "~",
                Op::Power => "**",
            };
            format!("({} {op} {})", go(left), go(right))
        }
        ExprKind::Unary { op, operand } => match op {
            crate::template::UnaryOp::Not => format!("(not {})", go(operand)),
            crate::template::UnaryOp::Minus => format!("(-{})", go(operand)),
        },
        ExprKind::Filter { input, filter } => {
            format!("({} | {})", go(input), filter.span.text(source))
        }
        ExprKind::Test {
            input, negated, name, ..
        } => {
            let not = if *negated { "not " } else { "" };
            format!("({} is {not}{})", go(input), name.name)
        }
        ExprKind::Index { object, index, .. } => format!("({})[{}]", go(object), go(index)),
        ExprKind::Ternary {
            then,
            condition,
            otherwise,
        } => format!("({} if {} else {})", go(then), go(condition), go(otherwise)),
        _ => expr.span.text(source).to_owned(),
    }
}

pub(super) fn all_exprs(template: &Template) -> Vec<&Expr> {
    let mut exprs = Vec::new();
    visit(&template.nodes, &mut |expr| exprs.push(expr));
    let mut at = 0;
    while at < exprs.len() {
        let expr = exprs[at];
        expr.push_children(&mut exprs);
        at += 1;
    }
    exprs
}

fn visit<'a>(nodes: &'a [Node], found: &mut impl FnMut(&'a Expr)) {
    for node in nodes {
        match &node.kind {
            NodeKind::Output { expr, .. } | NodeKind::Set { value: expr, .. } => found(expr),
            NodeKind::If(block) => {
                for branch in &block.branches {
                    found(&branch.condition);
                    visit(&branch.body, found);
                }
                block.else_branch.iter().for_each(|b| visit(&b.body, found));
            }
            NodeKind::For(block) => {
                found(&block.iterable);
                visit(&block.body, found);
                block.else_branch.iter().for_each(|b| visit(&b.body, found));
            }
            NodeKind::SetBlock { filters, body, .. } | NodeKind::FilterSection { filters, body, .. } => {
                filters
                    .iter()
                    .flat_map(|f| &f.kwargs)
                    .for_each(|k| found(&k.value));
                visit(body, found);
            }
            _ => {}
        }
    }
}

/// The spans a later pass wraps.
fn wrapped_spans(template: &Template) -> Vec<Span> {
    let mut spans = Vec::new();
    fn nodes(list: &[Node], spans: &mut Vec<Span>) {
        for node in list {
            match &node.kind {
                NodeKind::Output { expr, .. } | NodeKind::Set { value: expr, .. } => spans.push(expr.span),
                NodeKind::For(block) => {
                    spans.push(block.iterable.span);
                    nodes(&block.body, spans);
                    block.else_branch.iter().for_each(|b| nodes(&b.body, spans));
                }
                NodeKind::If(block) => {
                    block.branches.iter().for_each(|b| nodes(&b.body, spans));
                    block.else_branch.iter().for_each(|b| nodes(&b.body, spans));
                }
                NodeKind::SetBlock { body, .. } | NodeKind::FilterSection { body, .. } => nodes(body, spans),
                _ => {}
            }
        }
    }
    nodes(&template.nodes, &mut spans);
    for expr in all_exprs(template) {
        match &expr.kind {
            ExprKind::Comprehension(inner) => spans.push(inner.iterable.span),
            ExprKind::Binary {
                op: crate::template::BinaryOp::Concat,
                ..
            } => spans.extend(expr.concat_operands().iter().map(|expr| expr.span)),
            _ => {}
        }
    }
    spans.sort();
    spans.dedup();
    spans
}

/// Wraps every such expression as `(e) | same ` and returns the new source.
pub(super) fn instrument(template: &Template) -> String {
    let source = template.source();
    let mut inserts: Vec<(usize, usize, &str)> = Vec::new();
    for span in wrapped_spans(template) {
        // At one place closers come first, then the outer openers.
        inserts.push((span.start, 1 + source.len() - span.end, "("));
        inserts.push((span.end, 0, ") | same "));
    }
    inserts.sort_by_key(|(at, order, _)| (*at, *order));
    let mut out = String::new();
    let mut done = 0;
    for (at, _, text) in inserts {
        out.push_str(&source[done..at]);
        out.push_str(text);
        done = at;
    }
    out.push_str(&source[done..]);
    out
}

/// Instrumented templates parse and render as before.
pub(super) fn check_instrumented(source: &str) -> Result<(), String> {
    let Ok(template) = parse(source) else {
        return Ok(());
    };
    let Ok(plain) = tera_accepts(source) else {
        return Ok(());
    };
    let wrapped = instrument(&template);
    let mut engine = tera::Tera::default();
    engine.autoescape_on(Vec::<&str>::new());
    engine.register_filter("same", |v: tera::Value, _: tera::Kwargs, _: &tera::State| v);
    let mut templates = vec![
        ("main template", wrapped.as_str()),
        ("part", "P"),
        ("part.txt", "P"),
    ];
    let includes = template.includes();
    for include in &includes {
        if !templates.iter().any(|(name, _)| *name == include.reference) {
            templates.push((&include.reference, "P"));
        }
    }
    engine
        .add_raw_templates(templates)
        .map_err(|error| format!("{source:?} became {wrapped:?}: {error}"))?;
    let mut context = tera::Context::new();
    for name in ["a", "b", "c", "d"] {
        context.insert(name, &2);
    }
    context.insert("y", &[1, 2, 3]);
    context.insert("l", &["p", "q"]);
    context.insert("x", "text");
    context.insert("m", &std::collections::BTreeMap::from([("k", 1)]));
    let before = plain.render("main template", &context).ok();
    let after = engine.render("main template", &context).ok();
    if before == after {
        Ok(())
    } else {
        Err(format!("{source:?} became {wrapped:?}: {before:?} != {after:?}"))
    }
}

#[test]
fn wrapping_expressions_keeps_the_meaning() {
    for case in CORPUS {
        check_instrumented(case).unwrap();
    }
    for case in [
        "{{ a ~ b * c ~ -1 ~ (a if b else c) ~ [1][0] ~ l[0] }}",
        "{{ a + b ~ c ** 2 ~ x | upper }}",
        "{% for i in(y)%}{{ i~(a)~b if b else c }}{% endfor %}",
        "{{ [i~(i)for i in(y)if i] }}",
        "{% set z = a if b else c %}{{ z }}{% set w = x ~ 'z' ~ (a ~ (b ~ c)) %}{{ w }}",
        "{{ 2 ** a ~ b }}{{ -a ~ b }}{{ (a ~ b) | length }}{{ (x ~ x)[0] }}",
        "{%for i in y%}{{-i-}}{%endfor%}{{`a`~`b`if`c`else`d`}}",
    ] {
        assert!(parse(case).is_ok(), "{case}");
        check_instrumented(case).unwrap();
    }
}

#[test]
fn spans_lie_inside_each_other_and_text_is_its_span() {
    for case in CORPUS {
        let Ok(template) = parse(case) else { continue };
        for expr in all_exprs(&template) {
            let text = expr.span.text(case);
            assert!(!text.is_empty() && text.trim() == text, "{case:?}: {text:?}");
            let mut children = Vec::new();
            expr.push_children(&mut children);
            for child in children {
                assert!(
                    expr.span.start <= child.span.start && child.span.end <= expr.span.end,
                    "{case:?}"
                );
            }
        }
        for node in &template.nodes {
            if let NodeKind::Text(text) = &node.kind {
                assert_eq!(node.span.text(case), text, "{case:?}");
            } else {
                assert!(node.span.text(case).starts_with('{') && node.span.text(case).ends_with('}'));
            }
        }
    }
}

#[test]
fn parentheses_belong_to_the_span() {
    let source = "{{ ((a) ~ b) | upper }}";
    let template = parse(source).unwrap();
    let texts: Vec<&str> = all_exprs(&template).iter().map(|e| e.span.text(source)).collect();
    assert_eq!(texts, ["((a) ~ b) | upper", "((a) ~ b)", "(a)", "b"]);
    let _ = (ArrayItem::Item, MapEntry::Spread);
}
