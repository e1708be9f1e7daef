use std::sync::Arc;

use proptest::prelude::*;
use semver::Version as Semver;
use serde_json::{Map, Value, json};

use super::*;
use crate::base::{Actor, Clock, ManualClock, TenantId};
use crate::prompt::{ChatItem, MessageRole, Status, Tool, assistant, placeholder, system, user};

fn version(number: u32, content: Content) -> Version {
    Version {
        tenant: TenantId::new("acme").unwrap(),
        prompt: PromptName::new("support/triage").unwrap(),
        number: VersionNumber::new(number).unwrap(),
        hash: content.hash(),
        content: Arc::new(content),
        semver: None,
        parents: VersionNumber::new(number - 1).into_iter().collect(),
        author: Actor::member("ana"),
        message: String::new(),
        status: Status::Draft,
        created_at: ManualClock::default().now(),
    }
}

fn diff(from: &Content, to: &Content) -> PromptDiff {
    PromptDiff::between_contents(("old", from), ("new", to), &DiffOptions::default())
}

fn text(from: &str, to: &str) -> PromptDiff {
    diff(&Content::text(from), &Content::text(to))
}

fn chat(from: &[ChatItem], to: &[ChatItem]) -> PromptDiff {
    diff(&Content::chat(from.to_vec()), &Content::chat(to.to_vec()))
}

/// Number, status and number of each item, such as `1 unchanged 2`.
fn statuses(diff: &PromptDiff) -> Vec<String> {
    let number = |place: Option<ItemPlace>| place.map_or("-".to_owned(), |place| place.number.to_string());
    diff.items
        .iter()
        .map(|item| format!("{} {:?} {}", number(item.from), item.status, number(item.to)).to_lowercase())
        .collect()
}

/// Both bodies, rebuilt from nothing but the difference.
fn rebuilt(diff: &PromptDiff) -> [Vec<(usize, ItemKind, String)>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for item in &diff.items {
        let mut lines = [Vec::new(), Vec::new()];
        for hunk in &item.hunks {
            assert_eq!(hunk.from_lines.first, lines[0].len() + 1);
            assert_eq!(hunk.to_lines.first, lines[1].len() + 1);
            let ends = (
                lines[0].len() + hunk.from_lines.count,
                lines[1].len() + hunk.to_lines.count,
            );
            match &hunk.change {
                HunkChange::Equal(equal) => lines.iter_mut().for_each(|side| side.extend(equal.clone())),
                HunkChange::Add(added) => lines[1].extend(added.clone()),
                HunkChange::Delete(deleted) => lines[0].extend(deleted.clone()),
                HunkChange::Modify(modified) => {
                    assert!(modified.iter().all(|line| line.from_line() != line.to_line()));
                    lines[0].extend(modified.iter().map(LineChange::from_line));
                    lines[1].extend(modified.iter().map(LineChange::to_line));
                }
            }
            assert_eq!((lines[0].len(), lines[1].len()), ends);
        }
        for ((side, place), lines) in sides.iter_mut().zip([item.from, item.to]).zip(lines) {
            if let Some(place) = place {
                side.push((place.number, place.kind, lines.join("\n")));
            }
        }
    }
    sides.iter_mut().for_each(|side| side.sort_by_key(|item| item.0));
    sides
}

fn flat(content: &Content) -> Vec<(usize, ItemKind, String)> {
    match &content.body {
        Body::Text { template } => vec![(1, ItemKind::Text, template.clone())],
        Body::Chat { messages } => messages
            .iter()
            .zip(1..)
            .map(|(item, number)| match item {
                ChatItem::Message { role, template } => {
                    (number, ItemKind::Message { role: *role }, template.clone())
                }
                ChatItem::Placeholder { placeholder } => (number, ItemKind::Placeholder, placeholder.clone()),
            })
            .collect(),
    }
}

