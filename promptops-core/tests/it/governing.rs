//! Promotion, rollback, approval, policies: what is let through, what is refused and in which words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use promptops_core::base::event::EventListener;
use promptops_core::base::{Actor, Change, DatasetName, Event, PageRequest, VersionNumber};
use promptops_core::environment::{MoveKind, Policy};
use promptops_core::evaluation::Evidence;
use promptops_core::prompt::{Content, Draft, Status, Version};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Tenant};

fn tenant() -> Tenant {
    PromptOps::builder(MemoryBackend::new())
        .build()
        .tenant("acme")
        .unwrap()
}

fn olga() -> Actor {
    Actor::owner("olga")
}

fn mo() -> Actor {
    Actor::member("mo")
}

async fn save(tenant: &Tenant, name: &str, text: &str) -> Version {
    tenant
        .prompts()
        .save(name, Draft::text(text).by("mo").active())
        .await
        .unwrap()
}

async fn live(tenant: &Tenant, environment: &str) -> Option<u32> {
    let pointers = tenant.environments().list("triage").await.unwrap();
    pointers
        .iter()
        .find(|pointer| pointer.environment.as_str() == environment)
        .map(|pointer| pointer.version.get())
}

fn unmet(error: &Error) -> Vec<String> {
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    error.unmet().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_refusal_lists_every_unmet_condition_and_changes_nothing() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let environments = acme.environments();
    let policy = Policy::open()
        .after("staging")
        .unwrap()
        .min_usage_count(2)
        .min_success_rate(0.5)
        .require_evaluation("golden", 0.9)
        .unwrap()
        .approvals(1);
    environments
        .set_policy("production", policy, &olga())
        .await
        .unwrap();
    let audited = acme.audit().verify().await.unwrap();
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    let short = v1_closure(&acme).await.short();
    assert_eq!(
        unmet(&error),
        [
            "source_environment: found nothing live in staging, needed v1 live in staging".to_owned(),
            "min_usage_count: found 0, needed at least 2 with a known success".into(),
            "min_success_rate: found no data, needed at least 0.5".into(),
            format!("evaluation: found no evaluation of {short}, needed at least 0.9 on dataset golden"),
            "approvals: found 0, needed 1 by owners other than mo".into(),
        ]
    );
    assert!(
        error
            .to_string()
            .starts_with("triage v1 may not go live in production: source_environment: ")
    );
    assert_eq!(live(&acme, "production").await, None);
    assert_eq!(acme.audit().verify().await.unwrap(), audited);
    let conditions = environments.check(&v1, "production", &mo()).await.unwrap();
    assert_eq!(conditions.iter().filter(|condition| !condition.met).count(), 5);
}

async fn v1_closure(tenant: &Tenant) -> promptops_core::base::ClosureHash {
    tenant.resolve("triage@v1").await.unwrap().closure_hash()
}

