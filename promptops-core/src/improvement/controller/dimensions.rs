//! From an evaluation's criteria to a gate's dimensions, and from a run's result to an answer in them: pure.

use super::plan::score_name;
use crate::base::ScoreName;
use crate::base::error::{Result, invalid};
use crate::evaluation::EntryResult;
use crate::evaluation::run::{EntryErrorKind, EvaluatorRecord};
use crate::improvement::replay::{Answer, Call, Dimension, Gate, GateSettings, Role, Scale};
use crate::llm::LlmErrorKind;

/// The dimension whose criteria say whether an answer keeps its format.
const FORMAT: &str = "format";

/// What of a result counts in which dimension.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dimensions {
    /// Each with the places of its criteria.
    scored: Vec<(ScoreName, Vec<usize>)>,
    /// Criteria of the format, with their pass marks.
    format: Vec<(usize, f64)>,
    criteria: usize,
}

impl Dimensions {
    /// Those of an evaluator, in the order of their first criteria. Where all of them are of the format, that is a dimension
    /// as any other.
    pub fn of(evaluator: &EvaluatorRecord) -> Result<Self> {
        let is_format = |place: usize| evaluator.criteria[place].dimension == FORMAT;
        let all: Vec<usize> = (0..evaluator.criteria.len()).collect();
        let only_format = all.iter().all(|place| is_format(*place));
        let mut dimensions = Self {
            scored: Vec::new(),
            format: Vec::new(),
            criteria: all.len(),
        };
        for place in all {
            let criterion = &evaluator.criteria[place];
            if is_format(place) && !only_format {
                dimensions.format.push((place, criterion.pass_mark));
                continue;
            }
            let name = score_name(&criterion.dimension)?;
            match dimensions.scored.iter_mut().find(|(present, _)| *present == name) {
                Some((_, places)) => places.push(place),
                None => dimensions.scored.push((name, vec![place])),
            }
        }
        Ok(dimensions)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &ScoreName> {
        self.scored.iter().map(|(name, _)| name)
    }

    /// The place of the dimension that a candidate has to be better in: the one that is asked for, else where the failures
    /// are, else the first.
    pub fn target(&self, asked: Option<&ScoreName>, failed: Option<&str>) -> Result<usize> {
        if let Some(asked) = asked {
            return self.names().position(|name| name == asked).ok_or_else(|| {
                let names: Vec<&str> = self.names().map(|name| name.as_str()).collect();
                invalid(format!(
                    "the target {asked} is none of the evaluation's dimensions: {}",
                    names.join(", ")
                ))
            });
        }
        let failed = failed.and_then(|failed| self.names().position(|name| name.as_str() == failed));
        Ok(failed.unwrap_or(0))
    }

    /// The gate over calls in these dimensions. A dimension whose every score is 0 or 1 is one of passes.
    pub fn gate<'a>(
        &self,
        settings: GateSettings,
        target: usize,
        calls: impl Iterator<Item = &'a Call> + Clone,
    ) -> Result<Gate> {
        let answers = calls.filter_map(|call| match call {
            Call::Answered(answer) => Some(answer),
            Call::Failed => None,
        });
        let dimensions = self.names().enumerate().map(|(place, name)| {
            let mut scores = answers.clone().map(|answer| answer.scores[place]);
            Dimension {
                name: name.clone(),
                role: if place == target {
                    Role::Target
                } else {
                    Role::Guard
                },
                scale: if scores.all(|score| score == 0.0 || score == 1.0) {
                    Scale::Pass
                } else {
                    Scale::Graded
                },
            }
        });
        let gate = Gate::new(settings, dimensions.collect())?;
        Ok(if self.format.is_empty() {
            gate.without_format()
        } else {
            gate
        })
    }

    /// What a result counts as. What the prompt brings about is an answer with the worst scores; what it has no part in, and
    /// an answer that nobody could score, is a call that failed.
    pub fn call(&self, result: Option<&EntryResult>) -> Call {
        let Some(result) = result else {
            return Call::Failed;
        };
        if let Some(error) = &result.error {
            return if is_of_the_prompt(error.kind) {
                self.worst()
            } else {
                Call::Failed
            };
        }
        if result.output.is_none() || result.scores.len() != self.criteria {
            return Call::Failed;
        }
        let values: Option<Vec<f64>> = result.scores.iter().map(|score| score.value()).collect();
        let Some(values) = values else {
            return Call::Failed;
        };
        let mean = |places: &[usize]| {
            places.iter().map(|place| values[*place]).sum::<f64>() / places.len().max(1) as f64
        };
        Call::Answered(Answer {
            scores: self.scored.iter().map(|(_, places)| mean(places)).collect(),
            format: self.keeps(|(place, mark)| values[place] >= mark),
        })
    }

    fn worst(&self) -> Call {
        Call::Answered(Answer {
            scores: vec![0.0; self.scored.len()],
            format: self.keeps(|_| false),
        })
    }

    fn keeps(&self, holds: impl Fn((usize, f64)) -> bool) -> Option<bool> {
        (!self.format.is_empty()).then(|| self.format.iter().all(|criterion| holds(*criterion)))
    }
}

/// Whether a prompt is to blame for there being no answer.
fn is_of_the_prompt(kind: EntryErrorKind) -> bool {
    match kind {
        EntryErrorKind::Render => true,
        EntryErrorKind::Model(kind) => matches!(
            kind,
            LlmErrorKind::ContextLength
                | LlmErrorKind::ContentFilter
                | LlmErrorKind::InvalidRequest
                | LlmErrorKind::Unsupported
        ),
        _ => false,
    }
}
