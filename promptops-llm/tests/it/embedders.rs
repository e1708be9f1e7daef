//! The layers that an embedder can wear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::llm::{Embedder, Embeddings, LlmError, LlmErrorKind, Price, PriceTable, Usage};
use promptops_llm::layer::{BreakerPolicy, EmbedderExt, Limits, Meter, RetryPolicy};
use tokio::time::Instant;

/// Fails so often, then embeds each text as its length.
struct Lengths {
    failures: u64,
    asked: Arc<AtomicU64>,
}

impl Lengths {
    fn failing(failures: u64) -> (Self, Arc<AtomicU64>) {
        let asked = Arc::new(AtomicU64::new(0));
        (
            Self {
                failures,
                asked: Arc::clone(&asked),
            },
            asked,
        )
    }
}

#[async_trait]
impl Embedder for Lengths {
    fn provider(&self) -> &str {
        "scripted"
    }

    fn model(&self) -> &str {
        "lengths"
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.failures {
            return Err(LlmError::new(LlmErrorKind::Overloaded, "scripted", "busy"));
        }
        Ok(Embeddings {
            vectors: texts.iter().map(|text| vec![text.len() as f32]).collect(),
            usage: Usage::new(1_000, 0),
            model: "lengths".into(),
        })
    }
}

fn texts() -> Vec<String> {
    vec!["one".into(), "three".into()]
}

#[tokio::test(start_paused = true)]
async fn an_embedder_is_repeated_limited_counted_and_left_alone_like_a_client() {
    let prices = PriceTable::new()
        .with("scripted", "lengths", Price::per_million(1.0, 0.0))
        .unwrap();
    let meter = Meter::new(prices);
    let (lengths, asked) = Lengths::failing(2);
    let embedder = lengths
        .metered(meter.clone())
        .circuit_breaker(BreakerPolicy::default())
        .limit(Limits::per_minute(60))
        .retry(RetryPolicy::default());
    let embedded = embedder.embed(&texts()).await.unwrap();
    assert_eq!(embedded.vectors, [[3.0], [5.0]]);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let counts = meter.snapshot();
    assert_eq!((counts.calls, counts.answered), (3, 1));
    assert_eq!(counts.known_cost.nano_usd(), 1_000_000);

    let begun = Instant::now();
    for _ in 0..60 {
        embedder.embed(&texts()).await.unwrap();
    }
    assert!(
        begun.elapsed() > Duration::from_secs(40),
        "a minute allows 60 requests"
    );
}

#[tokio::test(start_paused = true)]
async fn an_embedder_that_is_down_is_not_asked() {
    let (lengths, asked) = Lengths::failing(u64::MAX);
    let embedder = lengths.circuit_breaker(BreakerPolicy::default());
    let mut kinds = Vec::new();
    for _ in 0..50 {
        kinds.push(embedder.embed(&texts()).await.unwrap_err().kind());
    }
    assert_eq!(kinds.last(), Some(&LlmErrorKind::CircuitOpen));
    assert!(asked.load(Ordering::Relaxed) < 50);
}
