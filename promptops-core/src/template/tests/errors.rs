use super::*;
use TemplateErrorKind::*;

#[test]
fn messages_say_what_where_and_what_to_do() {
    let cases = [
        (
            Syntax,
            "{{ a",
            "line 1, column 5: expected an operator or `}}`, found the end of the template",
        ),
        (
            Syntax,
            "x\n\n  {% if a b %}",
            "line 3, column 11: expected an operator or `%}`, found `b`",
        ),
        (
            Syntax,
            "{% if a %}",
            "line 1, column 1: expected `{% endif %}` to close this `if`, found the end of the template; add `{% endif %}` where the block ends",
        ),
        (
            Syntax,
            "{% if a %}{% endfor %}",
            "line 1, column 14: expected `{% endif %}`, found `endfor`; the `if` at line 1, column 1 is still open",
        ),
        (
            Syntax,
            "{% endif %}",
            "line 1, column 4: expected text or an opening tag, found `endif`; no block is open here; remove it or add the opening tag before",
        ),
        (
            UnknownFilter,
            "é{{ a | uper }}",
            "line 1, column 9: expected the name of a filter, found the unknown filter `uper`; did you mean `upper`?",
        ),
        (
            UnknownFilter,
            "{{ a | count }}",
            "line 1, column 8: expected the name of a filter, found the unknown filter `count`; did you mean `length`?",
        ),
        (
            UnknownTest,
            "{{ a is defnied }}",
            "line 1, column 9: expected the name of a test, found the unknown test `defnied`; did you mean `defined`?",
        ),
        (
            UnknownFunction,
            "{{ frobnicate() }}",
            "line 1, column 4: expected the name of a function, found the unknown function `frobnicate`; use one of `range`, `throw`",
        ),
        (
            Unsupported,
            "{% extends 'a' %}",
            "line 1, column 4: expected a supported tag, found `extends`; templates cannot inherit from each other; use `include` for shared parts",
        ),
        (
            Unsupported,
            "{{ __tera_context }}",
            "line 1, column 4: expected an ordinary name, found the reserved name `__tera_context`; names starting with two underscores are internal; rename it",
        ),
        (
            Unsupported,
            "{% include ['a', 'b'] %}",
            "line 1, column 12: expected the name of a template in quotes, found `[`; included templates are fixed: write `{% include \"name\" %}`",
        ),
        (
            Unsupported,
            "{{ a or or b }}",
            "line 1, column 9: expected a value, a variable, `(`, `[`, `{`, `-` or `not`, found the keyword `or`; an operand is missing, or a variable needs another name",
        ),
        (
            Syntax,
            "{{ not -a }}",
            "line 1, column 8: expected an operand, found `-`; `-` and `not` cannot follow each other directly; use parentheses",
        ),
        (
            Syntax,
            "{{ a | trim(1) }}",
            "line 1, column 13: expected the name of an argument, found the number 1; arguments are named: write `name=value`",
        ),
        (
            Syntax,
            "{{ 'é\\q' }}",
            "line 1, column 6: expected a valid escape sequence, found an unknown one; use one of \\\", \\', \\/, \\\\, \\n, \\t, \\r, or write `\\\\` for a backslash",
        ),
        (
            Limit,
            "{{ [[[1]]] }}",
            "line 1, column 6: expected at most 2 array literals inside each other, found more; store the inner arrays with `set` first",
        ),
    ];
    for (kind, source, expected) in cases {
        let error = parse(source).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (kind, expected),
            "{source}"
        );
    }
}

#[test]
fn refused_constructs_are_unsupported() {
    for source in [
        "{% extends 'a' %}",
        "{% block a %}{% endblock %}",
        "{% component a() %}{% endcomponent %}",
        "{{ <a /> }}",
        "{% <a> %}{% </a> %}",
        "{{ super() }}",
        "{{ __a }}",
        "{% set __a = 1 %}",
        "{% for __a in b %}{% endfor %}",
        "{% for a, __b in b %}{% endfor %}",
        "{{ a | __f }}",
        "{{ a is __t }}",
        "{{ __f() }}",
        "{{ a | trim(__k=1) }}",
        "{{ [a for __a in b] }}",
        "{% include a %}",
        "{% include 'a' ignore missing %}",
        "{% include 'a' ~ 'b' %}",
        "{% for x in loop.index %}{% endfor %}",
        "{% for x in y %}{{ loop.index.a }}{% endfor %}",
        "{{ if }}",
    ] {
        assert_eq!(parse(source).map_err(|e| e.kind), Err(Unsupported), "{source}");
    }
}

#[test]
fn every_limit_is_enforced_at_its_value() {
    let nested = |count: usize| format!("{}{}", "{% if a %}".repeat(count), "{% endif %}".repeat(count));
    let elifs = |count: usize| format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(count));
    let loops = |count: usize| {
        format!(
            "{}{}",
            "{% for a in b %}".repeat(count),
            "{% endfor %}".repeat(count)
        )
    };
    let parens = |count: usize| format!("{{{{ {}a{} }}}}", "(".repeat(count), ")".repeat(count));
    let chain = |count: usize| format!("{{{{ a{} }}}}", " ~ a".repeat(count));
    let kwargs = |count: usize| {
        format!(
            "{{{{ range({}) }}}}",
            (0..count).map(|i| format!("k{i}=1,")).collect::<String>()
        )
    };
    let outputs = |count: usize| "{{a}}".repeat(count / 2);
    let listed = |count: usize| {
        format!(
            "{{{{ {}x{} }}}}",
            "[".repeat(count).replace('[', "(["),
            " for x in y])".repeat(count)
        )
    };
    let cases: [(&str, String, String); 9] = [
        ("source", " ".repeat(65_536), " ".repeat(65_537)),
        ("nesting", nested(16), nested(17)),
        ("branches", elifs(64), elifs(65)),
        ("loops", loops(4), loops(5)),
        ("depth", parens(15), parens(16)),
        ("operators", chain(40), chain(41)),
        ("arguments", kwargs(32), kwargs(33)),
        ("nodes", outputs(8_192), outputs(8_194)),
        ("comprehensions", listed(2), listed(3)),
    ];
    for (what, within, beyond) in cases {
        assert!(parse(&within).is_ok(), "{what}: {}", parse(&within).unwrap_err());
        assert_eq!(parse(&beyond).unwrap_err().kind, Limit, "{what}");
        compare(&within).unwrap();
    }
}

#[test]
fn wishes_beyond_the_ceilings_are_capped() {
    let limits = Limits {
        expression_depth: usize::MAX,
        nesting: usize::MAX,
        ..Limits::default()
    };
    let deep = format!("{{{{ {} }}}}", "(".repeat(10_000));
    assert_eq!(Template::parse(&deep, &limits).unwrap_err().kind, Limit);
    assert_eq!(limits.capped().expression_depth, 20);
}

#[test]
fn long_names_do_not_blow_up_messages() {
    let error = parse(&format!("{{{{ a | {} }}}}", "x".repeat(60_000))).unwrap_err();
    assert!(error.to_string().len() < 1_000);
}
