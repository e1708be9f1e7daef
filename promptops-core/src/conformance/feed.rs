//! The contract of [`ChangeFeed`](crate::base::ChangeFeed). A backend that nothing outside of the process can change has
//! no feed, and then nothing to keep.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Harness;
use super::fixture::*;
use crate::base::{Change, ChangeReader, ErrorKind, Event};
use crate::environment::Policy;
use crate::experiment::{ExperimentStatus, experiment_changed};
use crate::prompt::{Status, Version};

/// Long enough for a busy machine: it is waited for only when something is missing.
const PATIENCE: Duration = Duration::from_secs(20);

async fn next(reader: &mut dyn ChangeReader) -> Vec<Event> {
    let read = tokio::time::timeout(PATIENCE, reader.next()).await;
    read.expect("the reader answers").expect("the log can be read")
}

/// A reader that has begun; `None` where there is no feed.
async fn reader(desk: &Desk) -> Option<Box<dyn ChangeReader>> {
    let mut reader = desk.stores.changes.reader()?;
    assert_eq!(
        next(reader.as_mut()).await,
        [Event::Missed],
        "what was before is not known"
    );
    Some(reader)
}

/// Reads until this many changes were told.
async fn read(reader: &mut dyn ChangeReader, count: usize) -> Vec<Event> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.extend(next(reader).await);
    }
    heard
}

fn changed(desk: &Desk, change: Change) -> Event {
    Event::Changed {
        tenant: desk.tenant.clone(),
        change,
    }
}

fn version_changed(desk: &Desk, version: &Version) -> Event {
    changed(desk, version.change())
}

/// Every kind of change is told once to another handle, in the order of commits; what caches need not know is not told.
pub async fn changes_are_told_in_the_order_of_commits(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    here.save_draft("before", "text").await;
    let Some(mut reader) = reader(&there).await else {
        return;
    };
    let mut expected = Vec::new();
    let v1 = here.save_draft("triage", "one").await;
    expected.push(version_changed(&here, &v1));
    let draft = here.promotion(&v1, "production", 0);
    expected.extend([changed(&here, draft.activation()), changed(&here, draft.change())]);
    here.promote(&v1, "production").await;
    let v2 = here.save_active("triage", "two").await;
    expected.push(version_changed(&here, &v2));
    let active = here.promotion(&v2, "production", 1);
    expected.push(changed(&here, active.change()));
    here.promote(&v2, "production").await;
    for prompt in [None, Some("triage")] {
        let policy = here.policy("staging", prompt, Some(Policy::open()));
        expected.push(changed(&here, policy.change()));
        here.set_policy("staging", prompt, Some(Policy::open()))
            .await
            .unwrap();
    }
    here.set_status("triage", v1.number, Status::Archived)
        .await
        .unwrap();
    expected.push(version_changed(&here, &v1));
    // Told to nobody: no cache holds them.
    let tagging = here.tagging("triage", &["a"]);
    here.stores.prompts.set_tags(tagging).await.unwrap();
    here.approve(&v2, "production", 2, "bo").await.unwrap();
    let feedback = here.feedback("triage", "two", Some("production"));
    here.stores.metrics.record_feedback(&[feedback]).await.unwrap();
    let evidence = here.evidence("triage", "two", "golden", "run");
    here.record_evidence(evidence).await.unwrap();

    here.record_traces(&[trace(1)]).await;
    here.annotate(trace(1).id, judged(true)).await;
    here.prune_traces(second(5), 1).await;
    here.prune_minutes(second(60), 1).await;

    let child = here.of("child");
    child.set_parent(Some("acme")).await.unwrap();
    expected.push(changed(&child, Change::ParentChanged));
    child.set_parent(None).await.unwrap();
    expected.push(changed(&child, Change::ParentChanged));
    assert_eq!(read(reader.as_mut(), expected.len()).await, expected);
}

/// An experiment is told when it begins, changes and ends, with what its end promotes; what it counts is not.
pub async fn experiments_are_told(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let control = here.save_active("triage", "one").await;
    let other = here.save_draft("triage", "two").await;
    here.promote(&control, "production").await;
    let Some(mut reader) = reader(&there).await else {
        return;
    };
    let begun = here
        .create_experiment(here.experiment_of("exp-1", &[control.clone(), other.clone()]))
        .await
        .unwrap();
    let told = changed(&here, experiment_changed(&begun));
    assert_eq!(read(reader.as_mut(), 1).await, std::slice::from_ref(&told));
    let again = here.create_experiment(here.experiment_of("exp-2", &[control, other.clone()]));
    fails(again.await, ErrorKind::AlreadyExists, "a second open experiment");
    here.outcomes("exp-1", &[outcome(1, 0)]).await.unwrap();
    let paused = here.change_experiment(&begun, ExperimentStatus::Paused).await;
    assert_eq!(read(reader.as_mut(), 1).await, std::slice::from_ref(&told));
    let stale = here
        .try_change(here.experiment_change(&begun, ExperimentStatus::Active))
        .await;
    fails(stale, ErrorKind::Conflict, "a stale change");
    let victory = here.victory(&paused, &other);
    let promotion = victory.promotion.clone().unwrap();
    here.try_change(victory).await.unwrap();
    // In any order: it is one commit.
    let heard = read(reader.as_mut(), 3).await;
    for expected in [
        changed(&here, promotion.activation()),
        changed(&here, promotion.change()),
        told,
    ] {
        assert!(heard.contains(&expected), "{expected:?} is not in {heard:?}");
    }
    let last = here.save_draft("triage", "three").await;
    assert_eq!(
        next(reader.as_mut()).await,
        [version_changed(&here, &last)],
        "and nothing else"
    );
}

