//! Bad input through the public API: every error says what, where, and what to do.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]

use promptops_core::base::Actor;
use promptops_core::prompt::{Draft, placeholder, system, user};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Tenant};
use serde::Serialize;
use serde_json::json;

fn tenant() -> Tenant {
    PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap()
}

fn ana() -> Actor {
    Actor::owner("ana")
}

async fn save(tenant: &Tenant, name: &str, template: &str) -> Result<(), Error> {
    tenant
        .prompts()
        .save(name, Draft::text(template).by(ana()).active())
        .await
        .map(drop)
}

async fn refused(template: &str) -> Error {
    let error = save(&tenant(), "p", template).await.expect_err(template);
    assert!(error.location().is_some(), "{template}: {error}");
    error
}

/// Saves a text and renders its latest version.
async fn rendered<P: Serialize + ?Sized>(draft: Draft, parameters: &P) -> Result<Vec<String>, Error> {
    let tenant = tenant();
    tenant.prompts().save("p", draft.by(ana()).active()).await?;
    let answer = tenant.resolve("p").await?.render(parameters)?;
    Ok(answer.messages().iter().map(ToString::to_string).collect())
}

async fn fails<P: Serialize + ?Sized>(draft: Draft, parameters: &P) -> Error {
    rendered(draft, parameters).await.expect_err("rendering fails")
}

#[tokio::test]
async fn templates_that_do_not_parse_name_the_place() {
    let draft = Draft::chat([system("fine"), user("one\r\n  ünï {{ a + }}")]).by(ana());
    let error = tenant()
        .prompts()
        .save("support/triage", draft)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Template);
    let location = error.location().unwrap();
    assert_eq!(
        (
            location.prompt.as_str(),
            location.message,
            location.line,
            location.column
        ),
        ("support/triage", Some(1), 2, 14),
        "{error}"
    );
    for (template, line, column) in [
        ("{{", 1, 3),
        ("{% if a %}", 1, 1),
        ("a\n{% endfor %}", 2, 4),
        ("{{ 'open }}", 1, 4),
    ] {
        let error = refused(template).await;
        let location = error.location().unwrap();
        assert_eq!(
            (location.line, location.column),
            (line, column),
            "{template}: {error}"
        );
    }
}

#[tokio::test]
async fn unknown_names_come_with_a_suggestion() {
    for (template, suggestion) in [
        ("{{ a | uper }}", "did you mean `upper`?"),
        ("{{ a is strnig }}", "did you mean `string`?"),
        ("{{ rang(end=3) }}", "did you mean `range`?"),
    ] {
        let error = refused(template).await;
        assert_eq!(error.kind(), ErrorKind::Template);
        assert!(error.message().contains(suggestion), "{error}");
    }
}

#[tokio::test]
async fn the_whole_context_cannot_be_printed() {
    for template in [
        "{{ __tera_context }}",
        "{% set __x = 1 %}",
        "{{ a | __copy }}",
        "{{ a | __loop(w=0) }}",
        "{% include '__tera_one_off' %}",
    ] {
        save(&tenant(), "p", template).await.expect_err(template);
    }
}

#[tokio::test]
async fn missing_and_extra_variables() {
    let error = fails(Draft::text("{{ a }}\n{{ b.c }}"), &json!({"x": 1})).await;
    assert_eq!(error.kind(), ErrorKind::Template);
    assert!(error.message().contains("`a`, `b` are missing"), "{error}");
    assert_eq!(error.location().unwrap().line, 1);
    let error = fails(Draft::text("{{ a }}\n{{ b.c }}"), &json!({"a": 1, "b": {}})).await;
    assert!(error.message().contains("`b.c` is missing"), "{error}");
    assert_eq!(
        (error.location().unwrap().line, error.location().unwrap().column),
        (2, 4)
    );
    assert_eq!(
        rendered(Draft::text("{{ a }}"), &json!({"a": 1, "more": 2}))
            .await
            .unwrap(),
        ["user: 1"]
    );
}

