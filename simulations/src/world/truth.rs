//! The world: what each prompt is worth in truth, and what one answer is.

use promptops_core::prompt::Content;
use promptops_core::{Error, ErrorKind, Result};

use super::chance::{Purpose, drawn, mixed};
use super::chances::{chance_of_content, chance_of_correct, chance_of_format, chance_of_polite};
use super::conditions::{Conditions, Schedule};
use super::item::Item;
use super::live::live;
use super::population::Population;
use super::reading::Reading;
use super::skill::Skill;

/// How noisy a world is, and what changes in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WorldSettings {
    /// Share of right and wrong answers that are not the same when the live prompt is asked again.
    pub churn: f64,
    /// How often a judge says the opposite of what is true: of what an answer says and of its tone, not of its form.
    pub judge_noise: f64,
    /// How often a call is not answered at all.
    pub faults: f64,
    /// What changes.
    pub schedule: Schedule,
}

/// What an answer is in truth, or what was found of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// It is JSON, and right.
    pub correct: bool,
    /// It is JSON.
    pub format: bool,
    /// It is polite.
    pub polite: bool,
}

/// One call of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The item's number.
    pub item: u64,
    /// Which of the calls for this item: 0 in production, others in replays.
    pub repeat: u64,
    /// When: what the schedule says at this item.
    pub now: u64,
}

/// Items that come, and a model that answers. The seed decides everything; nothing depends on what was asked before.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    seed: u64,
    settings: WorldSettings,
    population: Population,
    /// What the live prompt does not ask for, although items need it.
    target: Skill,
    /// What it does ask for, with how many items need it; the most needed first.
    known: Vec<(Skill, f64)>,
    live: Content,
    /// How often a call's chance is its own rather than the item's.
    fresh: f64,
}

