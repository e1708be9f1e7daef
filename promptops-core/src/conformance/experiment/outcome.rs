//! What is counted of outcomes.

use std::collections::BTreeMap;

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::experiment::{
    Counter, ExperimentStatus, Loss, OutcomeEntry, OutcomeVerdict, RunningTallies, TallyDelta, TallyRow,
    refusal,
};
use crate::observation::UnitKey;

use OutcomeVerdict::{Closed, Contaminated, Duplicate, Written};

/// What outcomes come to when they are counted one after the other.
fn counted(outcomes: &[OutcomeEntry]) -> (Vec<OutcomeVerdict>, Vec<TallyRow>) {
    let (mut units, mut tallies) = (
        BTreeMap::<UnitKey, (OutcomeEntry, bool)>::new(),
        RunningTallies::default(),
    );
    let count = |outcome: &OutcomeEntry| {
        let mut delta = TallyDelta::new();
        let first = units.get(&outcome.unit).copied();
        let verdict = delta.count(outcome, first.as_ref().map(|(first, is_out)| (first, *is_out)));
        tallies.apply(&delta);
        let unit = units.entry(outcome.unit).or_insert((*outcome, false));
        unit.1 |= verdict == Contaminated;
        verdict
    };
    let verdicts = outcomes.iter().map(count).collect();
    (verdicts, tallies.rows().collect())
}

/// Of an experiment that the tenant does not have nothing is counted, and nothing is there.
pub async fn outcomes_of_an_unknown_experiment_are_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let other = desk.of("other");
    let loss = Loss {
        epoch: 1,
        variant: 0,
        count: 1,
    };
    for (desk, id) in [(&desk, "exp-2"), (&desk, "EXP-1"), (&other, "exp-1")] {
        let expected = refusal::unknown_experiment(&experiment_id(id));
        let check = |error: crate::Error| assert_eq!(error.message(), expected.message());
        let kind = ErrorKind::NotFound;
        check(fails(
            desk.outcomes(id, &[outcome(1, 0)]).await,
            kind,
            "an outcome",
        ));
        check(fails(desk.outcomes(id, &[]).await, kind, "no outcomes"));
        check(fails(desk.lose(id, &[loss]).await, kind, "a loss"));
        check(fails(desk.lose(id, &[]).await, kind, "no loss"));
        assert_eq!(desk.tallies(id).await, []);
        assert_eq!(desk.experiment(id).await, None);
    }
    assert_eq!(desk.tallies("exp-1").await, []);
}

/// A unit's first outcome counts; later ones of the same variant are counted as duplicates, whatever they say.
pub async fn first_outcome_of_a_unit_counts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let audited = desk.audited().await;
    let failed = |unit, epoch| OutcomeEntry {
        success: Some(false),
        epoch,
        at: at(0),
        ..outcome(unit, 0)
    };
    let verdicts = desk
        .outcomes("exp-1", &[outcome(1, 0), failed(2, 1), outcome(3, 1)])
        .await;
    assert_eq!(verdicts.unwrap(), [Written, Written, Written]);
    let desk = desk.reopen(harness).await;
    let again = [
        failed(1, 1),
        outcome(2, 0),
        outcome(3, 1),
        failed(1, 2),
        outcome(4, 0),
    ];
    let verdicts = desk.outcomes("exp-1", &again).await;
    assert_eq!(
        verdicts.unwrap(),
        [Duplicate, Duplicate, Duplicate, Duplicate, Written]
    );
    let expected = [
        tally(1, 0, Counter::OUTCOMES, 3),
        tally(1, 0, Counter::JUDGED, 3),
        tally(1, 0, Counter::SUCCESSES, 2),
        tally(1, 0, Counter::DUPLICATES, 2),
        tally(1, 1, Counter::OUTCOMES, 1),
        tally(1, 1, Counter::JUDGED, 1),
        tally(1, 1, Counter::SUCCESSES, 1),
        tally(1, 1, Counter::DUPLICATES, 1),
        // Counted where the repetition was, not the first.
        tally(2, 0, Counter::DUPLICATES, 1),
    ];
    assert_eq!(desk.tallies("exp-1").await, expected);
    assert_eq!(
        desk.audited().await,
        audited,
        "outcomes are no change to be audited"
    );
}

