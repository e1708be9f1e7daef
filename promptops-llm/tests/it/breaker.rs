//! Leaving a provider alone that is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use promptops_core::llm::{LlmClient, LlmErrorKind, ScriptedLlm};
use promptops_llm::layer::{Breaker, BreakerPolicy, BreakerStatus, LlmClientExt, RetryPolicy, Trip};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::support::{asking, error};

const OPEN_FOR: Duration = Duration::from_secs(30);

fn after(failures: u32) -> BreakerPolicy {
    BreakerPolicy {
        trip: Trip::Consecutive(failures),
        open_for: OPEN_FOR,
    }
}

#[tokio::test]
async fn kinds_of_errors_open_it_or_do_not() {
    for kind in LlmErrorKind::ALL {
        for should_retry in [None, Some(false)] {
            let model = ScriptedLlm::new(move |_| {
                let failure = error(kind);
                Err(match should_retry {
                    None => failure,
                    Some(retry) => failure.with_should_retry(retry),
                })
            });
            let breaker = Breaker::new(after(2));
            let client = model.circuit_breaker(breaker.clone());
            for _ in 0..2 {
                client.complete(&asking("?")).await.unwrap_err();
            }
            let opens = matches!(
                kind,
                LlmErrorKind::Overloaded | LlmErrorKind::Timeout | LlmErrorKind::Network
            ) && should_retry.is_none();
            assert_eq!(
                breaker.status() != BreakerStatus::Closed,
                opens,
                "{kind} {should_retry:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_of_a_provider_that_is_there_ends_a_row_and_one_that_says_neither_does_not() {
    for (kind, opens) in [
        (LlmErrorKind::InvalidRequest, false),
        (LlmErrorKind::ContentFilter, false),
        (LlmErrorKind::RateLimit, true),
        (LlmErrorKind::Budget, true),
    ] {
        let down = || Err(error(LlmErrorKind::Network));
        let breaker = Breaker::new(after(2));
        let client =
            ScriptedLlm::results([down(), Err(error(kind)), down()]).circuit_breaker(breaker.clone());
        for _ in 0..3 {
            client.complete(&asking("?")).await.unwrap_err();
        }
        assert_eq!(breaker.status() != BreakerStatus::Closed, opens, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_said_is_one() {
    let cannot_say = error(LlmErrorKind::Unsupported);
    for (failure, opens) in [(cannot_say.clone(), true), (cannot_say.with_status(200), false)] {
        let down = || Err(error(LlmErrorKind::Network));
        let breaker = Breaker::new(after(2));
        let client = ScriptedLlm::results([down(), Err(failure), down()]).circuit_breaker(breaker.clone());
        for _ in 0..3 {
            client.complete(&asking("?")).await.unwrap_err();
        }
        assert_eq!(breaker.status() != BreakerStatus::Closed, opens);
    }
}

#[tokio::test(start_paused = true)]
async fn it_opens_probes_and_closes() {
    let up = Arc::new(AtomicBool::new(false));
    let model = {
        let up = Arc::clone(&up);
        ScriptedLlm::new(move |_| match up.load(Ordering::Relaxed) {
            true => Ok(ScriptedLlm::answer("a")),
            false => Err(error(LlmErrorKind::Overloaded)),
        })
    };
    let breaker = Breaker::new(after(3));
    let client = model.clone().circuit_breaker(breaker.clone());
    for _ in 0..3 {
        assert_eq!(
            client.complete(&asking("?")).await.unwrap_err().kind(),
            LlmErrorKind::Overloaded
        );
    }
    sleep(Duration::from_secs(10)).await;
    let refused = client.complete(&asking("?")).await.unwrap_err();
    assert_eq!(refused.kind(), LlmErrorKind::CircuitOpen);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(20)));
    assert!(!refused.is_retryable());
    assert_eq!(breaker.status(), BreakerStatus::Open(Duration::from_secs(20)));
    assert_eq!(model.counts().asked, 3);
    // A probe that fails opens it again, at once.
    sleep(Duration::from_secs(20)).await;
    assert_eq!(
        client.complete(&asking("?")).await.unwrap_err().kind(),
        LlmErrorKind::Overloaded
    );
    assert_eq!(breaker.status(), BreakerStatus::Open(OPEN_FOR));
    up.store(true, Ordering::Relaxed);
    sleep(OPEN_FOR).await;
    assert!(client.complete(&asking("?")).await.is_ok());
    assert_eq!(breaker.status(), BreakerStatus::Closed);
    assert_eq!(model.counts().asked, 5);
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_a_dropped_one_makes_way() {
    let model = ScriptedLlm::new(|request| match request.messages[0].text().as_str() {
        "down" => Err(error(LlmErrorKind::Timeout)),
        _ => Ok(ScriptedLlm::answer("a")),
    });
    let breaker = Breaker::new(after(1));
    let slow = Arc::new(
        model
            .clone()
            .with_delay(Duration::from_secs(5))
            .circuit_breaker(breaker.clone()),
    );
    slow.complete(&asking("down")).await.unwrap_err();
    sleep(OPEN_FOR).await;

    let (dropped, other) = (asking("up"), asking("up"));
    let probe = timeout(Duration::from_secs(1), slow.complete(&dropped));
    let (probe, refused) = tokio::join!(probe, slow.complete(&other));
    assert!(probe.is_err());
    assert_eq!(refused.unwrap_err().kind(), LlmErrorKind::CircuitOpen);
    assert_eq!(breaker.status(), BreakerStatus::Open(Duration::ZERO));
    assert!(slow.complete(&other).await.is_ok());
    assert_eq!(breaker.status(), BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_ends_is_given_up() {
    let breaker = Breaker::new(after(1));
    let down = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Network))).circuit_breaker(breaker.clone());
    let hangs = ScriptedLlm::saying("a")
        .with_delay(Duration::from_secs(1_000_000))
        .circuit_breaker(breaker.clone());
    let up = ScriptedLlm::saying("a").circuit_breaker(breaker.clone());
    down.complete(&asking("?")).await.unwrap_err();
    sleep(OPEN_FOR).await;
    let request = asking("?");
    let hanging = hangs.complete(&request);
    let later = async {
        sleep(OPEN_FOR / 2).await;
        let refused = up.complete(&request).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(OPEN_FOR / 2));
        sleep(OPEN_FOR / 2).await;
        up.complete(&request).await.unwrap();
        assert_eq!(breaker.status(), BreakerStatus::Closed);
    };
    tokio::select! {
        _ = hanging => unreachable!(),
        () = later => {}
    }
    assert_eq!(breaker.status(), BreakerStatus::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_racing_callers_make_one_probe() {
    let policy = BreakerPolicy {
        trip: Trip::Consecutive(1),
        open_for: Duration::from_secs(1),
    };
    let breaker = Breaker::new(policy);
    let down = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Network))).circuit_breaker(breaker.clone());
    down.complete(&asking("?")).await.unwrap_err();
    sleep(policy.open_for).await;
    for _ in 0..10 {
        let model = ScriptedLlm::saying("a").with_delay(Duration::from_secs(3600));
        let client = Arc::new(model.clone().circuit_breaker(breaker.clone()));
        let mut calls = JoinSet::new();
        for _ in 0..16 {
            let client = Arc::clone(&client);
            calls.spawn(async move { client.complete(&asking("?")).await.unwrap_err().kind() });
        }
        for _ in 0..15 {
            assert_eq!(
                calls.join_next().await.unwrap().unwrap(),
                LlmErrorKind::CircuitOpen
            );
        }
        assert_eq!(
            (model.counts().asked, breaker.status()),
            (1, BreakerStatus::Probing)
        );
        calls.shutdown().await;
        assert_eq!(breaker.status(), BreakerStatus::Open(Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_not_asked_again_by_a_retry() {
    let model = ScriptedLlm::new(|_| Err(error(LlmErrorKind::Overloaded)));
    let client = model
        .clone()
        .circuit_breaker(after(2))
        .retry(RetryPolicy::attempts(5));
    let failure = client.complete(&asking("?")).await.unwrap_err();
    assert_eq!(
        (failure.kind(), failure.attempts()),
        (LlmErrorKind::CircuitOpen, 3)
    );
    assert_eq!(model.counts().asked, 2);
}
