//! `all`, `any`, `weighted`: several scorers as one.

use std::error::Error as _;
use std::fmt;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Criterion, JudgeStanding, Score, Scorer, ScorerInput};
use crate::base::error::{Error, Result, invalid};
use crate::evaluation::judge::Unscored;
use crate::llm::{Cost, Usage};

/// 1 when every part reaches its pass mark, else 0.
///
/// Parts are asked in order, up to the first that does not pass. An error of a part that is asked is the whole's.
#[derive(Clone)]
pub struct All(Parts);

/// 1 when at least one part reaches its pass mark, else 0.
///
/// Parts are asked in order, up to the first that passes. An error of a part that is asked is the whole's: what comes
/// after is not asked instead.
#[derive(Clone)]
pub struct Any(Parts);

/// The mean of the parts' scores, each as often as its weight. Pass marks of the parts do not count. An error of any
/// part is the whole's.
#[derive(Clone)]
pub struct Weighted {
    parts: Parts,
    weights: Vec<f64>,
}

impl All {
    /// Of these parts. Their dimensions do not count.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) without any part, or with a pass mark outside of 0 ..= 1.
    pub fn new(parts: impl IntoIterator<Item = impl Into<Criterion>>) -> Result<Self> {
        Parts::new("all", parts).map(Self)
    }
}

impl Any {
    /// Of these parts. Their dimensions do not count.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) without any part, or with a pass mark outside of 0 ..= 1.
    pub fn new(parts: impl IntoIterator<Item = impl Into<Criterion>>) -> Result<Self> {
        Parts::new("any", parts).map(Self)
    }
}

impl Weighted {
    /// Of these parts, each with its weight: more than 0, of any sum. Their dimensions do not count.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) without any part, or with a weight that is not more than 0 and at most
    /// 1,000,000.
    pub fn new(parts: impl IntoIterator<Item = (f64, impl Into<Criterion>)>) -> Result<Self> {
        let (weights, parts): (Vec<f64>, Vec<Criterion>) = parts
            .into_iter()
            .map(|(weight, part)| (weight, part.into()))
            .unzip();
        if let Some(wrong) = weights.iter().find(|weight| !(1e-6..=1e6).contains(*weight)) {
            return Err(invalid(format!(
                "a weight of {wrong}; expected a number from 0.000001 to 1,000,000"
            )));
        }
        Ok(Self {
            parts: Parts::new("weighted", parts)?,
            weights,
        })
    }
}

#[derive(Clone)]
struct Parts(Vec<Criterion>);

impl Parts {
    fn new(name: &str, parts: impl IntoIterator<Item = impl Into<Criterion>>) -> Result<Self> {
        let parts: Vec<Criterion> = parts.into_iter().map(Into::into).collect();
        if parts.is_empty() {
            return Err(invalid(format!(
                "the scorer `{name}` without any part; give it one"
            )));
        }
        for part in &parts {
            if !(0.0..=1.0).contains(&part.pass_mark) {
                return Err(invalid(format!(
                    "the part `{}` passes from {} on; expected a number from 0 to 1",
                    part.scorer.name(),
                    part.pass_mark
                )));
            }
        }
        Ok(Self(parts))
    }

    fn configuration(&self) -> Vec<Value> {
        let of = |part: &Criterion| {
            json!({
                "name": part.scorer.name(),
                "configuration": part.scorer.configuration(),
                "pass_mark": part.pass_mark,
            })
        };
        self.0.iter().map(of).collect()
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        self.0.iter().flat_map(|part| part.scorer.judges()).collect()
    }
}

/// What the parts that were asked took.
struct Spent(Usage, Option<Cost>);

impl Spent {
    /// Adds what the parts before took to what a judge without a verdict has spent.
    fn charge(&self, error: Error) -> Error {
        let unscored = error
            .source()
            .and_then(|source| source.downcast_ref::<Unscored>())
            .map(|unscored| unscored.after(self.0, self.1));
        match unscored {
            Some(unscored) => error.caused_by(unscored),
            None => error,
        }
    }

    fn new() -> Self {
        Self(Usage::default(), Some(Cost::ZERO))
    }