/// Clusters and watches are told as a commit says, in its order; a refused commit tells nothing.
pub async fn improvement_is_told(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let Some(mut reader) = reader(&there).await else {
        return;
    };
    let records = [
        a_watch("dep-1", "triage"),
        an_attempt("attempt-1", "triage"),
        a_cluster("cluster-1", "triage"),
        control(1),
    ];
    let commit = here.improvement(&records);
    let mut expected: Vec<_> = commit
        .changes
        .iter()
        .map(|told| changed(&here, told.clone()))
        .collect();
    assert_eq!(expected.len(), 2);
    here.try_remember(commit.clone()).await.unwrap();
    let again = here.try_remember(commit).await;
    fails(again, ErrorKind::Conflict, "the same records again");
    // What is told is the caller's: also of nothing, and nothing of something.
    let mut silent = here.improvement(&[at_revision(&records[2], 2)]);
    silent.changes.clear();
    here.try_remember(silent).await.unwrap();
    let mut alone = here.improvement(&[]);
    alone.changes = vec![Change::ParentChanged];
    here.try_remember(alone).await.unwrap();
    expected.push(changed(&here, Change::ParentChanged));
    let v1 = here.save_draft("triage", "one").await;
    expected.push(version_changed(&here, &v1));
    assert_eq!(read(reader.as_mut(), expected.len()).await, expected);
}

/// What was refused, and what changed nothing, is not told.
pub async fn what_was_not_changed_is_not_told(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let v1 = here.save_active("triage", "one").await;
    here.promote(&v1, "production").await;
    let Some(mut reader) = reader(&there).await else {
        return;
    };
    let again = here.draft("triage", "one");
    here.stores.prompts.save_version(again).await.unwrap();
    here.set_status("triage", v1.number, Status::Active)
        .await
        .unwrap();
    let stale = here.try_promote(&v1, "production", 0).await;
    fails(stale, ErrorKind::Conflict, "a stale move");
    let archive = here.set_status("triage", v1.number, Status::Archived).await;
    fails(archive, ErrorKind::Conflict, "archiving what is live");
    let unknown = here.set_policy("dev", None, None).await;
    fails(unknown, ErrorKind::NotFound, "removing no policy");
    let own = here.set_parent(Some("acme")).await;
    fails(own, ErrorKind::Invalid, "the own parent");
    let last = here.save_draft("triage", "two").await;
    assert_eq!(next(reader.as_mut()).await, [version_changed(&here, &last)]);
}

/// Racing changes by several tenants through two handles are each told once, those of one tenant in their order.
pub async fn racing_changes_are_each_told_once(harness: &dyn Harness) {
    const RACERS: usize = 8;
    const SAVES: usize = 12;
    let desks = Desk::open_two(harness).await;
    let Some(mut reader) = reader(&desks[0]).await else {
        return;
    };
    let race = race(RACERS, |i| {
        let desk = desks[i % 2].of(&format!("tenant-{}", i / 2));
        async move {
            for n in 0..SAVES {
                desk.save_draft("triage", &format!("text {i} {n}")).await;
            }
        }
    });
    let (heard, _) = tokio::join!(read(reader.as_mut(), RACERS * SAVES), race);
    assert_eq!(heard.len(), RACERS * SAVES);
    let mut told: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for event in heard {
        let Event::Changed {
            tenant,
            change: Change::VersionChanged { version, .. },
        } = event
        else {
            panic!("{event:?} was told, but only versions were saved");
        };
        told.entry(tenant).or_default().push(version.get());
    }
    assert_eq!(told.len(), RACERS / 2);
    for (tenant, versions) in told {
        assert!(
            versions.iter().copied().eq(1..=2 * SAVES as u32),
            "{tenant}: {versions:?}"
        );
    }
}

/// A reader that looks again after many changes gets all of them, and a call that was given up loses none.
pub async fn a_reader_that_was_away_hears_everything(harness: &dyn Harness) {
    const SAVES: u32 = 150;
    let [here, there] = Desk::open_two(harness).await;
    let Some(mut reader) = reader(&there).await else {
        return;
    };
    for round in 0..3 {
        let waiting = tokio::time::timeout(Duration::from_millis(5), reader.next()).await;
        assert!(waiting.is_err(), "nothing was changed, but {waiting:?} was told");
        let mut expected = Vec::new();
        for n in 0..SAVES {
            let version = here.save_draft("triage", &format!("text {round} {n}")).await;
            expected.push(version_changed(&here, &version));
        }
        assert_eq!(read(reader.as_mut(), expected.len()).await, expected);
    }
}

/// Each reader hears for itself.
pub async fn readers_do_not_take_from_each_other(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let (Some(mut one), Some(mut two)) = (reader(&here).await, reader(&there).await) else {
        return;
    };
    for n in 0..5 {
        let version = here.save_draft("triage", &format!("text {n}")).await;
        let expected = [version_changed(&here, &version)];
        assert_eq!(next(one.as_mut()).await, expected);
        assert_eq!(next(two.as_mut()).await, expected);
    }
}
