//! Both prompts on the same recorded items.

use promptops_core::improvement::replay::{Answer, Call as Replayed, ReplayItem, Stratum};

use crate::world::{Call, Outcome, Reading, World, code};

/// Calls of each arm for each item.
pub const REPEATS: u64 = 2;
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

/// Both arms on one item, the way the gate takes it: first right, then polite. `first` is the number of the first repeat.
pub fn item(world: &World, arms: [&Reading; 2], stratum: Stratum, call: Call) -> ReplayItem {
    let calls = |reading: &Reading| {
        let repeats = (0..REPEATS).map(|repeat| {
            let call = Call {
                repeat: call.repeat + repeat,
                ..call
            };
            found(world, reading, call).map_or(Replayed::Failed, |found| {
                let score = |holds: bool| f64::from(u8::from(holds));
                Replayed::Answered(Answer {
                    scores: vec![score(found.correct), score(found.polite)],
                    format: Some(found.format),
                })
            })
        });
        repeats.collect()
    };
    ReplayItem {
        id: code(call.item),
        stratum,
        session: None,
        baseline: calls(arms[0]),
        candidate: calls(arms[1]),
    }
}

/// Means of both arms over repeats that both answered, and the differences item by item.
#[derive(Debug, Clone, PartialEq)]
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
    /// Of these items; those that were not answered are left out.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a ReplayItem>) -> Self {
        let mut means = Self {
            live: 0.0,
            lift: 0.0,
            polite: 0.0,
            format: 0.0,
            differences: Vec::new(),
        };
        for item in items {
            let pairs = item.baseline.iter().zip(&item.candidate);
            let answered: Vec<(&Answer, &Answer)> = pairs
                .filter_map(|(before, after)| match (before, after) {
                    (Replayed::Answered(before), Replayed::Answered(after)) => Some((before, after)),
                    _ => None,
                })
                .collect();
            if answered.is_empty() {
                continue;
            }
            let mean = |of: &dyn Fn(&(&Answer, &Answer)) -> f64| {
                answered.iter().map(of).sum::<f64>() / answered.len() as f64
            };
            let difference = mean(&|(before, after)| after.scores[0] - before.scores[0]);
            means.differences.push(difference);
            means.lift += difference;
            means.live += mean(&|(before, _)| before.scores[0]);
            means.polite += mean(&|(before, after)| after.scores[1] - before.scores[1]);
            means.format += mean(&|(_, after)| f64::from(u8::from(after.format != Some(false))));
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
