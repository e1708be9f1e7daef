//! How a run is to be made: who answers, who scores, how much it may take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::record::{CriterionRecord, EvaluatorRecord};
use crate::base::audit::check_text;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::{MAX_NAME_BYTES, quoted};
use crate::evaluation::scorer::Criterion;
use crate::llm::{Cost, LlmClient, PriceTable};
use crate::prompt::Content;

/// How a version is evaluated: the model that answers, the criteria that its answers are scored by, and limits.
///
/// ```
/// use std::sync::Arc;
///
/// use promptops_core::evaluation::Evaluation;
/// use promptops_core::llm::{Cost, Price, PriceTable, ScriptedLlm};
///
/// let model = Arc::new(ScriptedLlm::saying("yes"));
/// let prices = PriceTable::new().with("scripted", "scripted", Price::per_million(0.15, 0.6))?;
/// let evaluation = Evaluation::new(model)
///     .repeats(3)
///     .prices(prices)
///     .budget(Cost::from_usd(5.0)?);
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Evaluation {
    pub(super) client: Arc<dyn LlmClient>,
    pub(super) model: Option<String>,
    pub(super) criteria: Vec<Criterion>,
    pub(super) repeats: u32,
    pub(super) concurrency: usize,
    pub(super) entry_timeout: Duration,
    pub(super) lease: Duration,
    pub(super) prices: Arc<PriceTable>,
    pub(super) budget: Option<Cost>,
    pub(super) reuse_answers: bool,
}

impl Evaluation {
    /// Most repeats of an entry.
    pub const MAX_REPEATS: u32 = 1_000;
    /// Most entries asked at a time.
    pub const MAX_CONCURRENCY: usize = 10_000;
    /// Longest time of an entry, and longest lease: a week.
    pub const MAX_TIME: Duration = Duration::from_secs(7 * 24 * 3_600);

    /// This model answers. Add at least one criterion before a run is started.
    pub fn new(client: Arc<dyn LlmClient>) -> Self {
        Self {
            client,
            model: None,
            criteria: Vec::new(),
            repeats: 1,
            concurrency: 10,
            entry_timeout: Duration::from_secs(300),
            lease: Duration::from_secs(60),
            prices: Arc::new(PriceTable::new()),
            budget: None,
            reuse_answers: false,
        }
    }

    /// Scores by this too: a scorer, or a [`Criterion`] with another dimension or pass mark.
    pub fn criterion(mut self, criterion: impl Into<Criterion>) -> Self {
        self.criteria.push(criterion.into());
        self
    }

    /// Asks this model, whatever the version's settings name.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Asks each entry so often, 1 ..= 1,000. Default: once.
    pub fn repeats(mut self, times: u32) -> Self {
        self.repeats = times;
        self
    }

    /// Has at most so many entries under way at a time, 1 ..= 10,000. Default: 10.
    pub fn concurrency(mut self, entries: usize) -> Self {
        self.concurrency = entries;
        self
    }

    /// Gives an entry so long for its answer and all its scores, at most a week. Default: 300 s.
    pub fn entry_timeout(mut self, limit: Duration) -> Self {
        self.entry_timeout = limit;
        self
    }

