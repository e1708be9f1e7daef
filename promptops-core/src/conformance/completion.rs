//! The contract of [`CompletionStore`](crate::llm::CompletionStore).

use super::Harness;
use super::fixture::*;
use crate::llm::{Completion, FinishReason, ToolCall, Usage};

fn awkward() -> Completion {
    let mut completion = completion("O'Neil \u{1f984} \"100%\"\r\n\u{0}\u{feff}");
    completion.message.tool_calls.push(ToolCall {
        id: "call-1".into(),
        name: "look_up".into(),
        arguments: "{ \"q\": \"\\u0000 no JSON".into(),
    });
    completion.finish = FinishReason::Other("pause \u{0}".into());
    completion.usage = Usage {
        input_tokens: u64::MAX,
        output_tokens: 9_007_199_254_740_993,
        cached_input_tokens: 1,
        cache_write_tokens: 2,
        reasoning_tokens: 3,
    };
    completion.id = Some("id \u{e9}".into());
    completion
}

/// An answer is found as it was kept, at once, from another handle and after reopening.
pub async fn kept_answer_is_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    assert_eq!(desk.completion(1).await, None);
    desk.keep(1, &awkward(), 0).await.unwrap();
    desk.keep(255, &completion(&"large \u{e9} ".repeat(100_000)), 0)
        .await
        .unwrap();
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        assert_eq!(desk.completion(1).await, Some(awkward()));
        assert_eq!(desk.completion(255).await.unwrap().text().len(), 900_000);
        assert_eq!(desk.completion(2).await, None);
        assert_eq!(desk.audited().await, 0, "nothing goes on record");
    }
}

/// The first answer under a key stays, and so does its time.
pub async fn first_answer_stays(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.keep(1, &completion("first"), 5).await.unwrap();
    desk.keep(1, &completion("second"), 50).await.unwrap();
    assert_eq!(desk.completion(1).await, Some(completion("first")));
    assert_eq!(desk.forget(6).await.unwrap(), 1, "it is as old as the first one");

    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            desk.keep(2, &completion(&format!("answer {i}")), i as i64)
                .await
                .unwrap()
        }
    })
    .await;
    let kept = desks[0].completion(2).await.unwrap();
    assert!(kept.text().starts_with("answer "));
    for desk in &desks {
        desk.keep(2, &completion("late"), 0).await.unwrap();
        assert_eq!(desk.completion(2).await.as_ref(), Some(&kept));
    }
}

/// An answer is the tenant's alone.
pub async fn answers_are_each_tenants_own(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    acme.keep(1, &completion("acme's"), 0).await.unwrap();
    assert_eq!(other.completion(1).await, None);
    other.keep(1, &completion("other's"), 0).await.unwrap();
    assert_eq!(acme.of("third").forget(100).await.unwrap(), 0);
    assert_eq!(other.forget(100).await.unwrap(), 1);
    assert_eq!(acme.completion(1).await, Some(completion("acme's")));
    assert_eq!(other.completion(1).await, None);
}

/// Answers kept before a time are gone, and are counted; they can be kept anew.
pub async fn forgotten_answers_are_gone(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for byte in 0..200 {
        desk.keep(byte, &completion("text"), i64::from(byte))
            .await
            .unwrap();
    }
    assert_eq!(desk.forget(0).await.unwrap(), 0);
    assert_eq!(desk.forget(150).await.unwrap(), 150);
    assert_eq!(desk.forget(150).await.unwrap(), 0);
    for (byte, is_kept) in [(0, false), (149, false), (150, true), (199, true)] {
        assert_eq!(desk.completion(byte).await.is_some(), is_kept, "{byte}");
    }
    desk.keep(3, &completion("anew"), 200).await.unwrap();
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.completion(3).await, Some(completion("anew")));
    assert_eq!(desk.forget(1_000).await.unwrap(), 51);
    assert_eq!(desk.audited().await, 0, "nothing goes on record");
}
