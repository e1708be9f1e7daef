//! A worker that dies, at any moment, and others that go on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use promptops_core::base::PageRequest;
use promptops_core::deployment::{State, replayed};
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::{
    AttemptStage, ImprovementPlan, LookBack, PassState, ReplayRecord, ReplaySizes,
};

use super::world::{ENVIRONMENT, REFUNDS, World, mo, olga, proposing};

/// What comes of a future within so many polls.
async fn within_polls<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

fn small(world: &World) -> ImprovementPlan {
    world
        .plan()
        .look_back(LookBack {
            traces: 200,
            ..LookBack::default()
        })
        .proposer(Arc::new(LlmProposer::new(proposing())))
}

/// The loop's way from failures to a candidate that passed, cut off after so many polls of its work and taken up by another
/// worker; says whether it was cut off at all, and how often the model was asked.
async fn cut_off_after(polls: usize) -> (bool, u64) {
    let world = World::new().await;
    world.traffic(200).await;
    let dying = world.improver_by(small(&world));
    let work = async {
        for _ in 0..3 {
            dying.run_once().await.unwrap();
        }
    };
    let is_cut = within_polls(polls, work).await.is_none();
    // Whatever its tasks had begun ends, or is taken over when its leases have.
    tokio::task::yield_now().await;
    world.clock.advance(Duration::from_secs(600));
    let heir = world.improver_by(small(&world));
    for _ in 0..4 {
        let pass = heir.run_once().await.unwrap();
        assert_eq!(pass.state, PassState::Worked, "after {polls} polls");
        assert!(
            pass.problems.is_empty(),
            "after {polls} polls: {:?}",
            pass.problems
        );
        world.clock.advance(Duration::from_secs(120));
    }
    let deployments = world.deployments().await;
    assert_eq!(deployments.len(), 1, "after {polls} polls");
    assert_eq!(deployments[0].state, State::AbPassed, "after {polls} polls");
    let transitions = world
        .acme
        .deployments()
        .transitions(&deployments[0].id)
        .await
        .unwrap();
    assert_eq!(replayed(&transitions).unwrap(), deployments[0].standing());
    let attempts = world
        .acme
        .improvements()
        .attempts(None, &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(attempts.len(), 1, "after {polls} polls");
    assert_eq!(attempts[0].stage, AttemptStage::Ended);
    world
        .acme
        .deployments()
        .approve(&deployments[0].id, &olga())
        .await
        .unwrap();
    (is_cut, world.weather.asked.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_worker_that_dies_at_any_moment_is_taken_over_and_nothing_is_done_or_paid_twice() {
    let (_, whole) = cut_off_after(usize::MAX).await;
    let mut polls = 0;
    let mut cuts = 0;
    loop {
        let (is_cut, asked) = cut_off_after(polls).await;
        // What was asked and not kept yet when it died: as many as are under way at a time, in two arms.
        assert!(
            asked <= whole + 20,
            "after {polls} polls: {asked} calls instead of {whole}"
        );
        if !is_cut {
            break;
        }
        cuts += 1;
        // Every moment at first, where the steps are, and then every few.
        polls += 1 + polls / 12;
    }
    assert!(cuts > 10, "{cuts}");
}

#[tokio::test]
async fn a_replay_that_another_evaluator_takes_over_begins_anew() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let twice = ReplaySizes {
        repeats: 2,
        ..ReplaySizes::default()
    };
    let dying = world.improver_by(world.plan().sizes(twice));
    // Cut off while the model is being asked.
    let mut polls = 1;
    while world.weather.asked.load(Ordering::Relaxed) < 20 {
        assert!(
            within_polls(polls, dying.run_once()).await.is_none(),
            "{polls} polls"
        );
        polls += 1;
        world.clock.advance(Duration::from_secs(120));
    }
    let cut = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(cut.state, State::AbRunning);
    world.clock.advance(Duration::from_secs(600));
    world.pass(&world.improver()).await;
    let replayed = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(replayed.state, State::AbPassed);
    let evidence = replayed.evidence.unwrap();
    let document = deployments.document(&evidence.report).await.unwrap();
    let record = ReplayRecord::read(&document).unwrap();
    assert_eq!((record.evaluator.unwrap().repeats, evidence.number), (1, 1));
}

#[tokio::test]
async fn one_worker_works_at_a_time_and_the_others_say_who() {
    let world = World::new().await;
    world.traffic(200).await;
    let workers: Vec<_> = (0..4).map(|_| world.improver_by(small(&world))).collect();
    let passes = futures_join(workers.iter().map(|worker| worker.run_once())).await;
    let worked = passes
        .iter()
        .filter(|pass| pass.state == PassState::Worked)
        .count();
    assert!(worked >= 1);
    for _ in 0..3 {
        futures_join(workers.iter().map(|worker| worker.run_once())).await;
    }
    assert_eq!(world.deployments().await.len(), 1);
    assert_eq!(world.deployments().await[0].state, State::AbPassed);
}

async fn futures_join<T>(
    futures: impl Iterator<Item = impl Future<Output = promptops_core::Result<T>>>,
) -> Vec<T> {
    let mut pinned: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in pinned.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = future.as_mut().poll(context)
            {
                *done = Some(result.unwrap());
            }
        }
        if done.iter().all(Option::is_some) {
            return Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
        }
        Poll::Pending
    })
    .await
}
