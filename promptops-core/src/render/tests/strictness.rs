//! What is missing is an error that names it.

use serde_json::json;

use super::both::{BOTH, Form, render_text};
use super::*;
use crate::base::error::ErrorKind;

fn parameters() -> serde_json::Value {
    json!({"c": {"name": "n", "list": [1], "inner": {}}, "yes": true, "no": false, "k": "tier", "n": 1})
}

#[track_caller]
fn missing(template: &str, path: &str) {
    for form in BOTH {
        missing_on(form, template, path);
    }
}

#[track_caller]
fn missing_on(form: Form, template: &str, path: &str) {
    let error = render_text(form, template, &[], &parameters()).expect_err(template);
    assert_eq!(error.kind(), ErrorKind::Template, "{template}: {error}");
    assert!(
        error.message().contains(&format!("`{path}` is missing")),
        "{template}: {error}"
    );
    let location = error.location().unwrap_or_else(|| panic!("{template}: {error}"));
    let at = template.find(path).unwrap();
    assert_eq!(
        (location.line, location.column as usize),
        (1, at + 1),
        "{template}: {error}"
    );
}

#[test]
fn missing_attributes_are_errors_wherever_they_are() {
    for template in [
        "{{ c.tier }}",
        "{{ c.tier.more }}",
        "{% if c.tier %}{% endif %}",
        "{% if no %}{% elif c.tier %}{% endif %}",
        "{% if not c.tier %}{% endif %}",
        "{% if yes and c.tier %}{% endif %}",
        "{% if no or c.tier %}{% endif %}",
        "{{ c.tier and 1 }}",
        "{{ c.tier or 1 }}",
        "{{ 1 if c.tier else 2 }}",
        "{{ c.tier if yes else 2 }}",
        "{{ 1 if no else c.tier }}",
        "{% if c.tier == 1 %}{% endif %}",
        "{% if 1 != c.tier %}{% endif %}",
        "{% if c.name == c.tier %}{% endif %}",
        "{% if c.tier < 2 %}{% endif %}",
        "{% if c.tier in [1] %}{% endif %}",
        "{% if 1 not in c.tier %}{% endif %}",
        "{{ 'a' ~ c.tier }}",
        "{{ c.tier ~ 'a' ~ 'b' }}",
        "{{ c.tier + 1 }}",
        "{{ -c.tier }}",
        "{% set v = c.tier %}",
        "{% set v = [c.tier] %}",
        "{% set v = {'k': c.tier} %}",
        "{% set v = [...c.tier] %}",
        "{% set v = {...c.tier} %}",
        "{% set_global v = c.tier %}",
        "{% for i in c.tier %}{% endfor %}",
        "{% set v = [i for i in c.tier] %}",
        "{% set v = [1 for i in [1] if c.tier] %}",
        "{% set v = [c.tier for i in [1]] %}",
        "{{ c.tier | upper }}",
        "{{ c.tier | length }}",
        "{{ c.tier | first }}",
        "{{ c.name | replace(from='a', to=c.tier) }}",
        "{{ c.nope | default(value=c.tier) }}",
        "{{ range(end=c.tier) }}",
        "{{ c.tier is string }}",
        "{{ c.name is containing(pat=c.tier) }}",
        "{{ c.list[c.tier] }}",
        "{{ c.list[c.tier:] }}",
        "{{ c.list[:c.tier] }}",
        "{{ c.tier[0] }}",
        "{{ c.tier[0:1] }}",
        "{{ c.tier?.more }}{{ c.tier?.more == 1 }}{{ c.tier.a }}",
        "{% set v %}{{ c.tier }}{% endset %}",
        "{% filter upper %}{{ c.tier }}{% endfilter %}",
        "{% filter replace(from='a', to=c.tier) %}a{% endfilter %}",
        "{{ c.tier.more is defined }}",
        "{{ c.tier.more | default(value=1) }}",
    ] {
        // Optional steps end the path before.
        if template.contains("?.") {
            continue;
        }
        missing(template, "c.tier");
    }
    missing("{% if c.inner.x == c.name %}{% endif %}", "c.inner.x");
    missing("{{ c . inner . x }}", "c . inner . x");
    missing("{{ c['tier'] ~ 1 }}", "c['tier']");
    missing("{% if c[k] %}{% endif %}", "c[k]");
    missing("{{ c.list[7] }}", "c.list[7]");
    missing("{{ c.list[n] }}", "c.list[n]");
    missing("{{ c.list[7].name }}", "c.list[7]");
    missing("{{ c['inner'].x }}", "c['inner'].x");
    missing("{% if c?.inner.x %}{% endif %}", "c?.inner.x");
    missing(
        "{% if (c | get(key='inner'))['x'] %}{% endif %}",
        "(c | get(key='inner'))['x']",
    );
}