    /// Asks a part, whose score the run would not see to check it.
    async fn ask(&mut self, part: &Criterion, input: &ScorerInput<'_>) -> Result<Score> {
        let name = part.scorer.name();
        let score = part
            .scorer
            .score(input)
            .await
            .map_err(|e| self.charge(e).with("scorer", name))?;
        if !(0.0..=1.0).contains(&score.value) {
            return Err(invalid(format!(
                "the scorer `{name}` gave {}; expected a number from 0 to 1",
                score.value
            )));
        }
        self.0 += score.usage;
        self.1 = self.1.zip(score.cost).map(|(sum, more)| sum + more);
        Ok(score)
    }
}

/// The first part that passes, or does not, as asked for.
async fn first(parts: &Parts, passing: bool, input: &ScorerInput<'_>) -> Result<(Option<String>, Spent)> {
    let mut spent = Spent::new();
    for part in &parts.0 {
        let score = spent.ask(part, input).await?;
        if (score.value >= part.pass_mark) == passing {
            let reason = format!("{} ({}): {}", part.scorer.name(), score.value, score.reason);
            return Ok((Some(reason), spent));
        }
    }
    Ok((None, spent))
}

#[async_trait]
impl Scorer for All {
    fn name(&self) -> &str {
        "all"
    }

    fn configuration(&self) -> Value {
        self.0.configuration().into()
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        self.0.judges()
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let (failed, Spent(usage, cost)) = first(&self.0, false, input).await?;
        let pass = failed.is_none();
        let reason = failed.unwrap_or_else(|| format!("all {} parts pass", self.0.0.len()));
        Ok(Score::pass(pass, reason).paid(usage, cost))
    }
}

#[async_trait]
impl Scorer for Any {
    fn name(&self) -> &str {
        "any"
    }

    fn configuration(&self) -> Value {
        self.0.configuration().into()
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        // A part that passes before a judge is asked would vouch for it.
        let mut judges = self.0.judges();
        judges.iter_mut().for_each(|judge| judge.calibrated = false);
        judges
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let (passed, Spent(usage, cost)) = first(&self.0, true, input).await?;
        let pass = passed.is_some();
        let reason = passed.unwrap_or_else(|| format!("none of {} parts passes", self.0.0.len()));
        Ok(Score::pass(pass, reason).paid(usage, cost))
    }
}

#[async_trait]
impl Scorer for Weighted {
    fn name(&self) -> &str {
        "weighted"
    }

    fn configuration(&self) -> Value {
        let parts = self.parts.0.iter().zip(&self.weights);
        let of = |(part, weight): (&Criterion, &f64)| {
            json!({
                "name": part.scorer.name(),
                "configuration": part.scorer.configuration(),
                "weight": weight,
            })
        };
        parts.map(of).collect()
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        self.parts.judges()
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let mut spent = Spent::new();
        // Summed up as differences to the first, so that the mean of equal scores is that score, and not one rounding less.
        let mut first = None;
        let (mut sum, mut whole) = (0.0, 0.0);
        let mut worst: Option<Score> = None;
        let mut worst_name = "";
        for (part, weight) in self.parts.0.iter().zip(&self.weights) {
            let score = spent.ask(part, input).await?;
            sum += weight * (score.value - *first.get_or_insert(score.value));
            whole += weight;
            if worst.as_ref().is_none_or(|worst| score.value < worst.value) {
                worst_name = part.scorer.name();
                worst = Some(score);
            }
        }
        let reason = match worst {
            Some(worst) if worst.value < 1.0 => {
                format!("least: {worst_name} ({}): {}", worst.value, worst.reason)
            }
            _ => "every part has the best score".into(),
        };
        let Spent(usage, cost) = spent;
        Ok(Score::new((first.unwrap_or_default() + sum / whole).clamp(0.0, 1.0), reason).paid(usage, cost))
    }
}

fn show(f: &mut fmt::Formatter<'_>, name: &str, parts: &Parts) -> fmt::Result {
    let mut tuple = f.debug_tuple(name);
    parts.0.iter().for_each(|part| {
        tuple.field(part);
    });
    tuple.finish()
}

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "All", &self.0)
    }
}

impl fmt::Debug for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "Any", &self.0)
    }
}

impl fmt::Debug for Weighted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "Weighted", &self.parts)
    }
}
