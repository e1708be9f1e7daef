//! The contract of [`DatasetStore`](crate::evaluation::DatasetStore).

use serde_json::json;

use super::Harness;
use super::fixture::*;
use crate::base::{Actor, DatasetName, ErrorKind, PageRequest};
use crate::evaluation::{Dataset, Entry, NewDataset, refusal};

fn numbers_of(versions: &[Dataset]) -> Vec<u32> {
    versions.iter().map(|version| version.version.get()).collect()
}

/// A version reads back as saved, with all that is said about it, at once, from another handle and after reopening.
pub async fn dataset_reads_back_as_saved(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    let new = NewDataset {
        prompt: Some(name("support/triage")),
        metadata: object(
            json!({ "source": "O'Neil \u{1f984} \"100%\"", "zero": "\u{0}", "n": [1, 1.5, null] }),
        ),
        message: "why \u{e9}\n'; -- %".into(),
        created_by: Actor::owner("olga \u{1f984} O'Neil"),
        created_at: at(999_999),
        ..desk.dataset_draft("tickets/golden", entries(3))
    };
    let saved = desk.try_save_dataset(new.clone()).await.unwrap();
    assert!(saved.created);
    let expected = Dataset {
        name: new.name,
        version: number(1),
        hash: new.hash,
        entries: 3,
        prompt: new.prompt,
        metadata: new.metadata,
        message: new.message,
        created_by: new.created_by,
        created_at: new.created_at,
    };
    assert_eq!(saved.dataset, expected);
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        for version in [None, Some(1)] {
            let found = desk.dataset("tickets/golden", version).await.unwrap();
            assert_eq!(found, expected);
        }
        assert_eq!(desk.datasets().await, std::slice::from_ref(&expected));
        assert_eq!(
            desk.dataset_versions("tickets/golden").await,
            std::slice::from_ref(&expected)
        );
        assert_eq!(desk.dataset_entries(&expected, 1_000).await, entries(3));
    }
}

/// Saving is on record under the version's name.
pub async fn saved_datasets_are_on_record(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let new = desk.dataset_draft("golden", entries(1));
    let audit = new.audit.clone();
    desk.try_save_dataset(new).await.unwrap();
    assert_eq!(desk.audit().await[0].entry, audit.about("golden v1"));
    desk.save_dataset("golden", 2).await;
    assert_eq!(desk.audit().await[1].entry.subject, "golden v2");
}

/// Versions count from 1 in each dataset, and the latest is the one of the largest number.
pub async fn dataset_versions_are_numbered_from_one_in_each_dataset(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for n in 1..=3 {
        for of in ["golden", "golden/more"] {
            let saved = desk.save_dataset(of, n).await;
            assert_eq!((saved.version, saved.entries), (number(n as u32), n as u64));
            assert_eq!(desk.dataset(of, None).await.unwrap(), saved);
        }
    }
    let desk = desk.reopen(harness).await;
    assert_eq!(numbers_of(&desk.dataset_versions("golden").await), [3, 2, 1]);
    for n in 1..=3 {
        let version = desk.dataset("golden", Some(n)).await.unwrap();
        assert_eq!(version.entries, u64::from(n));
        let read = desk.dataset_entries(&version, 1_000).await;
        assert_eq!(read, entries(n as usize), "each version has its own entries");
    }
}

/// The same entries again are the version that is there, with its own prompt, metadata, message, author and time.
pub async fn saving_the_same_entries_again_changes_nothing(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let first = desk.save_dataset("golden", 2).await;
    let second = desk.save_dataset("golden", 3).await;
    let before = desk.everything().await;
    for (n, expected) in [(2, &first), (3, &second)] {
        let again = NewDataset {
            prompt: Some(name("other")),
            metadata: object(json!({ "other": true })),
            message: "again".into(),
            created_by: Actor::owner("olga"),
            created_at: at(77),
            ..desk.dataset_draft("golden", entries(n))
        };
        let again = desk.try_save_dataset(again).await.unwrap();
        assert!(!again.created);
        assert_eq!(again.dataset, *expected);
    }
    assert_eq!(
        desk.everything().await,
        before,
        "nothing changes, and nothing is on record"
    );
    // Under another name, or in another order, they are another version.
    assert_eq!(desk.save_dataset("silver", 2).await.version, number(1));
    let mut turned = entries(2);
    turned.reverse();
    let turned = desk
        .try_save_dataset(desk.dataset_draft("golden", turned))
        .await
        .unwrap();
    assert_eq!((turned.dataset.version, turned.created), (number(3), true));
}