#[tokio::test]
async fn variables_of_a_wrong_kind() {
    for (template, said) in [
        ("x {{ a + 1 }}", "requires both operands to be numbers"),
        ("x {% for i in n %}{% endfor %}", "Iteration not possible"),
        ("x {{ n | upper }}", "expected `string`"),
        ("x {{ a.b }}", "`a.b` is missing"),
    ] {
        let error = fails(Draft::text(template), &json!({"a": "s3cret", "n": 1})).await;
        assert_eq!(error.kind(), ErrorKind::Template);
        assert!(
            error.message().contains(said) && !error.to_string().contains("s3cret"),
            "{error}"
        );
        assert!(error.location().is_some(), "{error}");
    }
}

#[tokio::test]
async fn the_input_schema_is_checked_before_anything_is_rendered() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": false,
    });
    let draft = || Draft::text("{{ a }}{{ n | default(value=0) }}").input_schema(schema.clone());
    assert_eq!(rendered(draft(), &json!({"a": "x"})).await.unwrap(), ["user: x0"]);
    for (parameters, said) in [
        (json!({"a": 1}), "/a: "),
        (json!({"a": "s3cret", "n": "s3cret"}), "/n: "),
        (json!({"a": "s3cret", "x": 1}), "'x' was unexpected"),
    ] {
        let error = fails(draft(), &parameters).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(
            error.message().contains(said) && !error.to_string().contains("s3cret"),
            "{error}"
        );
    }
    let error = fails(Draft::text("{{ b }}").input_schema(schema.clone()), &json!({})).await;
    assert!(
        error.message().contains("`b` is not in the input schema"),
        "{error}"
    );
    let error = fails(Draft::text("{{ n }}").input_schema(schema), &json!({})).await;
    assert!(error.message().contains("add it to `required`"), "{error}");
}

#[tokio::test]
async fn placeholders() {
    let draft = || Draft::chat([system("s"), placeholder("history"), user("u")]);
    let history = json!({"history": [{"role": "user", "content": "{{ x }}"}]});
    assert_eq!(
        rendered(draft(), &history).await.unwrap(),
        ["system: s", "user: {{ x }}", "user: u"]
    );
    assert_eq!(
        rendered(draft(), &json!({"history": []})).await.unwrap(),
        ["system: s", "user: u"]
    );
    for (parameters, said) in [
        (json!({}), "the placeholder `history` has no parameter"),
        (json!({"history": "s3cret"}), "is not a list"),
        (json!({"history": null}), "is not a list"),
        (
            json!({"history": [{"content": "s3cret"}]}),
            "item 0 of the placeholder `history`",
        ),
        (
            json!({"history": [{"role": "user"}, {"role": "s3cret", "content": ""}]}),
            "item 1 of the placeholder `history`",
        ),
        (json!({"history": ["s3cret"]}), "expected an object"),
        (
            json!({"history": [{"role": "user", "content": {"s3cret": 1}}]}),
            "neither text nor a list",
        ),
    ] {
        let error = fails(draft(), &parameters).await;
        assert_eq!(error.kind(), ErrorKind::Template, "{error}");
        assert!(
            error.message().contains(said) && !error.to_string().contains("s3cret"),
            "{error}"
        );
        assert!(error.to_string().contains("p v1"), "{error}");
    }
}

#[tokio::test]
async fn includes_that_lead_nowhere() {
    let tenant = tenant();
    let chat = Draft::chat([user("hi")]).by(ana()).active();
    tenant.prompts().save("chat", chat).await.unwrap();
    save(&tenant, "known", "k").await.unwrap();
    for (template, kind, said) in [
        (
            "a\n {% include 'nope' %}",
            ErrorKind::NotFound,
            "the snippet nope does not exist; save it first",
        ),
        (
            "a\n {% include 'known@v9' %}",
            ErrorKind::NotFound,
            "has no version",
        ),
        (
            "a\n {% include 'known@production' %}",
            ErrorKind::NotFound,
            "is not live in production; promote",
        ),
        (
            "a\n {% include 'chat' %}",
            ErrorKind::Invalid,
            "is a chat prompt; only text prompts can be included",
        ),
        (
            "a\n {% include '../etc/passwd' %}",
            ErrorKind::Invalid,
            "is not a reference",
        ),
    ] {
        let error = save(&tenant, "p", template).await.expect_err(template);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(said), "{error}");
        let location = error.location().unwrap();
        assert_eq!((location.line, location.column), (2, 13), "{error}");
    }
}

