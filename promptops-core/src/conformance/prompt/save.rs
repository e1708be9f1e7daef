//! Saving versions.

use crate::base::audit::AuditAction;
use crate::base::{Actor, ErrorKind};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::prompt::{NewVersion, Status, refusal};

/// A save makes the prompt if it is not there.
pub async fn first_save_makes_the_prompt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(desk.prompt("triage").await, None);
    let version = desk.save_draft("triage", "one").await;
    assert_eq!(version.number, number(1), "the first version is v1");
    assert!(version.parents.is_empty(), "the first version has no parent");
    let record = desk
        .prompt("triage")
        .await
        .expect("the prompt is there after its first save");
    assert_eq!(record.tenant, desk.tenant);
    assert_eq!(record.name, name("triage"));
    assert_eq!(record.tags, []);
}

/// A version's number is one more than the prompt's largest.
pub async fn versions_are_numbered_from_one_in_each_prompt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for expected in 1..=4 {
        for prompt in ["a", "b"] {
            let version = desk.save_draft(prompt, &format!("text {expected}")).await;
            assert_eq!(version.number, number(expected), "of {prompt}");
        }
    }
}

/// A version comes back with everything it was saved with, at once and after reopening.
pub async fn version_reads_back_as_saved(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    desk.save_draft("triage", "two").await;
    let new = NewVersion {
        semver: Some("1.4.0-rc.1+build.7".parse().unwrap()),
        parents: Some(numbers(&[2, 1])),
        author: Actor::system("bot-7 \u{1f916} O'Neil"),
        message: "Why?\n\"Because\" it's 100% b\u{e4}d; DROP TABLE versions; --".into(),
        status: Status::Active,
        created_at: at(999_999),
        ..desk.draft("triage", "three")
    };
    let version = desk.save(new.clone()).await;
    assert_eq!(version.tenant, desk.tenant);
    assert_eq!(version.prompt, name("triage"));
    assert_eq!(version.number, number(3));
    assert_eq!(version.hash, new.hash);
    assert_eq!(version.content, new.content);
    assert_eq!(version.semver, new.semver);
    assert_eq!(
        version.parents,
        numbers(&[2, 1]),
        "given parents keep their order"
    );
    assert_eq!(version.author, new.author);
    assert_eq!(version.message, new.message);
    assert_eq!(version.status, Status::Active);
    assert_eq!(version.created_at, new.created_at);

    let desk = desk.reopen(harness).await;
    assert_eq!(*found(&desk.find_one("triage@v3").await).version, version);
    assert_eq!(desk.versions("triage").await[0], version);
    let again = desk.stores.prompts.save_version(new).await.unwrap();
    assert!(!again.created, "the same content is found again after reopening");
    assert_eq!(again.version, version);
}

/// Times are kept to the microsecond.
pub async fn times_are_kept_to_the_microsecond(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // The first and last microsecond of a second, the epoch, and the last moment of year 9999.
    for micros in [
        1_767_225_600_000_001,
        1_767_225_600_999_999,
        0,
        253_402_300_799_999_999,
    ] {
        let created_at = timestamp(micros);
        let mut new = desk.draft(&format!("at-{micros}"), "text");
        new.created_at = created_at;
        new.audit.at = created_at;
        let prompt = new.prompt.clone();
        desk.save(new).await;
        let lookup = desk.find_one(prompt.as_str()).await;
        assert_eq!(missing(&lookup), crate::prompt::Missing::ActiveVersion);
        let lookup = desk.find_one(&format!("{prompt}@v1")).await;
        assert_eq!(found(&lookup).version.created_at, created_at);
        let record = desk.prompt(prompt.as_str()).await.unwrap();
        assert_eq!((record.created_at, record.updated_at), (created_at, created_at));
        assert_eq!(desk.audit().await.last().unwrap().entry.at, created_at);
    }
}

