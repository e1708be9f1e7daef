//! A judge of single outputs, as a scorer.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::calibration::{Calibration, Target};
use super::excerpt::{Bounds, Excerpt, LongTexts};
use super::form::Form;
use super::model::{Asked, JudgeModel, Spent};
use super::prompt::{self, EXPECTED, INPUT, OUTPUT, Prompt, Section, Verdict};
use super::reply;
use super::scale::Scale;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::{MAX_NAME_BYTES, quoted};
use crate::evaluation::scorer::{JudgeStanding, Score, Scorer, ScorerInput};

/// Longest reason of a score, in characters; what a judge writes beyond that is left out.
const MAX_REASON_CHARS: usize = 2_000;

/// A model that scores outputs by a criterion or a question.
///
/// It is shown the output, the entry's input unless [`without_input`](LlmJudgeBuilder::without_input) was said, and the
/// expected output where the form needs it; neither the prompt's name or version nor the rendered messages. A reply that
/// cannot be read is asked for again once; then there is no score.
#[derive(Clone)]
pub struct LlmJudge {
    name: String,
    dimension: String,
    pass_mark: f64,
    model: JudgeModel,
    form: Form,
    scale: Scale,
    shows_input: bool,
    bounds: Bounds,
    calibrated: bool,
}

/// Makes an [`LlmJudge`].
#[derive(Debug, Clone)]
#[must_use = "a judge is made by `build`"]
pub struct LlmJudgeBuilder(LlmJudge);

impl LlmJudge {
    /// The score from which on an entry passes unless said otherwise: "good" on the default scale.
    pub const DEFAULT_PASS_MARK: f64 = 0.75;

    /// A judge by the name `llm_judge`, in the dimension `correctness`.
    pub fn builder(model: impl Into<JudgeModel>, form: Form) -> LlmJudgeBuilder {
        LlmJudgeBuilder(Self {
            name: "llm_judge".into(),
            dimension: "correctness".into(),
            pass_mark: Self::DEFAULT_PASS_MARK,
            model: model.into(),
            scale: form.scale(),
            form,
            shows_input: true,
            bounds: Bounds::default(),
            calibrated: false,
        })
    }

    /// The labels that it chooses from.
    #[must_use]
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// What a run must know of it before it begins.
    #[must_use]
    pub fn standing(&self) -> JudgeStanding {
        self.model.standing(self.calibrated)
    }

    /// Makes it a calibrated judge by a calibration that meets the default [`Target`].
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when the calibration is of a judge with another configuration, be it another wording
    /// of this library's; [`Refused`](ErrorKind::Refused), with every condition that is not met, when it does not pass.
    pub fn calibrated_by(mut self, calibration: &Calibration) -> Result<Self> {
        if !calibration.is_of(&self) {
            return Err(invalid(format!(
                "the calibration is of a judge with another configuration than {} has now; calibrate this one",
                quoted(&self.name)
            )));
        }
        let unmet = calibration.unmet(&Target::default());
        if !unmet.is_empty() {
            let message = format!("the judge {} is not calibrated", quoted(&self.name));
            return Err(Error::new(ErrorKind::Refused, message).with_unmet(unmet));
        }
        self.calibrated = true;
        Ok(self)
    }

    /// Judges one output.
    pub(super) async fn judge(&self, case: &Case<'_>) -> Asked<Judged> {
        let input = self
            .shows_input
            .then(|| Value::from(case.input.clone()).to_string());
        let shown = match self.shown(input.as_deref(), case) {
            Ok(shown) => shown,
            Err(error) => return Spent::default().on(Err(error)),
        };
        let verdicts = Verdict::all_of(&self.scale);
        let names: Vec<&str> = verdicts.iter().map(|verdict| verdict.name).collect();
        let prompt = Prompt::new(self.form.kind(), self.form.text(), &verdicts, &shown);
        let asked = self.model.ask(&prompt, |text| reply::read(text, &names)).await;
        asked.map(|reply| {
            let label = &self.scale.labels()[reply.verdict];
            Judged {
                value: label.value(),
                reason: reason(label.name(), &reply.reasoning, &shown),
            }
        })
    }

    fn shown<'a>(&self, input: Option<&'a str>, case: &'a Case<'_>) -> Result<Vec<Section<'a>>> {
        let section = |tag, excerpt: Excerpt<'a>| Section { tag, excerpt };
        let mut shown = Vec::new();
        if let Some(input) = input {
            shown.push(section(INPUT, self.bounds.excerpt("the entry's input", input)?));
        }
        if let Form::Reference { .. } = self.form {
            let Some(expected) = &case.expected else {
                return Err(invalid(format!(
                    "the judge {} holds outputs against the expected one, and the entry has none; add it, or take another form",
                    quoted(&self.name)
                )));
            };
            shown.push(section(
                EXPECTED,
                self.bounds.whole("the expected output", expected)?,
            ));
        }
        shown.push(section(OUTPUT, self.bounds.excerpt("the output", case.output)?));
        Ok(shown)
    }
}

