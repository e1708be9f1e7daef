//! What was asked, answered and spent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use promptops_core::llm::{Cost, LlmClient, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage};
use promptops_llm::layer::{Budget, LlmClientExt, Meter, MeterSnapshot};
use tokio::time::timeout;

use crate::support::{asking, error};

/// A dollar a million tokens of input, two of output: a thousand and two thousand billionths a token.
fn prices() -> PriceTable {
    PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 2.0))
        .unwrap()
}

/// Every answer costs 10 · 1,000 + 5 · 2,000 billionths.
fn model() -> ScriptedLlm {
    ScriptedLlm::new(|_| Ok(ScriptedLlm::answer("a").with_usage(Usage::new(10, 5))))
}

#[tokio::test(start_paused = true)]
async fn calls_tokens_cost_and_time_are_counted() {
    let meter = Meter::new(prices());
    let model = model();
    let request = asking("?");
    for seconds in [1, 3] {
        let slow = model.clone().with_delay(Duration::from_secs(seconds));
        slow.metered(meter.clone()).complete(&request).await.unwrap();
    }
    for kind in [
        LlmErrorKind::Overloaded,
        LlmErrorKind::Auth,
        LlmErrorKind::Overloaded,
    ] {
        let failing = ScriptedLlm::new(move |_| Err(error(kind))).metered(meter.clone());
        failing.complete(&request).await.unwrap_err();
    }
    let hanging = model.with_delay(Duration::from_secs(60)).metered(meter.clone());
    let dropped = timeout(Duration::from_secs(1), async {
        tokio::join!(hanging.complete(&request), async {
            assert_eq!(meter.snapshot().under_way, 1);
        })
    });
    assert!(dropped.await.is_err());
    let expected = MeterSnapshot {
        calls: 6,
        answered: 2,
        failed: BTreeMap::from([(LlmErrorKind::Overloaded, 2), (LlmErrorKind::Auth, 1)]),
        given_up: 1,
        usage: Usage::new(20, 10),
        known_cost: Cost::from_nano_usd(40_000),
        answer_time: Duration::from_secs(4),
        longest_answer: Duration::from_secs(3),
        ..MeterSnapshot::default()
    };
    assert_eq!(meter.snapshot(), expected);
    assert_eq!(expected.cost(), Some(Cost::from_nano_usd(40_000)));
    assert_eq!(expected.mean_answer(), Some(Duration::from_secs(2)));
    assert_eq!(MeterSnapshot::default().mean_answer(), None);
}

#[tokio::test]
async fn an_unknown_price_is_an_unknown_cost_until_it_is_known() {
    let meter = Meter::new(PriceTable::new());
    let client = model().metered(meter.clone());
    client.complete(&asking("?")).await.unwrap();
    let snapshot = meter.snapshot();
    assert_eq!(
        (snapshot.unpriced, snapshot.known_cost, snapshot.cost()),
        (1, Cost::ZERO, None)
    );
    assert_eq!(*meter.replace_prices(prices()), PriceTable::new());
    client.complete(&asking("?")).await.unwrap();
    let snapshot = meter.snapshot();
    assert_eq!(
        (snapshot.unpriced, snapshot.known_cost),
        (1, Cost::from_nano_usd(20_000))
    );
    assert_eq!(snapshot.cost(), None);
}

#[tokio::test]
async fn an_answer_that_nobody_counted_is_not_free() {
    let meter = Meter::new(prices());
    let client = ScriptedLlm::results([Ok(ScriptedLlm::answer("a"))]).metered(meter.clone());
    client.complete(&asking("?")).await.unwrap();
    let snapshot = meter.snapshot();
    assert_eq!(
        (snapshot.uncounted, snapshot.unpriced, snapshot.cost()),
        (1, 1, None)
    );
}

#[tokio::test(start_paused = true)]
async fn prices_count_as_they_were_when_it_was_asked() {
    let meter = Meter::new(prices());
    let client = model().with_delay(Duration::from_secs(1)).metered(meter.clone());
    let request = asking("?");
    let (answer, ()) = tokio::join!(client.complete(&request), async {
        meter.replace_prices(PriceTable::new());
    });
    answer.unwrap();
    assert_eq!(meter.snapshot().cost(), Some(Cost::from_nano_usd(20_000)));
}

#[tokio::test]
async fn a_spent_budget_fails_calls_before_they_are_made() {
    for budget in [
        Budget::default().tokens(30),
        Budget::default().cost(Cost::from_nano_usd(40_000)),
        Budget::default().cost(Cost::from_nano_usd(20_001)),
    ] {
        let meter = Meter::new(prices()).with_budget(budget);
        let model = model();
        let client = model.clone().metered(meter.clone());
        for _ in 0..2 {
            client.complete(&asking("?")).await.unwrap();
        }
        let failure = client.complete(&asking("?")).await.unwrap_err();
        assert_eq!(failure.kind(), LlmErrorKind::Budget);
        assert!(failure.message().contains("is spent"), "{failure}");
        assert_eq!(
            (
                model.counts().asked,
                meter.snapshot().refused,
                meter.snapshot().calls
            ),
            (2, 1, 2)
        );
        assert_eq!(meter.replace_budget(Budget::default()), budget);
        assert!(client.complete(&asking("?")).await.is_ok());
    }
}

#[tokio::test]
async fn a_budget_of_money_makes_no_call_without_a_price() {
    let model = model();
    let meter = Meter::new(prices()).with_budget(Budget::default().cost(Cost::from_usd(1.0).unwrap()));
    let unnamed = model.clone().without_model().metered(meter.clone());
    let named = model.clone().metered(meter.clone());
    for failure in [
        unnamed.complete(&asking("?")).await.unwrap_err(),
        named.complete(&asking("?").model("other")).await.unwrap_err(),
    ] {
        assert_eq!(failure.kind(), LlmErrorKind::Budget);
        assert!(failure.message().contains("no price"), "{failure}");
    }
    assert_eq!(model.counts().asked, 0);
    // A budget of tokens needs no price.
    let meter = Meter::new(PriceTable::new()).with_budget(Budget::default().tokens(100));
    assert!(model.metered(meter).complete(&asking("?")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_calls_spend_no_more_than_the_budget_and_what_was_under_way() {
    let meter = Meter::new(prices()).with_budget(Budget::default().tokens(150));
    let model = model();
    let client = Arc::new(model.clone().metered(meter.clone()));
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                for _ in 0..25 {
                    let _ = client.complete(&asking("?")).await;
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let snapshot = meter.snapshot();
    assert!((10..=13).contains(&snapshot.answered), "{snapshot:?}");
    assert_eq!(snapshot.answered + snapshot.refused, 100);
    assert_eq!(
        (snapshot.under_way, snapshot.usage.total()),
        (0, 15 * snapshot.answered)
    );
}