#[tokio::test]
async fn a_gate_passes_on_evidence_for_exactly_this_closure() {
    let acme = tenant();
    save(&acme, "safety", "Be safe.").await;
    let v1 = save(&acme, "triage", "{% include \"safety\" %}").await;
    let environments = acme.environments();
    let policy = Policy::open()
        .min_usage_count(2)
        .min_success_rate(0.5)
        .min_average_rating(0.7);
    let policy = policy.require_evaluation("golden", 0.9).unwrap();
    environments
        .set_policy("production", policy, &olga())
        .await
        .unwrap();
    let record = async |closure_hash, run: &str, passed| {
        let evidence = Evidence {
            prompt: v1.prompt.clone(),
            closure_hash,
            dataset: DatasetName::new("golden").unwrap(),
            dataset_version: VersionNumber::FIRST,
            run: run.into(),
            entries: 10,
            passed,
            dimensions: BTreeMap::new(),
            judges: BTreeMap::new(),
        };
        acme.evaluations().record_evidence(evidence, &mo()).await.unwrap();
    };
    environments.promote(&v1, "staging", &mo()).await.unwrap();
    let answer = acme.resolve("triage@staging").render(&()).await.unwrap();
    acme.metrics()
        .record_feedback(answer.stamp(), true, Some(0.8))
        .await
        .unwrap();
    acme.metrics()
        .record_feedback(answer.stamp(), false, Some(0.6))
        .await
        .unwrap();
    record(answer.stamp().closure_hash, "run-1", 8).await;
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(
        unmet(&error),
        ["evaluation: found 0.8 (8 of 10 passed in run run-1), needed at least 0.9 on dataset golden"]
    );
    record(answer.stamp().closure_hash, "run-2", 9).await;
    // A changed snippet makes another closure, of which nothing is known.
    save(&acme, "safety", "Be very safe.").await;
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(unmet(&error).len(), 4, "{error}");
    let back = acme.prompts().get("safety@v2").await.unwrap();
    acme.prompts().archive(&back, &mo()).await.unwrap();
    let pointer = environments.promote(&v1, "production", &mo()).await.unwrap();
    assert_eq!(pointer.closure_hash, answer.stamp().closure_hash);
    let bad = acme
        .metrics()
        .record_feedback(answer.stamp(), true, Some(1.5))
        .await
        .unwrap_err();
    assert!(
        bad.to_string()
            .contains("the rating is 1.5; expected a number in 0.0 ..= 1.0")
    );
}

#[tokio::test]
async fn only_an_owner_waives_and_what_was_waived_is_recorded() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let environments = acme.environments();
    environments
        .set_policy("production", Policy::open().min_usage_count(5), &olga())
        .await
        .unwrap();
    let error = environments
        .promote(&v1, "production", &mo())
        .waive("please")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let error = environments
        .promote(&v1, "production", &olga())
        .waive("  ")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a waiver needs a reason"), "{error}");
    environments
        .promote(&v1, "production", &olga())
        .waive("incident 7")
        .await
        .unwrap();
    let history = environments
        .history("triage", "production", &PageRequest::default())
        .await
        .unwrap()
        .items;
    let waiver = history[0].waiver.as_ref().unwrap();
    assert_eq!((waiver.reason.as_str(), waiver.unmet.len()), ("incident 7", 1));
    assert_eq!(waiver.unmet[0].condition, "min_usage_count");
    // A waiver of nothing is no waiver.
    environments
        .promote(&v1, "staging", &olga())
        .waive("habit")
        .await
        .unwrap();
    let history = environments
        .history("triage", "staging", &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(history[0].waiver, None);
}

#[tokio::test]
async fn approvals_are_for_one_closure_on_one_base() {
    let acme = tenant();
    save(&acme, "safety", "Be safe.").await;
    let v1 = save(&acme, "triage", "{% include \"safety\" %}").await;
    let v2 = save(&acme, "triage", "two").await;
    let environments = acme.environments();
    environments
        .set_policy("production", Policy::open().approvals(2), &olga())
        .await
        .unwrap();
    assert_eq!(
        environments
            .approve(&v1, "production", &mo(), "")
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Forbidden
    );
    let (ana, bea) = (Actor::owner("ana"), Actor::owner("bea"));
    environments
        .approve(&v1, "production", &olga(), "looks right")
        .await
        .unwrap();
    environments
        .approve(&v1, "production", &olga(), "again")
        .await
        .unwrap();
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(
        unmet(&error),
        ["approvals: found 1 (olga), needed 2 by owners other than mo"]
    );
    let error = environments
        .promote(&v1, "production", &olga())
        .await
        .unwrap_err();
    assert_eq!(
        unmet(&error),
        ["approvals: found 0, needed 2 by owners other than olga"]
    );
    environments.approve(&v1, "production", &ana, "").await.unwrap();
    // Another text of the snippet was approved by nobody.
    save(&acme, "safety", "Be very safe.").await;
    assert_eq!(
        environments
            .promote(&v1, "production", &mo())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Refused
    );
    for owner in [&ana, &bea] {
        environments.approve(&v1, "production", owner, "").await.unwrap();
    }
    environments.promote(&v1, "production", &mo()).await.unwrap();
    // The move spent them: going back to it needs new ones.
    for owner in [&ana, &bea] {
        environments.approve(&v2, "production", owner, "").await.unwrap();
    }
    environments.promote(&v2, "production", &mo()).await.unwrap();
    assert_eq!(
        environments
            .promote(&v1, "production", &mo())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Refused
    );
}