/// Racing saves of the same entries make one version.
pub async fn racing_saves_of_the_same_entries_make_one_version(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let saved = race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            desk.try_save_dataset(desk.dataset_draft("golden", entries(20)))
                .await
                .unwrap()
        }
    })
    .await;
    assert_eq!(saved.iter().filter(|saved| saved.created).count(), 1);
    assert!(saved.iter().all(|one| one.dataset == saved[0].dataset));
    assert_eq!(desks[1].dataset_versions("golden").await.len(), 1);
    assert_eq!(
        desks[0].dataset_entries(&saved[0].dataset, 1_000).await,
        entries(20)
    );
    assert_eq!(desks[1].audited().await, 1);
}

/// Racing saves of different entries get consecutive numbers, and keep their own entries.
pub async fn racing_saves_of_different_entries_get_consecutive_numbers(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let saved = race(8, |i| {
        let desk = desks[i % 2].clone();
        async move { desk.save_dataset("golden", i + 1).await }
    })
    .await;
    let mut numbers = numbers_of(&saved);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    for dataset in &saved {
        let count = usize::try_from(dataset.entries).unwrap();
        assert_eq!(desks[0].dataset_entries(dataset, 3).await, entries(count));
    }
    assert_eq!(desks[1].audited().await, 8);
}

/// A version that was made from the latest one is refused when another is by then, unless it is there already.
pub async fn stale_dataset_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let onto = |latest, count| NewDataset {
        expected_latest: Some(latest),
        ..desk.dataset_draft("golden", entries(count))
    };
    let refused = async |new: NewDataset, current| {
        let expected = refusal::check_latest(&new, (current > 0).then(|| number(current)));
        let error = fails(desk.try_save_dataset(new).await, ErrorKind::Conflict, "golden");
        assert_eq!(error.message(), expected.unwrap_err().message());
        assert_eq!(error.current_revision(), Some(current.into()));
    };
    refused(onto(1, 1), 0).await;
    assert_eq!(desk.datasets().await, [], "a refused save leaves nothing");
    let first = desk.try_save_dataset(onto(0, 1)).await.unwrap();
    assert_eq!((first.created, first.dataset.version), (true, number(1)));
    refused(onto(0, 2), 1).await;
    let second = desk.try_save_dataset(onto(1, 2)).await.unwrap();
    assert_eq!((second.created, second.dataset.version), (true, number(2)));
    for latest in [0, 1, 3, u32::MAX] {
        refused(onto(latest, 3), 2).await;
    }
    // What is there already is that version, whatever was expected.
    for (latest, count) in [(0, 1), (1, 2), (7, 1)] {
        let same = desk.try_save_dataset(onto(latest, count)).await.unwrap();
        assert!(!same.created);
        assert_eq!(same.dataset.version, number(count as u32));
    }
    assert_eq!(numbers_of(&desk.dataset_versions("golden").await), [2, 1]);
    assert_eq!(desk.audited().await, 2);
}

/// Of racing saves that add to the latest version, none loses what another one has added.
pub async fn racing_additions_to_a_dataset_are_all_kept(harness: &dyn Harness) {
    const RACERS: usize = 6;
    let desks = Desk::open_two(harness).await;
    race(RACERS, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut latest: Option<Dataset> = None;
            loop {
                let mut all = match &latest {
                    Some(latest) => desk.dataset_entries(latest, 1_000).await,
                    None => Vec::new(),
                };
                all.push(Entry::new(format!("of-{i}"), object(json!({ "racer": i }))));
                let new = NewDataset {
                    expected_latest: Some(latest.map_or(0, |latest| latest.version.get())),
                    ..desk.dataset_draft("golden", all)
                };
                match desk.try_save_dataset(new).await {
                    Ok(saved) => return assert!(saved.created),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
                latest = Some(desk.dataset("golden", None).await.unwrap());
            }
        }
    })
    .await;
    let latest = desks[1].dataset("golden", None).await.unwrap();
    assert_eq!(latest.version, number(RACERS as u32), "each made one version");
    let mut kept: Vec<_> = desks[0].dataset_entries(&latest, 1_000).await;
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    let ids: Vec<_> = kept.iter().map(|entry| entry.id.clone()).collect();
    assert!(
        ids.iter().cloned().eq((0..RACERS).map(|i| format!("of-{i}"))),
        "{ids:?}"
    );
}

