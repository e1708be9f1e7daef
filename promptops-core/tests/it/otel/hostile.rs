//! Texts that mean no good, or no sense.

use std::io::{self, BufReader, Read};

use promptops_core::ErrorKind;
use promptops_core::observation::otel::{ImportOptions, ImportReport, SkipReason};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{acme, fixture, import, traces};

const FIXTURES: [&str; 7] = [
    "collector.jsonl",
    "gen_ai.json",
    "gen_ai_events.json",
    "langfuse.json",
    "open_inference.json",
    "open_llmetry.json",
    "refused.json",
];

fn sum(report: &ImportReport) -> u64 {
    let skipped = report.skipped.values().map(|skipped| skipped.count);
    report.imported + report.duplicates + skipped.sum::<u64>()
}

fn one(attributes: Value) -> String {
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": "1767225000000000000", "attributes": attributes,
    });
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string()
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

fn check(text: &[u8]) -> Result<(), TestCaseError> {
    in_runtime(async {
        let acme = acme().await;
        let options = ImportOptions::new().default_prompt("support/triage@v1").unwrap();
        let Ok(first) = acme.traces().import_otlp(text, &options).await else {
            return Ok(());
        };
        prop_assert_eq!(first.spans, sum(&first));
        prop_assert_eq!(traces(&acme).await.len() as u64, first.imported);
        let again = acme.traces().import_otlp(text, &options).await.unwrap();
        prop_assert_eq!(again.spans, sum(&again));
        prop_assert_eq!(
            (again.imported, again.duplicates),
            (0, first.imported + first.duplicates)
        );
        Ok(())
    })
}

/// Names that are read, and one that is not.
const NAMES: [&str; 33] = [
    "gen_ai.operation.name",
    "openinference.span.kind",
    "langfuse.observation.type",
    "llm.request.type",
    "gen_ai.system",
    "gen_ai.request.model",
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
    "gen_ai.prompt.variable.a",
    "gen_ai.prompt.0.content",
    "gen_ai.prompt",
    "gen_ai.completion.4294967296.content",
    "gen_ai.completion.7.content",
    "gen_ai.completion",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "llm.token_count.completion",
    "llm.cost.total",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "llm.output_messages.0.message.content",
    "llm.prompt_template.variables",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "langfuse.trace.tags",
    "tag.tags",
    "promptops.prompt",
    "promptops.trace_id",
    "promptops.epoch",
    "something.else",
];