/// A unit with outcomes of two variants counts for the first: what comes then is counted once as contaminated, for good.
pub async fn unit_of_two_variants_is_contaminated(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let full = OutcomeEntry {
        score_millionths: Some(700_000),
        measured: 0b1000_0001,
        harmed: 0b1000_0000,
        ..outcome(1, 0)
    };
    assert_eq!(
        desk.outcomes("exp-1", &[full, outcome(2, 1)]).await.unwrap(),
        [Written; 2]
    );
    assert_eq!(desk.outcomes("exp-1", &[full]).await.unwrap(), [Duplicate]);
    let desk = desk.reopen(harness).await;
    let second = OutcomeEntry {
        epoch: 2,
        ..outcome(1, 1)
    };
    assert_eq!(desk.outcomes("exp-1", &[second]).await.unwrap(), [Contaminated]);
    let expected = [
        // Where the first one was.
        tally(1, 0, Counter::OUTCOMES, 1),
        tally(1, 0, Counter::JUDGED, 1),
        tally(1, 0, Counter::SUCCESSES, 1),
        tally(1, 0, Counter::SCORED, 1),
        tally(1, 0, Counter::SCORE_SUM, 700_000),
        tally(1, 0, Counter::CONTAMINATED, 1),
        tally(1, 0, Counter::DUPLICATES, 1),
        tally(1, 0, Counter::measured(0), 1),
        tally(1, 0, Counter::measured(7), 1),
        tally(1, 0, Counter::harmed(7), 1),
        tally(1, 0, Counter::score_bin(70), 1),
        tally(1, 1, Counter::OUTCOMES, 1),
        tally(1, 1, Counter::JUDGED, 1),
        tally(1, 1, Counter::SUCCESSES, 1),
    ];
    assert_eq!(desk.tallies("exp-1").await, expected);
    // Once only, and of whichever variant.
    let desk = desk.reopen(harness).await;
    let more = [outcome(1, 0), outcome(1, 1), second, outcome(1, 2)];
    assert_eq!(desk.outcomes("exp-1", &more).await.unwrap(), [Contaminated; 4]);
    assert_eq!(desk.tallies("exp-1").await, expected);
}

/// Within one batch outcomes count as they would one after the other.
pub async fn outcomes_of_one_batch_count_in_its_order(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    desk.begin("exp-2", "other").await;
    let batch = [
        outcome(1, 0),
        outcome(2, 1),
        outcome(1, 0),
        outcome(1, 1),
        outcome(3, 0),
        outcome(1, 0),
        outcome(2, 1),
        outcome(3, 1),
        outcome(4, 1),
        outcome(4, 0),
        outcome(4, 1),
    ];
    let (verdicts, tallies) = counted(&batch);
    assert_eq!(desk.outcomes("exp-1", &batch).await.unwrap(), verdicts);
    assert_eq!(desk.tallies("exp-1").await, tallies);
    for (one, verdict) in batch.iter().zip(&verdicts) {
        assert_eq!(desk.outcomes("exp-2", &[*one]).await.unwrap(), [*verdict]);
    }
    assert_eq!(desk.tallies("exp-2").await, tallies);
    assert_eq!(desk.outcomes("exp-1", &[]).await.unwrap(), []);
    assert_eq!(desk.tallies("exp-1").await, tallies);
}

/// Everything that outcomes say is counted, at the ends of its ranges too, and is there after reopening.
pub async fn every_figure_of_an_outcome_is_counted(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let mut outcomes = Vec::new();
    let scores = [
        None,
        Some(0),
        Some(4_999),
        Some(5_000),
        Some(333_333),
        Some(994_999),
        Some(1_000_000),
    ];
    let units = [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1].into_iter().chain(100..);
    let mut figures = Vec::new();
    for success in [None, Some(false), Some(true)] {
        for score in scores {
            for (measured, harmed) in [(0, 0), (0xff, 0xff), (0b1010_1010, 0b1000_1000), (0, 0xff)] {
                figures.push((success, score, measured, harmed));
            }
        }
    }
    for (n, (unit, (success, score_millionths, measured, harmed))) in units.zip(figures).enumerate() {
        let (variant, epoch) = [(0, 1), (1, 1), (u8::MAX, u32::MAX), (0, 0)][n % 4];
        outcomes.push(OutcomeEntry {
            unit: UnitKey::new(unit),
            variant,
            epoch,
            success,
            score_millionths,
            measured,
            harmed,
            at: timestamp(n as i64 - 40),
        });
    }
    let (verdicts, tallies) = counted(&outcomes);
    assert_eq!(desk.outcomes("exp-1", &outcomes).await.unwrap(), verdicts);
    for desk in [desk.clone(), desk.clone().reopen(harness).await] {
        assert_eq!(desk.tallies("exp-1").await, tallies);
    }
    // Whatever is told then, what was counted stays.
    let others: Vec<_> = outcomes
        .iter()
        .map(|first| OutcomeEntry {
            variant: first.variant ^ 1,
            success: None,
            score_millionths: None,
            ..*first
        })
        .collect();
    let (_, expected) = counted(&[outcomes, others.clone()].concat());
    let verdicts = desk.outcomes("exp-1", &others).await.unwrap();
    assert_eq!(verdicts, vec![Contaminated; others.len()]);
    assert_eq!(desk.tallies("exp-1").await, expected);
}

