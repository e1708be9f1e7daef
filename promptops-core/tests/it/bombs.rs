//! No template can abort, stall or bloat the host: bombs set off in a child process under resource limits.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use promptops_core::base::{PromptName, TenantId, VersionNumber};
use promptops_core::prompt::{Content, Missing, SnippetReference, placeholder};
use promptops_core::render::{
    Closure, ClosureRoot, CompiledPrompt, RenderLimits, SnippetLimits, SnippetResolver, SnippetSource,
};
use promptops_core::{ErrorKind, Result};
use serde_json::{Value, json};

/// Set in the child to the name of the bomb.
const BOMB: &str = "PROMPTOPS_TEST_BOMB";
/// Most that a bomb may take beside its parameters.
const EXTRA_KIB: u64 = 64 << 10;
/// Most time that a bomb may take; unoptimised code on a loaded machine gets more.
const MOST_TIME: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(20)
} else {
    Duration::from_millis(250)
};

struct Bomb {
    name: &'static str,
    content: Content,
    snippets: BTreeMap<String, String>,
    parameters: Value,
}

#[derive(Clone)]
struct Texts(BTreeMap<String, String>);

#[async_trait]
impl SnippetResolver for Texts {
    async fn resolve(
        &self,
        tenant: &TenantId,
        references: &[SnippetReference],
    ) -> Result<BTreeMap<SnippetReference, Result<SnippetSource, Missing>>> {
        let found = references.iter().map(|reference| {
            let prompt = reference.reference().prompt.clone();
            let source = self.0.get(prompt.as_str()).ok_or(Missing::Prompt).map(|text| {
                let content = Arc::new(Content::text(text.as_str()));
                SnippetSource {
                    tenant: tenant.clone(),
                    prompt,
                    version: VersionNumber::new(1).unwrap(),
                    hash: content.hash(),
                    content,
                }
            });
            (reference.clone(), source)
        });
        Ok(found.collect())
    }
}

fn bomb(name: &'static str, template: impl Into<String>, parameters: Value) -> Bomb {
    Bomb {
        name,
        content: Content::text(template),
        snippets: BTreeMap::new(),
        parameters,
    }
}

fn with_snippets(mut bomb: Bomb, snippets: &[(&str, &str)]) -> Bomb {
    for (name, text) in snippets {
        bomb.snippets.insert((*name).into(), (*text).into());
    }
    bomb
}

fn text(bytes: usize) -> String {
    "some words, and more ".repeat(bytes / 21 + 1)[..bytes].to_owned()
}

fn doubling(what: &str) -> String {
    let mut template = format!("{{% set x0 = {} %}}", what.replace('X', "'xxxxxxxxxxxxxxxx'"));
    for i in 1..40 {
        let from = format!("x{}", i - 1);
        write!(template, "{{% set x{i} = {} %}}", what.replace('X', &from)).unwrap();
    }
    template + "{{ x39 }}"
}

/// A value nested this deep, which a host can build though no JSON parser would.
fn nested(depth: usize) -> Value {
    let mut value = json!(1);
    for i in 0..depth {
        value = if i % 2 == 0 {
            Value::Array(vec![value])
        } else {
            Value::Object([("k".to_owned(), value)].into_iter().collect())
        };
    }
    value
}

fn deep(depth: usize) -> Value {
    Value::Object(
        [("d".to_owned(), nested(depth)), ("a".to_owned(), json!(1))]
            .into_iter()
            .collect(),
    )
}

fn with_schema(name: &'static str, schema: Value, parameters: Value) -> Bomb {
    let mut bomb = bomb(name, "x", parameters);
    bomb.content.input_schema = Some(schema);
    bomb
}

