use super::*;
use crate::template::{BinaryOp, Expr, ExprKind, Literal, LoopField, NodeKind, Position, SetScope, Span};

fn expr(source: &str) -> Expr {
    let template = parse(&format!("{{{{ {source} }}}}")).unwrap();
    match template.nodes.into_iter().next().unwrap().kind {
        NodeKind::Output { expr, .. } => expr,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tags_keep_their_place_and_their_dashes() {
    let source = "a {%- if x -%} b {% else %} c {%- endif %} d";
    let template = parse(source).unwrap();
    assert_eq!(template.nodes.len(), 3);
    let NodeKind::If(block) = &template.nodes[1].kind else {
        panic!()
    };
    let tag = block.branches[0].tag;
    assert_eq!(
        (tag.span.text(source), tag.trim_left, tag.trim_right),
        ("{%- if x -%}", true, true)
    );
    let other = block.else_branch.as_ref().unwrap();
    assert_eq!(
        (other.tag.span.text(source), other.tag.trim_left),
        ("{% else %}", false)
    );
    assert_eq!(
        (block.end.span.text(source), block.end.trim_left),
        ("{%- endif %}", true)
    );
    assert_eq!(template.nodes[0].kind, NodeKind::Text("a".into()));
    assert_eq!(block.branches[0].body[0].kind, NodeKind::Text("b ".into()));
    assert_eq!(other.body[0].kind, NodeKind::Text(" c".into()));
    assert_eq!(
        template.nodes[1].span.text(source),
        "{%- if x -%} b {% else %} c {%- endif %}"
    );
}

#[test]
fn loops_keep_their_parts() {
    let source = "{% for k, v in m.items %}{{ loop.index0 }}{% else %}-{% endfor %}";
    let template = parse(source).unwrap();
    let NodeKind::For(block) = &template.nodes[0].kind else {
        panic!()
    };
    assert_eq!(block.key.as_ref().unwrap().name, "k");
    assert_eq!(
        (block.value.name.as_str(), block.value.span),
        ("v", Span::new(10, 11))
    );
    assert_eq!(block.iterable.span.text(source), "m.items");
    let NodeKind::Output { expr, tag } = &block.body[0].kind else {
        panic!()
    };
    assert_eq!(expr.kind, ExprKind::Loop(LoopField::Index0));
    assert_eq!(tag.span.text(source), "{{ loop.index0 }}");
    assert!(block.else_branch.is_some());
    assert_eq!(block.end.span.text(source), "{% endfor %}");
    assert_eq!(block.weight(), 2);
}

#[test]
fn weight_leaves_inner_loops_out() {
    let template = parse("{% for x in y %}a{% if x %}{{ x ~ 1 }}{% endif %}{% for z in x.l %}{{ z }}{{ z }}{% endfor %}{% endfor %}").unwrap();
    let NodeKind::For(block) = &template.nodes[0].kind else {
        panic!()
    };
    // Text, if and its condition, output and three expressions, for and `x.l`.
    assert_eq!(block.weight(), 1 + 2 + 4 + 3);
}

#[test]
fn sets_and_sections_keep_their_filters() {
    let source = "{% set_global a | trim | replace(from='x', to=y) %}t{% endset %}{% filter upper %}u{% endfilter %}{% set b = 1 %}";
    let template = parse(source).unwrap();
    let NodeKind::SetBlock {
        scope,
        target,
        filters,
        ..
    } = &template.nodes[0].kind
    else {
        panic!()
    };
    assert_eq!(
        (*scope, target.name.as_str(), filters.len()),
        (SetScope::Global, "a", 2)
    );
    assert_eq!(filters[1].span.text(source), "replace(from='x', to=y)");
    assert_eq!(filters[1].kwargs[1].name.name, "to");
    assert!(matches!(&template.nodes[1].kind, NodeKind::FilterSection { filters, .. } if filters.len() == 1));
    assert!(matches!(
        &template.nodes[2].kind,
        NodeKind::Set {
            scope: SetScope::Local,
            ..
        }
    ));
}

#[test]
fn literals_are_values() {
    let cases = [
        ("-5", Literal::Integer(-5)),
        ("-(-5)", Literal::Integer(5)),
        ("1.", Literal::Float(1.0)),
        ("-2.5", Literal::Float(-2.5)),
        ("True", Literal::Bool(true)),
        ("null", Literal::None),
        ("'a\\n\\'\\\\'", Literal::String("a\n'\\".into())),
    ];
    for (source, value) in cases {
        assert_eq!(expr(source).kind, ExprKind::Literal(value), "{source}");
    }
}

#[test]
fn negations_are_their_own_operators() {
    assert!(matches!(
        expr("a not in b").kind,
        ExprKind::Binary {
            op: BinaryOp::NotIn,
            ..
        }
    ));
    assert!(matches!(
        expr("a is not defined").kind,
        ExprKind::Test { negated: true, .. }
    ));
    assert!(matches!(
        expr("a?[1:]").kind,
        ExprKind::Slice { optional: true, .. }
    ));
    assert!(matches!(
        expr("a?.b").kind,
        ExprKind::Attribute { optional: true, .. }
    ));
}

#[test]
fn concat_operands_are_flat() {
    let all = expr("a ~ (b ~ c) ~ d + 1");
    let ExprKind::Binary { left, .. } = &all.kind else {
        panic!()
    };
    assert_eq!(left.concat_operands().len(), 4);
    assert_eq!(all.concat_operands().len(), 1);
}

#[test]
fn includes_are_listed_in_order() {
    let source = "{% include 'b' %}{% if x %}\n {% include \"a\\\"\" %}{% endif %}";
    let includes = parse(source).unwrap().includes();
    let found: Vec<_> = includes
        .iter()
        .map(|i| (i.reference.as_str(), i.position.line, i.position.column))
        .collect();
    assert_eq!(found, [("b", 1, 12), ("a\"", 2, 13)]);
    assert_eq!(includes[1].span.text(source), "\"a\\\"\"");
}

#[test]
fn positions_count_characters() {
    let source = "é\r\nüü{{ a }}";
    assert_eq!(
        Span::new(11, 12).position(source),
        Position { line: 2, column: 6 }
    );
    assert_eq!(
        parse(source).unwrap().variables()[0].position,
        Position { line: 2, column: 6 }
    );
    assert_eq!(Span::new(1, 1).position(source), Position { line: 1, column: 1 });
    assert_eq!(Span::new(99, 99).position("a\n"), Position { line: 2, column: 1 });
}
