//! The decision of an experiment and the report on it: functions of whole numbers, the same in any order.

use std::num::NonZeroU64;
use std::time::Duration;

use promptops_core::base::{Timestamp, VariantName};
use promptops_core::experiment::{
    Allocation, Analysis, Counter, Decision, Epoch, Evidence, Experiment, Goal, Guardrail, Harm, Missing,
    OutcomeEntry, RunningTallies, Tallies, TallyDelta, TallyKey, decide,
};
use promptops_core::observation::UnitKey;
use promptops_core::statistics::{Counts, LabelTest, Random};
use proptest::prelude::*;

use crate::assignment::experiment;

/// Adds outcomes of one variant in one epoch: successes, of so many.
fn add(tallies: &mut RunningTallies, (epoch, variant): (u32, u8), (successes, outcomes): (u64, u64)) {
    for (counter, by) in [
        (Counter::OUTCOMES, outcomes),
        (Counter::JUDGED, outcomes),
        (Counter::SUCCESSES, successes),
    ] {
        let key = TallyKey {
            epoch,
            variant,
            counter,
        };
        tallies.add(key, by);
    }
}

/// Tallies of one epoch.
fn tallies(outcomes: &[(u64, u64)]) -> Tallies {
    let mut running = RunningTallies::default();
    for (variant, counts) in (0..).zip(outcomes) {
        add(&mut running, (1, variant), *counts);
    }
    Tallies::from_rows(running.rows())
}

fn now(experiment: &Experiment) -> Timestamp {
    experiment.created_at + Duration::from_secs(3_600)
}

fn decided(experiment: &Experiment, outcomes: &[(u64, u64)]) -> Decision {
    decide(experiment, &tallies(outcomes), now(experiment))
}

fn winner(name: &str) -> Decision {
    Decision::Winner {
        variant: VariantName::new(name).unwrap(),
    }
}

fn entry(unit: u64, variant: u8, success: bool, score: u32) -> OutcomeEntry {
    OutcomeEntry {
        unit: UnitKey::new(unit),
        variant,
        epoch: 1,
        success: Some(success),
        score_millionths: Some(score),
        measured: 1,
        harmed: u8::from(score < 200_000),
        at: chrono::DateTime::UNIX_EPOCH,
    }
}

fn with_guardrail(mut experiment: Experiment) -> Experiment {
    experiment.guardrails = vec![Guardrail {
        name: "slow".parse().unwrap(),
        harm: Harm::LatencyAbove(Duration::from_secs(2)),
    }];
    experiment
}

#[test]
fn the_better_variant_wins_once_the_evidence_is_there() {
    let experiment = experiment("e", &[5_000, 5_000]);
    assert_eq!(decided(&experiment, &[(700, 1_000), (800, 1_000)]), winner("v2"));
    // The control can be the one.
    assert_eq!(decided(&experiment, &[(800, 1_000), (700, 1_000)]), winner("v1"));
    let decision = decided(&experiment, &[(700, 1_000), (720, 1_000)]);
    let Decision::Continue { missing } = &decision else {
        panic!("{decision}");
    };
    let [Missing::Evidence { ln_e, needed, .. }] = missing.as_slice() else {
        panic!("{decision}");
    };
    assert!((needed - 20_f64.ln()).abs() < 1e-12 && ln_e < needed);
    // Just at the threshold of α: E is 1/α or a little less.
    let (control, variant) = (Counts::new(700, 1_000).unwrap(), Counts::new(720, 1_000).unwrap());
    let found = LabelTest::new(0.5, None).unwrap().ln_e(&control, &variant);
    assert_eq!(*ln_e, found);
    let mut sharp = experiment.clone();
    for (ln_e, wins) in [(found - 1e-9, true), (found + 1e-9, false)] {
        sharp.rules.alpha = (-ln_e).exp();
        let decision = decided(&sharp, &[(700, 1_000), (720, 1_000)]);
        assert_eq!(decision == winner("v2"), wins, "{decision}");
    }
}

