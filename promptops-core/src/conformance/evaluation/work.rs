//! Workers that share a run.

use std::collections::BTreeSet;

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::evaluation::RunState;

/// Tasks come in the order of their ordinals, each with its entry and its repetition.
pub async fn tasks_are_given_in_the_order_of_their_ordinals(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // Beside others, whose entries are not these.
    desk.save_dataset("silver", 7).await;
    desk.save_dataset("golden", 4).await;
    let golden = desk.save_dataset("golden", 5).await;
    desk.start_run("run-1", &golden, 3).await;
    let entries = entries(5);
    let mut seen = Vec::new();
    for limit in [1, 4, 1, 7, 100] {
        let claimed = desk.take_at("run-1", "w", limit, 0).await;
        assert_eq!(claimed.state, RunState::Running);
        for task in claimed.tasks {
            let (position, repeat) = (task.ordinal / 3, task.ordinal % 3);
            assert_eq!(u64::from(task.repeat), repeat);
            assert_eq!(task.entry, entries[position as usize]);
            seen.push(task.ordinal);
        }
    }
    assert_eq!(seen, (0..15).collect::<Vec<_>>());
    assert!(desk.take("run-1", "w", 5).await.is_empty(), "none is left");
    assert_eq!(desk.audited().await, 4, "claims are not on record");
}

/// A task is one worker's alone; its own are not given to it again, and do not count as held elsewhere.
pub async fn no_task_is_held_by_two_workers(harness: &dyn Harness) {
    let [one, two] = Desk::open_two(harness).await;
    let golden = one.save_dataset("golden", 6).await;
    one.start_run("run-1", &golden, 1).await;
    let claimed = one.take_at("run-1", "a", 2, 0).await;
    assert_eq!((claimed.held_elsewhere, claimed.next_lease_end), (0, None));
    let claimed = two.take_at("run-1", "b", 3, 10).await;
    assert_eq!(
        claimed.tasks.iter().map(|task| task.ordinal).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (2, Some(at(100)))
    );
    let claimed = one.take_at("run-1", "a", 9, 20).await;
    assert_eq!(claimed.tasks.len(), 1);
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (3, Some(at(110)))
    );
    // Names are compared byte by byte.
    let claimed = two.take_at("run-1", "A", 9, 30).await;
    assert_eq!(claimed.tasks, []);
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (6, Some(at(100)))
    );
}

/// A lease ends when its time is not after now; the task is then anybody's, before those that nobody had.
pub async fn ended_leases_are_anybodys(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 6).await;
    desk.start_run("run-1", &golden, 1).await;
    assert_eq!(desk.take("run-1", "a", 2).await, [0, 1]);
    let claimed = desk.take_at("run-1", "b", 1, 99).await;
    assert_eq!(claimed.tasks[0].ordinal, 2, "one microsecond is left");
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (2, Some(at(100)))
    );
    let claimed = desk.take_at("run-1", "c", 3, 100).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [0, 1, 3]);
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (1, Some(at(199)))
    );
    // One's own, too.
    let claimed = desk.take_at("run-1", "c", 9, 200).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
    assert_eq!((claimed.held_elsewhere, claimed.next_lease_end), (0, None));
    // After reopening, leases are what they were.
    let desk = desk.reopen(harness).await;
    let claimed = desk.take_at("run-1", "d", 9, 299).await;
    assert_eq!((claimed.tasks.len(), claimed.held_elsewhere), (0, 6));
    assert_eq!(desk.take_at("run-1", "d", 9, 300).await.tasks.len(), 6);
}

/// All leases of a worker end at the new time, those too that have ended and that nobody took.
pub async fn renewed_leases_hold(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 6).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.start_run("run-2", &golden, 1).await;
    assert_eq!(desk.renew("run-1", "a", 500).await.unwrap(), 0);
    desk.take("run-1", "a", 3).await;
    desk.take("run-2", "a", 1).await;
    desk.take_at("run-1", "b", 2, 50).await;
    assert_eq!(desk.renew("run-1", "a", 500).await.unwrap(), 3);
    let claimed = desk.take_at("run-1", "c", 9, 200).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [3, 4, 5], "another's are as they were");
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (3, Some(at(500)))
    );
    assert_eq!(
        desk.renew("run-1", "b", 900).await.unwrap(),
        0,
        "somebody took them"
    );
    assert_eq!(
        desk.take_at("run-2", "b", 1, 100).await.tasks[0].ordinal,
        0,
        "another run's too"
    );

    assert_eq!(
        desk.renew("run-1", "a", 1_000).await.unwrap(),
        3,
        "ended, but nobody's"
    );
    let claimed = desk.take_at("run-1", "d", 9, 600).await;
    assert_eq!(
        (claimed.tasks.len(), claimed.next_lease_end),
        (3, Some(at(1_000)))
    );
    // A time that is past ends them.
    assert_eq!(desk.renew("run-1", "a", 0).await.unwrap(), 3);
    assert_eq!(desk.take_at("run-1", "d", 9, 600).await.tasks.len(), 3);
    assert_eq!(desk.audited().await, 3, "renewing is not on record");
}

