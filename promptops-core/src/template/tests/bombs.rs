use std::time::{Duration, Instant};

use super::*;

/// Runs on a stack of the given size in KiB.
fn on_stack<T: Send + 'static>(kib: usize, run: impl FnOnce() -> T + Send + 'static) -> T {
    let builder = std::thread::Builder::new().stack_size(kib * 1024);
    builder.spawn(run).unwrap().join().unwrap()
}

fn filled(open: &str, unit: &str) -> String {
    let mut source = open.to_owned();
    while source.len() + unit.len() <= 65_536 {
        source.push_str(unit);
    }
    source
}

#[test]
fn hostile_input_fails_fast_on_a_small_stack() {
    let mut bombs = vec![
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(1_000)),
        "{% if a %}".repeat(6_500),
        "{% if a %}".repeat(10_000),
        "{% for a in a %}".repeat(4_000),
    ];
    for unit in [
        "(",
        "[",
        "{",
        "{{",
        "not ",
        "not (",
        "-",
        "-(",
        "a.",
        "a[",
        "a|upper|",
        "a~",
        "~a",
        "a**",
        "{'a':",
        "range(end=",
        "a if b else ",
        "[x for x in ",
        "...",
        "a if ",
        "a|default(value=",
        ".b",
        "|upper",
        "[0]",
        "?.b",
        " is defined",
        "+1",
        ",1",
        " or a",
        " and a is defined",
        "'",
        "`\\",
        "loop.",
        "1",
        "1.",
        "</",
        "@",
        "é",
    ] {
        bombs.push(filled("{{", unit));
        bombs.push(filled("{{a", unit));
        bombs.push(filled("{{[", unit));
        bombs.push(filled("{% set a = b", unit));
        bombs.push(filled("{% for a in b", unit));
        bombs.push(filled("{% filter upper", unit));
    }
    for unit in [
        "{{",
        "{%",
        "{#",
        "{{a}}",
        "{{ a.b.c }}",
        "{%raw%}",
        "{% raw %}{% ",
        "{# #}",
        "{#-",
        "{%-",
        "{% endif %}",
        "{% set a %}",
        "{% filter upper %}",
        "{% set a = a %}",
        "x ",
        "{ ",
        "{%                ",
        "{% if a is undefined %}{% set a = 1 %}{% endif %}{{a}}",
        "{% include 'a' %}",
    ] {
        bombs.push(filled("", unit));
        bombs.push(filled("{% if a %}", unit));
        bombs.push(filled("{% raw %}", unit));
    }
    for bomb in bombs {
        let shown: String = bomb.chars().take(60).collect();
        let taken = on_stack(256, move || {
            let start = Instant::now();
            if let Ok(template) = parse(&bomb) {
                assert!(template.variables().len() <= 8_192);
                assert!(template.includes().len() <= 8_192);
                drop(template.clone());
            }
            start.elapsed()
        });
        assert!(taken < Duration::from_secs(10), "{taken:?} for {shown}");
    }
}

