//! Flush, shutdown, and the end of the last handle.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flush_hurries_and_waits_for_all_that_came_before() {
    let sink = Probe::always(Act::WriteIn(10 * MILLISECOND));
    let pipeline = pipeline(&sink, settings());
    assert_eq!(
        pipeline.flush(Duration::ZERO).await.unwrap(),
        RecordingStats::default()
    );
    for id in 0..20_000 {
        pipeline.record(item(id));
    }
    let begin = tokio::time::Instant::now();
    let stats = pipeline.flush(SECOND).await.unwrap();
    assert_eq!(begin.elapsed(), 20 * MILLISECOND);
    assert_eq!((stats.written, stats.queued), (20_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_what_comes_later() {
    let sink = Probe::does([Act::Write, Act::Hang]);
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    let flush = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.flush(SECOND).await }
    });
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    pipeline.record(item(1));
    assert_eq!(flush.await.unwrap().unwrap().written, 1);
    settle().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(sink.told().tries, [[0], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_whose_time_is_over_says_how_much_is_left() {
    let sink = Probe::does([Act::Fail(ErrorKind::Unavailable), Act::WriteIn(SECOND)]);
    let pipeline = pipeline(&sink, settings());
    for id in 0..7 {
        pipeline.record(item(id));
    }
    let error = pipeline.flush(500 * MILLISECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().starts_with("7 of the items"), "{error}");
    assert!(format!("{error:?}").contains("caused by: as told"), "{error:?}");
    // It goes on meanwhile.
    assert_eq!(pipeline.flush(SECOND).await.unwrap().written, 7);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_the_sink_does_with_the_news() {
    let sink = Probe::default();
    sink.told().on_written = Some(Act::WriteIn(SECOND));
    let pipeline = pipeline(&sink, settings());
    let begin = tokio::time::Instant::now();
    assert_eq!(pipeline.record_durable(item(0)).await.unwrap(), Verdict::Written);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    pipeline.flush(2 * SECOND).await.unwrap();
    assert_eq!(begin.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn flushes_and_shutdowns_at_once_all_come_to_an_end() {
    let sink = Probe::always(Act::WriteIn(10 * MILLISECOND));
    let pipeline = pipeline(&sink, settings());
    for id in 0..1_000 {
        pipeline.record(item(id));
    }
    let flushes: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move { pipeline.flush(SECOND).await.unwrap() })
        })
        .collect();
    let shutdowns: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move { pipeline.shutdown(SECOND).await })
        })
        .collect();
    for ended in flushes.into_iter().chain(shutdowns) {
        let stats = ended.await.unwrap();
        assert_eq!((stats.written, stats.queued), (1_000, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_everything_is_dropped_and_counted() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    let report = pipeline.shutdown(SECOND).await;
    assert_eq!((report.enqueued, report.written), (1, 1));
    assert_eq!(pipeline.record(item(1)), super::super::Recorded::ShutDown);
    let report = pipeline.shutdown(Duration::ZERO).await;
    assert_eq!((report.enqueued, report.written, report.dropped), (2, 1, 1));
    assert_balanced(&report);
    assert_eq!(pipeline.flush(Duration::ZERO).await.unwrap(), report);
    assert_eq!(sink.told().dropped, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_shutdown_cannot_write_in_time_has_failed() {
    let sink = Probe::does([Act::WriteIn(SECOND), Act::WriteIn(SECOND)]);
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            batch: 2,
            max_batch: 2,
            ..settings()
        },
    );
    for id in 0..6 {
        pipeline.record(item(id));
    }
    let begin = tokio::time::Instant::now();
    let stats = pipeline.shutdown(1_500 * MILLISECOND).await;
    assert!(begin.elapsed() < 1_700 * MILLISECOND);
    assert_eq!(
        (stats.written, stats.failed, stats.queued, stats.queued_bytes),
        (2, 4, 0, 0)
    );
    assert_balanced(&stats);
    let mut failed = sink.told().failed.clone();
    failed.sort_by_key(|(id, _)| *id);
    use ErrorKind::{OutcomeUnknown, Unavailable};
    let expected = [
        (2, OutcomeUnknown),
        (3, OutcomeUnknown),
        (4, Unavailable),
        (5, Unavailable),
    ];
    assert_eq!(failed, expected);
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(pipeline.stats(), stats, "nothing changes any more");
    assert_eq!(sink.tries(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_a_failing_sink_until_its_deadline() {
    let sink = Probe::does(vec![Act::Fail(ErrorKind::Unavailable); 3]);
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    assert_eq!(pipeline.shutdown(SECOND).await.written, 1);

    let sink = Probe::always(Act::Fail(ErrorKind::Unavailable));
    let pipeline = super::pipeline(&sink, settings());
    pipeline.record(item(0));
    assert_eq!(pipeline.shutdown(SECOND).await.failed, 1);
}

#[test]
fn a_shutdown_comes_to_an_end_beside_a_sink_that_blocks_its_thread() {
    struct Blocking(Mutex<std::sync::mpsc::Receiver<()>>, std::sync::mpsc::Sender<u64>);
    #[async_trait]
    impl Sink for Blocking {
        type Item = u64;
        fn weight(&self, _: &u64) -> usize {
            1
        }
        async fn write(&self, batch: &[u64]) -> Result<Vec<Verdict>> {
            let _ = self.0.lock().unwrap().recv();
            Ok(vec![Verdict::Written; batch.len()])
        }
        fn failed(&self, item: &u64, _: &Error) {
            let _ = self.1.send(*item);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (release, blocked) = std::sync::mpsc::channel();
    let (failed, heard) = std::sync::mpsc::channel();
    runtime.block_on(async {
        let pipeline = Pipeline::new(
            Blocking(Mutex::new(blocked), failed),
            settings(),
            Arc::new(TokioSpawn::new()),
        );
        let durable = tokio::spawn({
            let pipeline = pipeline.clone();
            async move { pipeline.record_durable(0).await }
        });
        while pipeline.stats().queued == 0 {
            tokio::time::sleep(MILLISECOND).await;
        }
        tokio::time::sleep(20 * MILLISECOND).await;
        pipeline.record(1);
        let stats = pipeline.shutdown(20 * MILLISECOND).await;
        assert_eq!((stats.failed, stats.queued), (2, 0));
        assert_eq!(
            durable.await.unwrap().unwrap_err().kind(),
            ErrorKind::OutcomeUnknown
        );
        drop(release);
        // The late answer changes nothing but that the sink hears of its items.
        let mut told = tokio::task::spawn_blocking(move || [heard.recv().unwrap(), heard.recv().unwrap()])
            .await
            .unwrap();
        told.sort_unstable();
        assert_eq!(told, [0, 1]);
        assert_eq!(pipeline.stats(), stats);
    });
}

#[tokio::test(start_paused = true)]
async fn when_the_last_handle_is_dropped_the_writer_writes_what_is_queued_and_ends() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    settle().await;
    let other = pipeline.clone();
    drop(pipeline);
    settle().await;
    assert_eq!(sink.tries(), [0; 0], "another handle lives");
    other.record(item(1));
    drop(other);
    settle().await;
    assert_eq!(sink.told().tries, [[0, 1]]);
    assert_eq!(
        Arc::strong_count(&sink.0),
        1,
        "the writer and all it had are gone"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_writer_ends_with_the_last_handle() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record_durable(item(0)).await.unwrap();
    settle().await;
    drop(pipeline);
    settle().await;
    assert_eq!(Arc::strong_count(&sink.0), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_writer() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    pipeline.shutdown(SECOND).await;
    settle().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    drop(pipeline);
}

#[tokio::test(start_paused = true)]
async fn debug_and_json_show_counts_alone() {
    let pipeline = pipeline(&Probe::default(), settings());
    pipeline.record(item(123_456_789));
    let shown = format!("{pipeline:?}");
    assert!(
        shown.contains("enqueued: 1") && !shown.contains("123456789"),
        "{shown}"
    );
    let json = serde_json::to_value(pipeline.shutdown(SECOND).await).unwrap();
    assert_eq!((&json["written"], &json["queued"]), (&1.into(), &0.into()));
}
