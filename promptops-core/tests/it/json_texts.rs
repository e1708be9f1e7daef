//! JSON texts that are none, wherever they come in: an error that says where, and no panic.

use promptops_core::base::{Actor, stored};
use promptops_core::evaluation::judge::HumanRating;
use promptops_core::evaluation::{CsvColumns, CsvFormat, DatasetDraft, MissingIds};
use promptops_core::llm::ToolCall;
use promptops_core::observation::otel::ImportOptions;
use promptops_core::prompt::{Content, Draft};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps};
use serde_json::{Map, Value};

/// Values that no parser may take, as the value of a key.
fn broken() -> Vec<String> {
    let mut broken: Vec<String> = [
        // Lone surrogates.
        "\"\\ud800\"",
        "\"x \\udc00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud800\\ud800\"",
        // Numbers that have no form.
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "01",
        "1.",
        ".5",
        "+1",
        "0x10",
        // What other languages allow.
        "'single'",
        "undefined",
        "True",
        "[1,]",
        "{\"a\": 1,}",
        "{a: 1}",
        "// comment\n1",
        "\"tab\tinside\"",
        "\"\u{0}\"",
        "\"\\x41\"",
        "\"\\u12\"",
        // Cut.
        "\"open",
        "[1, 2",
        "{\"a\": ",
        "tru",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    for levels in [129, 100_000] {
        broken.push(format!("{}1{}", "[".repeat(levels), "]".repeat(levels)));
        broken.push(format!("{}1{}", "{\"k\":".repeat(levels), "}".repeat(levels)));
        broken.push("[".repeat(levels));
    }
    broken
}

/// Errors are for logs: short, and of bad input.
#[track_caller]
fn is_told(text: &str, error: &Error, place: &str) {
    let said = error.to_string();
    let shown: String = text.chars().take(60).collect();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{shown}: {said}");
    assert!(said.contains(place), "{shown}: {said}");
    assert!(said.len() < 600, "{shown}: {said}");
}

#[test]
fn broken_json_in_a_dataset_is_told_with_its_line() {
    for value in broken() {
        // On one line, as the format has it.
        let value = value.replace('\n', " ");
        let good = r#"{"id": "a", "input": {"q": 1}}"#;
        let text = format!("{good}\n{{\"id\": \"b\", \"input\": {{\"q\": {value}}}}}\n");
        let error = DatasetDraft::from_jsonl(text.as_bytes(), MissingIds::Refused).unwrap_err();
        is_told(&value, &error, "line 2");
    }
    for bytes in [
        &b"\xff\xfe{"[..],
        b"{\"id\": \"\xc3\"}",
        b"\x00",
        b"{\"id\": \"a\", \"input\": {}} {}",
    ] {
        let error = DatasetDraft::from_jsonl(bytes, MissingIds::Refused).unwrap_err();
        is_told(&format!("{bytes:?}"), &error, "line 1");
    }
}

#[test]
fn broken_json_in_a_cell_is_told_with_its_line() {
    let columns = CsvColumns::new().format(CsvFormat::new().json_cells());
    for value in broken() {
        // Other cells are texts, whatever they are.
        if !value.starts_with(['{', '[', '"']) {
            continue;
        }
        let cell = value.replace('"', "\"\"");
        let text = format!("id,input.q\na,1\nb,\"{cell}\"\n");
        let error = DatasetDraft::from_csv(text.as_bytes(), &columns).unwrap_err();
        is_told(&value, &error, "line 3");
    }
}

#[test]
fn broken_json_in_ratings_is_told_with_its_line() {
    for value in broken() {
        let value = value.replace('\n', " ");
        let good = r#"{"id": "a", "output": "x", "human": 1.0}"#;
        let text = format!(
            "{good}\n{{\"id\": \"b\", \"output\": \"x\", \"human\": 1.0, \"input\": {{\"q\": {value}}}}}"
        );
        is_told(&value, &HumanRating::read_jsonl(&text).unwrap_err(), "line 2");
    }
}

#[test]
fn broken_arguments_of_a_tool_call_are_told_with_their_place() {
    for value in broken() {
        let call = ToolCall {
            id: "c".into(),
            name: "look_up".into(),
            arguments: format!("{{\"q\": {value}}}"),
        };
        let said = call.parse().unwrap_err().to_string();
        assert!(said.contains("line ") && said.contains("column "), "{said}");
        assert!(said.len() < 300, "{said}");
    }
}

#[test]
fn broken_json_in_a_store_is_corrupt() {
    let good = Content::text("x");
    for value in broken() {
        let text = format!("{{\"body\": {{\"template\": {value}}}}}");
        let error = Content::from_json(&text, &good.hash()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let error =
            stored::from_json::<Map<String, Value>>("labels", &format!("{{\"a\": {value}}}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("line ") && cause.contains("column "), "{cause}");
    }
}

#[tokio::test]
async fn broken_json_in_an_import_is_told_and_nothing_is_taken() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    acme.prompts()
        .save("triage", Draft::text("x").by(Actor::owner("ana")).active())
        .await
        .unwrap();
    let options = ImportOptions::new().default_prompt("triage@v1").unwrap();
    for value in broken() {
        let span = format!("{{\"traceId\": \"5b8efff798038103d269b633813fc60c\", \"attributes\": {value}}}");
        let text = format!("{{\"resourceSpans\": [{{\"scopeSpans\": [{{\"spans\": [{span}]}}]}}]}}");
        let shown: String = value.chars().take(60).collect();
        match acme.traces().import_otlp(text.as_bytes(), &options).await {
            Ok(report) => assert_eq!(report.imported, 0, "{shown}"),
            Err(error) => is_told(&value, &error, ""),
        }
    }
}
