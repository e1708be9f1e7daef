//! What the simulated model reads in a prompt.

use std::collections::BTreeSet;

use promptops_core::prompt::{Body, ChatItem, Content};
use promptops_core::template::{Limits, Template};

use super::chance::mixed;
use super::skill::Skill;

/// What the variable is called that a prompt shows the ticket by.
pub const VARIABLE: &str = "ticket";
/// What the model takes for half-hearted.
const HEDGES: [&str; 7] = [
    "possible,",
    "try",
    "ideally",
    "usually",
    "consider",
    "prefer",
    "fits",
];
/// What turns a sentence into its opposite.
const NEGATIONS: [&str; 3] = ["not", "don't", "stop"];

/// What a prompt says of a skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// That it would be nice.
    Hinted,
    /// That it is asked for.
    Stated,
    /// That its opposite is.
    Denied,
    /// One, and the other elsewhere.
    Both,
}

/// What the model makes of a prompt's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    said: [Said; Skill::COUNT],
    /// Words of instructions.
    pub words: usize,
    /// Numbers of items whose resolution the prompt gives away.
    pub worked: BTreeSet<u64>,
    /// Whether the prompt shows the ticket.
    pub has_ticket: bool,
    /// Tells texts apart that are not the same word by word.
    pub fingerprint: u64,
}

impl Reading {
    /// Reads a content's templates, of chat messages or of one text. `None` for one that does not compile.
    #[must_use]
    pub fn of(content: &Content) -> Option<Self> {
        let templates: Vec<&str> = match &content.body {
            Body::Text { template } => vec![template],
            Body::Chat { messages } => messages
                .iter()
                .filter_map(|item| match item {
                    ChatItem::Message { template, .. } => Some(template.as_str()),
                    ChatItem::Placeholder { .. } => None,
                })
                .collect(),
        };
        let mut has_ticket = false;
        let mut texts = String::new();
        for source in templates {
            let template = Template::parse(source, &Limits::default()).ok()?;
            has_ticket |= template.variables().iter().any(|one| one.name == VARIABLE);
            texts.push_str(&without_tags(source));
            texts.push('\n');
        }
        Some(Self::of_text(&texts, has_ticket))
    }

    /// Reads instructions, without the ticket.
    #[must_use]
    pub fn of_text(text: &str, has_ticket: bool) -> Self {
        let mut reading = Self {
            said: [Said::Nothing; Skill::COUNT],
            words: 0,
            worked: BTreeSet::new(),
            has_ticket,
            fingerprint: 0,
        };
        let lower = text.to_lowercase();
        let mut sentence: Vec<&str> = Vec::new();
        for word in lower.split_whitespace() {
            reading.words += 1;
            let parts = word.bytes().map(u64::from).collect::<Vec<_>>();
            reading.fingerprint = mixed(&[reading.fingerprint, mixed(&parts)]);
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            reading.worked.extend(code_of(bare));
            // A comma is a part of some hedges, and ends no sentence.
            sentence.push(if word == "possible," { word } else { bare });
            if word.ends_with(['.', '!', '?', ';']) {
                reading.sentence(&sentence);
                sentence.clear();
            }
        }
        reading.sentence(&sentence);
        reading
    }

    fn sentence(&mut self, words: &[&str]) {
        let has = |of: &[&str]| words.iter().any(|word| of.contains(word));
        for skill in Skill::ALL {
            let wording = skill.wording();
            let is_turned = has(&NEGATIONS);
            let (said, denied) = (wording.is_said(words), wording.is_denied(words));
            let now = match (said, denied) {
                (false, false) => continue,
                (true, true) => Said::Both,
                (true, false) if is_turned => Said::Denied,
                (false, true) if is_turned => Said::Stated,
                (true, false) if has(&HEDGES) => Said::Hinted,
                (true, false) => Said::Stated,
                (false, true) => Said::Denied,
            };
            let before = &mut self.said[skill.place()];
            *before = before.and(now);
        }
    }

    /// What it says of a skill.
    #[must_use]
    pub fn said(&self, skill: Skill) -> Said {
        self.said[skill.place()]
    }

    /// How many skills it asks for and against.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.said.iter().filter(|said| **said == Said::Both).count()
    }
}

impl Said {
    /// What two sentences say together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (one, same) if one == same => one,
            (Self::Hinted, Self::Stated) | (Self::Stated, Self::Hinted) => Self::Stated,
            _ => Self::Both,
        }
    }
}

/// An item's code, by which a ticket begins.
#[must_use]
pub fn code(number: u64) -> String {
    format!("KX-{number:06}")
}

/// The number of the item with this code, in any case.
#[must_use]
pub fn code_of(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("kx-").or_else(|| word.strip_prefix("KX-"))?;
    digits.parse().ok()
}

/// What is not of the template's language.
fn without_tags(source: &str) -> String {
    let mut text = String::new();
    let mut rest = source;
    while let Some(from) = rest.find("{{") {
        text.push_str(&rest[..from]);
        rest = rest[from..].find("}}").map_or("", |to| &rest[from + to + 2..]);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use promptops_core::prompt::{system, user};

    use super::*;

    fn read(text: &str) -> Reading {
        Reading::of_text(text, true)
    }

    #[test]
    fn every_wording_says_what_it_is_of_and_nothing_else() {
        for skill in Skill::ALL {
            let wording = skill.wording();
            let expect = |text: &str, said: Said| {
                let reading = read(text);
                for other in Skill::ALL {
                    let expected = if other == skill { said } else { Said::Nothing };
                    assert_eq!(reading.said(other), expected, "{other:?} in {text:?}");
                }
            };
            wording
                .remedies
                .iter()
                .for_each(|text| expect(text, Said::Stated));
            wording
                .contraries
                .iter()
                .for_each(|text| expect(text, Said::Denied));
            expect(wording.hedged, Said::Hinted);
        }
    }

    #[test]
    fn sentences_add_up_and_contradict_each_other() {
        let dates = |text| read(text).said(Skill::Dates);
        assert_eq!(
            dates("If possible, write dates in ISO form. Dates are YYYY-MM-DD."),
            Said::Stated
        );
        assert_eq!(
            dates("Dates are in ISO form. Write dates the American way."),
            Said::Both
        );
        assert_eq!(dates("Do not write dates in ISO form."), Said::Denied);
        assert_eq!(dates("Do not write dates the American way."), Said::Stated);
        // Of one sentence alone.
        assert_eq!(dates("Mind the date. ISO is a standard."), Said::Nothing);
        assert_eq!(read("Dates in ISO form. Dates the American way.").conflicts(), 1);
    }

    #[test]
    fn a_content_is_read_as_its_messages_are() {
        let content = |text: &str| Content::chat([system(text), user("Ticket: {{ ticket }}")]);
        let reading = Reading::of(&content("Reply in JSON. KX-000042 R-7.")).unwrap();
        assert!(reading.has_ticket && reading.worked.contains(&42) && reading.words == 6);
        assert_eq!(reading, read("Reply in JSON. KX-000042 R-7.\nTicket:"));
        assert_ne!(
            reading.fingerprint,
            read("Reply in JSON. KX-000042 R-8.\nTicket:").fingerprint
        );
        assert!(!Reading::of(&Content::text("Reply in JSON.")).unwrap().has_ticket);
        assert_eq!(Reading::of(&content("{% if %}")), None);
    }
}