impl World {
    /// A world with its live prompt.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a share that is none, and for more churn than there is chance.
    pub fn new(settings: WorldSettings, seed: u64) -> Result<Self> {
        let shares = [settings.churn, settings.judge_noise, settings.faults];
        if let Some(wrong) = shares.iter().find(|share| !(0.0..=0.5).contains(*share)) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a world's share of noise is {wrong}; expected 0 to 0.5"),
            ));
        }
        let draw = |part| drawn(&[seed, Purpose::World as u64, part]);
        let mut skills = Skill::OF_CONTENT;
        skills.sort_unstable_by_key(|skill| mixed(&[seed, Purpose::World as u64, 1, *skill as u64]));
        let [target, missing, rest @ ..] = skills;
        let mut known: Vec<(Skill, f64)> = (2..)
            .zip(rest)
            .map(|(part, skill)| (skill, 0.07 + 0.04 * draw(part)))
            .collect();
        let mut shares = vec![(target, 0.13 + 0.04 * draw(10)), (missing, 0.02)];
        shares.extend(&known);
        known.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        let mut world = Self {
            seed,
            settings,
            population: Population::of(&shares),
            target,
            live: live(seed, &known),
            known,
            fresh: 0.0,
        };
        world.fresh = world.fresh()?;
        Ok(world)
    }

    /// Two calls differ where the chance of one of them is fresh, and one is right and the other is not:
    /// (1 − (1 − fresh)²) · mean of 2p(1 − p).
    fn fresh(&self) -> Result<f64> {
        let read = self.read(&self.live);
        let varied = self.population.mean(|case| {
            let p = chance_of_correct(case, read.as_ref(), Conditions::CALM);
            2.0 * p * (1.0 - p)
        });
        let churn = self.settings.churn;
        if churn > varied {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a churn of {churn} is more than chance itself makes here; expected at most {varied:.2}"
                ),
            ));
        }
        Ok(1.0 - (1.0 - churn / varied).sqrt())
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// With another schedule.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.settings.schedule = schedule;
        self
    }

    /// What kinds of items there are.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// What the live prompt lacks most.
    #[must_use]
    pub fn target(&self) -> Skill {
        self.target
    }

    /// What the live prompt asks for, with the share of items that need it; the most needed first.
    #[must_use]
    pub fn known(&self) -> &[(Skill, f64)] {
        &self.known
    }

    /// The prompt that is live at first.
    #[must_use]
    pub fn live(&self) -> &Content {
        &self.live
    }

    /// The item of this number.
    #[must_use]
    pub fn item(&self, number: u64) -> Item<'_> {
        Item::new(self, number)
    }

    /// What the model makes of a prompt: `None` of one that does not compile.
    #[must_use]
    pub fn read(&self, content: &Content) -> Option<Reading> {
        Reading::of(content)
    }

    /// The share of all items whose answer is right, exactly. A prompt that does not compile answers nothing.
    #[must_use]
    pub fn score(&self, reading: Option<&Reading>, conditions: Conditions) -> f64 {
        self.population
            .mean(|case| chance_of_correct(case, reading, conditions))
    }

    /// The share of all items whose answer is polite, exactly.
    #[must_use]
    pub fn politeness(&self, reading: Option<&Reading>) -> f64 {
        reading.map_or(0.0, chance_of_polite)
    }

    /// By how much more answers are right than with the live prompt, as things are at first.
    #[must_use]
    pub fn lift(&self, content: &Content) -> f64 {
        let calm = |content| self.score(self.read(content).as_ref(), Conditions::CALM);
        calm(content) - calm(&self.live)
    }

    /// What one answer is in truth; `None` when the call is not answered.
    #[must_use]
    pub fn answer(&self, reading: &Reading, call: Call) -> Option<Outcome> {
        (!self.is_fault(reading, call)).then(|| self.reply(reading, call))
    }

    /// Whether a call is not answered.
    pub(super) fn is_fault(&self, reading: &Reading, call: Call) -> bool {
        let faults = self.settings.faults;
        faults > 0.0 && drawn(&self.part(Purpose::Fault, reading, call, 0)) < faults
    }

    /// What the answer is in truth that a call has or would have.
    pub(super) fn reply(&self, reading: &Reading, call: Call) -> Outcome {
        let item = self.item(call.item);
        let conditions = self.settings.schedule.at(call.now);
        let is_worked = reading.worked.contains(&call.item);
        let right = if is_worked && reading.has_ticket {
            0.98
        } else {
            chance_of_content(item.case, reading, conditions)
        };
        let happens = |part: u64, chance: f64| {
            let is_fresh = drawn(&self.part(Purpose::IsFresh, reading, call, part)) < self.fresh;
            let draw = if is_fresh {
                drawn(&self.part(Purpose::Fresh, reading, call, part))
            } else {
                drawn(&[self.seed, Purpose::Common as u64, call.item, part])
            };
            draw < chance
        };
        let format = happens(1, chance_of_format(reading));
        Outcome {
            correct: happens(0, right) && format,
            format,
            polite: happens(2, chance_of_polite(reading)),
        }
    }

    /// What is found of an answer that is this in truth.
    #[must_use]
    pub fn judged(&self, truth: Outcome, reading: &Reading, call: Call) -> Outcome {
        let errs = |part| {
            self.settings.judge_noise > 0.0
                && drawn(&self.part(Purpose::Judge, reading, call, part)) < self.settings.judge_noise
        };
        Outcome {
            // What is no JSON reaches no judge.
            correct: truth.format && truth.correct != errs(0),
            polite: truth.polite != errs(1),
            ..truth
        }
    }

    fn part(&self, purpose: Purpose, reading: &Reading, call: Call, part: u64) -> [u64; 6] {
        [
            self.seed,
            purpose as u64,
            call.item,
            reading.fingerprint,
            call.repeat,
            part,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::conditions::Change;
    use crate::world::reading::code;

    const MANY: u64 = 40_000;

    fn world(churn: f64) -> World {
        let settings = WorldSettings {
            churn,
            ..WorldSettings::default()
        };
        World::new(settings, 11).unwrap()
    }

    /// The live prompt with more sentences.
    fn with(world: &World, more: &str) -> Reading {
        let live = world.read(world.live()).unwrap();
        assert_eq!(live.conflicts(), 0);
        let Content { body, .. } = world.live();
        let promptops_core::prompt::Body::Chat { messages } = body else {
            panic!("{body:?}")
        };
        let text: Vec<String> = messages
            .iter()
            .map(|message| match message {
                promptops_core::prompt::ChatItem::Message { template, .. } => {
                    template.replace("{{ ticket }}", "")
                }
                promptops_core::prompt::ChatItem::Placeholder { .. } => String::new(),
            })
            .collect();
        Reading::of_text(&format!("{}\n{more}", text.join("\n")), true)
    }

    fn call(item: u64, repeat: u64) -> Call {
        Call {
            item,
            repeat,
            now: item,
        }
    }

    fn passes(world: &World, reading: &Reading, repeat: u64) -> Vec<bool> {
        (0..MANY)
            .map(|item| world.answer(reading, call(item, repeat)).unwrap().correct)
            .collect()
    }

    fn mean(passes: &[bool]) -> f64 {
        passes.iter().filter(|passed| **passed).count() as f64 / passes.len() as f64
    }

    fn differing(a: &[bool], b: &[bool]) -> f64 {
        a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / a.len() as f64
    }

    #[test]
    fn the_true_score_is_the_mean_of_many_answers() {
        let world = world(0.05).with_schedule(Schedule {
            drift: Some(Change { from: 0, keeps: 0.9 }),
            ..Schedule::default()
        });
        let conditions = world.settings().schedule.at(0);
        for more in [
            "",
            world.target().wording().hedged,
            world.known()[0].0.wording().contraries[0],
        ] {
            let reading = with(&world, more);
            let found = mean(&passes(&world, &reading, 1));
            let exact = world.score(Some(&reading), conditions);
            // Five standard errors.
            assert!((found - exact).abs() < 0.0115, "{found} {exact} {more}");
            let polite = (0..MANY).filter(|item| world.answer(&reading, call(*item, 1)).unwrap().polite);
            let polite = polite.count() as f64 / MANY as f64;
            assert!(
                (polite - world.politeness(Some(&reading))).abs() < 0.005,
                "{polite}"
            );
        }
    }

    #[test]
    fn a_true_lift_is_the_mean_of_many_paired_differences() {
        let world = world(0.05);
        let (live, remedied) = (
            with(&world, ""),
            with(&world, world.target().wording().remedies[1]),
        );
        let found = mean(&passes(&world, &remedied, 0)) - mean(&passes(&world, &live, 0));
        let exact =
            world.score(Some(&remedied), Conditions::CALM) - world.score(Some(&live), Conditions::CALM);
        assert!(exact > 0.08, "{exact}");
        // Differences have a deviation of about 0.4.
        assert!((found - exact).abs() < 0.01, "{found} {exact}");
    }

    #[test]
    fn a_remedy_raises_exactly_its_cause() {
        let world = world(0.0);
        let live = with(&world, "");
        for remedy in world.target().wording().remedies {
            let after = with(&world, remedy);
            for case in world.population().cases() {
                let chance = |reading: &Reading| chance_of_correct(case, Some(reading), Conditions::CALM);
                let rise = chance(&after) - chance(&live);
                if case.need == Some(world.target()) {
                    assert!(rise > 0.6, "{case:?}: {rise}");
                } else {
                    assert!(rise.abs() < 1e-12, "{case:?}: {rise}");
                }
            }
        }
        let hedged = with(&world, world.target().wording().hedged);
        for case in world
            .population()
            .cases()
            .iter()
            .filter(|case| case.need == Some(world.target()))
        {
            let chance = |reading: &Reading| chance_of_correct(case, Some(reading), Conditions::CALM);
            assert_eq!(chance(&hedged) > chance(&live), case.is_easy);
        }
    }

    #[test]
    fn bloat_and_contradiction_lower_the_score() {
        let world = world(0.0);
        let score = |more: &str| world.score(Some(&with(&world, more)), Conditions::CALM);
        let live = score("");
        assert!(score(&"And so on. ".repeat(100)) < live - 0.01);
        let (known, share) = world.known()[0];
        let against = known.wording().contraries[0];
        // What needs it suffers from both, and all others from the contradiction.
        let lost = live - score(against);
        assert!(lost > 0.3 * share && lost < 0.8 * share + 0.03, "{lost}");
        // Also what needs nothing in particular.
        let contradicting = with(&world, against);
        let other = world
            .population()
            .cases()
            .iter()
            .find(|case| case.need.is_none())
            .unwrap();
        let chance = |reading: &Reading| chance_of_correct(other, Some(reading), Conditions::CALM);
        assert!(chance(&contradicting) < chance(&with(&world, "")) - 0.01);
    }

    #[test]
    fn a_prompt_without_the_ticket_answers_nothing() {
        let world = world(0.0);
        let mut blind = with(&world, "");
        blind.has_ticket = false;
        assert_eq!(world.score(Some(&blind), Conditions::CALM), 0.0);
        assert_eq!(world.score(None, Conditions::CALM), 0.0);
        assert!((0..500).all(|item| !world.answer(&blind, call(item, 0)).unwrap().correct));
    }

    #[test]
    fn a_worked_example_helps_its_own_item_alone() {
        let world = world(0.0);
        let live = with(&world, "");
        let failed = (0..)
            .find(|item| !world.answer(&live, call(*item, 0)).unwrap().correct)
            .unwrap();
        let worked = with(
            &world,
            &format!("{} {}.", code(failed), world.item(failed).resolution()),
        );
        let right = (0..200).filter(|repeat| world.answer(&worked, call(failed, *repeat)).unwrap().correct);
        assert!(right.count() > 150);
        assert!(world.score(Some(&worked), Conditions::CALM) <= world.score(Some(&live), Conditions::CALM));
    }

    #[test]
    fn churn_is_the_share_of_answers_that_differ() {
        for churn in [0.0, 0.01, 0.05, 0.15] {
            let world = world(churn);
            let live = with(&world, "");
            let found = differing(&passes(&world, &live, 1), &passes(&world, &live, 2));
            assert!((found - churn).abs() < 0.01, "{found} {churn}");
        }
        let too_much = WorldSettings {
            churn: 0.4,
            ..WorldSettings::default()
        };
        assert_eq!(World::new(too_much, 1).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn common_random_numbers_make_the_arms_alike() {
        let world = world(0.01);
        let (live, reworded) = (with(&world, ""), with(&world, "So it is."));
        let together = differing(&passes(&world, &live, 1), &passes(&world, &reworded, 1));
        // Apart, answers that pass p of the time differ 2p(1 − p) of the time.
        let p = world.score(Some(&live), Conditions::CALM);
        assert!(together < 0.02 && 2.0 * p * (1.0 - p) > 0.25, "{together} {p}");
    }

    #[test]
    fn judges_and_outages_are_wrong_as_often_as_asked() {
        let settings = WorldSettings {
            judge_noise: 0.1,
            faults: 0.02,
            ..WorldSettings::default()
        };
        let world = World::new(settings, 3).unwrap();
        let live = with(&world, "");
        let (mut wrong, mut of, mut failed) = (0_u32, 0_u32, 0_u32);
        for item in 0..20_000 {
            let Some(truth) = world.answer(&live, call(item, 0)) else {
                failed += 1;
                continue;
            };
            if truth.format {
                of += 1;
                wrong += u32::from(world.judged(truth, &live, call(item, 0)).correct != truth.correct);
            }
        }
        assert!(
            (f64::from(wrong) / f64::from(of) - 0.1).abs() < 0.01,
            "{wrong} of {of}"
        );
        assert!((f64::from(failed) / 20_000.0 - 0.02).abs() < 0.005, "{failed}");
    }

    #[test]
    fn decay_touches_prompts_with_the_instruction_alone() {
        let world = world(0.0);
        let target = world.target();
        let world = world.with_schedule(Schedule {
            decay: Some((
                target,
                Change {
                    from: 100,
                    keeps: 0.8,
                },
            )),
            ..Schedule::default()
        });
        let schedule = world.settings().schedule;
        let (live, remedied) = (with(&world, ""), with(&world, target.wording().remedies[0]));
        let score = |reading: &Reading, at| world.score(Some(reading), schedule.at(at));
        assert_eq!(score(&live, 99), score(&live, 100));
        assert!((score(&remedied, 99) * 0.8 - score(&remedied, 100)).abs() < 1e-12);
    }
}
