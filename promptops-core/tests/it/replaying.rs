//! The ship gate, and what it tests with against SciPy: `scripts/make_gate_vectors.py` made the vectors.

use promptops_core::base::ScoreName;
use promptops_core::deployment::Verdict;
use promptops_core::improvement::replay::{
    Answer, Call, Dimension, Gate, GateReport, GateSettings, ReplayItem, Role, Rule, Scale, Stratum,
};
use promptops_core::statistics::{
    Resampling, matched_at_least, matched_at_most, mcnemar_better, pairs_needed, sign_flip_better,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    matched_at_least: Vec<(u64, u64, u64, f64, f64)>,
    mcnemar_better: Vec<(u32, u32, f64)>,
    sign_flip_better: Vec<(Vec<f64>, f64)>,
    pairs_needed: Vec<(f64, f64, f64, f64, f64, u64)>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/gate.json")).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, within: f64) {
    assert!(
        (found - expected).abs() <= within,
        "found {found}, expected {expected}"
    );
}

#[test]
fn bounds_of_matched_differences_are_where_the_likelihood_says() {
    for (won, lost, total, alpha, expected) in vectors().matched_at_least {
        // The vectors' maximum is found by search, which leaves half the digits.
        close(matched_at_least(won, lost, total, alpha).unwrap(), expected, 2e-7);
        close(matched_at_most(lost, won, total, alpha).unwrap(), -expected, 2e-7);
    }
    let z = 1.644_853_626_951_472_6_f64;
    close(
        matched_at_least(0, 0, 200, 0.05).unwrap(),
        -z * z / (200.0 + z * z),
        1e-12,
    );
    assert_eq!(matched_at_least(0, 7, 7, 0.05), Some(-1.0));
    assert_eq!(matched_at_most(7, 0, 7, 0.05), Some(1.0));
    for (won, lost, total, alpha) in [
        (0, 0, 0, 0.05),
        (3, 3, 5, 0.05),
        (u64::MAX, 1, 5, 0.05),
        (1, 1, 5, 0.5),
        (1, 1, 5, 0.0),
        (1, 1, 5, f64::NAN),
    ] {
        assert_eq!(
            matched_at_least(won, lost, total, alpha),
            None,
            "{won} {lost} {total}"
        );
    }
}

#[test]
fn one_sided_tests_equal_those_of_scipy() {
    for (won, lost, expected) in vectors().mcnemar_better {
        close(mcnemar_better(won, lost), expected, 1e-12);
    }
    for (differences, expected) in vectors().sign_flip_better {
        let groups: Vec<usize> = (0..differences.len()).collect();
        let found = sign_flip_better(&differences, &groups, Resampling::seeded(1)).unwrap();
        close(found.p_value, expected, 1e-12);
    }
}

#[test]
fn flipped_signs_of_passes_are_mcnemars_coins() {
    for (won, lost) in [(0, 0), (4, 1), (1, 4), (9, 2), (6, 6), (40, 25)] {
        let differences: Vec<f64> = [1.0; 40][..won]
            .iter()
            .chain(&[-1.0; 40][..lost])
            .chain(&[0.0; 3])
            .copied()
            .collect();
        let groups: Vec<usize> = (0..differences.len()).collect();
        let found = sign_flip_better(&differences, &groups, Resampling::seeded(1)).unwrap();
        // Above 20 it is drawn.
        let within = if won + lost > 20 { 0.01 } else { 1e-12 };
        close(found.p_value, mcnemar_better(won as u32, lost as u32), within);
    }
}

#[test]
fn pairs_needed_are_those_of_the_formula() {
    for (null, variance, gap, alpha, power, expected) in vectors().pairs_needed {
        assert_eq!(pairs_needed(null, variance, gap, alpha, power), Some(expected));
    }
    assert_eq!(pairs_needed(0.1, 0.1, 0.05, 0.05, 0.8), Some(248));
    for (variance, gap, alpha) in [
        (0.1, 0.0, 0.05),
        (-0.1, 0.1, 0.05),
        (0.1, 0.1, 1.0),
        (f64::NAN, 0.1, 0.05),
    ] {
        assert_eq!(pairs_needed(0.1, variance, gap, alpha, 0.8), None);
        assert_eq!(pairs_needed(variance, 0.1, gap, alpha, 0.8), None);
    }
    assert_eq!(pairs_needed(1.0, 1.0, 1e-12, 0.05, 0.8), None);
}

