//! The same is asked once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Clock, ManualClock, TenantId, Timestamp};
use promptops_core::llm::{
    Blueprint, Completion, CompletionKey, CompletionStore, FinishReason, LlmClient, LlmErrorKind, ScriptedLlm,
};
use promptops_core::{Error, ErrorKind, Result};
use promptops_llm::layer::{Cache, CacheCounts, Cached, LlmClientExt, MemoryCompletions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::support::{asking, error};

const SECOND: Duration = Duration::from_secs(1);

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn cache() -> Cache {
    Cache::new(Arc::new(MemoryCompletions::default()), acme())
}

type Answer = std::result::Result<Completion, promptops_core::llm::LlmError>;

fn spawn(client: &Arc<Cached<ScriptedLlm>>, text: &str) -> JoinHandle<Answer> {
    let (client, request) = (Arc::clone(client), asking(text));
    tokio::spawn(async move { client.complete(&request).await })
}

/// A model whose first answers fail, and which then numbers them.
fn failing(failures: u64) -> ScriptedLlm {
    let asked = AtomicU64::new(0);
    ScriptedLlm::new(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        n if n < failures => Err(error(LlmErrorKind::Overloaded)),
        n => Ok(ScriptedLlm::answer(n.to_string())),
    })
    .with_delay(SECOND)
}

#[tokio::test]
async fn what_differs_in_anything_is_asked_again() {
    let cache = cache();
    let model = failing(0).with_delay(Duration::ZERO);
    let client = model.clone().cached(cache.clone());
    let requests = [
        asking("a"),
        asking("b"),
        asking("a").model("other"),
        asking("a").temperature(0.5),
        asking("a").max_tokens(5),
    ];
    for round in 0..2 {
        for (i, request) in requests.iter().enumerate() {
            let text = client.complete(request).await.unwrap().text();
            assert_eq!(text, i.to_string(), "round {round}");
        }
    }
    assert_eq!((cache.counts().hits, cache.counts().misses), (5, 5));
    // Of another provider, another model, another tenant.
    let others = [
        model.clone().with_provider("other").cached(cache.clone()),
        model.clone().with_model("other").cached(cache.clone()),
    ];
    for (i, client) in others.iter().enumerate() {
        assert_eq!(
            client.complete(&requests[0]).await.unwrap().text(),
            (5 + i).to_string()
        );
    }
}

#[tokio::test]
async fn tenants_of_one_store_share_nothing() {
    let store = Arc::new(MemoryCompletions::default());
    let model = failing(0).with_delay(Duration::ZERO);
    for (tenant, expected) in [("a", "0"), ("b", "1"), ("a", "0")] {
        let cache = Cache::new(Arc::clone(&store) as _, TenantId::new(tenant).unwrap());
        let answer = model.clone().cached(cache).complete(&asking("?")).await.unwrap();
        assert_eq!(answer.text(), expected);
    }
}

#[tokio::test]
async fn without_a_known_model_nothing_is_kept() {
    let cache = cache();
    let client = failing(0)
        .with_delay(Duration::ZERO)
        .without_model()
        .cached(cache.clone());
    for expected in ["0", "1"] {
        assert_eq!(client.complete(&asking("?")).await.unwrap().text(), expected);
    }
    assert_eq!(
        client.complete(&asking("?").model("m")).await.unwrap().text(),
        "2"
    );
    assert_eq!(
        client.complete(&asking("?").model("m")).await.unwrap().text(),
        "2"
    );
    let counts = CacheCounts {
        hits: 1,
        misses: 1,
        passed_on: 2,
        ..CacheCounts::default()
    };
    assert_eq!(cache.counts(), counts);
}

