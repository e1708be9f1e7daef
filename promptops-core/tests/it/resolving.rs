//! The request path: what is served when, and what the store is asked for it.

use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{Actor, Change, EnvironmentName, Event, ManualClock};
use promptops_core::prompt::{Draft, Version, closure_hash};
use promptops_core::resolve::ResolveSettings;
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Tenant};
use serde_json::json;

use crate::faulty::{Faulty, Mode};

struct World {
    store: Arc<Faulty>,
    clock: Arc<ManualClock>,
    ops: PromptOps,
    acme: Tenant,
}

fn ana() -> Actor {
    Actor::owner("ana")
}

fn world_with(settings: ResolveSettings) -> World {
    let store = Faulty::new();
    let clock = Arc::new(ManualClock::default());
    let ops = PromptOps::builder(store.stores())
        .clock(clock.clone())
        .resolve_settings(settings)
        .build();
    let acme = ops.tenant("acme").unwrap();
    World {
        store,
        clock,
        ops,
        acme,
    }
}

fn world() -> World {
    world_with(ResolveSettings::default())
}

async fn save(tenant: &Tenant, name: &str, text: &str) -> Version {
    tenant
        .prompts()
        .save(name, Draft::text(text).by("ana").active())
        .await
        .unwrap()
}

async fn promote(tenant: &Tenant, version: &Version, environment: &str) {
    tenant
        .environments()
        .promote(version, environment, &ana())
        .await
        .unwrap();
}

async fn text(tenant: &Tenant, reference: &str) -> String {
    tenant
        .resolve(reference)
        .render(&())
        .await
        .unwrap()
        .text()
        .unwrap()
        .to_owned()
}

/// Lets work behind finish.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn warm_resolves_ask_the_store_nothing() {
    let World { store, acme, .. } = world();
    save(&acme, "safety", "Be safe.").await;
    let v1 = save(&acme, "triage", "Hi. {% include \"safety\" %}").await;
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "Hi. Be safe.");
    let before = store.finds();
    for _ in 0..100 {
        assert_eq!(text(&acme, "triage@production").await, "Hi. Be safe.");
        acme.try_resolve("triage@production").unwrap();
    }
    assert_eq!(store.finds(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_misses_for_one_key_are_one_store_call() {
    let World { store, acme, .. } = world();
    save(&acme, "triage", "Hi.").await;
    store.set(Mode::Waits);
    let before = store.finds();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let acme = acme.clone();
            tokio::spawn(async move { text(&acme, "triage").await })
        })
        .collect();
    // All of them wait by now; a second lookup would wait for a permit that never comes.
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.release();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "Hi.");
    }
    assert_eq!(store.finds(), before + 1);
}

#[tokio::test]
async fn a_cancelled_load_does_not_strand_who_waits_for_it() {
    let World { store, acme, .. } = world();
    save(&acme, "triage", "Hi.").await;
    store.set(Mode::Waits);
    let first = tokio::spawn({
        let acme = acme.clone();
        async move { text(&acme, "triage").await }
    });
    settle().await;
    let second = tokio::spawn({
        let acme = acme.clone();
        async move { text(&acme, "triage").await }
    });
    settle().await;
    first.abort();
    store.set(Mode::Works);
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), second)
            .await
            .unwrap()
            .unwrap(),
        "Hi."
    );
}

#[tokio::test]
async fn every_kind_of_reference_leads_to_its_version() {
    let World { acme, .. } = world();
    let v1 = save(&acme, "triage", "one").await;
    let v2 = save(&acme, "triage", "two").await;
    let v3 = acme
        .prompts()
        .save("triage", Draft::text("three").by("ana"))
        .await
        .unwrap();
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "one");
    assert_eq!(text(&acme, "triage").await, "two");
    assert_eq!(text(&acme, "triage@latest").await, "two");
    assert_eq!(text(&acme, "triage@v3").await, "three");
    assert_eq!(text(&acme, &format!("triage@{}", v2.hash)).await, "two");
    acme.prompts().activate(&v3, &ana()).await.unwrap();
    assert_eq!(text(&acme, "triage").await, "three");
    let resolved = acme.resolve("triage@production").await.unwrap();
    assert_eq!(resolved.stamp().version, Some(v1.number));
    assert_eq!(
        resolved.stamp().environment.as_ref().unwrap().as_str(),
        "production"
    );
    assert_eq!(resolved.revision(), Some(1));
    assert_eq!(resolved.staleness(), None);
}

