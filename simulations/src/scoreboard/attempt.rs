//! One attempt at an improvement: what was recorded, what is proposed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use promptops_core::Result;
use promptops_core::base::{PromptName, ScoreName, TraceId};
use promptops_core::improvement::cluster::{ClusterSettings, cluster};
use promptops_core::improvement::replay::{Likeness, Partitioned, Partitioning, Replayable, Shares};
use promptops_core::improvement::triage::{Dimension, Failure, OutcomeClass};
use serde_json::json;

use super::replay::{Repeats, repeats};
use super::scenario::{Later, Scenario};
use crate::world::guards::stopped;
use crate::world::{
    Call, Change, Conditions, Label, Proposer, Reading, Schedule, Shown, Skill, VARIABLE, World, mixed,
};

/// The right answer's score.
pub const CORRECT: &str = "correct";
/// The polite answer's.
pub const POLITE: &str = "polite";

/// A candidate that the guards let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Finalist {
    /// What it is; nobody who decides looks.
    pub label: Label,
    /// What the model reads in it.
    pub reading: Reading,
    /// Its true score less that of the live prompt, as things are at first.
    pub lift: f64,
}

/// What there is to decide about.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The world, with what will happen later.
    pub world: World,
    /// What the model reads in the live prompt.
    pub live: Reading,
    /// The live prompt's right answers, and all that were answered, before the attempt.
    pub online: (u64, u64),
    /// Members of the cluster that is worked on.
    pub members: BTreeSet<TraceId>,
    /// All answered traces in their parts.
    pub parts: Partitioned,
    /// What may be shipped; empty also where no cluster was found.
    pub finalists: Vec<Finalist>,
    /// What the replays of each recorded trace found, by its number: of the live prompt, then of each finalist.
    replays: Vec<Vec<Repeats>>,
}

