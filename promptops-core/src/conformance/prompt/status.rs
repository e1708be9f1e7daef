//! Statuses and tags.

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::prompt::Status::{self, Active, Archived, Draft};

/// A version goes from draft to active to archived and back into use, and is returned as it then is.
pub async fn status_changes_are_kept(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut expected = desk.save_draft("triage", "one").await;
    desk.save_draft("triage", "two").await;
    for to in [Active, Archived, Active, Archived] {
        expected.status = to;
        let changed = desk.set_status("triage", number(1), to).await.unwrap();
        assert_eq!(changed, expected, "only the status changes");
        assert_eq!(*found(&desk.find_one("triage@v1").await).version, expected);
    }
    desk.set_status("triage", number(2), Archived).await.unwrap();
    let desk = desk.reopen(harness).await;
    assert_eq!(found(&desk.find_one("triage@v2").await).version.status, Archived);
    assert_eq!(desk.audited().await, 2 + 5, "each change is on record");
}

/// A status that the version has already is kept, without a new audit record.
pub async fn present_status_is_kept_without_a_record(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let draft = desk.save_draft("triage", "one").await;
    let active = desk.save_active("triage", "two").await;
    let live = desk.save_active("triage", "three").await;
    desk.promote(&live, "dev").await;
    let old = desk.save_draft("triage", "four").await;
    let old = desk.set_status("triage", old.number, Archived).await.unwrap();
    let before = desk.everything().await;
    for version in [draft, active, live, old] {
        let kept = desk.set_status("triage", version.number, version.status).await;
        assert_eq!(kept.unwrap(), version);
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// No version becomes a draft again.
pub async fn illegal_transitions_are_refused(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_active("triage", "one").await;
    desk.save_draft("triage", "two").await;
    desk.set_status("triage", number(2), Archived).await.unwrap();
    let before = desk.everything().await;
    for n in [1, 2] {
        let result = desk.set_status("triage", number(n), Draft).await;
        fails(result, ErrorKind::IllegalTransition, "back to draft");
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// A live version cannot be archived; the error names where it is live.
pub async fn archiving_a_live_version_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_active("triage", "one").await;
    let v2 = desk.save_active("triage", "two").await;
    let other = desk.save_active("other", "one").await;
    desk.promote(&v1, "staging").await;
    desk.promote(&v1, "production").await;
    desk.promote(&v2, "dev").await;
    desk.promote(&other, "canary").await;
    let before = desk.everything().await;
    let error = fails(
        desk.set_status("triage", number(1), Archived).await,
        ErrorKind::Conflict,
        "archiving a live version",
    );
    let text = error.to_string();
    assert!(
        text.contains("staging") && text.contains("production"),
        "the environments are named: {text}"
    );
    assert!(
        !text.contains("dev") && !text.contains("canary"),
        "where it is not live is not named: {text}"
    );
    assert_eq!(desk.everything().await, before, "nothing changes");

    desk.promote(&v2, "staging").await;
    let result = desk.set_status("triage", number(1), Archived).await;
    fails(result, ErrorKind::Conflict, "archiving what is live in one more");
    desk.promote(&v2, "production").await;
    let archived = desk.set_status("triage", number(1), Archived).await.unwrap();
    assert_eq!(archived.status, Archived, "what was live once can be archived");
}

/// An unknown version has no status to set.
pub async fn status_of_an_unknown_version_is_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    for (prompt, n) in [("triage", 2), ("triage", u32::MAX), ("unknown", 1)] {
        for to in [Draft, Active, Archived] {
            let result = desk.set_status(prompt, number(n), to).await;
            fails(result, ErrorKind::NotFound, &format!("{prompt} v{n}"));
        }
    }
    assert_eq!(desk.audited().await, 1);
}

/// Of racing equal changes one is a change, and all succeed.
pub async fn racing_status_changes_are_one_change(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    desks[0].save_draft("triage", "one").await;
    let results = race(8, |i| {
        let desk = desks[i % 2].clone();
        async move { desk.set_status("triage", number(1), Active).await }
    })
    .await;
    for result in results {
        assert_eq!(result.unwrap().status, Active);
    }
    assert_eq!(desks[0].audited().await, 2, "the change is on record once");
}

/// When archiving and promoting race for a version, one of them fails: no archived version is live.
pub async fn archiving_and_promoting_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..10 {
        let prompt = format!("p{round}");
        let version = desks[0].save_active(&prompt, "one").await;
        let kinds = race(2, |i| {
            let (desk, version) = (desks[i].clone(), version.clone());
            async move {
                if i == 0 {
                    let result = desk.set_status(version.prompt.as_str(), version.number, Archived);
                    result.await.map(drop).map_err(|error| error.kind())
                } else {
                    let result = desk.try_promote(&version, "dev", 0).await;
                    result.map(drop).map_err(|error| error.kind())
                }
            }
        })
        .await;
        let status = found(&desks[0].find_one(&format!("{prompt}@v1")).await)
            .version
            .status;
        let live = desks[0].slots(&prompt).await.pointers.len();
        match kinds[..] {
            [Ok(()), Err(ErrorKind::IllegalTransition)] => assert_eq!((status, live), (Archived, 0)),
            [Err(ErrorKind::Conflict), Ok(())] => assert_eq!((status, live), (Active, 1)),
            ref other => panic!("archiving and promoting came to {other:?}"),
        }
    }
}

/// A prompt is active when any version is, else a draft when any is, else archived; it knows its newest versions.
pub async fn prompt_record_follows_its_versions(harness: &dyn Harness) {
    async fn check(desk: &Desk, status: Status, latest: u32, latest_active: Option<u32>) {
        let record = desk.prompt("triage").await.unwrap();
        assert_eq!(record.status, status);
        assert_eq!(record.latest, number(latest));
        assert_eq!(record.latest_active, latest_active.map(number));
        assert_eq!(record.created_at, at(10), "of the first version");
        assert_eq!(
            record.updated_at,
            at(10 * i64::from(latest)),
            "of the newest version"
        );
        assert_eq!(desk.prompts("").await, [record], "lists show the same");
    }
    async fn save(desk: &Desk, n: i64) {
        let mut new = desk.draft("triage", &format!("text {n}"));
        new.created_at = at(10 * n);
        desk.save(new).await;
    }
    let desk = Desk::open(harness).await;
    save(&desk, 1).await;
    check(&desk, Draft, 1, None).await;
    desk.set_status("triage", number(1), Archived).await.unwrap();
    check(&desk, Archived, 1, None).await;
    save(&desk, 2).await;
    check(&desk, Draft, 2, None).await;
    desk.set_status("triage", number(1), Active).await.unwrap();
    check(&desk, Active, 2, Some(1)).await;
    desk.set_status("triage", number(2), Active).await.unwrap();
    check(&desk, Active, 2, Some(2)).await;
    save(&desk, 3).await;
    check(&desk, Active, 3, Some(2)).await;
    desk.set_status("triage", number(2), Archived).await.unwrap();
    check(&desk, Active, 3, Some(1)).await;
    desk.set_status("triage", number(1), Archived).await.unwrap();
    check(&desk, Draft, 3, None).await;
    desk.set_status("triage", number(3), Archived).await.unwrap();
    check(&desk, Archived, 3, None).await;
}

/// Tags are replaced by those given, each once and sorted, with a record for each call.
pub async fn tags_are_replaced_each_once_and_sorted(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("other", "one").await;
    desk.save_draft("triage", "one").await;
    let prompts = &desk.stores.prompts;
    for (given, expected) in [
        (
            &["b", "a", "b", "1", "_x", "a-b"][..],
            &["1", "_x", "a", "a-b", "b"][..],
        ),
        (&["c"], &["c"]),
        (&["c"], &["c"]),
        (&[], &[]),
        (&["d", "d"], &["d"]),
    ] {
        let record = prompts.set_tags(desk.tagging("triage", given)).await.unwrap();
        assert_eq!(record.tags, tags(expected));
        assert_eq!(desk.prompt("triage").await.unwrap(), record);
    }
    assert_eq!(desk.prompt("other").await.unwrap().tags, []);
    let records = desk.audit().await;
    assert_eq!(records.len(), 2 + 5, "each replacement is on record");
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.prompt("triage").await.unwrap().tags, tags(&["d"]));
}

/// An unknown prompt has no tags to set.
pub async fn tags_of_an_unknown_prompt_are_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    let result = desk
        .stores
        .prompts
        .set_tags(desk.tagging("unknown", &["a"]))
        .await;
    fails(result, ErrorKind::NotFound, "tagging an unknown prompt");
    assert_eq!(desk.prompt("unknown").await, None);
    assert_eq!(desk.audited().await, 1);
}
