//! What a proposer is told.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::guard::GuardSettings;
use crate::base::error::Result;
use crate::base::{ClusterId, ContentHash, PromptName, TraceId};
use crate::improvement::cluster::ClusterRecord;
use crate::improvement::triage::{Dimension, OutcomeClass};
use crate::observation::TraceRecord;
use crate::prompt::{Content, ContentAnalysis};
use crate::render::Snippet;

/// What is to be made better: a live prompt, one cluster of its failures, and traces of the part that proposers may see.
///
/// Nothing of the parts that candidates are selected and confirmed on may be in it.
#[derive(Clone)]
pub struct Brief<'a> {
    prompt: &'a PromptName,
    live: &'a Content,
    analysis: ContentAnalysis,
    cluster: ClusterSummary,
    failing: Vec<TraceExcerpt>,
    passing: Vec<TraceExcerpt>,
    known: BTreeSet<ContentHash>,
    snippets: &'a [Snippet],
    guards: GuardSettings,
    seed: u64,
}

impl<'a> Brief<'a> {
    /// For this prompt as it is live, and what is wrong with it: a [`ClusterSummary`], or a `&`[`ClusterRecord`].
    ///
    /// # Errors
    /// [`Template`](crate::ErrorKind::Template) and [`Invalid`](crate::ErrorKind::Invalid) for a live content whose
    /// templates do not parse.
    pub fn new(
        prompt: &'a PromptName,
        live: &'a Content,
        cluster: impl Into<ClusterSummary>,
    ) -> Result<Self> {
        Ok(Self {
            prompt,
            live,
            analysis: ContentAnalysis::of(prompt, None, live)?,
            cluster: cluster.into(),
            failing: Vec::new(),
            passing: Vec::new(),
            known: BTreeSet::new(),
            snippets: &[],
            guards: GuardSettings::default(),
            seed: 0,
        })
    }

    /// Adds failed calls, the most telling first: untrusted. A model is shown the first ones in part; the guards look at all
    /// of all of them.
    #[must_use]
    pub fn failing(mut self, traces: impl IntoIterator<Item = impl Into<TraceExcerpt>>) -> Self {
        self.failing.extend(traces.into_iter().map(Into::into));
        self
    }

    /// Adds calls that went well, for contrast: untrusted too.
    #[must_use]
    pub fn passing(mut self, traces: impl IntoIterator<Item = impl Into<TraceExcerpt>>) -> Self {
        self.passing.extend(traces.into_iter().map(Into::into));
        self
    }

    /// Adds the identities of texts that need not be proposed again: earlier versions, what was rejected or rolled back. The
    /// live text is known anyway.
    #[must_use]
    pub fn known(mut self, hashes: impl IntoIterator<Item = ContentHash>) -> Self {
        self.known.extend(hashes);
        self
    }

    /// Sets the snippets of the live closure, which candidates are compiled with. Without them, a prompt that includes any is
    /// not compiled by the guards, only parsed.
    #[must_use]
    pub fn snippets(mut self, snippets: &'a [Snippet]) -> Self {
        self.snippets = snippets;
        self
    }

    /// Sets what the guards let through.
    #[must_use]
    pub fn guards(mut self, settings: GuardSettings) -> Self {
        self.guards = settings;
        self
    }

    /// Sets what is drawn at random, where anything is. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &'a PromptName {
        self.prompt
    }

    /// What it says.
    #[must_use]
    pub fn live(&self) -> &'a Content {
        self.live
    }

    /// Its parsed templates and what they use.
    #[must_use]
    pub fn analysis(&self) -> &ContentAnalysis {
        &self.analysis
    }

    /// What is wrong with it.
    #[must_use]
    pub fn cluster(&self) -> &ClusterSummary {
        &self.cluster
    }

    /// Failed calls.
    #[must_use]
    pub fn failing_traces(&self) -> &[TraceExcerpt] {
        &self.failing
    }

    /// Calls that went well.
    #[must_use]
    pub fn passing_traces(&self) -> &[TraceExcerpt] {
        &self.passing
    }

    /// All calls, the failed first.
    pub fn traces(&self) -> impl Iterator<Item = &TraceExcerpt> {
        self.failing.iter().chain(&self.passing)
    }

    /// Whether this is a known text.
    #[must_use]
    pub fn is_known(&self, hash: &ContentHash) -> bool {
        self.known.contains(hash)
    }

    /// The snippets of the live closure.
    #[must_use]
    pub fn live_snippets(&self) -> &'a [Snippet] {
        self.snippets
    }

    /// What the guards let through.
    #[must_use]
    pub fn guard_settings(&self) -> &GuardSettings {
        &self.guards
    }

    /// What is drawn at random.
    #[must_use]
    pub fn random_seed(&self) -> u64 {
        self.seed
    }
}

