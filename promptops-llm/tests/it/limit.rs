//! No more than an account allows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, LlmErrorKind, ScriptedLlm, Usage};
use promptops_llm::layer::{Limiter, Limits, LlmClientExt};
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{asking, error};

const SECOND: Duration = Duration::from_secs(1);

/// Asks these at once, and says which was let through in which second, in that order.
async fn let_through(
    limiter: Limiter,
    requests: impl IntoIterator<Item = Blueprint>,
    answer: impl Fn(u64) -> Result<Completion, LlmError> + Send + Sync + 'static,
) -> Vec<(String, u64)> {
    let begun = Instant::now();
    let seen: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let log = Arc::clone(&seen);
    let model = ScriptedLlm::new(move |request| {
        let at = begun.elapsed().as_secs_f64().round() as u64;
        let mut log = log.lock().unwrap();
        log.push((request.messages[0].text(), at));
        answer(log.len() as u64 - 1)
    });
    let client = Arc::new(model.limit(limiter));
    let mut calls = JoinSet::new();
    for request in requests {
        let client = Arc::clone(&client);
        calls.spawn(async move {
            let _ = client.complete(&request).await;
        });
    }
    calls.join_all().await;
    drop(client);
    Arc::into_inner(seen).map_or_else(Vec::new, |seen| seen.into_inner().unwrap())
}

fn numbered(n: u64) -> impl Iterator<Item = Blueprint> {
    (0..n).map(|i| asking(i.to_string()))
}

fn uncounted(_: u64) -> Result<Completion, LlmError> {
    Ok(ScriptedLlm::answer(""))
}

/// Takes each request for as many tokens as its text says.
fn by_text(limits: Limits) -> Limiter {
    Limiter::with_estimate(limits, |request| request.messages[0].text().parse().unwrap())
}

fn spawn(client: &Arc<impl LlmClient + 'static>, text: &str) -> JoinHandle<Result<Completion, LlmError>> {
    let (client, request) = (Arc::clone(client), asking(text));
    tokio::spawn(async move { client.complete(&request).await })
}

#[tokio::test(start_paused = true)]
async fn requests_pass_in_order_in_a_burst_and_then_evenly() {
    let limits = Limits::per_minute(60).burst(10 * SECOND);
    let passed = let_through(limits.into(), numbered(40), uncounted).await;
    let expected: Vec<_> = (0..40_u64)
        .map(|i| (i.to_string(), i.saturating_sub(9)))
        .collect();
    assert_eq!(passed, expected);
}