#[test]
fn nothing_is_decided_below_the_minimum_sample() {
    let mut experiment = experiment("e", &[5_000, 5_000]);
    let outcomes = [(20, 90), (85, 100)];
    let Decision::Continue { missing } = decided(&experiment, &outcomes) else {
        panic!()
    };
    assert_eq!(
        missing,
        [Missing::Sample {
            variant: "v1".parse().unwrap(),
            found: 90,
            needed: 100
        }]
    );
    experiment.rules.min_sample = 90;
    assert_eq!(decided(&experiment, &outcomes), winner("v2"));
    // Without an outcome of one there is no comparison, whatever the minimum.
    experiment.rules.min_sample = 0;
    let decision = decided(&experiment, &[(0, 0), (5, 5)]);
    assert_eq!(decision.missing(), [Missing::Leader]);
}

#[test]
fn a_winner_is_better_than_each_other_variant() {
    let experiment = experiment("e", &[3_333, 3_333, 3_334]);
    let decision = decided(&experiment, &[(500, 1_000), (700, 1_000), (705, 1_000)]);
    let [
        Missing::Evidence {
            leader,
            other,
            needed,
            ..
        },
    ] = decision.missing()
    else {
        panic!("{decision}");
    };
    assert_eq!((leader.as_str(), other.as_str()), ("v3", "v2"));
    assert!((needed - 40_f64.ln()).abs() < 1e-12, "(K − 1)/α");
    assert_eq!(
        decided(&experiment, &[(500, 1_000), (600, 1_000), (720, 1_000)]),
        winner("v3")
    );
    // Enough for two variants, with α for one comparison, and not for three.
    let close = [(700, 1_000), (700, 1_000), (771, 1_000)];
    assert!(matches!(decided(&experiment, &close), Decision::Continue { .. }));
    let two = crate::assignment::experiment("e", &[5_000, 5_000]);
    assert_eq!(decided(&two, &[close[0], close[2]]), winner("v2"));
}

#[test]
fn equal_means_have_no_leader() {
    let experiment = experiment("e", &[3_333, 3_333, 3_334]);
    let decision = decided(&experiment, &[(100, 1_000), (900, 1_000), (900, 1_000)]);
    assert_eq!(decision.missing(), [Missing::Leader]);
    // Means that differ by less than a float can tell.
    let large = 1_u64 << 60;
    let nearly = tallies(&[(1, large), (large / 2, large), (large / 2 + 1, large)]);
    assert_eq!(Evidence::new(&experiment).leader(&nearly), Some(2));
}

#[test]
fn what_runs_as_long_as_it_may_ends() {
    let experiment = experiment("e", &[5_000, 5_000]);
    let even = tallies(&[(700, 1_000), (705, 1_000)]);
    let over = experiment.created_at + experiment.rules.max_duration;
    let before = over - Duration::from_micros(1);
    assert!(matches!(
        decide(&experiment, &even, before),
        Decision::Continue { .. }
    ));
    assert!(matches!(
        decide(&experiment, &even, over),
        Decision::Inconclusive { .. }
    ));
    // A clock that went back ends nothing.
    let early = experiment.created_at - Duration::from_secs(1_000_000_000);
    assert!(matches!(
        decide(&experiment, &even, early),
        Decision::Continue { .. }
    ));
    let clear = tallies(&[(700, 1_000), (800, 1_000)]);
    assert_eq!(decide(&experiment, &clear, over), winner("v2"));
}

