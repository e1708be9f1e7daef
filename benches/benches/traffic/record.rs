//! What recording takes of the caller's time, one call at a time.
//!
//! Every call is timed alone, and the slowest of all counts. So does whatever takes the processor away meanwhile: the floor
//! shows how long that is. It is the same loop on as many threads with the same pause, around a call of the same length that
//! shares nothing with anybody.

use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

use promptops_benches::load;
use promptops_benches::measure::Samples;
use promptops_benches::table::{Table, time};
use promptops_core::experiment::Outcome;
use promptops_core::observation::Recorded;
use tokio::runtime::Runtime;

use crate::stores::{Kind, stores};
use crate::world::{World, unit};

/// Calls of all threads in a round.
const CALLS: usize = 120_000;
const ROUNDS: usize = 5;
/// Between two calls of a thread.
const PAUSE: Duration = Duration::from_micros(3);

#[derive(Debug, Clone, Copy)]
enum What {
    Outcome,
    Trace,
}

/// Nanoseconds of each call, and how often threads waited.
#[derive(Default)]
struct Calls {
    taken: Vec<u32>,
    refused: Vec<u32>,
    waits: u64,
    took: Duration,
}

impl Calls {
    fn add(&mut self, other: Self) {
        self.taken.extend(other.taken);
        self.refused.extend(other.refused);
        self.waits += other.waits;
        self.took += other.took;
    }
}

pub fn run(runtime: &Runtime) {
    for what in [What::Outcome, What::Trace] {
        let name = match what {
            What::Outcome => "outcomes().record",
            What::Trace => "traces().record, inputs of 2 KB",
        };
        let mut table = Table::new(
            name,
            "the same loop around a call of the same length that shares nothing",
        );
        for threads in [1, 4] {
            let (mut free, mut stalled, mut floor) = (Calls::default(), Calls::default(), Calls::default());
            for _ in 0..ROUNDS {
                free.add(round(runtime, what, Kind::Free, threads));
                let length = percentile(&free.taken, 0.5);
                floor.add(nothing(threads, length));
                stalled.add(round(runtime, what, Kind::Stalled, threads));
            }
            rows(
                &mut table,
                &format!("{threads} threads, free"),
                &free.taken,
                &floor,
            );
            rows(
                &mut table,
                &format!("{threads} threads, stalled"),
                &stalled.taken,
                &floor,
            );
            rows(
                &mut table,
                &format!("{threads} threads, full"),
                &stalled.refused,
                &floor,
            );
            let per = |calls: &Calls| {
                let all = calls.taken.len() + calls.refused.len();
                format!("{} of {all}", calls.waits)
            };
            table.row(
                [
                    &format!("{threads} threads, calls that waited: free / stalled"),
                    &format!("{} / {}", per(&free), per(&stalled)),
                    &per(&floor),
                    "",
                    "",
                ],
                None,
            );
            table.row(
                [
                    &format!("{threads} threads, calls refused with a free writer"),
                    &free.refused.len().to_string(),
                    "",
                    "",
                    "0",
                ],
                Some(free.refused.is_empty()),
            );
        }
    }
}

fn rows(table: &mut Table, what: &str, ours: &[u32], floor: &Calls) {
    if ours.is_empty() {
        return;
    }
    for (name, share, goal) in [
        ("p50", 0.5, None),
        ("p99", 0.99, None),
        ("p99.9", 0.999, Some(20e3)),
        ("max", 1.0, Some(5e6)),
    ] {
        let (of_ours, of_floor) = (percentile(ours, share), percentile(&floor.taken, share));
        let goal_text = goal.map(|goal| format!("≤ {}", time(goal))).unwrap_or_default();
        table.row(
            [
                &format!("{what}, {name}"),
                &time(of_ours),
                &time(of_floor),
                &format!("{:.2}", of_ours / of_floor),
                &goal_text,
            ],
            goal.map(|goal| of_ours <= goal),
        );
    }
    let long = |calls: &[u32]| calls.iter().filter(|call| **call > 1_000_000).count();
    table.row(
        [
            &format!("{what}, calls above 1 ms"),
            &format!("{} of {}", long(ours), ours.len()),
            &format!("{} of {}", long(&floor.taken), floor.taken.len()),
            "",
            "",
        ],
        None,
    );
}

fn percentile(calls: &[u32], share: f64) -> f64 {
    let mut samples = Samples::default();
    for call in calls {
        samples.push(f64::from(*call));
    }
    samples.percentile(share)
}

/// Calls from so many threads, into a recorder of its own.
fn round(runtime: &Runtime, what: What, kind: Kind, threads: usize) -> Calls {
    let world = runtime.block_on(World::new(stores(kind)));
    // Its writer is started by the first call, which is a host's first ever.
    let _inside = runtime.enter();
    let calls = match what {
        What::Outcome => {
            let outcomes = world.acme.outcomes();
            on_threads(threads, |i| {
                let stamp = world.stamp(&unit(i));
                let begin = Instant::now();
                let recorded = outcomes.record(&stamp, Outcome::success(true));
                (begin.elapsed(), recorded)
            })
        }
        What::Trace => {
            let traces = world.acme.traces();
            on_threads(threads, |i| {
                let trace = world.trace(i);
                let begin = Instant::now();
                let recorded = traces.try_record(trace).1;
                (begin.elapsed(), recorded)
            })
        }
    };
    runtime.block_on(world.ops.shutdown(Duration::ZERO));
    calls
}

/// Calls of about this many nanoseconds.
fn nothing(threads: usize, length: f64) -> Calls {
    // What looking at the clock takes is in both.
    let begin = Instant::now();
    for _ in 0..1_000 {
        black_box(Instant::now());
    }
    let clock = begin.elapsed().as_nanos() as f64 / 1_000.0;
    let turns = ((length - clock).max(0.0) / turn()) as usize;
    on_threads(threads, |_| {
        let begin = Instant::now();
        spin(turns);
        (begin.elapsed(), Recorded::Queued)
    })
}

fn spin(turns: usize) {
    for turn in 0..turns {
        black_box(turn);
    }
}

/// Nanoseconds of a turn of [`spin`], at best.
fn turn() -> f64 {
    let tries = (0..50).map(|_| {
        let begin = Instant::now();
        spin(10_000);
        begin.elapsed().as_nanos() as f64 / 10_000.0
    });
    tries.fold(f64::MAX, f64::min)
}

fn on_threads(threads: usize, call: impl Fn(usize) -> (Duration, Recorded) + Sync) -> Calls {
    let runtime = tokio::runtime::Handle::try_current().ok();
    let begin = Instant::now();
    let work = |thread: usize| {
        // As a request's thread is in its runtime.
        let _inside = runtime.as_ref().map(tokio::runtime::Handle::enter);
        let mut calls = Calls {
            taken: Vec::with_capacity(CALLS),
            refused: Vec::with_capacity(CALLS),
            ..Calls::default()
        };
        let before = load::waits();
        for i in (thread..CALLS).step_by(threads) {
            let (took, recorded) = call(i);
            let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
            match recorded {
                Recorded::Queued => calls.taken.push(took),
                _ => calls.refused.push(took),
            }
            let pause = Instant::now();
            while pause.elapsed() < PAUSE {
                spin_loop();
            }
        }
        calls.waits = load::waits() - before;
        calls
    };
    let mut all = Calls::default();
    std::thread::scope(|scope| {
        let work = &work;
        let spawned: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        for thread in spawned {
            all.add(thread.join().expect("it does not panic"));
        }
    });
    all.took = begin.elapsed();
    all
}
