//! Resolving what is warm, with an experiment on and without.

use promptops_benches::measure::{compare, compare_on_two_threads};
use promptops_benches::memory::allocations;
use promptops_benches::table::{Goal, Table};
use promptops_core::MemoryBackend;
use promptops_core::resolve::Resolved;
use tokio::runtime::Runtime;

use crate::world::{self, REFERENCE, World};

/// No experiment is on there.
const CALM: &str = "support/refund@production";

pub fn run(runtime: &Runtime) {
    let world = runtime.block_on(async {
        let world = World::new(MemoryBackend::new()).await;
        world::two_versions(&world.acme, "support/refund").await;
        for reference in [REFERENCE, CALM] {
            world.acme.resolve(reference).await.expect("it is live");
        }
        world
    });
    let units: Vec<String> = (0..1_024).map(world::unit).collect();
    let acme = &world.acme;
    let calm = |_: &str| acme.try_resolve(CALM).expect("it is warm");
    let tried = |unit: &str| -> Resolved {
        let resolve = acme.resolve(REFERENCE).unit(unit);
        resolve.try_now().expect("it is warm")
    };

    let mut table = Table::new(
        "warm resolve",
        "the same where no experiment is on, without a unit",
    );
    let above = Goal::Above(60.0);
    table.pair(
        "an experiment is on, with a unit",
        &compare(each(&units, 0, tried), each(&units, 0, calm)),
        above,
    );
    table.pair(
        "an experiment is on, without a unit",
        &compare(
            each(&units, 0, |_| acme.try_resolve(REFERENCE).expect("it is warm")),
            each(&units, 0, calm),
        ),
        Goal::None,
    );
    table.pair(
        "with a unit, and the stamp; the floor with the stamp too",
        &compare(
            each(&units, 0, |unit| tried(unit).stamp()),
            each(&units, 0, |unit| calm(unit).stamp()),
        ),
        Goal::None,
    );
    let counts = [
        allocations(|| tried(&units[5])),
        allocations(|| tried(&units[5]).stamp()),
    ];
    table.row(
        ["allocations", &counts[0].to_string(), "", "", "0"],
        Some(counts[0] == 0),
    );
    table.row(
        ["allocations with the stamp", &counts[1].to_string(), "", "", ""],
        None,
    );
    let pair = compare_on_two_threads(
        |thread| each(&units, thread * 512, tried),
        |thread| each(&units, thread * 512, calm),
    );
    table.pair("two threads, nanoseconds per call of both", &pair, Goal::None);
}

fn each<'a, T>(units: &'a [String], from: usize, run: impl Fn(&'a str) -> T) -> impl FnMut() -> T {
    let mut at = from;
    move || {
        at = (at + 1) % units.len();
        run(&units[at])
    }
}