proptest! {
    #[test]
    fn bounds_of_matched_differences_keep_their_order(won in 0_u64..60, lost in 0_u64..60, same in 0_u64..200) {
        let total = won + lost + same;
        prop_assume!(total > 0);
        let found = (won as f64 - lost as f64) / total as f64;
        let least = matched_at_least(won, lost, total, 0.05).unwrap();
        let most = matched_at_most(won, lost, total, 0.05).unwrap();
        prop_assert!((-1.0..=1.0).contains(&least) && least <= found && found <= most && most <= 1.0);
        prop_assert!(matched_at_least(won, lost, total, 0.01).unwrap() <= least);
        prop_assert!(matched_at_least(won, lost + 1, total + 1, 0.05).unwrap() <= least + 1e-12);
    }
}

fn dimension(name: &str, role: Role, scale: Scale) -> Dimension {
    Dimension {
        name: ScoreName::new(name).unwrap(),
        role,
        scale,
    }
}

fn accuracy() -> Vec<Dimension> {
    vec![dimension("accuracy", Role::Target, Scale::Pass)]
}

fn gate(settings: GateSettings) -> Gate {
    Gate::new(settings, accuracy()).unwrap()
}

fn answers(scores: &[f64]) -> Vec<Call> {
    vec![Call::Answered(Answer {
        scores: scores.to_vec(),
        format: Some(true),
    })]
}

/// Items of a stratum: so many with these scores before and after.
fn items(stratum: Stratum, groups: &[(usize, f64, f64)]) -> Vec<ReplayItem> {
    let mut all = Vec::new();
    for (count, before, after) in groups {
        for _ in 0..*count {
            all.push(ReplayItem {
                id: format!("{stratum:?} {}", all.len()),
                stratum,
                session: None,
                baseline: answers(&[*before]),
                candidate: answers(&[*after]),
            });
        }
    }
    all
}

fn replay(target: &[(usize, f64, f64)], guard: &[(usize, f64, f64)]) -> Vec<ReplayItem> {
    let mut all = items(Stratum::Target, target);
    all.extend(items(Stratum::Guard, guard));
    all
}

const HALF_FIXED: [(usize, f64, f64); 2] = [(15, 0.0, 1.0), (15, 0.0, 0.0)];
const UNHARMED: [(usize, f64, f64); 3] = [(4, 1.0, 0.0), (4, 0.0, 1.0), (192, 1.0, 1.0)];

/// Fewer draws than by default: tests are not optimised.
fn quick() -> GateSettings {
    GateSettings {
        draws: 1_000,
        ..GateSettings::default()
    }
}

fn judged(items: &[ReplayItem]) -> GateReport {
    gate(quick()).judge(items, 1).unwrap()
}

/// α · 6/π² for the first use.
const FIRST: f64 = 0.05 * 6.0 / (std::f64::consts::PI * std::f64::consts::PI);

#[test]
fn a_fix_that_harms_nothing_ships_and_says_by_how_much() {
    let report = judged(&replay(&HALF_FIXED, &UNHARMED));
    assert_eq!(report.verdict, Verdict::Passed, "{report}");
    assert_eq!(report.point_estimate.verdict, Verdict::Passed);
    let metric = &report.metrics[0];
    close(metric.target.delta, 0.5, 1e-12);
    close(metric.superior.unwrap().p_value.unwrap(), 2_f64.powi(-15), 1e-15);
    close(
        metric.no_worse.bound.unwrap(),
        matched_at_least(4, 4, 200, FIRST).unwrap(),
        1e-12,
    );
    let interval = metric.target.interval.unwrap();
    close(interval.low, matched_at_least(15, 0, 30, 0.025).unwrap(), 1e-12);
    assert_eq!((report.won.count, report.lost.count), (19, 4));
    assert_eq!(
        report.reason(),
        "Improvement of 50.00 % in accuracy on 30 target traces (95 % interval 32.97 % to 66.85 %, p < 0.001). Format pass \
         rate: 100.00 %. No regression detected on 200 guard traces: accuracy +0.00 %, at least -3.13 %. The plain rule says \
         passed."
    );
    insta::assert_snapshot!(report);
}

