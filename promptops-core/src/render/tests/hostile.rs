//! Bad input, given to both engines: an error or the value as it is, never a panic.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::both::{Agreed, BOTH, Form, Pair, compile, render_text};
use super::*;
use crate::base::error::ErrorKind;
use crate::prompt::{ChatItem, Message, Tool, placeholder, system, user};
use crate::template::Limits;
use crate::template::tests::bombs::at_the_limits;

/// Both engines give this text.
#[track_caller]
fn gives<P: Serialize + ?Sized>(template: &str, parameters: &P, expected: &str) {
    for form in BOTH {
        let text = render_text(form, template, &[], parameters);
        let text = text.unwrap_or_else(|error| panic!("{form:?}, {template}: {error}"));
        assert_eq!(text, expected, "{form:?}, {template}");
    }
}

/// Both engines refuse, with a place, and say this.
#[track_caller]
fn refuses<P: Serialize + ?Sized>(template: &str, parameters: &P, said: &str) {
    for form in BOTH {
        let error = render_text(form, template, &[], parameters).expect_err(template);
        assert!(
            error.to_string().contains(said),
            "{form:?}, {template}: {error} does not say {said:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Template, "{form:?}, {template}: {error}");
        assert!(error.location().is_some(), "{form:?}, {template}: {error}");
    }
}

/// Both engines say the same, whatever it is.
#[track_caller]
fn agree<P: Serialize + ?Sized>(template: &str, parameters: &P) -> Agreed {
    let closure = resolve(Content::text(template), &[]).unwrap_or_else(|e| panic!("{template}: {e}"));
    let pair = Pair::of(&closure, RenderLimits::default())
        .unwrap_or_else(|what| panic!("{template}: {what}"))
        .unwrap_or_else(|| panic!("{template} does not compile"));
    pair.compare(parameters)
        .unwrap_or_else(|what| panic!("{template}: {what}"))
}

fn on_stack<T: Send>(kib: usize, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(kib << 10)
            .spawn_scoped(scope, run)
            .unwrap()
            .join()
            .unwrap()
    })
}

/// What a thread of tokio has.
const WORKER: usize = 2 << 10;
/// Enough to drop what is nested 10,000 deep.
const LARGE: usize = 256 << 10;

fn nested_in(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!("core"), |inner, _| wrap(inner))
}

fn list(inner: Value) -> Value {
    Value::Array(vec![inner])
}

/// Without `json!`, which makes a copy, and recurses.
fn map(inner: Value) -> Value {
    Value::Object([("k".to_owned(), inner)].into_iter().collect())
}

#[test]
fn templates_at_the_limits_agree_and_above_them_do_not_parse() {
    let limits = Limits::default();
    let mut accepted = 0;
    for template in at_the_limits(&limits) {
        let Ok(closure) = resolve(Content::text(&template), &[]) else {
            continue;
        };
        accepted += 1;
        for a in [
            json!(""),
            json!("x"),
            json!([[1]]),
            json!({"b": 1}),
            json!(true),
            json!(null),
        ] {
            let agreed = on_stack(WORKER, || {
                let pair = Pair::of(&closure, RenderLimits::default());
                pair.map(|pair| pair.unwrap().compare(&json!({ "a": a })))
            });
            agreed
                .and_then(|agreed| agreed)
                .unwrap_or_else(|what| panic!("{template} with {a}: {what}"));
        }
    }
    assert!(accepted >= 28, "{accepted}");
    let deep = |n: usize| format!("{}x{}", "{% if a %}".repeat(n), "{% endif %}".repeat(n));
    gives(&deep(limits.nesting), &json!({"a": 1}), "x");
    let loops = |n: usize| format!("{}x{}", "{% for i in a %}".repeat(n), "{% endfor %}".repeat(n));
    gives(
        &loops(limits.loops),
        &json!({"a": [1, 2]}),
        &"x".repeat(1 << limits.loops),
    );
    let parts = |n: usize| format!("{{{{ a{} }}}}", " ~ a".repeat(n));
    gives(
        &parts(limits.operators),
        &json!({"a": "b"}),
        &"b".repeat(limits.operators + 1),
    );
    for template in [
        deep(limits.nesting + 1),
        loops(limits.loops + 1),
        parts(limits.operators + 1),
        "{{ a }}".repeat(limits.source_bytes),
    ] {
        for form in BOTH {
            let error = render_text(form, &template, &[], &json!({"a": 1})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Template, "{error}");
            assert!(error.location().is_some(), "{error}");
        }
    }
}