#[test]
fn what_does_harm_does_not_win() {
    let experiment = with_guardrail(experiment("e", &[5_000, 5_000]));
    let with_harm = |control: (u64, u64), variant: (u64, u64)| {
        let mut running = RunningTallies::default();
        for (variant, goal, harm) in [(0, (700, 1_000), control), (1, (800, 1_000), variant)] {
            add(&mut running, (1, variant), goal);
            for (counter, by) in [(Counter::harmed(0), harm.0), (Counter::measured(0), harm.1)] {
                let key = TallyKey {
                    epoch: 1,
                    variant,
                    counter,
                };
                running.add(key, by);
            }
        }
        decide(&experiment, &Tallies::from_rows(running.rows()), now(&experiment))
    };
    let breached = with_harm((10, 1_000), (60, 1_000));
    let [
        Missing::Guardrail {
            leader, guardrail, ..
        },
    ] = breached.missing()
    else {
        panic!("{breached}");
    };
    assert_eq!((leader.as_str(), guardrail.as_str()), ("v2", "slow"));
    // Less harm than the control's is none, and little more may be chance.
    assert_eq!(with_harm((60, 1_000), (10, 1_000)), winner("v2"));
    assert_eq!(with_harm((10, 1_000), (14, 1_000)), winner("v2"));
    assert_eq!(with_harm((0, 0), (0, 0)), winner("v2"));
}

#[test]
fn harm_is_compared_within_the_times_of_one_split() {
    // The variant does more harm in each epoch, and gets most units when there is little: over all it seems to do less.
    let experiment = with_guardrail(reweighted(experiment("e", &[9_000, 1_000]), &[1_000, 9_000]));
    let decided = |harm: [(u64, u64); 4]| {
        let mut running = RunningTallies::default();
        let places = [(1, 0), (1, 1), (2, 0), (2, 1)];
        let goals = [(6_300, 9_000), (800, 1_000), (700, 1_000), (7_200, 9_000)];
        for ((place, goal), (harmed, measured)) in places.into_iter().zip(goals).zip(harm) {
            add(&mut running, place, goal);
            for (counter, by) in [(Counter::harmed(0), harmed), (Counter::measured(0), measured)] {
                let (epoch, variant) = place;
                let key = TallyKey {
                    epoch,
                    variant,
                    counter,
                };
                running.add(key, by);
            }
        }
        decide(&experiment, &Tallies::from_rows(running.rows()), now(&experiment))
    };
    let worse = decided([(4_500, 9_000), (600, 1_000), (100, 1_000), (1_800, 9_000)]);
    assert!(
        matches!(worse.missing(), [Missing::Guardrail { leader, .. }] if leader.as_str() == "v2"),
        "{worse}"
    );
    // And the other way round: less in each, more over all.
    let better = decided([(900, 9_000), (50, 1_000), (600, 1_000), (4_500, 9_000)]);
    assert_eq!(better, winner("v2"));
}

#[test]
fn units_that_come_back_because_they_fared_well_make_no_winner_of_an_equal() {
    // Half of each variant's units fare well. Then most of the control's go to the variant, and only the content ones come
    // back: were they left out of the evidence, the control would seem to fare badly.
    let experiment = reweighted(experiment("e", &[5_000, 5_000]), &[2_000, 8_000]);
    let first = |unit: u64| entry(unit, (unit % 2) as u8, (unit / 2).is_multiple_of(2), 0);
    let moved = |entry: &OutcomeEntry| entry.variant == 0 && entry.unit.get() / 4 % 5 < 3;
    let log: Vec<OutcomeEntry> = (0..4_000).map(first).collect();
    let back = log
        .iter()
        .filter(|entry| moved(entry) && entry.success == Some(true))
        .map(|entry| OutcomeEntry {
            variant: 1,
            epoch: 2,
            ..*entry
        });
    let log: Vec<OutcomeEntry> = log.iter().copied().chain(back).collect();
    let tallies = counted(&log);
    assert_eq!(tallies.of(0).contaminated, 600);
    assert_eq!((tallies.of(0).outcomes, tallies.of(1).outcomes), (2_000, 2_000));
    let decision = decide(&experiment, &tallies, now(&experiment));
    assert!(matches!(decision, Decision::Continue { .. }), "{decision}");
    let evidence = Evidence::new(&experiment);
    assert!(evidence.ln_e(&tallies, 0, 1) < 0.0);
    assert!(!evidence.is_split_wrong(&tallies));
}

