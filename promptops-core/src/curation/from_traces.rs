//! A dataset about to be made of traces.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::append::Present;
use super::candidate::Made;
use super::candidate::{Making, Sessions, Trusted};
use super::report::CurationReport;
use super::sample::Sample;
use super::service::Curation;
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{Actor, DatasetName, Operation, PageRequest, PromptName};
use crate::evaluation::{Dataset, DatasetDraft, Entry};
use crate::observation::{Redact, TraceFilter, TraceRecord};

type Condition = dyn Fn(&TraceRecord) -> bool + Send + Sync;

/// A dataset about to be made of traces; [`save`](Self::save) it.
///
/// ```
/// # use promptops_core::{Result, Tenant, base::Actor, base::PromptName};
/// use promptops_core::observation::TraceFilter;
///
/// # async fn curate(acme: &Tenant, ana: &Actor) -> Result<()> {
/// let failures = TraceFilter {
///     prompt: Some(PromptName::new("support/triage")?),
///     success: Some(false),
///     ..TraceFilter::default()
/// };
/// let curated = acme.curation().dataset("triage/failures").from(failures).sample(200).seed(7).save(ana).await?;
/// # let _ = curated.report;
/// # Ok(())
/// # }
/// ```
///
/// Of traces with the same inputs, one is taken: one with a correction rather than one without, then the newest. An entry's id
/// is `trace-` and the trace's. What it expects is the correction, where there is one. Its metadata are what is known of the
/// answer (`trace`, `at`, `closure_hash`, `version`, `environment`, `success`, `rating`, `error`, `model`, and in
/// `expected_from` whether what is expected is a `correction` or an `output`), its group is the session.
///
/// The same traces, settings and seed make the same dataset, however they are read, and the same entries make the same
/// version.
#[must_use = "a dataset is not made until this is saved"]
pub struct FromTraces {
    curation: Curation,
    name: String,
    filter: TraceFilter,
    condition: Option<Box<Condition>>,
    sample: usize,
    seed: u64,
    expected_rating: Option<f64>,
    trusts_successes: bool,
    sessions: Sessions,
    redact: Option<Arc<dyn Redact>>,
    appends: bool,
    message: Option<String>,
    page: u32,
    max_traces: u64,
    max_bytes: usize,
}

/// A dataset made of traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Curated {
    /// The version that has the entries.
    pub dataset: Dataset,
    /// Whether it was made by this call; else a version had these entries already.
    pub created: bool,
    /// What became of the traces.
    pub report: CurationReport,
}

/// What a dataset is made of, before it is saved.
struct Gathered {
    name: DatasetName,
    prompt: Option<PromptName>,
    metadata: serde_json::Map<String, Value>,
    entries: Vec<Entry>,
    report: CurationReport,
    /// The number of the version that it is added to; 0 where there is none, and `None` where nothing is added to.
    base: Option<u32>,
}

/// How often additions are made anew when others were faster.
const MAX_TRIES: usize = 10;

impl FromTraces {
    /// Most entries that can be drawn.
    pub const MAX_SAMPLE: usize = 100_000;

    pub(super) fn new(curation: Curation, name: String) -> Self {
        Self {
            curation,
            name,
            filter: TraceFilter::default(),
            condition: None,
            sample: 1_000,
            seed: 0,
            expected_rating: None,
            trusts_successes: false,
            sessions: Sessions::default(),
            redact: None,
            appends: false,
            message: None,
            page: 500,
            max_traces: 1_000_000,
            max_bytes: 256 << 20,
        }
    }

