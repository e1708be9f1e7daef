//! The monitor's tables in small, with fixed seeds: what they show must stay so.
#![allow(clippy::unwrap_used, reason = "tests, which clippy.toml cannot know here")]

use std::num::NonZeroUsize;

use promptops_core::improvement::monitor::AlarmBy;
use simulations::monitor::{Scenario, Stream, watched};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const WATCHES: usize = 40;
/// With α = 0.05, more than 7 of 40 would be seen less than once in a hundred times.
const BOUND: f64 = 7.0 / WATCHES as f64;

fn short(mean: f64) -> Scenario {
    Scenario {
        traces: 1_000,
        with_rolling: false,
        ..Scenario::steady(mean)
    }
}

const SESSIONS: Stream = Stream::Sessions {
    size: 10,
    sticky: 0.8,
    open: 1,
};

#[test]
fn healthy_versions_rarely_raise_an_alarm() {
    for scenario in [
        short(0.7),
        Scenario {
            after: 0.95,
            ..short(0.9)
        },
        Scenario {
            after: 0.85,
            reference: 5_000,
            ..short(0.9)
        },
        Scenario {
            stream: Stream::Graded,
            ..short(0.7)
        },
        Scenario {
            stream: SESSIONS,
            alike: 10,
            ..short(0.7)
        },
    ] {
        let found = watched(&scenario, WATCHES, 1, TWO).unwrap();
        assert!(
            found.alarms(None) <= BOUND,
            "{scenario:?}: {}",
            found.alarms(None)
        );
    }
}

#[test]
fn sessions_taken_for_independent_traces_raise_false_alarms() {
    // That the simulation can see them, and why there is a setting.
    let scenario = Scenario {
        stream: SESSIONS,
        ..short(0.7)
    };
    let found = watched(&scenario, WATCHES, 1, TWO).unwrap();
    assert!(found.alarms(None) > 0.5, "{}", found.alarms(None));
}

#[test]
fn a_rolling_mean_rolls_healthy_versions_back() {
    let scenario = Scenario {
        with_rolling: true,
        ..short(0.7)
    };
    let found = watched(&scenario, 20, 1, TWO).unwrap();
    let rolled = found.share(|watch| watch.rolling);
    assert!(rolled > 0.9 && found.alarms(None) < 0.2, "{rolled}");
}

#[test]
fn a_fall_is_found_about_as_soon_as_the_formula_says() {
    let scenario = Scenario {
        after: 0.7,
        traces: 1_000,
        ..short(0.9)
    };
    let found = watched(&scenario, WATCHES, 1, TWO).unwrap();
    let ratio = found.median(|watch| Some(watch.alarm?.1 as f64 / watch.formula?));
    assert!((0.9..1.8).contains(&ratio.unwrap()), "{ratio:?}");
}

#[test]
fn a_late_fall_is_found_as_such() {
    let scenario = Scenario {
        change: Some((500, 0.5)),
        traces: 800,
        ..short(0.9)
    };
    let found = watched(&scenario, WATCHES, 1, TWO).unwrap();
    assert!(found.alarms(Some(AlarmBy::Late)) > 0.9, "{found:?}");
    let at = found.median(|watch| Some(watch.alarm?.1 as f64)).unwrap();
    assert!((510.0..600.0).contains(&at), "{at}");
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let scenario = Scenario {
        after: 0.5,
        ..short(0.7)
    };
    let by = |threads| watched(&scenario, 20, 7, NonZeroUsize::new(threads).unwrap()).unwrap();
    assert_eq!(by(1), by(3));
    assert_ne!(by(1), watched(&scenario, 20, 8, TWO).unwrap());
}
