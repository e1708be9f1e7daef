//! Lists, in order and in pages.

use crate::base::{ErrorKind, PageRequest, PromptName, VersionNumber};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::prompt::{Dependent, NewVersion, PromptFilter, Status, VersionFilter};

fn prefix(prefix: &str) -> PromptFilter {
    PromptFilter {
        prefix: Some(prefix.into()),
        ..PromptFilter::default()
    }
}

async fn names(desk: &Desk, filter: &PromptFilter, limit: u32) -> Vec<String> {
    let records = pages(limit, async |request| {
        desk.stores
            .prompts
            .list_prompts(&desk.tenant, filter, &request)
            .await
    })
    .await;
    records.into_iter().map(|record| record.name.into()).collect()
}

async fn versions_of(desk: &Desk, prompt: &str, status: Option<Status>, limit: u32) -> Vec<u32> {
    let (filter, prompt) = (VersionFilter { status }, name(prompt));
    let versions = pages(limit, async |request| {
        let prompts = &desk.stores.prompts;
        prompts
            .list_versions(&desk.tenant, &prompt, &filter, &request)
            .await
    })
    .await;
    versions.into_iter().map(|version| version.number.get()).collect()
}

/// Prompts come in byte order of their names, whatever the order of saving and the size of pages.
pub async fn prompts_are_listed_in_byte_order_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // In byte order: - . / 0 9 _ a z.
    let sorted = [
        "a", "a-", "a-b", "a.b", "a/-", "a/0", "a/a", "a/b/c", "a0", "a10", "a9", "a_", "aa", "b",
    ];
    for at in [3, 9, 0, 13, 7, 1, 12, 5, 2, 11, 4, 10, 8, 6] {
        desk.save_draft(sorted[at], "text").await;
    }
    for limit in (1..=15).chain([PageRequest::MAX_LIMIT]) {
        assert_eq!(
            names(&desk, &PromptFilter::default(), limit).await,
            sorted,
            "in pages of {limit}"
        );
    }
    let first = page(4);
    let prompts = &desk.stores.prompts;
    let list = prompts
        .list_prompts(&desk.tenant, &PromptFilter::default(), &first)
        .await
        .unwrap();
    assert_eq!(list.next.as_deref(), Some("a.b"), "the cursor is the last name");
}

/// A prefix is compared byte by byte: nothing in it is a wildcard.
pub async fn prefix_is_taken_literally(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let all = [
        "a_b",
        "a_c/x",
        "aab",
        "axb",
        "b",
        "support",
        "support-2",
        "support/a",
        "support/b/c",
    ];
    for prompt in all {
        desk.save_draft(prompt, "text").await;
    }
    for (text, expected) in [
        ("", &all[..]),
        ("a_", &["a_b", "a_c/x"]),
        ("a_c/", &["a_c/x"]),
        ("_", &[]),
        ("%", &[]),
        ("a%", &[]),
        ("a\\_", &[]),
        ("a*", &[]),
        ("a?b", &[]),
        ("[a-z]", &[]),
        ("support", &["support", "support-2", "support/a", "support/b/c"]),
        ("support/", &["support/a", "support/b/c"]),
        ("support/b/c", &["support/b/c"]),
        ("support/b/c/", &[]),
        ("SUPPORT", &[]),
        ("'", &[]),
        ("\u{e9}", &[]),
        ("\u{10ffff}", &[]),
        ("\u{0}", &[]),
        ("zz", &[]),
    ] {
        for limit in [1, 2, 3, 100] {
            assert_eq!(
                names(&desk, &prefix(text), limit).await,
                expected,
                "prefix {text:?} in pages of {limit}"
            );
        }
    }
}