    /// Of these traces. They must be of one prompt, for which the dataset is then.
    pub fn from(mut self, filter: TraceFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Of those traces only that meet this condition too, which sees them before they are redacted.
    pub fn only(mut self, condition: impl Fn(&TraceRecord) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// Draws so many of the different inputs, each as likely as another; all, where there are no more. Default 1,000, at most
    /// [`MAX_SAMPLE`](Self::MAX_SAMPLE).
    pub fn sample(mut self, entries: usize) -> Self {
        self.sample = entries;
        self
    }

    /// Another seed draws others. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where nobody has corrected an answer, and it served its purpose, expects that answer. Default: nothing is expected but
    /// corrections, since an answer that served once need not be the right one.
    pub fn expect_successes(mut self) -> Self {
        self.trusts_successes = true;
        self
    }

    /// Where nobody has corrected an answer, and its rating is this at least, 0.0 ..= 1.0, expects that answer, unless it
    /// failed its purpose. Default: see [`expect_successes`](Self::expect_successes).
    pub fn expect_rated(mut self, at_least: f64) -> Self {
        self.expected_rating = Some(at_least);
        self
    }

    /// What becomes of sessions. Default: [`Sessions::Hashed`].
    pub fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// Takes out of each trace what must not be in the dataset, before anything is made of it: before inputs are compared, and
    /// before anything is saved. A trace on which it panics is left out, and counted. Default: what was recorded is taken as
    /// it is. For a function that does so with any text, see [`RedactTexts`](crate::observation::RedactTexts).
    pub fn redact(mut self, redact: impl Redact) -> Self {
        self.redact = Some(Arc::new(redact));
        self
    }

    /// Adds to the newest version of the dataset, if there is one, what it does not have yet: entries that it has keep their
    /// place, and what they expect; those that expect nothing get what is known meanwhile. Of two who add at the same time,
    /// the later one adds to what the earlier one has made, for which it reads the traces again.
    pub fn append(mut self) -> Self {
        self.appends = true;
        self
    }

    /// Says why this version is made. Default: what became of the traces, in words.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// Reads so many traces at once, 1 ..= 1,000. Default 500. The dataset does not depend on it.
    pub fn pages_of(mut self, traces: u32) -> Self {
        self.page = traces;
        self
    }

    /// Looks at so many traces at most, the newest, with or without content: where most have none, set `has_inputs` in the
    /// filter. Default 1,000,000, for which some 40 MB are needed to tell inputs apart.
    pub fn look_at_most(mut self, traces: u64) -> Self {
        self.max_traces = traces;
        self
    }

    /// Refuses entries drawn, and what entries that are there get, that take more memory than this together, in bytes, by
    /// estimate. Default 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Makes the dataset, and saves it.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) for a role that may not; [`Invalid`](ErrorKind::Invalid) for a filter without a
    /// prompt, a name that is none, a number out of its range, entries that are too large together, a dataset to add to that
    /// is for another prompt; [`NotFound`](ErrorKind::NotFound) when nothing is left to be saved, saying why;
    /// [`Conflict`](ErrorKind::Conflict) when others added to the dataset faster ten times; the backend's errors.
    pub async fn save(self, actor: &Actor) -> Result<Curated> {
        actor.authorise(Operation::SaveDataset)?;
        for _ in 1..MAX_TRIES {
            match self.try_save(actor).await {
                // What others have added since is to be in it too.
                Err(e) if e.kind() == ErrorKind::Conflict => {}
                saved => return saved,
            }
        }
        self.try_save(actor).await
    }

    async fn try_save(&self, actor: &Actor) -> Result<Curated> {
        let gathered = self.gather().await?;
        let report = gathered.report;
        let mut draft = DatasetDraft::new(gathered.entries)
            .with_all(gathered.metadata)
            .with(
                "from_traces",
                json!({ "report": report, "sample": self.sample, "seed": self.seed }),
            )
            .message(self.message.clone().unwrap_or_else(|| report.to_string()));
        if let Some(prompt) = gathered.prompt {
            draft = draft.prompt(prompt);
        }
        let datasets = &self.curation.datasets;
        let saved = datasets.put(gathered.name, draft, gathered.base, actor).await?;
        Ok(Curated {
            dataset: saved.dataset,
            created: saved.created,
            report,
        })
    }

    /// What would become of the traces; nothing is saved.
    ///
    /// # Errors
    /// Those of [`save`](Self::save), but for the role's.
    pub async fn preview(&self) -> Result<CurationReport> {
        Ok(self.gather().await?.report)
    }

    async fn gather(&self) -> Result<Gathered> {
        let name = DatasetName::new(&self.name)?;
        let Some(prompt) = &self.filter.prompt else {
            return Err(invalid(
                "the traces may be of any prompt, and inputs of different prompts do not go together; set `prompt` in the \
                 filter given to `from`",
            )
            .with("dataset", &name));
        };
        let trusted = self.check()?;
        let (mut present, mut gathered) = self.present(name, prompt).await?;
        let mut report = CurationReport::default();
        let sample = self.read(trusted, &mut present, &mut report).await?;
        report.duplicates = sample.duplicates;
        report.different = sample.different();
        report.already_there = present.met;
        report.completed = present.completed();
        let drawn = sample.finish();
        if drawn.is_empty() && report.already_there == 0 {
            return Err(nothing_left(&gathered.name, prompt, &report));
        }
        report.sampled = drawn.len() as u64;
        let expects = |entry: &&Entry| entry.expected_output.is_some();
        let new: Vec<Entry> = drawn.into_iter().map(|candidate| candidate.entry).collect();
        report.expecting = new.iter().filter(expects).count() as u64;
        gathered.entries = present.join(new);
        report.saved = gathered.entries.len() as u64;
        gathered.report = report;
        Ok(gathered)
    }

    /// Makes sure that each number is in its range.
    fn check(&self) -> Result<Trusted> {
        if !(1..=Self::MAX_SAMPLE).contains(&self.sample) {
            return Err(invalid(format!(
                "{} entries are to be drawn; expected 1 to {}",
                self.sample,
                Self::MAX_SAMPLE
            )));
        }
        let millionths = |rating: f64| {
            if (0.0..=1.0).contains(&rating) {
                Ok((rating * 1e6).round() as u32)
            } else {
                Err(invalid(format!(
                    "answers with a rating of {rating} are to be expected; expected a number in 0.0 ..= 1.0"
                )))
            }
        };
        Ok(Trusted {
            successes: self.trusts_successes,
            min_rating_millionths: self.expected_rating.map(millionths).transpose()?,
        })
    }

    /// What is added to.
    async fn present(&self, name: DatasetName, prompt: &PromptName) -> Result<(Present, Gathered)> {
        let mut gathered = Gathered {
            prompt: Some(prompt.clone()),
            metadata: serde_json::Map::new(),
            entries: Vec::new(),
            report: CurationReport::default(),
            base: None,
            name,
        };
        if !self.appends {
            return Ok((Present::default(), gathered));
        }
        gathered.base = Some(0);
        let datasets = &self.curation.datasets;
        let dataset = match datasets.get(gathered.name.as_str()).await {
            Ok(dataset) => dataset,
            Err(e) if e.is_not_found() => return Ok((Present::default(), gathered)),
            Err(e) => return Err(e),
        };
        if let Some(other) = dataset.prompt.as_ref().filter(|other| *other != prompt) {
            return Err(invalid(format!(
                "{dataset} is for {other}, and the traces are of {prompt}; give the new dataset another name"
            )));
        }
        let entries = datasets.verified_entries(&dataset).await?;
        gathered.prompt = dataset.prompt;
        gathered.metadata = dataset.metadata;
        gathered.base = Some(dataset.version.get());
        Ok((Present::new(entries), gathered))
    }

    /// Reads the traces, page by page, and keeps what is drawn of them.
    async fn read(
        &self,
        trusted: Trusted,
        present: &mut Present,
        report: &mut CurationReport,
    ) -> Result<Sample> {
        let Curation { traces, tenant, .. } = &self.curation;
        let making = Making {
            tenant,
            trusted,
            sessions: self.sessions,
            redact: self.redact.as_deref(),
        };
        let mut sample = Sample::new(self.sample, self.seed);
        let mut request = PageRequest::first(self.page);
        loop {
            let page = traces.traces(tenant, &self.filter, &request).await?;
            for trace in page.items {
                if report.looked_at == self.max_traces {
                    return Ok(sample);
                }
                report.looked_at += 1;
                if self
                    .condition
                    .as_ref()
                    .is_some_and(|condition| !condition(&trace))
                {
                    continue;
                }
                report.matched += 1;
                match making.make(trace) {
                    Made::Unusable => report.without_inputs += 1,
                    Made::NotRedacted => report.not_redacted += 1,
                    Made::Candidate(candidate) => {
                        if let Some(new) = present.pass(*candidate) {
                            sample.offer(new);
                        }
                    }
                }
                if sample.bytes() + present.bytes() > self.max_bytes {
                    return Err(invalid(format!(
                        "what is drawn has more than {} bytes together; draw fewer, narrow the filter, or allow more",
                        self.max_bytes
                    )));
                }
            }
            match page.next {
                Some(cursor) => request = request.after(cursor),
                None => {
                    report.is_whole = true;
                    return Ok(sample);
                }
            }
        }
    }
}

fn nothing_left(name: &DatasetName, prompt: &PromptName, report: &CurationReport) -> Error {
    let why = if report.looked_at == 0 {
        format!(
            "no trace of {prompt} is what the filter asks for; what was recorded a moment ago must be flushed first"
        )
    } else if report.matched == 0 {
        format!("none of {} traces meets the condition", report.looked_at)
    } else {
        format!(
            "of {} traces, {} have no inputs that an entry can hold, and {} could not be redacted",
            report.matched, report.without_inputs, report.not_redacted
        )
    };
    Error::new(
        ErrorKind::NotFound,
        format!("nothing is left to be saved as {name}: {why}"),
    )
}

impl fmt::Debug for FromTraces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromTraces")
            .field("name", &self.name)
            .field("prompt", &self.filter.prompt)
            .field("sample", &self.sample)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
