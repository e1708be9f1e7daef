//! Lists of records.

use crate::base::PageRequest;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::improvement::cluster::ClusterStatus;
use crate::improvement::{AttemptStage, ImprovementRecord, RecordFilter, RecordKind, WatchStatus};

fn ids(records: &[ImprovementRecord]) -> Vec<String> {
    records.iter().map(ImprovementRecord::id).collect()
}

/// Records come in descending byte order of their ids, whenever they were kept; any text is a place among them.
pub async fn records_are_listed_by_id_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let names = [
        "m", "a", "z", "B", "0", "a-", "a.", "a:", "a_", "A", "r-2", "r-10", "r-1", "aa", "a0",
    ];
    for (n, id) in names.into_iter().enumerate() {
        // The id of a watch has a character that sorts among those of a name.
        desk.remember(&[a_watch(id, "triage"), a_cluster(id, "triage")])
            .await;
        if n == 3 {
            desk.of("other").remember(&[a_watch("other", "triage")]).await;
            desk.remember(&[control(1)]).await;
        }
    }
    for kind in [RecordKind::Watch, RecordKind::Cluster] {
        let mut expected: Vec<String> = match kind {
            RecordKind::Watch => names.map(|id| format!("{id}/1")).into(),
            _ => names.map(str::to_owned).into(),
        };
        expected.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        for filter in [
            RecordFilter::all(kind),
            RecordFilter {
                prompt: Some(name("triage")),
                ..RecordFilter::all(kind)
            },
            RecordFilter {
                status: Some(if kind == RecordKind::Watch {
                    "waiting"
                } else {
                    "new"
                }),
                ..RecordFilter::all(kind)
            },
        ] {
            for limit in (1..=16).chain([PageRequest::MAX_LIMIT]) {
                let listed = desk.records_by(limit, &filter).await;
                assert_eq!(ids(&listed), expected, "in pages of {limit}");
            }
            let improvement = &desk.stores.improvement;
            let long = "x".repeat(10_000);
            for cursor in [
                "",
                " ",
                "a",
                "a ",
                "a/",
                "a/1",
                "a/b",
                "a-",
                "a:/1",
                "a0",
                "\u{e9}",
                "\u{0}",
                "a\u{0}",
                "a\u{0}z",
                "a/1\u{0}",
                "a\u{1}",
                "zz",
                "it's %_\\",
                "\u{10ffff}",
                &long,
            ] {
                let request = page(1_000).after(cursor);
                let rest = improvement
                    .improvement_records(&desk.tenant, &filter, &request)
                    .await;
                let rest = rest.unwrap();
                let below: Vec<_> = expected
                    .iter()
                    .filter(|id| id.as_str() < cursor)
                    .cloned()
                    .collect();
                assert_eq!(ids(&rest.items), below, "after {cursor:?}");
                assert_eq!(rest.next, None);
            }
            let first = improvement
                .improvement_records(&desk.tenant, &filter, &page(5))
                .await
                .unwrap();
            assert_eq!(
                first.next.as_ref(),
                Some(&expected[4]),
                "the cursor is the last id"
            );
        }
    }
}

/// Each condition of a filter is one, and conditions hold together.
pub async fn record_filters_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut all = vec![control(1)];
    for prompt in ["triage", "triage/short"] {
        for place in [Some("production"), Some("staging"), None] {
            for status in ClusterStatus::ALL {
                let mut of = cluster(&format!("{:03}", all.len()), prompt);
                (of.record.environment, of.record.status) = (place.map(environment), status);
                all.push(ImprovementRecord::Cluster(Box::new(of)));
            }
            let Some(place) = place else {
                continue;
            };
            for stage in AttemptStage::ALL {
                let mut of = attempt(&format!("{:03}", all.len()), prompt);
                (of.environment, of.stage) = (environment(place), *stage);
                all.push(ImprovementRecord::Attempt(Box::new(of)));
            }
            for status in WatchStatus::ALL {
                let mut of = watch(&format!("{:03}", all.len()), 1, prompt);
                (of.environment, of.status) = (environment(place), *status);
                all.push(ImprovementRecord::Watch(Box::new(of)));
            }
        }
    }
    for records in all.chunks(7) {
        desk.remember(records).await;
    }
    // Those that changed are found by what they are now.
    for record in all.iter_mut().step_by(5) {
        *record = at_revision(record, 2);
        match record {
            ImprovementRecord::Cluster(of) => of.record.status = ClusterStatus::Fixing,
            ImprovementRecord::Attempt(of) => of.stage = AttemptStage::Ended,
            ImprovementRecord::Watch(of) => of.status = WatchStatus::Alarm,
            ImprovementRecord::Control(of) => of.stopped = None,
        }
        desk.remember(std::slice::from_ref(record)).await;
    }
    all.sort_by_key(|record| std::cmp::Reverse(record.id()));
    let statuses = ["new", "fixing", "ended", "alarm", "on", "stopped", "", "neww"];
    for kind in RecordKind::ALL {
        for prompt in [None, Some("triage"), Some("triag")] {
            for place in [None, Some("production"), Some("prod")] {
                for status in statuses.into_iter().map(Some).chain([None]) {
                    let filter = RecordFilter {
                        kind: *kind,
                        prompt: prompt.map(name),
                        environment: place.map(environment),
                        status,
                    };
                    let wanted: Vec<_> = all.iter().filter(|of| filter.matches(of)).cloned().collect();
                    assert_eq!(desk.records(&filter).await, wanted, "{filter:?}");
                }
            }
        }
    }
    // In pages of one as well.
    let filter = RecordFilter {
        prompt: Some(name("triage")),
        environment: Some(environment("production")),
        status: Some("fixing"),
        ..RecordFilter::all(RecordKind::Cluster)
    };
    let wanted: Vec<_> = all.iter().filter(|of| filter.matches(of)).cloned().collect();
    assert!(!wanted.is_empty());
    assert_eq!(desk.records_by(1, &filter).await, wanted);
}

/// Thousands of records are listed.
pub async fn thousands_of_records_are_listed_in_pages(harness: &dyn Harness) {
    const COUNT: usize = 2_500;
    let desk = Desk::open(harness).await;
    let records: Vec<_> = (0..COUNT)
        .map(|n| {
            let mut of = cluster(
                &format!("cluster-{n:05}"),
                if n % 2 == 0 { "triage" } else { "tone" },
            );
            if n % 500 == 7 {
                of.record.status = ClusterStatus::Resolved;
            }
            ImprovementRecord::Cluster(Box::new(of))
        })
        .collect();
    // One commit may have as many.
    desk.remember(&records).await;
    let all = RecordFilter::all(RecordKind::Cluster);
    let listed = desk.records_by(700, &all).await;
    assert!(listed.iter().eq(records.iter().rev()));
    let tone = RecordFilter {
        prompt: Some(name("tone")),
        ..all.clone()
    };
    assert_eq!(desk.records_by(999, &tone).await.len(), COUNT / 2);
    let resolved = RecordFilter {
        status: Some("resolved"),
        ..all
    };
    assert_eq!(desk.records_by(2, &resolved).await.len(), 5);
}
