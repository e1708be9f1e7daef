//! What there is room for, and what is dropped.

use std::time::Instant;

use super::super::Recorded;
use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_full_by_count_drops_and_counts() {
    let sink = Probe::does([Act::Hang]);
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            capacity: 100,
            ..settings()
        },
    );
    for id in 0..60 {
        assert_eq!(pipeline.record(item(id)), Recorded::Queued);
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(sink.tries(), [60], "it is being written, and still takes room");
    for id in 60..100 {
        assert_eq!(pipeline.record(item(id)), Recorded::Queued);
    }
    for id in 100..105 {
        assert_eq!(pipeline.record(item(id)), Recorded::Full);
    }
    let stats = pipeline.stats();
    assert_eq!((stats.enqueued, stats.queued, stats.dropped), (105, 100, 5));
    assert_balanced(&stats);
    assert_eq!(sink.told().dropped, [100, 101, 102, 103, 104]);
}

#[tokio::test(start_paused = true)]
async fn what_is_full_by_bytes_drops_and_counts() {
    let sink = Probe::default();
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            max_bytes: 100,
            ..settings()
        },
    );
    let record = |id, weight| pipeline.record(Item { id, weight });
    assert_eq!(record(0, 101), Recorded::TooLarge);
    assert_eq!(record(1, usize::MAX), Recorded::TooLarge);
    assert_eq!(record(2, 60), Recorded::Queued);
    assert_eq!(record(3, 41), Recorded::Full);
    assert_eq!(record(4, 40), Recorded::Queued);
    assert_eq!(record(5, 1), Recorded::Full);
    assert_eq!(record(6, 0), Recorded::Queued, "it takes none");
    assert_eq!(pipeline.stats().queued_bytes, 100);
    // What is full is written at once, and then there is room.
    settle().await;
    assert_eq!(record(7, 100), Recorded::Queued);
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.written, stats.dropped, stats.enqueued), (4, 4, 8));
    assert_eq!(sink.told().dropped, [0, 1, 3, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_for_room_makes_the_writer_hurry() {
    let sink = Probe::default();
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            max_bytes: 100,
            ..settings()
        },
    );
    pipeline.record(Item { id: 0, weight: 45 });
    settle().await;
    assert_eq!(sink.tries(), [0; 0]);
    assert_eq!(pipeline.record(Item { id: 1, weight: 60 }), Recorded::Full);
    settle().await;
    assert_eq!(sink.tries(), [1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_who_waits_for_room() {
    let sink = Probe::always(Act::WriteIn(SECOND));
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            max_bytes: 100,
            ..settings()
        },
    );
    pipeline.record(Item { id: 0, weight: 60 });
    let durable = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.record_durable(Item { id: 1, weight: 60 }).await }
    });
    settle().await;
    assert_eq!(pipeline.record(Item { id: 2, weight: 10 }), Recorded::Full);
    durable.await.unwrap().unwrap();
    assert_eq!(pipeline.record(Item { id: 3, weight: 10 }), Recorded::Queued);
}

#[test]
fn recording_goes_on_while_the_sink_never_returns() {
    // The sink blocks the only thread of its runtime: nothing but the callers' own threads can be at work.
    struct Blocking(Mutex<std::sync::mpsc::Receiver<()>>);
    #[async_trait]
    impl Sink for Blocking {
        type Item = u64;
        fn weight(&self, _: &u64) -> usize {
            8
        }
        async fn write(&self, batch: &[u64]) -> Result<Vec<Verdict>> {
            let _ = self.0.lock().unwrap().recv();
            Ok(vec![Verdict::Written; batch.len()])
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (release, blocked) = std::sync::mpsc::channel();
    let pipeline = {
        let _inside = runtime.enter();
        Pipeline::new(
            Blocking(Mutex::new(blocked)),
            settings(),
            Arc::new(TokioSpawn::new()),
        )
    };
    let mut slowest = Duration::ZERO;
    let recorders: Vec<_> = (0..4)
        .map(|_| {
            let pipeline = pipeline.clone();
            std::thread::spawn(move || {
                let mut slowest = Duration::ZERO;
                for id in 0..50_000 {
                    let begin = Instant::now();
                    pipeline.record(id);
                    slowest = slowest.max(begin.elapsed());
                }
                slowest
            })
        })
        .collect();
    for recorder in recorders {
        slowest = slowest.max(recorder.join().unwrap());
    }
    let stats = pipeline.stats();
    assert_eq!(
        (stats.enqueued, stats.queued, stats.dropped),
        (200_000, 65_536, 134_464)
    );
    // It would be forever if it waited for the sink; a machine under load may hold a thread for a while.
    assert!(slowest < 5 * SECOND, "{slowest:?}");
    drop(release);
    let stats = runtime.block_on(pipeline.shutdown(60 * SECOND));
    assert_eq!((stats.written, stats.dropped), (65_536, 134_464));
}

#[tokio::test]
async fn an_idle_pipeline_takes_no_memory_for_its_capacity() {
    // 2²⁴ items of 8 MiB would be 128 TiB.
    struct Large;
    #[async_trait]
    impl Sink for Large {
        type Item = [u8; 8 << 20];
        fn weight(&self, item: &Self::Item) -> usize {
            item.len()
        }
        async fn write(&self, batch: &[Self::Item]) -> Result<Vec<Verdict>> {
            Ok(vec![Verdict::Written; batch.len()])
        }
    }
    let pipeline = Pipeline::new(
        Large,
        RecordingSettings {
            capacity: 1 << 24,
            ..settings()
        },
        Arc::new(TokioSpawn::new()),
    );
    assert_eq!(pipeline.shutdown(SECOND).await, RecordingStats::default());
}