#[tokio::test]
async fn only_finished_answers_are_kept() {
    for (finish, kept) in [
        (FinishReason::Stop, true),
        (FinishReason::ToolCalls, true),
        (FinishReason::Length, false),
        (FinishReason::ContentFilter, false),
        (FinishReason::Other("paused".into()), false),
    ] {
        let model = {
            let finish = finish.clone();
            ScriptedLlm::new(move |_| {
                let mut answer = ScriptedLlm::answer("a");
                answer.finish = finish.clone();
                Ok(answer)
            })
        };
        let cache = cache();
        let client = model.clone().cached(cache.clone());
        for _ in 0..2 {
            client.complete(&asking("?")).await.unwrap();
        }
        assert_eq!(model.counts().asked, if kept { 1 } else { 2 }, "{finish:?}");
        assert_eq!(cache.counts().unfinished, if kept { 0 } else { 2 });
    }
    let model = failing(1).with_delay(Duration::ZERO);
    let client = model.cached(cache());
    assert!(client.complete(&asking("?")).await.is_err());
    assert!(client.complete(&asking("?")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn equal_requests_at_once_are_asked_once() {
    let cache = cache();
    let model = failing(0);
    let client = Arc::new(model.clone().cached(cache.clone()));
    let calls: Vec<_> = (0..50)
        .map(|i| spawn(&client, if i % 2 == 0 { "a" } else { "b" }))
        .collect();
    let begun = Instant::now();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(model.counts().asked, 2);
    let counts = CacheCounts {
        misses: 2,
        shared: 48,
        ..CacheCounts::default()
    };
    assert_eq!(cache.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_leaves_the_question_to_the_next() {
    let model = failing(0);
    let client = Arc::new(model.clone().cached(cache()));
    let leader = spawn(&client, "a");
    sleep(SECOND / 2).await;
    let followers: Vec<_> = (0..5).map(|_| spawn(&client, "a")).collect();
    sleep(SECOND / 4).await;
    leader.abort();
    for follower in followers {
        assert_eq!(follower.await.unwrap().unwrap().text(), "1");
    }
    assert_eq!((model.counts().asked, model.counts().given_up), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_fails_alone() {
    let model = failing(1);
    let client = Arc::new(model.clone().cached(cache()));
    let calls: Vec<_> = (0..5).map(|_| spawn(&client, "a")).collect();
    let mut failed = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => assert_eq!(answer.text(), "1"),
            Err(_) => failed += 1,
        }
    }
    assert_eq!((failed, model.counts().asked), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_two_leaders_that_fail() {
    let model = failing(u64::MAX);
    let client = Arc::new(model.clone().cached(cache()));
    let begun = Instant::now();
    let calls: Vec<_> = (0..20).map(|_| spawn(&client, "a")).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap_err().kind(), LlmErrorKind::Overloaded);
    }
    assert_eq!(begun.elapsed(), 3 * SECOND);
    assert_eq!(model.counts().asked, 20);
}

/// Fails to find or to keep.
struct Broken {
    finds: bool,
}

#[async_trait]
impl CompletionStore for Broken {
    async fn completion(&self, _: &TenantId, _: &CompletionKey) -> Result<Option<Completion>> {
        if self.finds {
            return Ok(None);
        }
        Err(Error::new(ErrorKind::Unavailable, "gone"))
    }

    async fn keep_completion(
        &self,
        _: &TenantId,
        _: &CompletionKey,
        _: &Completion,
        _: Timestamp,
    ) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "full"))
    }

    async fn forget_completions(&self, _: &TenantId, _: Timestamp) -> Result<u64> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_store_that_fails_fails_no_call_and_is_seen() {
    for (finds, failures) in [(true, 1), (false, 2)] {
        let cache = Cache::new(Arc::new(Broken { finds }), acme());
        let client = ScriptedLlm::saying("a").cached(cache.clone());
        assert!(client.complete(&asking("?")).await.is_ok());
        assert_eq!(cache.counts().store_failures, failures);
        assert_eq!(cache.last_store_failure().unwrap().message(), "full");
    }
}

/// Takes its time to keep.
struct Slow(MemoryCompletions);

#[async_trait]
impl CompletionStore for Slow {
    async fn completion(&self, tenant: &TenantId, key: &CompletionKey) -> Result<Option<Completion>> {
        self.0.completion(tenant, key).await
    }

    async fn keep_completion(
        &self,
        tenant: &TenantId,
        key: &CompletionKey,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<()> {
        sleep(10 * SECOND).await;
        self.0.keep_completion(tenant, key, completion, at).await
    }

    async fn forget_completions(&self, tenant: &TenantId, before: Timestamp) -> Result<u64> {
        self.0.forget_completions(tenant, before).await
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_answer_is_being_kept_nobody_asks_again_or_waits() {
    let model = failing(0);
    let cache = Cache::new(Arc::new(Slow(MemoryCompletions::default())), acme());
    let client = Arc::new(model.clone().cached(cache));
    let leader = spawn(&client, "a");
    sleep(5 * SECOND).await;
    let begun = Instant::now();
    assert_eq!(client.complete(&asking("a")).await.unwrap().text(), "0");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    leader.await.unwrap().unwrap();
    assert_eq!(client.complete(&asking("a")).await.unwrap().text(), "0");
    assert_eq!(model.counts().asked, 1);
}

#[tokio::test]
async fn the_clock_says_when_an_answer_was_kept() {
    let store = Arc::new(MemoryCompletions::default());
    let clock = ManualClock::default();
    let now = clock.now();
    let cache = Cache::new(Arc::clone(&store) as _, acme()).with_clock(Arc::new(clock));
    ScriptedLlm::saying("a")
        .cached(cache)
        .complete(&asking("?"))
        .await
        .unwrap();
    assert_eq!(store.forget_completions(&acme(), now).await.unwrap(), 0);
    assert_eq!(store.forget_completions(&acme(), now + SECOND).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_and_dropped_callers_all_get_their_answer() {
    let cache = cache();
    let model = ScriptedLlm::new(|request: &Blueprint| Ok(ScriptedLlm::answer(request.messages[0].text())));
    let client = Arc::new(
        model
            .clone()
            .with_delay(Duration::from_millis(1))
            .cached(cache.clone()),
    );
    for round in 0..20 {
        let text = format!("question {round}");
        let calls: Vec<_> = (0..32).map(|_| spawn(&client, &text)).collect();
        for (i, call) in calls.into_iter().enumerate() {
            if i % 5 == 0 {
                call.abort();
            } else {
                assert_eq!(call.await.unwrap().unwrap().text(), text);
            }
        }
    }
    let counts = model.counts();
    assert!(counts.asked - counts.given_up <= 20, "{counts:?}");
}