/// Content that the prompt has already is not saved again: nothing changes, whatever else the save says.
pub async fn saving_the_same_content_again_changes_nothing(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save(NewVersion {
        tags: tags(&["kept"]),
        semver: Some("1.0.0".parse().unwrap()),
        ..desk.draft("triage", "one")
    })
    .await;
    desk.save_draft("triage", "two").await;
    let before = desk.everything().await;
    let again = NewVersion {
        tags: tags(&["new"]),
        semver: Some("2.0.0".parse().unwrap()),
        parents: Some(numbers(&[9])),
        author: Actor::owner("bob"),
        message: "again".into(),
        status: Status::Active,
        created_at: at(5),
        includes: vec![("safety".into(), name("safety"))],
        ..desk.draft("triage", "one")
    };
    let saved = desk.stores.prompts.save_version(again).await.unwrap();
    assert!(!saved.created, "content that is there is not saved again");
    assert_eq!(
        saved.version,
        desk.versions("triage").await[1],
        "the version that has it is returned"
    );
    assert_eq!(desk.everything().await, before, "nothing changes");
    assert_eq!(desk.dependents("safety").await, []);
}

/// A content saved again is found whatever the status of the version that has it.
pub async fn archived_content_saved_again_stays_archived(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    desk.set_status("triage", v1.number, Status::Archived)
        .await
        .unwrap();
    let again = desk
        .stores
        .prompts
        .save_version(desk.draft("triage", "one"))
        .await
        .unwrap();
    assert!(!again.created);
    assert_eq!(again.version.status, Status::Archived);
}

/// The same content in another prompt is a version of that prompt.
pub async fn same_content_in_another_prompt_is_another_version(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let a = desk.save_draft("a", "text").await;
    let b = desk.save_draft("b", "text").await;
    assert_eq!(a.hash, b.hash);
    assert_eq!((a.number, b.number), (number(1), number(1)));
    assert_eq!(
        found(&desk.find_one(&format!("b@{}", b.hash)).await)
            .version
            .prompt,
        name("b")
    );
}

/// Racing saves of one content make one version.
pub async fn racing_saves_of_one_content_make_one_version(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 1..=5 {
        let saved = race(8, |i| {
            let desk = desks[i % 2].clone();
            let new = desk.draft("triage", &format!("round {round}"));
            async move { desk.stores.prompts.save_version(new).await.unwrap() }
        })
        .await;
        let created = saved.iter().filter(|saved| saved.created).count();
        assert_eq!(created, 1, "exactly one save makes the version");
        for saved in saved {
            assert_eq!(saved.version.number, number(round), "all get the one version");
        }
        assert_eq!(
            desks[0].audited().await,
            round as usize,
            "one record for each version"
        );
    }
}

/// Racing saves of different contents get numbers of their own, without a gap, each made from the one before.
pub async fn racing_saves_of_different_contents_get_consecutive_numbers(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..10 {
                desk.save_draft("triage", &format!("task {i} text {n}")).await;
            }
        }
    })
    .await;
    let mut versions = desks[0].versions("triage").await;
    versions.reverse();
    let found: Vec<_> = versions.iter().map(|version| version.number.get()).collect();
    assert_eq!(found, (1..=80).collect::<Vec<_>>());
    for pair in versions.windows(2) {
        assert_eq!(
            pair[1].parents,
            [pair[0].number],
            "the parent is the newest of that moment"
        );
    }
    assert_eq!(desks[1].audited().await, 80);
}

/// Without given parents, the parent is the newest version there is, archived or not.
pub async fn parent_is_the_newest_version_unless_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_active("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    assert_eq!(v2.parents, numbers(&[1]));
    desk.set_status("triage", v2.number, Status::Archived)
        .await
        .unwrap();
    let v3 = desk.save_draft("triage", "three").await;
    assert_eq!(v3.parents, numbers(&[2]));
    let root = desk
        .save(NewVersion {
            parents: Some(Vec::new()),
            ..desk.draft("triage", "four")
        })
        .await;
    assert!(root.parents.is_empty(), "a version can be given no parent");
    assert_eq!(
        desk.versions("triage").await[0].parents,
        [],
        "and has none when read"
    );
}

