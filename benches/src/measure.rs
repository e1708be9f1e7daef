//! Measuring ours and its floor in turns.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Shorter than the time that a busy machine lets a thread run on, so that most rounds are not interrupted.
const ROUND: Duration = Duration::from_micros(500);
const ROUNDS: usize = 301;

/// Figures of one thing: nanoseconds, mostly.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a figure.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Runs it once and adds how many nanoseconds it took.
    pub fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let value = black_box(run());
        self.0.push(begin.elapsed().as_nanos() as f64);
        value
    }

    /// The figure that this share of all do not exceed; 0 without any.
    #[must_use]
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len() as f64 * share) as usize;
        sorted
            .get(at.min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    }

    /// By how much each figure is above the one of the same place in `others`; 0 where it is not.
    #[must_use]
    pub fn above(&self, others: &Self) -> Self {
        let pairs = self.0.iter().zip(&others.0);
        Self(pairs.map(|(figure, other)| (figure - other).max(0.0)).collect())
    }

    /// The middle one.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.percentile(0.5)
    }
}

/// The processor time that this process has taken so far, all its threads together, in user and kernel mode.
#[must_use]
pub fn processor_time() -> Duration {
    read_clock(rustix::time::ClockId::ProcessCPUTime)
}

/// The processor time that this thread has taken so far, in user and kernel mode.
#[must_use]
pub fn thread_time() -> Duration {
    read_clock(rustix::time::ClockId::ThreadCPUTime)
}

fn read_clock(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Ours beside its floor.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    /// Ours.
    pub ours: Samples,
    /// The floor.
    pub floor: Samples,
}

/// Nanoseconds per call of both, in turns.
pub fn compare<A, B>(mut ours: impl FnMut() -> A, mut floor: impl FnMut() -> B) -> Pair {
    let (of_ours, of_floor) = (calibrate(&mut ours), calibrate(&mut floor));
    let mut pair = Pair::default();
    for _ in 0..ROUNDS {
        pair.ours.push(round(&mut ours, of_ours));
        pair.floor.push(round(&mut floor, of_floor));
    }
    pair
}

/// How many calls fill a round. Warms up on the way.
fn calibrate<T>(run: &mut impl FnMut() -> T) -> u32 {
    let mut calls = 1;
    loop {
        let took = round(run, calls) * f64::from(calls);
        if took * 4.0 >= ROUND.as_nanos() as f64 {
            return ((ROUND.as_nanos() as f64 / took * f64::from(calls)) as u32).max(1);
        }
        calls *= 2;
    }
}

fn round<T>(run: &mut impl FnMut() -> T, calls: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        black_box(run());
    }
    begin.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// Nanoseconds per call over two threads together, of both in turns. `ours` and `floor` make what thread 0 or 1 runs.
pub fn compare_on_two_threads<A, B, F: FnMut() -> A, G: FnMut() -> B>(
    ours: impl Fn(usize) -> F + Sync,
    floor: impl Fn(usize) -> G + Sync,
) -> Pair {
    let mut pair = Pair::default();
    for _ in 0..101 {
        pair.ours.push(on_two_threads(&ours));
        pair.floor.push(on_two_threads(&floor));
    }
    pair
}

fn on_two_threads<T, F: FnMut() -> T>(make: &(impl Fn(usize) -> F + Sync)) -> f64 {
    const CALLS: u32 = 50_000;
    let barrier = Barrier::new(2);
    let run = |thread| {
        let mut run = make(thread);
        round(&mut run, 1_000);
        barrier.wait();
        let begin = Instant::now();
        round(&mut run, CALLS);
        (begin, Instant::now())
    };
    let [one, two] = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        [run(0), other.join().expect("the thread does not panic")]
    });
    // From the first to begin to the last to end: a thread that had to wait for a processor counts in full.
    let wall = one.1.max(two.1).duration_since(one.0.min(two.0));
    wall.as_nanos() as f64 / f64::from(2 * CALLS)
}
