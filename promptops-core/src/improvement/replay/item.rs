//! What both arms made of one trace.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::settings::{Dimension, Scale};
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;

/// What a trace is replayed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stratum {
    /// To see whether the failure is gone.
    Target,
    /// To see whether nothing else got worse.
    Guard,
}

/// One answer of an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// A score 0.0 ..= 1.0 for each of the gate's dimensions, in their order.
    pub scores: Vec<f64>,
    /// Whether it keeps the format; `None` where that is not checked, which the gate has to be told.
    pub format: Option<bool>,
}

/// One call of an arm.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// It was answered, and the answer was scored.
    Answered(Answer),
    /// There is no answer, or no score, for a reason that has nothing to do with the prompt: timeout, rate limit, a judge that
    /// was out. What the prompt causes (an answer that breaks the schema, a refusal) is an answer with a low score.
    Failed,
}

/// What both arms made of one trace: as many repeats of each.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayItem {
    /// The trace's id, or what else names the item: 1 to 200 bytes.
    pub id: String,
    /// What it is replayed for.
    pub stratum: Stratum,
    /// Those of one session depend on each other.
    pub session: Option<String>,
    /// What is live.
    pub baseline: Vec<Call>,
    /// The candidate.
    pub candidate: Vec<Call>,
}

/// An item with both arms' means over the repeats that both answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paired {
    /// Its place in the list of items.
    pub index: usize,
    pub stratum: Stratum,
    /// Of its session; each item without one has its own.
    pub group: usize,
    /// For each dimension.
    pub baseline: Vec<f64>,
    /// For each dimension.
    pub candidate: Vec<f64>,
    /// Whether all of the candidate's answers keep the format.
    pub keeps_format: bool,
    /// The candidate's answers, and those of them that keep the format.
    pub format: (u64, u64),
}

/// All items, with what was left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Prepared {
    pub items: Vec<Paired>,
    /// Calls of both arms.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Items none of whose repeats both arms answered.
    pub left_out: u64,
}

/// Checks every item, and pairs the arms: a repeat that failed in one counts in neither.
pub(super) fn prepare(
    items: &[ReplayItem],
    dimensions: &[Dimension],
    checks_format: bool,
) -> Result<Prepared> {
    let mut prepared = Prepared::default();
    let mut ids = HashSet::new();
    let mut sessions: HashMap<&str, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if item.id.is_empty() || item.id.len() > 200 || !ids.insert(&item.id) {
            return Err(invalid(format!(
                "the item {} of the replay is named twice, or by other than 1 to 200 bytes",
                quoted(&item.id)
            )));
        }
        let repeats = item.baseline.len();
        if repeats == 0 || item.candidate.len() != repeats {
            return Err(invalid(format!(
                "the item {} has {repeats} repeats of what is live and {} of the candidate; expected as many, and one at least",
                quoted(&item.id),
                item.candidate.len()
            )));
        }
        let group = match &item.session {
            Some(session) => *sessions.entry(session).or_insert(index),
            None => index,
        };
        let mut paired = Paired {
            index,
            stratum: item.stratum,
            group,
            baseline: vec![0.0; dimensions.len()],
            candidate: vec![0.0; dimensions.len()],
            keeps_format: true,
            format: (0, 0),
        };
        let mut answered = 0.0;
        for (before, after) in item.baseline.iter().zip(&item.candidate) {
            prepared.calls += 2;
            for call in [before, after] {
                match call {
                    Call::Answered(answer) => check(answer, dimensions, checks_format, &item.id)?,
                    Call::Failed => prepared.failed += 1,
                }
            }
            let (Call::Answered(before), Call::Answered(after)) = (before, after) else {
                continue;
            };
            answered += 1.0;
            for (sums, answer) in [(&mut paired.baseline, before), (&mut paired.candidate, after)] {
                sums.iter_mut()
                    .zip(&answer.scores)
                    .for_each(|(sum, score)| *sum += score);
            }
            let keeps = after.format != Some(false);
            paired.keeps_format &= keeps;
            paired.format.0 += 1;
            paired.format.1 += u64::from(keeps);
        }
        if answered == 0.0 {
            prepared.left_out += 1;
            continue;
        }
        for sum in paired.baseline.iter_mut().chain(&mut paired.candidate) {
            *sum /= answered;
        }
        prepared.items.push(paired);
    }
    Ok(prepared)
}