#[test]
fn no_effect_fails_and_harm_to_others_fails() {
    let report = judged(&replay(
        &[(5, 0.0, 1.0), (5, 1.0, 0.0), (20, 0.0, 0.0)],
        &UNHARMED,
    ));
    assert_eq!(report.statistical.verdict, Verdict::Failed);
    assert!(
        report
            .reason()
            .starts_with("Failed: no improvement shown in accuracy"),
        "{}",
        report.reason()
    );
    let report = judged(&replay(&HALF_FIXED, &[(20, 1.0, 0.0), (180, 1.0, 1.0)]));
    assert_eq!(report.statistical.verdict, Verdict::Failed);
    assert!(
        report
            .reason()
            .contains("accuracy fell by 10.00 % on 200 guard traces"),
        "{}",
        report.reason()
    );
    // The fix hides it from nobody, here: a cluster as large as the rest would hide it from the plain rule.
    let report = judged(&replay(&[(200, 0.0, 1.0)], &[(20, 1.0, 0.0), (180, 1.0, 1.0)]));
    assert_eq!(report.point_estimate.verdict, Verdict::Passed);
    assert_eq!(report.statistical.verdict, Verdict::Failed);
}

#[test]
fn too_few_traces_say_how_many_more_and_those_would_do() {
    let (target, guard) = (
        [(4, 0.0, 1.0), (6, 0.0, 0.0)],
        [(2, 1.0, 0.0), (2, 0.0, 1.0), (76, 1.0, 1.0)],
    );
    let report = judged(&replay(&target, &guard));
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report}");
    let more = report.statistical.more.unwrap();
    assert!(
        (1..30).contains(&more.target) && (1..200).contains(&more.guard),
        "{more:?}"
    );
    assert!(report.reason().contains("may be chance"));
    // As many more, of the same kind.
    let grown = |groups: &[(usize, f64, f64)], count: usize, more: u64| -> Vec<(usize, f64, f64)> {
        let times = (count as f64 + more as f64) / count as f64;
        groups
            .iter()
            .map(|(n, a, b)| ((*n as f64 * times).ceil() as usize, *a, *b))
            .collect()
    };
    let report = judged(&replay(
        &grown(&target, 10, more.target),
        &grown(&guard, 80, more.guard),
    ));
    assert_eq!(report.verdict, Verdict::Passed, "{report}");
    // Nothing at all is no pass either.
    let report = judged(&[]);
    assert_eq!(report.statistical.verdict, Verdict::Inconclusive);
    assert_eq!(report.point_estimate.verdict, Verdict::Failed);
    let more = report.statistical.more.unwrap();
    assert!(more.target >= 6 && more.guard >= 59, "{more:?}");
    // A guard of few says nothing, even when nothing differs.
    let report = judged(&replay(&HALF_FIXED, &[(40, 1.0, 1.0)]));
    assert_eq!(report.metrics[0].no_worse.verdict, Verdict::Inconclusive);
}

#[test]
fn failed_calls_count_in_neither_arm_and_too_many_leave_no_verdict() {
    let mut all = replay(&HALF_FIXED, &UNHARMED);
    // Candidate's failures of infrastructure on what it would have lost.
    for item in &mut all[30..34] {
        item.candidate = vec![Call::Failed];
    }
    let report = judged(&all);
    assert_eq!((report.replayed.guard, report.replayed.left_out), (196, 4));
    assert_eq!(
        (report.metrics[0].guard.won, report.metrics[0].guard.lost),
        (4, 0)
    );
    assert_eq!(report.verdict, Verdict::Passed);
    for item in &mut all[30..40] {
        item.candidate = vec![Call::Failed];
    }
    let report = judged(&all);
    for rule in [Rule::Statistical, Rule::PointEstimate] {
        assert_eq!(report.by(rule).verdict, Verdict::Inconclusive);
    }
    assert!(
        report.reason().contains("2.17 % of the calls failed"),
        "{}",
        report.reason()
    );
}

#[test]
fn items_of_one_session_are_not_independent() {
    let mut all = replay(&HALF_FIXED, &UNHARMED);
    for item in &mut all[..30] {
        item.session = Some("one".to_owned());
    }
    let report = judged(&all);
    assert_eq!(report.metrics[0].superior.unwrap().p_value, Some(0.5));
    assert_eq!(report.verdict, Verdict::Inconclusive);
    // Ten sessions of the guard are too few, however many traces they have.
    let mut all = replay(&HALF_FIXED, &[(200, 1.0, 1.0)]);
    for (place, item) in all.iter_mut().enumerate().skip(30) {
        item.session = Some(format!("{}", place % 10));
    }
    let report = judged(&all);
    assert_eq!(report.metrics[0].no_worse.verdict, Verdict::Inconclusive);
    assert!(report.statistical.more.unwrap().guard > 500);
}