    /// Keeps entries from other workers for so long at a time; renewed while this one works on them, so that it says how
    /// long the entries of a worker that died are waited for, 1 s to a week. Default: 60 s. Clocks of the workers' machines must not
    /// differ by more than a part of it.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self
    }

    /// What tokens cost. Without a price a cost is unknown.
    pub fn prices(mut self, prices: PriceTable) -> Self {
        self.prices = Arc::new(prices);
        self
    }

    /// Stops the run before more than this is paid for it, the scorers included, and what was paid before it was resumed.
    /// The price of the model must be known. Of workers that share a run each counts what it pays itself and what was paid
    /// when it began.
    pub fn budget(mut self, most: Cost) -> Self {
        self.budget = Some(most);
        self
    }

    /// Takes answers that an earlier run got for the same closure, input, model and repetition, and keeps new ones for later
    /// runs: only what has changed is asked, and paid, again.
    pub fn reuse_answers(mut self) -> Self {
        self.reuse_answers = true;
        self
    }

    /// Calls of models that scoring one answer takes.
    pub(crate) fn judges(&self) -> u64 {
        let judges = self
            .criteria
            .iter()
            .map(|criterion| criterion.scorer.judges().len());
        judges.sum::<usize>() as u64
    }

    /// What is kept about it with a run of this content.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for whatever would make a run that says nothing: see each setting.
    pub fn record(&self, content: &Content) -> Result<EvaluatorRecord> {
        if self.criteria.is_empty() {
            return Err(invalid(
                "the evaluation has no criterion, so that nothing could fail; add a scorer",
            ));
        }
        for (what, found, most) in [
            ("repeats", u64::from(self.repeats), u64::from(Self::MAX_REPEATS)),
            (
                "concurrency",
                self.concurrency as u64,
                Self::MAX_CONCURRENCY as u64,
            ),
        ] {
            if !(1..=most).contains(&found) {
                return Err(invalid(format!("{what} is {found}; expected 1 to {most}")));
            }
        }
        if self.lease < Duration::from_secs(1) || self.entry_timeout.is_zero() {
            return Err(invalid(
                "the lease is below one second, or the entry's timeout is zero; leave some time",
            ));
        }
        for (what, time) in [("lease", self.lease), ("entry's timeout", self.entry_timeout)] {
            if time > Self::MAX_TIME {
                return Err(invalid(format!(
                    "the {what} is {} s; expected at most a week, {} s",
                    time.as_secs(),
                    Self::MAX_TIME.as_secs()
                )));
            }
        }
        let provider = self.client.provider().to_owned();
        let named = self.model.as_deref().or(content.settings.model.as_deref());
        let model = named.or(self.client.model()).ok_or_else(|| {
            invalid("nobody says which model is to answer; name one in the version's settings, the client or the evaluation")
        })?;
        if self.budget.is_some() && self.prices.price(&provider, model).is_none() {
            return Err(unknown_price(&provider, model));
        }
        let mut criteria: Vec<CriterionRecord> = Vec::with_capacity(self.criteria.len());
        for criterion in &self.criteria {
            let record = self.criterion_record(criterion, &provider, model)?;
            if criteria.iter().any(|other| other.scorer == record.scorer) {
                return Err(invalid(format!(
                    "two scorers are named {}; names must differ, since results are kept under them",
                    quoted(&record.scorer)
                )));
            }
            criteria.push(record);
        }
        Ok(EvaluatorRecord {
            provider,
            model: model.to_owned(),
            repeats: self.repeats,
            criteria,
        })
    }

    fn criterion_record(
        &self,
        criterion: &Criterion,
        provider: &str,
        model: &str,
    ) -> Result<CriterionRecord> {
        let scorer = criterion.scorer.name();
        for (what, name) in [("a scorer's name", scorer), ("a dimension", &criterion.dimension)] {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(invalid(format!(
                    "{what} has {} bytes; expected 1 to {MAX_NAME_BYTES}",
                    name.len()
                )));
            }
            check_text(what, name)?;
        }
        if !(0.0..=1.0).contains(&criterion.pass_mark) {
            return Err(invalid(format!(
                "the pass mark of {} is {}; expected a number in 0.0 ..= 1.0",
                quoted(scorer),
                criterion.pass_mark
            )));
        }
        let judges = criterion.scorer.judges();
        for judge in &judges {
            if judge.provider == provider && judge.model == model && !judge.may_judge_itself {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "the judge {} is the model that it would judge ({provider} {model}), and models favour their own \
                         answers; take another one, or tell the judge that it may",
                        quoted(scorer)
                    ),
                ));
            }
        }
        Ok(CriterionRecord {
            scorer: scorer.to_owned(),
            dimension: criterion.dimension.clone(),
            pass_mark: criterion.pass_mark,
            configuration: criterion.scorer.configuration(),
            calibrated: (!judges.is_empty()).then(|| judges.iter().all(|judge| judge.calibrated)),
        })
    }
}

/// [`Invalid`](ErrorKind::Invalid): a budget was set that could not be kept.
pub(super) fn unknown_price(provider: &str, model: &str) -> Error {
    invalid(format!(
        "the price of {provider} {} is not known, so that the budget could not be kept; add it to the price table",
        quoted(model)
    ))
}

impl fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation")
            .field("provider", &self.client.provider())
            .field("model", &self.model)
            .field("criteria", &self.criteria)
            .field("repeats", &self.repeats)
            .field("concurrency", &self.concurrency)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