#[test]
fn wrongly_split_traffic_decides_nothing() {
    let experiment = experiment("e", &[5_000, 5_000]);
    let outcomes = [(700, 1_000), (600, 750)];
    let decision = decided(&experiment, &outcomes);
    assert!(
        matches!(decision.missing(), [Missing::SampleRatio { ln_e }, ..] if *ln_e > 1_000_f64.ln()),
        "{decision}"
    );
    assert!(Evidence::new(&experiment).is_split_wrong(&tallies(&outcomes)));
}

fn reweighted(mut experiment: Experiment, shares: &[u16]) -> Experiment {
    let number = experiment.epochs.len() as u32 + 1;
    experiment.epochs.push(Epoch {
        number,
        allocation: Allocation::new(shares).unwrap(),
        started_at: experiment.created_at,
    });
    experiment
}

#[test]
fn evidence_is_multiplied_over_epochs_with_the_shares_of_each() {
    let experiment = reweighted(experiment("e", &[9_000, 1_000]), &[5_000, 5_000]);
    let mut running = RunningTallies::default();
    let counts = [
        ((1, 0), (630, 900)),
        ((1, 1), (80, 100)),
        ((2, 0), (350, 500)),
        ((2, 1), (400, 500)),
    ];
    for (place, counts) in counts {
        add(&mut running, place, counts);
    }
    let tallies = Tallies::from_rows(running.rows());
    let expected: f64 = [(0.1, 0, 1), (0.5, 2, 3)]
        .into_iter()
        .map(|(share, control, variant)| {
            let of = |at: usize| Counts::new(counts[at].1.0, counts[at].1.1).unwrap();
            LabelTest::new(share, None)
                .unwrap()
                .ln_e(&of(control), &of(variant))
        })
        .sum();
    let evidence = Evidence::new(&experiment);
    assert!((evidence.ln_e(&tallies, 0, 1) - expected).abs() < 1e-12);
    assert_eq!(evidence.ln_e(&tallies, 0, 1), evidence.ln_e(&tallies, 1, 0));
    assert_eq!(decide(&experiment, &tallies, now(&experiment)), winner("v2"));
    let analysis = Analysis::of(&experiment, &tallies, now(&experiment));
    let difference = analysis.variants[1].versus_control.unwrap().difference.unwrap();
    assert!((difference.estimate - 0.1).abs() < 1e-12);
}

#[test]
fn what_only_the_mix_of_times_shows_wins_nothing() {
    // The rate falls from 0.9 to 0.3 while the variant gets more: in each epoch the variant is better, over all worse.
    let experiment = reweighted(experiment("e", &[9_000, 1_000]), &[1_000, 9_000]);
    let mut running = RunningTallies::default();
    for (place, counts) in [
        ((1, 0), (7_800, 9_000)),
        ((1, 1), (950, 1_000)),
        ((2, 0), (250, 1_000)),
        ((2, 1), (3_000, 9_000)),
    ] {
        add(&mut running, place, counts);
    }
    let tallies = Tallies::from_rows(running.rows());
    let decision = decide(&experiment, &tallies, now(&experiment));
    assert!(
        matches!(decision.missing(), [Missing::Epochs { leader, .. }] if leader.as_str() == "v1"),
        "{decision}"
    );
    let analysis = Analysis::of(&experiment, &tallies, now(&experiment));
    let difference = analysis.variants[1].versus_control.unwrap().difference.unwrap();
    assert!(difference.estimate > 0.0, "what is shown is within epochs");
}

