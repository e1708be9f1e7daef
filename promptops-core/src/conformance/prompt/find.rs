//! Looking references up.

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::prompt::{Lookup, Missing, Status};

fn number_of(lookup: &Lookup) -> u32 {
    found(lookup).version.number.get()
}

/// By number and hash, versions of any status are found.
pub async fn any_status_is_found_by_number_and_hash(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "draft").await;
    desk.save_active("triage", "active").await;
    let archived = desk.save_draft("triage", "archived").await;
    desk.set_status("triage", archived.number, Status::Archived)
        .await
        .unwrap();
    for version in desk.versions("triage").await {
        for selector in [
            format!("triage@{}", version.number),
            format!("triage@{}", version.hash),
        ] {
            let lookup = desk.find_one(&selector).await;
            assert_eq!(*found(&lookup).version, version, "{selector}");
            assert_eq!(
                found(&lookup).revision,
                None,
                "only an environment has a revision"
            );
        }
    }
}

/// A reference without selector finds the largest active number.
pub async fn latest_is_the_largest_active_number(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // Two digits, so that an order of texts would show.
    for n in 1..=11 {
        desk.save_draft("triage", &format!("text {n}")).await;
    }
    assert_eq!(missing(&desk.find_one("triage").await), Missing::ActiveVersion);
    for (n, to, latest) in [
        (2, Status::Active, Some(2)),
        (10, Status::Active, Some(10)),
        (9, Status::Active, Some(10)),
        (10, Status::Archived, Some(9)),
        (11, Status::Archived, Some(9)),
        (9, Status::Archived, Some(2)),
        (2, Status::Archived, None),
        (11, Status::Active, Some(11)),
    ] {
        desk.set_status("triage", number(n), to).await.unwrap();
        let lookup = desk.find_one("triage").await;
        match latest {
            Some(latest) => assert_eq!(number_of(&lookup), latest, "after v{n} became {to}"),
            None => assert_eq!(missing(&lookup), Missing::ActiveVersion),
        }
    }
}

/// By environment, what is live there is found, with the pointer's revision.
pub async fn live_version_is_found_by_environment(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    desk.promote(&v2, "dev").await;
    desk.promote(&v1, "dev").await;
    desk.promote(&v2, "production").await;
    for (selector, n, revision) in [("triage@dev", 1, 2), ("triage@production", 2, 1)] {
        let lookup = desk.find_one(selector).await;
        assert_eq!(number_of(&lookup), n, "{selector}");
        assert_eq!(found(&lookup).revision, Some(revision), "{selector}");
        assert_eq!(
            found(&lookup).version.status,
            Status::Active,
            "a promotion activates"
        );
    }
}

/// A reference that leads nowhere says why.
pub async fn missing_says_what_is_missing(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let draft = desk.save_draft("triage", "draft").await;
    let other = desk.save_active("other", "other").await;
    desk.promote(&other, "dev").await;
    let by_hash = format!("triage@{}", other.hash);
    for (selector, expected) in [
        ("unknown", Missing::Prompt),
        ("unknown@v1", Missing::Prompt),
        ("unknown@dev", Missing::Prompt),
        (&format!("unknown@{}", draft.hash), Missing::Prompt),
        ("triage@v2", Missing::Version),
        ("triage@v4294967295", Missing::Version),
        (by_hash.as_str(), Missing::Version),
        ("triage", Missing::ActiveVersion),
        ("triage@dev", Missing::Promotion),
        ("other@production", Missing::Promotion),
    ] {
        assert_eq!(missing(&desk.find_one(selector).await), expected, "{selector}");
    }
}

/// Each result is at the place of its reference, however many there are and however often one is repeated.
pub async fn results_are_in_the_order_of_the_references(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(desk.find(&[]).await.len(), 0, "nothing is found for nothing");
    for p in 0..10 {
        let prompt = format!("p{p}");
        for n in 1..=3 {
            desk.save_active(&prompt, &format!("{prompt} {n}")).await;
        }
        let v2 = found(&desk.find_one(&format!("{prompt}@v2")).await)
            .version
            .clone();
        desk.promote(&v2, "dev").await;
    }
    let mut wanted = Vec::new();
    for i in 0..1_000 {
        let p = (i * 7) % 11;
        let selector = ["", "@v1", "@dev", "@v9", "@prod"][i % 5];
        wanted.push((p, i % 5, format!("p{p}{selector}")));
    }
    let references: Vec<_> = wanted.iter().map(|(_, _, text)| text.as_str()).collect();
    let results = desk.find(&references).await;
    for ((p, selector, text), result) in wanted.iter().zip(&results) {
        match (p, selector) {
            (10, _) => assert_eq!(missing(result), Missing::Prompt, "{text}"),
            (_, 3) => assert_eq!(missing(result), Missing::Version, "{text}"),
            (_, 4) => assert_eq!(missing(result), Missing::Promotion, "{text}"),
            (_, selector) => {
                assert_eq!(found(result).version.prompt, name(&format!("p{p}")), "{text}");
                assert_eq!(number_of(result), [3, 1, 2][*selector], "{text}");
            }
        }
    }
}

/// One call sees one state, while pointers move and versions are added.
pub async fn one_lookup_is_one_consistent_view(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let first = desks[0].save_active("triage", "text 1").await;
    desks[0].promote(&first, "dev").await;
    race(4, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 2..=30 {
                if i == 0 {
                    let version = desk.save_active("triage", &format!("text {n}")).await;
                    desk.promote(&version, "dev").await;
                } else {
                    let references = ["triage@dev", "triage", "triage@dev", "triage", "triage@dev"];
                    let seen = desk.find(&references).await;
                    let live = number_of(&seen[0]);
                    assert_eq!(
                        found(&seen[0]).revision,
                        Some(u64::from(live)),
                        "v<n> is revision <n>"
                    );
                    for again in [&seen[2], &seen[4]] {
                        assert_eq!(number_of(again), live, "the pointer moved within one lookup");
                    }
                    let latest = number_of(&seen[1]);
                    assert_eq!(number_of(&seen[3]), latest, "a version came within one lookup");
                    assert!(
                        latest == live || latest == live + 1,
                        "v{live} live beside v{latest}"
                    );
                }
            }
        }
    })
    .await;
}