#[tokio::test]
async fn circles_and_depths_show_the_path() {
    let tenant = tenant();
    save(&tenant, "c", "c").await.unwrap();
    save(&tenant, "b", "{% include 'c' %}").await.unwrap();
    save(&tenant, "a", "{% include 'b' %}").await.unwrap();
    let error = save(&tenant, "c", "{% include 'a' %}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("c → a → b → c"), "{error}");
    let error = save(&tenant, "a", "{% include 'a' %}").await.unwrap_err();
    assert!(error.message().contains("a → a"), "{error}");
    save(&tenant, "d", "{% include 'a' %}").await.unwrap();
    let error = save(&tenant, "e", "{% include 'd' %}").await.unwrap_err();
    assert!(
        error
            .message()
            .contains("deeper than 3 levels: e → d → a → b → c"),
        "{error}"
    );
}

#[tokio::test]
async fn parameters_that_are_no_map() {
    #[derive(Serialize)]
    struct Params {
        a: f64,
    }
    for schema in [None, Some(json!({"properties": {"a": {}}, "required": ["a"]}))] {
        let draft = |text: &str| match &schema {
            Some(schema) => Draft::text(text).input_schema(schema.clone()),
            None => Draft::text(text),
        };
        for parameters in [json!(1), json!([1]), json!("a"), json!(true)] {
            let error = fails(draft("{{ a }}"), &parameters).await;
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.message().contains("not a struct or a map"), "{error}");
        }
        assert_eq!(
            rendered(draft("{{ a }}"), &Params { a: 1.5 }).await.unwrap(),
            ["user: 1.5"]
        );
        let nested = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = fails(draft("{{ a }}"), &nested).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    // What JSON has no number for is not one: printed as the engine does, nothing where JSON stands between.
    assert_eq!(
        rendered(Draft::text("{{ a }}"), &Params { a: f64::NAN })
            .await
            .unwrap(),
        ["user: NaN"]
    );
}

#[tokio::test]
async fn a_prompt_without_variables_takes_nothing() {
    for text in ["static", "{% set a = 1 %}static"] {
        assert_eq!(rendered(Draft::text(text), &()).await.unwrap(), ["user: static"]);
        assert_eq!(
            rendered(Draft::text(text), &json!({})).await.unwrap(),
            ["user: static"]
        );
        assert_eq!(
            rendered(Draft::text(text), &None::<()>).await.unwrap(),
            ["user: static"]
        );
    }
}

#[tokio::test]
async fn groups_come_in_order_of_their_first_element_every_time() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    let template =
        "{% for k, g in items | group_by(attribute=\"a.k\") %}{{ k }}:{{ g | length }} {% endfor %}";
    acme.prompts()
        .save("groups", Draft::text(template).by("mo").active())
        .await
        .unwrap();
    let keys = ["z", "b", "y", "a", "x", "c", "z", "a"];
    let items: Vec<_> = keys
        .iter()
        .map(|k| json!({"a": {"k": k}}))
        .chain([json!({"a": {"k": null}})])
        .collect();
    for _ in 0..20 {
        let answer = acme
            .resolve("groups")
            .render(&json!({ "items": items }))
            .await
            .unwrap();
        assert_eq!(answer.text(), Some("z:2 b:1 y:1 a:2 x:1 c:1 "));
    }
    let error = acme
        .resolve("groups")
        .render(&json!({"items": [{"a": {"s3cret": 1}}]}))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Cannot group: element 0 has no such attribute"),
        "{error}"
    );
    assert!(!error.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_missing_variable_is_told_with_its_place_with_a_schema_too() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    let schema = json!({"properties": {"a": {}, "b": {}}, "required": ["a", "b"]});
    let draft = Draft::text("{{ a }}\n {{ b }}")
        .input_schema(schema)
        .by("mo")
        .active();
    acme.prompts().save("p", draft).await.unwrap();
    let error = acme.resolve("p").render(&json!({"a": 1})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "p v1, line 2, column 5: the variable `b` is missing; pass it as a parameter"
    );
}