#[test]
fn the_format_is_to_be_shown_and_not_only_found() {
    let broken = |count: usize, of: usize| {
        let mut all = replay(&HALF_FIXED, &[(of - 30, 1.0, 1.0)]);
        for item in &mut all[30..30 + count] {
            item.candidate = vec![Call::Answered(Answer {
                scores: vec![1.0],
                format: Some(false),
            })];
        }
        judged(&all)
    };
    assert_eq!(broken(0, 230).verdict, Verdict::Passed);
    let few = broken(9, 230);
    assert_eq!(few.point_estimate.verdict, Verdict::Passed);
    assert_eq!(few.verdict, Verdict::Inconclusive);
    assert!(few.statistical.more.unwrap().guard > 100, "{few}");
    assert_eq!(broken(20, 230).verdict, Verdict::Failed);
    // Without a format nothing is asked, and nothing is said.
    let gate = gate(GateSettings::default()).without_format();
    let mut all = replay(&HALF_FIXED, &UNHARMED);
    for item in &mut all {
        for call in item.baseline.iter_mut().chain(&mut item.candidate) {
            if let Call::Answered(answer) = call {
                answer.format = None;
            }
        }
    }
    let report = gate.judge(&all, 1).unwrap();
    assert_eq!((report.verdict, report.format), (Verdict::Passed, None));
    assert!(!report.reason().contains("ormat"));
}

#[test]
fn every_further_use_of_a_part_and_every_finalist_takes_from_the_error() {
    let gate = gate(GateSettings::default());
    close(gate.level(1), FIRST, 1e-15);
    close(gate.level(3), FIRST / 9.0, 1e-15);
    let all: f64 = (1..100_000).map(|uses| gate.level(uses)).sum();
    assert!((0.0499..0.05).contains(&all), "{all}");
    // Six of six: 1/64.
    let six = replay(&[(6, 0.0, 1.0)], &[(300, 1.0, 1.0)]);
    assert_eq!(gate.judge(&six, 1).unwrap().verdict, Verdict::Passed);
    assert_eq!(gate.judge(&six, 2).unwrap().verdict, Verdict::Inconclusive);
    let verdicts = |finalists: &[&[ReplayItem]]| -> Vec<Verdict> {
        let reports = gate.judge_all(finalists, 1).unwrap();
        reports.iter().map(|report| report.verdict).collect()
    };
    // Two of them share the error; once the better one is through, the other has all of it.
    assert_eq!(verdicts(&[&six, &six]), [Verdict::Inconclusive; 2]);
    let eight = replay(&[(8, 0.0, 1.0)], &[(300, 1.0, 1.0)]);
    assert_eq!(verdicts(&[&six, &eight]), [Verdict::Passed; 2]);
    let reports = gate.judge_all(&[&six, &eight], 1).unwrap();
    close(reports[0].level, FIRST, 1e-15);
    close(reports[1].level, FIRST / 2.0, 1e-15);
    assert!(gate.judge(&six, 0).is_err());
    assert!(gate.judge_all(&[&six[..]; 33], 1).is_err());
    assert_eq!(gate.judge_all(&[], 1).unwrap(), []);
}

#[test]
fn graded_scores_and_guards_of_several_dimensions() {
    let dimensions = vec![
        dimension("helpful", Role::Target, Scale::Graded),
        dimension("safe", Role::Guard, Scale::Graded),
    ];
    let gate = Gate::new(quick(), dimensions).unwrap();
    let replay = |safe: f64| -> Vec<ReplayItem> {
        (0..230)
            .map(|n| {
                let is_target = n < 30;
                let noise = f64::from(n % 7) / 100.0;
                let better = if is_target { 0.3 } else { 0.0 };
                ReplayItem {
                    id: n.to_string(),
                    stratum: if is_target {
                        Stratum::Target
                    } else {
                        Stratum::Guard
                    },
                    session: (n % 3 == 0).then(|| (n / 6).to_string()),
                    baseline: answers(&[0.4 + noise, 0.9]),
                    candidate: answers(&[0.4 + better + 0.06 - noise, 0.9 - safe + noise]),
                }
            })
            .collect()
    };
    let report = gate.judge(&replay(0.03), 1).unwrap();
    assert_eq!(report.verdict, Verdict::Passed, "{report}");
    assert_eq!(report.metrics[1].superior, None);
    let report = gate.judge(&replay(0.2), 1).unwrap();
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(
        report.reason().contains("safe fell by 17."),
        "{}",
        report.reason()
    );
    // The same, in whatever order the items come.
    let mut reversed = replay(0.03);
    reversed.reverse();
    let verdict = |items: &[ReplayItem]| gate.judge(items, 1).unwrap().verdict;
    assert_eq!(verdict(&reversed), verdict(&replay(0.03)));
    assert_eq!(
        gate.judge(&replay(0.03), 1).unwrap(),
        gate.judge(&replay(0.03), 1).unwrap()
    );
}