#[test]
fn scores_decide_where_they_are_the_goal() {
    let mut experiment = experiment("e", &[5_000, 5_000]);
    experiment.goal = Goal::Score;
    let mut tallies = Tallies::default();
    let mut random = Random::seeded(5);
    for unit in 0..4_000 {
        let variant = (unit % 2) as u8;
        // Scores are better, successes worse.
        let score = random.below(NonZeroU64::new(900_001).unwrap()) as u32 + 80_000 * u32::from(variant);
        tallies.count(&entry(unit, variant, variant == 0, score), None);
    }
    assert_eq!(decide(&experiment, &tallies, now(&experiment)), winner("v2"));
    experiment.goal = Goal::Success;
    assert_eq!(decide(&experiment, &tallies, now(&experiment)), winner("v1"));
}

/// Counts a log of outcomes as a store does.
fn counted(log: &[OutcomeEntry]) -> Tallies {
    let mut first = std::collections::HashMap::new();
    let mut running = RunningTallies::default();
    let mut applied = Tallies::default();
    for entry in log {
        let mut delta = TallyDelta::new();
        let stored: Option<OutcomeEntry> = first.get(&entry.unit).copied();
        let seen = stored.as_ref().map(|first| (first, false));
        delta.count(entry, seen);
        first.entry(entry.unit).or_insert(*entry);
        running.apply(&delta);
        applied.count(entry, seen);
    }
    let read = Tallies::from_rows(running.rows());
    assert_eq!(read, applied);
    read
}

#[test]
fn order_and_repetition_of_outcomes_change_no_bit_of_the_report() {
    for goal in [Goal::Success, Goal::Score] {
        let mut experiment = with_guardrail(experiment("e", &[3_333, 3_333, 3_334]));
        experiment.goal = goal;
        experiment.rules.prior = Some(0.6);
        let mut random = Random::seeded(9);
        let mut log: Vec<OutcomeEntry> = (0..3_000)
            .map(|unit| {
                let variant = (unit % 3) as u8;
                let score = random.below(NonZeroU64::new(1_000_001).unwrap()) as u32;
                entry(
                    unit,
                    variant,
                    score > 400_000 - 20_000 * u32::from(variant),
                    score,
                )
            })
            .collect();
        let report = |log: &[OutcomeEntry]| Analysis::of(&experiment, &counted(log), now(&experiment));
        let expected = report(&log);
        let bits = |report: &Analysis| serde_json::to_string(report).unwrap();
        for _ in 0..3 {
            random.shuffle(&mut log);
            assert_eq!(bits(&report(&log)), bits(&expected));
        }
        let twice: Vec<OutcomeEntry> = log.iter().chain(&log).copied().collect();
        let mut again = report(&twice);
        for variant in &mut again.variants {
            assert_eq!(variant.duplicates, 1_000);
            variant.duplicates = 0;
        }
        assert_eq!(bits(&again), bits(&expected));
    }
}

#[test]
fn a_log_that_is_replayed_stops_at_the_same_outcome() {
    let experiment = experiment("e", &[5_000, 5_000]);
    let mut random = Random::seeded(2);
    let log: Vec<OutcomeEntry> = (0..4_000)
        .map(|unit| {
            let bits = random.bits();
            let variant = (bits & 1) as u8;
            entry(
                unit,
                variant,
                bits >> 32 < (1_u64 << 32) * (6 + 2 * u64::from(variant)) / 10,
                0,
            )
        })
        .collect();
    let evidence = Evidence::new(&experiment);
    let stops = || {
        let mut tallies = Tallies::default();
        log.iter().position(|entry| {
            tallies.count(entry, None);
            let decision = evidence.decide(&tallies, now(&experiment));
            assert_eq!(decision == winner("v2"), evidence.winner(&tallies) == Some(1));
            decision
                != Decision::Continue {
                    missing: decision.missing().to_vec(),
                }
        })
    };
    let stopped = stops().unwrap();
    assert!((200..2_000).contains(&stopped), "{stopped}");
    assert_eq!(stops(), Some(stopped));
}

