//! When a batch is written, and how large it is.

use super::*;

#[tokio::test(start_paused = true)]
async fn few_items_are_written_when_the_interval_has_passed_since_the_first() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    for id in 0..3 {
        assert!(pipeline.record(item(id)).is_queued());
        tokio::time::sleep(30 * MILLISECOND).await;
    }
    tokio::time::sleep(9 * MILLISECOND).await;
    assert_eq!(sink.tries(), [0; 0]);
    assert_eq!(pipeline.stats().queued, 3);
    tokio::time::sleep(2 * MILLISECOND).await;
    assert_eq!(sink.told().tries, [[0, 1, 2]]);
    let stats = pipeline.stats();
    assert_eq!(
        (stats.written, stats.queued, stats.queued_bytes, stats.batches),
        (3, 0, 0, 1)
    );

    // The interval begins anew with the next item.
    tokio::time::sleep(SECOND).await;
    pipeline.record(item(3));
    tokio::time::sleep(99 * MILLISECOND).await;
    assert_eq!(sink.tries(), [3]);
    tokio::time::sleep(2 * MILLISECOND).await;
    assert_eq!(sink.tries(), [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_written_at_once() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    for id in 0..511 {
        pipeline.record(item(id));
    }
    settle().await;
    assert_eq!(sink.tries(), [0; 0]);
    pipeline.record(item(511));
    tokio::time::sleep(2 * MILLISECOND).await;
    assert_eq!(sink.tries(), [512]);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_wakes_a_writer_that_would_look_much_later() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    tokio::time::sleep(40 * MILLISECOND).await;
    for id in 1..512 {
        pipeline.record(item(id));
    }
    settle().await;
    assert_eq!(sink.tries(), [512]);
}

#[tokio::test(start_paused = true)]
async fn half_of_all_room_taken_wakes_a_writer_that_would_look_very_soon() {
    let sink = Probe::default();
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            capacity: 1_000,
            batch: 1_000,
            ..settings()
        },
    );
    pipeline.record(item(0));
    settle().await;
    for id in 1..499 {
        pipeline.record(item(id));
    }
    settle().await;
    assert_eq!(sink.tries(), [0; 0]);
    pipeline.record(item(499));
    settle().await;
    assert_eq!(sink.tries(), [500]);
}

#[tokio::test(start_paused = true)]
async fn many_bytes_are_written_at_once_and_a_batch_holds_no_more_of_them() {
    let sink = Probe::default();
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            batch_bytes: 100,
            max_bytes: 10_000,
            ..settings()
        },
    );
    pipeline.record(Item { id: 0, weight: 60 });
    settle().await;
    assert_eq!(sink.tries(), [0; 0]);
    // 60 and 60 are enough, but too much for one batch; a single item may be heavier.
    for (id, weight) in [(1, 60), (2, 40), (3, 150), (4, 1)] {
        pipeline.record(Item { id, weight });
    }
    tokio::time::sleep(2 * MILLISECOND).await;
    assert_eq!(sink.told().tries, [vec![0], vec![1, 2], vec![3]]);
    tokio::time::sleep(101 * MILLISECOND).await;
    assert_eq!(sink.told().tries[3], [4]);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_in_larger_batches() {
    let sink = Probe::does([Act::WriteIn(SECOND)]);
    let pipeline = pipeline(&sink, settings());
    for id in 0..512 {
        pipeline.record(item(id));
    }
    settle().await;
    for id in 512..40_000 {
        pipeline.record(item(id));
    }
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(sink.tries(), [512, 16_384, 16_384, 6_720]);
    let order: Vec<u64> = sink.told().tries.concat();
    assert!(
        order.into_iter().eq(0..40_000),
        "in the order in which they were recorded"
    );
    assert_eq!(pipeline.stats().written, 40_000);
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_write_waits_no_longer_than_the_interval_after_it_began() {
    let sink = Probe::always(Act::WriteIn(80 * MILLISECOND));
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    tokio::time::sleep(110 * MILLISECOND).await;
    pipeline.record(item(1));
    tokio::time::sleep(95 * MILLISECOND).await;
    assert_eq!(sink.tries(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_sink_hears_of_each_batch_that_is_stored() {
    let sink = Probe::does([Act::Write, Act::Fail(ErrorKind::Invalid)]);
    let pipeline = pipeline(&sink, settings());
    for batch in [[0, 1], [2, 3], [0, 4]] {
        for id in batch {
            pipeline.record(item(id));
        }
        pipeline.flush(SECOND).await.unwrap();
    }
    use Verdict::{Duplicate, Written};
    assert_eq!(
        sink.told().written,
        [(0, Written), (1, Written), (0, Duplicate), (4, Written)]
    );
    assert_eq!(
        sink.told().failed,
        [(2, ErrorKind::Invalid), (3, ErrorKind::Invalid)]
    );
}

#[tokio::test(start_paused = true)]
async fn under_a_steady_load_the_writer_comes_by_itself_before_a_batch_is_full() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    // 20 items a millisecond: a batch is full in 26.
    for id in 0..20_000 {
        pipeline.record(item(id));
        if id % 20 == 19 {
            tokio::time::sleep(MILLISECOND).await;
        }
    }
    let stats = pipeline.flush(SECOND).await.unwrap();
    assert_eq!(stats.written, 20_000);
    let tries = sink.tries();
    assert!(tries.iter().all(|items| *items < 512), "{tries:?}");
    assert!((40..=80).contains(&tries.len()), "{tries:?}");
}
