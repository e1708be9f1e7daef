//! Where errors are, and what the budgets are spent on.

use serde_json::json;

use super::both::{BOTH, render_text};
use super::*;
use crate::base::error::{Error, ErrorKind};
use crate::prompt::{system, user};

/// Rendering fails at this text of the template.
#[track_caller]
fn fails_at(template: &str, at: &str, message: &str) {
    let parameters =
        json!({"t": "text", "n": 1, "l": [1, 2], "m": {"é": {"k": 1}}, "big": "b".repeat(9 << 20)});
    for form in BOTH {
        let error = render_text(form, template, &[], &parameters).expect_err(template);
        fails_with(&error, template, at, message);
    }
}

#[track_caller]
fn fails_with(error: &Error, template: &str, at: &str, message: &str) {
    assert_eq!(error.kind(), ErrorKind::Template, "{error}");
    assert!(error.message().contains(message), "{template}: {error}");
    let location = error.location().unwrap();
    let before = &template[..template.rfind(at).unwrap()];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() as u32 + 1;
    assert_eq!(
        (location.line, location.column),
        (line, column),
        "{template}: {error}"
    );
    assert_eq!((location.prompt.as_str(), location.version), ("p", Some(3)));
}

#[test]
fn errors_point_into_the_original() {
    fails_at(
        "{{ t ~ t }}{{ t ~ t }} {{ t + 1 }}",
        "t + 1",
        "requires both operands to be numbers",
    );
    fails_at(
        "{% for i in l %}{{ i }}{% endfor %}\n\n  {{ [1, t] | sort }}",
        "sort",
        "Cannot sort",
    );
    fails_at(
        "é {{ t ~ 1 }} — {{ m['é'].k | int(base=99) }}",
        "int",
        // In the words of each.
        "",
    );
    fails_at(
        "a\r\n{{ t ~ 'x' }}\r\nü{% for i in n %}{% endfor %}",
        "n %}{% endfor",
        "Iteration not possible",
    );
    fails_at(
        "{% if l == t and t ~ t == t %}{% endif %}{% if t < n %}{% endif %}",
        "t < n",
        "Cannot compare",
    );
    fails_at("a {{ throw(message=\"not for you\") }}", "throw", "not for you");
    fails_at("{{ t }}{{ l[t] }}", "t] ", "Array index");
}

#[test]
fn broken_limits_are_errors_with_a_place() {
    fails_at(
        "{% for i in range(end=100000) %}{% for j in range(end=100) %}{% endfor %}{% endfor %}",
        "range(end=100)",
        "steps",
    );
    fails_at(
        "{% set a = big ~ t %}",
        "big ~ t",
        "rendering needs more than 8388608 bytes",
    );
    fails_at(
        "{% set v %}{{ t }}{{ big }}{% endset %}",
        "big",
        "bytes for values",
    );
    let error = render("x\n{{ big }}", &json!({"big": "b".repeat(9 << 20)})).unwrap_err();
    assert!(error.message().contains("longer than 8388608 bytes"), "{error}");
    assert!(error.location().is_some());
}

#[test]
fn errors_in_snippets_name_the_snippet() {
    let error = render_with(
        "a\n{% include 's' %}",
        &[("s", "{{ t ~ t }}\n {{ t.x }}")],
        &json!({"t": {}}),
    )
    .unwrap_err();
    let location = error.location().unwrap();
    assert_eq!(
        (location.prompt.as_str(), location.version, location.message),
        ("s", Some(7), None)
    );
    assert_eq!((location.line, location.column), (2, 5), "{error}");
}

#[test]
fn errors_in_chats_name_the_message() {
    let content = Content::chat([system("static"), user("{{ a ~ a }} {{ a.b }}")]);
    let compiled = compile_with(content, &[], RenderLimits::default()).unwrap();
    let error = compiled.render(&json!({"a": {"x": 1}})).unwrap_err();
    let location = error.location().unwrap();
    assert_eq!(
        (location.message, location.line, location.column),
        (Some(1), 1, 16),
        "{error}"
    );
}

#[test]
fn messages_share_one_budget_of_output() {
    let limits = RenderLimits {
        output_bytes: 10,
        ..RenderLimits::default()
    };
    let content = Content::chat([system("{{ a }}"), user("12"), user("{{ a }}")]);
    let compiled = compile_with(content, &[], limits).unwrap();
    assert!(compiled.render(&json!({"a": "four"})).is_ok());
    let error = compiled.render(&json!({"a": "five5"})).unwrap_err();
    assert_eq!(error.location().unwrap().message, Some(2), "{error}");
    assert!(error.message().contains("longer than 10 bytes"), "{error}");
}

#[test]
fn steps_count_what_loops_include_and_what_includes_include() {
    let body = "{{ a }}".repeat(50);
    let limits = RenderLimits {
        steps: 10_000,
        ..RenderLimits::default()
    };
    let run = |template: &str| {
        compile_with(
            Content::text(template),
            &[("s", "{% include 't' %}{% include 't' %}"), ("t", &body)],
            limits,
        )
        .unwrap()
        .render(&json!({"a": 1, "n": 100}))
    };
    assert!(run("{% for i in range(end=n) %}{{ a }}{% endfor %}").is_ok());
    assert!(
        run("{% for i in range(end=n) %}{% include 's' %}{% endfor %}")
            .unwrap_err()
            .message()
            .contains("steps")
    );
    // Without any loop.
    assert!(run("{% include 's' %}{% include 's' %}").is_ok());
    assert!(
        run(&"{% include 's' %}".repeat(100))
            .unwrap_err()
            .message()
            .contains("steps")
    );
}