/// Names and counts, without what is said.
impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brief")
            .field("prompt", &self.prompt)
            .field("live", &self.live)
            .field("cluster", &self.cluster)
            .field("failing", &self.failing.len())
            .field("passing", &self.passing.len())
            .field("known", &self.known.len())
            .field("snippets", &self.snippets.len())
            .field("guards", &self.guards)
            .field("seed", &self.seed)
            .finish()
    }
}

/// What is wrong with a prompt, as far as a proposer need know.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSummary {
    /// The cluster; `None` for failures of none.
    pub id: Option<ClusterId>,
    /// What it is called: made of what traces say, and untrusted like them.
    pub label: String,
    /// In what respect its members failed.
    pub dimension: Dimension,
    /// What went wrong with them.
    pub class: OutcomeClass,
    /// How many members it has.
    pub size: u64,
}

impl From<&ClusterRecord> for ClusterSummary {
    fn from(record: &ClusterRecord) -> Self {
        Self {
            id: Some(record.id.clone()),
            label: record.label.text().to_owned(),
            dimension: record.dimension.clone(),
            class: record.class,
            size: record.size,
        }
    }
}

/// Without the label.
impl fmt::Debug for ClusterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterSummary")
            .field("id", &self.id)
            .field("dimension", &self.dimension)
            .field("class", &self.class)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What a proposer may see of one call: all of it untrusted.
#[derive(Clone, PartialEq, Default)]
pub struct TraceExcerpt {
    /// The call; `None` for what was made up.
    pub trace: Option<TraceId>,
    /// What the prompt was rendered with: an object, or null where that was not kept.
    pub inputs: Value,
    /// What the model answered.
    pub output: Option<String>,
    /// What it should have answered, where somebody said so.
    pub expected: Option<String>,
    /// What was said of it: an error's message, the reasons of scores, somebody's comment.
    pub comments: Vec<String>,
}

impl TraceExcerpt {
    /// A call with these inputs and this output.
    #[must_use]
    pub fn new(inputs: Value, output: impl Into<String>) -> Self {
        Self {
            inputs,
            output: Some(output.into()),
            ..Self::default()
        }
    }

    /// Adds what was said of it.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.comments.push(text.into());
        self
    }

    /// All texts in it, those in the inputs one by one.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let said = self.output.iter().chain(&self.expected).chain(&self.comments);
        strings(&self.inputs).into_iter().chain(said.map(String::as_str))
    }
}

/// The texts in a value. Not by recursion: how deep it is, is not ours to say.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) => texts.push(text.as_str()),
            Value::Array(items) => pending.extend(items.iter().rev()),
            Value::Object(entries) => pending.extend(entries.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    texts
}

impl From<&TraceRecord> for TraceExcerpt {
    fn from(record: &TraceRecord) -> Self {
        let error = record.error.as_ref().map(|error| error.message.clone());
        let reasons = record.scores.values().filter_map(|score| score.reason.clone());
        Self {
            trace: Some(record.id),
            inputs: record.inputs.clone().unwrap_or(Value::Null),
            output: record.output.clone(),
            expected: record.corrected_output.clone(),
            comments: record
                .comment
                .clone()
                .into_iter()
                .chain(reasons)
                .chain(error)
                .collect(),
        }
    }
}

/// Which call, and how much of it there is.
impl fmt::Debug for TraceExcerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceExcerpt")
            .field("trace", &self.trace)
            .field("has_inputs", &!self.inputs.is_null())
            .field("output_bytes", &self.output.as_ref().map(String::len))
            .field("expected_bytes", &self.expected.as_ref().map(String::len))
            .field("comments", &self.comments.len())
            .finish()
    }
}