#[tokio::test(start_paused = true)]
async fn a_large_request_is_not_overtaken_by_small_ones() {
    // One token a second, ten at once.
    let limits = Limits::default().tokens_per_minute(60).burst(10 * SECOND);
    let requests = ["10", "30", "1", "2"].map(asking);
    let passed = let_through(by_text(limits), requests, uncounted).await;
    // 30 wait for a full bucket and overdraw it by 20, which is to be filled first.
    let expected = [("10", 0), ("30", 10), ("1", 31), ("2", 33)].map(|(text, at)| (text.to_owned(), at));
    assert_eq!(passed, expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_puts_the_estimate_right() {
    let limits = || Limits::default().tokens_per_minute(60).burst(60 * SECOND);
    let counted = |tokens: u64| move |_| Ok(ScriptedLlm::answer("").with_usage(Usage::new(tokens, 0)));
    let seconds = |passed: Vec<(String, u64)>| passed.into_iter().map(|(_, at)| at).collect::<Vec<_>>();
    let three = || ["40", "40", "40"].map(asking);
    // Never counted: as estimated.
    let passed = let_through(by_text(limits()), three(), uncounted).await;
    assert_eq!(seconds(passed), [0, 20, 60]);
    // Fewer: the rest is given back at once, and who waits already goes on.
    let passed = let_through(by_text(limits()), three(), counted(10)).await;
    assert_eq!(seconds(passed), [0, 0, 0]);
    // More: to be filled up first.
    let passed = let_through(by_text(limits()), three(), counted(80)).await;
    assert_eq!(seconds(passed), [0, 60, 140]);
    // Never asked: all given back. Failed: kept, since providers count those.
    for (kind, expected) in [
        (LlmErrorKind::CircuitOpen, [0, 0, 0]),
        (LlmErrorKind::Budget, [0, 0, 0]),
        (LlmErrorKind::NotRecorded, [0, 0, 0]),
        (LlmErrorKind::Unsupported, [0, 0, 0]),
        (LlmErrorKind::Overloaded, [0, 20, 60]),
        (LlmErrorKind::RateLimit, [0, 20, 60]),
    ] {
        let passed = let_through(by_text(limits()), three(), move |_| Err(error(kind))).await;
        assert_eq!(seconds(passed), expected, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_on_as_soon_as_something_is_given_back() {
    let model = ScriptedLlm::new(|_| Ok(ScriptedLlm::answer("").with_usage(Usage::new(1, 0))));
    let limits = Limits::default().tokens_per_minute(60).burst(60 * SECOND);
    let client = Arc::new(model.with_delay(SECOND).limit(by_text(limits)));
    let begun = Instant::now();
    let calls = [spawn(&client, "60"), spawn(&client, "55")];
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_does_not_count_as_a_request() {
    let limits = || Limits::per_minute(1).burst(SECOND);
    for (kind, expected) in [(LlmErrorKind::CircuitOpen, 0), (LlmErrorKind::Network, 60)] {
        let passed = let_through(limits().into(), numbered(2), move |_| Err(error(kind))).await;
        assert_eq!(passed[1].1, expected, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_said_counts_as_a_request() {
    let limits = || Limits::per_minute(1).burst(SECOND);
    let cannot_say = error(LlmErrorKind::Unsupported);
    for (failure, expected) in [(cannot_say.clone(), 0), (cannot_say.with_status(200), 60)] {
        let answer = move |_| Err(failure.clone());
        let passed = let_through(limits().into(), numbered(2), answer).await;
        assert_eq!(passed[1].1, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_never_pass_fails_at_once_and_is_not_sent() {
    let model = ScriptedLlm::saying("a");
    let client = model.clone().limit(Limits::default().tokens_per_minute(1_000));
    let failure = client.complete(&asking("?").max_tokens(996)).await.unwrap_err();
    assert_eq!(failure.kind(), LlmErrorKind::InvalidRequest);
    assert!(
        failure
            .message()
            .contains("count as 1001 tokens, more than the 1000")
    );
    // 1 for the text, 4 for the message: exactly what is allowed.
    let ok = timeout(SECOND, client.complete(&asking("?").max_tokens(995))).await;
    assert!(ok.is_ok());
    for limits in [
        Limits::per_minute(0),
        Limits::default().tokens_per_minute(0),
        Limits::default().concurrent(0),
    ] {
        let failure = model
            .clone()
            .limit(limits)
            .complete(&asking("?"))
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), LlmErrorKind::Budget, "{failure}");
    }
    assert_eq!(model.counts().asked, 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_at_once_than_allowed() {
    let model = ScriptedLlm::saying("a").with_delay(SECOND);
    let client = Arc::new(model.clone().limit(Limits::default().concurrent(3)));
    let begun = Instant::now();
    let calls: Vec<_> = (0..10).map(|i| spawn(&client, &i.to_string())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(model.counts().most_in_flight, 3);
    assert_eq!(begun.elapsed(), 4 * SECOND);
    let order: Vec<_> = model.requests().iter().map(|r| r.messages[0].text()).collect();
    assert_eq!(order, (0..10).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_gives_its_place_to_the_next() {
    let model = ScriptedLlm::saying("a").with_delay(3600 * SECOND);
    let limiter = Limiter::new(Limits::per_minute(1).burst(SECOND).concurrent(1));
    let client = Arc::new(model.clone().limit(limiter.clone()));
    let under_way = spawn(&client, "0");
    yield_now().await;
    let first = spawn(&client, "1");
    let second = spawn(&client, "2");
    let third = spawn(&client, "3");
    sleep(SECOND).await;
    assert_eq!(limiter.status().waiting, 3);
    // One in the middle, then who is next, then who is asking.
    second.abort();
    first.abort();
    sleep(SECOND).await;
    assert_eq!((limiter.status().waiting, model.counts().asked), (1, 1));
    under_way.abort();
    // What waits now has a place, and still waits for its minute; none of the dropped used it up.
    sleep(57 * SECOND).await;
    assert_eq!(model.counts().asked, 1);
    sleep(2 * SECOND).await;
    assert_eq!(model.requests().last().unwrap().messages[0].text(), "3");
    assert_eq!(limiter.status().waiting, 0);
    third.abort();
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asks_for_holds_everybody_up() {
    let busy = |wait| error(LlmErrorKind::RateLimit).with_retry_after(wait);
    let passed = let_through(Limits::default().into(), numbered(3), move |i| {
        if i == 0 {
            Err(busy(30 * SECOND))
        } else {
            uncounted(i)
        }
    });
    assert_eq!(
        passed.await.iter().map(|(_, at)| *at).collect::<Vec<_>>(),
        [0, 30, 30]
    );

    // A shorter one that comes later does not shorten it.
    let model = ScriptedLlm::results([
        Err(busy(60 * SECOND)),
        Err(busy(SECOND)),
        Ok(ScriptedLlm::answer("a")),
    ]);
    let limiter = Limiter::new(Limits::default());
    let client = Arc::new(model.with_delay(SECOND).limit(limiter.clone()));
    let both = (spawn(&client, "1"), spawn(&client, "2"));
    assert!(both.0.await.unwrap().is_err() && both.1.await.unwrap().is_err());
    assert_eq!(limiter.status().paused_for, 60 * SECOND);
    let begun = Instant::now();
    client.complete(&asking("3")).await.unwrap();
    assert_eq!(begun.elapsed(), 61 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pause_too_long_to_wait_through_fails_calls() {
    let limited = error(LlmErrorKind::RateLimit).with_retry_after(3600 * SECOND);
    let model = ScriptedLlm::results([Err(limited), Ok(ScriptedLlm::answer("a"))]).with_delay(SECOND);
    let client = Arc::new(model.clone().limit(Limits::default().concurrent(1)));
    let asked = spawn(&client, "0");
    let waiting = spawn(&client, "1");
    asked.await.unwrap().unwrap_err();
    let failure = waiting.await.unwrap().unwrap_err();
    assert_eq!(failure.kind(), LlmErrorKind::RateLimit);
    sleep(600 * SECOND).await;
    let failure = client.complete(&asking("2")).await.unwrap_err();
    assert_eq!(failure.retry_after(), Some(3000 * SECOND));
    assert_eq!(model.counts().asked, 1);
    sleep(3000 * SECOND).await;
    assert!(client.complete(&asking("3")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_callers_all_pass_and_leave_nothing_behind() {
    let model = ScriptedLlm::saying("a");
    let limiter = Limiter::new(
        Limits::per_minute(u32::MAX)
            .tokens_per_minute(u32::MAX)
            .concurrent(4),
    );
    let client = Arc::new(model.clone().limit(limiter.clone()));
    let calls: Vec<_> = (0..500).map(|i| (i, spawn(&client, &i.to_string()))).collect();
    let mut answered = 0;
    for (i, call) in calls {
        if i % 7 == 0 {
            call.abort();
        }
        answered += u64::from(call.await.is_ok());
    }
    assert!(answered >= 400);
    assert!(model.counts().most_in_flight <= 4);
    assert_eq!((model.counts().in_flight, limiter.status().waiting), (0, 0));
    let all_at_once: Vec<_> = (0..4).map(|i| spawn(&client, &i.to_string())).collect();
    for call in all_at_once {
        call.await.unwrap().unwrap();
    }
}
