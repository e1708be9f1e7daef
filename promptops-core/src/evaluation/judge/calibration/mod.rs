//! Whether a judge judges as people do.

mod figures;
mod preference;
mod rating;
mod report;

use std::error::Error as StdError;
use std::fmt;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesOrdered;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::figures::Figures;
pub use self::preference::PairwiseCalibration;
pub use self::rating::{HumanPreference, HumanRating, HumanScore};
use super::llm_judge::{Case, LlmJudge};
use super::model::{Asked, Spent};
use super::scale::Scale;
use crate::base::error::{Error, Result, Unmet, invalid};
use crate::base::hash::Canonical;
use crate::base::id::quoted;
use crate::evaluation::scorer::Scorer;
use crate::llm::{Cost, LlmError, Usage};
use crate::statistics::{Confidence, Resampling};

/// How a calibration is run and computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationSettings {
    /// Ratings under way at once, 1 to 256; 8 unless said otherwise.
    pub concurrency: usize,
    /// Draws and seed of the intervals by bootstrap; 10,000 from the seed 0 unless said otherwise.
    pub resampling: Resampling,
    /// How sure the intervals are; 0.95 unless said otherwise.
    pub confidence: Confidence,
}

impl Default for CalibrationSettings {
    fn default() -> Self {
        Self {
            concurrency: 8,
            resampling: Resampling::seeded(0),
            confidence: Confidence::P95,
        }
    }
}

impl CalibrationSettings {
    fn check(&self) -> Result<()> {
        if !(1..=256).contains(&self.concurrency) {
            return Err(invalid(format!(
                "{} ratings are to be under way at once; expected 1 to 256",
                self.concurrency
            )));
        }
        Ok(())
    }
}

/// What a calibrated judge must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Largest mean absolute error, 0 ..= 1; 0.15 unless said otherwise.
    pub mean_absolute_error: f64,
    /// Largest share of ratings that it gave no score for, 0 ..= 1; 0.05 unless said otherwise. What it does not score is not
    /// among its errors, and it may be what is hard.
    pub unscored: f64,
    /// Fewest independent observations; 20 unless said otherwise. With fewer, intervals by bootstrap are too narrow to say
    /// that it beats the constant.
    pub independent: usize,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            mean_absolute_error: 0.15,
            unscored: 0.05,
            independent: 20,
        }
    }
}

/// What a judge said of outputs that people rated, and how far both agree. It can be stored; figures are computed anew from
/// the items when it is read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Calibration {
    record: Record,
    figures: Option<Figures>,
}

/// What is stored of a calibration.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    provider: String,
    model: String,
    configuration: Value,
    scale: Scale,
    resampling: Resampling,
    confidence: Confidence,
    items: Vec<RatedItem>,
    usage: Usage,
    cost: Option<Cost>,
}

/// One rating, and what the judge said.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatedItem {
    /// The rating's id.
    pub id: String,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// People's score, 0 ..= 1.
    pub human: f64,
    /// The judge's score, 0 ..= 1; `None` when it gave none.
    pub judged: Option<f64>,
    /// Why, or why there is none. May quote the output.
    pub reason: String,
}

impl RatedItem {
    /// Of which independent observation it is: of its group, or one of its own.
    fn observation(&self) -> (bool, &str) {
        match &self.group {
            Some(group) => (true, group),
            None => (false, &self.id),
        }
    }
}

impl Calibration {
    /// Has the judge score what people rated.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) before anything is asked: for no rating, an id that is there twice, a label that
    /// is not on the judge's scale. Later that of a model that will not answer any other question either (a wrong key, a
    /// spent budget): nothing is known then. Any other error leaves the one rating unscored.
    pub async fn run(judge: &LlmJudge, ratings: &[HumanRating]) -> Result<Self> {
        Self::run_with(judge, ratings, &CalibrationSettings::default()).await
    }

    /// As [`run`](Self::run), with these settings.
    ///
    /// # Errors
    /// As there, and for settings out of their bounds.
    pub async fn run_with(
        judge: &LlmJudge,
        ratings: &[HumanRating],
        settings: &CalibrationSettings,
    ) -> Result<Self> {
        settings.check()?;
        rating::check_all(ratings)?;
        let human: Vec<f64> = ratings
            .iter()
            .map(|rating| rating.score(judge.scale()))
            .collect::<Result<_>>()?;
        let asked = ask_all(ratings, settings.concurrency, |rating| {
            async move {
                let case = Case::new(&rating.input, rating.expected_output.as_ref(), &rating.output);
                judge.judge(&case).await
            }
            .boxed()
        });
        let (answers, spent) = asked.await?;
        let items = ratings
            .iter()
            .zip(human)
            .zip(answers)
            .map(|((rating, human), answer)| {
                let (judged, reason) = match answer {
                    Ok(judged) => (Some(judged.value), judged.reason),
                    Err(error) => (None, error.to_string()),
                };
                RatedItem {
                    id: rating.id.clone(),
                    group: rating.group.clone(),
                    human,
                    judged,
                    reason,
                }
            });
        let standing = judge.standing();
        Ok(Self::of(Record {
            provider: standing.provider,
            model: standing.model,
            configuration: judge.configuration(),
            scale: judge.scale().clone(),
            resampling: settings.resampling,
            confidence: settings.confidence,
            items: items.collect(),
            usage: spent.usage,
            cost: spent.cost,
        }))
    }