#[test]
fn summaries_count_lines_in_the_singular_and_the_plural() {
    for (from, to, expected) in [
        ("a", "a", "no changes"),
        ("", "", "no changes"),
        ("a", "a\nb", "1 addition"),
        ("", "a\nb", "2 additions"),
        ("a\nb\nc", "b", "2 deletions"),
        ("a\nb", "a\nc", "1 modification"),
        ("a\nb\nc", "x\ny\nz", "3 modifications"),
        ("a\nb", "x\ny\nz", "1 addition, 2 modifications"),
        ("a", "a\n", "1 addition"),
        ("a\r\nb\r\n", "a\nb\n", "2 modifications"),
        (
            "one\ntwo\nBe brief and kind.\nx\ny\nz",
            "Be very brief and kind.\nx\nnew 1\nnew 2\ny\nnew 3\nz",
            "3 additions, 2 deletions, 1 modification",
        ),
    ] {
        assert_eq!(text(from, to).summary, expected, "{from:?} {to:?}");
    }
}

#[test]
fn similar_lines_are_paired_wherever_they_stand_in_a_block() {
    let diff = text(
        "start\nThis one goes away.\nAnswer in one word.\nend",
        "start\nAnswer in two words.\nSomething else that is new.\nend",
    );
    assert_eq!(diff.summary, "1 addition, 1 deletion, 1 modification");
    assert_eq!(
        serde_json::to_value(&diff.items[0]).unwrap(),
        json!({
            "status": "changed",
            "from": {"number": 1, "kind": "text"},
            "to": {"number": 1, "kind": "text"},
            "additions": 1, "deletions": 1, "modifications": 1,
            "hunks": [
                {"kind": "equal", "from_lines": {"first": 1, "count": 1}, "to_lines": {"first": 1, "count": 1},
                 "lines": ["start"]},
                {"kind": "delete", "from_lines": {"first": 2, "count": 1}, "to_lines": {"first": 2, "count": 0},
                 "lines": ["This one goes away."]},
                {"kind": "modify", "from_lines": {"first": 3, "count": 1}, "to_lines": {"first": 2, "count": 1},
                 "lines": [{"segments": [
                    {"kind": "equal", "text": "Answer in "},
                    {"kind": "deleted", "text": "one word"},
                    {"kind": "inserted", "text": "two words"},
                    {"kind": "equal", "text": "."},
                 ]}]},
                {"kind": "add", "from_lines": {"first": 4, "count": 0}, "to_lines": {"first": 3, "count": 1},
                 "lines": ["Something else that is new."]},
                {"kind": "equal", "from_lines": {"first": 4, "count": 1}, "to_lines": {"first": 4, "count": 1},
                 "lines": ["end"]},
            ],
        })
    );
}

