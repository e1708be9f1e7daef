//! Everything at once: threads that record, sinks that fail in every way, and a shutdown in the middle. What was handed in
//! is accounted for, item by item.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::statistics::Random;

/// Does something else with every batch, and notes what.
struct Erratic {
    random: Mutex<Random>,
    told: Mutex<Vec<(u64, End)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Verdict(Verdict),
    Dropped,
    Failed,
}

impl Erratic {
    fn told(&self, item: u64, end: End) {
        self.told.lock().unwrap().push((item, end));
    }
}

fn verdict(item: u64) -> Verdict {
    match item % 10 {
        0 => Verdict::Duplicate,
        1 => Verdict::Contaminated,
        2 => Verdict::Invalid,
        _ => Verdict::Written,
    }
}

#[async_trait]
impl Sink for Erratic {
    type Item = u64;

    fn weight(&self, item: &u64) -> usize {
        (item % 97) as usize
    }

    async fn write(&self, batch: &[u64]) -> Result<Vec<Verdict>> {
        let act = self.random.lock().unwrap().bits() % 12;
        match act {
            0 => return Err(Error::new(ErrorKind::Unavailable, "as told")),
            1 => return Err(Error::new(ErrorKind::Invalid, "as told")),
            2 => panic!("as told"),
            3 => std::future::pending().await,
            4 => tokio::time::sleep(2 * MILLISECOND).await,
            5 => std::thread::sleep(MILLISECOND),
            _ => {}
        }
        Ok(batch.iter().map(|item| verdict(*item)).collect())
    }

    fn dropped(&self, item: &u64) {
        self.told(*item, End::Dropped);
    }

    fn failed(&self, item: &u64, _: &Error) {
        self.told(*item, End::Failed);
    }

    async fn written(&self, batch: &[u64], verdicts: &[Verdict]) {
        for (item, verdict) in batch.iter().zip(verdicts) {
            self.told(*item, End::Verdict(*verdict));
        }
    }
}

const THREADS: u64 = 8;
const EACH: u64 = 3_000;

/// Seven threads record, and one records durably; the shutdown comes when so many were handed in.
fn race(seed: u64, shutdown_at: u64, deadline: Duration) -> RecordingStats {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let sink = Erratic {
        random: Mutex::new(Random::seeded(seed)),
        told: Mutex::default(),
    };
    let settings = RecordingSettings {
        capacity: 700,
        max_bytes: 30_000,
        batch: 16,
        max_batch: 100,
        batch_bytes: 2_000,
        interval: MILLISECOND,
        retry_for: 20 * MILLISECOND,
        write_timeout: 5 * MILLISECOND,
    };
    let inside = runtime.enter();
    let pipeline = Pipeline::new(sink, settings, Arc::new(TokioSpawn::new()));
    drop(inside);
    let handed_in = AtomicU64::new(0);
    let durable = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pipeline, handed_in, durable, runtime) = (&pipeline, &handed_in, &durable, &runtime);
            scope.spawn(move || {
                for at in 0..EACH {
                    let item = thread * EACH + at;
                    if thread == 0 && at % 10 == 0 {
                        let answer = runtime.block_on(pipeline.record_durable(item));
                        durable.lock().unwrap().push((item, answer));
                    } else {
                        pipeline.record(item);
                    }
                    handed_in.fetch_add(1, Ordering::Relaxed);
                    if at % 50 == 0 {
                        std::thread::sleep(MILLISECOND);
                        assert_balanced(&pipeline.stats());
                    }
                }
            });
        }
        scope.spawn(|| {
            while handed_in.load(Ordering::Relaxed) < shutdown_at {
                std::thread::yield_now();
            }
            let report = runtime.block_on(async {
                let _ = pipeline.flush(MILLISECOND).await;
                pipeline.shutdown(deadline).await
            });
            assert_eq!(report.queued, 0, "{report:?}");
            assert_balanced(&report);
        });
    });
    let stats = runtime.block_on(pipeline.shutdown(Duration::ZERO));
    assert_balanced(&stats);
    assert_eq!(
        (stats.enqueued, stats.queued, stats.queued_bytes),
        (THREADS * EACH, 0, 0)
    );

    let mut told = std::mem::take(&mut *pipeline.sink().told.lock().unwrap());
    told.sort_unstable_by_key(|(item, _)| *item);
    assert!(
        told.iter().map(|(item, _)| *item).eq(0..THREADS * EACH),
        "each item has one end, of {}: {stats:?}",
        told.len()
    );
    let ends = |end: End| told.iter().filter(|(_, found)| *found == end).count() as u64;
    assert_eq!(stats.dropped, ends(End::Dropped));
    assert_eq!(stats.failed, ends(End::Failed));
    assert_eq!(stats.written, ends(End::Verdict(Verdict::Written)));
    assert_eq!(stats.duplicate, ends(End::Verdict(Verdict::Duplicate)));
    assert_eq!(stats.contaminated, ends(End::Verdict(Verdict::Contaminated)));
    assert_eq!(stats.invalid, ends(End::Verdict(Verdict::Invalid)));
    for (item, answer) in durable.into_inner().unwrap() {
        let expected = match answer {
            Ok(verdict) => End::Verdict(verdict),
            Err(error) if error.kind() == ErrorKind::IllegalTransition => End::Dropped,
            Err(_) => End::Failed,
        };
        assert_eq!(told[item as usize].1, expected, "item {item}");
    }
    stats
}

#[test]
fn whatever_happens_each_item_is_counted_once() {
    let mut all = RecordingStats::default();
    for seed in 0..10 {
        let shutdown_at = [THREADS * EACH, THREADS * EACH / 2, 100][seed as usize % 3];
        let deadline = [SECOND, 3 * MILLISECOND, Duration::ZERO, 20 * MILLISECOND][seed as usize % 4];
        let stats = race(seed, shutdown_at, deadline);
        all.written += stats.written;
        all.duplicate += stats.duplicate;
        all.failed += stats.failed;
        all.dropped += stats.dropped;
        all.retries += stats.retries;
    }
    // All of it happened, or the test proves nothing.
    assert!(all.written > 1_000 && all.duplicate > 100, "{all:?}");
    assert!(
        all.failed > 100 && all.dropped > 1_000 && all.retries > 10,
        "{all:?}"
    );
}
