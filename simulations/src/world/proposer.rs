//! A simulated proposer: candidates of known kinds, so that it is known what to do with them.

use std::fmt;

use promptops_core::prompt::{Body, ChatItem, Content, MessageRole};

use super::chance::{Purpose, mixed};
use super::reading::VARIABLE;
use super::skill::Skill;
use super::truth::World;

/// Share of the live prompt's words that worked examples fill: as many as the guard on growth lets through.
const ROOM: f64 = 0.24;
/// Sentences that change no answer.
const FILLERS: [&str; 6] = [
    "Take care with every answer.",
    "Think before you write.",
    "You are very good at this work.",
    "Read the whole matter twice.",
    "Quality is what counts.",
    "Do your best as always.",
];

/// What a candidate is. Which one a proposer hits upon is drawn by the experiment, not by skill: it stands for what a model might
/// write, and knows no more of the world than its kind tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Asks for what the cluster lacks.
    Right,
    /// Asks for it half-heartedly, which helps with half of it.
    Partial,
    /// Says the same in other words, or nothing.
    Useless,
    /// Leaves out something that others need.
    Harmful,
    /// Helps half of the cluster, and asks for the opposite of what more others need.
    Trade,
    /// Gives away the resolutions of the items that the proposer was shown.
    Overfitted,
    /// The right remedy, without the ticket.
    VariableDropping,
    /// The right remedy, with a customer's text and an instruction of theirs copied into it.
    Injected,
    /// The right remedy, in a template that does not compile.
    Malformed,
}

impl Label {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Partial => "partial",
            Self::Useless => "useless",
            Self::Harmful => "harmful",
            Self::Trade => "trade",
            Self::Overfitted => "overfitted",
            Self::VariableDropping => "variable-dropping",
            Self::Injected => "injected",
            Self::Malformed => "malformed",
        }
    }
}

/// A candidate, and what it is. The label is for whoever counts, not for whoever decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it is.
    pub label: Label,
    /// What it says.
    pub content: Content,
}

/// What a proposer was shown of a failure.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// The ticket.
    pub ticket: String,
    /// The right answer, as somebody corrected it.
    pub resolution: String,
}

/// How much, without what is said.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shown({} bytes)", self.ticket.len() + self.resolution.len())
    }
}

/// Writes candidates. All it goes by are the live prompt, the failures it was shown, and what a label says.
#[derive(Debug, Clone)]
pub struct Proposer<'a> {
    world: &'a World,
    cause: Skill,
    shown: Vec<Shown>,
}

impl<'a> Proposer<'a> {
    /// For a cluster with this cause, some of whose failures are shown.
    #[must_use]
    pub fn new(world: &'a World, cause: Skill, shown: Vec<Shown>) -> Self {
        Self { world, cause, shown }
    }

    /// One candidate for each label, in order; equal labels get different texts, as far as there are any.
    #[must_use]
    pub fn propose(&self, labels: &[Label]) -> Vec<Candidate> {
        let candidates = labels.iter().enumerate().map(|(place, label)| Candidate {
            label: *label,
            content: self.write(*label, place as u64),
        });
        candidates.collect()
    }

    fn write(&self, label: Label, place: u64) -> Content {
        let seed = mixed(&[self.world.seed(), Purpose::Candidate as u64, place]) as usize;
        let wording = self.cause.wording();
        let remedy = wording.remedies[seed % wording.remedies.len()];
        let (known, _) = self.world.known()[seed % 2 % self.world.known().len()];
        let contrary = known.wording().contraries[seed % 2];
        let filler = FILLERS[(seed + place as usize) % FILLERS.len()];
        match label {
            Label::Right => self.with(remedy),
            Label::Partial => self.with(wording.hedged),
            // Every other one another wording of what is there, the others words that say nothing.
            Label::Useless if place % 2 == 1 => self.in_place_of(known, |at| {
                let remedies = known.wording().remedies;
                remedies[(at + 1) % remedies.len()]
            }),
            Label::Useless => self.with(filler),
            Label::Harmful => self.in_place_of(known, |_| filler),
            Label::Trade => edited(&self.in_place_of(known, |_| contrary), |text| {
                format!("{text}\n{}", wording.hedged)
            }),
            Label::Overfitted => self.with(&self.examples()),
            Label::VariableDropping => {
                let tag = format!("{{{{ {VARIABLE} }}}}");
                replaced(&self.with(remedy), &tag, "as above")
            }
            Label::Injected => {
                let ticket = self.shown.first().map_or("", |shown| shown.ticket.as_str());
                self.with(&format!(
                    "{remedy}\nFor example: {ticket}\nAnswer in plain prose."
                ))
            }
            Label::Malformed => self.with(&format!("{remedy}\n{{% if {VARIABLE} %}}")),
        }
    }

    /// The live prompt with a sentence more.
    fn with(&self, sentence: &str) -> Content {
        edited(self.world.live(), |text| format!("{text}\n{sentence}"))
    }

    /// The live prompt with another sentence for that which asks for this skill, by which of its wordings it is.
    fn in_place_of(&self, skill: Skill, other: impl Fn(usize) -> &'static str) -> Content {
        let remedies = skill.wording().remedies;
        edited(self.world.live(), |text| {
            let lines = text.lines().map(|line| {
                let place = remedies.iter().position(|remedy| *remedy == line);
                place.map_or_else(|| line.to_owned(), |place| other(place).to_owned())
            });
            lines.collect::<Vec<String>>().join("\n")
        })
    }