/// The order of outcomes of different units does not matter, nor how they come in batches.
pub async fn tallies_do_not_depend_on_the_order_of_units(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // Of each unit one, two or three outcomes, in the same order everywhere.
    let mut queues: Vec<Vec<OutcomeEntry>> = (0..60_u64)
        .map(|unit| {
            (0..=unit % 3)
                .map(|n| OutcomeEntry {
                    score_millionths: Some((unit * 16_661) as u32),
                    success: Some((unit + n) % 4 == 0),
                    ..outcome(unit, ((unit + n * (unit / 3)) % 2) as u8)
                })
                .collect()
        })
        .collect();
    queues.iter_mut().for_each(|queue| queue.reverse());
    let mut expected = None;
    for (round, step) in [1, 7, 11, 23, 59].into_iter().enumerate() {
        let id = format!("exp-{round}");
        desk.begin(&id, &format!("triage-{round}")).await;
        let (mut left, mut outcomes, mut place) = (queues.clone(), Vec::new(), 0);
        while left.iter().any(|queue| !queue.is_empty()) {
            place = (place + step) % left.len();
            outcomes.extend(left[place].pop());
        }
        for batch in outcomes.chunks([200, 1, 3, 17, 50][round]) {
            desk.outcomes(&id, batch).await.unwrap();
        }
        let tallies = desk.tallies(&id).await;
        assert_eq!(tallies, counted(&outcomes).1);
        assert_eq!(
            *expected.get_or_insert(tallies.clone()),
            tallies,
            "in order {round}"
        );
    }
}

/// A completed experiment takes no outcomes; a paused one does.
pub async fn completed_experiment_takes_no_outcomes(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let begun = desk.begin("exp-1", "triage").await;
    assert_eq!(desk.outcomes("exp-1", &[outcome(1, 0)]).await.unwrap(), [Written]);
    let paused = desk.change_experiment(&begun, ExperimentStatus::Paused).await;
    assert_eq!(desk.outcomes("exp-1", &[outcome(2, 1)]).await.unwrap(), [Written]);
    desk.change_experiment(&paused, ExperimentStatus::Completed).await;
    let tallies = desk.tallies("exp-1").await;
    assert_eq!(tallies, successes(&[1, 1]));
    for desk in [desk.clone(), desk.reopen(harness).await] {
        let late = [outcome(3, 0), outcome(1, 0), outcome(1, 1)];
        assert_eq!(desk.outcomes("exp-1", &late).await.unwrap(), [Closed; 3]);
        assert_eq!(desk.outcomes("exp-1", &[]).await.unwrap(), []);
        assert_eq!(desk.tallies("exp-1").await, tallies, "nothing changes");
    }
}

/// Each experiment counts for itself, also those of one prompt, one after the other.
pub async fn outcomes_count_for_their_own_experiment(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    for (n, id) in ["exp-1", "exp-2", "Exp-1"].into_iter().enumerate() {
        let begun = desk
            .create_experiment(desk.experiment_of(id, &versions))
            .await
            .unwrap();
        let other = desk.of("other");
        if n == 0 {
            other.begin(id, "triage").await;
        }
        let outcomes: Vec<_> = (0..=n as u64).map(|unit| outcome(unit, 0)).collect();
        assert_eq!(desk.outcomes(id, &outcomes).await.unwrap(), vec![Written; n + 1]);
        desk.change_experiment(&begun, ExperimentStatus::Completed).await;
    }
    assert_eq!(desk.of("other").tallies("exp-1").await, []);
    assert_eq!(
        desk.of("other")
            .outcomes("exp-1", &[outcome(0, 1)])
            .await
            .unwrap(),
        [Written]
    );
    for (n, id) in ["exp-1", "exp-2", "Exp-1"].into_iter().enumerate() {
        assert_eq!(desk.tallies(id).await, successes(&[n as u64 + 1]), "{id}");
    }
}

