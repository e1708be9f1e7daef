//! What is paid for, though no text shows it: work that grows with template and parameters together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::both::{BOTH, Form, render_text};
use super::*;

/// Far above what an unoptimised build on a busy machine takes, far below what a product of sizes would.
const SOON: Duration = Duration::from_secs(15);

fn names(count: usize, of: &str) -> String {
    (0..count).map(|i| of.replace('#', &i.to_string())).collect()
}

#[test]
fn a_path_to_sort_by_is_not_read_without_end() {
    let parameters = json!({"l": vec![[1]; 1_000], "p": "0".repeat(1 << 20), "short": "0".repeat(256)});
    let start = Instant::now();
    for form in BOTH {
        let sorted = |path: &str| {
            let template = format!("{{{{ l | sort(attribute={path}) | length }}}}");
            render_text(form, &template, &[], &parameters)
        };
        let error = sorted("p").unwrap_err();
        assert!(
            error
                .message()
                .contains("`attribute` argument is longer than 256 bytes"),
            "{error}"
        );
        assert_eq!(
            error.location().unwrap().column,
            if form == Form::Compiled { 8 } else { 23 }
        );
        assert_eq!(sorted("short").unwrap(), "1000");
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// How many rounds of a loop end within the steps.
fn rounds(body: &str, parameters: &impl Serialize) -> usize {
    let limits = RenderLimits {
        steps: 100_000,
        ..RenderLimits::default()
    };
    let compiled = |rounds: usize| {
        let template = format!("{{% for i in range(end={rounds}) %}}{body}{{% endfor %}}");
        compile_with(Content::text(template), &[], limits).unwrap()
    };
    let ends = |rounds: &usize| compiled(*rounds).render(parameters).is_ok();
    (0..18)
        .map(|power| 1 << power)
        .take_while(ends)
        .last()
        .unwrap_or(0)
}

#[test]
fn digits_words_and_repeated_parts_cost_more_than_reading() {
    let text = |c: char| json!({"x": c.to_string().repeat(6_400), "c": c.to_string()});
    let read = rounds("{% set v = x | length %}", &text('0'));
    let number = rounds("{% set v = x | int %}", &text('0'));
    let trimmed = rounds("{% set v = x | trim(pat=c) %}", &text('a'));
    let words = rounds("{% set v = x | wordcount %}", &text('0'));
    assert!((read / 4..read).contains(&words), "{words} of {read}");
    assert!((read / 4..read).contains(&number), "{number} of {read}");
    assert!((read / 4..read).contains(&trimmed), "{trimmed} of {read}");
}

#[test]
fn long_keys_are_paid_for_as_often_as_they_are_compared() {
    let long = "n".repeat(5_000);
    let map = |count: usize| -> BTreeMap<String, usize> {
        (0..count).map(|i| (format!("{long}{i:03}"), i)).collect()
    };
    let looked_up = |count: usize, body: &str| {
        let parameters = BTreeMap::from([
            ("m", Param::of(&map(count)).unwrap()),
            ("k", format!("{long}{:03}", count - 1).into()),
        ]);
        rounds(body, &parameters)
    };
    for body in ["{% if m[k] %}{% endif %}", "{% if k in m %}{% endif %}"] {
        let (few, many) = (looked_up(2, body), looked_up(200, body));
        assert!(many > 0 && few >= many * 8, "{body}: {few} and {many}");
    }
}

/// The same value as no JSON.
struct Any<'a>(&'a Value);

impl Serialize for Any<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[test]
fn many_parameters_are_found_in_many_that_are_given() {
    for count in [16, 17, 4_000] {
        let template = format!("{}{{{{ last }}}}", names(count - 1, "{{ v# }}"));
        let mut parameters: serde_json::Map<String, Value> =
            (0..90_000).rev().map(|i| (format!("v{i}"), json!(i))).collect();
        parameters.insert("last".into(), json!("end"));
        let parameters = Value::Object(parameters);
        let start = Instant::now();
        let compiled = compile_with(Content::text(template), &[], RenderLimits::default()).unwrap();
        let captured = compiled.render(&Any(&parameters)).unwrap();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert_eq!(captured, compiled.render(&parameters).unwrap());
        assert_eq!(captured, Rendered::Text(names(count - 1, "#") + "end"));
    }
}

#[test]
fn names_of_many_snippets_are_found_soon() {
    let snippets: Vec<(String, String)> = (0..8)
        .map(|s| (format!("s{s}"), names(4_000, &format!("{{{{n{s}_#}}}}"))))
        .collect();
    let snippets: Vec<(&str, &str)> = snippets.iter().map(|(name, text)| (&**name, &**text)).collect();
    let start = Instant::now();
    let compiled = compile_with(
        Content::text(names(8, "{% include 's#' %}")),
        &snippets,
        RenderLimits::default(),
    )
    .unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(compiled.parameters().len(), 32_000);
    let of = |at: usize| compiled.parameters().get(at).unwrap();
    assert_eq!(
        (of(0).name.as_str(), of(31_999).name.as_str()),
        ("n0_0", "n7_3999")
    );
}

#[test]
fn snippets_that_take_names_everywhere_are_left_to_tera() {
    let snippets = [
        (
            "takes",
            format!("{{% if x is defined %}}{}{{% endif %}}", names(3_900, "{{v#}}")),
        ),
        ("binds", names(3_900, "{%set v#=1%}")),
    ];
    let snippets = snippets.each_ref().map(|(name, text)| (*name, &**text));
    let compiled = |includes: usize| {
        let template = "{% include 'binds' %}".to_owned() + &"{% include 'takes' %}".repeat(includes);
        let start = Instant::now();
        let compiled = compile_with(Content::text(template), &snippets, RenderLimits::default()).unwrap();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        compiled.engine().clone()
    };
    assert_eq!(compiled(16), Engine::Compiled);
    let Engine::Tera {
        construct, location, ..
    } = compiled(17)
    else {
        panic!("too much for the compiled form");
    };
    assert_eq!(construct, "more than 65536 names handed to snippets");
    assert_eq!(location.to_string(), "p v3, line 1, column 369");
    assert!(matches!(compiled(3_000), Engine::Tera { .. }));
}

#[test]
fn a_snippet_needs_what_is_not_bound_wherever_it_is_included() {
    let needed = |template: &str| -> Vec<String> {
        let snippets = [("a", "{{ x }}{{ y }}{% include 'b' %}"), ("b", "{{ x }}{{ z }}")];
        let compiled = compile_with(Content::text(template), &snippets, RenderLimits::default()).unwrap();
        let parameters = compiled.parameters().iter();
        parameters.map(|parameter| parameter.name.clone()).collect()
    };
    assert_eq!(needed("{% include 'b' %}{% include 'a' %}"), ["x", "z", "y"]);
    assert_eq!(needed("{% set x = 1 %}{% include 'a' %}"), ["y", "z"]);
    assert_eq!(
        needed("{% include 'b' %}{% set x = 1 %}{% include 'a' %}"),
        ["x", "z", "y"]
    );
    assert_eq!(
        needed("{% set z = 1 %}{% include 'b' %}{% set x = 1 %}{% set y = 1 %}{% include 'a' %}"),
        ["x"]
    );
    // Bound in all places, by different names in each: hundreds of ways to get there.
    let sets = |of: &str, include: &str| names(300, &format!("{{%set {of}#=1%}}{{%include '{include}'%}}"));
    let snippets = [
        ("a", sets("b", "b")),
        ("b", "{{ x }}{{ a0 }}{{ b0 }}{{ b1 }}".to_owned()),
    ];
    let snippets = snippets.each_ref().map(|(name, text)| (*name, &**text));
    let start = Instant::now();
    let closure = resolve(Content::text(sets("a", "a")), &snippets).unwrap();
    let compiled = CompiledPrompt::compile(&closure, RenderLimits::default()).unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let parameters: Vec<&str> = compiled
        .parameters()
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(parameters, ["x", "b1"]);
}

#[test]
fn includes_keep_few_names_that_are_bound_around_them() {
    let bound = |includes: usize| -> Vec<usize> {
        let template = names(includes, "{%set a#=1%}{%include 's'%}");
        let closure = resolve(Content::text(template), &[("s", "x")]).unwrap();
        closure
            .analysis
            .includes()
            .iter()
            .map(|include| include.bound.len())
            .collect()
    };
    assert_eq!(bound(300), (1..=300).collect::<Vec<_>>());
    let many = bound(1_900);
    assert_eq!(many.len(), 1_900);
    assert!(many.iter().sum::<usize>() <= 1 << 16);
    assert_eq!(many.last(), Some(&0));
}