#[tokio::test]
async fn an_owner_only_environment_is_moved_by_owners_and_rolled_back_by_automation_too() {
    let acme = tenant();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    let environments = acme.environments();
    environments
        .set_policy("production", Policy::open().owner_only(), &olga())
        .await
        .unwrap();
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(unmet(&error), ["owner_only: found member, needed owner"]);
    for version in [&v1, &v2] {
        environments
            .promote(version, "production", &olga())
            .await
            .unwrap();
    }
    let error = environments
        .rollback("triage", "production", &mo(), "worse")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let monitor = Actor::system("system:auto_rollback");
    environments
        .rollback("triage", "production", &monitor, "error rate")
        .await
        .unwrap();
    assert_eq!(live(&acme, "production").await, Some(1));
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let (v, environments, prompts) = (Actor::viewer("vic"), acme.environments(), acme.prompts());
    let audited = acme.audit().verify().await.unwrap();
    let errors = [
        prompts.save("x", Draft::text("x").by(&v)).await.unwrap_err(),
        prompts.activate(&v1, &v).await.unwrap_err(),
        prompts.archive(&v1, &v).await.unwrap_err(),
        prompts.set_tags("triage", ["a"], &v).await.unwrap_err(),
        environments.promote(&v1, "dev", &v).await.unwrap_err(),
        environments.rollback("triage", "dev", &v, "r").await.unwrap_err(),
        environments.approve(&v1, "dev", &v, "").await.unwrap_err(),
        environments
            .set_policy("dev", Policy::open(), &v)
            .await
            .unwrap_err(),
        environments.remove_policy("dev", None, &v).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
        assert!(error.to_string().contains("vic (viewer) may not"), "{error}");
    }
    assert_eq!(acme.audit().verify().await.unwrap(), audited);
}

#[tokio::test]
async fn a_stale_revision_conflicts_and_names_the_current_one() {
    let acme = tenant();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    let environments = acme.environments();
    environments
        .promote(&v1, "dev", &mo())
        .expecting(0)
        .await
        .unwrap();
    let error = environments
        .promote(&v2, "dev", &mo())
        .expecting(0)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.current_revision()),
        (ErrorKind::Conflict, Some(1))
    );
    environments
        .promote(&v2, "dev", &mo())
        .expecting(1)
        .await
        .unwrap();
    let error = environments
        .rollback("triage", "dev", &mo(), "worse")
        .expecting(1)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.current_revision()),
        (ErrorKind::Conflict, Some(2))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_promotions_one_wins_each_revision_and_the_history_has_no_gap() {
    let acme = tenant();
    let mut versions = Vec::new();
    for i in 0..16 {
        versions.push(save(&acme, "triage", &format!("text {i}")).await);
    }
    let tasks: Vec<_> = versions
        .into_iter()
        .map(|version| {
            let acme = acme.clone();
            tokio::spawn(async move {
                acme.environments()
                    .promote(&version, "dev", &mo())
                    .expecting(0)
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.current_revision()),
                    (ErrorKind::Conflict, Some(1)),
                    "{error}"
                );
            }
        }
    }
    assert_eq!(won, 1);
    let history = acme
        .environments()
        .history("triage", "dev", &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        history.iter().map(|record| record.revision).collect::<Vec<_>>(),
        [1]
    );
}

