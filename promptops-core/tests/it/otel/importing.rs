//! What spans become.

use promptops_core::base::Actor;
use promptops_core::observation::otel::{ImportOptions, ImportReport, SkipReason, stamp_attributes};
use promptops_core::observation::{
    Assignment, AssignmentReason, Content, Omitted, RedactTexts, Stamp, TraceSettings, UnitKey,
};
use promptops_core::{ErrorKind, Tenant};
use serde_json::{Value, json};

use super::{acme, fixture, import, tenant, traces};

fn defaulting() -> ImportOptions {
    ImportOptions::new().default_prompt("support/triage@v1").unwrap()
}

/// The report and the traces, without what every trace has alike.
async fn shown(acme: &Tenant, report: &ImportReport) -> String {
    let mut shown = report.to_string();
    for trace in traces(acme).await {
        let mut value = serde_json::to_value(&trace).unwrap();
        let map = value.as_object_mut().unwrap();
        map.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!({}));
        shown += &serde_json::to_string_pretty(&value).unwrap();
        shown += "\n";
    }
    shown
}

async fn imported(name: &str) -> String {
    let acme = acme().await;
    let report = import(&acme, &fixture(name), &defaulting()).await.unwrap();
    let shown = shown(&acme, &report).await;

    let again = import(&acme, &fixture(name), &defaulting()).await.unwrap();
    assert_eq!((again.imported, again.duplicates), (0, report.imported));
    assert_eq!(again.skipped, report.skipped);
    assert_eq!(traces(&acme).await.len() as u64, report.imported);
    shown
}

#[tokio::test]
async fn spans_by_the_newest_names() {
    insta::assert_snapshot!(imported("gen_ai.json").await);
}

#[tokio::test]
async fn spans_by_older_names_with_events() {
    insta::assert_snapshot!(imported("gen_ai_events.json").await);
}

#[tokio::test]
async fn spans_of_open_llmetry() {
    insta::assert_snapshot!(imported("open_llmetry.json").await);
}

#[tokio::test]
async fn spans_of_open_inference() {
    insta::assert_snapshot!(imported("open_inference.json").await);
}

#[tokio::test]
async fn spans_of_langfuse() {
    insta::assert_snapshot!(imported("langfuse.json").await);
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_place() {
    let acme = acme().await;
    let report = import(&acme, &fixture("refused.json"), &ImportOptions::new())
        .await
        .unwrap();
    insta::assert_snapshot!(shown(&acme, &report).await);
    let skipped: u64 = report.skipped.values().map(|skipped| skipped.count).sum();
    assert_eq!(report.spans, report.imported + report.duplicates + skipped);
    assert!(!report.is_complete());
}

#[tokio::test]
async fn one_request_on_each_line_and_one_that_is_cut() {
    let acme = acme().await;
    let text = fixture("collector.jsonl");
    let report = import(&acme, &text, &ImportOptions::new()).await.unwrap();
    assert_eq!(
        (report.requests, report.refused.count, report.imported),
        (3, 1, 3),
        "{report}"
    );
    assert_eq!(report.refused.places[0].line, 3);
    let outputs: Vec<_> = traces(&acme)
        .await
        .into_iter()
        .filter_map(|trace| trace.output)
        .collect();
    assert_eq!(outputs, ["one", "two", "four"]);
    // The same over several lines.
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let pretty = format!("\u{feff}{0:#}\n{0:#}", first);
    let report = import(&acme, &pretty, &ImportOptions::new()).await.unwrap();
    assert_eq!((report.requests, report.duplicates), (2, 2), "{report}");
}

#[tokio::test]
async fn what_is_imported_is_counted_like_what_is_recorded() {
    let acme = acme().await;
    let _ = import(&acme, &fixture("gen_ai.json"), &ImportOptions::new())
        .await
        .unwrap();
    let stamp = acme
        .resolve("support/triage@v1")
        .render(&json!({"ticket": ""}))
        .await
        .unwrap();
    let trace = &traces(&acme).await[0];
    assert_eq!(trace.stamp, stamp.stamp());
    let of = stamp.stamp();
    let counts = acme
        .metrics()
        .get(&of.prompt, &of.closure_hash, None)
        .await
        .unwrap();
    assert_eq!((counts.error_count, counts.input_tokens), (1, 412));
}

fn spans(attributes: &[(&str, &str)]) -> String {
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|(name, value)| json!({"key": name, "value": {"stringValue": value}}))
        .collect();
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": "1767225000123456789", "endTimeUnixNano": "1767225001123456789",
        "attributes": attributes,
    });
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string()
}

#[tokio::test]
async fn a_stamp_comes_back_as_it_went_out() {
    let plain = Stamp {
        prompt: "not/in/the/store".parse().unwrap(),
        version: None,
        closure_hash: format!("sha256:{}", "0b".repeat(32)).parse().unwrap(),
        environment: None,
        assignment: None,
    };
    let full = Stamp {
        version: Some(3.try_into().unwrap()),
        environment: Some("production".parse().unwrap()),
        assignment: Some(Assignment {
            experiment: "e:1".parse().unwrap(),
            variant: "b".parse().unwrap(),
            epoch: 9,
            unit: Some(UnitKey::new(5)),
            hash_version: 1,
            reason: AssignmentReason::OutsideNamespace,
        }),
        ..plain.clone()
    };
    for stamp in [plain, full] {
        let acme = acme().await;
        let attributes = stamp_attributes(&stamp);
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let report = import(&acme, &spans(&attributes), &ImportOptions::new())
            .await
            .unwrap();
        assert_eq!(report.imported, 1, "{report}");
        let trace = &traces(&acme).await[0];
        assert_eq!(trace.stamp, stamp);
        // The formula, written down in another language: sha256 over the domain, the format, and both ids.
        assert_eq!(trace.id.to_string(), "019b76d1-80bb-816a-9348-72f721af819b");
        assert_eq!(trace.at.timestamp_micros(), 1_767_225_000_123_456);
    }
}

