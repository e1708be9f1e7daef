//! The contract of [`MetricsStore`](crate::observation::MetricsStore).

use super::Harness;
use super::fixture::*;
use crate::observation::{Feedback, Metrics};

fn counts(usage: u64, success: u64, rated: u64, sum: u64) -> Metrics {
    Metrics {
        usage_count: usage,
        judged_count: usage,
        success_count: success,
        rated_count: rated,
        rating_sum_millionths: sum,
        ..Metrics::default()
    }
}

/// Without feedback all counts are zero.
pub async fn metrics_without_feedback_are_zero(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(
        desk.metrics("triage", &closure("one"), None).await,
        Metrics::default()
    );
    assert_eq!(
        desk.metrics("triage", &closure("one"), Some("dev")).await,
        Metrics::default()
    );
}

/// Feedback is counted by success and rating, per environment; without an environment, over all and none.
pub async fn feedback_is_counted_per_environment_and_over_all(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let given = |of, success, rating| Feedback {
        success,
        rating_millionths: rating,
        ..desk.feedback("triage", "one", of)
    };
    let batches = [
        vec![
            given(Some("dev"), true, Some(1_000_000)),
            given(Some("production"), false, Some(0)),
        ],
        vec![given(None, true, Some(333_333))],
        Vec::new(),
        vec![
            given(Some("dev"), false, None),
            given(Some("dev"), true, Some(1)),
            given(Some("dev"), true, Some(1)),
        ],
    ];
    for batch in &batches {
        desk.stores.metrics.record_feedback(batch).await.unwrap();
    }
    let desk = desk.reopen(harness).await;
    let hash = closure("one");
    assert_eq!(
        desk.metrics("triage", &hash, Some("dev")).await,
        counts(4, 3, 3, 1_000_002)
    );
    assert_eq!(
        desk.metrics("triage", &hash, Some("production")).await,
        counts(1, 0, 1, 0)
    );
    assert_eq!(
        desk.metrics("triage", &hash, Some("staging")).await,
        counts(0, 0, 0, 0)
    );
    assert_eq!(
        desk.metrics("triage", &hash, None).await,
        counts(6, 4, 5, 1_333_335)
    );
    assert_eq!(desk.audited().await, 0, "feedback is no change to be audited");
}

/// Feedback on one closure hash counts for its own prompt and tenant alone, even within one batch.
pub async fn feedback_counts_for_its_own_prompt_closure_and_tenant(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    let batch = [
        acme.feedback("triage", "one", None),
        acme.feedback("triage", "one", None),
        acme.feedback("triage", "two", None),
        acme.feedback("greeting", "one", Some("dev")),
        other.feedback("triage", "one", Some("dev")),
        other.feedback("triage", "one", None),
        other.feedback("triage", "one", None),
    ];
    acme.stores.metrics.record_feedback(&batch).await.unwrap();
    for (desk, prompt, text, expected) in [
        (&acme, "triage", "one", 2),
        (&acme, "triage", "two", 1),
        (&acme, "greeting", "one", 1),
        (&acme, "greeting", "two", 0),
        (&other, "triage", "one", 3),
        (&other, "triage", "two", 0),
        (&acme.of("third"), "triage", "one", 0),
    ] {
        let metrics = desk.metrics(prompt, &closure(text), None).await;
        assert_eq!(
            metrics.usage_count, expected,
            "{prompt} {text} of {}",
            desk.tenant
        );
    }
}

/// Concurrent calls lose no count.
pub async fn racing_feedback_loses_no_count(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..25 {
                let feedback = Feedback {
                    success: n % 5 != 0,
                    rating_millionths: Some(i as u32),
                    ..desk.feedback("triage", "one", Some(["dev", "staging"][n % 2]))
                };
                desk.stores.metrics.record_feedback(&[feedback]).await.unwrap();
            }
        }
    })
    .await;
    let metrics = desks[1].metrics("triage", &closure("one"), None).await;
    assert_eq!(metrics, counts(200, 160, 200, 25 * (1 + 2 + 3 + 4 + 5 + 6 + 7)));
    assert_eq!(
        desks[0]
            .metrics("triage", &closure("one"), Some("dev"))
            .await
            .usage_count,
        8 * 13
    );
}

/// A batch is counted at once: no reader sees a part of it.
pub async fn batch_is_counted_as_a_whole(harness: &dyn Harness) {
    // Large enough for readers to come in the middle of one.
    const BATCH: u64 = 300;
    let desks = Desk::open_two(harness).await;
    race(4, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let of = [Some("dev"), Some("staging"), None];
            let batch: Vec<_> = (0..BATCH as usize)
                .map(|n| desk.feedback("triage", "one", of[n % 3]))
                .collect();
            if i < 2 {
                for _ in 0..10 {
                    desk.stores.metrics.record_feedback(&batch).await.unwrap();
                }
                return;
            }
            loop {
                let metrics = desk.metrics("triage", &closure("one"), None).await;
                assert_eq!(metrics.usage_count % BATCH, 0, "part of a batch was counted");
                if metrics.usage_count == 20 * BATCH {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// A batch can hold thousands.
pub async fn thousands_are_counted_in_one_batch(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let batch: Vec<_> = (0..5_000)
        .map(|n| Feedback {
            rating_millionths: Some(1_000_000),
            ..desk.feedback("triage", &format!("text {}", n % 50), Some("dev"))
        })
        .collect();
    desk.stores.metrics.record_feedback(&batch).await.unwrap();
    for n in 0..50 {
        let metrics = desk
            .metrics("triage", &closure(&format!("text {n}")), Some("dev"))
            .await;
        assert_eq!(metrics, counts(100, 100, 100, 100_000_000));
    }
}
