//! The scoreboard in small, with fixed seeds: what it shows must stay so.
#![allow(clippy::unwrap_used, reason = "tests, which clippy.toml cannot know here")]

use std::num::NonZeroUsize;

use simulations::scoreboard::{Row, Rule, Scenario, Watch, attempts, watches};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const WORLDS: usize = 30;
/// With α = 0.05, more than 5 of 30 would be seen less than once in a hundred times.
const BOUND: u64 = 5;
const SEED: u64 = 1;

fn by(rows: &[Row], rule: Rule) -> &Row {
    &rows[Rule::ALL.iter().position(|one| *one == rule).unwrap()]
}

fn under(rows: &[Row], watch: Watch) -> &Row {
    &rows[Watch::ALL.iter().position(|one| *one == watch).unwrap()]
}

/// What is shipped, without much of what becomes of it.
fn attempted(scenario: Scenario) -> Vec<Row> {
    let short = Scenario {
        life: 300,
        ..scenario
    };
    attempts(&short, WORLDS, SEED, TWO).unwrap()
}

#[test]
fn what_changes_nothing_is_rarely_shipped_by_the_library_and_often_by_plain_rules() {
    let rows = attempted(Scenario::USELESS);
    let (library, mean) = (by(&rows, Rule::Library), by(&rows, Rule::MeanImproved));
    assert!(library.false_ships().count <= BOUND, "{}", library.false_ships());
    assert!(mean.false_ships().value() > 0.5, "{}", mean.false_ships());
}

#[test]
fn harm_is_not_shipped_and_a_tuning_set_ships_it() {
    let rows = attempted(Scenario::HARMFUL);
    assert!(by(&rows, Rule::Library).harm().count <= 1);
    let rows = attempted(Scenario::OVERFITTED);
    let (library, tuning) = (by(&rows, Rule::Library), by(&rows, Rule::Tuning));
    assert!(library.harm().count <= 1 && library.false_ships().count <= BOUND);
    assert!(tuning.harm().value() > 0.6, "{}", tuning.harm());
    assert!(tuning.curse().unwrap() > 2.0, "{:?}", tuning.curse());
}

#[test]
fn the_right_candidate_is_found_and_claimed_for_what_it_is() {
    let library = &attempted(Scenario::RIGHT)[0];
    assert!(library.power().unwrap().value() >= 0.8, "{:?}", library.power());
    assert!(library.curse().unwrap().abs() < 1.0, "{:?}", library.curse());
    assert!(library.false_ships().count <= BOUND && library.harm().count == 0);
    assert!(library.net() > 5.0);
}

#[test]
fn on_little_traffic_the_library_ships_less_than_plain_rules_and_loses() {
    let rows = attempted(Scenario::SMALL);
    let (library, mean) = (by(&rows, Rule::Library), by(&rows, Rule::MeanImproved));
    assert!(library.power().unwrap().value() < mean.power().unwrap().value());
    assert!(library.net() < mean.net());
}

/// What becomes of a live version, half as long.
fn watched(scenario: Scenario) -> Vec<Row> {
    let short = Scenario {
        before: 500,
        life: 2_500,
        ..scenario
    };
    watches(&short, WORLDS, SEED, TWO).unwrap()
}

#[test]
fn drift_is_not_blamed_on_the_prompt() {
    let rows = watched(Scenario::DRIFT);
    let attributed = under(&rows, Watch::Attributed).false_rollbacks();
    assert!(attributed.count <= BOUND, "{attributed}");
    // That the simulation can see it.
    assert!(under(&rows, Watch::Monitor).in_drift().value() > 0.8);
    assert!(under(&rows, Watch::Rolling).false_rollbacks().value() > 0.9);
}

#[test]
fn a_prompt_that_decays_is_caught() {
    let rows = watched(Scenario::DECAY);
    let library = under(&rows, Watch::Attributed);
    assert!(library.caught().unwrap().value() >= 0.8, "{:?}", library.caught());
    assert!(library.false_rollbacks().count <= BOUND);
    assert!(
        (50..1_000).contains(&library.delay().unwrap()),
        "{:?}",
        library.delay()
    );
    assert!(library.net() > under(&rows, Watch::Nobody).net() + 5.0);
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let attempts = |threads, seed| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let small = |scenario| Scenario {
            traffic: 200,
            before: 50,
            life: 300,
            ..scenario
        };
        // More than one thread takes at once.
        (
            attempts(&small(Scenario::RIGHT), 20, seed, threads).unwrap(),
            watches(&small(Scenario::DECAY), 20, seed, threads).unwrap(),
        )
    };
    assert_eq!(attempts(1, 7), attempts(3, 7));
    assert_ne!(attempts(1, 7), attempts(1, 8));
}
