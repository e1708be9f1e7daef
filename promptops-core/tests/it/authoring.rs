//! Saving, finding and retiring versions.

use promptops_core::base::{Actor, PageRequest, Tag, VersionNumber};
use promptops_core::prompt::{
    DiffOptions, Draft, ModelSettings, PromptFilter, Status, Tool, Version, VersionFilter, placeholder,
    system, user,
};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Tenant};
use serde_json::json;

fn tenant() -> Tenant {
    PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap()
}

fn mo() -> Actor {
    Actor::member("mo")
}

#[tokio::test]
async fn a_version_is_saved_with_everything_that_was_said_of_it() {
    let acme = tenant();
    let settings = ModelSettings {
        model: Some("m".into()),
        temperature: Some(0.2),
        ..ModelSettings::default()
    };
    let draft = || {
        Draft::chat([
            system("You are {{ tone }}."),
            placeholder("history"),
            user("{{ question }}"),
        ])
        .settings(settings.clone())
        .tool(Tool::new("look_up", json!({"type": "object"})).description("Looks things up."))
        .input_schema(json!({
            "type": "object",
            "properties": {"tone": {"type": "string"}, "history": {"type": "array"}, "question": {}},
            "required": ["tone", "history", "question"],
        }))
        .output_schema(json!({"type": "object"}))
        .by("mo")
        .message("  first cut ")
        .semver("1.0.0-rc.1")
        .tag("support")
    };
    let v1 = acme.prompts().save("support/triage", draft()).await.unwrap();
    assert_eq!(
        (v1.number, v1.status, v1.message.as_str()),
        (VersionNumber::FIRST, Status::Draft, "first cut")
    );
    assert_eq!(v1.semver.as_ref().unwrap().to_string(), "1.0.0-rc.1");
    assert_eq!(acme.prompts().get("support/triage@v1").await.unwrap(), v1);
    let again = acme
        .prompts()
        .save("support/triage", draft().message("second cut"))
        .await
        .unwrap();
    assert_eq!(again, v1, "the same content is the same version");
    let v2 = acme
        .prompts()
        .save(
            "support/triage",
            draft().semver("1.0.0").output_schema(json!({})).by("mo"),
        )
        .await
        .unwrap();
    assert_eq!((v2.number.get(), v2.parents.as_slice()), (2, &[v1.number][..]));
    let info = acme.prompts().info("support/triage").await.unwrap();
    assert_eq!(
        (info.latest, info.latest_active, info.status),
        (v2.number, None, Status::Draft)
    );
}