#[test]
fn a_report_is_a_table_with_the_decision() {
    let mut experiment = with_guardrail(reweighted(experiment("e", &[5_000, 5_000]), &[2_000, 8_000]));
    experiment.rules.prior = Some(0.7);
    let mut running = RunningTallies::default();
    for (place, counts) in [
        ((1, 0), (350, 500)),
        ((1, 1), (365, 500)),
        ((2, 0), (70, 100)),
        ((2, 1), (300, 400)),
    ] {
        add(&mut running, place, counts);
    }
    for (epoch, variant, counter, by) in [
        (1, 0, Counter::measured(0), 500),
        (1, 0, Counter::harmed(0), 5),
        (1, 1, Counter::measured(0), 500),
        (1, 1, Counter::harmed(0), 50),
        (2, 0, Counter::measured(0), 100),
        (2, 0, Counter::harmed(0), 1),
        (2, 1, Counter::measured(0), 400),
        (2, 1, Counter::harmed(0), 40),
        (1, 1, Counter::LOST, 3),
        (1, 0, Counter::DUPLICATES, 12),
        (1, 0, Counter::CONTAMINATED, 20),
    ] {
        let key = TallyKey {
            epoch,
            variant,
            counter,
        };
        running.add(key, by);
    }
    let tallies = Tallies::from_rows(running.rows());
    let analysis = Analysis::of(&experiment, &tallies, now(&experiment));
    insta::assert_snapshot!(analysis);
    let value = serde_json::to_value(&analysis).unwrap();
    assert_eq!(value["variants"][1]["guardrails"][0]["breached"], true);
    assert_eq!(value["decision"]["type"], "continue");
}

#[test]
fn more_outcomes_at_this_effect_end_it() {
    let mut experiment = experiment("e", &[5_000, 5_000]);
    experiment.rules.prior = Some(0.7);
    let at = |outcomes: &[(u64, u64)]| Analysis::of(&experiment, &tallies(outcomes), now(&experiment));
    let needed = at(&[(700, 1_000), (740, 1_000)]).outcomes_needed.unwrap();
    // As many again, at the rates that were seen.
    let grown = |part: f64| {
        let n = 1_000 + (needed as f64 * part / 2.0) as u64;
        decided(&experiment, &[(n * 700 / 1_000, n), (n * 740 / 1_000, n)])
    };
    assert_eq!(grown(1.25), winner("v2"), "{needed}");
    assert!(matches!(grown(0.75), Decision::Continue { .. }), "{needed}");
    // Of the minimum sample, at the share that the variant gets.
    assert_eq!(at(&[(0, 50), (45, 60)]).outcomes_needed, Some(100));
    assert_eq!(at(&[(700, 1_000), (700, 1_000)]).outcomes_needed, None);
    assert_eq!(at(&[(700, 1_000), (800, 1_000)]).outcomes_needed, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_quick_way_says_what_the_exact_one_says(
        (n, m) in (0_u64..3_000, 0_u64..3_000),
        (rate, other) in (0.0..=1.0_f64, 0.0..=1.0_f64),
        prior in prop::option::of(0.01..0.99_f64),
        needed in -1.0..8.0_f64,
    ) {
        let counts = [((n as f64 * rate) as u64, n), ((m as f64 * other) as u64, m)];
        let mut experiment = experiment("e", &[5_000, 5_000]);
        experiment.rules.prior = prior;
        let (evidence, tallies) = (Evidence::new(&experiment), tallies(&counts));
        let ln_e = evidence.ln_e(&tallies, 0, 1);
        prop_assert_eq!(evidence.reaches(&tallies, 0, 1, needed), ln_e >= needed);
        let [a, b] = counts.map(|(successes, total)| Counts::new(successes, total).unwrap());
        prop_assert!(LabelTest::at_most(&a, &b) >= ln_e - 1e-9);
    }
}