#[tokio::test]
async fn rollback_goes_to_what_was_live_before_or_to_a_named_version() {
    let acme = tenant();
    let environments = acme.environments();
    let mut versions = Vec::new();
    for text in ["one", "two", "three", "four"] {
        versions.push(save(&acme, "triage", text).await);
    }
    let error = environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("nothing of triage is live in dev"),
        "{error}"
    );
    for version in &versions[..3] {
        environments.promote(version, "dev", &mo()).await.unwrap();
    }
    let error = environments
        .rollback("triage", "dev", &mo(), " ")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a rollback needs a reason"), "{error}");
    assert_eq!(
        environments
            .rollback("triage", "dev", &mo(), "worse")
            .await
            .unwrap()
            .version
            .get(),
        2
    );
    assert_eq!(
        environments
            .rollback("triage", "dev", &mo(), "still")
            .await
            .unwrap()
            .version
            .get(),
        1
    );
    let error = environments
        .rollback("triage", "dev", &mo(), "more")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nothing was live in dev before triage v1"),
        "{error}"
    );
    // What was taken out of service comes back through the policy alone.
    for rolled_back in &versions[1..3] {
        let error = environments
            .rollback("triage", "dev", &mo(), "was fine")
            .to(rolled_back.number)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalTransition);
        let said = format!("{rolled_back} was rolled back in dev; promote it instead");
        assert!(error.to_string().contains(&said), "{error}");
    }
    for version in &versions[1..3] {
        environments.promote(version, "dev", &mo()).await.unwrap();
    }
    let named = environments
        .rollback("triage", "dev", &mo(), "was fine")
        .to(versions[0].number)
        .await
        .unwrap();
    assert_eq!((named.version.get(), named.revision), (1, 8));
    let error = environments
        .rollback("triage", "dev", &mo(), "x")
        .to(versions[3].number)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("triage v4 was never live in dev; promote it instead"),
        "{error}"
    );
    let history = environments
        .history("triage", "dev", &PageRequest::default())
        .await
        .unwrap()
        .items;
    let told: Vec<_> = history
        .iter()
        .rev()
        .map(|record| {
            (
                record.kind,
                record.from.map(VersionNumber::get),
                record.to.get(),
                record.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (MoveKind::Promote, None, 1, ""),
            (MoveKind::Promote, Some(1), 2, ""),
            (MoveKind::Promote, Some(2), 3, ""),
            (MoveKind::Rollback, Some(3), 2, "worse"),
            (MoveKind::Rollback, Some(2), 1, "still"),
            (MoveKind::Promote, Some(1), 2, ""),
            (MoveKind::Promote, Some(2), 3, ""),
            (MoveKind::Rollback, Some(3), 1, "was fine"),
        ]
    );
}

