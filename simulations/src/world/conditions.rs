//! What changes in the world while time goes on.

use super::skill::Skill;

/// A change from one item on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The number of the first item that it touches.
    pub from: u64,
    /// How many of the answers that were right remain so, 0 ..= 1.
    pub keeps: f64,
}

/// What will change, and when.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Schedule {
    /// Items become harder for every prompt alike.
    pub drift: Option<Change>,
    /// The model begins to stumble over the instruction for a skill: prompts that have it get worse, others do not.
    pub decay: Option<(Skill, Change)>,
}

/// How things are at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// How many right answers remain so, whatever the prompt.
    pub keeps: f64,
    /// How many do where the prompt asks for this skill.
    pub decay: Option<(Skill, f64)>,
}

impl Conditions {
    /// As at first.
    pub const CALM: Self = Self {
        keeps: 1.0,
        decay: None,
    };
}

impl Schedule {
    /// How things are when the item of this number comes.
    #[must_use]
    pub fn at(&self, number: u64) -> Conditions {
        let drift = self.drift.filter(|change| number >= change.from);
        let decay = self.decay.filter(|(_, change)| number >= change.from);
        Conditions {
            keeps: drift.map_or(1.0, |change| change.keeps),
            decay: decay.map(|(skill, change)| (skill, change.keeps)),
        }
    }
}