/// Filters by tag and status hold together and with a prefix, on every page.
pub async fn prompt_filters_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for i in 0..24 {
        let prompt = format!("{}/p{i:02}", if i < 12 { "a" } else { "b" });
        let names: &[&str] = match i % 4 {
            0 => &[],
            1 => &["red"],
            2 => &["red", "blue"],
            _ => &["re", "reds", "blue"],
        };
        desk.save(NewVersion {
            tags: tags(names),
            status: if i % 3 == 0 { Status::Active } else { Status::Draft },
            ..desk.draft(&prompt, "text")
        })
        .await;
        if i % 3 == 1 {
            desk.set_status(&prompt, number(1), Status::Archived)
                .await
                .unwrap();
        }
    }
    let numbers = |matches: &dyn Fn(u32) -> bool| -> Vec<String> {
        (0..24)
            .filter(|i| matches(*i))
            .map(|i| format!("{}/p{i:02}", if i < 12 { "a" } else { "b" }))
            .collect()
    };
    let of = |at: Option<&str>, named: Option<&str>, status| PromptFilter {
        prefix: at.map(Into::into),
        tag: named.map(tag),
        status,
    };
    for limit in [1, 2, 3, 5, 24] {
        for (filter, expected) in [
            (of(None, Some("red"), None), numbers(&|i| matches!(i % 4, 1 | 2))),
            (of(None, Some("blue"), None), numbers(&|i| i % 4 >= 2)),
            (of(None, Some("none"), None), Vec::new()),
            (of(None, None, Some(Status::Active)), numbers(&|i| i % 3 == 0)),
            (of(None, None, Some(Status::Archived)), numbers(&|i| i % 3 == 1)),
            (of(None, None, Some(Status::Draft)), numbers(&|i| i % 3 == 2)),
            (
                of(Some("b/"), Some("blue"), Some(Status::Draft)),
                numbers(&|i| i >= 12 && i % 4 >= 2 && i % 3 == 2),
            ),
        ] {
            assert_eq!(
                names(&desk, &filter, limit).await,
                expected,
                "{filter:?} in pages of {limit}"
            );
        }
    }
}

/// Thousands of prompts are listed without a gap or a repeat, while others are being saved.
pub async fn thousands_of_prompts_are_listed_in_pages(harness: &dyn Harness) {
    const PROMPTS: usize = 3_000;
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in (i..PROMPTS).step_by(8) {
                desk.save_draft(&format!("folder-{}/p{n:04}", n % 3), "text")
                    .await;
            }
        }
    })
    .await;
    let desk = &desks[0];
    let mut sorted: Vec<_> = (0..PROMPTS)
        .map(|n| format!("folder-{}/p{n:04}", n % 3))
        .collect();
    sorted.sort_unstable();
    for limit in [1_000, 999, 500, 64] {
        let all = names(desk, &PromptFilter::default(), limit).await;
        assert!(all == sorted, "in pages of {limit}");
    }
    let folder = names(desk, &prefix("folder-1/"), 300).await;
    assert!(folder == sorted[1_000..2_000], "one folder of three");
    assert_eq!(desk.audited().await, PROMPTS);
}

/// Versions come newest first, in pages of any size, whole and by status.
pub async fn versions_are_listed_newest_first_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert!(
        versions_of(&desk, "triage", None, 10).await.is_empty(),
        "none of an unknown prompt"
    );
    for n in 1..=12 {
        desk.save_draft("triage", &format!("text {n}")).await;
        desk.save_draft("other", &format!("text {n}")).await;
    }
    for n in [2, 3, 11] {
        desk.set_status("triage", number(n), Status::Active)
            .await
            .unwrap();
    }
    desk.set_status("triage", number(3), Status::Archived)
        .await
        .unwrap();
    let all: Vec<u32> = (1..=12).rev().collect();
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        assert_eq!(
            versions_of(&desk, "triage", None, limit).await,
            all,
            "in pages of {limit}"
        );
        let of = |status| versions_of(&desk, "triage", Some(status), limit);
        assert_eq!(of(Status::Active).await, [11, 2]);
        assert_eq!(of(Status::Archived).await, [3]);
        assert_eq!(of(Status::Draft).await, [12, 10, 9, 8, 7, 6, 5, 4, 1]);
    }
    let first = desk
        .stores
        .prompts
        .list_versions(&desk.tenant, &name("triage"), &VersionFilter::default(), &page(5))
        .await
        .unwrap();
    assert_eq!(first.next.as_deref(), Some("8"), "the cursor is the last number");
}