#[tokio::test]
async fn a_rollback_passes_over_what_was_archived() {
    let acme = tenant();
    let environments = acme.environments();
    let mut versions = Vec::new();
    for text in ["one", "two", "three"] {
        let version = save(&acme, "triage", text).await;
        environments.promote(&version, "dev", &mo()).await.unwrap();
        versions.push(version);
    }
    acme.prompts().archive(&versions[1], &mo()).await.unwrap();
    let error = environments
        .rollback("triage", "dev", &mo(), "worse")
        .to(versions[1].number)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    assert!(error.to_string().contains("triage v2 is archived"), "{error}");
    let back = environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap();
    assert_eq!(back.version.get(), 1);
    environments.promote(&versions[2], "dev", &mo()).await.unwrap();
    acme.prompts().archive(&versions[0], &mo()).await.unwrap();
    let error = environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .contains("all that was live in dev before triage v3 is archived"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rollback_takes_snippets_as_they_are_if_they_can_be_rendered() {
    let acme = tenant();
    let environments = acme.environments();
    save(&acme, "safety", "Be safe.").await;
    let draft = Draft::text("{{ tone }} {% include \"safety\" %}")
        .input_schema(serde_json::json!({"type": "object", "properties": {"tone": {}}, "required": ["tone"]}))
        .by("mo");
    let v1 = acme.prompts().save("triage", draft).await.unwrap();
    let v2 = save(&acme, "triage", "two").await;
    let first = environments.promote(&v1, "dev", &mo()).await.unwrap();
    environments.promote(&v2, "dev", &mo()).await.unwrap();
    save(&acme, "safety", "Be very safe.").await;
    let back = environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap();
    assert_eq!(back.version, v1.number);
    assert_ne!(back.closure_hash, first.closure_hash);
    assert_eq!(back.closure_hash, v1_closure(&acme).await);
    let history = environments
        .history("triage", "dev", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(history.items[0].closure_hash, back.closure_hash);

    environments.promote(&v2, "dev", &mo()).await.unwrap();
    save(&acme, "safety", "Be safe, {{ name }}.").await;
    let error = environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("name"), "{error}");
    assert_eq!(live(&acme, "dev").await, Some(2));
}

#[tokio::test]
async fn a_promotion_tells_of_the_version_and_a_rollback_of_the_pointer_alone() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let listener: Arc<dyn EventListener> = Arc::new(move |event: &Event| {
        let Event::Changed { change, .. } = event else {
            panic!("{event:?} is no change");
        };
        told.lock().unwrap().push(match change {
            Change::PointerMoved { version, .. } => format!("pointer {version}"),
            Change::VersionChanged { version, .. } => format!("version {version}"),
            other => format!("{other:?}"),
        });
    });
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let acme = ops.tenant("acme").unwrap();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    ops.events().subscribe(Arc::downgrade(&listener));
    let environments = acme.environments();
    for version in [&v1, &v2] {
        environments.promote(version, "dev", &mo()).await.unwrap();
    }
    environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "pointer v1",
            "version v1",
            "pointer v2",
            "version v2",
            "pointer v1"
        ]
    );
}

#[tokio::test]
async fn what_was_tried_in_the_source_is_what_goes_live() {
    let acme = tenant();
    let environments = acme.environments();
    let policy = Policy::open().after("staging").unwrap();
    environments
        .set_policy("production", policy, &olga())
        .await
        .unwrap();
    save(&acme, "safety", "Be safe.").await;
    let v1 = save(&acme, "triage", "{% include \"safety\" %}").await;
    let tried = environments.promote(&v1, "staging", &mo()).await.unwrap();
    save(&acme, "safety", "Be very safe.").await;
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(
        unmet(&error),
        [format!(
            "source_environment: found v1 live in staging with other snippets (closure {}), needed v1 live in \
             staging with the snippets as they are now: promote it to staging again",
            tried.closure_hash.short()
        )]
    );
    let again = environments.promote(&v1, "staging", &mo()).await.unwrap();
    assert_eq!(again.revision, 2);
    environments.promote(&v1, "production", &mo()).await.unwrap();
}

#[tokio::test]
async fn an_environment_in_which_something_is_live_exists_without_a_policy() {
    let acme = tenant();
    let environments = acme.environments();
    let (v1, v2) = (
        save(&acme, "triage", "one").await,
        save(&acme, "triage", "two").await,
    );
    environments
        .set_policy("canary", Policy::open(), &olga())
        .await
        .unwrap();
    environments.promote(&v1, "canary", &mo()).await.unwrap();
    environments.remove_policy("canary", None, &olga()).await.unwrap();
    environments.promote(&v2, "canary", &mo()).await.unwrap();
    let after = || Policy::open().after("canary").unwrap();
    environments
        .set_policy_for("triage", "production", after(), &olga())
        .await
        .unwrap();
    let other = save(&acme, "other", "one").await;
    for error in [
        environments.promote(&other, "canary", &mo()).await.unwrap_err(),
        environments
            .set_policy("production", after(), &olga())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test]
async fn unknown_environments_are_refused_with_those_there_are() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let environments = acme.environments();
    let error = environments.promote(&v1, "prodution", &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error
            .message()
            .contains("the environment prodution does not exist; there are dev, production, staging"),
        "{error}"
    );
    for reserved in ["latest", "v3", "", "Prod", "a b"] {
        assert_eq!(
            environments
                .promote(&v1, reserved, &mo())
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Invalid
        );
    }
    environments
        .set_policy("canary", Policy::open(), &olga())
        .await
        .unwrap();
    environments.promote(&v1, "canary", &mo()).await.unwrap();
    let error = environments
        .set_policy("production", Policy::open().after("canari").unwrap(), &olga())
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let error = environments
        .set_policy("dev", Policy::open().after("dev").unwrap(), &olga())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be its own source"), "{error}");
    let error = environments
        .set_policy("dev", Policy::open().min_success_rate(90.0), &olga())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("min_success_rate is 90; expected a number in 0.0 ..= 1.0"),
        "{error}"
    );
}

