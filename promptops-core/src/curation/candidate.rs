//! From a trace to an entry that may come into the dataset.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::SecondsFormat;
use serde_json::{Map, Value};

use crate::base::hash::{CanonicalHasher, hex};
use crate::base::{TenantId, TraceId};
use crate::evaluation::Entry;
use crate::observation::{Redact, TraceRecord};

/// What becomes of the sessions of traces, which are the groups of entries: what of one session depends on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sessions {
    /// The group is `session-` and 16 hexadecimal digits of SHA-256 over the canonical encoding (see
    /// [`hash`](crate::base::hash)), domain `promptops.session`, format 1, of the tenant and the session as texts. It is of
    /// the session as it was recorded, before redaction, so that what is redacted alike is still told apart. Who knows a
    /// session can find it again; nobody can read it off.
    #[default]
    Hashed,
    /// The group is the session itself, redacted.
    AsTheyAre,
    /// There are no groups.
    Omitted,
}

/// What identifies inputs, whatever the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct InputsKey(pub(super) [u8; 32]);

impl InputsKey {
    pub(super) fn of(inputs: &Map<String, Value>) -> Self {
        let mut hasher = CanonicalHasher::new("promptops.inputs", 1);
        hasher.object(inputs);
        Self(hasher.finish())
    }
}

/// An entry that may come into the dataset.
pub(super) struct Candidate {
    pub key: InputsKey,
    pub trace: TraceId,
    /// Whether what it expects is a correction.
    pub is_corrected: bool,
    pub entry: Entry,
    /// About how much memory it takes.
    pub bytes: usize,
}

impl Candidate {
    /// Which of two with the same inputs counts: one with a correction, then the newest.
    pub fn standing(&self) -> (bool, TraceId) {
        (self.is_corrected, self.trace)
    }
}

/// What became of a trace.
pub(super) enum Made {
    Candidate(Box<Candidate>),
    /// It has no inputs, or none that an entry can hold.
    Unusable,
    /// The redaction failed.
    NotRedacted,
}

/// Which outputs are taken for right, where nobody has corrected them. An answer that failed never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trusted {
    /// Those that served their purpose.
    pub successes: bool,
    /// Those with a rating of so many millionths at least.
    pub min_rating_millionths: Option<u32>,
}

impl Trusted {
    fn takes(&self, trace: &TraceRecord) -> bool {
        let success = trace.is_success();
        let is_rated = || {
            let least = self.min_rating_millionths?;
            Some(trace.rating_millionths? >= least)
        };
        success != Some(false) && ((self.successes && success == Some(true)) || is_rated().unwrap_or(false))
    }
}

/// The entry that a trace becomes, as it was recorded; `None` where its inputs can be none of an entry's. Its session is the
/// entry's group, hashed.
pub(crate) fn entry_of(tenant: &TenantId, trace: TraceRecord, expect_successes: bool) -> Option<Entry> {
    let making = Making {
        tenant,
        trusted: Trusted {
            successes: expect_successes,
            min_rating_millionths: None,
        },
        sessions: Sessions::Hashed,
        redact: None,
    };
    match making.make(trace) {
        Made::Candidate(candidate) => Some(candidate.entry),
        Made::Unusable | Made::NotRedacted => None,
    }
}

/// How traces become entries.
pub(super) struct Making<'a> {
    pub tenant: &'a TenantId,
    pub trusted: Trusted,
    pub sessions: Sessions,
    pub redact: Option<&'a dyn Redact>,
}

impl Making<'_> {
    /// The entry of a trace, redacted before anything else is made of it.
    pub fn make(&self, mut trace: TraceRecord) -> Made {
        let hashed = trace.session.as_deref().map(|session| self.hashed(session));
        if let Some(redact) = self.redact {
            let (id, at, stamp) = (trace.id, trace.at, trace.stamp.clone());
            // The panic hook has reported it.
            if catch_unwind(AssertUnwindSafe(|| redact.trace(&mut trace))).is_err() {
                return Made::NotRedacted;
            }
            (trace.id, trace.at, trace.stamp) = (id, at, stamp);
        }
        let bytes = trace.bytes();
        let metadata = metadata(&trace);
        let trusted = self.trusted.takes(&trace);
        let Some(Value::Object(input)) = trace.inputs else {
            return Made::Unusable;
        };
        let key = InputsKey::of(&input);
        let mut entry = Entry::new(format!("trace-{}", trace.id), input);
        entry.metadata = metadata;
        entry.group = match self.sessions {
            Sessions::Hashed => hashed,
            Sessions::AsTheyAre => trace.session,
            Sessions::Omitted => None,
        };
        let is_corrected = trace.corrected_output.is_some();
        let output = trace.output.filter(|_| trusted);
        let expected = match (trace.corrected_output, output) {
            (Some(text), _) => Some((text, Self::CORRECTION)),
            (None, Some(text)) => Some((text, Self::OUTPUT)),
            (None, None) => None,
        };
        if let Some((text, from)) = expected {
            entry = entry.expecting(text).with(Self::EXPECTED_FROM, from);
        }
        if entry.check().is_err() {
            return Made::Unusable;
        }
        Made::Candidate(Box::new(Candidate {
            key,
            trace: trace.id,
            is_corrected,
            entry,
            bytes,
        }))
    }

    fn hashed(&self, session: &str) -> String {
        let mut hasher = CanonicalHasher::new("promptops.session", 1);
        hasher.text(self.tenant.as_str());
        hasher.text(session);
        let mut digits = hex(&hasher.finish());
        digits.truncate(16);
        format!("session-{digits}")
    }
}

impl Making<'_> {
    /// The key of metadata that says where an expected output is from.
    pub const EXPECTED_FROM: &'static str = "expected_from";
    const CORRECTION: &'static str = "correction";
    const OUTPUT: &'static str = "output";
}

/// What is known about the answer. What is not known is left out.
fn metadata(trace: &TraceRecord) -> Map<String, Value> {
    let stamp = &trace.stamp;
    let known = [
        ("trace", Some(trace.id.to_string().into())),
        (
            "at",
            Some(trace.at.to_rfc3339_opts(SecondsFormat::Micros, true).into()),
        ),
        ("closure_hash", Some(stamp.closure_hash.to_string().into())),
        ("version", stamp.version.map(|version| version.get().into())),
        (
            "environment",
            stamp.environment.as_ref().map(|name| name.as_str().into()),
        ),
        ("success", trace.is_success().map(Value::Bool)),
        ("rating", trace.rating().map(Value::from)),
        (
            "error",
            trace.error.as_ref().map(|error| error.kind.as_str().into()),
        ),
        ("model", trace.model.as_deref().map(Value::from)),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(key, value): (&str, Option<Value>)| Some((key.to_owned(), value?)))
        .collect()
}