/// Definitions of which each refers to the next one.
fn references(length: usize, times: usize) -> Value {
    let mut defs = serde_json::Map::new();
    for i in 0..length {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({"anyOf": vec![next; times]}));
    }
    defs.insert(format!("d{length}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

fn negations(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| {
        Value::Object([("not".to_owned(), inner)].into_iter().collect())
    })
}

type Lazy<'a> = (&'static str, Box<dyn Fn() -> Bomb + 'a>);

macro_rules! bomb {
    ($name:expr, $template:expr, $parameters:expr $(,)?) => {
        (
            $name,
            Box::new(|| bomb($name, $template, $parameters)) as Box<dyn Fn() -> Bomb>,
        )
    };
}

/// The names of all bombs, and the one that is wanted: some have large parameters.
fn bombs(wanted: Option<&str>) -> (Vec<&'static str>, Option<Bomb>) {
    let none = || json!({});
    let range = "range(end=100000)";
    let loops = |body: &str| {
        format!("{{% for i in {range} %}}{{% for j in {range} %}}{body}{{% endfor %}}{{% endfor %}}")
    };
    let many = |body: &str| format!("{{% for i in {range} %}}{body}{{% endfor %}}");
    let big = || json!({"big": text(2 << 20)});
    let list = |count: usize| json!({"l": (0..count).map(|i| i * 7919 % 100_003).collect::<Vec<_>>()});
    let map = |count: usize| json!({"m": (0..count).map(|i| (format!("key{i}"), json!(i))).collect::<serde_json::Map<_, _>>()});
    let tree = |name, leaf: String| {
        let include = |name: &str| format!("{{% include '{name}' %}}").repeat(1_000);
        let bomb = bomb(name, include("a"), none());
        with_snippets(bomb, &[("a", &include("b")), ("b", &include("c")), ("c", &leaf)])
    };
    let names =
        |count: usize, of: &str| -> String { (0..count).map(|i| of.replace('#', &i.to_string())).collect() };
    let long_name = "n".repeat(50_000);
    let with_long_names = |last: &str| {
        let map: serde_json::Map<_, _> = ["a", "b", "c", "d", last]
            .into_iter()
            .map(|end| (format!("{long_name}{end}"), json!(1)))
            .collect();
        json!({"m": map, "k": format!("{long_name}{last}")})
    };
    let mut bombs: Vec<Lazy<'_>> = vec![
        bomb!(
            "elifs",
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(1_000)),
            json!({"a": false})
        ),
        bomb!(
            "parentheses",
            format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)),
            none()
        ),
        bomb!(
            "nested ifs",
            "{% if 1 %}".repeat(5_000) + &"{% endif %}".repeat(5_000),
            none()
        ),
        bomb!(
            "deep literals",
            format!("{{{{ {}1{} }}}}", "{'k':".repeat(5_000), "}".repeat(5_000)),
            none()
        ),
        bomb!("unary", format!("{{{{ {}1 }}}}", "not ".repeat(20_000)), none()),
        bomb!("doubling by ~", doubling("X ~ X"), none()),
        bomb!("doubling by lists", doubling("[X, X]"), none()),
        bomb!("doubling by maps", doubling("{'a': X, 'b': X}"), none()),
        bomb!("doubling by join", doubling("[X, X] | join"), none()),
        bomb!(
            "doubling by replace",
            doubling("X | replace(from='x', to='xx')"),
            none()
        ),
        bomb!("doubling by spread", doubling("[...[X], ...[X, X]]"), none()),
        bomb!("nested loops", loops(""), none()),
        bomb!("silent loops", loops("{% if i == j %}{% endif %}"), none()),
        bomb!("loops that write", loops("x"), none()),
        bomb!(
            "captures in loops",
            format!("{{% set v %}}{}{{% endset %}}", loops("0123456789")),
            none()
        ),
        bomb!(
            "captures of long texts",
            format!("{{% set v %}}{}{{% endset %}}", many(&"x".repeat(60_000))),
            none()
        ),
        bomb!(
            "captures of values",
            "{% set v %}{% for i in range(end=1000) %}{{ big }}{% endfor %}{% endset %}",
            big()
        ),
        bomb!(
            "captures of numbers",
            format!("{{% set v %}}{}{{% endset %}}", loops("{{ 2 ** 100 }}")),
            none()
        ),
        bomb!(
            "filter sections",
            "{% filter indent(width=1000, blank=true) %}".repeat(8)
                + "{{ big }}"
                + &"{% endfilter %}".repeat(8),
            big(),
        ),
        bomb!(
            "filter sections that replace",
            "{% filter replace(from='', to='xxxxxxxx') %}".repeat(12)
                + "seed"
                + &"{% endfilter %}".repeat(12),
            none(),
        ),
        bomb!("unique of many", "{{ l | unique | length }}", list(100_000)),
        bomb!(
            "unique of long texts",
            "{{ l | unique | length }}",
            json!({"l": (0..1_000).map(|i| format!("{}{i:04}", text(8_000))).collect::<Vec<_>>()}),
        ),
        bomb!(
            "sort of many",
            "{% for i in range(end=1000) %}{% set s = l | sort %}{% endfor %}",
            list(100_000)
        ),
        bomb!(
            "sort of long texts",
            "{{ l | sort | length }}",
            json!({"l": (0..2_000).map(|i| format!("{}{:04}", text(8_000), i * 7919 % 2_000)).collect::<Vec<_>>()}),
        ),
        bomb!(
            "replace of nothing",
            "{{ big | replace(from='', to=big) }}",
            big()
        ),
        bomb!("join of much", "{{ range(end=100000) | join(sep=big) }}", big()),
        bomb!(
            "indent",
            "{{ big | replace(from=' ', to='\n') | indent(width=1000) }}",
            big()
        ),
        bomb!(
            "indent of a literal",
            many("{% set v = 'a\nb\nc\nd\ne' | indent(width=1000, first=true) %}"),
            none()
        ),
        bomb!(
            "slices in loops",
            many("{% if big[1:] == '' %}{% endif %}"),
            big()
        ),
        bomb!("slices of slices", many("{{ big[:][:][:][:][1] }}"), big()),
        bomb!(
            "optional slices",
            many("{{ m?.big?[:]?[1:]?[0] | length }}"),
            json!({"m": big()})
        ),
        bomb!("indexes into texts", many("{{ big[i] }}"), big()),
        bomb!(
            "indexes into indexes",
            many("{{ big[0][0][0][0][0][0][0][0] }}"),
            big()
        ),
        bomb!(
            "slices of comprehensions",
            format!("{{{{ [i for i in {range}]{} | length }}}}", "[:]".repeat(12)),
            none()
        ),
        bomb!(
            "comprehensions",
            format!("{{{{ [[[k for k in {range}] for j in {range}] for i in {range}] | length }}}}"),
            none()
        ),
        bomb!(
            "comprehensions of ranges",
            format!("{{{{ [range(end=100000) for i in {range}] | length }}}}"),
            none()
        ),
        bomb!(
            "comprehensions of spreads",
            format!("{{{{ [[...l, ...l] for i in {range}] | length }}}}"),
            list(100_000)
        ),
        bomb!(
            "comprehensions of maps",
            format!("{{{{ [{{'a': i, 'b': i}} for i in {range}] | length }}}}"),
            none()
        ),
        bomb!(
            "comprehensions of spread maps",
            format!("{{{{ [{{...m}} for i in {range}] | length }}}}"),
            map(10_000)
        ),
        bomb!(
            "comprehensions of texts",
            format!("{{{{ ['0123456789abcdef0123456789abcdef' ~ i for i in {range}] | length }}}}"),
            none()
        ),
        bomb!(
            "comprehensions of copies",
            format!("{{{{ [big | trim for i in {range}] | length }}}}"),
            big()
        ),
        bomb!(
            "comprehensions of ends",
            format!("{{{{ ['ab' | truncate(length=0, end=big) for i in {range}] | length }}}}"),
            big()
        ),
        bomb!(
            "comprehensions of plurals",
            format!("{{{{ [2 | pluralize(plural=big) for i in {range}] | length }}}}"),
            big()
        ),
        bomb!(
            "billion laughs",
            "{% set a = ['lol'] %}".to_owned() + &"{% set a = [a,a,a,a,a,a,a,a,a,a] %}".repeat(9) + "{{ a }}",
            none()
        ),
        bomb!(
            "a tower of lists",
            "{% set_global a = [] %}".to_owned() + &many("{% set_global a = [a] %}") + "{{ a }}",
            none()
        ),
        bomb!(
            "a lower tower, used",
            "{% set a = [1] %}{% for i in range(end=600) %}{% set_global a = [a] %}{% endfor %}{{ a }}{{ a == [a] }}{{ [a, a] | unique | str | length }}{{ [a, [a]] | sort | length }}",
            none(),
        ),
        bomb!("in", many("{% if 'zzz' in big %}{% endif %}"), big()),
        bomb!(
            "keys",
            many("{% if big in m %}{% endif %}{% if m[big] is defined %}{% endif %}"),
            json!({"big": text(2 << 20), "m": {"k": 1}})
        ),
        bomb!(
            "comparisons of texts",
            many("{% if big == other %}{% endif %}"),
            json!({"big": text(4 << 20), "other": text(4 << 20)})
        ),
        bomb!(
            "comparisons of lists",
            many("{% if l == k %}{% endif %}"),
            json!({"l": vec![1; 100_000], "k": vec![1; 100_000]})
        ),
        bomb!(
            "comparisons of long literals",
            format!(
                "{{% for i in {range} %}}{{% if b == '{0}' %}}{{% endif %}}{{% endfor %}}",
                text(60_000)
            ),
            json!({"b": text(60_000)})
        ),
        bomb!(
            "comparisons when all is spent",
            format!(
                "{{% set s = big ~ big ~ big %}}{}",
                many("{% if l == l %}{% endif %}")
            ),
            json!({"big": text(2_700_000), "l": vec![1; 100_000]})
        ),
        bomb!(
            "concat of many",
            format!("{{{{ {} }}}}", vec!["big"; 38].join(" ~ ")),
            json!({"big": text(8 << 20)})
        ),
        bomb!(
            "concat of escapes",
            "{% set v = [big] ~ '' %}",
            json!({"big": "\u{1}".repeat(4 << 20)})
        ),
        bomb!(
            "split by nothing",
            "{% for i in range(end=100) %}{% set v = big | split(pat='') %}{% endfor %}",
            big()
        ),
        bomb!(
            "case changes",
            "{% for i in range(end=1000) %}{% set v = big | upper | lower | title | capitalize %}{% endfor %}",
            json!({"big": "ΐ".repeat(500_000)})
        ),
        bomb!(
            "filters of a literal",
            format!(
                "{{% for i in {range} %}}{{% set v = '{}' | title | length %}}{{% endfor %}}",
                text(60_000)
            ),
            none()
        ),
        bomb!(
            "loop over a text",
            "{% for c in big %}{% for d in big %}{% endfor %}{% endfor %}",
            big()
        ),
        bomb!(
            "range with a negative step",
            "{% for i in range(start=100000, end=-100000, step_by=-1) %}{% endfor %}",
            none()
        ),
        bomb!(
            "range up and down",
            format!(
                "{{% for i in range(start=100000, end=0, step_by=-1) %}}{}{{% endfor %}}",
                many("")
            ),
            none()
        ),
        bomb!(
            "ranges thrown away",
            many("{% set v = range(end=100000) | first %}"),
            none()
        ),
        bomb!(
            "powers",
            many("{{ 9223372036854775807 ** 9223372036854775807 }}"),
            none()
        ),
        bomb!(
            "large numbers",
            many("{{ 170141183460469231731687303715884 * 10 }}{{ 2 ** 126 }}"),
            none()
        ),
        bomb!(
            "numbers in texts",
            many("{% set v = big | float %}"),
            json!({"big": "1".repeat(2 << 20)})
        ),
        bomb!("deep parameters", "{{ d }}", deep(10_000)),
        bomb!("deep parameters of none", "{{ a }}", deep(10_000)),
        bomb!(
            "as deep as allowed",
            "{{ d }}{{ d == d }}{{ d | str | length }}",
            deep(126)
        ),
        bomb!(
            "a long value printed often",
            "{{ big }}".repeat(100),
            json!({"big": text(10 << 20)})
        ),
        bomb!(
            "a map with many keys",
            "{% for k, v in m %}{{ k }}{% endfor %}{{ m.nope }}",
            map(1_000_000)
        ),
        bomb!(
            "a map with fewer keys",
            "{% for k, v in m %}{{ k }}{% endfor %}{{ m.nope }}",
            map(90_000)
        ),
        bomb!(
            "groups",
            "{% for i in range(end=1000) %}{% set g = l | group_by(attribute='k') %}{% endfor %}",
            json!({"l": (0..50_000).map(|i| json!({"k": i})).collect::<Vec<_>>()})
        ),
        bomb!(
            "reversals",
            many("{% set r = l | reverse %}{% set s = big | reverse %}"),
            json!({"l": vec![1; 100_000], "big": text(1 << 20)})
        ),
        bomb!(
            "keys, values, pairs",
            many("{% set v = [m | keys, m | values, m | pairs] %}"),
            map(50_000)
        ),
        bomb!(
            "a missing index",
            "{{ l[big] }}{{ l[i] }}",
            json!({"l": [1], "i": 7, "big": text(1 << 20)})
        ),
        bomb!("words", many("{{ big | wordcount }}{{ big | length }}"), big()),
        bomb!(
            "escapes",
            many("{% set v = big | escape_xml | escape_html | newlines_to_br %}"),
            json!({"big": "&\n".repeat(1 << 20)})
        ),
        bomb!(
            "containing",
            many(
                "{% if l is containing(pat='no') %}{% endif %}{% if big is containing(pat=big) %}{% endif %}"
            ),
            json!({"l": vec!["yes"; 100_000], "big": text(2 << 20)})
        ),
        bomb!(
            "defaults",
            format!(
                "{{{{ {}x{} }}}}",
                "(".repeat(6),
                " | default(value=big) ~ big)".repeat(6)
            ),
            big()
        ),
        bomb!("long names", format!("{{{{ {} }}}}", "n".repeat(60_000)), none()),
        bomb!(
            "many variables",
            (0..6_000).map(|i| format!("{{{{v{i}}}}}")).collect::<String>(),
            none()
        ),
        bomb!(
            "as long as allowed",
            "{{ a }}{% if a %}{% endif %}".repeat(2_000),
            json!({"a": 1})
        ),
    ];
    type Schema = (&'static str, fn() -> (Value, Value));
    bombs.push(bomb!(
        "ranges compared",
        many("{% if range(end=100000) == range(end=100000) %}{% endif %}"),
        none()
    ));
    bombs.push(bomb!(
        "ranges searched",
        many("{% if -1 in range(end=100000) %}{% endif %}"),
        none()
    ));
    bombs.push(bomb!(
        "ranges printed in a capture",
        format!("{{% set v %}}{}{{% endset %}}", many("{{ range(end=100000) }}")),
        none()
    ));
    bombs.push(bomb!(
        "elements of nothing",
        many("{{ l }}{% for x in l %}{% for y in l %}{% endfor %}{% endfor %}"),
        json!({"l": vec![Value::Null; 10_000]})
    ));
    bombs.push(bomb!(
        "comparisons of deep values",
        loops("{% if d == d or d in [d] %}{% endif %}"),
        json!({"d": nested(120)})
    ));
    bombs.push(bomb!(
        "lists of lists of a text",
        many("{% if [[big, big], [big, big]] == [[big, big], [big, big]] %}{% endif %}"),
        big()
    ));
    bombs.push(bomb!(
        "choices in loops",
        loops(&format!(
            "{{% if i < 0 %}}{}{{% endif %}}",
            "{% elif j < 0 %}".repeat(60)
        )),
        none()
    ));
    bombs.push(bomb!(
        "negated loops",
        loops("{{ not (not (not (not i))) }}"),
        none()
    ));
    bombs.push(bomb!(
        "slices from the end",
        many("{% if big[-1000000:] | length == 7 %}{% endif %}"),
        big()
    ));
    bombs.push(bomb!(
        "characters by their place",
        many("{% if big[1999999] == 'x' %}{% endif %}"),
        big()
    ));
    bombs.push(bomb!(
        "characters of a made text",
        many("{% for c in big | upper %}{% endfor %}"),
        big()
    ));
    let schemas: [Schema; 13] = [
        ("a schema of doubled references", || {
            (references(18, 2), json!({}))
        }),
        ("a schema of more doubled references", || {
            (references(30, 2), json!({}))
        }),
        ("a schema at the limit of doubled references", || {
            (references(14, 2), json!({}))
        }),
        ("a schema of a chain of references", || {
            (references(15_000, 1), json!({}))
        }),
        ("a schema as deep as allowed", || (references(30, 1), json!({}))),
        ("a schema of negations", || (negations(600), json!({}))),
        ("a schema that doubles with the values", || {
            let twice = json!({"anyOf": [{"items": {"$ref": "#/$defs/l"}}, {"items": {"$ref": "#/$defs/l"}, "minItems": 2}],
                "type": "array"});
            (
                json!({"properties": {"d": {"$ref": "#/$defs/l"}}, "$defs": {"l": twice}}),
                json!({"d": (0..100).fold(json!([]), |inner, _| json!([inner]))}),
            )
        }),
        ("a schema of regular expressions", || {
            let patterns: serde_json::Map<_, _> = (0..1_500)
                .map(|i| (format!("p{i}"), json!({"pattern": format!("^{i}\\w{{1,60}}$")})))
                .collect();
            (json!({"properties": patterns}), json!({}))
        }),
        ("a schema of as many as allowed", || {
            let patterns: serde_json::Map<_, _> = (0..100)
                .map(|i| (format!("p{i}"), json!({"pattern": format!("^{i}\\w{{1,9}}$")})))
                .collect();
            (json!({"properties": patterns}), json!({}))
        }),
        ("a schema at the limit of work", || {
            let mut schema = references(14, 2);
            schema["$defs"]["l"] = json!({"$ref": "#/$defs/d0"});
            let schema = json!({"properties": {"l": {"items": {"not": {"$ref": "#/$defs/l"}}}}, "$defs": schema["$defs"]});
            (schema, json!({"l": vec![1; 700]}))
        }),
        ("a large schema", || {
            let properties: serde_json::Map<_, _> = (0..1_900)
                .map(|i| (format!("p{i}"), json!({"type": "string", "minLength": 1})))
                .collect();
            (json!({"properties": properties}), json!({}))
        }),
        ("a schema of branches that all fail", || {
            let branches: Vec<_> = (0..900).map(|i| json!({"items": {"maximum": -1 - i}})).collect();
            (
                json!({"properties": {"l": {"anyOf": branches}}}),
                json!({"l": vec![1; 20_000]}),
            )
        }),
        ("a schema for which there are too many values", || {
            let branches: Vec<_> = (0..900).map(|i| json!({"items": {"maximum": -1 - i}})).collect();
            (
                json!({"properties": {"l": {"anyOf": branches}}}),
                json!({"l": vec![1; 100_000]}),
            )
        }),
    ];
    bombs.extend(schemas.into_iter().map(|(name, of)| -> Lazy<'_> {
        let make = move || {
            let (schema, parameters) = of();
            with_schema(name, schema, parameters)
        };
        (name, Box::new(make))
    }));
    let more: [Lazy<'_>; 12] = [
        (
            "rounds with many names",
            Box::new(|| {
                let sets = format!(
                    "{{% if i < 0 %}}{}{{% endif %}}",
                    names(2_000, "{% set v# = 1 %}")
                );
                bomb("rounds with many names", loops(&sets), none())
            }),
        ),
        (
            "includes that take many names",
            Box::new(|| {
                let sets = names(1_000, "{% set v# = 1 %}");
                let include = sets + &many(&"{% include 's' %}".repeat(3));
                with_snippets(
                    bomb("includes that take many names", include, none()),
                    &[(
                        "s",
                        &format!("{{% if x is defined %}}{}{{% endif %}}", names(1_000, "{{ v# }}")),
                    )],
                )
            }),
        ),
        (
            "includes that set many names",
            Box::new(|| {
                let include = many(&"{% include 's' %}".repeat(8));
                let sets = format!(
                    "{{% if x is defined %}}{}{{% endif %}}",
                    names(2_000, "{% set v# = 1 %}")
                );
                with_snippets(
                    bomb("includes that set many names", include, none()),
                    &[("s", &sets)],
                )
            }),
        ),
        (
            "long names of attributes",
            Box::new(|| {
                let read = format!("{{% if m.{long_name}z %}}{{% endif %}}");
                bomb("long names of attributes", loops(&read), with_long_names("z"))
            }),
        ),
        (
            "long keys",
            Box::new(|| {
                bomb(
                    "long keys",
                    loops("{% if m[k] %}{% endif %}"),
                    with_long_names("z"),
                )
            }),
        ),
        (
            "long keys looked for",
            Box::new(|| {
                let read = "{% if k in m %}{% endif %}{% if m is containing(pat=k) %}{% endif %}";
                bomb("long keys looked for", loops(read), with_long_names("z"))
            }),
        ),
        (
            "a chain of includes",
            Box::new(|| {
                with_snippets(
                    bomb("a chain of includes", "{% include 's0' %}", none()),
                    &[
                        ("s0", "{% include 's1' %}"),
                        ("s1", "{% include 's2' %}"),
                        ("s2", "{% include 's3' %}"),
                        ("s3", "{% include 's4' %}"),
                        ("s4", "x"),
                    ],
                )
            }),
        ),
        (
            "a circle of includes",
            Box::new(|| {
                with_snippets(
                    bomb("a circle of includes", "{% include 'a' %}", none()),
                    &[("a", "{% include 'b' %}"), ("b", "{% include 'a' %}")],
                )
            }),
        ),
        (
            "a tree of empty includes",
            Box::new(|| tree("a tree of empty includes", "{# #}".to_owned())),
        ),
        (
            "a tree of includes",
            Box::new(|| tree("a tree of includes", text(50_000))),
        ),
        (
            "captured includes",
            Box::new(|| {
                let captured = format!("{{% set v %}}{}{{% endset %}}", many("{% include 's' %}"));
                with_snippets(
                    bomb("captured includes", captured, none()),
                    &[("s", &text(60_000))],
                )
            }),
        ),
        (
            "placeholders",
            Box::new(|| Bomb {
                name: "placeholders",
                content: Content::chat((0..256).map(|_| placeholder("history"))),
                snippets: BTreeMap::new(),
                parameters: json!({"history": [{"role": "user", "content": text(2 << 20)}]}),
            }),
        ),
    ];
    bombs.extend(more);
    let found = bombs.iter().find(|(name, _)| Some(*name) == wanted);
    (
        bombs.iter().map(|(name, _)| *name).collect(),
        found.map(|(_, make)| make()),
    )
}