#[tokio::test]
async fn a_prompts_own_policy_takes_the_place_of_the_environments() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let environments = acme.environments();
    environments
        .set_policy("production", Policy::open().min_usage_count(9), &olga())
        .await
        .unwrap();
    environments
        .set_policy_for("triage", "production", Policy::open(), &olga())
        .await
        .unwrap();
    environments.promote(&v1, "production", &mo()).await.unwrap();
    environments
        .remove_policy("production", Some("triage"), &olga())
        .await
        .unwrap();
    assert_eq!(
        environments
            .policy("triage", "production")
            .await
            .unwrap()
            .gate
            .min_usage_count,
        9
    );
    let v2 = save(&acme, "triage", "two").await;
    assert_eq!(
        environments
            .promote(&v2, "production", &mo())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Refused
    );
}

#[tokio::test]
async fn promotion_activates_drafts_refuses_the_archived_and_repeats_itself_in_vain() {
    let acme = tenant();
    let environments = acme.environments();
    let draft = acme
        .prompts()
        .save("triage", Draft::text("one").by("mo"))
        .await
        .unwrap();
    assert_eq!(draft.status, Status::Draft);
    assert!(
        acme.resolve("triage").await.is_err(),
        "nobody sees a draft who does not ask for it"
    );
    environments.promote(&draft, "dev", &mo()).await.unwrap();
    assert_eq!(acme.prompts().get("triage").await.unwrap().status, Status::Active);
    let again = environments.promote(&draft, "dev", &mo()).await.unwrap();
    assert_eq!(again.revision, 1, "what is live already is not moved again");
    let error = acme.prompts().archive(&draft, &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("dev"), "{error}");
    let v2 = save(&acme, "triage", "two").await;
    let archived = acme.prompts().archive(&v2, &mo()).await.unwrap();
    for version in [&v2, &archived] {
        let error = environments.promote(version, "dev", &mo()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalTransition, "{error}");
    }
}

#[tokio::test]
async fn only_the_very_text_that_was_saved_goes_live() {
    let acme = tenant();
    let v1 = save(&acme, "triage", "one").await;
    let mut forged = v1.clone();
    forged.content = Arc::new(Content::text("injected"));
    let error = acme
        .environments()
        .promote(&forged, "dev", &mo())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not have the content"), "{error}");
    forged.hash = forged.content.hash();
    let error = acme
        .environments()
        .promote(&forged, "dev", &mo())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not have the content"), "{error}");
    assert_eq!(live(&acme, "dev").await, None);
}

