//! What kinds of items there are, and how many of each.

use super::skill::Skill;

/// Grades of how good an answer is that has all it needs, and how rarely a half-hearted instruction is followed.
const GRADES: usize = 5;
const DEPTHS: usize = 4;

/// A kind of items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Its share of all items.
    pub weight: f64,
    /// What it needs to be told; nothing but a form, most of them.
    pub need: Option<Skill>,
    /// How often an answer is right that has what it needs.
    pub quality: f64,
    /// Whether a half-hearted instruction is enough.
    pub is_easy: bool,
}

/// All kinds of items.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    cases: Vec<Case>,
    /// Shares of all cases up to each.
    up_to: Vec<f64>,
}

impl Population {
    /// Of these shares, each of those that need a skill; the others need none.
    #[must_use]
    pub fn of(shares: &[(Skill, f64)]) -> Self {
        let taken: f64 = shares.iter().map(|(_, share)| share).sum();
        let needs = shares.iter().map(|(skill, share)| (Some(*skill), *share));
        let mut cases = Vec::new();
        for (need, share) in needs.chain([(None, 1.0 - taken)]) {
            for grade in 0..GRADES {
                for depth in 0..DEPTHS {
                    cases.push(Case {
                        weight: share / (GRADES * DEPTHS) as f64,
                        need,
                        quality: 0.88 + 0.03 * grade as f64,
                        is_easy: depth < DEPTHS / 2,
                    });
                }
            }
        }
        let mut sum = 0.0;
        let up_to = cases.iter().map(|case| {
            sum += case.weight;
            sum
        });
        Self {
            up_to: up_to.collect(),
            cases,
        }
    }

    /// All cases.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The mean of a figure over all items.
    #[must_use]
    pub fn mean(&self, of: impl Fn(&Case) -> f64) -> f64 {
        self.cases.iter().map(|case| case.weight * of(case)).sum()
    }

    /// The case at this part of them, 0.0 ..< 1.0.
    pub(super) fn at(&self, part: f64) -> &Case {
        let place = self.up_to.partition_point(|up_to| *up_to <= part);
        &self.cases[place.min(self.cases.len() - 1)]
    }
}