/// What renders a bomb.
#[derive(Debug, Clone, Copy, PartialEq)]
enum On {
    /// What it is compiled to: our own form, where it fits.
    Ours,
    Tera,
}

const ENGINES: [(&str, On); 2] = [("ours", On::Ours), ("tera", On::Tera)];

fn compile(bomb: &Bomb, on: On) -> Result<CompiledPrompt> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let closure = runtime.block_on(Closure::resolve(
        &TenantId::new("acme").unwrap(),
        ClosureRoot::new(
            PromptName::new("bomb").unwrap(),
            None,
            Arc::new(bomb.content.clone()),
        ),
        &Texts(bomb.snippets.clone()),
        &SnippetLimits::default(),
    ))?;
    match on {
        On::Ours => CompiledPrompt::compile(&closure, RenderLimits::default()),
        On::Tera => CompiledPrompt::compile_on_tera(&closure, RenderLimits::default()),
    }
}

/// This field of the kernel's account of the process, in KiB.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sets one bomb off and tells how it ended.
fn set_off(bomb: &Bomb, on: On) -> String {
    // The engine's copy of the parameters is not the template's doing: the memory it takes is kept for reuse.
    let parameters = Bomb {
        name: "",
        content: Content::text("{% if nothing is defined %}{% endif %}"),
        snippets: BTreeMap::new(),
        parameters: Value::Null,
    };
    let parameters = compile(&parameters, on).unwrap();
    let _ = parameters.render(&bomb.parameters);
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS:");
    let start = Instant::now();
    let ended = compile(bomb, on).and_then(|compiled| {
        let result = compiled.render(&bomb.parameters);
        result.map(|rendered| format!("{} messages", rendered.into_messages().len()))
    });
    let taken = start.elapsed();
    let extra = memory("VmHWM:").saturating_sub(before);
    let ended = match ended {
        Ok(what) => format!("ok: {what}"),
        Err(error) => {
            let shown = error.to_string();
            assert!(
                shown.len() < 4_000,
                "{}: an error of {} bytes",
                bomb.name,
                shown.len()
            );
            assert!(
                matches!(error.kind(), ErrorKind::Template | ErrorKind::Invalid),
                "{}: {error}",
                bomb.name
            );
            shown
        }
    };
    assert!(taken < MOST_TIME, "{}: {taken:?}, {ended}", bomb.name);
    assert!(extra <= EXTRA_KIB, "{}: {extra} KiB, {ended}", bomb.name);
    format!(
        "{:>7.1} ms {:>6} KiB  {}: {ended}",
        taken.as_secs_f64() * 1e3,
        extra,
        bomb.name
    )
}

