//! The guard changes nothing: what succeeds in plain Tera gives the same text, or one of the listed refusals.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tera::{Context, Tera};

use crate::base::PromptName;
use crate::prompt::Content;
use crate::render::limits::RenderLimits;
use crate::render::origin::Origin;
use crate::render::source::Source;
use crate::render::tera::{Engine, fuel};
use crate::template::tests::bombs::at_the_limits;
use crate::template::tests::corpus::CORPUS;
use crate::template::tests::fuzz::{config, expression, template};
use crate::template::{Limits, Template};

const PART: &str = "P{% for i in [1, 2] %}{{ i }}{% endfor %}";

fn parse(source: &str) -> Option<Template> {
    Template::parse(source, &Limits::default()).ok()
}

fn context() -> Context {
    let mut context = Context::new();
    context.insert(
        "a",
        &json!({"b": {"c": [1, "two", {"k": "v"}]}, "k": "attribute", "i": 3}),
    );
    context.insert("b", &"Some \"text\" with ünïcode\nand a line");
    context.insert("c", &7);
    context.insert("d", &-2.5);
    context.insert("y", &[3, 1, 2, 1]);
    context.insert("l", &["p", "q", "p"]);
    context.insert("x", &"text");
    context.insert("m", &BTreeMap::from([("k", 1), ("b", 2)]));
    context.insert("_u", &true);
    for (i, name) in [
        "i", "n", "z", "k", "v", "w", "e", "s", "t", "item", "items", "name", "user",
    ]
    .iter()
    .enumerate()
    {
        context.insert(*name, &i);
    }
    context
}

fn names(template: &Template) -> Vec<String> {
    template
        .includes()
        .into_iter()
        .map(|include| include.reference)
        .collect()
}

fn plain(source: &str, template: &Template) -> Option<String> {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    let mut sources = vec![("#0".to_owned(), source.to_owned())];
    for name in names(template) {
        if !sources.iter().any(|(known, _)| *known == name) {
            sources.push((name, PART.to_owned()));
        }
    }
    tera.add_raw_templates(sources).unwrap();
    tera.render("#0", &context()).ok()
}