#[test]
fn what_may_be_missing_may_be() {
    for (template, expected) in [
        ("{{ c.tier | default(value='d') }}", "d"),
        ("{{ tier | default(value='d') }}", "d"),
        (
            "{{ c['tier'] | default(value='d') }}{{ c[k] | default(value='e') }}",
            "de",
        ),
        ("{{ c.list[4] | default(value='d') }}", "d"),
        ("{{ (c.tier if yes else 1) | default(value='d') }}", "d"),
        (
            "{{ c.tier is defined }} {{ c.tier is undefined }} {{ nope is defined }}",
            "false true false",
        ),
        (
            "{% if c.tier is defined and c.tier > 3 %}y{% else %}n{% endif %}",
            "n",
        ),
        ("{% if c.tier is undefined or c.tier > 3 %}y{% endif %}", "y"),
        (
            "{% if no and c.tier %}y{% endif %}{% if yes or c.tier %}z{% endif %}",
            "z",
        ),
        ("{{ 'x' if yes else c.tier }}", "x"),
        ("{% if no %}{{ c.tier }}{% endif %}", ""),
        (
            "{% if c?.tier %}y{% else %}n{% endif %}{{ c.tier?.more | default(value='d') }}",
            "nd",
        ),
        ("{% if c.inner?.x == 1 %}y{% else %}n{% endif %}", "n"),
        ("{{ c.list?[9] | default(value='d') }}", "d"),
    ] {
        for form in BOTH {
            let text = render_text(form, template, &[], &parameters());
            assert_eq!(
                text.unwrap_or_else(|e| panic!("{form:?}, {template}: {e}")),
                expected
            );
        }
    }
}

/// Of two that are missing, both engines tell the same one.
#[test]
fn of_two_missing_values_the_same_is_told() {
    for template in [
        "{{ c.inner?.x | get(key='k', default=c['inner']['y']) }}",
        "{{ c.inner?.x | nth(n=c.inner.y) }}",
        "{{ c.inner?.x | upper }}{{ c.inner.y }}",
    ] {
        let places = BOTH.map(|form| {
            let error = render_text(form, template, &[], &parameters()).expect_err(template);
            error.location().unwrap().column
        });
        assert_eq!(places[0], places[1], "{template}");
    }
}

#[test]
fn missing_parameters_are_all_listed() {
    let error = render(
        "{{ a }}\n{% if b == 1 %}{% endif %}{{ 'x' ~ d }}{{ e | default(value=1) }}",
        &json!({}),
    )
    .unwrap_err();
    assert_eq!(
        error.message(),
        "the variables `a`, `b`, `d` are missing; pass them as parameters"
    );
    assert_eq!(error.location().unwrap().line, 1);
    let error = render_with("x {% include 's' %}", &[("s", "\n {{ inner }}")], &json!({})).unwrap_err();
    let location = error.location().unwrap();
    assert_eq!(
        (
            location.prompt.as_str(),
            location.version,
            location.line,
            location.column
        ),
        ("s", Some(7), 2, 5)
    );
}
