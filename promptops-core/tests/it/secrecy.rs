//! What is printed for debugging has no text of prompts, parameters or answers in it.

use std::sync::Arc;

use promptops_core::base::TenantId;
use promptops_core::base::audit::{AuditAction, AuditEntry};
use promptops_core::prompt::{
    Content, Draft, Found, Lookup, Message, MessageContent, ModelSettings, NewVersion, Reference, Saved,
    Store as _, Tool, placeholder, system, user,
};
use promptops_core::render::Rendered;
use promptops_core::{MemoryBackend, PromptOps};
use serde_json::json;

const CANARY: &str = "c4n4ry";

fn check(what: &str, debug: &impl std::fmt::Debug) {
    for shown in [format!("{debug:?}"), format!("{debug:#?}")] {
        assert!(!shown.contains(CANARY), "{what}: {shown}");
        assert!(!shown.is_empty());
    }
}

fn draft() -> Draft {
    let mut settings = ModelSettings {
        stop: vec![CANARY.into()],
        ..ModelSettings::default()
    };
    settings.extra.insert("key".into(), json!(CANARY));
    Draft::chat([
        system(format!("{CANARY} {{{{ a }}}}")),
        placeholder("history"),
        user("{{ a }}"),
    ])
    .settings(settings)
    .tool(Tool::new("t", json!({"title": CANARY})).description(CANARY))
    .input_schema(
        json!({"properties": {"a": {"title": CANARY}, "history": {}}, "required": ["a", "history"]}),
    )
    .output_schema(json!({"title": CANARY}))
    .by("ana")
    .active()
}

#[tokio::test]
async fn debug_shows_no_text() {
    let backend = MemoryBackend::new();
    let ops = PromptOps::builder(backend.clone()).build();
    let acme = ops.tenant("acme").unwrap();
    check("Draft", &draft());
    let version = acme.prompts().save("p", draft()).await.unwrap();
    check("Version", &version);
    assert!(format!("{version:?}").contains(&format!("{:?}", version.hash)));
    let content: &Content = &version.content;
    check("Content", content);
    check("Body", &content.body);
    check("ModelSettings", &content.settings);
    check("Tool", &content.tools);
    check(
        "Saved",
        &Saved {
            version: version.clone(),
            created: true,
        },
    );
    check(
        "Found",
        &Found {
            version: Arc::new(version.clone()),
            revision: None,
        },
    );
    check(
        "NewVersion",
        &NewVersion {
            tenant: version.tenant.clone(),
            prompt: version.prompt.clone(),
            hash: version.hash,
            content: Arc::clone(&version.content),
            includes: Vec::new(),
            semver: None,
            parents: None,
            author: version.author.clone(),
            message: String::new(),
            tags: Vec::new(),
            status: version.status,
            created_at: version.created_at,
            audit: AuditEntry {
                tenant: version.tenant.clone(),
                at: version.created_at,
                actor: version.author.clone(),
                action: AuditAction::SaveVersion,
                subject: String::new(),
                detail: String::new(),
            },
        },
    );
    let reference: Reference = "p".parse().unwrap();
    let found = backend
        .find(&TenantId::new("acme").unwrap(), &[reference])
        .await
        .unwrap();
    assert!(matches!(found.as_slice(), [Lookup::Found(_)]));
    check("Lookup", &found);

    let request = acme.resolve("p").fallback(Content::text(CANARY));
    let resolved = request.await.unwrap();
    check("Resolved", &resolved);
    let history = json!([
        {"role": "user", "content": CANARY, "name": CANARY},
        {"role": "user", "content": [{"type": "text", "text": CANARY}]},
    ]);
    let answer = resolved
        .render(&json!({"a": CANARY, "history": history}))
        .unwrap();
    check("Answer", &answer);
    assert!(answer.messages()[0].text().unwrap().contains(CANARY));
    let shown = format!("{:?}", answer.messages()[0]);
    assert_eq!(shown, "Message(system, 13 bytes)");
    check("Message", &answer.messages());
    check("MessageContent", &MessageContent::Text(CANARY.into()));
    check("Rendered", &Rendered::Text(CANARY.into()));
    check("Rendered", &Rendered::Chat(answer.into_messages()));
    check(
        "Message",
        &Message::new(promptops_core::prompt::MessageRole::User, CANARY),
    );
}