    fn of(record: Record) -> Self {
        let figures = figures::figures(&record.items, &record.scale, record.resampling, record.confidence);
        Self { record, figures }
    }

    /// Every rating with what the judge said, in the order given.
    #[must_use]
    pub fn items(&self) -> &[RatedItem] {
        &self.record.items
    }

    /// How far both agree; `None` when nothing was scored.
    #[must_use]
    pub fn figures(&self) -> Option<&Figures> {
        self.figures.as_ref()
    }

    /// How many ratings the judge gave no score for.
    #[must_use]
    pub fn unscored(&self) -> usize {
        self.items().iter().filter(|item| item.judged.is_none()).count()
    }

    /// Tokens of all replies, those that could not be read included.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.record.usage
    }

    /// What all replies cost; `None` when a price is unknown.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.record.cost
    }

    /// Whether it is of a judge with exactly this configuration.
    #[must_use]
    pub fn is_of(&self, judge: &LlmJudge) -> bool {
        // By the canonical encoding: a database writes 0.0 as 0, and keys in its own order.
        let canonical = |value: &Value| {
            let mut encoding = Canonical::<Vec<u8>>::default();
            encoding.json(value);
            encoding.0
        };
        canonical(&self.record.configuration) == canonical(&judge.configuration())
    }

    /// Whether the judge reaches the target: see [`unmet`](Self::unmet).
    #[must_use]
    pub fn passes(&self, target: &Target) -> bool {
        self.unmet(target).is_empty()
    }

    /// What is missing to the target, each with the value found and the value needed; empty when it is reached:
    ///
    /// - `ratings`: too few independent observations to tell;
    /// - `unscored`: too many ratings without a score;
    /// - `mean_absolute_error`: larger than allowed;
    /// - `better_than_constant`: the judge is no better than the best constant; or better by an amount whose interval does not
    ///   lie above 0, which says that there are too few ratings to tell.
    #[must_use]
    pub fn unmet(&self, target: &Target) -> Vec<Unmet> {
        report::unmet(self, target)
    }
}

/// Asks for all, some at once; answers come in the order of the ratings. Ends at an error that every other would meet too.
async fn ask_all<'a, R: rating::Rating + Sync, T>(
    ratings: &'a [R],
    concurrency: usize,
    ask: impl Fn(&'a R) -> BoxFuture<'a, Asked<T>>,
) -> Result<(Vec<Result<T>>, Spent)> {
    let mut answers = Vec::with_capacity(ratings.len());
    let mut spent = Spent::default();
    let mut waiting = ratings.iter();
    let mut under_way: FuturesOrdered<_> = waiting.by_ref().take(concurrency).map(&ask).collect();
    while let Some(asked) = under_way.next().await {
        under_way.extend(waiting.next().map(&ask));
        spent += asked.spent;
        if let Err(error) = &asked.answer
            && concerns_all(error)
        {
            return Err(error.clone().with("rating", quoted(ratings[answers.len()].id())));
        }
        answers.push(asked.answer);
    }
    Ok((answers, spent))
}

fn concerns_all(error: &Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<LlmError>())
        .is_some_and(|error| error.kind().concerns_every_request())
}

impl TryFrom<Record> for Calibration {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self> {
        let scores = record
            .items
            .iter()
            .flat_map(|item| [Some(item.human), item.judged]);
        if let Some(wrong) = scores.flatten().find(|score| !(0.0..=1.0).contains(score)) {
            return Err(invalid(format!(
                "a calibration has the score {wrong}; expected scores in 0 ..= 1"
            )));
        }
        Ok(Self::of(record))
    }
}

impl From<Calibration> for Record {
    fn from(calibration: Calibration) -> Self {
        calibration.record
    }
}

/// Who was calibrated and the figures, without what was said.
impl fmt::Debug for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calibration")
            .field("provider", &self.record.provider)
            .field("model", &self.record.model)
            .field("items", &self.record.items.len())
            .field("figures", &self.figures)
            .field("cost", &self.record.cost)
            .finish_non_exhaustive()
    }
}

/// Scores, without the reason, which may quote the output.
impl fmt::Debug for RatedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RatedItem({:?}, {}, {:?})", self.id, self.human, self.judged)
    }
}
