//! Sinks that fail, panic, hang and miscount.

use super::*;

async fn recorded(sink: &Probe, settings: RecordingSettings, count: u64) -> Pipeline<Probe> {
    let pipeline = pipeline(sink, settings);
    for id in 0..count {
        pipeline.record(item(id));
    }
    pipeline
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_tried_again_until_it_succeeds() {
    let sink = Probe::does([
        Act::Fail(ErrorKind::Unavailable),
        Act::Fail(ErrorKind::RateLimited),
    ]);
    let pipeline = recorded(&sink, settings(), 5).await;
    let stats = pipeline.flush(SECOND).await.unwrap();
    assert_eq!(
        (stats.written, stats.failed, stats.retries, stats.batches),
        (5, 0, 2, 1)
    );
    assert_eq!(sink.told().tries, vec![vec![0, 1, 2, 3, 4]; 3]);
    assert_eq!(pipeline.last_error().unwrap().kind(), ErrorKind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn what_an_unseen_try_had_stored_comes_back_as_duplicates() {
    let sink = Probe::does([Act::WriteAndFail(ErrorKind::Unavailable)]);
    let pipeline = recorded(&sink, settings(), 5).await;
    let stats = pipeline.flush(SECOND).await.unwrap();
    assert_eq!((stats.written, stats.duplicate), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn trying_again_ends_after_its_time_with_growing_pauses() {
    let sink = Probe::does(vec![Act::Fail(ErrorKind::Unavailable); 1_000]);
    let pipeline = recorded(&sink, settings(), 5).await;
    let error = pipeline.flush(29 * SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().starts_with("5 of the items"), "{error}");
    let stats = pipeline.flush(2 * SECOND).await.unwrap();
    assert_eq!((stats.failed, stats.written), (5, 0));
    assert_balanced(&stats);
    assert_eq!(sink.told().failed.len(), 5);
    let at = sink.told().at.clone();
    assert_eq!(at.last().unwrap().duration_since(at[0]), 30 * SECOND);
    let pauses: Vec<_> = at.windows(2).map(|two| two[1].duration_since(two[0])).collect();
    assert_eq!(pauses[0], 20 * MILLISECOND);
    assert!(pauses.iter().all(|pause| *pause <= 2 * SECOND));
    assert!(at.len() < 30, "{} tries", at.len());
    assert_eq!(stats.retries, at.len() as u64 - 1);

    // The next batch has its own time.
    sink.told().script.clear();
    pipeline.record(item(9));
    assert_eq!(pipeline.flush(SECOND).await.unwrap().written, 1);
}

#[tokio::test(start_paused = true)]
async fn without_time_for_it_nothing_is_tried_again() {
    let sink = Probe::does([Act::Fail(ErrorKind::Unavailable)]);
    let settings = RecordingSettings {
        retry_for: Duration::ZERO,
        ..settings()
    };
    let stats = recorded(&sink, settings, 5).await.flush(SECOND).await.unwrap();
    assert_eq!((stats.failed, stats.retries), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn what_another_try_cannot_help_fails_at_once_and_alone() {
    for act in [Act::Fail(ErrorKind::Invalid), Act::Panic, Act::Short] {
        let sink = Probe::does([act]);
        let pipeline = recorded(&sink, settings(), 5).await;
        let stats = pipeline.flush(MILLISECOND).await.unwrap();
        assert_eq!((stats.failed, stats.written, stats.retries), (5, 0, 0), "{act:?}");
        pipeline.record(item(7));
        let stats = pipeline.shutdown(SECOND).await;
        assert_eq!((stats.failed, stats.written, stats.queued), (5, 1, 0), "{act:?}");
        assert_balanced(&stats);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_says_itself_which_errors_another_try_can_help() {
    struct Stubborn(Probe);
    #[async_trait]
    impl Sink for Stubborn {
        type Item = Item;
        fn weight(&self, item: &Item) -> usize {
            item.weight
        }
        async fn write(&self, batch: &[Item]) -> Result<Vec<Verdict>> {
            self.0.write(batch).await
        }
        fn is_worth_another_try(&self, error: &Error) -> bool {
            error.kind() == ErrorKind::OutcomeUnknown
        }
    }
    let sink = Probe::does([Act::WriteAndFail(ErrorKind::OutcomeUnknown)]);
    let pipeline = Pipeline::new(Stubborn(sink), settings(), Arc::new(TokioSpawn::new()));
    pipeline.record(item(0));
    assert_eq!(pipeline.flush(SECOND).await.unwrap().duplicate, 1);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_never_returns_is_given_up_and_made_again() {
    let sink = Probe::does([Act::Hang, Act::WriteIn(29 * SECOND)]);
    let settings = RecordingSettings {
        retry_for: 40 * SECOND,
        ..settings()
    };
    let pipeline = recorded(&sink, settings, 5).await;
    let stats = pipeline.flush(100 * SECOND).await.unwrap();
    assert_eq!((stats.written, stats.retries), (5, 1));
    assert_eq!(pipeline.last_error().unwrap().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn whatever_a_sink_does_when_it_hears_of_a_batch_the_batch_is_stored() {
    for act in [Act::Panic, Act::Hang] {
        let sink = Probe::default();
        sink.told().on_written = Some(act);
        let pipeline = recorded(&sink, settings(), 5).await;
        let stats = pipeline.flush(31 * SECOND).await.unwrap();
        assert_eq!((stats.written, stats.failed), (5, 0), "{act:?}");
        pipeline.record(item(7));
        assert_eq!(pipeline.shutdown(31 * SECOND).await.written, 6, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_on_hearing_of_a_failure_keeps_nothing_else_from_being_told() {
    struct Touchy;
    #[async_trait]
    impl Sink for Touchy {
        type Item = u64;
        fn weight(&self, _: &u64) -> usize {
            1
        }
        async fn write(&self, batch: &[u64]) -> Result<Vec<Verdict>> {
            match batch[0] {
                0 => Err(Error::new(ErrorKind::Invalid, "as told")),
                _ => Ok(vec![Verdict::Invalid; batch.len()]),
            }
        }
        fn failed(&self, _: &u64, _: &Error) {
            panic!("as told");
        }
    }
    let pipeline = Pipeline::new(Touchy, settings(), Arc::new(TokioSpawn::new()));
    assert_eq!(
        pipeline.record_durable(0).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(pipeline.record_durable(1).await.unwrap(), Verdict::Invalid);
    let stats = pipeline.shutdown(SECOND).await;
    assert_eq!((stats.failed, stats.invalid), (1, 1));
}