fn guarded(template: &Template) -> Result<String, String> {
    let origin = |text: &str| Origin {
        prompt: PromptName::new("p").unwrap(),
        version: None,
        message: None,
        content: Arc::new(Content::text(text)),
    };
    let part = parse(PART).unwrap();
    let mut included = names(template);
    included.sort();
    included.dedup();
    let snippets = included.into_iter().map(|name| Source {
        name,
        template: &part,
        origin: origin(PART),
    });
    let message = Source {
        name: "#0".into(),
        template,
        origin: origin(template.source()),
    };
    let engine =
        Engine::compile(vec![message], snippets.collect()).map_err(|e| format!("does not compile: {e}"))?;
    let limits = RenderLimits::default();
    let mut out = Vec::new();
    fuel::with_budget(&limits, || {
        engine.render("#0", &context(), &limits, limits.output_bytes, &mut out)
    })
    .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// What strictness and limits say, and nothing else does.
fn is_listed(error: &str) -> bool {
    [
        "is missing; pass it",
        "rendering takes more than",
        "rendering needs more than",
        "is longer than",
    ]
    .iter()
    .any(|listed| error.contains(listed))
}

/// Maps that `group_by` makes have no order.
fn check(source: &str) -> Result<bool, String> {
    let Some(template) = parse(source) else {
        return Ok(false);
    };
    let ours = guarded(&template);
    if let Err(error) = &ours
        && error.contains("does not compile")
    {
        return Err(format!("{source:?}: {error}"));
    }
    match (plain(source, &template), ours) {
        (Some(theirs), Ok(ours)) if theirs == ours => Ok(true),
        (Some(_), Err(error)) if is_listed(&error) => Ok(false),
        (None, Err(_)) => Ok(false),
        (theirs, ours) => Err(format!("{source:?}: Tera {theirs:?}, guarded {ours:?}")),
    }
}

#[test]
fn the_corpus_renders_as_in_tera() {
    let same = CORPUS.iter().filter(|case| check(case).unwrap()).count();
    assert!(same > 100, "{same}");
}

#[test]
fn what_is_put_in_stays_transparent() {
    for case in [
        "{{ a.b.c[1] }}{{ a.b.c[2].k }}{{ a['k'] }}{{ a[x] | default(value='none') }}",
        "{{ y[0] }}{{ y[c - 7] }}{{ y[-1] }}{{ x[0] }}{{ x[1:] }}{{ x[:2] }}{{ x[::-1] }}{{ y[1:3][0] }}",
        "{{ (x | upper)[1] }}{{ (x | upper)[1:3] }}{{ [1, 2, 3][1] }}{{ [1, 2][::-1] }}{{ (x ~ x)[2:5] }}",
        "{{ a?.b?.c }}{{ a?.nope | default(value=1) }}{{ a.b.c?[0] }}{{ y?[1:] }}{{ y?[c - 6] }}{{ b[0][0][0] }}",
        "{{ y[y[1]] }}{{ a.b.c[y[1]:] }}{{ {'k': [1, 2]}['k'][1] }}",
        "{{ range(end=3) }}{{ range(start=1, end=c) | length }}{% for i in range(end=y[0]) %}{{ i }}{% endfor %}",
        "{{ [...y, ...l, 1] }}{{ {...m, 'z': 2} }}{{ [[i, j] for i in [...y] for_else] }}",
        "{{ y | sort | reverse | join(sep=', ') }}{{ l | unique }}{{ m | keys }}{{ m | values }}{{ m | pairs }}",
        "{{ b | split(pat=' ') | length }}{{ b | split(pat='') }}{{ b | indent(width=2, first=true) }}{{ b | title }}",
        "{{ b | truncate(length=3, end=x) }}{{ c | pluralize(plural=x) }}{{ b | replace(from=x, to=x ~ x) }}",
        "{{ y | str }}{{ l | join(sep=b) }}{{ '12' | int + 3 }}{{ d | round | int }}{{ a | get(key='k') }}",
        "{% set v | upper | trim %} {{ b }} {{ y }} {% include 'part' %} {% endset %}{{ v }}",
        "{% filter replace(from='x', to=x) %}{% for i in y %}x{{ i }}{{ i + 1 }}{% endfor %}{% endfilter %}",
        "{{ x if a.i > 2 else b }}{{ (a.nope if c else b) | default(value='d') }}{{ not a.i }}{{ -a.i }}",
        "{{ [v.k for v in [a, m] if v.k] }}{% for k, v in m %}{{ k }}={{ v }}{% else %}none{% endfor %}",
        "{{ x in b }}{{ 1 in y }}{{ 'k' in a }}{{ b == x }}{{ a.b == a.b }}{{ y < y }}{{ b is containing(pat=x) }}",
    ] {
        if let Err(error) = check(case) {
            panic!("{error}");
        }
    }
}

/// A wrap puts parentheses around what it wraps; Tera bounds how many may be open.
#[test]
fn guarded_templates_compile_at_the_limits_on_a_small_stack() {
    for case in at_the_limits(&Limits::default()) {
        let Some(template) = parse(&case) else { continue };
        std::thread::Builder::new()
            .stack_size(1_792 << 10)
            .spawn(move || {
                if let Err(error) = guarded(&template)
                    && error.contains("does not compile")
                {
                    panic!("{error} in {case}");
                }
            })
            .unwrap()
            .join()
            .unwrap();
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|v| json!(v)),
        (-3_i64..3).prop_map(|v| json!(v)),
        prop::sample::select(vec![1.0, 0.1, -2.5, 1e300]).prop_map(|v| json!(v)),
        "[a-c\"\\\\\n é]{0,4}".prop_map(|v| json!(v)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|v| json!(v)),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|v| json!(v)),
        ]
    })
}

fn filtered(guarded: bool, filter: &str, context: &Context) -> Result<String, bool> {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    if guarded {
        fuel::register(&mut tera);
    }
    tera.add_raw_template("t", &format!("{{{{ v | {filter} }}}}"))
        .unwrap();
    fuel::with_budget(&RenderLimits::default(), || tera.render("t", context)).map_err(|_| true)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn generated_templates_render_as_in_tera(source in template()) {
        check(&source).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn generated_expressions_render_as_in_tera(source in expression()) {
        check(&format!("{{{{ {source} }}}}")).map_err(TestCaseError::fail)?;
        check(&format!("{{% if {source} %}}t{{% else %}}f{{% endif %}}{{% set q = {source} %}}{{{{ q }}}}")).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn overridden_filters_equal_those_of_tera(
        list in prop::collection::vec(value(), 0..6),
        text in "[a-c\"\n é]{0,12}",
        from in "[a-c ]{0,2}",
        to in "[a-cé]{0,3}",
    ) {
        let mut context = Context::new();
        context.insert("v", &list);
        context.insert("from", &from);
        context.insert("to", &to);
        for filter in ["join", "join(sep=to)", "join(sep=1)", "unique", "replace(from=from, to=to)"] {
            prop_assert_eq!(filtered(true, filter, &context), filtered(false, filter, &context), "{}", filter);
        }
        context.insert("v", &text);
        for filter in ["replace(from=from, to=to)", "replace(from=from, to=1)", "replace(to=to)", "join", "unique"] {
            prop_assert_eq!(filtered(true, filter, &context), filtered(false, filter, &context), "{}", filter);
        }
    }
}
