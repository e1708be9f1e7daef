//! Recording that waits for the commit.

use super::*;

fn tiny(capacity: usize) -> RecordingSettings {
    RecordingSettings {
        capacity,
        ..settings()
    }
}

#[tokio::test(start_paused = true)]
async fn a_durable_item_is_stored_when_it_is_said_to_be_and_does_not_wait_for_the_interval() {
    let sink = Probe::default();
    let pipeline = pipeline(&sink, settings());
    pipeline.record(item(0));
    let begin = tokio::time::Instant::now();
    assert_eq!(pipeline.record_durable(item(1)).await.unwrap(), Verdict::Written);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(sink.told().tries, [[0, 1]]);
    assert_eq!(
        pipeline.record_durable(item(1)).await.unwrap(),
        Verdict::Duplicate
    );
    assert_balanced(&pipeline.stats());
}

#[tokio::test(start_paused = true)]
async fn each_hears_of_its_own_item() {
    let sink = Probe::does([Act::WriteIn(SECOND)]);
    sink.told().stored.extend([3, 300, 301]);
    let pipeline = pipeline(&sink, settings());
    let record = |id: u64| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { (id, pipeline.record_durable(item(id)).await.unwrap()) })
    };
    let waiting: Vec<_> = (0..400).map(record).collect();
    for one in waiting {
        let (id, verdict) = one.await.unwrap();
        let duplicate = [3, 300, 301].contains(&id);
        assert_eq!(verdict == Verdict::Duplicate, duplicate, "{id}: {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn its_error_is_the_sinks() {
    let sink = Probe::does([Act::Fail(ErrorKind::Corrupt), Act::Panic]);
    let pipeline = pipeline(&sink, settings());
    let error = pipeline.record_durable(item(0)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "as told"));
    let error = pipeline.record_durable(item(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert!(error.message().contains("panicked"), "{error}");
    let sink = Probe::always(Act::Fail(ErrorKind::Unavailable));
    let error = super::pipeline(&sink, settings())
        .record_durable(item(2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_room_and_is_not_overtaken() {
    let sink = Probe::always(Act::WriteIn(SECOND));
    let pipeline = pipeline(&sink, tiny(2));
    pipeline.record(item(0));
    pipeline.record(item(1));
    let record = |id: u64| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.record_durable(item(id)).await })
    };
    let waiting: Vec<_> = (2..8).map(record).collect();
    // Somebody else wants every bit of room there is.
    let greedy = tokio::spawn({
        let pipeline = pipeline.clone();
        async move {
            loop {
                pipeline.record(item(1_000));
                tokio::time::sleep(MILLISECOND).await;
            }
        }
    });
    for one in waiting {
        let verdict = tokio::time::timeout(20 * SECOND, one).await;
        assert_eq!(verdict.unwrap().unwrap().unwrap(), Verdict::Written);
    }
    greedy.abort();
    let durable: Vec<u64> = sink
        .told()
        .tries
        .concat()
        .into_iter()
        .filter(|id| (2..8).contains(id))
        .collect();
    assert_eq!(durable, [2, 3, 4, 5, 6, 7], "in turn");
    assert_balanced(&pipeline.stats());
}

#[tokio::test(start_paused = true)]
async fn given_up_for_want_of_room_it_is_not_recorded_and_stands_in_nobodys_way() {
    let sink = Probe::does([Act::WriteIn(SECOND)]);
    let pipeline = pipeline(&sink, tiny(2));
    pipeline.record(item(0));
    pipeline.record(item(1));
    let waited = tokio::time::timeout(MILLISECOND, pipeline.record_durable(item(2))).await;
    assert!(waited.is_err());
    pipeline.flush(2 * SECOND).await.unwrap();
    assert!(pipeline.record(item(3)).is_queued());
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.enqueued, stats.written, stats.dropped), (3, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn given_up_later_it_is_recorded_all_the_same() {
    let sink = Probe::does([Act::WriteIn(SECOND)]);
    let pipeline = pipeline(&sink, settings());
    let waited = tokio::time::timeout(MILLISECOND, pipeline.record_durable(item(2))).await;
    assert!(waited.is_err());
    assert_eq!(pipeline.shutdown(2 * SECOND).await.written, 1);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_recorded_is_refused_and_counted() {
    let sink = Probe::default();
    let pipeline = pipeline(
        &sink,
        RecordingSettings {
            max_bytes: 10,
            ..settings()
        },
    );
    let error = pipeline
        .record_durable(Item { id: 0, weight: 11 })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("at most 10 bytes"), "{error}");
    pipeline.shutdown(SECOND).await;
    let error = pipeline.record_durable(item(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    let stats = pipeline.stats();
    assert_eq!((stats.enqueued, stats.dropped), (2, 2));
    assert_eq!(sink.told().dropped, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_refuses_who_waits_for_room_and_answers_who_waits_for_the_commit() {
    let sink = Probe::always(Act::Hang);
    let pipeline = pipeline(&sink, tiny(2));
    let record = |id: u64| {
        let pipeline = pipeline.clone();
        tokio::spawn(async move { pipeline.record_durable(item(id)).await.unwrap_err().kind() })
    };
    let being_written = record(0);
    settle().await;
    let queued = record(1);
    settle().await;
    let without_room = record(2);
    settle().await;
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.enqueued, stats.failed, stats.dropped), (3, 2, 1));
    assert_eq!(being_written.await.unwrap(), ErrorKind::OutcomeUnknown);
    assert_eq!(queued.await.unwrap(), ErrorKind::Unavailable);
    assert_eq!(without_room.await.unwrap(), ErrorKind::IllegalTransition);
}