/// Everything the limits allow at once, nested in each other.
pub(crate) fn at_the_limits(limits: &Limits) -> Vec<String> {
    let (ops, deep) = (limits.operators, limits.expression_depth - 2);
    let exprs = [
        format!("{}a{}", "(".repeat(deep), ")".repeat(deep)),
        format!("a{}", " ~ a".repeat(ops)),
        format!("a{}", " | upper".repeat(ops / 2)),
        format!("a{}", ".b".repeat(ops)),
        format!("a{}", " and a".repeat(ops)),
        format!("{}a{}", "a | default(value=".repeat(deep), ")".repeat(deep)),
        format!("{}a", "a if a else ".repeat(deep)),
        format!(
            "{}a{}{}",
            "{'k': ".repeat(deep),
            " ~ a".repeat(ops),
            " }".repeat(deep)
        ),
        format!("{}a", "a ** ".repeat(deep)),
        format!(
            "{}a{}{}",
            "a | default(value=(".repeat(deep / 2),
            " ~ a".repeat(ops - deep),
            "))".repeat(deep / 2)
        ),
        format!("{}a{}", "not (".repeat(deep / 2), ")".repeat(deep / 2)),
        format!("{}a{}", "range(end=".repeat(deep), " ~ a)".repeat(deep)),
        format!("{}a{}", "(a ~ ".repeat(deep / 2), ")".repeat(deep / 2)),
        "[x for x in [x for x in [[x for x in a] for x in a]]]".to_owned(),
    ];
    let mut cases = Vec::new();
    for expr in exprs {
        // The branches are spread over the nested blocks, up to the total.
        let each = limits.branch_depth / limits.nesting - 1;
        let elif = "{% elif a %}".to_owned();
        let open = format!("{{% if a %}}{}", elif.repeat(each));
        let (opens, closes) = (open.repeat(limits.nesting), "{% endif %}".repeat(limits.nesting));
        cases.push(format!("{opens}{{{{ {expr} }}}}{closes}"));
        let (opens, closes) = ("{% filter upper %}".repeat(12), "{% endfilter %}".repeat(12));
        let (loops, ends) = ("{% for i in range(end=1) %}".repeat(3), "{% endfor %}".repeat(3));
        cases.push(format!("{loops}{opens}{{{{ {expr} }}}}{closes}{ends}"));
        cases.push(format!(
            "{{% if a %}}{}{{% else %}}{{{{ {expr} }}}}{{% endif %}}",
            elif.repeat(limits.branches)
        ));
        let (opens, closes) = ("{% filter upper %}".repeat(8), "{% endfilter %}".repeat(8));
        let (loops, ends) = ("{% for i in range(end=1) %}".repeat(4), "{% endfor %}".repeat(4));
        let (ifs, endifs) = ("{% if a %}".repeat(3), "{% endif %}".repeat(3));
        let elifs = elif.repeat(limits.branches);
        cases.push(format!(
            "{loops}{opens}{{% if a %}}{elifs}{{% else %}}{ifs}{{{{ {expr} }}}}{endifs}{{% endif %}}{closes}{ends}"
        ));
    }
    cases
}

#[test]
fn tera_is_safe_at_the_limits() {
    let mut accepted = 0;
    for case in at_the_limits(&Limits::default()) {
        match parse(&case) {
            Ok(_) => accepted += 1,
            Err(error) => assert_eq!(error.kind, TemplateErrorKind::Limit, "{error} in {case}"),
        }
        if parse(&case).is_err() {
            continue;
        }
        let small = case.clone();
        on_stack(256, move || {
            let template = parse(&small).unwrap();
            let copy = template.clone();
            assert_eq!(copy, template);
            assert!(template.variables().len() < 10);
        });
        // Somewhat less than the stack promised in the documentation.
        on_stack(1_792, move || {
            let engine = tera_accepts(&case).unwrap();
            let mut context = tera::Context::new();
            context.insert("a", "");
            let _ = engine.render("main template", &context);
            let parsed = parse(&case).unwrap();
            let _ = tera_accepts(&spans::instrument(&parsed).replace("same", "upper")).unwrap();
        });
    }
    assert!(accepted >= 28, "{accepted}");
}

#[test]
fn the_parser_is_safe_at_the_ceilings() {
    let wishes = Limits {
        source_bytes: usize::MAX,
        nesting: usize::MAX,
        expression_depth: usize::MAX,
        branches: usize::MAX,
        branch_depth: usize::MAX,
        loops: usize::MAX,
        nodes: usize::MAX,
        operators: usize::MAX,
        arguments: usize::MAX,
    };
    for case in at_the_limits(&wishes.capped()) {
        let limits = wishes.clone();
        on_stack(256, move || match Template::parse(&case, &limits) {
            Ok(template) => assert!(template.variables().len() < 10),
            Err(error) => assert_eq!(error.kind, TemplateErrorKind::Limit, "{error} in {case}"),
        });
    }
}
