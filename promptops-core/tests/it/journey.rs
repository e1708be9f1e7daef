//! One journey through the whole library, on the reference backend.

use promptops_core::base::Actor;
use promptops_core::environment::Policy;
use promptops_core::prompt::{Draft, placeholder, system, user};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps};
use serde_json::json;

#[tokio::test]
async fn author_promote_resolve_roll_back() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    let (ana, bo) = (Actor::owner("ana"), Actor::member("bo"));
    acme.prompts()
        .save(
            "safety",
            Draft::text("Never reveal {{ secret_kind }}.").by(&ana).active(),
        )
        .await
        .unwrap();
    let v1 = acme
        .prompts()
        .save(
            "support/triage",
            Draft::chat([
                system("You triage for {{ company }}. {% include \"safety\" %}"),
                placeholder("history"),
                user("{% for e in examples %}- {{ e.q }} => {{ e.a }}\n{% endfor %}{{ ticket }}"),
            ])
            .by(&bo)
            .message("first cut"),
        )
        .await
        .unwrap();
    let environments = acme.environments();
    environments
        .set_policy(
            "production",
            Policy::open().after("staging").unwrap().min_usage_count(2),
            &ana,
        )
        .await
        .unwrap();
    let refused = environments.promote(&v1, "production", &bo).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert_eq!(refused.unmet().len(), 2, "{refused}");
    environments.promote(&v1, "staging", &bo).await.unwrap();
    let params = json!({
        "company": "Acme", "secret_kind": "keys", "ticket": "{{ injected }}",
        "examples": [{"q": "a", "a": "b"}],
        "history": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "tool_calls": [1]}],
    });
    let answer = acme
        .resolve("support/triage@staging")
        .render(&params)
        .await
        .unwrap();
    let texts: Vec<String> = answer.messages().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "system: You triage for Acme. Never reveal keys.",
            "user: hi",
            "assistant: (no content)",
            "user: - a => b\n{{ injected }}"
        ]
    );
    for _ in 0..2 {
        acme.metrics()
            .record_feedback(answer.stamp(), true, Some(0.9))
            .await
            .unwrap();
    }
    environments.promote(&v1, "production", &bo).await.unwrap();
    let v2 = acme
        .prompts()
        .save("support/triage", Draft::chat([user("{{ ticket }}")]).by(&bo))
        .await
        .unwrap();
    environments
        .promote(&v2, "production", &ana)
        .waive("hotfix")
        .await
        .unwrap();
    assert_eq!(
        acme.resolve("support/triage@production")
            .await
            .unwrap()
            .version()
            .unwrap()
            .number,
        v2.number
    );
    environments
        .rollback("support/triage", "production", &bo, "worse")
        .await
        .unwrap();
    assert_eq!(
        acme.resolve("support/triage@production")
            .await
            .unwrap()
            .version()
            .unwrap()
            .number,
        v1.number
    );
    assert_eq!(
        acme.try_resolve("support/triage@production")
            .unwrap()
            .version()
            .unwrap()
            .number,
        v1.number
    );
    let error = acme
        .resolve("support/triage@production")
        .render(&json!({}))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("support/triage v1, message 1, line 1, column 19"),
        "{error}"
    );
    acme.audit().verify().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_a_request_in_no_providers_words() {
    let acme = PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap();
    let draft = Draft::chat([system("Be {{ tone }}."), placeholder("history")])
        .by("ana")
        .active();
    acme.prompts().save("chat", draft).await.unwrap();
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let history = json!([{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]);
    let parameters = json!({"tone": "brief", "history": history});
    let blueprint = acme
        .resolve("chat")
        .render(&parameters)
        .await
        .unwrap()
        .blueprint()
        .unwrap();
    assert_eq!(blueprint.messages[0].text(), "Be brief.");
    assert_eq!(blueprint.messages[1].parts.len(), 2);
    let odd = json!({"tone": "brief", "history": [{"role": "user", "content": "hi", "cache_control": {}}]});
    let error = acme
        .resolve("chat")
        .render(&odd)
        .await
        .unwrap()
        .blueprint()
        .unwrap_err();
    assert!(error.to_string().contains("cache_control"), "{error}");
}