#[test]
fn repeats_are_means() {
    let calls =
        |scores: [f64; 2]| -> Vec<Call> { scores.iter().flat_map(|score| answers(&[*score])).collect() };
    let all: Vec<ReplayItem> = (0..230)
        .map(|n| ReplayItem {
            id: n.to_string(),
            stratum: if n < 30 { Stratum::Target } else { Stratum::Guard },
            session: None,
            baseline: calls(if n < 30 { [0.0, 0.0] } else { [1.0, 1.0] }),
            candidate: calls(if n < 12 { [0.0, 1.0] } else { [1.0, 1.0] }),
        })
        .collect();
    let report = judged(&all);
    close(report.metrics[0].target.candidate, 24.0 / 30.0, 1e-12);
    assert_eq!(report.verdict, Verdict::Passed, "{report}");
}

#[test]
fn the_other_rule_may_decide_and_both_are_told() {
    // Half a point better than by chance: the plain rule is content.
    let all = replay(
        &[(4, 0.0, 1.0), (26, 0.0, 0.0)],
        &[(14, 0.0, 1.0), (4, 1.0, 0.0), (182, 1.0, 1.0)],
    );
    let by_default = judged(&all);
    assert_eq!(by_default.verdict, Verdict::Inconclusive);
    let plain = gate(GateSettings {
        rule: Rule::PointEstimate,
        ..quick()
    });
    let report = plain.judge(&all, 1).unwrap();
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!(report.statistical, by_default.statistical);
    let reason = report.reason();
    assert!(
        reason.starts_with(
            "Improvement of 6.09 % reaches the threshold (5.00 %). Format pass rate: 100.00 %. No regression detected. The \
             statistical rule says inconclusive: "
        ),
        "{reason}"
    );
}

#[test]
fn a_report_is_kept_as_it_was_and_its_lists_and_words_are_bounded() {
    let report = judged(&replay(&HALF_FIXED, &UNHARMED));
    let document = report.document().unwrap();
    assert_eq!(
        serde_json::from_str::<GateReport>(document.json()).unwrap(),
        report
    );
    let settings = GateSettings {
        listed: 3,
        ..GateSettings::default()
    };
    let short = gate(settings).judge(&replay(&HALF_FIXED, &UNHARMED), 1).unwrap();
    assert_eq!((short.won.count, short.won.listed.len()), (19, 3));
    assert_eq!(short.won.listed[0].item, "Guard 4");
    let dimensions = (0..32)
        .map(|n| dimension(&format!("{n} {}", "ä".repeat(90)), Role::Target, Scale::Pass))
        .collect();
    let gate = Gate::new(GateSettings::default(), dimensions).unwrap();
    let long: Vec<ReplayItem> = (0..40)
        .map(|n| ReplayItem {
            id: n.to_string(),
            stratum: if n < 20 { Stratum::Target } else { Stratum::Guard },
            session: None,
            baseline: answers(&[1.0; 32]),
            candidate: answers(&[0.0; 32]),
        })
        .collect();
    let reason = gate.judge(&long, 1).unwrap().reason();
    assert!(
        reason.len() <= 2_000 && reason.len() > 1_990 && reason.ends_with('…'),
        "{}",
        reason.len()
    );
}

#[test]
fn a_gate_without_a_target_is_none() {
    let guards = vec![dimension("safe", Role::Guard, Scale::Pass)];
    let refused = |dimensions| {
        Gate::new(GateSettings::default(), dimensions)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(guards).contains("no target's"));
    assert!(refused(vec![]).contains("0 dimensions"));
    assert!(refused([accuracy(), accuracy()].concat()).contains("twice"));
    let settings = GateSettings {
        alpha: 0.0,
        ..GateSettings::default()
    };
    assert!(Gate::new(settings, accuracy()).is_err());
}
