//! Assigning a unit to a variant.

use std::hint::black_box;

use promptops_benches::measure::{compare, compare_on_two_threads};
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
    let count = allocations(|| assign(&assigner, &units[5]));
    table.row(["allocations", &count.to_string(), "", "", "0"], Some(count == 0));
    let pair = compare_on_two_threads(
        |thread| ours(&assigner, thread * 512),
        |thread| floor(thread * 512),
    );
    table.throughput("two threads", &pair, 40.0);
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