#[test]
fn deep_values_render_the_same_up_to_what_json_parsers_take() {
    for wrap in [list, map] {
        let deep = nested_in(127, wrap);
        let parsed = serde_json::from_str::<Value>(&deep.to_string());
        assert_eq!(parsed.unwrap(), deep, "parsers take it");
        let parameters = json!({ "d": deep });
        for template in [
            "{{ d }}",
            "{{ d ~ '' }}",
            "{{ d == d }}",
            "{{ [d] | unique | length }}",
            "{{ d | str | length }}",
            "{% for x in d %}{{ x }}{% endfor %}",
            "{% set e = d %}{{ e }}",
        ] {
            let agreed = on_stack(WORKER, || agree(template, &parameters));
            assert_eq!(agreed, Agreed::Text, "{template}");
        }
    }
}

/// Built by hand, values can be deeper. Printing and comparing would recurse; passing by need not.
#[test]
fn deeper_values_are_errors_where_they_are_followed() {
    for levels in [128, 129, 130, 1_000, 10_000] {
        for wrap in [list, map] {
            on_stack(LARGE, || {
                let entries = [
                    ("d".to_owned(), nested_in(levels, wrap)),
                    ("a".to_owned(), json!(1)),
                ];
                let parameters = Value::Object(entries.into_iter().collect());
                for form in BOTH {
                    for template in [
                        "{{ d }}",
                        "{{ d ~ '' }}",
                        "{{ d == d }}",
                        "{{ d in [d] }}",
                        "{{ d | str }}",
                        "{% set e %}{{ d }}{% endset %}",
                        "{{ [d] | unique }}",
                        "{{ [d] | join }}",
                    ] {
                        let result = on_stack(WORKER, || render_text(form, template, &[], &parameters));
                        // At 128 it depends on whether the parameters around it count.
                        if levels > 128 {
                            let error = result.expect_err(template);
                            assert!(
                                error.message().contains("nested deeper than 128 levels"),
                                "{form:?}, {template}: {error}"
                            );
                        }
                    }
                    for template in [
                        "{{ a }}",
                        "{% for x in d %}.{% endfor %}",
                        "{% for k, v in d %}.{% endfor %}",
                        "{% if d %}y{% endif %}",
                        "{{ d | length }}",
                        "{{ d is map }}",
                        "{% set e = d %}{{ a }}",
                    ] {
                        let result = on_stack(WORKER, || render_text(form, template, &[], &parameters));
                        if let Err(error) = result {
                            let said = error.to_string();
                            let expected = ["nested deeper than 128 levels", "Key/value iteration"];
                            assert!(
                                expected.iter().any(|expected| said.contains(expected)),
                                "{form:?}, {template}: {error}"
                            );
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn texts_of_ten_megabytes_are_cut_off_by_the_limits_or_whole() {
    let text = "é{{ x }} \n".repeat(1 << 20);
    assert!(text.len() > 10_000_000);
    let parameters = json!({ "t": text });
    for template in [
        "{{ t | upper }}",
        "{{ t ~ t }}",
        "{% set v %}{{ t }}{% endset %}",
        "{{ t | replace(from='é', to='e') }}",
        "{{ [t, t] | join }}",
        "{{ t | split(pat='\n') | length }}",
        "{{ t[::-1] }}",
    ] {
        refuses(template, &parameters, " more than ");
    }
    refuses("{{ t }}", &parameters, "longer than 8388608 bytes");
    refuses("{{ t | indent(width=2) }}", &parameters, " more than ");
    gives("{{ t | length }}", &parameters, "10485760");
    gives("{{ t | wordcount }}", &parameters, "3145728");
    gives("{{ t == t }}{{ 'é{{' in t }}", &parameters, "truetrue");
    let limits = RenderLimits {
        output_bytes: 1 << 30,
        scratch_bytes: 1 << 30,
        steps: u64::MAX,
    };
    for template in [
        "{{ t }}",
        "{{ t | upper }}",
        "{{ t | trim | truncate(length=9) }}",
        "{{ t ~ 1 }}",
    ] {
        let closure = resolve(Content::text(template), &[]).unwrap();
        let pair = Pair::of(&closure, limits).unwrap().unwrap();
        assert_eq!(pair.compare(&parameters), Ok(Agreed::Text), "{template}");
    }
}

#[test]
fn numbers_at_the_ends_of_their_types_are_printed_as_they_are() {
    #[derive(Serialize)]
    struct Numbers {
        nan: f64,
        inf: f64,
        neg: f64,
        min: i64,
        max: u64,
        narrow: f32,
        wide: i128,
        wider: u128,
    }
    let numbers = Numbers {
        nan: f64::NAN,
        inf: f64::INFINITY,
        neg: f64::NEG_INFINITY,
        min: i64::MIN,
        max: u64::MAX,
        narrow: 0.1,
        wide: i128::MIN,
        wider: u128::MAX,
    };
    gives("{{ nan }} {{ inf }} {{ neg }}", &numbers, "NaN inf -inf");
    gives(
        "{{ min }} {{ max }}",
        &numbers,
        "-9223372036854775808 18446744073709551615",
    );
    gives("{{ narrow }}", &numbers, "0.10000000149011612");
    gives(
        "{{ wide }} {{ wider }}",
        &numbers,
        "-170141183460469231731687303715884105728 340282366920938463463374607431768211455",
    );
    gives(
        "{{ [nan, min] }}{{ nan == nan }}{{ inf == inf }}",
        &numbers,
        "[NaN, -9223372036854775808]truetrue",
    );
    for template in [
        "{{ nan < 1 }}",
        "{{ [nan, 1.0, inf] | sort }}",
        "{{ [nan, nan] | unique }}",
        "{{ nan in [nan] }}",
        "{{ inf | int }}",
        "{{ nan | round }}",
        "{{ inf % 2 }}",
        "{{ inf // 2 }}",
        "{{ wider + 1 }}",
        "{{ wider == wider }}{{ wider > max }}",
        "{{ wide - 1 }}",
        "{{ -wide }}",
        "{{ wide | abs }}",
        "{{ min | abs }}",
        "{{ wider | abs }}{{ wider | int }}{{ wider | float }}",
        "{{ max + max }}{{ max * max }}{{ max ** 2 }}",
        "{{ max ** 3 }}",
        "{{ min // -1 }}{{ min % -1 }}",
        "{{ wide // -1 }}",
        "{{ wide % -1 }}",
        "{{ wide is divisible_by(divisor=-1) }}",
        "{% if nan %}t{% endif %}{% if neg %}u{% endif %}",
        "{{ range(start=max, end=max + 2) }}",
        "{{ range(end=max) }}",
        "{{ [1, 2][max] | default(value='-') }}",
        "{{ [1, 2][min] | default(value='-') }}",
        "{{ 'abc'[min:max] }}",
        "{{ 'abc'[::min] }}",
        "{{ 'abc' | truncate(length=max) }}",
        "{{ 'abc' | truncate(length=wider) }}",
        "{{ narrow + 0.2 }}{{ narrow == 0.1 }}",
        "{{ 10 ** 30 }}",
        "{{ 10 ** 39 }}",
        "{{ 2 ** -1 }}{{ 0 ** 0 }}{{ 0.0 ** -1 }}",
        "{{ 1 / 3 }}{{ 1e-7 if false else 0.0000001 }}",
        "{{ 0.1 + 0.2 }}{{ -0.0 }}{{ 1 / 0.0 }}",
        "{{ 100000000000000000000.0 }}{{ 1234567890123456.7 }}",
    ] {
        if resolve(Content::text(template), &[]).is_ok() {
            agree(template, &numbers);
        }
    }
    // JSON has neither; a number without a form in it is refused when it is read.
    let error = serde_json::from_str::<Value>("{\"a\": 1e400}").unwrap_err();
    assert!(error.to_string().contains("number out of range"), "{error}");
    let text = "{\"big\": 1000000000000000000000000000000, \"max\": 18446744073709551615, \"min\": -9223372036854775808, \"e\": 1e300}";
    let parsed: Value = serde_json::from_str(text).unwrap();
    gives(
        "{{ big }} {{ max }} {{ min }} {{ e }}",
        &parsed,
        "1e30 18446744073709551615 -9223372036854775808 1e300",
    );
    gives("{{ 10 ** 30 }}", &json!({}), &format!("1{}", "0".repeat(30)));
}

#[test]
fn lone_surrogates_are_an_error_of_the_parser() {
    for text in ["\"\\ud800\"", "{\"a\": \"\\udc00 x\"}", "[\"\\ud83d\\u0041\"]"] {
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        assert_eq!(error.line(), 1, "{error}");
        assert!(error.column() > 1, "{error}");
    }
    let pair: Value = serde_json::from_str("{\"a\": \"\\ud83d\\ude00\"}").unwrap();
    gives("{{ a }}{{ a | length }}", &pair, "😀1");
}

#[test]
fn keys_are_taken_as_they_are() {
    let parameters = json!({
        "m": {"a.b": 1, "with space": 2, "\"q\"": 3, "'": 4, "é": 5, "": 6, "{{ x }}": 7, "0": 8, "日本": 9, "a": {"b": 10}},
        "a.b": "never",
        "": "empty",
    });
    gives(
        "{{ m['a.b'] }}{{ m['with space'] }}{{ m['\"q\"'] }}{{ m[\"'\"] }}{{ m['é'] }}{{ m[''] }}{{ m['{{ x }}'] }}{{ m['0'] }}{{ m['日本'] }}{{ m.a.b }}",
        &parameters,
        "12345678910",
    );
    for template in ["{{ a.b }}", "{{ a['b'] }}", "{{ a }}"] {
        refuses(template, &parameters, "`a` is missing");
    }
    refuses("{{ m.b }}", &parameters, "`m.b` is missing");
    for template in [
        "{{ m }}",
        "{{ m | keys }}{{ m | values }}{{ m | pairs }}",
        "{% for k, v in m %}{{ k }}={{ v }};{% endfor %}",
        "{{ m[0] | default(value='-') }}",
        "{{ m[none] | default(value='-') }}",
        "{{ m[1.5] | default(value='-') }}",
        "{{ m[true] | default(value='-') }}",
        "{{ m['nope'] }}",
        "{{ 'a.b' in m }}{{ 0 in m }}{{ '0' in m }}",
        "{{ m | get(key='a.b') }}{{ m | get(key='a.x', default='-') }}",
        "{{ [m] | sort(attribute='a.b') | length }}",
        "{{ [m] | group_by(attribute='with space') }}",
        "{{ [m] | group_by(attribute='') }}",
        "{{ m is containing(pat='é') }}",
    ] {
        agree(template, &parameters);
    }
}

#[test]
fn values_with_template_syntax_stay_values() {
    let values = [
        "{{ x }}",
        "{% raw %}",
        "{% endraw %}{{ 1 }}",
        "{% include 's' %}",
        "{% set a = 1 %}",
        "{#",
        "{{",
        "-}}",
        "{%- endif -%}",
        "__tera_context",
        "`'\"\\",
    ];
    for value in values {
        let parameters = json!({"v": value, "l": [value], "m": {value: value}});
        gives("<{{ v }}>", &parameters, &format!("<{value}>"));
        gives(
            "{% for k, w in m %}{{ k }}{{ w }}{% endfor %}",
            &parameters,
            &value.repeat(2),
        );
        gives(
            "{% filter trim %}{{ v }}{% endfilter %}{% set b %}{{ l[0] }}{% endset %}{{ b }}",
            &parameters,
            &value.repeat(2),
        );
        gives(
            "{{ l | join }}{{ v ~ '' }}{{ m[v] }}",
            &parameters,
            &value.repeat(3),
        );
        gives(
            "{{ l }}{{ m }}",
            &parameters,
            &format!("[{value:?}]{{{value:?}: {value:?}}}"),
        );
    }
}

#[test]
fn loops_go_over_what_can_be_gone_through() {
    let parameters = json!({
        "text": "aé🇩🇪", "empty": "", "map": {"k": 1, "l": [2]}, "none": null, "zero": 0, "n": 3, "f": 1.5, "yes": true,
        "list": [1, null, "x"], "nothing": [], "no": {},
    });
    let each = |over: &str| {
        format!("{{% for x in {over} %}}[{{{{ x }}}}{{{{ loop.last }}}}]{{% else %}}else{{% endfor %}}")
    };
    let both = |over: &str| {
        format!("{{% for k, x in {over} %}}[{{{{ k }}}}{{{{ x }}}}]{{% else %}}else{{% endfor %}}")
    };
    gives(&each("text"), &parameters, "[afalse][éfalse][🇩false][🇪true]");
    gives(&each("list"), &parameters, "[1false][false][xtrue]");
    gives(&both("map"), &parameters, "[k1][l[2]]");
    for over in ["empty", "nothing", "no"] {
        gives(&each(over), &parameters, "else");
    }
    gives(&both("no"), &parameters, "else");
    for over in ["n", "zero", "f", "yes", "none"] {
        refuses(&each(over), &parameters, "Iteration not possible");
        refuses(&both(over), &parameters, "");
    }
    for over in ["text", "empty", "list", "nothing", "map"] {
        agree(&each(over), &parameters);
        agree(&both(over), &parameters);
    }
}

#[test]
fn parameters_may_have_any_name() {
    let names = [
        "loop",
        "range",
        "not",
        "default",
        "__tera_context",
        "in",
        "if",
        "for",
        "self",
        "true",
        "none",
        "super",
        "upper",
        "and",
        "include",
        "raw",
        "block",
        "#0",
        "__loop",
        "a b",
        "1",
    ];
    let mut parameters: BTreeMap<&str, Value> = names.iter().map(|name| (*name, json!("hostile"))).collect();
    parameters.insert("a", json!([1, 2]));
    gives(
        "{% for x in a %}{{ loop.index }}{{ x | default(value=0) }}{% endfor %}{{ range(end=2) }}{{ true }}{{ not a }}{{ 'x' | upper }}",
        &parameters,
        "1122[0, 1]truefalseX",
    );
    gives(
        "{{ default }}{{ range }}{{ upper }}",
        &parameters,
        &"hostile".repeat(3),
    );
    for name in [
        "not",
        "in",
        "if",
        "__tera_context",
        "__loop",
        "super",
        "a b",
        "1",
        "loop",
        "self",
    ] {
        let template = format!("{{{{ {name} }}}}");
        let rendered =
            BOTH.map(|form| render_text(form, &template, &[], &parameters).map_err(|e| e.to_string()));
        assert_eq!(rendered[0], rendered[1], "{template}");
    }
    // Names in a loop and of a snippet's variables.
    for name in ["range", "default", "upper", "include", "raw"] {
        gives(
            &format!(
                "{{% for {name} in a %}}{{{{ {name} }}}}{{% endfor %}}{{% set {name} = 5 %}}{{{{ {name} }}}}"
            ),
            &parameters,
            "125",
        );
    }
}

#[test]
fn a_hundred_thousand_parameters_are_taken() {
    let many = |n: usize| -> Value { Value::Object((0..n).map(|i| (format!("p{i}"), json!(i))).collect()) };
    let parameters = many(100_000);
    gives(
        "{{ p0 }} {{ p99999 }} {{ p31337 + 1 }}",
        &parameters,
        "0 99999 31338",
    );
    refuses("{{ p100000 }}", &parameters, "`p100000` is missing");
    let parameters = json!({ "m": parameters });
    gives(
        "{{ m.p0 }} {{ m | length }} {{ m['p99999'] }}",
        &parameters,
        "0 100000 99999",
    );
    refuses("{{ m.p100000 }}", &parameters, "`m.p100000` is missing");
    // One more may be too many, and is no panic.
    for form in BOTH {
        match render_text(form, "{{ p0 }}", &[], &many(100_001)) {
            Ok(text) => assert_eq!(text, "0"),
            Err(error) => assert!(error.message().contains("more than 100000 entries"), "{error}"),
        }
    }
}

fn chat(form: Form, items: Vec<ChatItem>, parameters: &Value) -> Result<Vec<Message>> {
    let closure = resolve(Content::chat(items), &[])?;
    let rendered = compile(form, &closure, RenderLimits::default())?.render(parameters)?;
    Ok(rendered.into_messages())
}

#[test]
fn messages_of_a_placeholder_pass_through_untouched() {
    let history = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "{{ secret }} {% raw %}"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "of tomorrow", "{{ key }}": [1.0, -0.0, 1e300, 18446744073709551615_u64, null]},
        ], "name": "{{ name }}"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{\"q\": \"{{ q }}\"}"}},
        ], "refusal": null, "unknown field": {"a.b": []}},
        {"role": "tool", "tool_call_id": "call_1", "content": "{% if %} 日本 \u{0}"},
        {"role": "developer", "content": ""},
    ]);
    let parameters = json!({"history": history, "q": "{{ history }}"});
    for form in BOTH {
        let items = vec![system("s {{ q }}"), placeholder("history"), user("{{ q }}")];
        let messages = chat(form, items, &parameters).unwrap();
        let passed = serde_json::to_value(&messages[1..5]).unwrap();
        assert_eq!(passed.to_string(), history.to_string(), "{form:?}");
        assert_eq!(messages[0].text(), Some("s {{ history }}"));
        assert_eq!(messages[5].text(), Some("{{ history }}"));
        // Once more, with a template that reads it too.
        let items = vec![
            placeholder("history"),
            user("{{ history | length }}{{ history[0].name }}"),
        ];
        let messages = chat(form, items, &parameters).unwrap();
        let passed = serde_json::to_value(&messages[..4]).unwrap();
        assert_eq!(passed.to_string(), history.to_string(), "{form:?}");
        assert_eq!(messages[4].text(), Some("4{{ name }}"));
    }
}

#[test]
fn a_parameter_that_is_only_a_placeholder_is_for_no_template() {
    for form in BOTH {
        let alone = chat(form, vec![placeholder("h")], &json!({"h": []})).unwrap();
        assert!(alone.is_empty());
        let missing = chat(form, vec![placeholder("h"), user("{{ a }}")], &json!({"a": 1})).unwrap_err();
        assert!(
            missing.message().contains("placeholder `h` has no parameter"),
            "{missing}"
        );
        for wrong in [json!(null), json!("text"), json!({"role": "user"}), json!(1)] {
            let error = chat(form, vec![placeholder("h")], &json!({ "h": wrong })).unwrap_err();
            assert!(error.message().contains("is not a list"), "{error}");
        }
        for wrong in [
            json!(null),
            json!("user: hi"),
            json!({}),
            json!({"role": "user", "content": 1}),
            json!({"role": "{{ x }}", "content": ""}),
            json!({"role": ["user"], "content": ""}),
        ] {
            let error = chat(form, vec![placeholder("h")], &json!({ "h": [wrong] })).unwrap_err();
            assert!(
                error.message().contains("item 0 of the placeholder `h`"),
                "{error}"
            );
        }
        let twice = vec![placeholder("h"), user("{{ a }}"), placeholder("h")];
        let parameters = json!({"h": [{"role": "user", "content": "x"}], "a": 1});
        assert_eq!(chat(form, twice, &parameters).unwrap().len(), 3);
    }
}

#[test]
fn tools_and_schemas_are_no_templates() {
    let mut content = Content::chat([user("{{ a }}")]);
    let schema = json!({"type": "object", "properties": {"{{ a }}": {"description": "{% raw %}", "default": "{{ a }}"}}});
    content.tools = vec![Tool {
        name: "look_up".into(),
        description: Some("{{ a }} {% include 'x' %}".into()),
        parameters: schema.clone(),
    }];
    content.output_schema = Some(schema);
    content
        .settings
        .extra
        .insert("response_format".into(), json!({"{{ a }}": "{{ b }}"}));
    let before = serde_json::to_string(&content).unwrap();
    let closure = resolve(content.clone(), &[]).unwrap();
    for form in BOTH {
        let compiled = compile(form, &closure, RenderLimits::default()).unwrap();
        assert_eq!(compiled.parameters().len(), 1, "only what the message reads");
        let messages = compiled.render(&json!({"a": "v"})).unwrap().into_messages();
        assert_eq!(messages[0].text(), Some("v"));
        assert_eq!(serde_json::to_string(&**compiled.content()).unwrap(), before);
        let blueprint = crate::llm::Blueprint::of(compiled.content(), messages).unwrap();
        let text = serde_json::to_string(&blueprint.tools).unwrap();
        assert!(text.contains("{{ a }} {% include 'x' %}"), "{text}");
    }
}

#[test]
fn parameters_that_are_no_map_are_refused_and_none_at_all_are_none() {
    for form in BOTH {
        let none = [json!(null), json!({})];
        for parameters in &none {
            assert_eq!(render_text(form, "{{ 1 }}", &[], parameters).unwrap(), "1");
        }
        assert_eq!(render_text(form, "{{ 1 }}", &[], &()).unwrap(), "1");
        assert_eq!(render_text(form, "{{ 1 }}", &[], &None::<u8>).unwrap(), "1");
        for parameters in [json!([1]), json!("a"), json!(1), json!(true), json!([["a", 1]])] {
            let error = render_text(form, "{{ a }}", &[], &parameters).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{form:?}: {error}");
            assert!(
                error.message().contains("not a struct or a map"),
                "{form:?}: {error}"
            );
        }
    }
}