fn check(answer: &Answer, dimensions: &[Dimension], checks_format: bool, id: &str) -> Result<()> {
    if answer.scores.len() != dimensions.len() {
        return Err(invalid(format!(
            "an answer to {} has {} scores; expected one for each of {} dimensions",
            quoted(id),
            answer.scores.len(),
            dimensions.len()
        )));
    }
    for (score, dimension) in answer.scores.iter().zip(dimensions) {
        let (fits, expected) = match dimension.scale {
            Scale::Pass => (*score == 0.0 || *score == 1.0, "0 or 1"),
            Scale::Graded => ((0.0..=1.0).contains(score), "0 to 1"),
        };
        if !fits {
            return Err(invalid(format!(
                "an answer to {} has the score {score} in {}; expected {expected}",
                quoted(id),
                quoted(&dimension.name)
            )));
        }
    }
    if checks_format != answer.format.is_some() {
        return Err(invalid(format!(
            "of an answer to {} it is {}known whether it keeps the format, which is {}to be checked",
            quoted(id),
            if checks_format { "not " } else { "" },
            if checks_format { "" } else { "not " },
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ScoreName;
    use crate::improvement::replay::Role;

    fn answered(score: f64) -> Call {
        Call::Answered(Answer {
            scores: vec![score],
            format: Some(true),
        })
    }

    fn item(id: &str, baseline: Vec<Call>, candidate: Vec<Call>) -> ReplayItem {
        ReplayItem {
            id: id.to_owned(),
            stratum: Stratum::Guard,
            session: None,
            baseline,
            candidate,
        }
    }

    fn dimension(scale: Scale) -> Vec<Dimension> {
        vec![Dimension {
            name: ScoreName::new("accuracy").unwrap(),
            role: Role::Target,
            scale,
        }]
    }

    #[test]
    fn what_failed_in_one_arm_counts_in_neither() {
        let items = [
            item(
                "a",
                vec![answered(0.0), answered(1.0), Call::Failed],
                vec![Call::Failed, answered(0.5), answered(0.5)],
            ),
            item("b", vec![Call::Failed], vec![answered(1.0)]),
        ];
        let found = prepare(&items, &dimension(Scale::Graded), true).unwrap();
        assert_eq!((found.calls, found.failed, found.left_out), (8, 3, 1));
        assert_eq!(found.items.len(), 1);
        assert_eq!(
            (&found.items[0].baseline[0], &found.items[0].candidate[0]),
            (&1.0, &0.5)
        );
        assert_eq!(found.items[0].format, (1, 1));
    }

    #[test]
    fn what_is_no_replay_is_refused() {
        let refused = |items: &[ReplayItem], scale, format| {
            prepare(items, &dimension(scale), format).unwrap_err().to_string()
        };
        let one = |before: f64, after: f64| item("a", vec![answered(before)], vec![answered(after)]);
        let twice = [one(0.0, 1.0), one(1.0, 0.0)];
        assert!(refused(&twice, Scale::Pass, true).contains("twice"));
        let uneven = [item("a", vec![answered(1.0), answered(1.0)], vec![answered(1.0)])];
        assert!(refused(&uneven, Scale::Pass, true).contains("as many"));
        assert!(refused(&[item("a", vec![], vec![])], Scale::Pass, true).contains("as many"));
        assert!(refused(&[one(0.5, 1.0)], Scale::Pass, true).contains("0 or 1"));
        for wrong in [f64::NAN, -0.1, 1.1] {
            assert!(refused(&[one(0.5, wrong)], Scale::Graded, true).contains("0 to 1"));
        }
        assert!(refused(&[one(1.0, 1.0)], Scale::Pass, false).contains("not to be checked"));
        let without = Call::Answered(Answer {
            scores: vec![1.0],
            format: None,
        });
        let without = [item("a", vec![without.clone()], vec![without])];
        assert!(refused(&without, Scale::Pass, true).contains("not known"));
        let none = Call::Answered(Answer {
            scores: vec![],
            format: Some(true),
        });
        assert!(
            refused(&[item("a", vec![none.clone()], vec![none])], Scale::Pass, true).contains("0 scores")
        );
    }
}