/// Of racing outcomes of one unit and variant exactly one counts.
pub async fn racing_outcomes_of_one_unit_count_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    desks[0].begin("exp-1", "triage").await;
    for unit in 0..10 {
        let verdicts = race(8, |i| {
            let desk = desks[i % 2].clone();
            async move { desk.outcomes("exp-1", &[outcome(unit, 0)]).await.unwrap()[0] }
        })
        .await;
        let count = |of| verdicts.iter().filter(|verdict| **verdict == of).count();
        assert_eq!((count(Written), count(Duplicate)), (1, 7), "{verdicts:?}");
    }
    let mut expected = successes(&[10]);
    expected.push(tally(1, 0, Counter::DUPLICATES, 70));
    assert_eq!(desks[1].tallies("exp-1").await, expected);
}

/// Racing outcomes of one unit with two variants leave it contaminated, whichever came first.
pub async fn racing_outcomes_of_two_variants_contaminate_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    desks[0].begin("exp-1", "triage").await;
    const UNITS: u64 = 10;
    for unit in 0..UNITS {
        let verdicts = race(6, |i| {
            let desk = desks[i / 2 % 2].clone();
            async move {
                desk.outcomes("exp-1", &[outcome(unit, (i % 2) as u8)])
                    .await
                    .unwrap()[0]
            }
        })
        .await;
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Written).count(), 1);
        assert!(verdicts.contains(&Contaminated));
    }
    let tallies = desks[1].tallies("exp-1").await;
    let total = |of| {
        tallies
            .iter()
            .filter(|row| row.key.counter == of)
            .map(|row| row.count)
            .sum::<u64>()
    };
    assert_eq!(total(Counter::OUTCOMES), UNITS);
    assert_eq!(total(Counter::CONTAMINATED), UNITS);
}

/// Racing batches lose no count, also when they hold the same units in another order.
pub async fn racing_batches_of_outcomes_lose_no_count(harness: &dyn Harness) {
    const UNITS: u64 = 120;
    let desks = Desk::open_two(harness).await;
    desks[0].begin("exp-1", "triage").await;
    let verdicts = race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut units: Vec<u64> = (0..UNITS).collect();
            match i % 3 {
                0 => {}
                1 => units.reverse(),
                _ => units.rotate_left(40),
            }
            let batch: Vec<_> = units
                .into_iter()
                .map(|unit| outcome(unit, (unit % 2) as u8))
                .collect();
            let mut verdicts = Vec::new();
            for part in batch.chunks(60) {
                verdicts.extend(desk.outcomes("exp-1", part).await.unwrap());
            }
            verdicts
        }
    })
    .await;
    let written = verdicts
        .iter()
        .flatten()
        .filter(|verdict| **verdict == Written)
        .count();
    assert_eq!(written as u64, UNITS, "each unit counts once");
    let tallies = desks[1].tallies("exp-1").await;
    let of = |variant, counter| {
        let row = tallies
            .iter()
            .find(|row| row.key == tally(1, variant, counter, 0).key);
        row.map_or(0, |row| row.count)
    };
    for variant in [0, 1] {
        assert_eq!(of(variant, Counter::OUTCOMES), UNITS / 2);
        assert_eq!(of(variant, Counter::DUPLICATES), 7 * UNITS / 2);
    }
}

