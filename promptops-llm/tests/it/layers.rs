//! The layers together.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::TenantId;
use promptops_core::llm::{LlmClient, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage};
use promptops_llm::layer::{
    Breaker, BreakerPolicy, BreakerStatus, Budget, Cache, Cassette, Limiter, Limits, LlmClientExt,
    MemoryCompletions, Meter, RetryPolicy, Trip,
};
use tokio::time::Instant;

use crate::support::{asking, error};

const CANARY: &str = "c4n4ry";

fn prices() -> PriceTable {
    PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 1.0))
        .unwrap()
}

fn cache() -> Cache {
    Cache::new(
        Arc::new(MemoryCompletions::default()),
        TenantId::new("acme").unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn in_the_recommended_order_each_attempt_is_counted_and_limited_and_the_answer_kept() {
    let busy = || Err(error(LlmErrorKind::Overloaded));
    let answer = ScriptedLlm::answer("a").with_usage(Usage::new(10, 10));
    let model = ScriptedLlm::results([busy(), busy(), Ok(answer)]);
    let (meter, cache) = (Meter::new(prices()), cache());
    let breaker = Breaker::new(BreakerPolicy::default());
    let client: Arc<dyn LlmClient> = Arc::new(
        model
            .clone()
            .metered(meter.clone())
            .circuit_breaker(breaker.clone())
            .limit(Limits::per_minute(1).burst(Duration::from_secs(1)))
            .retry(RetryPolicy::default())
            .cached(cache.clone()),
    );
    let begun = Instant::now();
    for _ in 0..2 {
        assert_eq!(client.complete(&asking("?")).await.unwrap().text(), "a");
    }
    // Each attempt has waited for its minute.
    assert_eq!(begun.elapsed(), Duration::from_secs(120));
    let snapshot = meter.snapshot();
    assert_eq!((snapshot.calls, snapshot.answered), (3, 1));
    assert_eq!(snapshot.failed[&LlmErrorKind::Overloaded], 2);
    assert_eq!((cache.counts().hits, cache.counts().misses), (1, 1));
    assert_eq!(breaker.status(), BreakerStatus::Closed);
    assert_eq!(
        (client.provider(), client.model()),
        ("scripted", Some("scripted"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_waited_while_a_provider_went_down_is_not_sent_to_it() {
    let model = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Timeout))).with_delay(Duration::from_secs(60));
    let policy = BreakerPolicy {
        trip: Trip::Consecutive(3),
        ..BreakerPolicy::default()
    };
    let limits = Limits::default().concurrent(1);
    let client = Arc::new(model.clone().circuit_breaker(policy).limit(limits));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.complete(&asking("?")).await.unwrap_err().kind() })
        })
        .collect();
    let begun = Instant::now();
    let mut refused = 0;
    for call in calls {
        refused += u32::from(call.await.unwrap() == LlmErrorKind::CircuitOpen);
    }
    assert_eq!((model.counts().asked, refused), (3, 17));
    assert_eq!(begun.elapsed(), Duration::from_secs(180));
}

#[tokio::test]
async fn a_shared_model_of_any_kind_takes_every_layer() {
    let dir = tempfile::tempdir().unwrap();
    let model: Arc<dyn LlmClient> = Arc::new(ScriptedLlm::saying("a"));
    let client = Arc::clone(&model)
        .cassette(Cassette::record(dir.path().join("c")).unwrap())
        .metered(Meter::new(prices()))
        .circuit_breaker(BreakerPolicy::default())
        .limit(Limits::default())
        .retry(RetryPolicy::default())
        .cached(cache());
    let layered: Arc<dyn LlmClient> = Arc::new(client);
    let twice = layered.retry(RetryPolicy::default());
    assert_eq!(twice.complete(&asking("?")).await.unwrap().text(), "a");
}

#[tokio::test]
async fn no_layer_shows_what_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let store = Arc::new(MemoryCompletions::default());
    let cache = Cache::new(Arc::clone(&store) as _, TenantId::new("acme").unwrap());
    let cassette = Cassette::record(&path).unwrap();
    let meter = Meter::new(prices()).with_budget(Budget::default().tokens(1));
    let (breaker, limiter) = (
        Breaker::new(BreakerPolicy::default()),
        Limiter::new(Limits::default()),
    );
    let model = ScriptedLlm::saying(CANARY);
    let mut shown = Vec::new();
    let mut show = |what: &dyn Debug| shown.extend([format!("{what:?}"), format!("{what:#?}")]);

    let recorded = model.clone().cassette(cassette.clone());
    show(&recorded.complete(&asking(CANARY)).await);
    show(&recorded);
    let metered = model.clone().metered(meter.clone());
    show(&metered.complete(&asking(CANARY)).await);
    show(&metered.complete(&asking(CANARY)).await);
    show(&metered);
    let broken = model.clone().circuit_breaker(breaker.clone());
    show(&broken.complete(&asking(CANARY)).await);
    show(&broken);
    let limited = model.clone().limit(limiter.clone());
    show(&limited.complete(&asking(CANARY)).await);
    show(&limited);
    let retried = model.clone().retry(RetryPolicy::default());
    show(&retried.complete(&asking(CANARY)).await);
    show(&retried);
    let cached = model.clone().cached(cache.clone());
    show(&cached.complete(&asking(CANARY)).await);
    show(&cached);
    drop(recorded);
    drop(cassette);
    let replayed = Cassette::replay(&path).unwrap();
    let player = replayed.player("scripted", Some("scripted"));
    show(&player.complete(&asking(format!("{CANARY} more"))).await);
    show(&player.complete(&asking(CANARY)).await);
    show(&(
        &player, &replayed, &model, &meter, &breaker, &limiter, &cache, &store,
    ));

    assert_eq!(store.len(), 1, "there was something to show");
    for text in shown {
        assert!(!text.contains(CANARY) && !text.is_empty(), "{text}");
    }
}