/// What the tenant does not have is not found, and lists of it are empty.
pub async fn unknown_datasets_are_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let check = async |desk: &Desk, of: &str, version: Option<u32>| {
        let expected = refusal::unknown_dataset(&dataset(of), version.map(number));
        let error = fails(desk.dataset(of, version).await, ErrorKind::NotFound, of);
        assert_eq!(error.message(), expected.message());
        if let Some(version) = version {
            let datasets = &desk.stores.datasets;
            let read = datasets
                .entries(&desk.tenant, &dataset(of), number(version), &page(5))
                .await;
            let error = fails(read, ErrorKind::NotFound, of);
            assert_eq!(error.message(), expected.message());
        }
    };
    check(&desk, "golden", None).await;
    check(&desk, "golden", Some(1)).await;
    assert_eq!(desk.datasets().await, []);
    assert_eq!(desk.dataset_versions("golden").await, []);
    desk.save_dataset("golden", 2).await;
    for version in [2, u32::MAX] {
        check(&desk, "golden", Some(version)).await;
    }
    check(&desk, "golde", None).await;
    check(&desk, "golden/more", Some(1)).await;
    assert_eq!(desk.dataset_versions("golden/more").await, []);
}

/// Texts, numbers and nesting come back byte for byte, in their order.
pub async fn awkward_entries_are_kept_byte_for_byte(harness: &dyn Harness) {
    let deep = (1..Entry::MAX_NESTING).fold(json!("bottom"), |inner, i| match i % 2 {
        0 => json!([inner]),
        _ => json!({ "": inner }),
    });
    let texts = [
        "",
        " ",
        "\u{0}",
        "a\u{0}b\u{1}\u{1f}\u{7f}\u{9f}",
        "\u{e9}\u{65}\u{301}\u{1f984}\u{10ffff}\u{feff}\u{202e}",
        "line\r\nline\u{2028}",
        "'; DROP TABLE x; -- %_\\ \" $1 ?1",
        "\\u0000",
    ];
    let numbers = json!([
        0,
        -1,
        u64::MAX,
        i64::MIN,
        1.0,
        -0.0,
        1e308,
        -1e308,
        5e-324,
        0.1,
        0.30000000000000004_f64,
        9007199254740993_u64,
        1e21,
    ]);
    let mut all = vec![
        Entry::new("numbers", object(json!({ "n": numbers }))).expecting(numbers.clone()),
        Entry::new("deep", object(json!({ "deep": deep }))).with("deep", deep.clone()),
        Entry::new("null", object(json!({ "null": null }))).expecting(json!([null, true, {}, []])),
        Entry::new("bare", object(json!({}))),
        Entry::new("\u{1f984} O'Neil \"%\" \u{feff}", object(json!({}))).in_group("g \u{e9}"),
        Entry::new("x".repeat(200), object(json!({}))).in_group("y".repeat(200)),
        Entry::new("Case", object(json!({}))),
        Entry::new("case", object(json!({}))),
        Entry::new("case ", object(json!({}))),
    ];
    for (i, text) in texts.into_iter().enumerate() {
        let input = object(json!({ text: text, "list": [text, { text: [text] }] }));
        all.push(
            Entry::new(format!("text {i}"), input)
                .expecting(text)
                .with(text, text),
        );
    }
    all.push(Entry::new(
        "large",
        object(json!({ "text": "\u{e9}\n".repeat(300_000) })),
    ));
    let desk = Desk::open(harness).await;
    let saved = desk
        .try_save_dataset(desk.dataset_draft("golden", all.clone()))
        .await;
    let saved = saved.unwrap().dataset;
    for desk in [desk.clone(), desk.reopen(harness).await] {
        let read = desk.dataset_entries(&saved, 4).await;
        assert_eq!(read, all);
        // Equality takes 0.0 for -0.0; the text does not.
        for (read, entry) in read.iter().zip(&all) {
            let text = |entry: &Entry| serde_json::to_string(entry).unwrap();
            assert_eq!(text(read), text(entry), "{}", entry.id);
        }
        let again = desk.dataset_draft("golden", read);
        assert_eq!(
            again.hash, saved.hash,
            "the entries read have the hash of those saved"
        );
    }
}

/// Thousands of entries are kept in their order, beside those of other versions.
pub async fn thousands_of_entries_are_listed_in_pages(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let first = desk.save_dataset("golden", 2_500).await;
    let mut more = entries(5_000);
    more.rotate_left(1_234);
    let second = desk
        .try_save_dataset(desk.dataset_draft("golden", more.clone()))
        .await;
    let second = second.unwrap().dataset;
    let ids = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
    for limit in [7, 999, 1_000] {
        let read = desk.dataset_entries(&second, limit).await;
        assert_eq!(ids(read), ids(more.clone()), "in pages of {limit}");
    }
    assert_eq!(desk.dataset_entries(&first, 1_000).await, entries(2_500));
}