/// A prompt can have thousands of versions.
pub async fn thousands_of_versions_are_listed_in_pages(harness: &dyn Harness) {
    const VERSIONS: u32 = 1_500;
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in (i..VERSIONS as usize).step_by(8) {
                desk.save_draft("triage", &format!("text {n}")).await;
            }
        }
    })
    .await;
    let all: Vec<u32> = (1..=VERSIONS).rev().collect();
    for limit in [1_000, 750, 101] {
        assert!(
            versions_of(&desks[1], "triage", None, limit).await == all,
            "in pages of {limit}"
        );
    }
    assert_eq!(desks[0].prompt("triage").await.unwrap().latest, number(VERSIONS));
}

/// A cursor that the list did not return is invalid.
pub async fn foreign_cursors_of_prompts_and_versions_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    let (prompts, tenant) = (&desk.stores.prompts, &desk.tenant);
    for cursor in ["", "Not A Name", "a//b", "\u{0}", "'"] {
        let result = prompts
            .list_prompts(tenant, &PromptFilter::default(), &page(10).after(cursor))
            .await;
        fails(
            result,
            ErrorKind::Invalid,
            &format!("the cursor {cursor:?} of prompts"),
        );
    }
    for cursor in [
        "",
        "v1",
        "triage",
        "-1",
        "1.5",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let result = prompts
            .list_versions(
                tenant,
                &name("triage"),
                &VersionFilter::default(),
                &page(10).after(cursor),
            )
            .await;
        fails(
            result,
            ErrorKind::Invalid,
            &format!("the cursor {cursor:?} of versions"),
        );
    }
    for cursor in ["", "triage", "7", "\u{0}"] {
        let result = prompts
            .dependents(tenant, &name("triage"), &page(10).after(cursor))
            .await;
        fails(
            result,
            ErrorKind::Invalid,
            &format!("the cursor {cursor:?} of dependents"),
        );
    }
}

fn dependent(prompt: &str, n: u32, include: &str) -> Dependent {
    Dependent {
        prompt: name(prompt),
        number: number(n),
        reference: include.into(),
    }
}

/// All versions that include a snippet are found, in order of prompt, number and include, in pages of any size.
pub async fn dependents_are_listed_in_order_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let include = |includes: &[&str]| -> Vec<(String, PromptName)> {
        includes
            .iter()
            .map(|text| {
                (
                    (*text).to_owned(),
                    reference(text.split('@').next().unwrap()).prompt,
                )
            })
            .collect()
    };
    for (prompt, text, includes) in [
        ("b", "1", &["safety"][..]),
        ("a", "1", &["safety@production", "tone", "safety", "safety@v2"]),
        ("a", "2", &["tone"]),
        ("a-", "1", &["safety-2"]),
        ("a/b", "1", &["safety"]),
        ("safety", "1", &["base"]),
        ("base", "1", &["safety"]),
        ("none", "1", &[]),
    ] {
        desk.save(NewVersion {
            includes: include(includes),
            ..desk.draft(prompt, text)
        })
        .await;
    }
    for n in 2..=11 {
        desk.save(NewVersion {
            includes: include(&["safety@v1"]),
            ..desk.draft("b", &n.to_string())
        })
        .await;
    }
    desk.set_status("a", VersionNumber::FIRST, Status::Archived)
        .await
        .unwrap();
    let mut expected = vec![
        dependent("a", 1, "safety"),
        dependent("a", 1, "safety@production"),
        dependent("a", 1, "safety@v2"),
        dependent("a/b", 1, "safety"),
        dependent("b", 1, "safety"),
    ];
    expected.extend((2..=11).map(|n| dependent("b", n, "safety@v1")));
    expected.push(dependent("base", 1, "safety"));
    let safety = name("safety");
    for limit in (1..=17).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            desk.stores
                .prompts
                .dependents(&desk.tenant, &safety, &request)
                .await
        })
        .await;
        assert_eq!(listed, expected, "in pages of {limit}");
    }
    assert_eq!(
        desk.dependents("tone").await,
        [dependent("a", 1, "tone"), dependent("a", 2, "tone")],
        "a snippet that does not exist can be included"
    );
    assert_eq!(desk.dependents("unknown").await, []);
}