impl Attempt {
    /// Records traces, finds the largest cluster of wrong answers, and lets the proposer loose on it.
    ///
    /// # Errors
    /// [`Invalid`](promptops_core::ErrorKind::Invalid) for noise that no world can have.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self> {
        let world = World::new(scenario.noise, seed)?;
        // It is the world's own, and compiles.
        let live = world.read(world.live());
        let live = live.unwrap_or_else(|| Reading::of_text("", false));
        let mut online = (0, 0);
        let (mut traces, mut failures) = (Vec::new(), Vec::new());
        let (prompt, correct) = (PromptName::new("answer")?, ScoreName::new(CORRECT)?);
        for number in 0..scenario.traffic {
            let call = Call {
                item: number,
                repeat: 0,
                now: number,
            };
            let Some(truth) = world.answer(&live, call) else {
                continue;
            };
            let found = world.judged(truth, &live, call);
            let (id, item) = (trace(seed, number), world.item(number));
            online.0 += u64::from(found.correct);
            online.1 += 1;
            traces.push(Replayable {
                id,
                session: None,
                likeness: Likeness::of(&json!({ VARIABLE: item.ticket() })),
            });
            if found.correct {
                continue;
            }
            let (name, class, message) = if found.format {
                (correct.clone(), OutcomeClass::FailedScore, item.complaint())
            } else {
                (
                    ScoreName::new("format")?,
                    OutcomeClass::InvalidFormat,
                    item.malformation(),
                )
            };
            failures.push(Failure {
                trace: id,
                at: id.at(),
                prompt: prompt.clone(),
                environment: None,
                dimension: Dimension::from(name),
                class,
                message,
                content: String::new(),
            });
        }
        let parts = Partitioning::new(Shares::default(), format!("world {seed}"))?.of(traces)?;
        let clustering = cluster(&failures, &ClusterSettings::default());
        let largest = clustering
            .clusters
            .iter()
            .filter(|found| found.class == OutcomeClass::FailedScore)
            .max_by_key(|found| (found.size(), std::cmp::Reverse(found.medoid)));
        let members: BTreeSet<TraceId> = largest
            .iter()
            .flat_map(|found| found.members.iter().map(|member| member.trace))
            .collect();
        let mut attempt = Self {
            live,
            online,
            replays: Vec::new(),
            finalists: Vec::new(),
            members,
            parts,
            world,
        };
        attempt.propose(scenario);
        attempt.replay(scenario.traffic);
        attempt.schedule(scenario);
        Ok(attempt)
    }

    /// What both arms found on a recorded trace: the live prompt and this finalist.
    pub fn arms(&self, finalist: usize, id: TraceId) -> [&Repeats; 2] {
        let replays = &self.replays[number(id) as usize];
        [&replays[0], &replays[finalist + 1]]
    }

    fn replay(&mut self, traffic: u64) {
        let readings = || std::iter::once(&self.live).chain(self.finalists.iter().map(|one| &one.reading));
        let of = |number| {
            let first = Call {
                item: number,
                // 0 is what was recorded.
                repeat: 1,
                now: 0,
            };
            readings()
                .map(|reading| repeats(&self.world, reading, first))
                .collect()
        };
        self.replays = (0..traffic).map(of).collect();
    }

    /// The cause that most members have: what the proposer's labels are about.
    fn cause(&self) -> Option<Skill> {
        let count = |skill: &Skill| {
            let has = |id: &&TraceId| self.world.item(number(**id)).case.need == Some(*skill);
            self.members.iter().filter(has).count()
        };
        let cause = Skill::OF_CONTENT.into_iter().max_by_key(count)?;
        (count(&cause) > 0).then_some(cause)
    }

    fn propose(&mut self, scenario: &Scenario) {
        let Some(cause) = self.cause() else {
            return;
        };
        let propose = self.parts.propose.iter();
        let seen = propose.filter(|trace| self.members.contains(&trace.id));
        let shown: Vec<Shown> = seen
            .map(|trace| {
                let item = self.world.item(number(trace.id));
                Shown {
                    ticket: item.ticket(),
                    resolution: item.resolution(),
                }
            })
            .collect();
        let tickets: Vec<String> = shown.iter().map(|shown| shown.ticket.clone()).collect();
        let tickets: Vec<&str> = tickets.iter().map(String::as_str).collect();
        let candidates = Proposer::new(&self.world, cause, shown).propose(scenario.labels);
        let passed = candidates
            .into_iter()
            .filter(|candidate| stopped(self.world.live(), &candidate.content, &tickets).is_none())
            .filter_map(|candidate| {
                Some(Finalist {
                    label: candidate.label,
                    reading: self.world.read(&candidate.content)?,
                    lift: self.world.lift(&candidate.content),
                })
            });
        self.finalists = passed.collect();
    }

    /// Fits what happens later to what the candidates are.
    fn schedule(&mut self, scenario: &Scenario) {
        let from = scenario.traffic + scenario.before;
        let schedule = match scenario.later {
            Later::Nothing => Schedule::default(),
            Later::Drift(lost) => Schedule {
                drift: Some(Change {
                    from,
                    keeps: 1.0 - lost,
                }),
                decay: None,
            },
            Later::Decay(below) => {
                let right = self.finalists.iter().find(|one| one.label == Label::Right);
                let score = |reading: &Reading| self.world.score(Some(reading), Conditions::CALM);
                let keeps = right.map_or(1.0, |right| (score(&self.live) - below) / score(&right.reading));
                Schedule {
                    drift: None,
                    decay: self.cause().map(|cause| (cause, Change { from, keeps })),
                }
            }
        };
        self.world = self.world.clone().with_schedule(schedule);
    }
}

/// The id of an item's trace: one each second.
fn trace(seed: u64, number: u64) -> TraceId {
    let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(number as i64);
    TraceId::new(at, u128::from(mixed(&[seed, number])))
}

/// The number of a trace's item.
pub fn number(id: TraceId) -> u64 {
    id.at().timestamp().unsigned_abs()
}
