//! A judge of two outputs of the same input.

use std::fmt;

use futures_util::future::join;
use serde_json::{Map, Value, json};

use super::excerpt::{Bounds, LongTexts};
use super::form::check_text;
use super::model::{Asked, JudgeModel, Spent};
use super::prompt::{self, A, B, INPUT, Kind, Prompt, Section, Verdict};
use super::reply::{self, Reply};
use crate::base::error::Result;
use crate::evaluation::scorer::JudgeStanding;
use crate::llm::{Cost, Usage};

/// What can be answered: of the texts A and B, in this order.
const VERDICTS: [&str; 3] = [A, B, "tie"];

/// A model that says which of two outputs of the same input is better.
///
/// It is asked twice, once in each order, since models favour a place; what counts is a verdict that both agree on. It is no
/// [`Scorer`](crate::evaluation::Scorer), since it scores no output by itself.
#[derive(Clone)]
pub struct PairwiseJudge {
    model: JudgeModel,
    criterion: String,
    shows_input: bool,
    bounds: Bounds,
}

/// Makes a [`PairwiseJudge`].
#[derive(Debug, Clone)]
#[must_use = "a judge is made by `build`"]
pub struct PairwiseJudgeBuilder(PairwiseJudge);

/// Two outputs of the same input.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// What was asked: the parameters of both.
    pub input: &'a Map<String, Value>,
    /// One output.
    pub first: &'a str,
    /// The other.
    pub second: &'a str,
}

/// One of two, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The first is better.
    First,
    /// The second is better.
    Second,
    /// Neither is clearly better.
    Tie,
}

/// What both orders come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preference {
    /// Both say so.
    Consistent(Choice),
    /// They differ: nothing is known.
    Inconsistent,
}

/// What a [`PairwiseJudge`] says of a pair.
#[derive(Clone, PartialEq, Eq)]
pub struct PairVerdict {
    /// What it said when it was shown the first as A.
    pub in_order: Choice,
    /// What it said when it was shown the second as A.
    pub swapped: Choice,
    /// Why, in the same order; in its words, which call the outputs A and B as they were shown. May quote them.
    pub reasons: [String; 2],
    /// Tokens of both questions.
    pub usage: Usage,
    /// What both cost; `None` when a price is unknown.
    pub cost: Option<Cost>,
}

impl PairVerdict {
    /// The verdict that both orders agree on.
    #[must_use]
    pub fn preference(&self) -> Preference {
        if self.in_order == self.swapped {
            Preference::Consistent(self.in_order)
        } else {
            Preference::Inconsistent
        }
    }
}

impl PairwiseJudge {
    /// A judge by this criterion.
    pub fn builder(model: impl Into<JudgeModel>, criterion: impl Into<String>) -> PairwiseJudgeBuilder {
        PairwiseJudgeBuilder(Self {
            model: model.into(),
            criterion: criterion.into(),
            shows_input: true,
            bounds: Bounds::default(),
        })
    }

    /// What must be known of it before it judges: that it is no judge of its own model is for the caller to see to. It is
    /// never calibrated in the sense of [`LlmJudge`](super::LlmJudge).
    #[must_use]
    pub fn standing(&self) -> JudgeStanding {
        self.model.standing(false)
    }

    /// Everything beside the pair that decides a verdict, as JSON without secrets.
    #[must_use]
    pub fn configuration(&self) -> Value {
        json!({
            "model": self.model.configuration(),
            "question": {"form": Kind::Pairwise.as_str(), "text": self.criterion, "verdicts": VERDICTS},
            "shows_input": self.shows_input,
            "bounds": self.bounds.configuration(),
            "prompt": {"version": prompt::VERSION, "hash": prompt::fingerprint(Kind::Pairwise)},
        })
    }

    /// Compares two outputs, in both orders at once. Outputs that are the same are asked about like others.
    ///
    /// # Errors
    /// As [`LlmJudge`](super::LlmJudge)'s `score`: of either order.
    pub async fn compare(&self, pair: &Pair<'_>) -> Result<PairVerdict> {
        self.judge(pair).await.answer
    }

    pub(super) async fn judge(&self, pair: &Pair<'_>) -> Asked<PairVerdict> {
        let swapped = Pair {
            first: pair.second,
            second: pair.first,
            ..*pair
        };
        let (in_order, swapped) = join(self.ask(pair), self.ask(&swapped)).await;
        let mut spent = in_order.spent;
        spent += swapped.spent;
        let both = in_order.answer.and_then(|a| Ok((a, swapped.answer?)));
        spent.on(both.map(|(in_order, swapped)| PairVerdict {
            in_order: choice(&in_order, Choice::First, Choice::Second),
            swapped: choice(&swapped, Choice::Second, Choice::First),
            reasons: [in_order.reasoning, swapped.reasoning],
            usage: spent.usage,
            cost: spent.cost,
        }))
    }

    async fn ask(&self, pair: &Pair<'_>) -> Asked<Reply> {
        let input = self
            .shows_input
            .then(|| Value::from(pair.input.clone()).to_string());
        let shown = match self.shown(input.as_deref(), pair) {
            Ok(shown) => shown,
            Err(error) => return Spent::default().on(Err(error)),
        };
        let verdicts = VERDICTS.map(|name| Verdict { name, when: None });
        let prompt = Prompt::new(Kind::Pairwise, &self.criterion, &verdicts, &shown);
        self.model.ask(&prompt, |text| reply::read(text, &VERDICTS)).await
    }

    fn shown<'a>(&self, input: Option<&'a str>, pair: &Pair<'a>) -> Result<Vec<Section<'a>>> {
        let texts = [(INPUT, input), (A, Some(pair.first)), (B, Some(pair.second))];
        let present = texts.into_iter().filter_map(|(tag, text)| Some((tag, text?)));
        present
            .map(|(tag, text)| {
                let what = if tag == INPUT {
                    "the input"
                } else {
                    "one of the outputs"
                };
                let excerpt = self.bounds.excerpt(what, text)?;
                Ok(Section { tag, excerpt })
            })
            .collect()
    }
}

fn choice(reply: &Reply, a: Choice, b: Choice) -> Choice {
    match reply.verdict {
        0 => a,
        1 => b,
        _ => Choice::Tie,
    }
}

impl PairwiseJudgeBuilder {
    /// Does not show it what was asked.
    pub fn without_input(mut self) -> Self {
        self.0.shows_input = false;
        self
    }

    /// The most bytes that it is shown of each text, 100 to 4 MiB; 48 KiB unless said otherwise.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.0.bounds.max_bytes = bytes;
        self
    }

    /// What becomes of longer texts; [`Refuse`](LongTexts::Refuse) unless said otherwise.
    pub fn long_texts(mut self, long: LongTexts) -> Self {
        self.0.bounds.long = long;
        self
    }

    /// The judge.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), as [`LlmJudgeBuilder::build`](super::LlmJudgeBuilder::build).
    pub fn build(self) -> Result<PairwiseJudge> {
        let judge = self.0;
        judge.model.check()?;
        check_text(&judge.criterion)?;
        judge.bounds.check()?;
        Ok(judge)
    }
}

/// Who judges, without what it is asked.
impl fmt::Debug for PairwiseJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairwiseJudge")
            .field("model", &self.model)
            .field("criterion", &self.criterion.len())
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// Sizes, without what is said.
impl fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({} and {} bytes)", self.first.len(), self.second.len())
    }
}

/// Without the reasons, which may quote the outputs.
impl fmt::Debug for PairVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairVerdict")
            .field("in_order", &self.in_order)
            .field("swapped", &self.swapped)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
