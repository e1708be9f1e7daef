//! Judges of pairs.

use promptops_core::evaluation::judge::{
    Choice, HumanPreference, JudgeModel, Pair, PairwiseCalibration, PairwiseJudge, Preference,
};
use promptops_core::llm::{Blueprint, Cost, LlmError, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage};
use serde_json::{Map, json};

use super::{shown, verdict};

/// Judges by what it is shown as A and B.
fn judging(judge: impl Fn(&str, &str) -> &'static str + Send + Sync + 'static) -> ScriptedLlm {
    ScriptedLlm::new(move |request: &Blueprint| {
        let text = |name| shown(request, name).unwrap();
        let reply = verdict(judge(&text("A"), &text("B")));
        Ok(ScriptedLlm::answer(reply).with_usage(Usage::new(100, 10)))
    })
}

fn longer(a: &str, b: &str) -> &'static str {
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => "A",
        std::cmp::Ordering::Less => "B",
        std::cmp::Ordering::Equal => "tie",
    }
}

fn judge(model: &ScriptedLlm) -> PairwiseJudge {
    PairwiseJudge::builder(model.clone(), "The longer, the better.")
        .build()
        .unwrap()
}

#[tokio::test]
async fn only_a_verdict_of_both_orders_counts() {
    let input = Map::new();
    let pair = |first, second| Pair {
        input: &input,
        first,
        second,
    };
    let consistent = judge(&judging(longer));
    for (first, second, choice) in [
        ("longer", "short", Choice::First),
        ("short", "longer", Choice::Second),
        ("equal", "alike", Choice::Tie),
    ] {
        let found = consistent.compare(&pair(first, second)).await.unwrap();
        assert_eq!(found.preference(), Preference::Consistent(choice));
    }
    for partial in [
        judging(|_, _| "A"),
        judging(|_, _| "B"),
        judging(|a, _| if a == "x" { "tie" } else { "A" }),
    ] {
        let found = judge(&partial).compare(&pair("x", "yy")).await.unwrap();
        assert_eq!(found.preference(), Preference::Inconsistent, "{found:?}");
    }
}

#[tokio::test]
async fn both_orders_are_asked_blindly_and_paid() {
    let model = judging(longer);
    let prices = PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 10.0))
        .unwrap();
    let judge = PairwiseJudge::builder(JudgeModel::new(model.clone()).prices(prices), "Longer.")
        .build()
        .unwrap();
    let input = super::parameters(json!({"q": "?"}));
    let pair = Pair {
        input: &input,
        first: "one one",
        second: "two",
    };
    let found = judge.compare(&pair).await.unwrap();
    assert_eq!(
        (found.usage, found.cost),
        (Usage::new(200, 20), Some(Cost::from_nano_usd(400_000)))
    );
    assert_eq!((found.in_order, found.swapped), (Choice::First, Choice::First));
    assert_eq!(found.reasons, ["because it is A", "because it is B"]);
    let requests = model.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|r| (shown(r, "A").unwrap(), shown(r, "B").unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("one one".to_owned(), "two".to_owned()),
            ("two".to_owned(), "one one".to_owned())
        ]
    );
    assert_eq!(shown(&requests[0], "INPUT").unwrap(), r#"{"q":"?"}"#);
    assert_eq!(requests[0].settings.temperature, Some(0.0));
    assert!(!format!("{pair:?}{found:?}{judge:?}").contains("one one"));
}

#[tokio::test]
async fn a_pair_without_a_verdict_in_one_order_has_none() {
    let model = ScriptedLlm::new(|request| match shown(request, "A").as_deref() {
        Some("x") => Ok(ScriptedLlm::answer(verdict("A"))),
        _ => Ok(ScriptedLlm::answer("{}")),
    });
    let input = Map::new();
    let pair = Pair {
        input: &input,
        first: "x",
        second: "y",
    };
    assert!(judge(&model).compare(&pair).await.is_err());
    assert_eq!(model.counts().asked, 3);
}

fn preferences(count: usize) -> Vec<HumanPreference> {
    (0..count)
        .map(|i| HumanPreference {
            id: i.to_string(),
            input: Map::new(),
            first: "x".repeat(1 + i % 3),
            second: "xx".to_owned(),
            human: [Choice::Second, Choice::Tie, Choice::First][i % 3],
        })
        .collect()
}

#[tokio::test]
async fn consistency_and_agreement_are_counted_against_people() {
    let task =
        tokio::spawn(async { PairwiseCalibration::run(&judge(&judging(longer)), &preferences(30)).await });
    let found = task.await.unwrap().unwrap();
    assert_eq!(
        (found.rated, found.unscored, found.consistent, found.agreed),
        (30, 0, 30, 30)
    );
    let biased = judging(|_, _| "A");
    let found = PairwiseCalibration::run(&judge(&biased), &preferences(30))
        .await
        .unwrap();
    assert_eq!((found.consistent, found.agreed, found.agreement()), (0, 0, None));
    let (rate, interval) = found.order_consistency().unwrap();
    assert_eq!(rate, 0.0);
    assert!(interval.high < 0.12, "{interval:?}");
    let text = found.to_string();
    assert!(
        text.contains("order consistency    0.000 (between 0.000 and 0.114)"),
        "{text}"
    );

    let refusing = ScriptedLlm::saying("{}");
    let found = PairwiseCalibration::run(&judge(&refusing), &preferences(3))
        .await
        .unwrap();
    assert_eq!((found.unscored, found.order_consistency()), (3, None));
    let keyless = ScriptedLlm::new(|_| Err(LlmError::new(LlmErrorKind::Auth, "scripted", "no key")));
    assert!(
        PairwiseCalibration::run(&judge(&keyless), &preferences(3))
            .await
            .is_err()
    );
}
