//! `constraint`: bounds on the output's length, and words that it must or must not say.

use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::bounds::{output_text, shown};
use super::contains::folded;
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Result, invalid};

/// Most broken rules that a reason lists.
const MAX_LISTED: usize = 5;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Words by Unicode's rules (UAX #29): a run of letters and digits; `don't` is one, each Chinese character is one.
    Words,
    /// Characters (Unicode scalar values).
    Characters,
    /// Lines, empty ones included; a line break at the very end begins no other.
    Lines,
    /// Sentences by Unicode's rules (UAX #29) that have a letter or digit. Abbreviations such as `Dr. Who` count twice.
    Sentences,
    /// Tokens, estimated: a quarter of the bytes in UTF-8, rounded up, which is near for English prose (OpenAI's rule of
    /// thumb is four characters) and wrong by up to a factor of two or so elsewhere. What the provider counted is not
    /// looked at, so that the count does not depend on the model.
    Tokens,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Characters => "characters",
            Self::Lines => "lines",
            Self::Sentences => "sentences",
            Self::Tokens => "tokens",
        }
    }

    fn count(self, text: &str) -> usize {
        match self {
            Self::Words => text.unicode_words().count(),
            Self::Characters => text.chars().count(),
            Self::Lines => text.lines().count(),
            Self::Sentences => text.unicode_sentences().count(),
            Self::Tokens => text.len().div_ceil(4),
        }
    }
}

/// What an output must keep to.
#[derive(Clone)]
pub struct Rule(Kind);

#[derive(Clone)]
enum Kind {
    Count(Unit, usize, Option<usize>),
    OneOf(Vec<String>),
    /// The phrase, and as it is looked for.
    Says(String, String),
    DoesNotSay(String, String),
}

impl Rule {
    /// At least and at most so many.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when at most is less than at least.
    pub fn between(unit: Unit, range: RangeInclusive<usize>) -> Result<Self> {
        let (least, most) = range.into_inner();
        if least > most {
            return Err(invalid(format!(
                "at least {least} and at most {most} {}: no output has as many",
                unit.as_str()
            )));
        }
        Ok(Self(Kind::Count(unit, least, Some(most))))
    }

    /// At most so many.
    #[must_use]
    pub fn at_most(unit: Unit, most: usize) -> Self {
        Self(Kind::Count(unit, 0, Some(most)))
    }

    /// At least so many.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for 0, which every output has.
    pub fn at_least(unit: Unit, least: usize) -> Result<Self> {
        if least == 0 {
            return Err(invalid(format!(
                "at least 0 {}: every output has as many; give 1 or more",
                unit.as_str()
            )));
        }
        Ok(Self(Kind::Count(unit, least, None)))
    }

    /// The output is one of these, byte by byte but for white space at both ends.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for none at all.
    pub fn one_of(allowed: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let allowed: Vec<String> = allowed.into_iter().map(Into::into).collect();
        if allowed.is_empty() {
            return Err(invalid(
                "an allowed set without anything in it; name what is allowed",
            ));
        }
        Ok(Self(Kind::OneOf(allowed)))
    }

    /// The output contains this phrase.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty phrase.
    pub fn says(phrase: impl Into<String>) -> Result<Self> {
        let (phrase, folded) = phrase_of(phrase)?;
        Ok(Self(Kind::Says(phrase, folded)))
    }

    /// The output does not contain this phrase.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty phrase.
    pub fn does_not_say(phrase: impl Into<String>) -> Result<Self> {
        let (phrase, folded) = phrase_of(phrase)?;
        Ok(Self(Kind::DoesNotSay(phrase, folded)))
    }
}

/// 1 when the output keeps every rule, else 0. Phrases are looked for whatever their letters' case.
#[derive(Clone)]
pub struct Constraint {
    rules: Vec<Rule>,
}

impl Constraint {
    /// Of these rules.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) without any: every output would keep them.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self> {
        let rules: Vec<Rule> = rules.into_iter().collect();
        if rules.is_empty() {
            return Err(invalid(
                "a constraint without a rule, which every output keeps; add one",
            ));
        }
        Ok(Self { rules })
    }
}

fn phrase_of(phrase: impl Into<String>) -> Result<(String, String)> {
    let phrase = phrase.into();
    if phrase.is_empty() {
        return Err(invalid(
            "an empty phrase, which every output contains; give a text",
        ));
    }
    let folded = folded(&phrase);
    Ok((phrase, folded))
}

impl Rule {
    /// Why the output breaks it.
    fn broken(&self, output: &str, folded_output: &str) -> Option<String> {
        match &self.0 {
            Kind::Count(unit, least, most) => {
                let found = unit.count(output);
                let unit = unit.as_str();
                if found < *least {
                    return Some(format!("expected at least {least} {unit}, found {found}"));
                }
                most.filter(|most| found > *most)
                    .map(|most| format!("expected at most {most} {unit}, found {found}"))
            }
            Kind::OneOf(allowed) => {
                let output = output.trim();
                (!allowed.iter().any(|one| one.trim() == output))
                    .then(|| format!("expected one of {} texts, found {}", allowed.len(), shown(output)))
            }
            Kind::Says(phrase, folded) => {
                (!folded_output.contains(folded)).then(|| format!("{} is not there", shown(phrase)))
            }
            Kind::DoesNotSay(phrase, folded) => folded_output
                .contains(folded)
                .then(|| format!("{} is there", shown(phrase))),
        }
    }

    fn configuration(&self) -> Value {
        match &self.0 {
            Kind::Count(unit, least, most) => json!({"count": unit.as_str(), "least": least, "most": most}),
            Kind::OneOf(allowed) => json!({"one_of": allowed}),
            Kind::Says(phrase, _) => json!({"says": phrase}),
            Kind::DoesNotSay(phrase, _) => json!({"does_not_say": phrase}),
        }
    }
}

#[async_trait]
impl Scorer for Constraint {
    fn name(&self) -> &str {
        "constraint"
    }

    fn configuration(&self) -> Value {
        self.rules.iter().map(Rule::configuration).collect()
    }

    fn dimension(&self) -> &str {
        "format"
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let output = output_text(input)?;
        let looks_for_phrases = |rule: &Rule| matches!(rule.0, Kind::Says(..) | Kind::DoesNotSay(..));
        let folded_output = if self.rules.iter().any(looks_for_phrases) {
            folded(output)
        } else {
            String::new()
        };
        let mut broken: Vec<String> = self
            .rules
            .iter()
            .filter_map(|rule| rule.broken(output, &folded_output))
            .collect();
        if broken.is_empty() {
            return Ok(Score::pass(
                true,
                format!("all {} rules are kept", self.rules.len()),
            ));
        }
        if broken.len() > MAX_LISTED {
            let more = broken.len() - MAX_LISTED;
            broken.truncate(MAX_LISTED);
            broken.push(format!("and {more} more"));
        }
        Ok(Score::pass(false, broken.join("; ")))
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constraint({} rules)", self.rules.len())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Count(unit, ..) => unit.as_str(),
            Kind::OneOf(_) => "one_of",
            Kind::Says(..) => "says",
            Kind::DoesNotSay(..) => "does_not_say",
        })
    }
}
