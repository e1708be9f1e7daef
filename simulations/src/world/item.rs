//! What customers ask.

use super::chance::{Purpose, drawn, mixed, one_of};
use super::population::Case;
use super::reading::code;
use super::skill::Skill;
use super::truth::World;

const OPENINGS: [&str; 6] = [
    "hello, about my",
    "good morning, it is about the",
    "this is the second time that I write about the",
    "I am not happy with my",
    "a question about the",
    "there is something with the",
];
const PRODUCTS: [&str; 24] = [
    "kettle",
    "bread maker",
    "desk lamp",
    "garden hose",
    "bicycle pump",
    "tea pot",
    "wool blanket",
    "wall clock",
    "rain coat",
    "camping stove",
    "pepper mill",
    "shower curtain",
    "suitcase",
    "toolbox",
    "drill",
    "hammock",
    "mirror",
    "bookshelf",
    "sewing machine",
    "radio",
    "toaster",
    "rug",
    "ladder",
    "picnic basket",
];
const TROUBLES: [&str; 16] = [
    "which arrived with a dent",
    "which never arrived",
    "that was sent in the wrong colour",
    "whose lid is missing",
    "which does not switch on",
    "that my sister ordered",
    "from your winter catalogue",
    "which makes a strange noise",
    "that smells of glue",
    "which is smaller than in the picture",
    "that you repaired before",
    "whose manual I lost",
    "that I ordered as a present",
    "which came twice",
    "with the long handle",
    "which leaks",
];
/// What a judge says where nothing in particular was missing.
const OTHER_COMPLAINTS: [&str; 4] = [
    "vague about step {}, the customer still has to ask",
    "overlooked question {} of several",
    "repeats paragraph {} instead of helping",
    "guessed at the cause of trouble {}",
];

/// One ticket: its place in time, and all that follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item<'a> {
    /// Its number; later ones are greater.
    pub number: u64,
    /// What it is like.
    pub case: &'a Case,
    seed: u64,
}

impl<'a> Item<'a> {
    pub(super) fn new(world: &'a World, number: u64) -> Self {
        Self {
            number,
            case: world
                .population()
                .at(drawn(&[world.seed(), Purpose::Case as u64, number])),
            seed: world.seed(),
        }
    }

    fn part(&self, purpose: Purpose, part: u64) -> [u64; 4] {
        [self.seed, purpose as u64, self.number, part]
    }

    /// What the customer wrote, beginning with the item's code.
    #[must_use]
    pub fn ticket(&self) -> String {
        let pick =
            |all: &[&'static str], part| one_of(all, &self.part(Purpose::Ticket, part)).unwrap_or_default();
        let need = self.case.need.unwrap_or(Skill::Json);
        format!(
            "{}: {} {} {}. {}",
            code(self.number),
            pick(&OPENINGS, 0),
            pick(&PRODUCTS, 1),
            pick(&TROUBLES, 2),
            pick(&need.wording().details, 3)
        )
    }

    /// What a right answer has in it.
    #[must_use]
    pub fn resolution(&self) -> String {
        format!("R-{:06}", mixed(&self.part(Purpose::Resolution, 0)) % 1_000_000)
    }

    /// What a judge says of a wrong answer.
    #[must_use]
    pub fn complaint(&self) -> String {
        let complaints = self
            .case
            .need
            .map_or(OTHER_COMPLAINTS, |need| need.wording().complaints);
        self.said(&complaints)
    }

    /// What a parser says of an answer that is no JSON.
    #[must_use]
    pub fn malformation(&self) -> String {
        self.said(&Skill::Json.wording().complaints)
    }

    fn said(&self, complaints: &[&str]) -> String {
        let detail = mixed(&self.part(Purpose::Complaint, 1)) % 900 + 31;
        one_of(complaints, &self.part(Purpose::Complaint, 0))
            .unwrap_or_default()
            .replace("{}", &detail.to_string())
    }
}