/// What a worker gives back is anybody's at once, and no longer its own.
pub async fn released_tasks_are_anybodys_at_once(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 5).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.release("run-1", "a").await.unwrap();
    desk.take("run-1", "a", 2).await;
    desk.take("run-1", "b", 2).await;
    desk.release("run-1", "a").await.unwrap();
    assert_eq!(desk.renew("run-1", "a", 500).await.unwrap(), 0);
    let claimed = desk.take_at("run-1", "c", 9, 1).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [0, 1, 4]);
    assert_eq!(
        (claimed.held_elsewhere, claimed.next_lease_end),
        (2, Some(at(100)))
    );
    // Before 1970, too.
    desk.release("run-1", "c").await.unwrap();
    let long_ago = timestamp(-5_000_000);
    let claim = desk.claim("run-1", "d", 9, long_ago, at(0));
    let claimed = desk.stores.evaluations.claim_tasks(claim).await.unwrap();
    assert_eq!(claimed.tasks.len(), 3);
}

/// Nothing is given out of a run that is stopped or completed; what is missing is, when it is resumed.
pub async fn only_a_running_run_gives_tasks(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 4).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.take("run-1", "a", 2).await;
    desk.record("run-1", results([0])).await.unwrap();
    let state = desk.change_run("run-1", stopped("enough")).await.unwrap().state;
    for now in [0, 1_000] {
        let claimed = desk.take_at("run-1", "b", 9, now).await;
        assert_eq!((claimed.tasks, &claimed.state), (Vec::new(), &state));
        let held = if now == 0 { (1, Some(at(100))) } else { (0, None) };
        assert_eq!((claimed.held_elsewhere, claimed.next_lease_end), held);
    }
    assert_eq!(
        desk.renew("run-1", "a", 50).await.unwrap(),
        1,
        "leases are as they were"
    );
    desk.change_run("run-1", RunState::Running).await.unwrap();
    assert_eq!(desk.take("run-1", "b", 9).await, [2, 3]);
    let claimed = desk.take_at("run-1", "c", 9, 50).await;
    assert_eq!(claimed.tasks[0].ordinal, 1);
    desk.record("run-1", results(1..4)).await.unwrap();
    let state = desk.change_run("run-1", completed()).await.unwrap().state;
    let claimed = desk.take_at("run-1", "d", 9, 10_000).await;
    assert_eq!(
        (claimed.tasks, claimed.state, claimed.held_elsewhere),
        (Vec::new(), state, 0)
    );
}

/// Tasks that have a result are given to nobody, whether or not they were ever handed out.
pub async fn tasks_with_results_are_not_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let golden = desk.save_dataset("golden", 30).await;
    desk.start_run("run-1", &golden, 1).await;
    desk.record("run-1", results([1, 2, 5, 9, 29])).await.unwrap();
    assert_eq!(desk.take("run-1", "a", 3).await, [0, 3, 4]);
    desk.record("run-1", results((10..28).chain([3]))).await.unwrap();
    let claimed = desk.take_at("run-1", "b", 9, 50).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [6, 7, 8, 28]);
    assert_eq!(claimed.held_elsewhere, 2, "a lease ends with its result");
    let claimed = desk.take_at("run-1", "c", 9, 1_000).await;
    let taken: Vec<_> = claimed.tasks.iter().map(|task| task.ordinal).collect();
    assert_eq!(taken, [0, 4, 6, 7, 8, 28]);
}

/// Racing workers get each task once, and the run comes to its end.
pub async fn racing_workers_get_each_task_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let golden = desks[0].save_dataset("golden", 150).await;
    desks[0].start_run("run-1", &golden, 2).await;
    let taken = race(6, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let (worker, mut taken) = (format!("w{i}"), Vec::new());
            loop {
                let tasks = desk.take("run-1", &worker, 7).await;
                if tasks.is_empty() {
                    return taken;
                }
                let done = tasks.iter().map(|ordinal| result(*ordinal, 2)).collect();
                let recorded = desk.record("run-1", done).await.unwrap();
                assert_eq!(recorded.accepted, tasks);
                taken.extend(tasks);
            }
        }
    })
    .await;
    let taken: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), 300);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 300);
    assert_eq!(desks[1].count("run-1").await.unwrap(), 300);
    let all: Vec<_> = (0..300).map(|ordinal| result(ordinal, 2)).collect();
    assert_eq!(desks[0].results("run-1").await, all);
    desks[1].change_run("run-1", completed()).await.unwrap();
}

/// Of racing claims of ended leases each has its own.
pub async fn racing_claims_of_ended_leases_share_none(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let golden = desks[0].save_dataset("golden", 40).await;
    desks[0].start_run("run-1", &golden, 1).await;
    desks[0].take("run-1", "dead", 40).await;
    for round in 1..4 {
        let now = round * 1_000;
        let taken = race(8, |i| {
            let desk = desks[i % 2].clone();
            async move {
                let claimed = desk.take_at("run-1", &format!("w{i}"), 10, now).await;
                let taken = claimed.tasks.into_iter().map(|task| task.ordinal);
                taken.collect::<Vec<_>>()
            }
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken.len(), 40);
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 40);
    }
}

/// Two runs on one dataset have tasks and leases of their own, and so have two tenants.
pub async fn runs_have_tasks_of_their_own(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    let mut desks = Vec::new();
    for (desk, run) in [(&acme, "run-1"), (&acme, "run-2"), (&other, "run-1")] {
        let golden = match desk.dataset("golden", None).await {
            Ok(golden) => golden,
            Err(_) => desk.save_dataset("golden", 3).await,
        };
        desk.start_run(run, &golden, 1).await;
        desks.push((desk, run));
    }
    for (desk, run) in &desks {
        assert_eq!(desk.take(run, "a", 2).await, [0, 1]);
    }
    for (desk, run) in &desks {
        desk.record(run, results([0])).await.unwrap();
        desk.release(run, "a").await.unwrap();
        assert_eq!(desk.take(run, "b", 9).await, [1, 2]);
        assert_eq!(desk.count(run).await.unwrap(), 1);
    }
}