/// Datasets come in byte order of their names, each once with its latest version.
pub async fn datasets_are_listed_in_byte_order_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // In byte order: - . / 0 9 _ a z.
    let sorted = [
        "a", "a-", "a-b", "a.b", "a/-", "a/0", "a/a", "a0", "a10", "a9", "a_", "aa", "b",
    ];
    for at in [3, 9, 0, 7, 1, 12, 5, 2, 11, 4, 10, 8, 6] {
        desk.save_dataset(sorted[at], 1).await;
        if at % 3 == 0 {
            desk.save_dataset(sorted[at], 2).await;
        }
    }
    let datasets = &desk.stores.datasets;
    for limit in (1..=14).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            datasets.list_datasets(&desk.tenant, &request).await
        })
        .await;
        let names: Vec<_> = listed.iter().map(|dataset| dataset.name.as_str()).collect();
        assert_eq!(names, sorted, "in pages of {limit}");
        for (at, dataset) in listed.iter().enumerate() {
            let latest = if at % 3 == 0 { 2 } else { 1 };
            assert_eq!(dataset.version, number(latest), "{dataset}");
        }
    }
    let list = datasets.list_datasets(&desk.tenant, &page(4)).await.unwrap();
    assert_eq!(list.next.as_deref(), Some("a.b"), "the cursor is the last name");
}

/// Versions come newest first, and entries in their order, in pages of any size.
pub async fn dataset_versions_and_entries_are_listed_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for n in 1..=12 {
        desk.save_dataset("golden", n).await;
    }
    desk.save_dataset("golden/more", 1).await;
    let datasets = &desk.stores.datasets;
    let of: DatasetName = dataset("golden");
    let latest = desk.dataset("golden", None).await.unwrap();
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            datasets.dataset_versions(&desk.tenant, &of, &request).await
        })
        .await;
        let expected: Vec<_> = (1..=12).rev().collect();
        assert_eq!(numbers_of(&listed), expected, "in pages of {limit}");
        let read = desk.dataset_entries(&latest, limit).await;
        assert_eq!(read, entries(12), "in pages of {limit}");
    }
    let list = datasets
        .dataset_versions(&desk.tenant, &of, &page(5))
        .await
        .unwrap();
    assert_eq!(list.next.as_deref(), Some("8"), "the cursor is the last number");
    let read = async |request: PageRequest| {
        let page = datasets.entries(&desk.tenant, &of, latest.version, &request);
        page.await.unwrap()
    };
    assert_eq!(
        read(page(5)).await.next.as_deref(),
        Some("4"),
        "the cursor is the last position"
    );
    for (cursor, ids) in [
        ("0", &["e1", "e2"][..]),
        ("10", &["e11"]),
        ("11", &[]),
        ("99", &[]),
    ] {
        let page = read(page(2).after(cursor)).await;
        let found: Vec<_> = page.items.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(found, ids, "after {cursor}");
    }
    assert_eq!(read(page(2).after(i64::MAX.to_string())).await.items, []);
}

/// A cursor that the list did not return is invalid.
pub async fn foreign_cursors_of_datasets_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_dataset("golden", 2).await;
    let datasets = &desk.stores.datasets;
    let of = dataset("golden");
    for cursor in ["", "A", "a b", "/", "a\u{0}"] {
        let result = datasets.list_datasets(&desk.tenant, &page(5).after(cursor)).await;
        fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
    }
    for cursor in [
        "",
        "golden",
        "v1",
        "-1",
        "1.0",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let request = page(5).after(cursor);
        let what = format!("the cursor {cursor:?}");
        let result = datasets.dataset_versions(&desk.tenant, &of, &request).await;
        fails(result, ErrorKind::Invalid, &what);
        let result = datasets.entries(&desk.tenant, &of, number(1), &request).await;
        fails(result, ErrorKind::Invalid, &what);
    }
}

/// What only looks alike is another dataset of another tenant.
pub async fn datasets_are_each_tenants_own(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    acme.save_dataset("golden", 2).await;
    assert_eq!(other.datasets().await, []);
    fails(
        other.dataset("golden", None).await,
        ErrorKind::NotFound,
        "another's dataset",
    );
    let own = other.save_dataset("golden", 2).await;
    assert_eq!(
        own.version,
        number(1),
        "the same entries are the tenant's own version"
    );
    other.save_dataset("golden", 3).await;
    let numbers = numbers_of(&acme.dataset_versions("golden").await);
    assert_eq!(numbers, [1]);
    assert_eq!((acme.audited().await, other.audited().await), (1, 2));
}