/// The label, what was cut, and the reasoning.
fn reason(label: &str, reasoning: &str, shown: &[Section<'_>]) -> String {
    let mut reason = label.to_owned();
    for section in shown.iter().filter(|section| section.excerpt.whole.is_some()) {
        let what = match section.tag {
            INPUT => "input",
            _ => "output",
        };
        reason += &format!(" (of the {what}, only {} were judged)", section.excerpt.notice());
    }
    reason += ": ";
    match reasoning.char_indices().nth(MAX_REASON_CHARS) {
        None => reason += reasoning,
        Some((end, _)) => {
            reason += &reasoning[..end];
            reason.push('…');
        }
    }
    reason
}

/// One output to be judged.
pub(super) struct Case<'a> {
    input: &'a Map<String, Value>,
    expected: Option<Cow<'a, str>>,
    output: &'a str,
}

impl<'a> Case<'a> {
    pub(super) fn new(input: &'a Map<String, Value>, expected: Option<&'a Value>, output: &'a str) -> Self {
        Self {
            input,
            expected: expected.map(|expected| match expected {
                Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            }),
            output,
        }
    }
}

/// A verdict.
pub(super) struct Judged {
    pub(super) value: f64,
    pub(super) reason: String,
}

#[async_trait]
impl Scorer for LlmJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn configuration(&self) -> Value {
        json!({
            "model": self.model.configuration(),
            "question": self.form.configuration(),
            "shows_input": self.shows_input,
            "bounds": self.bounds.configuration(),
            "prompt": {"version": prompt::VERSION, "hash": prompt::fingerprint(self.form.kind())},
        })
    }

    fn dimension(&self) -> &str {
        &self.dimension
    }

    fn pass_mark(&self) -> f64 {
        self.pass_mark
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        vec![self.standing()]
    }

    /// # Errors
    /// That of the model, with the [`LlmError`](crate::llm::LlmError) as its source; [`Backend`](ErrorKind::Backend) with
    /// [`Unscored`](super::Unscored) as its source when no reply could be read; [`Invalid`](ErrorKind::Invalid) for a text
    /// that is too long to be shown, and where the form needs an expected output and there is none.
    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let case = Case::new(input.parameters, input.expected_output, input.output);
        let asked = self.judge(&case).await;
        let judged = asked.answer?;
        Ok(Score::new(judged.value, judged.reason).paid(asked.spent.usage, asked.spent.cost))
    }
}

impl LlmJudgeBuilder {
    /// Its name, where several judges score in one evaluation: 1 to 200 bytes without control characters.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// The dimension that it scores: 1 to 200 bytes without control characters.
    pub fn dimension(mut self, name: impl Into<String>) -> Self {
        self.0.dimension = name.into();
        self
    }

    /// Lets an entry pass from this score on, 0 ..= 1; [`DEFAULT_PASS_MARK`](LlmJudge::DEFAULT_PASS_MARK) otherwise.
    pub fn pass_mark(mut self, score: f64) -> Self {
        self.0.pass_mark = score;
        self
    }

    /// Does not show it what was asked, for criteria that concern the output alone.
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
    /// [`Invalid`](ErrorKind::Invalid) for a client without a model when none was named; for a criterion that is empty or
    /// longer than [`Form::MAX_TEXT_BYTES`]; for a name, a dimension, a pass mark or a number out of its bounds.
    pub fn build(self) -> Result<LlmJudge> {
        let judge = self.0;
        judge.model.check()?;
        judge.form.check()?;
        judge.bounds.check()?;
        for (what, name) in [("name", &judge.name), ("dimension", &judge.dimension)] {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
                return Err(invalid(format!(
                    "the judge's {what} {} is not allowed; expected 1 to {MAX_NAME_BYTES} bytes without control characters",
                    quoted(name)
                )));
            }
        }
        if !(0.0..=1.0).contains(&judge.pass_mark) {
            return Err(invalid(format!(
                "the judge's pass mark is {}; expected a score in 0 ..= 1",
                judge.pass_mark
            )));
        }
        Ok(judge)
    }
}

/// Who judges and how, without what it is asked.
impl fmt::Debug for LlmJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmJudge")
            .field("name", &self.name)
            .field("model", &self.model)
            .field("form", &self.form)
            .field("bounds", &self.bounds)
            .field("calibrated", &self.calibrated)
            .finish_non_exhaustive()
    }
}
