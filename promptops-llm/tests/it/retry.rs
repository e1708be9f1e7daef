//! Asking again.

use std::time::Duration;

use promptops_core::llm::{Completion, LlmClient, LlmError, LlmErrorKind, ScriptedLlm};
use promptops_llm::layer::{Jitter, LlmClientExt, RetryPolicy};
use tokio::time::Instant;

use crate::support::{asking, error};

fn exact() -> RetryPolicy {
    RetryPolicy {
        jitter: Jitter::None,
        ..RetryPolicy::default()
    }
}

/// What it ended with, how often the model was asked, how long it took.
async fn run(
    policy: RetryPolicy,
    results: impl IntoIterator<Item = Result<Completion, LlmError>>,
) -> (Result<String, LlmError>, u64, Duration) {
    let model = ScriptedLlm::results(results);
    let begun = Instant::now();
    let answer = model.clone().retry(policy).complete(&asking("?")).await;
    (answer.map(|c| c.text()), model.counts().asked, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn kinds_decide_unless_the_provider_says_otherwise() {
    for kind in LlmErrorKind::ALL {
        for should_retry in [None, Some(true), Some(false)] {
            let mut failure = error(kind);
            if let Some(retry) = should_retry {
                failure = failure.with_should_retry(retry);
            }
            let expected = should_retry.unwrap_or(matches!(
                kind,
                LlmErrorKind::RateLimit
                    | LlmErrorKind::Overloaded
                    | LlmErrorKind::Timeout
                    | LlmErrorKind::Network
                    | LlmErrorKind::Malformed
            ));
            let (answer, asked, _) = run(exact(), vec![Err(failure); 5]).await;
            let answer = answer.unwrap_err();
            let times = if expected { 3 } else { 1 };
            assert_eq!(asked, times, "{kind}, should_retry {should_retry:?}");
            assert_eq!((answer.kind(), u64::from(answer.attempts())), (kind, times));
            assert_eq!(answer.to_string().contains("tried 3 times"), expected, "{answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_the_cap() {
    let policy = RetryPolicy {
        attempts: 7,
        ..exact()
    };
    let (answer, asked, took) = run(policy, vec![Err(error(LlmErrorKind::Overloaded)); 9]).await;
    assert!(answer.is_err());
    assert_eq!(asked, 7);
    // 0.5 + 1 + 2 + 4 + 8 + 8
    assert_eq!(took, Duration::from_millis(23_500));
    let (answer, asked, took) = run(
        exact(),
        [Err(error(LlmErrorKind::Network)), Ok(ScriptedLlm::answer("a"))],
    )
    .await;
    assert_eq!(
        (answer.unwrap().as_str(), asked, took),
        ("a", 2, Duration::from_millis(500))
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asks_for_is_kept_or_given_up() {
    let limited = |wait| Err(error(LlmErrorKind::RateLimit).with_retry_after(Duration::from_millis(wait)));
    let answer = || Ok(ScriptedLlm::answer("a"));
    for (asked_for, expected) in [(1, 1), (119_999, 119_999), (120_000, 120_000), (0, 500)] {
        let (text, asked, took) = run(exact(), [limited(asked_for), answer()]).await;
        assert_eq!((text.unwrap().as_str(), asked), ("a", 2));
        assert_eq!(took, Duration::from_millis(expected));
    }
    let (refused, asked, took) = run(exact(), [limited(120_001), answer()]).await;
    let refused = refused.unwrap_err();
    assert_eq!((asked, took), (1, Duration::ZERO));
    assert_eq!(
        (refused.attempts(), refused.retry_after()),
        (1, Some(Duration::from_millis(120_001)))
    );
}

#[test]
fn jitter_stays_within_its_bounds() {
    let failure = error(LlmErrorKind::Overloaded);
    for (jitter, low, high) in [
        (Jitter::None, 1.0, 1.0),
        (Jitter::Full, 0.0, 1.0),
        (Jitter::Equal, 0.5, 1.0),
    ] {
        let policy = RetryPolicy {
            jitter,
            ..RetryPolicy::default()
        };
        for (attempts, whole) in [(1, 0.5), (2, 1.0)] {
            let pause = |random| policy.pause(attempts, &failure, random).unwrap().as_secs_f64();
            assert_eq!(pause(0.0), whole * low, "{jitter:?}");
            assert!((pause(0.999_999_9) - whole * high).abs() < 1e-6, "{jitter:?}");
        }
    }
}

#[test]
fn odd_policies_make_sensible_pauses() {
    let failure = error(LlmErrorKind::Overloaded);
    let policy = |factor, first| RetryPolicy {
        attempts: u32::MAX,
        factor,
        first,
        jitter: Jitter::None,
        ..RetryPolicy::default()
    };
    let half = Duration::from_millis(500);
    assert_eq!(policy(f64::NAN, half).pause(9, &failure, 0.0), Some(half));
    assert_eq!(policy(-2.0, half).pause(9, &failure, 0.0), Some(half));
    let cap = Some(RetryPolicy::default().cap);
    assert_eq!(policy(f64::INFINITY, half).pause(9, &failure, 0.0), cap);
    assert_eq!(policy(2.0, half).pause(u32::MAX - 1, &failure, 0.0), cap);
    assert_eq!(policy(2.0, Duration::MAX).pause(1, &failure, 0.0), cap);
    assert_eq!(RetryPolicy::attempts(0).pause(1, &failure, 0.0), None);
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_pauses_the_same() {
    let took = async |seed| {
        let policy = RetryPolicy {
            seed: Some(seed),
            ..RetryPolicy::attempts(6)
        };
        run(policy, vec![Err(error(LlmErrorKind::Timeout)); 6]).await.2
    };
    assert_eq!(took(1).await, took(1).await);
    assert_ne!(took(1).await, took(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_asks_no_more() {
    let model = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Overloaded)));
    let client = model.clone().retry(RetryPolicy::default());
    let request = asking("?");
    let call = client.complete(&request);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), call)
            .await
            .is_err()
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(model.counts().asked, 1);
}

#[tokio::test(start_paused = true)]
async fn nested_retries_count_every_attempt() {
    let model = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Network)));
    let client = model
        .clone()
        .retry(RetryPolicy::attempts(2))
        .retry(RetryPolicy::attempts(3));
    let failure = client.complete(&asking("?")).await.unwrap_err();
    assert_eq!((u64::from(failure.attempts()), model.counts().asked), (6, 6));
}
