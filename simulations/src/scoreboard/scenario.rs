//! The situations that rules are compared in.

use crate::world::{Label, WorldSettings};

/// Traces before the attempt, where nothing else is said.
const TRAFFIC: u64 = 1_200;
/// Share of answers that change from call to call, where nothing else is said.
const CHURN: f64 = 0.05;

/// What happens after the ship.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Later {
    /// Nothing.
    Nothing,
    /// The model begins to stumble over the remedy: a prompt with the whole of it falls this far below what was live before.
    Decay(f64),
    /// Items become harder for every prompt: of right answers this share is lost.
    Drift(f64),
}

/// A situation: what is proposed, on how much traffic, how noisy, and what happens later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scenario {
    /// What it is called in the table.
    pub name: &'static str,
    /// What is proposed. The first is what the watch is about where nothing is decided before.
    pub labels: &'static [Label],
    /// Traces recorded before the attempt.
    pub traffic: u64,
    /// How noisy the world is.
    pub noise: WorldSettings,
    /// What happens later.
    pub later: Later,
    /// Traces after the attempt.
    pub life: u64,
    /// How many of these come before what happens later.
    pub before: u64,
}

const SEVERAL: &[Label] = &[
    Label::Right,
    Label::Useless,
    Label::Harmful,
    Label::Useless,
    Label::Trade,
];
const USELESS: &[Label] = &[Label::Useless; 5];

const HARMFUL: &[Label] = &[Label::Trade, Label::Harmful, Label::Trade, Label::Harmful];

impl Scenario {
    const fn of(name: &'static str, labels: &'static [Label]) -> Self {
        Self {
            name,
            labels,
            traffic: TRAFFIC,
            noise: noise(CHURN, 0.0, 0.0),
            later: Later::Nothing,
            life: 3_000,
            before: 1_000,
        }
    }

    const fn traffic(self, traffic: u64) -> Self {
        Self { traffic, ..self }
    }

    const fn noisy(self, churn: f64, judge: f64, faults: f64) -> Self {
        Self {
            noise: noise(churn, judge, faults),
            ..self
        }
    }

    const fn later(self, later: Later) -> Self {
        Self { later, ..self }
    }

    const fn life(self, life: u64) -> Self {
        Self { life, ..self }
    }

    /// One right among several: the rules are to find it.
    pub const RIGHT: Self = Self::of("one right among several", SEVERAL);
    /// Only such as change nothing.
    pub const USELESS: Self = Self::of("only useless ones", USELESS);
    /// Only harmful ones, two of which help the cluster.
    pub const HARMFUL: Self = Self::of("only harmful ones", HARMFUL);
    /// Fitted to what the proposer was shown.
    pub const OVERFITTED: Self = Self::of(
        "overfitted and useless ones",
        &[Label::Overfitted, Label::Useless, Label::Useless, Label::Useless],
    );
    /// So little traffic that nothing can be known.
    pub const SMALL: Self = Self::of("right one, 200 traces", SEVERAL).traffic(200);

    /// Where a rule decides what is shipped.
    pub const ATTEMPTS: [Self; 19] = [
        Self::RIGHT,
        Self::USELESS,
        Self::HARMFUL,
        Self::OVERFITTED,
        Self::of(
            "half a remedy among useless",
            &[Label::Partial, Label::Useless, Label::Useless, Label::Useless],
        ),
        Self::of(
            "for the guards, and useless",
            &[
                Label::VariableDropping,
                Label::Injected,
                Label::Malformed,
                Label::Useless,
            ],
        ),
        Self::SMALL,
        Self::of("useless ones, 200 traces", USELESS).traffic(200),
        Self::of("useless ones, 200 traces, churn 15 %", USELESS)
            .noisy(0.15, 0.0, 0.0)
            .traffic(200),
        Self::of("harmful ones, 200 traces, churn 15 %", HARMFUL)
            .noisy(0.15, 0.0, 0.0)
            .traffic(200),
        Self::of("right one, 6,000 traces", SEVERAL).traffic(6_000),
        Self::of("useless ones, 6,000 traces", USELESS).traffic(6_000),
        Self::of("right one, churn 1 %", SEVERAL).noisy(0.01, 0.0, 0.0),
        Self::of("right one, churn 15 %", SEVERAL).noisy(0.15, 0.0, 0.0),
        Self::of("useless ones, churn 15 %", USELESS).noisy(0.15, 0.0, 0.0),
        Self::of("right one, judge wrong 10 %", SEVERAL).noisy(CHURN, 0.1, 0.0),
        Self::of("right one, 1 in 3 calls fails", SEVERAL).noisy(CHURN, 0.0, 0.34),
        Self::of("right one, decays later", SEVERAL).later(Later::Decay(0.2)),
        Self::of("right one, drift later", SEVERAL).later(Later::Drift(0.2)),
    ];

    /// A shipped version that changes nothing, while the world gets harder.
    pub const DRIFT: Self = Self::of("useless, drift of 20 %", &[Label::Useless])
        .later(Later::Drift(0.2))
        .life(5_000);
    /// A shipped version that becomes much worse.
    pub const DECAY: Self = Self::of("right, decays to −20 points", &[Label::Right])
        .later(Later::Decay(0.2))
        .life(5_000);

    /// Where the first candidate is live, whatever led to it, and is watched.
    pub const WATCHES: [Self; 10] = [
        Self::of("right, nothing happens", &[Label::Right]).life(5_000),
        Self::of("useless, nothing happens", &[Label::Useless]).life(5_000),
        Self::of("useless, churn 15 %", &[Label::Useless])
            .noisy(0.15, 0.0, 0.0)
            .life(5_000),
        Self::of("useless, judge wrong 10 %", &[Label::Useless])
            .noisy(CHURN, 0.1, 0.0)
            .life(5_000),
        Self::of("harmful from the start", &[Label::Harmful]).life(5_000),
        Self::DECAY,
        Self::of("right, decays to −12 points", &[Label::Right])
            .later(Later::Decay(0.12))
            .life(5_000),
        Self::of("right, decays to −3 points", &[Label::Right])
            .later(Later::Decay(0.03))
            .life(5_000),
        Self::of("right, drift of 20 %", &[Label::Right])
            .later(Later::Drift(0.2))
            .life(5_000),
        Self::DRIFT,
    ];
}

const fn noise(churn: f64, judge_noise: f64, faults: f64) -> WorldSettings {
    WorldSettings {
        churn,
        judge_noise,
        faults,
        schedule: crate::world::Schedule {
            drift: None,
            decay: None,
        },
    }
}
