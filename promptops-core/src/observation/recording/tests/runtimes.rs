//! No runtime yet, one that was shut down, and none that takes tasks.

use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

/// For real time: until it is so, or a while has passed.
fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..2_000).any(|_| {
        std::thread::sleep(MILLISECOND);
        is_so()
    })
}

#[test]
fn what_is_recorded_without_a_runtime_is_written_with_the_first_item_where_one_is() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    for id in 0..1_000 {
        assert!(pipeline.record(item(id)).is_queued());
    }
    assert_eq!(pipeline.stats().queued, 1_000);
    let runtime = runtime();
    {
        let _inside = runtime.enter();
        pipeline.record(item(1_000));
    }
    assert!(eventually(|| pipeline.stats().written == 1_001), "{pipeline:?}");
    assert!(sink.told().tries.concat().into_iter().eq(0..=1_000));
}

#[test]
fn a_flush_or_shutdown_alone_starts_the_writer() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    assert_eq!(
        runtime().block_on(pipeline.flush(10 * SECOND)).unwrap().written,
        1
    );
    pipeline.record(item(1));
    assert_eq!(runtime().block_on(pipeline.shutdown(10 * SECOND)).written, 2);
}

#[test]
fn nothing_is_lost_with_a_runtime_that_is_shut_down() {
    let sink = Probe::does([Act::Hang]);
    let pipeline = pipeline(&sink, settings());
    let first = runtime();
    first.block_on(async {
        for id in 0..600 {
            pipeline.record(item(id));
        }
    });
    assert!(eventually(|| !sink.tries().is_empty()));
    pipeline.record(item(600));
    first.shutdown_background();
    assert!(eventually(|| {
        let second = runtime();
        second.block_on(async { pipeline.record(item(601)) });
        second.block_on(pipeline.flush(10 * SECOND)).is_ok()
    }));
    // What was being written is written again, and first.
    let stored: Vec<u64> = sink.told().tries[1..].concat();
    assert!(stored[..=600].iter().copied().eq(0..=600));
    let stats = pipeline.stats();
    assert_eq!((stats.lost(), stats.queued), (0, 0));
    assert_balanced(&stats);
}

#[test]
fn who_waits_elsewhere_takes_over_from_a_runtime_that_is_shut_down() {
    let sink = Probe::does([Act::Hang]);
    let pipeline = pipeline(&sink, settings());
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        pipeline.record(item(0));
    });
    let durable = second.spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.record_durable(item(1)).await }
    });
    let flush = second.spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.flush(20 * SECOND).await }
    });
    assert!(eventually(
        || !sink.tries().is_empty() && pipeline.stats().queued == 2
    ));
    first.shutdown_background();
    assert_eq!(second.block_on(durable).unwrap().unwrap(), Verdict::Written);
    assert_eq!(second.block_on(flush).unwrap().unwrap().lost(), 0);
}

#[test]
fn a_runtime_that_is_gone_is_no_reason_to_fail() {
    let sink = Probe::default();
    let first = runtime();
    let pipeline = first.block_on(async { pipeline(&sink, settings()) });
    drop(first);
    for id in 0..10 {
        assert!(pipeline.record(item(id)).is_queued());
    }
    assert_eq!(
        runtime().block_on(pipeline.flush(10 * SECOND)).unwrap().written,
        10
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_takes_tasks_who_waits_does_the_work() {
    let sink = Probe::does([Act::Write, Act::Fail(ErrorKind::Unavailable)]);
    let pipeline = Pipeline::new(sink.clone(), settings(), Arc::new(Refusing));
    pipeline.record(item(0));
    tokio::time::sleep(SECOND).await;
    assert_eq!(sink.tries(), [0; 0]);
    assert_eq!(pipeline.flush(SECOND).await.unwrap().written, 1);
    assert_eq!(pipeline.record_durable(item(1)).await.unwrap(), Verdict::Written);
    pipeline.record(item(2));
    // Given up in the middle, the work is the next one's.
    sink.told().script.push_back(Act::Hang);
    assert!(pipeline.flush(SECOND).await.is_err());
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.written, stats.lost()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_spawn_that_drops_tasks_makes_waiting_end_at_its_deadline() {
    let sink = Probe::default();
    let pipeline = Pipeline::new(sink.clone(), settings(), Arc::new(Dropping));
    pipeline.record(item(0));
    assert!(pipeline.flush(SECOND).await.is_err());
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.failed, stats.queued), (1, 0));
}

#[test]
fn the_last_handle_can_be_dropped_where_no_runtime_is() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    drop(pipeline);
    assert_eq!(Arc::strong_count(&sink.0), 1);
}