/// Given parents that do not exist are invalid, and nothing is saved.
pub async fn unknown_parents_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let with = |prompt: &str, parents: &[u32]| NewVersion {
        parents: Some(numbers(parents)),
        tags: tags(&["new"]),
        ..desk.draft(prompt, "new")
    };
    desk.save_draft("triage", "one").await;
    desk.save_draft("other", "one").await;
    desk.save_draft("other", "two").await;
    let before = desk.everything().await;
    for (prompt, parents) in [
        ("triage", &[2][..]),
        ("triage", &[1, 7]),
        ("triage", &[u32::MAX]),
        ("unknown", &[1]),
    ] {
        let result = desk.stores.prompts.save_version(with(prompt, parents)).await;
        fails(
            result,
            ErrorKind::Invalid,
            &format!("{prompt} made from {parents:?}"),
        );
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// A save that is refused for several reasons is refused for the first of them.
pub async fn save_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let semver = Some("1.0.0".parse().unwrap());
    let with = |text: &str, parents: &[u32]| NewVersion {
        semver: semver.clone(),
        parents: Some(numbers(parents)),
        ..desk.draft("triage", text)
    };
    desk.save(with("one", &[])).await;
    let triage = name("triage");
    for (parents, expected) in [
        (&[1, 9, 8][..], refusal::unknown_parent(&triage, number(9))),
        (
            &[1],
            refusal::semver_taken(&triage, semver.as_ref().unwrap(), number(1)),
        ),
    ] {
        let result = desk.stores.prompts.save_version(with("two", parents)).await;
        let error = fails(result, expected.kind(), expected.message());
        assert_eq!(error.message(), expected.message());
    }
}

/// A semver is unique within its prompt; a version that would take another's is not saved.
pub async fn taken_semver_already_exists(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let with = |prompt: &str, text: &str, semver: &str| NewVersion {
        semver: Some(semver.parse().unwrap()),
        tags: tags(&[text]),
        ..desk.draft(prompt, text)
    };
    desk.save(with("triage", "one", "1.0.0")).await;
    let before = desk.everything().await;
    let taken = desk
        .stores
        .prompts
        .save_version(with("triage", "two", "1.0.0"))
        .await;
    fails(taken, ErrorKind::AlreadyExists, "a taken semver");
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.save(with("triage", "two", "1.0.1")).await;
    desk.save(with("other", "one", "1.0.0")).await;
    desk.save_draft("triage", "three").await;
    desk.save_draft("triage", "four").await;
}

/// Of racing saves with one semver exactly one succeeds.
pub async fn racing_saves_of_one_semver_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let results = race(8, |i| {
        let desk = desks[i % 2].clone();
        let new = NewVersion {
            semver: Some("1.0.0".parse().unwrap()),
            ..desk.draft("triage", &format!("text {i}"))
        };
        async move { desk.stores.prompts.save_version(new).await }
    })
    .await;
    let mut winners = 0;
    for result in results {
        match result {
            Ok(_) => winners += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(desks[0].versions("triage").await.len(), 1);
}

/// A save adds its tags to those the prompt has.
pub async fn saved_tags_are_added_to_the_prompts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for (text, names) in [
        ("one", &["b", "a"][..]),
        ("two", &["c", "a", "c"]),
        ("three", &[]),
    ] {
        desk.save(NewVersion {
            tags: tags(names),
            ..desk.draft("triage", text)
        })
        .await;
    }
    assert_eq!(desk.prompt("triage").await.unwrap().tags, tags(&["a", "b", "c"]));
}

/// A save's audit record is about the version it made.
pub async fn save_is_on_record_under_the_versions_name(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("support/triage", "one").await;
    desk.save_draft("support/triage", "two").await;
    let records = desk.audit().await;
    assert_eq!(records.len(), 2);
    for (record, subject) in records.iter().zip(["support/triage v1", "support/triage v2"]) {
        assert_eq!(record.entry.subject, subject);
        assert_eq!(record.entry.action, AuditAction::SaveVersion);
    }
}

/// What one handle has saved, another sees at once.
pub async fn another_handle_sees_what_was_saved(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    for i in 1..=20 {
        let version = here.save_active("triage", &format!("text {i}")).await;
        assert_eq!(*found(&there.find_one("triage").await).version, version);
        let version = there.save_active("triage", &format!("reply {i}")).await;
        assert_eq!(*found(&here.find_one("triage").await).version, version);
    }
}
