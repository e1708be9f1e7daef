//! Rendering holds on a small stack, whatever the limits let through.

use serde_json::json;

use super::*;
use crate::template::Limits;
use crate::template::tests::bombs::at_the_limits;

fn on_stack<T: Send + 'static>(kib: usize, run: impl FnOnce() -> T + Send + 'static) -> T {
    let builder = std::thread::Builder::new().stack_size(kib * 1024);
    builder.spawn(run).unwrap().join().unwrap()
}

/// A quarter of what a thread of tokio has, in builds without optimisation too.
const KIB: usize = 512;

#[test]
fn templates_at_the_limits_render_on_a_small_stack() {
    let mut compiled_form = 0;
    for case in at_the_limits(&Limits::default()) {
        // Tera, which some of them need, takes more to compile.
        let prompt = on_stack(2 << 10, move || {
            compile_with(Content::text(case), &[], RenderLimits::default()).ok()
        });
        let Some(prompt) = prompt.filter(|prompt| *prompt.engine() == Engine::Compiled) else {
            continue;
        };
        compiled_form += 1;
        on_stack(KIB, move || {
            for a in [json!(""), json!([[1]]), json!({"b": 1}), json!(true)] {
                let _ = prompt.render(&json!({ "a": a }));
            }
        });
    }
    assert!(compiled_form > 30, "{compiled_form}");
}

#[test]
fn the_deepest_snippets_render_on_a_small_stack() {
    let ifs = |inner: &str| format!("{}{inner}{}", "{% if a %}".repeat(16), "{% endif %}".repeat(16));
    let texts: Vec<(String, String)> = (0..16)
        .map(|i| (format!("s{i}"), ifs(&format!("{{% include 's{}' %}}", i + 1))))
        .chain([("s16".to_owned(), "deep".to_owned())])
        .collect();
    let resolver = Texts(texts.into_iter().collect());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let closure = |include: &str| {
        let content = Content::text(ifs(&format!("{{% include '{include}' %}}")));
        let root = ClosureRoot::new(PromptName::new("p").unwrap(), None, Arc::new(content));
        let limits = SnippetLimits {
            depth: 1_000,
            ..SnippetLimits::default()
        };
        runtime.block_on(Closure::resolve(
            &TenantId::new("acme").unwrap(),
            root,
            &resolver,
            &limits,
        ))
    };
    let too_deep = closure("s0").unwrap_err();
    assert!(too_deep.message().contains("deeper than 16 levels"), "{too_deep}");
    let deepest = closure("s1").unwrap();
    let prompt = CompiledPrompt::compile(&deepest, RenderLimits::default()).unwrap();
    let text = on_stack(KIB, move || prompt.render(&json!({"a": 1})).unwrap());
    assert_eq!(text, Rendered::Text("deep".into()));
}

/// Values may be as deep as JSON parsers take; what a host builds deeper is an error where it is printed or compared.
#[test]
fn deep_values_are_errors_and_not_the_end() {
    for template in [
        "{{ d }}",
        "{{ d == d }}",
        "{{ [d] == [d] }}",
        "{{ d in [d] }}",
        "{% for x in d %}{{ x }}{% endfor %}",
        "{{ [d] | unique }}",
        "{{ d ~ 1 }}",
    ] {
        on_stack(KIB, move || {
            let prompt = compile_with(Content::text(template), &[], RenderLimits::default()).unwrap();
            assert_eq!(*prompt.engine(), Engine::Compiled);
            let mut deep = json!(1);
            for _ in 0..1_000 {
                deep = serde_json::Value::Array(vec![deep]);
            }
            let parameters = serde_json::Value::Object([("d".to_owned(), deep)].into_iter().collect());
            let error = prompt.render(&parameters).expect_err(template);
            assert!(
                error.message().contains("nested deeper than 128 levels"),
                "{template}: {error}"
            );
            assert!(error.location().is_some(), "{error}");
            // Dropping it recurses too, and is the host's affair.
            std::mem::forget(parameters);
        });
    }
}