#[test]
fn captured_snippets_are_charged_for_their_text() {
    let limits = RenderLimits {
        scratch_bytes: 50_000,
        ..RenderLimits::default()
    };
    let text = "x".repeat(1_000);
    let run = |template: &str| {
        compile_with(
            Content::text(template),
            &[("s", "{% include 't' %}{% include 't' %}"), ("t", &text)],
            limits,
        )
        .unwrap()
        .render(&json!({}))
    };
    assert!(run("{% set v %}{% include 's' %}{% endset %}").is_ok());
    for template in [
        "{% set v %}{% for i in range(end=30) %}{% include 's' %}{% endfor %}{% endset %}",
        "{% filter upper %}{% for i in range(end=30) %}{% include 's' %}{% endfor %}{% endfilter %}",
    ] {
        assert!(
            run(template).unwrap_err().message().contains("50000 bytes"),
            "{template}"
        );
    }
    let many = format!("{{% set v %}}{}{{% endset %}}", "{% include 's' %}".repeat(30));
    assert!(run(&many).unwrap_err().message().contains("50000 bytes"));
}

#[test]
fn values_are_never_templates() {
    for value in [
        "{{ x }}",
        "{% raw %}",
        "{# c #}",
        "{{",
        "%}",
        "{% include 's' %}",
        "$&",
        "\u{0}\r\n",
    ] {
        let parameters = json!({"v": value, "l": [value], "m": {"k": value}});
        assert_eq!(
            render("<{{ v }}|{{ l[0] }}|{{ m.k ~ '' }}>", &parameters).unwrap(),
            format!("<{value}|{value}|{value}>")
        );
        assert_eq!(
            render("{% set c %}{{ v }}{% endset %}{{ c }}", &parameters).unwrap(),
            value
        );
    }
}

#[test]
fn texts_without_tags_need_no_engine() {
    let compiled = compile_with(
        Content::text("a {# c #}b {% raw %}{{ x }}{% endraw %}"),
        &[],
        RenderLimits::default(),
    )
    .unwrap();
    assert_eq!(
        compiled.render(&()).unwrap(),
        Rendered::Text("a b {{ x }}".into())
    );
}

/// What each row of the guard's table puts in.
#[test]
fn the_guard_puts_in_what_its_table_says() {
    use crate::template::{Limits, Template};
    for (template, guarded) in [
        ("{{ a }}{{ a.b.c }}", "{{ a }}{{ a.b.c }}"),
        ("{% if a == 'x' %}{% endif %}", "{% if a == 'x' %}{% endif %}"),
        (
            "{% if a.b == 'x' %}{% endif %}",
            "{% if (a.b | __defined) == 'x' %}{% endif %}",
        ),
        (
            "{% if a == b %}{% endif %}",
            "{% if (a | __read) == (b | __read) %}{% endif %}",
        ),
        (
            "{% for i in a %}x{% endfor %}",
            "{% for i in (a | __loop4) %}x{% endfor %}",
        ),
        ("{{ a ~ 'x' ~ b }}", "{{ (a | __text) ~ 'x' ~ (b | __text) }}"),
        (
            "{% set v = a %}{% set w = [a] %}",
            "{% set v = a %}{% set w = ([a] | __copy) %}",
        ),
        (
            "{% set v %}{{ a }}{% endset %}",
            "{% set v %}{{ (a | __text) }}{% endset %}",
        ),
        (
            "{{ a | upper }}{{ a | length }}",
            "{{ a | __copy(x=3) | upper }}{{ a | __read | length }}",
        ),
        (
            "{{ a | sort }}{{ a | reverse }}",
            "{{ a | __sort | sort }}{{ a | __take | reverse }}",
        ),
        ("{{ [...a] }}", "{{ [...(a | __take)] }}"),
        ("{{ range(end=2) }}", "{{ (range(end=2) | __take) }}"),
        (
            "{{ a[0] }}{{ a['k'] }}",
            "{{ a[(0 | __index(of=a, x=1))] }}{{ a['k'] }}",
        ),
        (
            "{{ a[1:] }}{{ a[:1] }}",
            "{{ a[(1 | __slice(of=a, x=1)):] }}{{ a[(none | __slice(of=a, x=1)):1] }}",
        ),
        ("{{ (a | trim)[0] }}", "{{ ((a | __copy | trim) | __index)[0] }}"),
        (
            "{{ a.b | default(value=c.d) }}",
            "{{ a.b | default(value=(c.d | __defined)) }}",
        ),
    ] {
        let parsed = Template::parse(template, &Limits::default()).unwrap();
        let (source, _) = tera::guard::guard(&parsed, false, &Default::default());
        assert_eq!(source, guarded, "{template}");
    }
}
