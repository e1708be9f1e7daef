//! What recording takes of the caller's time, one call at a time.
//!
//! Every call is timed alone, and the slowest of all counts. So does whatever takes the processor away meanwhile. Two things
//! tell that apart: the floor, which is the same loop on as many threads around a call of the same length that shares nothing
//! with anybody; and the processor time of each call, which goes on in the kernel and while a lock is tried for, and not
//! while another thread has the processor. A call that sleeps for a lock is seen by neither: those are counted. The two are
//! measured in turns, since to ask for the processor time is a call into the kernel, which takes longer than recording does.

use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

use promptops_benches::load;
use promptops_benches::measure::{Samples, thread_time};
use promptops_benches::table::{Table, time};
use promptops_core::experiment::Outcome;
use promptops_core::observation::Recorded;
use tokio::runtime::Runtime;

use crate::stores::{Kind, stores};
use crate::world::{World, unit};

/// Of each clock.
const ROUNDS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Of {
    Clock,
    Processor,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Outcome,
    Trace,
}

impl What {
    /// Calls of all threads in a round, and the pause between two of a thread.
    fn load(self) -> (usize, Duration) {
        match self {
            Self::Outcome => (120_000, Duration::from_micros(3)),
            Self::Trace => (50_000, Duration::from_micros(20)),
        }
    }
}

/// Nanoseconds of each call on the clock and of processor time.
#[derive(Default)]
struct Times {
    clock: Vec<u32>,
    processor: Vec<u32>,
}

impl Times {
    fn push(&mut self, of: Of, took: Duration) {
        let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        match of {
            Of::Clock => self.clock.push(nanos),
            Of::Processor => self.processor.push(nanos),
        }
    }

    fn add(&mut self, other: Self) {
        self.clock.extend(other.clock);
        self.processor.extend(other.processor);
    }
}

/// Of all calls, and how often threads slept.
#[derive(Default)]
struct Calls {
    taken: Times,
    refused: Times,
    waits: u64,
}

impl Calls {
    fn add(&mut self, other: Self) {
        self.taken.add(other.taken);
        self.refused.add(other.refused);
        self.waits += other.waits;
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
                for of in [Of::Clock, Of::Processor] {
                    free.add(round(runtime, what, Kind::Free, threads, of));
                    let length = percentile(&free.taken.clock, 0.5);
                    floor.add(nothing(what, threads, length, of));
                    stalled.add(round(runtime, what, Kind::Stalled, threads, of));
                }
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
                let of = |times: &Times| times.clock.len() + times.processor.len();
                let all = of(&calls.taken) + of(&calls.refused);
                format!("{} of {all}", calls.waits)
            };
            table.row(
                [
                    &format!("{threads} threads, calls and pauses that slept: free / stalled"),
                    &format!("{} / {}", per(&free), per(&stalled)),
                    &per(&floor),
                    "",
                    "",
                ],
                None,
            );
            table.row(
                [
                    &format!("{threads} threads, refused with a free writer"),
                    &format!("{} of {}", free.refused.clock.len(), free.taken.clock.len()),
                    "",
                    "",
                    "",
                ],
                None,
            );
        }
    }
}

fn rows(table: &mut Table, what: &str, ours: &Times, floor: &Calls) {
    if ours.clock.is_empty() {
        return;
    }
    let floor = &floor.taken;
    for (of, ours, floor) in [
        ("", &ours.clock, &floor.clock),
        (" of processor time", &ours.processor, &floor.processor),
    ] {
        for (name, share, goal) in [
            ("p50", 0.5, None),
            ("p99", 0.99, None),
            ("p99.9", 0.999, Some(20e3)),
            ("max", 1.0, Some(5e6)),
        ] {
            let (of_ours, of_floor) = (percentile(ours, share), percentile(floor, share));
            let goal_text = goal.map(|goal| format!("≤ {}", time(goal))).unwrap_or_default();
            table.row(
                [
                    &format!("{what}, {name}{of}"),
                    &time(of_ours),
                    &time(of_floor),
                    &format!("{:.2}", of_ours / of_floor),
                    &goal_text,
                ],
                goal.map(|goal| of_ours <= goal),
            );
        }
    }
    let (ours, floor) = (&ours.clock, &floor.clock);
    let long = |calls: &[u32]| calls.iter().filter(|call| **call > 1_000_000).count();
    table.row(
        [
            &format!("{what}, calls above 1 ms"),
            &format!("{} of {}", long(ours), ours.len()),
            &format!("{} of {}", long(floor), floor.len()),
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
fn round(runtime: &Runtime, what: What, kind: Kind, threads: usize, of: Of) -> Calls {
    let world = runtime.block_on(World::new(stores(kind)));
    // Its writer is started by the first call, which is a host's first ever.
    let _inside = runtime.enter();
    let calls = match what {
        What::Outcome => {
            let outcomes = world.acme.outcomes();
            on_threads(what, threads, of, |i| {
                let stamp = world.stamp(&unit(i));
                timed(of, || outcomes.record(&stamp, Outcome::success(true)))
            })
        }
        What::Trace => {
            let traces = world.acme.traces();
            on_threads(what, threads, of, |i| {
                let trace = world.trace(i);
                timed(of, || traces.try_record(trace).1)
            })
        }
    };
    runtime.block_on(world.ops.shutdown(Duration::ZERO));
    calls
}

/// What a call takes. That the clock is looked at is in it, of the floor as well.
fn timed(of: Of, call: impl FnOnce() -> Recorded) -> (Duration, Recorded) {
    match of {
        Of::Clock => {
            let begin = Instant::now();
            let recorded = call();
            (begin.elapsed(), recorded)
        }
        Of::Processor => {
            let before = thread_time();
            let recorded = call();
            (thread_time() - before, recorded)
        }
    }
}

/// Calls of about this many nanoseconds.
fn nothing(what: What, threads: usize, length: f64, of: Of) -> Calls {
    let mut empty = Samples::default();
    for _ in 0..1_000 {
        empty.push(timed(Of::Clock, || Recorded::Queued).0.as_nanos() as f64);
    }
    let turns = ((length - empty.median()).max(0.0) / turn()) as usize;
    on_threads(what, threads, of, |_| {
        timed(of, || {
            spin(turns);
            Recorded::Queued
        })
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

fn on_threads(
    what: What,
    threads: usize,
    of: Of,
    call: impl Fn(usize) -> (Duration, Recorded) + Sync,
) -> Calls {
    let (count, rest) = what.load();
    let runtime = tokio::runtime::Handle::try_current().ok();
    let work = |thread: usize| {
        // As a request's thread is in its runtime.
        let _inside = runtime.as_ref().map(tokio::runtime::Handle::enter);
        let mut calls = Calls::default();
        for times in [&mut calls.taken, &mut calls.refused] {
            times.clock.reserve(count);
            times.processor.reserve(count);
        }
        let before = load::waits();
        for i in (thread..count).step_by(threads) {
            let (took, recorded) = call(i);
            match recorded {
                Recorded::Queued => calls.taken.push(of, took),
                _ => calls.refused.push(of, took),
            }
            let pause = Instant::now();
            while pause.elapsed() < rest {
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
    all
}
