//! The tables in small, with fixed seeds: what they show must stay so.
#![allow(clippy::unwrap_used, reason = "tests, which clippy.toml cannot know here")]

use std::num::NonZeroUsize;

use simulations::assignment::{Units, deviations};
use simulations::power::{Effect, found};
use simulations::returning::{SPLITS, returned};
use simulations::scenario::{Scenario, Size, mistakes};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const SMALL: Size = Size {
    experiments: 150,
    horizon: 500,
};

/// With α = 0.05, more than 16 of 150 would be seen once in a thousand times.
const BOUND: f64 = 16.0 / 150.0;

#[test]
fn equal_variants_rarely_have_a_winner() {
    for name in [
        "50/50, rate known",
        "90/10, rate known",
        "K = 4",
        "5 % lost, drift, ramp",
    ] {
        let found = mistakes(&Scenario::named(name).unwrap(), SMALL, 1, TWO).unwrap();
        assert!(found.declared <= BOUND, "{name}: {found:?}");
    }
}

#[test]
fn a_test_for_one_look_mistakes_drift_for_an_effect() {
    // That the simulation can see mistakes at all.
    let size = Size {
        experiments: 30,
        horizon: 3_000,
    };
    let found = mistakes(&Scenario::named("drift, ramp").unwrap(), size, 1, TWO).unwrap();
    assert!(found.naive > 0.8 && found.declared <= 0.1, "{found:?}");
}

#[test]
fn a_better_variant_is_found_about_as_soon_as_by_a_fixed_sample() {
    let effect = Effect {
        control: 0.7,
        variant: 0.8,
        shares: [5_000, 5_000],
    };
    assert!((effect.fixed() - 586.0).abs() < 2.0);
    let found = found(&effect, true, 120, 1, TWO).unwrap();
    let median = found.median.unwrap() as f64 / effect.fixed();
    assert!((0.9..1.4).contains(&median), "{found:?}");
    assert!(found.by_twice > 0.7, "{found:?}");
    assert_eq!(found.wrong, 0.0);
}

#[test]
fn any_number_of_threads_gives_the_same_table() {
    let scenario = Scenario::named("50/50").unwrap();
    let size = Size {
        experiments: 40,
        horizon: 300,
    };
    let by = |threads| mistakes(&scenario, size, 7, NonZeroUsize::new(threads).unwrap()).unwrap();
    assert_eq!(by(1), by(3));
    assert_ne!(by(1), mistakes(&scenario, size, 8, TWO).unwrap());
}

#[test]
fn two_experiments_assign_evenly_and_independently() {
    for units in Units::ALL {
        let found = deviations(units, 100_000, 1).unwrap();
        assert!(
            found.even.abs() < 4.0 && found.independent.abs() < 4.0,
            "{units:?}: {found:?}"
        );
    }
}

#[test]
fn units_that_come_back_rarely_make_a_winner_of_an_equal() {
    for (name, splits) in SPLITS {
        let size = Size {
            experiments: 40,
            horizon: 1_000,
        };
        let found = returned(splits, size, 1, TWO).unwrap();
        assert!(found.declared <= 0.05, "{name}: {found:?}");
        // Where units that met two variants are taken out again, it is twice that and more.
        assert!(found.difference.abs() < 0.01, "{name}: {found:?}");
        assert!(found.without_contaminated > 0.02, "{name}: {found:?}");
    }
}