#[test]
fn unified_text_has_context_ranges_and_values() {
    let lines = |change: &str| {
        (1..=20)
            .map(|n| {
                if n == 5 {
                    change.to_owned()
                } else {
                    format!("line {n}")
                }
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut old = Content::chat([system("Be kind."), user(lines("Tone: formal")), user("bye")]);
    let mut new = Content::chat([
        system("Be kind."),
        placeholder("history"),
        user(format!("{}\nline 21", lines("Tone: warm"))),
    ]);
    old.settings.temperature = Some(0.2);
    new.settings.temperature = Some(0.7);
    new.settings.max_tokens = Some(100);
    old.settings.model = Some("small".to_owned());
    new.tools.push(Tool {
        name: "look_up".to_owned(),
        description: Some("Looks up what the customer bought before".to_owned()),
        parameters: json!({"type": "object", "properties": {}}),
    });
    let diff = PromptDiff::between(&version(1, old), &version(2, new), &DiffOptions::default());
    assert_eq!(
        diff.summary,
        "2 additions, 1 deletion, 1 modification, 3 settings changed, 1 tool changed"
    );
    assert_eq!(
        diff.to_unified(),
        r#"--- support/triage v1
+++ support/triage v2
@@ message 2 (placeholder, added): -0,0 +1,1 @@
+history
@@ message 2 → 3 (user): -2,7 +2,7 @@
 line 2
 line 3
 line 4
-Tone: formal
+Tone: warm
 line 6
 line 7
 line 8
@@ message 2 → 3 (user): -18,3 +18,4 @@
 line 18
 line 19
 line 20
+line 21
@@ message 3 (user, removed): -1,1 +0,0 @@
-bye
@@ settings @@
+settings.max_tokens: 100
-settings.model: "small"
-settings.temperature: 0.2
+settings.temperature: 0.7
@@ tools @@
+tools.look_up: {
+  "description": "Looks up what the customer bought before",
+  "parameters": {
+    "properties": {},
+    "type": "object"
+  }
+}
"#
    );
}

#[test]
fn what_cannot_be_seen_is_written_out() {
    assert_eq!(
        text("a\u{202e}b\nnext\nc d\nx\\ry", "ab\r\nnext\nc\u{a0}d\nx\ry\n").to_unified(),
        "--- old
+++ new
@@ text: -1,4 +1,5 @@
-a\\u{202e}b
+ab\\r
 next
-c d
-x\\\\ry
+c\\u{a0}d
+x\\ry
+
\\ the text now ends with a newline
"
    );
    let hidden: String = [
        '\u{0}',
        '\u{1b}',
        '\u{85}',
        '\u{200b}',
        '\u{2067}',
        '\u{feff}',
        '\u{e0041}',
        '\u{fe0f}',
    ]
    .into_iter()
    .collect();
    let shown = text("", &hidden).to_unified();
    assert!(
        shown.contains(r"+\u{0}\u{1b}\u{85}\u{200b}\u{2067}\u{feff}\u{e0041}\u{fe0f}"),
        "{shown}"
    );
    let labels = PromptDiff::between_contents(
        ("a\n+++ b\u{202e}", &Content::text("")),
        ("c", &Content::text("")),
        &DiffOptions::default(),
    );
    assert_eq!(labels.to_unified(), "--- a\\n+++ b\\u{202e}\n+++ c\nno changes\n");
    let gone = text("a\n", "a").to_unified();
    assert!(
        gone.ends_with("\\ the text no longer ends with a newline\n"),
        "{gone}"
    );
}

#[test]
fn messages_are_matched_by_role_similarity_and_order() {
    let (a, b, c) = (
        system("Be kind and answer in one word"),
        user("Where is {{ order }}?"),
        assistant("It is on its way"),
    );
    let inserted = chat(
        &[a.clone(), b.clone(), c.clone()],
        &[a.clone(), user("Hi"), b.clone(), c.clone()],
    );
    assert_eq!(
        statuses(&inserted),
        ["1 unchanged 1", "- added 2", "2 unchanged 3", "3 unchanged 4"]
    );
    assert_eq!(inserted.summary, "1 addition");

    let shifted = chat(
        &[a.clone(), b.clone(), c.clone()],
        &[
            a.clone(),
            user("An example that is new"),
            user("So where is {{ order }}?"),
            assistant("It is on its way!"),
        ],
    );
    assert_eq!(
        statuses(&shifted),
        ["1 unchanged 1", "- added 2", "2 changed 3", "3 changed 4"]
    );

    let moved = chat(
        &[a.clone(), b.clone(), c.clone()],
        &[b.clone(), c.clone(), a.clone()],
    );
    assert_eq!(statuses(&moved), ["2 unchanged 1", "3 unchanged 2", "1 moved 3"]);
    assert_eq!(moved.summary, "1 message moved");
    assert!(
        moved
            .to_unified()
            .contains("@@ message 1 → 3 (system, moved) @@\n")
    );

    let reversed = chat(
        &[user("a"), user("b"), user("c")],
        &[user("c"), user("b"), user("a")],
    );
    assert_eq!(reversed.summary, "2 messages moved");

    let role = chat(
        &[user("Obey the policy at all times")],
        &[system("Obey the policy at all times")],
    );
    assert_eq!(role.summary, "1 role changed");
    assert!(role.to_unified().ends_with("@@ message 1 (user → system) @@\n"));

    let other = chat(&[user("Hello")], &[assistant("Good bye")]);
    assert_eq!(statuses(&other), ["1 removed -", "- added 1"]);

    let placeholders = chat(
        &[a.clone(), placeholder("history")],
        &[a.clone(), placeholder("turns")],
    );
    assert_eq!(statuses(&placeholders), ["1 unchanged 1", "2 changed 2"]);
    assert_eq!(placeholders.summary, "1 modification");

    let empty = chat(std::slice::from_ref(&a), &[a.clone(), user("")]);
    assert_eq!(empty.summary, "1 empty message added or removed");
    assert!(empty.to_unified().ends_with("@@ message 2 (user, added) @@\n"));
}

#[test]
fn a_text_that_becomes_a_chat_keeps_its_lines() {
    let diff = diff(
        &Content::text("Be kind.\nAnswer in one word."),
        &Content::chat([system("Be kind.\nAnswer in one word."), user("{{ question }}")]),
    );
    assert_eq!(diff.summary, "1 addition, kind of prompt changed");
    assert_eq!(
        diff.to_unified(),
        "--- old\n+++ new\n@@ text → message 1 (system) @@\n@@ message 2 (user, added): -0,0 +1,1 @@\n+{{ question }}\n"
    );
}

#[test]
fn values_are_compared_as_json() {
    let tool = |name: &str, description: &str| Tool {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters: json!({"type": "object"}),
    };
    let mut old = Content::text("a");
    let mut new = old.clone();
    old.tools = vec![tool("look_up", "a"), tool("send", "b")];
    new.tools = vec![tool("send", "b"), tool("look_up", "c")];
    old.settings.extra = Map::from_iter([("top.k".to_owned(), json!(1)), ("seed".to_owned(), json!(1.0))]);
    new.settings.extra = Map::from_iter([("seed".to_owned(), json!(1)), ("top.k".to_owned(), json!(2))]);
    old.input_schema = Some(json!({"properties": {"n": {"type": "string"}}, "required": ["n"]}));
    new.input_schema = Some(json!({
        "properties": {"n": {"type": "string"}, "tone": {"enum": ["warm"]}}, "required": ["n", "tone"]
    }));
    new.output_schema = Some(json!({"type": "string"}));
    old.settings.stop = vec!["a".to_owned(), "b".to_owned()];
    new.settings.stop = vec!["a".to_owned(), "c".to_owned()];
    let diff = diff(&old, &new);
    assert_eq!(
        diff.summary,
        "2 settings changed, 1 tool changed, 2 schemas changed"
    );
    assert_eq!(
        serde_json::to_value(&diff.values).unwrap(),
        json!([
            {"path": "settings.extra[\"top.k\"]", "from": 1, "to": 2},
            {"path": "settings.stop[1]", "from": "b", "to": "c"},
            {"path": "tools.look_up.description", "from": "a", "to": "c"},
            {"path": "tools", "from": ["look_up", "send"], "to": ["send", "look_up"]},
            {"path": "input_schema.properties.tone", "from": null, "to": {"enum": ["warm"]}},
            {"path": "input_schema.required", "from": ["n"], "to": ["n", "tone"]},
            {"path": "output_schema", "from": null, "to": {"type": "string"}},
        ])
    );
}

#[test]
fn deep_and_many_values_are_bounded() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let mut old = Content::text("");
    let mut new = old.clone();
    old.input_schema = Some(deep.clone());
    new.input_schema = Some(json!({ "a": deep }));
    let found = diff(&old, &new);
    assert_eq!(found.values.len(), 1);
    assert_eq!(found.values[0].path.matches(".a").count(), 32);

    let many = |base: usize| Some(json!((base..base + 3000).collect::<Vec<_>>()));
    old.input_schema = many(0);
    new.input_schema = many(1);
    let found = diff(&old, &new);
    assert_eq!((found.values.len(), found.values_omitted), (1000, 2000));
    assert!(found.to_unified().ends_with("\\ 2000 more values changed\n"));

    let key = "k".repeat(5000);
    old.input_schema = Some(json!({ key.as_str(): 1 }));
    new.input_schema = Some(json!({ key.as_str(): 2 }));
    assert_eq!(diff(&old, &new).values[0].path, "input_schema");
}

#[test]
fn large_text_gets_the_same_counts_without_hunks() {
    let old = Content::chat([system("a\nb"), user("x\ny")]);
    let new = Content::chat([system("a\nb"), user("x\nz\nw")]);
    let options = DiffOptions {
        summary_only_above: 4,
        ..DiffOptions::default()
    };
    let summary = PromptDiff::between_contents(("old", &old), ("new", &new), &options);
    let full = diff(&old, &new);
    assert!(summary.summary_only && !full.summary_only);
    assert_eq!(summary.counts, full.counts);
    assert!(summary.items.iter().all(|item| item.hunks.is_empty()));
    assert_eq!(
        summary.to_unified(),
        "--- old\n+++ new\n@@ message 2 (user): 1 addition, 1 modification @@\n"
    );
}

#[test]
fn sides_are_named_in_json() {
    let value = serde_json::to_value(PromptDiff::between_contents(
        (&version(1, Content::text("a")), &Content::text("a")),
        ("draft", &Content::text("b")),
        &DiffOptions::default(),
    ))
    .unwrap();
    assert_eq!(value["from"]["prompt"], "support/triage");
    assert_eq!(value["from"]["version"], 1);
    assert_eq!(value["to"], json!({"label": "draft"}));
    assert_eq!(value["summary"], "1 modification");
    assert_eq!(value["counts"]["modifications"], 1);
}

#[test]
fn a_changelog_compares_each_version_with_its_first_parent() {
    let mut versions = vec![
        version(1, Content::text("a")),
        version(2, Content::text("a\nb")),
        version(3, Content::text("a\nc\nd")),
    ];
    versions[1].message = "Adds b\n\n# not a heading <b> [x](http://x)".to_owned();
    versions[1].semver = Some(Semver::new(1, 1, 0));
    versions[2].parents = vec![VersionNumber::FIRST];
    versions[2].author = Actor::system("controller");
    let changelog = Changelog::between(&versions);
    assert_eq!(
        changelog.to_string(),
        "# support/triage

v1 to v3: 2 additions.

## v3

2026-01-01, controller (system)

Since v1: 2 additions.

## v2 (1.1.0)

2026-01-01, ana (member)

> Adds b
>
> # not a heading \\<b> \\[x](http://x)

Since v1: 1 addition.

## v1

2026-01-01, ana (member)
"
    );
    assert_eq!(Changelog::between(&[]).to_string(), "No versions.\n");
    assert_eq!(Changelog::between(&versions[..1]).overall, None);
    // The parent is not in the list: the one before is compared with.
    let change = Changelog::between(&[versions[0].clone(), version(9, Content::text("a"))]);
    assert_eq!(change.entries[1].change.as_ref().unwrap().summary, "no changes");
}

#[test]
fn extreme_texts_do_no_harm() {
    let line = "word ".repeat(40_000);
    let newlines = "\n".repeat(2000);
    let many = (0..3000).map(|n| format!("{n}\n")).collect::<String>();
    let options = DiffOptions {
        summary_only_above: usize::MAX,
        context_lines: usize::MAX,
        ..DiffOptions::default()
    };
    let huge = "a\nb\n".repeat(20_000);
    let other = format!("b\n{}", "a\n".repeat(40_000));
    let texts = ["", "\n", &line, &newlines, &many, &huge, &other];
    for from in texts {
        for to in texts {
            let (from, to) = (Content::text(from), Content::text(to));
            let diff = PromptDiff::between_contents(("a", &from), ("b", &to), &options);
            assert_eq!(rebuilt(&diff), [flat(&from), flat(&to)]);
            let _ = diff.to_unified();
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        // Few words and many newlines, so that the sides have much in common.
        proptest::collection::vec(
            prop_oneof![
                Just("\n"),
                Just("\n"),
                Just(" "),
                Just("kind "),
                Just("brief"),
                Just("."),
                Just("\r\n"),
                Just("é"),
                Just("{{x}}"),
                Just("e\u{301}"),
                Just("\u{a0}"),
                Just("\u{202e}"),
                Just("回答"),
                Just("👨‍👩‍👧"),
            ],
            0..40
        )
        .prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

fn any_content() -> impl Strategy<Value = Content> {
    let item = prop_oneof![
        4 => (
            prop_oneof![Just(MessageRole::System), Just(MessageRole::User)],
            any_text()
        )
            .prop_map(|(role, template)| ChatItem::Message { role, template }),
        1 => "[ab]?".prop_map(placeholder),
    ];
    let body = prop_oneof![
        any_text().prop_map(Content::text),
        proptest::collection::vec(item, 0..6).prop_map(Content::chat),
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(1)),
        Just(json!(1.0)),
        Just(json!(0.5)),
        Just(json!(-0.0)),
        Just(json!(0)),
        Just(json!(u64::MAX)),
        Just(json!("a")),
        Just(json!([])),
        Just(json!({}))
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a.]{0,2}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let tools = proptest::collection::vec(("[ab]", value.clone()), 0..4);
    (body, proptest::option::of(value), tools).prop_map(|(mut content, schema, tools)| {
        content.input_schema = schema;
        content.tools = tools
            .into_iter()
            .map(|(name, parameters)| Tool {
                name,
                description: None,
                parameters,
            })
            .collect();
        content
    })
}

proptest! {
    // The same cases in every run.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_sides_can_be_rebuilt(from in any_content(), to in any_content(), word_limit in 0_usize..50) {
        let options = DiffOptions { word_limit, context_lines: word_limit % 4, ..DiffOptions::default() };
        let diff = PromptDiff::between_contents(("a", &from), ("b", &to), &options);
        prop_assert_eq!(rebuilt(&diff), [flat(&from), flat(&to)]);

        let again = PromptDiff::between_contents(("a", &from), ("b", &to), &options);
        prop_assert_eq!(&again, &diff);
        prop_assert_eq!(again.to_unified(), diff.to_unified());
        prop_assert_eq!(diff.counts.is_empty(), from.hash() == to.hash());
        prop_assert_eq!(diff.to_unified().ends_with("no changes\n"), diff.counts.is_empty());

        let counted = PromptDiff::between_contents(
            ("a", &from), ("b", &to), &DiffOptions { summary_only_above: 0, ..options },
        );
        prop_assert_eq!(counted.counts, diff.counts);
    }

    #[test]
    fn unified_text_hides_nothing(from in any_text(), to in any_text()) {
        let shown = text(&from, &to).to_unified();
        prop_assert!(
            !shown.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || ('\u{200b}'..='\u{200f}').contains(&c)),
            "{}", shown
        );
        // The ranges of the headers add up to the lines below them.
        for hunk in shown.split("\n@@ ").skip(1) {
            let (head, lines) = hunk.split_once('\n').unwrap();
            let count = |sign: char| -> usize {
                head.rsplit(sign).next().unwrap().split([',', ' ']).nth(1).unwrap().parse().unwrap()
            };
            let found = |sign: char| lines.split('\n').filter(|line| line.starts_with([sign, ' '])).count();
            prop_assert_eq!(found('-'), count('-'));
            prop_assert_eq!(found('+'), count('+'));
        }
    }
}