    /// Codes and resolutions of what was shown, as many as there is room for.
    fn examples(&self) -> String {
        let words = text_of(self.world.live()).split_whitespace().count();
        let room = (ROOM * words as f64) as usize / 2;
        let pairs = self.shown.iter().take(room).filter_map(|shown| {
            let code = shown.ticket.split(':').next()?;
            Some(format!("{code} {};", shown.resolution))
        });
        pairs.collect::<Vec<_>>().join("\n")
    }
}

/// All text of a prompt's messages.
#[must_use]
pub fn text_of(content: &Content) -> String {
    match &content.body {
        Body::Text { template } => template.clone(),
        Body::Chat { messages } => messages
            .iter()
            .filter_map(|item| match item {
                ChatItem::Message { template, .. } => Some(template.as_str()),
                ChatItem::Placeholder { .. } => None,
            })
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// With another text for the system's message.
fn edited(content: &Content, edit: impl Fn(&str) -> String) -> Content {
    each(content, |role, template| match role {
        MessageRole::System => edit(template),
        _ => template.to_owned(),
    })
}

fn replaced(content: &Content, old: &str, new: &str) -> Content {
    each(content, |_, template| template.replace(old, new))
}

fn each(content: &Content, edit: impl Fn(MessageRole, &str) -> String) -> Content {
    let mut content = content.clone();
    if let Body::Chat { messages } = &mut content.body {
        for item in messages {
            if let ChatItem::Message { role, template } = item {
                *template = edit(*role, template);
            }
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::guards::stopped;
    use crate::world::{Call, Conditions, WorldSettings};

    const ALL: [Label; 9] = [
        Label::Right,
        Label::Partial,
        Label::Useless,
        Label::Harmful,
        Label::Trade,
        Label::Overfitted,
        Label::VariableDropping,
        Label::Injected,
        Label::Malformed,
    ];

    fn shown(world: &World) -> (Vec<u64>, Vec<Shown>) {
        let live = world.read(world.live()).unwrap();
        let fails = |item: &u64| {
            let call = Call {
                item: *item,
                repeat: 0,
                now: 0,
            };
            !world.answer(&live, call).unwrap().correct
        };
        let failed: Vec<u64> = (0..400).filter(fails).collect();
        let shown = failed.iter().map(|item| Shown {
            ticket: world.item(*item).ticket(),
            resolution: world.item(*item).resolution(),
        });
        (failed.clone(), shown.collect())
    }

    #[test]
    fn every_label_is_what_it_says_in_every_world() {
        for seed in 0..60 {
            let world = World::new(WorldSettings::default(), seed).unwrap();
            let (_, shown) = shown(&world);
            let proposer = Proposer::new(&world, world.target(), shown);
            for candidate in proposer
                .propose(&ALL)
                .into_iter()
                .chain(proposer.propose(&[Label::Useless; 6]))
            {
                let lift = world.lift(&candidate.content);
                let fits = match candidate.label {
                    Label::Right => (0.05..0.2).contains(&lift),
                    Label::Partial => (0.02..0.1).contains(&lift),
                    Label::Useless => lift.abs() < 1e-12,
                    Label::Harmful => (-0.1..-0.03).contains(&lift),
                    Label::Trade => (-0.08..-0.002).contains(&lift),
                    Label::Overfitted => (-0.04..-0.005).contains(&lift),
                    Label::VariableDropping | Label::Injected | Label::Malformed => lift < -0.2,
                };
                assert!(fits, "{seed} {:?}: {lift}", candidate.label);
                assert_ne!(candidate.content, *world.live());
            }
        }
    }

    #[test]
    fn guards_stop_what_cannot_be_replayed_and_nothing_else() {
        let world = World::new(WorldSettings::default(), 4).unwrap();
        let (_, shown) = shown(&world);
        let tickets: Vec<&str> = shown.iter().map(|shown| shown.ticket.as_str()).collect();
        for candidate in Proposer::new(&world, world.target(), shown.clone()).propose(&ALL) {
            let why = stopped(world.live(), &candidate.content, &tickets);
            let expected = matches!(
                candidate.label,
                Label::VariableDropping | Label::Injected | Label::Malformed
            );
            assert_eq!(why.is_some(), expected, "{:?}: {why:?}", candidate.label);
        }
    }

    #[test]
    fn an_overfitted_candidate_is_better_on_what_was_shown() {
        let world = World::new(WorldSettings::default(), 4).unwrap();
        let (failed, shown) = shown(&world);
        let proposer = Proposer::new(&world, world.target(), shown);
        let overfitted = &proposer.propose(&[Label::Overfitted])[0].content;
        let (live, after) = (world.read(world.live()).unwrap(), world.read(overfitted).unwrap());
        let right = |reading, items: &[u64]| {
            let call = |item: &u64| Call {
                item: *item,
                repeat: 1,
                now: 0,
            };
            items
                .iter()
                .filter(|item| world.answer(reading, call(item)).unwrap().correct)
                .count()
        };
        assert!(right(&after, &failed) > right(&live, &failed) + 20);
        let later: Vec<u64> = (1_000..3_000).collect();
        assert!(right(&after, &later) < right(&live, &later));
        assert!(world.score(Some(&after), Conditions::CALM) < world.score(Some(&live), Conditions::CALM));
    }
}
