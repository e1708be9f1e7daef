//! What resolving and rendering hand out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::cache::{Entry, Shared};
use crate::base::ClosureHash;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::id::quoted;
use crate::experiment::Assigned;
use crate::llm::Blueprint;
use crate::observation::Stamp;
use crate::prompt::{Message, ModelSettings, Tool, Version};
use crate::render::{Engine, Parameter, Rendered};

/// A prompt ready to render. Cheap to clone; keeps what it was resolved to, whatever is promoted meanwhile.
#[derive(Clone)]
pub struct Resolved {
    entry: Arc<Entry>,
    stale: Option<Duration>,
    /// What the experiment gave that is on there.
    assigned: Option<Assigned>,
}

impl Resolved {
    pub(super) fn fresh(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            stale: None,
            assigned: None,
        }
    }

    pub(super) fn stale(entry: Arc<Entry>, age: Duration) -> Self {
        Self {
            entry,
            stale: Some(age),
            assigned: None,
        }
    }

    /// Gives a unit what the experiment has for it that is on there, or a caller the variant that it asks for.
    pub(super) fn assign(mut self, unit: Option<&str>, forced: Option<&str>) -> Result<Self> {
        if let Some(enrolment) = &self.entry.enrolment {
            self.assigned = Some(enrolment.assign(unit, forced)?);
        } else if let Some(variant) = forced
            && !self.is_fallback()
        {
            return Err(self.no_experiment(variant));
        }
        Ok(self)
    }

    #[cold]
    fn no_experiment(&self, variant: &str) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "there is no open experiment here to take the variant {} from; ask for one where the reference names its \
                 environment",
                quoted(variant)
            ),
        )
        .with("prompt", &self.entry.stamp.prompt)
    }

    /// What is served.
    fn shared(&self) -> &Arc<Shared> {
        let arm = match (&self.entry.enrolment, self.assigned) {
            (Some(enrolment), Some(assigned)) => enrolment.arm(assigned),
            _ => None,
        };
        arm.unwrap_or(&self.entry.shared)
    }

    /// Renders it: pass a struct, a map, `serde_json::json!({…})`, or [`params!`](crate::params!). JSON and
    /// [`Params`](crate::Params) are read where they are; of a struct, the fields that the prompt uses are captured.
    ///
    /// # Errors
    /// [`Template`](crate::ErrorKind::Template) with prompt, version, message, line and column, for a missing
    /// variable, a value of a wrong kind, or a limit that is broken; [`Invalid`](crate::ErrorKind::Invalid) for
    /// parameters that are no map or do not fit the input schema.
    pub fn render<P: Serialize + ?Sized>(&self, parameters: &P) -> Result<Answer> {
        let rendered = self.shared().compiled.render(parameters)?;
        let is_text = matches!(rendered, Rendered::Text(_));
        Ok(Answer {
            messages: rendered.into_messages(),
            is_text,
            resolved: self.clone(),
        })
    }

    /// What renders it: the compiled form, or Tera where some template needs it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.shared().compiled.engine()
    }

    /// What to echo with everything that is recorded about the answer.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let mut stamp = self.entry.stamp.clone();
        if let (Some(enrolment), Some(assigned)) = (&self.entry.enrolment, self.assigned) {
            if let Some(variant) = enrolment.variant(assigned) {
                stamp.version = Some(variant.version);
                stamp.closure_hash = variant.closure_hash;
            }
            stamp.assignment = Some(enrolment.assignment(assigned));
        }
        stamp
    }

    /// What the experiment gave that is on there; `None` where none is.
    #[must_use]
    pub fn assigned(&self) -> Option<Assigned> {
        self.assigned
    }

    /// The version; `None` when it is the caller's fallback.
    #[must_use]
    pub fn version(&self) -> Option<&Arc<Version>> {
        self.shared().version()
    }

    /// The pointer's revision, for a reference by environment.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        self.entry.revision
    }

    /// The identity of the text with all its snippets.
    #[must_use]
    pub fn closure_hash(&self) -> ClosureHash {
        let variant = match (&self.entry.enrolment, self.assigned) {
            (Some(enrolment), Some(assigned)) => enrolment.variant(assigned),
            _ => None,
        };
        variant.map_or(self.entry.stamp.closure_hash, |variant| variant.closure_hash)
    }

    /// How long ago the store last confirmed it, when that is longer than it counts as fresh, or a change is known
    /// of that could not be loaded, or it is from a snapshot and was not confirmed since; `None` for a fresh one.
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        self.stale
    }

    /// Why it is stale or a fallback: the error of the last load.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.entry.failure()
    }

    /// Whether it is the caller's fallback.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.shared().version().is_none()
    }

    /// The parameters that it takes.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        self.shared().compiled.parameters()
    }

    /// How the model is to be called.
    #[must_use]
    pub fn settings(&self) -> &ModelSettings {
        &self.shared().compiled.content().settings
    }

    /// Functions that the model may call.
    #[must_use]
    pub fn tools(&self) -> &[Tool] {
        &self.shared().compiled.content().tools
    }

    /// The JSON Schema of the answer.
    #[must_use]
    pub fn output_schema(&self) -> Option<&serde_json::Value> {
        self.shared().compiled.content().output_schema.as_ref()
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("stamp", &self.stamp())
            .field("staleness", &self.stale)
            .finish_non_exhaustive()
    }
}

/// A rendered prompt, and what it was rendered from.
#[derive(Clone)]
pub struct Answer {
    messages: Vec<Message>,
    is_text: bool,
    resolved: Resolved,
}

/// Without what the messages say.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("messages", &self.messages)
            .field("resolved", &self.resolved)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The messages for the model. A text prompt is one user message.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages, taken out.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    /// The text of a text prompt; `None` for a chat.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.messages
            .first()
            .filter(|_| self.is_text)
            .and_then(Message::text)
    }

    /// The request that it makes of a model, with the version's settings, tools and output schema, in no provider's words:
    /// for an [`LlmClient`](crate::llm::LlmClient), or an adapter that makes a provider's JSON of it.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a message put in through a placeholder with a part or an extra that
    /// a blueprint cannot say, [`Invalid`](crate::ErrorKind::Invalid) for one that is malformed.
    pub fn blueprint(&self) -> Result<Blueprint> {
        let content = self.resolved.shared().compiled.content();
        Blueprint::of(content, self.messages.iter().cloned())
    }

    /// What to echo with everything that is recorded about the answer.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.resolved.stamp()
    }

    /// What it was rendered from: version, settings, tools, staleness.
    #[must_use]
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// See [`Resolved::staleness`].
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        self.resolved.staleness()
    }
}