const TEXTS: [&str; 16] = [
    "chat",
    "LLM",
    "generation",
    "support/triage",
    "1",
    "v2",
    "{}",
    "[]",
    "[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]}]",
    "{\"input\":1,\"output\":2,\"input_cached_tokens\":1e9}",
    "{\"prompt_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":-1}}",
    "{\"total\":1e308}",
    "\u{0}\u{feff}é",
    "[[[[[[[[",
    "null",
    "",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        proptest::sample::select(&TEXTS[..]).prop_map(|text| json!({"stringValue": text})),
        any::<i64>().prop_map(|integer| json!({"intValue": integer.to_string()})),
        (0_i64..2_000).prop_map(|integer| json!({"intValue": integer})),
        any::<f64>().prop_map(|double| json!({"doubleValue": double})),
        Just(json!({"doubleValue": "NaN"})),
        any::<bool>().prop_map(|truth| json!({"boolValue": truth})),
        Just(json!({})),
        Just(json!("bare")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| json!({"arrayValue": {"values": values}})),
            vec((proptest::sample::select(&NAMES[..]), inner), 0..4).prop_map(|entries| {
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| json!({"key": key, "value": value}));
                json!({"kvlistValue": {"values": entries.collect::<Vec<_>>()}})
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_damage_of_a_text_is_a_panic(
        name in proptest::sample::select(&FIXTURES[..]),
        damages in vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4, 0_usize..40), 1..6),
    ) {
        let mut text = fixture(name).into_bytes();
        for (at, byte, kind, length) in damages {
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            match kind {
                0 => text[at] = byte,
                1 => drop(text.drain(at..end)),
                2 => text.insert(at, byte),
                _ => {
                    let again = text[at..end].to_vec();
                    text.splice(at..at, again);
                }
            }
        }
        check(&text)?;
    }

    #[test]
    fn no_attributes_are_a_panic(
        attributes in vec((proptest::sample::select(&NAMES[..]), value()), 0..12),
        is_llm in any::<bool>(),
    ) {
        let mut attributes: Vec<Value> = attributes
            .into_iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        if is_llm {
            attributes.push(json!({"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}));
        }
        check(one(Value::Array(attributes)).as_bytes())?;
    }
}

#[tokio::test]
async fn half_a_file_is_refused_at_every_byte() {
    let text = fixture("open_llmetry.json");
    let acme = acme().await;
    let end = text.trim_end().len();
    for at in (1..end).step_by(97).chain([end - 1]) {
        let error = import(&acme, &text[..at], &ImportOptions::new())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{at}");
    }
    assert!(traces(&acme).await.is_empty());
}

#[tokio::test]
async fn a_large_attribute_costs_its_own_span_and_a_large_request_itself() {
    let acme = acme().await;
    let chat = json!({"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}});
    let large = one(json!([chat, {"key": "gen_ai.prompt", "value": {"stringValue": "x".repeat(5 << 20)}}]));
    let good = one(json!([chat]));
    let text = format!("{large}\n{good}\n");
    let options = ImportOptions::new().default_prompt("support/triage@v1").unwrap();
    let report = import(&acme, &text, &options).await.unwrap();
    assert_eq!(
        (report.skipped(SkipReason::TooLarge), report.imported),
        (1, 1),
        "{report}"
    );
    let report = import(&acme, &text, &options.clone().max_request_bytes(1 << 20))
        .await
        .unwrap();
    assert_eq!((report.refused.count, report.duplicates), (1, 1), "{report}");
    // 100 MB of one attribute, in memory for 1 MiB.
    let begin = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"";
    let endless = Read::chain(begin.as_bytes(), io::repeat(b'x').take(100 << 20)).chain("\n".as_bytes());
    let endless = BufReader::new(endless.chain(good.as_bytes()));
    let report = acme
        .traces()
        .import_otlp(endless, &options.max_request_bytes(1 << 20))
        .await
        .unwrap();
    assert_eq!((report.refused.count, report.duplicates), (1, 1), "{report}");
}

#[tokio::test]
async fn nesting_bombs_are_skipped() {
    let acme = acme().await;
    let options = ImportOptions::new().default_prompt("support/triage@v1").unwrap();
    let deep = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000))
    };
    let chat = r#"{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}}"#;
    let array = deep(r#"{"arrayValue":{"values":["#, "{}", "]}}");
    let text = one(json!("HERE")).replace(
        "\"HERE\"",
        &format!(r#"[{chat},{{"key":"gen_ai.prompt","value":{array}}}]"#),
    );
    let report = import(&acme, &text, &options).await.unwrap();
    assert_eq!(report.skipped(SkipReason::Malformed), 1, "{report}");
    // As the text of a value it is a text like any other.
    let brackets = deep("[", "", "]");
    let text = one(json!([
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.prompt", "value": {"stringValue": brackets}},
    ]));
    let report = import(&acme, &text, &options).await.unwrap();
    assert_eq!(report.imported, 1, "{report}");
    let error = import(&acme, &brackets, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = format!("{{\"resourceSpans\": {brackets}}}");
    assert!(import(&acme, &text, &options).await.is_err());
}

#[tokio::test]
async fn a_reader_that_fails_is_told() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let acme = acme().await;
    let text = fixture("collector.jsonl");
    let reader = BufReader::new(text.as_bytes().chain(Failing));
    let error = acme
        .traces()
        .import_otlp(reader, &ImportOptions::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("gone"), "{error}");
}

/// This field of the kernel's account of the process, in bytes.
fn memory(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// One request of so many bytes with nothing but this, again and again, as it comes from a network.
fn endless(item: &'static str, bytes: usize) -> impl io::BufRead + Send {
    let begin = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[";
    let count = bytes / (item.len() + 1);
    let mut left = (0..count)
        .map(move |_| item)
        .flat_map(|item| item.bytes().chain([b',']));
    let items = std::iter::from_fn(move || {
        let chunk: Vec<u8> = left.by_ref().take(1 << 16).collect();
        (!chunk.is_empty()).then_some(chunk)
    });
    let mut parts = std::iter::once(begin.as_bytes().to_vec())
        .chain(items)
        .chain([[item, "]}]}]}"].concat().into_bytes()]);
    let mut part = io::Cursor::new(Vec::new());
    BufReader::new(Reading(move |buffer: &mut [u8]| {
        loop {
            match part.read(buffer)? {
                0 => match parts.next() {
                    Some(next) => part = io::Cursor::new(next),
                    None => return Ok(0),
                },
                read => return Ok(read),
            }
        }
    }))
}

struct Reading<F>(F);

impl<F: FnMut(&mut [u8]) -> io::Result<usize>> Read for Reading<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.0)(buffer)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_request_of_tiny_spans_takes_a_small_multiple_of_its_memory() {
    const CHILD: &str = "PROMPTOPS_TEST_TINY_SPANS";
    const BYTES: usize = 2 << 20;
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own, so that nobody else's memory is counted.
        let name = "otel::hostile::a_request_of_tiny_spans_takes_a_small_multiple_of_its_memory";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let acme = acme().await;
        let before = memory("VmRSS:");
        let request = endless("{}", BYTES);
        let report = acme.traces().import_otlp(request, &ImportOptions::new()).await;
        let taken = memory("VmHWM:") - before;
        assert_eq!(report.unwrap().spans, (BYTES / 3 + 1) as u64);
        assert!(taken < 3 * BYTES, "{taken} bytes for {BYTES}");
    });
}
