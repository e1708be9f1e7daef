//! Assigning a unit to a variant.

use std::hint::black_box;

use promptops_benches::measure::{Samples, compare, compare_on_two_threads};
use promptops_benches::memory::allocations;
use promptops_benches::table::{Goal, Table};
use promptops_core::MemoryBackend;
use promptops_core::experiment::{Assigned, Assigner};
use tokio::runtime::Runtime;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::world::{self, World};

pub fn run(runtime: &Runtime) {
    let world = runtime.block_on(World::new(MemoryBackend::new()));
    let units: Vec<String> = (0..1_024).map(world::unit).collect();
    let assigner = Assigner::new(&world.experiment);
    let mut four = world.experiment.clone();
    four.namespace = Some(promptops_core::experiment::Namespace {
        name: promptops_core::base::VariantName::new("checkout").expect("a name"),
        from: 0,
        to: 10_000,
    });
    four.holdout = Some(promptops_core::experiment::Holdout {
        name: promptops_core::base::VariantName::new("everybody").expect("a name"),
        basis_points: 100,
    });
    let guarded = Assigner::new(&four);

    let mut table = Table::new("assignment", "xxh3_64_with_seed of the same unit");
    let goal = Goal::AtMost(50.0);
    let floor = |from: usize| {
        round_robin(&units, from, |unit| {
            xxh3_64_with_seed(unit.as_bytes(), black_box(7))
        })
    };
    let ours = |assigner, from: usize| round_robin(&units, from, move |unit| assign(assigner, unit));
    table.pair("Assigner::assign", &compare(ours(&assigner, 0), floor(0)), goal);
    table.pair(
        "the same with a namespace and a holdout, each a hash of its own",
        &compare(ours(&guarded, 0), floor(0)),
        Goal::None,
    );
    percentiles(&mut table, "a call on the clock", &units, (&assigner, &guarded));
    let count = allocations(|| assign(&assigner, &units[5]));
    table.row(["allocations", &count.to_string(), "", "", "0"], Some(count == 0));
    let pair = compare_on_two_threads(
        |thread| ours(&assigner, thread * 512),
        |thread| floor(thread * 512),
    );
    table.throughput("two threads", &pair, 40.0);
}

/// Calls that are timed one by one, and the warm-up before.
const CALLS: usize = 1_000_000;

/// Single calls, what it takes to look at the clock included: that is longer than a call. The floor is the same with the
/// bare hash, in turns, so that both meet what the machine does besides.
fn percentiles(table: &mut Table, what: &str, units: &[String], assigners: (&Assigner, &Assigner)) {
    let [mut plain, mut guarded, mut floor] = [Samples::default(), Samples::default(), Samples::default()];
    for timed in [false, true] {
        for i in 0..CALLS / if timed { 1 } else { 10 } {
            let unit = units[i % units.len()].as_str();
            plain.time(|| assign(assigners.0, black_box(unit)));
            floor.time(|| xxh3_64_with_seed(black_box(unit).as_bytes(), black_box(7)));
            guarded.time(|| assign(assigners.1, black_box(unit)));
        }
        if !timed {
            [plain, guarded, floor] = [Samples::default(), Samples::default(), Samples::default()];
        }
    }
    for (share, name, goal) in [
        (0.5, "p50", Goal::None),
        (0.99, "p99", Goal::AtMost(1_000.0)),
        (0.999, "p99.9", Goal::None),
    ] {
        let of_floor = floor.percentile(share);
        let row = format!("{what}, {name}");
        table.times(&row, plain.percentile(share), Some(of_floor), goal);
    }
    let (ours, of_floor) = (guarded.percentile(0.99), floor.percentile(0.99));
    let row = format!("{what}, with namespace and holdout, p99");
    table.times(&row, ours, Some(of_floor), Goal::AtMost(1_000.0));
}

fn assign(assigner: &Assigner, unit: &str) -> Assigned {
    assigner.assign(Some(unit))
}

fn round_robin<'a, T>(units: &'a [String], from: usize, run: impl Fn(&'a str) -> T) -> impl FnMut() -> T {
    let mut at = from;
    move || {
        at = (at + 1) % units.len();
        run(&units[at])
    }
}