#[tokio::test]
async fn inherited_versions_are_the_parents_to_promote() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let (shared, acme) = (ops.tenant("shared").unwrap(), ops.tenant("acme").unwrap());
    save(&shared, "triage", "one").await;
    ops.tenants()
        .set_parent("acme", Some("shared"), &olga())
        .await
        .unwrap();
    let inherited = acme.prompts().get("triage").await.unwrap();
    let error = acme
        .environments()
        .promote(&inherited, "dev", &olga())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not this tenant's own; save a version under the same name"),
        "{error}"
    );
    assert!(acme.prompts().archive(&inherited, &olga()).await.is_err());
    let error = ops.tenants().set_parent("acme", None, &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn floating_snippets_are_refused_where_the_policy_says_so() {
    let acme = tenant();
    let environments = acme.environments();
    let safety = save(&acme, "safety", "Be safe.").await;
    environments.promote(&safety, "production", &mo()).await.unwrap();
    environments
        .set_policy_for("triage", "production", Policy::open().pinned_snippets(), &olga())
        .await
        .unwrap();
    save(&acme, "nested", "{% include \"safety\" %}").await;
    let v1 = save(&acme, "triage", "{% include \"nested@1\" %}").await;
    let error = environments.promote(&v1, "production", &mo()).await.unwrap_err();
    assert_eq!(
        unmet(&error),
        ["pinned_snippets: found safety, needed every include by version, or by production"]
    );
    // What another environment lets in, this one was not asked about.
    environments.promote(&safety, "dev", &mo()).await.unwrap();
    let v2 = save(
        &acme,
        "triage",
        "{% include \"safety@dev\" %} {% include \"safety@1\" %}",
    )
    .await;
    let error = environments.promote(&v2, "production", &mo()).await.unwrap_err();
    assert_eq!(
        unmet(&error),
        ["pinned_snippets: found safety@dev, needed every include by version, or by production"]
    );
    let v3 = save(
        &acme,
        "triage",
        "{% include \"safety@1\" %} {% include \"safety@production\" %}",
    )
    .await;
    environments.promote(&v3, "production", &mo()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_rendered_does_not_go_live() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let (shared, acme) = (ops.tenant("shared").unwrap(), ops.tenant("acme").unwrap());
    ops.tenants()
        .set_parent("acme", Some("shared"), &olga())
        .await
        .unwrap();
    let environments = acme.environments();
    let safety = save(&shared, "safety", "Be safe.").await;
    let v1 = save(&acme, "triage", "{% include \"safety\" %}").await;
    // Who inherits a snippet is not among its dependents.
    shared.prompts().archive(&safety, &mo()).await.unwrap();
    let error = environments.promote(&v1, "dev", &mo()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the snippet safety has no active version"),
        "{error}"
    );
    assert_eq!(
        error.location().unwrap().to_string(),
        "triage v1, line 1, column 12"
    );
}

#[tokio::test]
async fn every_change_is_on_record_once() {
    let acme = tenant();
    let (environments, prompts) = (acme.environments(), acme.prompts());
    let v1 = save(&acme, "triage", "one").await;
    let v2 = save(&acme, "triage", "two").await;
    save(&acme, "triage", "two").await;
    prompts.set_tags("triage", ["support"], &mo()).await.unwrap();
    environments
        .set_policy("dev", Policy::open(), &olga())
        .await
        .unwrap();
    environments.approve(&v1, "dev", &olga(), "fine").await.unwrap();
    environments
        .promote(&v1, "dev", &mo())
        .reason("go")
        .await
        .unwrap();
    environments.promote(&v2, "dev", &mo()).await.unwrap();
    environments
        .rollback("triage", "dev", &mo(), "worse")
        .await
        .unwrap();
    prompts.archive(&v2, &mo()).await.unwrap();
    let records = acme.audit().list(&PageRequest::default()).await.unwrap().items;
    let told: Vec<String> = records
        .iter()
        .map(|record| {
            format!(
                "{} {} {}",
                record.entry.actor.id, record.entry.action, record.entry.subject
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "mo save_version triage v1",
            "mo save_version triage v2",
            "mo set_tags triage",
            "olga set_policy dev",
            "olga approve triage@dev",
            "mo promote triage@dev",
            "mo promote triage@dev",
            "mo rollback triage@dev",
            "mo set_status triage v2",
        ]
    );
    assert_eq!(acme.audit().verify().await.unwrap(), 9);
}