#[tokio::test]
async fn a_prompt_without_a_version_is_skipped_unless_somebody_says_which() {
    let named = spans(&[
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.prompt.name", "support/triage"),
    ]);
    let unnamed = spans(&[("gen_ai.operation.name", "chat")]);
    let acme = acme().await;
    let ana = Actor::owner("ana");
    let v2 = acme.prompts().get("support/triage@v2").await.unwrap();
    acme.environments().promote(&v2, "dev", &ana).await.unwrap();
    let in_dev = || ImportOptions::new().default_prompt("support/triage@dev").unwrap();
    let of_tone = || ImportOptions::new().default_prompt("tone").unwrap();
    for (text, options, expected) in [
        (&named, ImportOptions::new(), Err(SkipReason::NoVersion)),
        (&unnamed, ImportOptions::new(), Err(SkipReason::NoPrompt)),
        (
            &unnamed,
            ImportOptions::new().unversioned_as_latest(),
            Err(SkipReason::NoPrompt),
        ),
        (&named, of_tone(), Err(SkipReason::NoVersion)),
        (
            &named,
            ImportOptions::new().unversioned_as_latest(),
            Ok("support/triage v2 ("),
        ),
        (&named, defaulting(), Ok("support/triage v1 (")),
        (&named, in_dev(), Ok("support/triage v2 in dev (")),
        (&unnamed, in_dev(), Ok("support/triage v2 in dev (")),
        (&unnamed, of_tone(), Ok("tone v1 (")),
        (&unnamed, of_tone().unversioned_as_latest(), Ok("tone v1 (")),
    ] {
        let report = import(&acme, text, &options).await.unwrap();
        match expected {
            Err(reason) => assert_eq!(report.skipped(reason), 1, "{reason}: {report}"),
            Ok(stamp) => {
                assert_eq!(report.imported, 1, "{stamp}: {report}");
                let trace = &traces(&acme).await[0];
                assert!(trace.stamp.to_string().starts_with(stamp), "{}", trace.stamp);
                acme.traces().remove_before(chrono_end()).await.unwrap();
            }
        }
    }
    assert!(ImportOptions::new().default_prompt("No Prompt").is_err());
}

fn chrono_end() -> promptops_core::base::Timestamp {
    use promptops_core::base::{Clock, ManualClock};
    ManualClock::default().now()
}

#[tokio::test]
async fn content_and_redaction_are_as_for_what_is_recorded_and_nothing_is_sampled() {
    let mut settings = TraceSettings::default();
    settings.sample = 0.0;
    settings.keep_errors = false;
    settings.redact = Some(std::sync::Arc::new(RedactTexts(|text: &mut String| {
        *text = text.replace("parcel", "***");
        assert!(
            !text.contains("broken"),
            "it is not to be stored what cannot be redacted"
        );
    })));
    let acme = tenant(settings.clone()).await;
    let report = import(&acme, &fixture("gen_ai.json"), &ImportOptions::new())
        .await
        .unwrap();
    assert_eq!(
        (report.imported, report.skipped(SkipReason::NotRedacted)),
        (2, 1),
        "{report}"
    );
    let trace = serde_json::to_string(&traces(&acme).await[0]).unwrap();
    assert!(trace.contains("Where is my ***?"), "{trace}");

    settings.redact = None;
    settings.content = Content::Omitted;
    let acme = tenant(settings.clone()).await;
    let _ = import(&acme, &fixture("gen_ai.json"), &ImportOptions::new())
        .await
        .unwrap();
    assert_eq!(traces(&acme).await[0].omitted, Some(Omitted::BySetting));
    assert_eq!(traces(&acme).await[2].error.as_ref().unwrap().message, "");

    settings.content = Content::Kept;
    settings.max_content_bytes = 10;
    let acme = tenant(settings).await;
    let _ = import(&acme, &fixture("gen_ai.json"), &ImportOptions::new())
        .await
        .unwrap();
    assert_eq!(traces(&acme).await[0].omitted, Some(Omitted::TooLarge));
}

#[tokio::test]
async fn a_text_without_a_request_is_an_error_and_no_text_is_none() {
    let acme = acme().await;
    for text in [
        "no json",
        "{\"resourceSpans\": [",
        "[]",
        "{\"resourceSpans\": {}}",
        "\u{1f}\u{8b}",
    ] {
        let error = import(&acme, text, &ImportOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.to_string().contains("line 1: "), "{error}");
    }
    for text in ["", "\n\n"] {
        assert_eq!(
            import(&acme, text, &ImportOptions::new()).await.unwrap(),
            ImportReport::default()
        );
    }
    let report = import(&acme, "{}", &ImportOptions::new()).await.unwrap();
    assert_eq!((report.requests, report.spans), (1, 0));
    assert!(report.is_complete());
}
