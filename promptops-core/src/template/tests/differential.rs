use super::corpus::{CORPUS, whitespace_cases};
use super::*;
use crate::template::{ExprKind, Literal, Node, NodeKind};

#[test]
fn corpus_is_accepted_as_by_tera() {
    assert!(CORPUS.len() >= 150);
    let cases = CORPUS.iter().map(|case| (*case).to_owned());
    let wrong: Vec<String> = cases
        .chain(whitespace_cases())
        .filter_map(|case| compare(&case).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let accepted = CORPUS.iter().filter(|case| parse(case).is_ok()).count();
    assert!(accepted > 120, "only {accepted} of the corpus are accepted");
}

/// Renders the constant constructs used in [`whitespace_cases`].
fn render(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match &node.kind {
            NodeKind::Text(text) => out.push_str(text),
            NodeKind::Output { expr, .. } => match &expr.kind {
                ExprKind::Literal(Literal::Integer(value)) => out.push_str(&value.to_string()),
                other => panic!("{other:?}"),
            },
            NodeKind::If(block) => {
                let holds = ExprKind::Literal(Literal::Bool(true));
                match block.branches.iter().find(|b| b.condition.kind == holds) {
                    Some(branch) => render(&branch.body, out),
                    None => render(&block.else_branch.as_ref().unwrap().body, out),
                }
            }
            NodeKind::For(block) => (0..2).for_each(|_| render(&block.body, out)),
            NodeKind::FilterSection { body, .. } => {
                let mut inner = String::new();
                render(body, &mut inner);
                out.push_str(&inner.to_uppercase());
            }
            NodeKind::Set { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whitespace_control_is_that_of_tera() {
    for case in whitespace_cases() {
        let engine = tera_accepts(&case).unwrap();
        let theirs = engine.render("main template", &tera::Context::new()).unwrap();
        let mut ours = String::new();
        render(&parse(&case).unwrap().nodes, &mut ours);
        assert_eq!(ours, theirs, "{case:?}");
    }
}

/// Each pair must evaluate alike under Tera, the right side being what this
/// parser believes the left one to mean.
#[test]
fn precedence_is_that_of_tera() {
    let mut context = tera::Context::new();
    for (name, value) in [("a", 2), ("b", 3), ("c", 5), ("d", 7)] {
        context.insert(name, &value);
    }
    context.insert("l", &[2, 3]);
    context.insert("s", "xyz");
    for source in [
        "a + b * c",
        "a * b + c",
        "a - b - c",
        "a / b / c",
        "a ** b ** a",
        "-a ** b",
        "a ** -b",
        "a * b % c",
        "a // b * c",
        "a + b ~ c",
        "a ~ b * c",
        "a ~ b ~ c + d",
        "a == b and c or d",
        "a or b and c",
        "not a in l",
        "a not in l or b",
        "a in l == true",
        "a < b == true",
        "1 + a | abs",
        "-a | abs",
        "a * b not in l",
        "a if b else c ~ d",
        "a ~ b if c < d else d",
        "not a == b",
        "a is odd or b is odd",
        "not a is odd",
        "a + b is odd",
        "a == b is defined",
        "a is not odd and b",
        "s[0] ~ s[1:]",
        "s | upper ~ s",
        "(a + b) * c",
        "(a ~ b)[0]",
        "s | upper[0]",
        "1 + [2, 3][1]",
        "-[4][0]",
        "a if false else b if true else c",
        "a in l in [true]",
        "a < b if c else d",
        "a + b if c else d",
        "l | first + 1",
        "2 ** l | first",
        "[x ~ 1 for x in l if x > 2 or false]",
    ] {
        let template = format!("{{{{ {source} }}}}");
        let parsed = parse(&template).unwrap();
        let NodeKind::Output { expr, .. } = &parsed.nodes[0].kind else {
            panic!("{source}");
        };
        let explicit = format!("{{{{ {} }}}}", spans::parenthesise(expr, &template));
        let render = |source: &str| {
            let engine = tera_accepts(source).unwrap_or_else(|e| panic!("{source}: {e}"));
            engine
                .render("main template", &context)
                .map_err(|error| error.to_string().lines().next().map(str::to_owned))
        };
        assert_eq!(
            render(&template).ok(),
            render(&explicit).ok(),
            "{template} {explicit}"
        );
    }
}

#[test]
fn builtin_names_are_those_of_tera() {
    let accepts = |source: String| {
        let mut engine = tera::Tera::default();
        engine.add_raw_template("t", &source).is_ok()
    };
    for name in crate::template::known_filters() {
        assert!(accepts(format!("{{{{ a | {name} }}}}")), "{name}");
    }
    for name in crate::template::known_tests() {
        assert!(accepts(format!("{{{{ a is {name} }}}}")), "{name}");
    }
    for name in crate::template::known_functions() {
        assert!(accepts(format!("{{{{ {name}() }}}}")), "{name}");
    }
    assert_eq!(crate::template::known_filters().count(), 37);
    assert!(crate::template::known_filters().is_sorted());
    assert!(crate::template::known_tests().is_sorted());
}
