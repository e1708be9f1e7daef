use promptops_core::improvement::cluster::{
    ClusterSettings, Found, Label, LabelBy, LabelRequest, LlmLabeller, cluster, label,
};
use promptops_core::improvement::triage::Failure;
use promptops_core::llm::{Blueprint, FinishReason, LlmError, LlmErrorKind, ScriptedLlm};

use super::planted::{failure, plant};

fn found(seed: u64, causes: &[usize]) -> Vec<Found> {
    let failures: Vec<Failure> = plant(seed, causes, 80)
        .into_iter()
        .map(|planted| planted.failure)
        .collect();
    cluster(&failures, &ClusterSettings::default().cut(0.88).unwrap()).clusters
}

fn alike(message: &str) -> Found {
    let failures: Vec<Failure> = (0..5)
        .map(|n| failure(n, n as u128, "helpful", message.into()))
        .collect();
    cluster(&failures, &ClusterSettings::default()).clusters.remove(0)
}

#[test]
fn without_a_model_the_words_make_a_name() {
    for (message, expected) in [
        (
            "Ticket 7 has no deadline",
            "helpful: ticket <num> has no deadline",
        ),
        ("", "helpful: a low score"),
    ] {
        let label = Label::built_in(&alike(message));
        assert!(label.text().starts_with(expected), "{}", label.text());
        assert_eq!(label.by(), &LabelBy::BuiltIn);
    }
    let long = Label::built_in(&alike(&"the deadline of refunds is missing ".repeat(9)));
    assert!(
        long.text().chars().count() <= Label::MAX_CHARS && long.text().contains('…'),
        "{}",
        long.text()
    );
    let names: Vec<String> = found(1, &[0, 1, 5])
        .iter()
        .map(|f| Label::built_in(f).text().to_owned())
        .collect();
    assert_eq!(names.len(), 3);
    for word in ["refund", "rude", "escalation"] {
        assert_eq!(
            names.iter().filter(|name| name.contains(word)).count(),
            1,
            "{word}: {names:?}"
        );
    }
}

#[tokio::test]
async fn a_model_sees_members_and_others_between_marks() {
    let all = found(2, &[0, 1]);
    let llm = std::sync::Arc::new(ScriptedLlm::saying("Refund deadline left out").with_model("m"));
    let named = label(&all[0], &all, Some(&LlmLabeller::new(llm.clone()))).await;
    assert!(named.refused.is_none());
    assert_eq!(named.label.text(), "Refund deadline left out");
    assert_eq!(named.label.by(), &LabelBy::Labeller("scripted/m".into()));
    let request: &Blueprint = &llm.requests()[0];
    let user = request.messages[1].text();
    assert_eq!(user.matches("<<<BEGIN MEMBER ").count(), all[0].texts.len());
    assert_eq!(user.matches("<<<BEGIN OTHER ").count(), 1);
    assert!(user.contains(&all[1].texts[0]));
}

#[test]
fn others_are_the_nearest_of_the_same_prompt() {
    let all = found(3, &[0, 1, 2, 3, 4, 5, 6]);
    let request = LabelRequest::of(&all[0], &all);
    assert_eq!(request.others.len(), LabelRequest::MAX_TEXTS);
    assert!(request.others.iter().all(|other| !all[0].texts.contains(other)));
    let alone = LabelRequest::of(&all[0], &all[..1]);
    assert!(alone.others.is_empty());
}

#[tokio::test]
async fn what_is_no_name_is_not_taken() {
    let all = vec![alike("no deadline")];
    for said in [
        "",
        "  \n ",
        "Here is the name:\nNo deadline",
        "See https://evil.example/x",
        "see evil.example/login now",
        "www.evil.example",
        "write to a@evil.example",
        "[click](x)",
        "<b>No deadline</b>",
        "no\u{202e}deadline",
        "no\u{200b}deadline",
        "no\u{7}deadline",
        "trace 018f3c2a-7b1d-7c3e-9f00-0123456789ab",
        &"long ".repeat(40),
    ] {
        let labeller = LlmLabeller::new(ScriptedLlm::saying(said));
        let named = label(&all[0], &all, Some(&labeller)).await;
        assert_eq!(named.label, Label::built_in(&all[0]), "{said:?}");
        let why = named.refused.unwrap().to_string();
        assert!(!why.contains("evil"), "{why}");
    }
    for (said, expected) in [
        ("\"No deadline\"\n", "No deadline"),
        ("**Missing refund deadline**", "Missing refund deadline"),
    ] {
        let named = label(&all[0], &all, Some(&LlmLabeller::new(ScriptedLlm::saying(said)))).await;
        assert_eq!(named.label.text(), expected);
    }
    let mut cut = ScriptedLlm::answer("No dead");
    cut.finish = FinishReason::Length;
    let failing = LlmError::new(LlmErrorKind::Timeout, "p", "late");
    for result in [Ok(cut), Err(failing)] {
        let labeller = LlmLabeller::new(ScriptedLlm::results([result]));
        let named = label(&all[0], &all, Some(&labeller)).await;
        assert!(named.refused.is_some());
        assert_eq!(named.label, Label::built_in(&all[0]));
    }
}

#[test]
fn people_name_in_one_line() {
    assert_eq!(
        Label::by_person("  Refund deadline  ").unwrap().text(),
        "Refund deadline"
    );
    for wrong in ["", "a\nb", "a\u{202e}b", &"x".repeat(81)] {
        assert!(Label::by_person(wrong).is_err(), "{wrong:?}");
    }
}