#[tokio::test]
async fn what_is_missing_is_named_with_a_way_out() {
    let World { acme, .. } = world();
    acme.prompts()
        .save("triage", Draft::text("one").by("ana"))
        .await
        .unwrap();
    for (reference, part) in [
        (
            "nothing@production",
            "the prompt nothing does not exist; save a version",
        ),
        ("triage@v9", "the prompt triage has no version v9"),
        ("triage", "has no active version; activate one"),
        (
            "triage@production",
            "nothing of triage is live in production; promote a version there",
        ),
    ] {
        let error = acme.resolve(reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{reference}");
        assert!(error.to_string().contains(part), "{reference}: {error}");
    }
    assert_eq!(
        acme.resolve("Triage@Prod").await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_promotion_and_a_rollback_are_served_at_once() {
    let World { acme, .. } = world();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "one");
    promote(&acme, &v2, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "two");
    acme.environments()
        .rollback("triage", "production", &ana(), "worse")
        .await
        .unwrap();
    assert_eq!(text(&acme, "triage@production").await, "one");
}

#[tokio::test]
async fn a_snippet_change_reaches_every_prompt_that_includes_it() {
    let World { acme, .. } = world();
    let pinned = save(&acme, "tone", "calm").await;
    promote(&acme, &pinned, "production").await;
    save(&acme, "safety", "Be {% include \"tone\" %}.").await;
    save(&acme, "style", "Be {% include \"tone@production\" %}.").await;
    save(&acme, "fixed", "Be {% include \"tone@1\" %}.").await;
    let triage = save(
        &acme,
        "triage",
        "{% include \"safety\" %} {% include \"style\" %} {% include \"fixed\" %}",
    )
    .await;
    promote(&acme, &triage, "production").await;
    assert_eq!(
        text(&acme, "triage@production").await,
        "Be calm. Be calm. Be calm."
    );
    let hash = acme.resolve("triage@production").await.unwrap().closure_hash();
    let kind = save(&acme, "tone", "kind").await;
    assert_eq!(
        text(&acme, "triage@production").await,
        "Be kind. Be calm. Be calm."
    );
    assert_ne!(
        acme.resolve("triage@production").await.unwrap().closure_hash(),
        hash
    );
    promote(&acme, &kind, "production").await;
    assert_eq!(
        text(&acme, "triage@production").await,
        "Be kind. Be kind. Be calm."
    );
}

#[tokio::test]
async fn overrides_and_parents_are_followed_as_they_change() {
    let World { ops, acme, .. } = world();
    let shared = ops.tenant("shared").unwrap();
    save(&shared, "safety", "shared").await;
    let triage = save(&shared, "triage", "{% include \"safety\" %}").await;
    promote(&shared, &triage, "production").await;
    assert_eq!(
        acme.resolve("triage@production").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    ops.tenants()
        .set_parent("acme", Some("shared"), &ana())
        .await
        .unwrap();
    assert_eq!(text(&acme, "triage@production").await, "shared");
    save(&acme, "safety", "own").await;
    assert_eq!(text(&acme, "triage@production").await, "own");
    assert_eq!(text(&shared, "triage@production").await, "shared");
    let next = save(&shared, "triage", "next {% include \"safety\" %}").await;
    promote(&shared, &next, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "next own");
    ops.tenants().set_parent("acme", None, &ana()).await.unwrap();
    assert_eq!(
        acme.resolve("triage@production").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn what_a_child_saves_changes_nothing_that_it_inherits_until_it_goes_live() {
    let World { ops, acme, .. } = world();
    let shared = ops.tenant("shared").unwrap();
    let safety = save(&shared, "safety", "shared").await;
    promote(&shared, &safety, "production").await;
    let includes = "{% include \"safety\" %} {% include \"safety@1\" %} {% include \"safety@production\" %}";
    let triage = save(&shared, "triage", includes).await;
    promote(&shared, &triage, "production").await;
    ops.tenants()
        .set_parent("acme", Some("shared"), &ana())
        .await
        .unwrap();
    assert_eq!(text(&acme, "triage@production").await, "shared shared shared");
    let own = acme
        .prompts()
        .save("safety", Draft::text("own").by("ana"))
        .await
        .unwrap();
    acme.prompts()
        .save("triage", Draft::text("draft").by("ana"))
        .await
        .unwrap();
    assert_eq!(text(&acme, "triage@production").await, "shared shared shared");
    acme.prompts().activate(&own, &ana()).await.unwrap();
    assert_eq!(text(&acme, "triage@production").await, "own shared shared");
    promote(&acme, &own, "production").await;
    assert_eq!(
        text(&acme, "triage@production").await,
        "own shared own",
        "a pin is its writer's"
    );
    // The child's own text pins the child's own version: the two must not be mixed up.
    let mixed = acme
        .prompts()
        .save("safety", Draft::text("{% include \"safety@1\" %}!").by("ana"))
        .await
        .unwrap();
    promote(&acme, &mixed, "production").await;
    let stale = acme.resolve("triage@production").await.unwrap();
    let why = stale.failure().unwrap().to_string();
    assert!(
        why.contains("means a version of this tenant's in one place and of its parent's in another"),
        "{why}"
    );
    assert_eq!(stale.render(&()).unwrap().text(), Some("own shared own"));
}

#[tokio::test]
async fn tenants_do_not_share_what_they_named_alike() {
    let World { ops, acme, .. } = world();
    let other = ops.tenant("other").unwrap();
    save(&acme, "triage", "acme's").await;
    assert_eq!(text(&acme, "triage").await, "acme's");
    assert_eq!(
        other.resolve("triage").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    save(&other, "triage", "other's").await;
    assert_eq!(text(&other, "triage").await, "other's");
    assert_eq!(text(&acme, "triage").await, "acme's");
}

#[tokio::test]
async fn the_last_known_good_is_served_while_the_store_is_down() {
    let World {
        store,
        acme,
        clock,
        ops,
    } = world();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "one");
    clock.advance(Duration::from_secs(5));
    // Somebody else promotes: the event arrives, the store cannot be read.
    promote(&acme, &v2, "production").await;
    store.set(Mode::Fails);
    for i in 0..10_000 {
        let answer = acme.resolve("triage@production").render(&()).await.unwrap();
        assert_eq!(answer.text(), Some("one"));
        assert_eq!(answer.staleness(), Some(Duration::from_secs(5 + i / 1_000)));
        if i % 1_000 == 999 {
            clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }
    let resolved = acme.try_resolve("triage@production").unwrap();
    assert!(
        resolved
            .failure()
            .unwrap()
            .to_string()
            .contains("the database is down")
    );
    assert!(ops.cache_stats().failed_loads <= 12, "{:?}", ops.cache_stats());
    store.set(Mode::Works);
    clock.advance(Duration::from_secs(2));
    acme.resolve("triage@production").await.unwrap();
    settle().await;
    let resolved = acme.resolve("triage@production").await.unwrap();
    assert_eq!(
        (resolved.stamp().version, resolved.staleness()),
        (Some(v2.number), None)
    );
}

#[tokio::test]
async fn an_aged_answer_is_served_and_refreshed_behind() {
    let World {
        store, acme, clock, ..
    } = world();
    save(&acme, "triage", "one").await;
    assert_eq!(text(&acme, "triage").await, "one");
    let before = store.finds();
    clock.advance(Duration::from_secs(61));
    let stale = acme.resolve("triage").await.unwrap();
    assert_eq!(stale.staleness(), Some(Duration::from_secs(61)));
    settle().await;
    assert_eq!(store.finds(), before + 1);
    assert_eq!(acme.resolve("triage").await.unwrap().staleness(), None);
    // A change that no event told of is seen by age alone.
    store.set(Mode::Fails);
    clock.advance(Duration::from_secs(61));
    for _ in 0..50 {
        assert_eq!(text(&acme, "triage").await, "one");
        settle().await;
    }
    assert_eq!(
        store.finds(),
        before + 2,
        "a failed refresh is not tried again at once"
    );
}

#[tokio::test]
async fn a_move_that_comes_back_through_a_change_log_is_not_loaded_again() {
    let World { store, acme, ops, .. } = world();
    let v1 = save(&acme, "triage", "one").await;
    let v2 = save(&acme, "triage", "two").await;
    promote(&acme, &v1, "production").await;
    save(&acme, "outer", "{% include \"triage@production\" %}").await;
    promote(&acme, &v2, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "two");
    assert_eq!(text(&acme, "outer").await, "two");
    let tell = |revision| {
        ops.events().publish(&Event::Changed {
            tenant: acme.id().clone(),
            change: Change::PointerMoved {
                prompt: v2.prompt.clone(),
                environment: EnvironmentName::new("production").unwrap(),
                version: v2.number,
                closure_hash: closure_hash(&v2.hash, &[]),
                revision,
            },
        });
    };
    for revision in [1, 2] {
        tell(revision);
        let before = store.finds();
        assert_eq!(text(&acme, "triage@production").await, "two");
        assert_eq!(store.finds(), before, "revision 2 is what is served");
        // Who includes it does not know by which revision.
        assert_eq!(text(&acme, "outer").await, "two");
        assert!(store.finds() > before);
    }
    tell(3);
    let before = store.finds();
    text(&acme, "triage@production").await;
    assert_eq!(store.finds(), before + 1);
}

#[tokio::test]
async fn a_store_is_not_overrun_when_many_answers_age_at_once() {
    let World {
        store, acme, clock, ..
    } = world();
    for n in 0..100 {
        save(&acme, &format!("p{n}"), "text").await;
        text(&acme, &format!("p{n}")).await;
    }
    clock.advance(Duration::from_secs(61));
    let before = store.finds();
    store.set(Mode::Waits);
    for _ in 0..3 {
        for n in 0..100 {
            let stale = acme.resolve(&format!("p{n}")).await.unwrap();
            assert!(stale.staleness().is_some());
        }
        settle().await;
    }
    assert_eq!(store.finds(), before + 4);
    // Each has its turn.
    store.set(Mode::Works);
    for _ in 0..4 {
        store.release();
    }
    settle().await;
    for _ in 0..100 {
        for n in 0..100 {
            acme.resolve(&format!("p{n}")).await.unwrap();
        }
        settle().await;
    }
    assert_eq!(store.finds(), before + 100);
}

#[tokio::test]
async fn while_changes_cannot_be_heard_an_answer_is_fresh_for_a_moment_only() {
    let World {
        store,
        acme,
        clock,
        ops,
    } = world();
    save(&acme, "triage", "one").await;
    assert_eq!(text(&acme, "triage").await, "one");
    clock.advance(Duration::from_secs(30));
    assert_eq!(acme.resolve("triage").await.unwrap().staleness(), None);

    store.set(Mode::Fails);
    ops.events().publish(&Event::Interrupted);
    let stale = acme.resolve("triage").await.unwrap();
    assert_eq!(stale.staleness(), Some(Duration::from_secs(30)));
    settle().await;
    let before = store.finds();
    for _ in 0..50 {
        assert!(acme.resolve("triage").await.unwrap().staleness().is_some());
        settle().await;
    }
    assert_eq!(store.finds(), before, "nor is the store asked at every request");

    // A store that can be reached confirms an answer for a second, heard or not.
    store.set(Mode::Works);
    clock.advance(Duration::from_secs(1));
    acme.resolve("triage").await.unwrap();
    settle().await;
    assert_eq!(acme.resolve("triage").await.unwrap().staleness(), None);
    clock.advance(Duration::from_millis(1_001));
    assert!(acme.resolve("triage").await.unwrap().staleness().is_some());
    settle().await;

    clock.advance(Duration::from_secs(30));
    ops.events().publish(&Event::Resumed);
    assert_eq!(acme.resolve("triage").await.unwrap().staleness(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_holds_up_one_request_at_most_and_for_a_bounded_time() {
    let World {
        store, acme, clock, ..
    } = world();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "one");
    promote(&acme, &v2, "production").await;
    store.set(Mode::Hangs);
    let start = tokio::time::Instant::now();
    assert_eq!(text(&acme, "triage@production").await, "one");
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    for _ in 0..10 {
        clock.advance(Duration::from_secs(3));
        assert_eq!(text(&acme, "triage@production").await, "one");
    }
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(2),
        "nobody waits for a store that has just failed"
    );
    let error = acme.resolve("triage@staging").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("did not answer within 2000 ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_fallback_is_used_when_nothing_was_ever_reachable_and_says_so() {
    let World { store, acme, .. } = world();
    let answer = acme
        .resolve("triage@production")
        .fallback("Hi {{ name }}.")
        .render(&json!({"name": "Bo"}))
        .await
        .unwrap();
    assert_eq!(answer.text(), Some("Hi Bo."));
    assert!(answer.resolved().is_fallback());
    assert_eq!(answer.stamp().version, None);
    assert!(
        answer
            .resolved()
            .failure()
            .unwrap()
            .to_string()
            .contains("does not exist")
    );
    store.set(Mode::Fails);
    let error = acme.resolve("triage@production").await.unwrap_err();
    assert!(error.is_retryable());
    let resolved = acme.resolve("triage@production").fallback("Hi.").await.unwrap();
    assert!(
        resolved
            .failure()
            .unwrap()
            .to_string()
            .contains("the database is down")
    );
    store.set(Mode::Works);
    let v1 = save(&acme, "triage", "real").await;
    promote(&acme, &v1, "production").await;
    let answer = acme
        .resolve("triage@production")
        .fallback("Hi.")
        .render(&())
        .await
        .unwrap();
    assert_eq!(answer.text(), Some("real"));
    let error = acme
        .resolve("x")
        .fallback("{% include \"triage\" %}")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("a fallback cannot include snippets"),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_store_says_is_gone_is_gone() {
    let World { acme, .. } = world();
    let v1 = save(&acme, "triage", "one").await;
    assert_eq!(text(&acme, "triage").await, "one");
    acme.prompts().archive(&v1, &ana()).await.unwrap();
    assert_eq!(
        acme.resolve("triage").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(text(&acme, "triage@v1").await, "one");
}

#[tokio::test]
async fn a_changed_row_is_an_error_and_never_data() {
    let World { store, acme, .. } = world();
    save(&acme, "triage", "one").await;
    store.set(Mode::Corrupt);
    assert_eq!(
        acme.resolve("triage").await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    let fallback = acme.resolve("triage").fallback("x").await.unwrap();
    assert_eq!(fallback.failure().unwrap().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_failing_key_is_tried_again_after_a_pause_and_not_at_every_request() {
    let World {
        store, acme, clock, ..
    } = world();
    save(&acme, "triage", "one").await;
    store.set(Mode::Fails);
    let before = store.finds();
    for _ in 0..100 {
        assert!(acme.resolve("triage").await.unwrap_err().is_retryable());
    }
    assert_eq!(store.finds(), before + 1);
    store.set(Mode::Works);
    clock.advance(Duration::from_secs(2));
    assert_eq!(text(&acme, "triage").await, "one");
}

#[tokio::test]
async fn a_failure_that_began_before_a_promotion_does_not_hide_it() {
    let World {
        store, acme, clock, ..
    } = world();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    promote(&acme, &v1, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "one");
    clock.advance(Duration::from_secs(61));
    store.set(Mode::WaitsAndFails);
    acme.resolve("triage@production").await.unwrap();
    settle().await;
    // The refresh is under way and will fail; meanwhile a promotion succeeds.
    promote(&acme, &v2, "production").await;
    store.release();
    settle().await;
    store.set(Mode::Works);
    assert_eq!(text(&acme, "triage@production").await, "two");
}

#[tokio::test]
async fn a_snippet_that_is_gone_leaves_the_last_known_good() {
    let World { acme, .. } = world();
    let safety = save(&acme, "safety", "Be safe.").await;
    promote(&acme, &safety, "production").await;
    let triage = save(
        &acme,
        "triage",
        "{% include \"safety@production\" %} {% include \"safety\" %}",
    )
    .await;
    promote(&acme, &triage, "production").await;
    assert_eq!(text(&acme, "triage@production").await, "Be safe. Be safe.");
    let next = acme
        .prompts()
        .save(
            "safety",
            Draft::chat([promptops_core::prompt::user("x")]).by("ana"),
        )
        .await
        .unwrap();
    // A chat cannot be included: the prompt could not be loaded any more.
    acme.prompts().activate(&next, &ana()).await.unwrap();
    let resolved = acme.resolve("triage@production").await.unwrap();
    assert!(resolved.staleness().is_some());
    assert!(
        resolved
            .failure()
            .unwrap()
            .to_string()
            .contains("only text prompts can be included")
    );
}

#[tokio::test]
async fn loads_that_nobody_waits_for_any_more_leave_nothing_behind() {
    let World { store, acme, .. } = world();
    save(&acme, "triage", "one").await;
    store.set(Mode::Hangs);
    for _ in 0..100 {
        let waited = tokio::time::timeout(Duration::ZERO, async { acme.resolve("triage").await }).await;
        assert!(waited.is_err());
    }
    store.set(Mode::Works);
    let before = store.finds();
    assert_eq!(
        text(&acme, "triage").await,
        "one",
        "an abandoned load is not waited for"
    );
    assert_eq!(store.finds(), before + 1);
}

#[tokio::test]
async fn errors_name_the_asking_tenants_own_snippets() {
    let World { ops, .. } = world();
    let shared = ops.tenant("shared").unwrap();
    save(&shared, "safety", "x").await;
    let triage = save(&shared, "triage", "{% include \"safety\" %}").await;
    promote(&shared, &triage, "production").await;
    for (kid, filler) in [("kid1", 6), ("kid2", 0)] {
        ops.tenants()
            .set_parent(kid, Some("shared"), &ana())
            .await
            .unwrap();
        let kid = ops.tenant(kid).unwrap();
        for i in 0..filler {
            save(&kid, "safety", &format!("{i}")).await;
        }
        save(&kid, "safety", "{{ a.b }}").await;
        let error = kid
            .resolve("triage@production")
            .render(&serde_json::json!({"a": {}}))
            .await
            .unwrap_err();
        assert_eq!(error.location().unwrap().version, Some(filler + 1), "{error}");
    }
}

#[test]
fn try_resolve_loads_on_the_runtime_that_the_builder_knew() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (ops, acme) = runtime.block_on(async {
        let ops = PromptOps::builder(MemoryBackend::new()).build();
        let acme = ops.tenant("acme").unwrap();
        save(&acme, "triage", "one").await;
        (ops, acme)
    });
    // This thread has no runtime.
    let resolve = |reference: &str| {
        for _ in 0..1_000 {
            match acme.try_resolve(reference) {
                Err(error) if error.is_retryable() => std::thread::sleep(Duration::from_millis(1)),
                result => return result,
            }
        }
        panic!("{reference} was never loaded");
    };
    assert_eq!(
        resolve("triage").unwrap().render(&()).unwrap().text(),
        Some("one")
    );
    assert!(resolve("unknown").unwrap_err().is_not_found());
    assert_eq!(
        acme.try_resolve("Not A Reference!").unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let loads = ops.cache_stats().loads;
    for _ in 0..100 {
        acme.try_resolve("unknown").unwrap_err();
    }
    assert!(
        ops.cache_stats().loads <= loads + 1,
        "what failed is not tried again at every call"
    );
}

#[tokio::test]
async fn a_load_overtaken_by_a_promotion_is_not_kept_as_fresh() {
    let World { store, acme, .. } = world();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    promote(&acme, &v1, "production").await;
    store.set(Mode::Waits);
    let slow = tokio::spawn({
        let acme = acme.clone();
        async move { text(&acme, "triage@production").await }
    });
    settle().await;
    // It has read v1 and hangs on the way back, while v2 goes live.
    promote(&acme, &v2, "production").await;
    store.set(Mode::Works);
    assert_eq!(
        text(&acme, "triage@production").await,
        "two",
        "nobody joins a load that began before the change"
    );
    store.release();
    assert_eq!(slow.await.unwrap(), "one");
    assert_eq!(
        text(&acme, "triage@production").await,
        "two",
        "a slow load does not overwrite a later one"
    );
}

#[tokio::test]
async fn missed_events_make_everything_suspect() {
    let World { store, acme, ops, .. } = world();
    save(&acme, "triage", "one").await;
    assert_eq!(text(&acme, "triage").await, "one");
    let before = store.finds();
    ops.events().publish(&Event::Missed);
    assert_eq!(text(&acme, "triage").await, "one");
    assert_eq!(store.finds(), before + 1);
}

#[tokio::test]
async fn try_resolve_never_waits() {
    let World { store, acme, .. } = world();
    save(&acme, "triage", "one").await;
    store.set(Mode::Waits);
    let error = acme.try_resolve("triage").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("it is being loaded"), "{error}");
    store.release();
    settle().await;
    assert_eq!(
        acme.try_resolve("triage").unwrap().render(&()).unwrap().text(),
        Some("one")
    );
}

#[test]
fn try_resolve_works_without_a_runtime() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    assert_eq!(
        acme.try_resolve("triage").unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn the_cache_is_bounded_and_keeps_what_is_used() {
    let mut settings = ResolveSettings::default();
    settings.max_entries = 100;
    let World { store, acme, ops, .. } = world_with(settings);
    save(&acme, "hot", "hot").await;
    for i in 0..1_000 {
        save(&acme, &format!("p{i}"), &format!("text {i}")).await;
        text(&acme, &format!("p{i}")).await;
        text(&acme, "hot").await;
        assert!(ops.cache_stats().entries <= 100);
    }
    assert!(ops.cache_stats().evictions >= 900);
    let before = store.finds();
    text(&acme, "hot").await;
    assert_eq!(store.finds(), before, "what is used is kept");

    let mut settings = ResolveSettings::default();
    settings.max_bytes = 1 << 20;
    let World { acme, ops, .. } = world_with(settings);
    for i in 0..300 {
        save(
            &acme,
            &format!("p{i}"),
            &format!("{i} {{{{ x | default(value=1) }}}} {}", "x".repeat(4_000)),
        )
        .await;
        text(&acme, &format!("p{i}")).await;
        assert!(ops.cache_stats().bytes <= 1 << 20, "{:?}", ops.cache_stats());
    }
    assert!(ops.cache_stats().entries > 10);
}

#[tokio::test]
async fn compiled_prompts_are_shared_between_references() {
    let World { acme, ops, .. } = world();
    let text = "Write short sentences and plain words, {{ name }}. ".repeat(100);
    let v1 = save(&acme, "triage", &text).await;
    acme.resolve("triage").await.unwrap();
    let bytes = ops.cache_stats().bytes;
    for environment in ["dev", "staging", "production"] {
        promote(&acme, &v1, environment).await;
        acme.resolve(&format!("triage@{environment}")).await.unwrap();
    }
    let stats = ops.cache_stats();
    assert_eq!(stats.entries, 4);
    // A reference costs a little; the prompt is counted once.
    assert!(stats.bytes - bytes < bytes / 4, "{stats:?}");
}