#[test]
fn bombs_end_in_the_child() {
    let Ok(wanted) = std::env::var(BOMB) else {
        return;
    };
    // As much stack as a task of tokio has.
    let run = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let (engine, wanted) = wanted.split_once(' ').unwrap();
        let (_, on) = ENGINES.into_iter().find(|(name, _)| *name == engine).unwrap();
        let bomb = bombs(Some(wanted)).1.unwrap();
        let line = set_off(&bomb, on);
        // Dropping what is nested is up to the host.
        std::mem::forget(bomb);
        line
    });
    let line = run.unwrap().join().unwrap();
    writeln!(std::io::stdout().lock(), "BOMB {line}").unwrap();
}

#[test]
fn no_bomb_goes_off() {
    no_bomb_goes_off_on("ours");
}

#[test]
fn no_bomb_goes_off_on_tera() {
    no_bomb_goes_off_on("tera");
}

fn no_bomb_goes_off_on(engine: &str) {
    let exe = std::env::current_exe().unwrap();
    let (bombs, _) = bombs(None);
    assert!(bombs.len() >= 40);
    let mut failed = Vec::new();
    for bomb in &bombs {
        let output = Command::new("sh")
            .arg("-c")
            // The parameters, their copies and the test itself, and 64 MiB; 60 s of processor time.
            .arg("ulimit -v 786432 && ulimit -t 60 && exec \"$0\" --exact bombs::bombs_end_in_the_child --nocapture")
            .arg(&exe)
            .env(BOMB, format!("{engine} {bomb}"))
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        match out.lines().find_map(|line| line.split_once("BOMB ")) {
            Some((_, line)) if output.status.success() => {
                let shown: String = line.chars().take(200).collect();
                eprintln!("{shown}");
            }
            _ => failed.push(format!(
                "{} ({:?}): {}",
                bomb,
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
