//! The gate's tables in small, with fixed seeds: what they show must stay so.
#![allow(clippy::unwrap_used, reason = "tests, which clippy.toml cannot know here")]

use std::num::NonZeroUsize;

use simulations::gate::{Plain, World, plain, replayed};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const RUNS: usize = 60;
/// With α = 0.05, more than 8 of 60 would be seen less than once in a hundred times.
const BOUND: f64 = 8.0 / RUNS as f64;

#[test]
fn plain_rules_ship_candidates_of_no_effect() {
    let world = Plain {
        items: 80,
        candidates: 5,
        flips: 0.15,
        harm: 0.0,
    };
    let found = plain(world, 1_000, 1, TWO);
    // Of 1,000: 0.05 are four standard deviations and more.
    let about = |share: f64, expected: f64| (share - expected).abs() < 0.06;
    assert!(about(found.improved.value(), 0.80), "{found:?}");
    assert!(about(found.by_percent.value(), 0.62), "{found:?}");
    assert!(found.confirmed.value() < 0.05, "{found:?}");
    assert!((0.05..0.1).contains(&found.claimed), "{found:?}");
}

#[test]
fn a_fix_ships_where_answers_hide_little() {
    let found = replayed(&World::new(0.02, 0.5, 0.0), 1, RUNS, 1, TWO).unwrap();
    assert!(found.shipped().value() > 0.7, "{}", found.shipped());
    let bias = found.bias(&World::new(0.02, 0.5, 0.0), false).unwrap();
    assert!(bias.abs() < 0.06, "{bias}");
    assert!(found.share(|ship| ship.covered).value() > 0.85);
}

#[test]
fn neither_no_effect_nor_harm_ships() {
    for (world, candidates) in [
        (World::new(0.02, 0.0, 0.0), 1),
        (World::new(0.15, 0.0, 0.0), 5),
        (World::new(0.02, 0.5, 0.0).harming(0.05), 1),
        (World::new(0.15, 0.5, 0.0).harming(0.05), 1),
    ] {
        let found = replayed(&world, candidates, RUNS, 1, TWO).unwrap();
        assert!(found.shipped().value() <= BOUND, "{world:?}: {}", found.shipped());
    }
    let found = replayed(&World::new(0.02, 0.5, 0.2), 1, RUNS, 1, TWO).unwrap();
    assert_eq!(found.shipped().count, 0);
}

#[test]
fn sessions_are_taken_for_what_they_are() {
    let world = World {
        session: 5,
        ..World::new(0.02, 0.5, 0.0).harming(0.05)
    };
    let found = replayed(&world, 1, 20, 1, TWO).unwrap();
    assert!(found.shipped().count <= 3, "{}", found.shipped());
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let world = World {
        repeats: 2,
        ..World::new(0.05, 0.3, 0.0)
    };
    let by = |threads, seed| replayed(&world, 2, 12, seed, NonZeroUsize::new(threads).unwrap()).unwrap();
    assert_eq!(by(1, 7), by(3, 7));
    assert_ne!(by(1, 7), by(1, 8));
    assert!(by(1, 7).ships.iter().all(|ship| ship.verdicts.len() == 2));
}