/// A batch counts as a whole: no reader sees a part of it.
pub async fn batch_of_outcomes_is_counted_as_a_whole(harness: &dyn Harness) {
    const BATCH: u64 = 300;
    const BATCHES: u64 = 10;
    let desks = Desk::open_two(harness).await;
    desks[0].begin("exp-1", "triage").await;
    race(3, |i| {
        let desk = desks[i % 2].clone();
        async move {
            if i == 0 {
                for n in 0..BATCHES {
                    let units = n * BATCH..(n + 1) * BATCH;
                    let batch: Vec<_> = units.map(|unit| outcome(unit, (unit % 2) as u8)).collect();
                    desk.outcomes("exp-1", &batch).await.unwrap();
                }
                return;
            }
            loop {
                let tallies = desk.tallies("exp-1").await;
                let expected = tallies.first().map_or(0, |row| row.count);
                assert_eq!(expected % (BATCH / 2), 0, "part of a batch was counted");
                assert_eq!(
                    tallies,
                    successes(&[expected, expected]),
                    "part of a batch was counted"
                );
                if expected == BATCHES * BATCH / 2 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// What was counted before an experiment's end stays, what comes after it does not count: there is nothing in between.
pub async fn racing_outcomes_and_completions_agree(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..6 {
        let id = format!("exp-{round}");
        let begun = desks[0].begin(&id, &format!("triage-{round}")).await;
        let verdicts = race(4, |i| {
            let (desk, id, begun) = (desks[i % 2].clone(), id.clone(), begun.clone());
            async move {
                let mut verdicts = Vec::new();
                if i == 0 {
                    tokio::task::yield_now().await;
                    desk.change_experiment(&begun, ExperimentStatus::Completed).await;
                    let tallies = desk.tallies(&id).await;
                    tokio::task::yield_now().await;
                    assert_eq!(desk.tallies(&id).await, tallies, "nothing counts after the end");
                    return verdicts;
                }
                for n in 0..12 {
                    let unit = 1_000 * i as u64 + n;
                    verdicts.extend(desk.outcomes(&id, &[outcome(unit, 0)]).await.unwrap());
                }
                verdicts
            }
        })
        .await;
        for verdicts in &verdicts {
            let closed = verdicts.iter().position(|verdict| *verdict == Closed);
            let late = &verdicts[closed.unwrap_or(verdicts.len())..];
            assert!(late.iter().all(|verdict| *verdict == Closed), "{verdicts:?}");
        }
        let written = verdicts
            .iter()
            .flatten()
            .filter(|verdict| **verdict == Written)
            .count();
        assert_eq!(desks[1].tallies(&id).await, successes(&[written as u64]));
    }
}

/// A batch can hold ten thousand.
pub async fn ten_thousand_outcomes_are_one_batch(harness: &dyn Harness) {
    const COUNT: u64 = 10_000;
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let units: Vec<_> = (0..COUNT)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let batch: Vec<_> = units
        .iter()
        .map(|unit| outcome(*unit, (unit % 2) as u8))
        .collect();
    let (verdicts, tallies) = counted(&batch);
    assert_eq!(desk.outcomes("exp-1", &batch).await.unwrap(), verdicts);
    assert_eq!(desk.tallies("exp-1").await, tallies);
    let again = desk.outcomes("exp-1", &batch).await.unwrap();
    assert_eq!(again, vec![Duplicate; batch.len()]);
    let doubled: u64 = desk
        .tallies("exp-1")
        .await
        .iter()
        .filter(|row| row.key.counter == Counter::DUPLICATES)
        .map(|row| row.count)
        .sum();
    assert_eq!(doubled, COUNT);
}

/// Losses add up, of any variant and epoch, and of a completed experiment too; none of a race is lost.
pub async fn losses_add_up(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    let begun = desk.begin("exp-1", "triage").await;
    let loss = |epoch, variant, count| Loss {
        epoch,
        variant,
        count,
    };
    desk.outcomes("exp-1", &[outcome(1, 0)]).await.unwrap();
    let big = u64::from(u32::MAX) * 1_000;
    desk.lose(
        "exp-1",
        &[
            loss(1, 0, 2),
            loss(1, 1, 0),
            loss(u32::MAX, u8::MAX, big),
            loss(1, 0, 3),
        ],
    )
    .await
    .unwrap();
    desk.lose("exp-1", &[]).await.unwrap();
    desk.change_experiment(&begun, ExperimentStatus::Completed).await;
    desk.lose("exp-1", &[loss(1, 0, 4), loss(0, 1, 1)]).await.unwrap();
    race(6, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..10 {
                let mut losses = [loss(1, 0, 1), loss(1, 1, 2), loss(2, 0, 3)];
                losses.rotate_left((i + n) % 3);
                desk.lose("exp-1", &losses).await.unwrap();
            }
        }
    })
    .await;
    let mut expected = vec![tally(0, 1, Counter::LOST, 1)];
    expected.extend(successes(&[1]));
    expected.extend([
        tally(1, 0, Counter::LOST, 9 + 60),
        tally(1, 1, Counter::LOST, 120),
        tally(2, 0, Counter::LOST, 180),
        tally(u32::MAX, u8::MAX, Counter::LOST, big),
    ]);
    for desk in desks {
        assert_eq!(desk.reopen(harness).await.tallies("exp-1").await, expected);
    }
}
