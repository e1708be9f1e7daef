//! Both prompts on the same recorded items.

use promptops_core::improvement::replay::{Answer, Call as Replayed, ReplayItem, Stratum};

use crate::world::{Call, Outcome, Reading, World, code};

/// Calls of each arm for each item.
pub const REPEATS: usize = 2;
/// How often a call that failed is made again.
const RETRIES: u64 = 2;

/// What a call found, made again where it was not answered; `None` when it never was.
pub fn found(world: &World, reading: &Reading, call: Call) -> Option<Outcome> {
    (0..=RETRIES).find_map(|attempt| {
        // Far from all other repeats.
        let call = Call {
            repeat: call.repeat + attempt * 1_000_000,
            ..call
        };
        let truth = world.answer(reading, call)?;
        Some(world.judged(truth, reading, call))
    })
}

/// What the repeats of one arm on one item found; `None` where a call was never answered.
pub type Repeats = [Option<Outcome>; REPEATS];

/// All repeats of one arm; the call is the first of them.
pub fn repeats(world: &World, reading: &Reading, first: Call) -> Repeats {
    std::array::from_fn(|repeat| {
        let call = Call {
            repeat: first.repeat + repeat as u64,
            ..first
        };
        found(world, reading, call)
    })
}

/// Both arms on one item, the way the gate takes it: first right, then polite.
pub fn item(number: u64, stratum: Stratum, arms: [&Repeats; 2]) -> ReplayItem {
    let calls = |repeats: &Repeats| {
        let calls = repeats.iter().map(|found| {
            found.map_or(Replayed::Failed, |found| {
                Replayed::Answered(Answer {
                    scores: vec![score(found.correct), score(found.polite)],
                    format: Some(found.format),
                })
            })
        });
        calls.collect()
    };
    ReplayItem {
        id: code(number),
        stratum,
        session: None,
        baseline: calls(arms[0]),
        candidate: calls(arms[1]),
    }
}

fn score(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Means of both arms over repeats that both answered, and the differences item by item.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Means {
    /// Right answers of what is live.
    pub live: f64,
    /// The candidate's right answers less these.
    pub lift: f64,
    /// Its polite answers less the live prompt's.
    pub polite: f64,
    /// Its answers of the right form.
    pub format: f64,
    /// Candidate less live in right answers, for each item.
    pub differences: Vec<f64>,
}

impl Means {
    /// Of both arms' repeats on these items; those that were not answered are left out.
    pub fn of<'a>(items: impl IntoIterator<Item = [&'a Repeats; 2]>) -> Self {
        let mut means = Self::default();
        for [before, after] in items {
            let (mut live, mut lift, mut polite, mut format, mut answered) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for (before, after) in before.iter().zip(after) {
                let (Some(before), Some(after)) = (before, after) else {
                    continue;
                };
                answered += 1.0;
                live += score(before.correct);
                lift += score(after.correct) - score(before.correct);
                polite += score(after.polite) - score(before.polite);
                format += score(after.format);
            }
            if answered == 0.0 {
                continue;
            }
            means.live += live / answered;
            means.lift += lift / answered;
            means.polite += polite / answered;
            means.format += format / answered;
            means.differences.push(lift / answered);
        }
        let count = means.differences.len().max(1) as f64;
        for sum in [
            &mut means.live,
            &mut means.lift,
            &mut means.polite,
            &mut means.format,
        ] {
            *sum /= count;
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_that_failed_in_one_arm_counts_in_neither() {
        let found = |correct| {
            Some(Outcome {
                correct,
                format: true,
                polite: correct,
            })
        };
        let before = [[found(true), None], [found(false), found(false)], [None, None]];
        let after = [
            [found(false), found(true)],
            [found(true), found(false)],
            [None, None],
        ];
        let means = Means::of(before.iter().zip(&after).map(|(before, after)| [before, after]));
        assert_eq!(means.differences, [-1.0, 0.5]);
        assert_eq!((means.live, means.lift, means.format), (0.5, -0.25, 1.0));
        let item = item(7, Stratum::Guard, [&before[0], &after[0]]);
        assert_eq!((item.baseline.len(), item.candidate.len()), (2, 2));
        assert_eq!(item.baseline[1], Replayed::Failed);
    }
}