#[tokio::test]
async fn bad_drafts_are_refused_before_anything_is_stored() {
    let acme = tenant();
    let prompts = acme.prompts();
    let (long, long_name) = ("x".repeat(2_001), "a".repeat(201));
    let cases: Vec<(&str, Draft, &str)> = vec![
        (
            "p",
            Draft::text("x"),
            "the draft has no author; say who saves it with `.by(\"name\")`",
        ),
        ("", Draft::text("x").by("mo"), "the prompt name is empty"),
        ("Support", Draft::text("x").by("mo"), "'S' at byte 0"),
        ("caf\u{e9}", Draft::text("x").by("mo"), "'é' at byte 3"),
        (&long_name, Draft::text("x").by("mo"), "201 bytes; at most 200"),
        ("p", Draft::text("x").by(""), "the actor id"),
        (
            "p",
            Draft::text("x").by("mo").message(long),
            "the message has 2001 bytes",
        ),
        (
            "p",
            Draft::text("x").by("mo").semver("1.0"),
            "\"1.0\" is no semantic version",
        ),
        ("p", Draft::text("x").by("mo").tag("A b"), "the tag"),
        ("p", Draft::chat([]).by("mo"), "the chat has no message"),
        (
            "p",
            Draft::chat([placeholder("a b")]).by("mo"),
            "the placeholder \"a b\" is not a parameter name",
        ),
        (
            "p",
            Draft::text("x").by("mo").tool(Tool::new("a b", json!({}))),
            "the tool name \"a b\"",
        ),
        (
            "p",
            Draft::text("x").by("mo").tool(Tool::new("a", json!(1))),
            "are not a JSON Schema object",
        ),
        (
            "p",
            Draft::text("x").by("mo").output_schema(json!({"type": 3})),
            "the output schema is not a JSON Schema",
        ),
        (
            "p",
            Draft::text("x")
                .by("mo")
                .input_schema(json!({"$ref": "http://x"})),
            "only references within the schema",
        ),
        (
            "p",
            Draft::text("{{ a }}")
                .by("mo")
                .input_schema(json!({"properties": {}})),
            "`a` is not in the input schema",
        ),
        ("p", Draft::text("{{ a").by("mo"), "line 1, column"),
        (
            "p",
            Draft::text("{{ a | uper }}").by("mo"),
            "did you mean `upper`",
        ),
        (
            "p",
            Draft::text("{% include \"none\" %}").by("mo"),
            "the snippet none does not exist; save it first",
        ),
        ("p", Draft::text("x".repeat(70_000)).by("mo"), "65536"),
        (
            "p",
            Draft::text("x").by("mo").parent(VersionNumber::new(9).unwrap()),
            "the parent v9 does not exist",
        ),
        (
            "p",
            Draft::text("x").by("mo").settings(ModelSettings {
                temperature: Some(f64::NAN),
                ..ModelSettings::default()
            }),
            "temperature is NaN",
        ),
    ];
    for (name, draft, part) in cases {
        let error = prompts.save(name, draft).await.unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let all = prompts
        .list(&PromptFilter::default(), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(all.items, []);
    assert_eq!(acme.audit().verify().await.unwrap(), 0);
}

#[tokio::test]
async fn a_taken_semver_is_refused_with_who_has_it() {
    let acme = tenant();
    acme.prompts()
        .save("p", Draft::text("a").by("mo").semver("1.0.0"))
        .await
        .unwrap();
    let error = acme
        .prompts()
        .save("p", Draft::text("b").by("mo").semver("1.0.0"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(
        error.to_string().contains("1.0.0") && error.to_string().contains("v1"),
        "{error}"
    );
}

#[tokio::test]
async fn prompts_are_found_by_folder_tag_and_status() {
    let acme = tenant();
    let prompts = acme.prompts();
    for (name, tag, active) in [
        ("support/triage", "live", true),
        ("support/reply", "beta", false),
        ("sales/pitch", "live", true),
    ] {
        let draft = Draft::text(name).by("mo").tag(tag);
        prompts
            .save(name, if active { draft.active() } else { draft })
            .await
            .unwrap();
    }
    let names = async |filter: PromptFilter| -> Vec<String> {
        let page = prompts.list(&filter, &PageRequest::default()).await.unwrap();
        page.items
            .into_iter()
            .map(|record| record.name.to_string())
            .collect()
    };
    let folder = PromptFilter {
        prefix: Some("support/".into()),
        ..PromptFilter::default()
    };
    assert_eq!(names(folder).await, ["support/reply", "support/triage"]);
    let tag = PromptFilter {
        tag: Some(Tag::new("live").unwrap()),
        ..PromptFilter::default()
    };
    assert_eq!(names(tag).await, ["sales/pitch", "support/triage"]);
    let status = PromptFilter {
        status: Some(Status::Draft),
        ..PromptFilter::default()
    };
    assert_eq!(names(status).await, ["support/reply"]);
    let first = prompts
        .list(&PromptFilter::default(), &PageRequest::first(2))
        .await
        .unwrap();
    let next = PageRequest::first(2).after(first.next.unwrap());
    assert_eq!(
        prompts
            .list(&PromptFilter::default(), &next)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let tagged = prompts
        .set_tags("sales/pitch", ["q4", "live", "q4"], &mo())
        .await
        .unwrap();
    assert_eq!(
        tagged.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["live", "q4"]
    );
}

#[tokio::test]
async fn versions_go_out_of_use_and_come_back() {
    let acme = tenant();
    let prompts = acme.prompts();
    let v1 = prompts
        .save("p", Draft::text("a").by("mo").active())
        .await
        .unwrap();
    let archived = prompts.archive(&v1, &mo()).await.unwrap();
    assert_eq!(archived.status, Status::Archived);
    let only = VersionFilter {
        status: Some(Status::Archived),
    };
    assert_eq!(
        prompts
            .versions("p", &only, &PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert_eq!(
        prompts.activate(&archived, &mo()).await.unwrap().status,
        Status::Active
    );
    let error = prompts.info("nothing").await.unwrap_err();
    assert!(error.is_not_found());
}

#[tokio::test]
async fn dependents_of_a_snippet_are_known_without_being_rendered() {
    let acme = tenant();
    let prompts = acme.prompts();
    prompts
        .save("safety", Draft::text("s").by("mo").active())
        .await
        .unwrap();
    prompts
        .save(
            "a",
            Draft::text("{% include \"safety\" %}{% include \"safety@1\" %}")
                .by("mo")
                .active(),
        )
        .await
        .unwrap();
    prompts
        .save("b", Draft::text("{% include \"a\" %}").by("mo"))
        .await
        .unwrap();
    let found = prompts
        .dependents("safety", &PageRequest::default())
        .await
        .unwrap()
        .items;
    let told: Vec<_> = found
        .iter()
        .map(|d| format!("{} {} {}", d.prompt, d.number, d.reference))
        .collect();
    assert_eq!(told, ["a v1 safety", "a v1 safety@1"]);
}

#[tokio::test]
async fn diff_and_changelog_tell_what_changed() {
    let acme = tenant();
    let prompts = acme.prompts();
    prompts
        .save(
            "p",
            Draft::chat([system("Be brief.\nBe kind."), user("{{ q }}")]).by("mo"),
        )
        .await
        .unwrap();
    prompts
        .save(
            "p",
            Draft::chat([system("Be brief.\nBe very kind."), user("{{ q }}")])
                .by("ana")
                .message("kinder"),
        )
        .await
        .unwrap();
    let diff = prompts
        .diff("p@v1", "p@v2", &DiffOptions::default())
        .await
        .unwrap();
    assert_eq!(diff.summary, "1 modification");
    let text = diff.to_string();
    assert!(
        text.contains("--- p v1") && text.contains("-Be kind.") && text.contains("+Be very kind."),
        "{text}"
    );
    let (v1, v2) = (VersionNumber::FIRST, VersionNumber::new(2).unwrap());
    let changelog = prompts.changelog("p", v1, v2).await.unwrap().to_string();
    assert!(
        changelog.contains("kinder") && changelog.contains("ana"),
        "{changelog}"
    );
    assert_eq!(
        prompts.changelog("p", v2, v1).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert!(
        prompts
            .changelog("p", v1, VersionNumber::new(5).unwrap())
            .await
            .unwrap_err()
            .is_not_found()
    );
}

async fn active(tenant: &Tenant, name: &str, text: &str) -> Result<Version, Error> {
    tenant
        .prompts()
        .save(name, Draft::text(text).by("mo").active())
        .await
}

#[tokio::test]
async fn a_draft_saved_again_as_active_becomes_active() {
    let acme = tenant();
    let prompts = acme.prompts();
    let draft = || Draft::text("one").by("mo");
    let saved = prompts.save("triage", draft()).await.unwrap();
    assert_eq!(saved.status, Status::Draft);
    let activated = prompts.save("triage", draft().active()).await.unwrap();
    assert_eq!(
        (activated.number, activated.status),
        (saved.number, Status::Active)
    );
    assert_eq!(prompts.get("triage").await.unwrap(), activated);
    // What is active already stays so, and an archived version stays archived.
    assert_eq!(prompts.save("triage", draft()).await.unwrap(), activated);
    let archived = prompts.archive(&activated, &mo()).await.unwrap();
    assert_eq!(prompts.save("triage", draft().active()).await.unwrap(), archived);
}

#[tokio::test]
async fn the_last_active_version_of_a_snippet_in_use_is_not_archived() {
    let acme = tenant();
    let prompts = acme.prompts();
    let v1 = active(&acme, "safety", "Be safe.").await.unwrap();
    let v2 = active(&acme, "safety", "Be very safe.").await.unwrap();
    let mut needing = Vec::new();
    for i in 0..6 {
        let draft = Draft::text("{% include \"safety\" %}{% include \"safety@latest\" %}").by("mo");
        needing.push(prompts.save(format!("p{i}"), draft).await.unwrap());
    }
    active(&acme, "pinned", "{% include \"safety@1\" %}")
        .await
        .unwrap();
    prompts.archive(&v1, &mo()).await.unwrap();
    let error = prompts.archive(&v2, &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error.to_string().contains(
            "safety v2 cannot be archived while p0 v1, p1 v1, p2 v1, p3 v1, p4 v1 and others include safety by \
             \"latest\" and no other version of it is active; save or activate another version first, or archive \
             those"
        ),
        "{error}"
    );
    assert_eq!(prompts.get("safety").await.unwrap().number, v2.number);
    for version in &needing {
        prompts.archive(version, &mo()).await.unwrap();
    }
    prompts.archive(&v2, &mo()).await.unwrap();
}

#[tokio::test]
async fn whether_includes_go_round_does_not_depend_on_their_order() {
    let acme = tenant();
    let both = |first: &str, second: &str| {
        [(first, second), (second, first)]
            .map(|(a, b)| format!("{{% include \"{a}\" %}}{{% include \"{b}\" %}}"))
    };
    // y v1 leads to s, and s to y v2, which ends there: another text is no circle.
    active(&acme, "s", "s").await.unwrap();
    active(&acme, "y", "{% include \"s\" %}").await.unwrap();
    active(&acme, "y", "end").await.unwrap();
    active(&acme, "s", "{% include \"y\" %}").await.unwrap();
    for text in both("s", "y@1") {
        active(&acme, "x", &text).await.unwrap();
    }
    // Nor is an older version of the prompt itself; but from inside, it is not reached by what can move.
    active(&acme, "s", "{% include \"x@1\" %}").await.unwrap_err();
    active(&acme, "z", "plain").await.unwrap();
    active(&acme, "t", "{% include \"z\" %}").await.unwrap();
    active(&acme, "z", "{% include \"z@1\" %} more").await.unwrap();
    for text in both("t", "z@1") {
        let error = active(&acme, "z", &text).await.unwrap_err();
        assert!(error.message().contains("circle: z → t → z"), "{error}");
    }

    // A real circle, made by taking the version out of use that kept it open: a → b → c → a.
    let b1 = active(&acme, "b", "b").await.unwrap();
    active(&acme, "c", "c").await.unwrap();
    active(&acme, "a", "{% include \"b\" %}").await.unwrap();
    active(&acme, "b", "{% include \"c\" %}").await.unwrap();
    let b3 = active(&acme, "b", "open").await.unwrap();
    active(&acme, "c", "{% include \"a\" %}").await.unwrap();
    acme.prompts().archive(&b1, &mo()).await.unwrap();
    acme.prompts().archive(&b3, &mo()).await.unwrap();
    for text in both("a", "b@2").into_iter().chain(both("c", "a@1")) {
        let error = active(&acme, "w", &text).await.unwrap_err();
        assert!(error.message().contains("go round in a circle"), "{error}");
    }
}

#[tokio::test]
async fn tags_are_bounded() {
    let acme = tenant();
    active(&acme, "p", "p").await.unwrap();
    let tags = |count: usize| (0..count).map(|i| format!("t{i}"));
    let prompts = acme.prompts();
    assert_eq!(
        prompts.set_tags("p", tags(64), &mo()).await.unwrap().tags.len(),
        64
    );
    let endless = std::iter::repeat("t");
    for error in [
        prompts.set_tags("p", tags(65), &mo()).await.unwrap_err(),
        prompts.set_tags("p", endless, &mo()).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("more than 64 tags"), "{error}");
    }
    let many = tags(65).fold(Draft::text("q").by("mo"), Draft::tag);
    let error = prompts.save("p", many).await.unwrap_err();
    assert!(error.to_string().contains("more than 64 tags"), "{error}");
}

#[tokio::test]
async fn an_override_does_not_include_what_it_hides() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let (shared, acme) = (ops.tenant("shared").unwrap(), ops.tenant("acme").unwrap());
    shared
        .prompts()
        .save("safety", Draft::text("s").by("mo").active())
        .await
        .unwrap();
    ops.tenants()
        .set_parent("acme", Some("shared"), &Actor::owner("olga"))
        .await
        .unwrap();
    let error = acme
        .prompts()
        .save("safety", Draft::text("{% include \"safety@1\" %}").by("mo"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("includes go round in a circle: safety → safety@1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_message_or_reason_that_not_every_backend_can_keep_is_refused() {
    let acme = PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap();
    let owner = Actor::owner("ana");
    let draft = Draft::text("one").by(&owner).message("a\0b");
    let error = acme.prompts().save("triage", draft).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .contains("the message holds the character U+0000"),
        "{error}"
    );

    // What is said in the prompt itself is another matter.
    let draft = Draft::text("a\0b").by(&owner);
    let version = acme.prompts().save("triage", draft).await.unwrap();
    let environments = acme.environments();
    let error = environments
        .promote(&version, "dev", &owner)
        .reason("x\0")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
