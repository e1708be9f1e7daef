//! Exchanges with models, recorded and played back.

mod difference;
mod file;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::llm::{Blueprint, Completion, CompletionKey, LlmClient, LlmError, LlmErrorKind};

use self::difference::{Asked, nearest};
use self::file::{Contents, Exchange, Outcome, Writer, line_of};
use super::asked_model;

/// Exchanges in a file, for as many clients as share it. Clones are the same cassette.
///
/// The file is text, one JSON object to a line: `{"format":"promptops-cassette","version":1}`, then for each exchange
/// `provider`, `model`, `request` (the [`Blueprint`]) and `outcome`, which is `{"completion": …}` or `{"error": …}`. It
/// has what was asked and answered in it, and neither keys nor headers.
///
/// A line is written when its exchange has ended, in one piece and to its end: a crash of the process loses what was
/// under way, and leaves at most the last line torn. Such a line is left out and [said](Self::torn_line). Writing is
/// done where the call is awaited, and takes as long as the file system does.
#[derive(Clone)]
pub struct Cassette(Arc<Shared>);

struct Shared {
    mode: Mode,
    torn_line: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Record,
    RecordMissing,
    Replay,
}

struct State {
    exchanges: Vec<Exchange>,
    /// The exchanges of each key, as indices, in the order in which they were recorded.
    tracks: HashMap<CompletionKey, Track>,
    writer: Option<Writer>,
}

#[derive(Default)]
struct Track {
    recorded: usize,
    left: VecDeque<usize>,
}

impl Cassette {
    /// Records everything into a new file.
    ///
    /// # Errors
    /// [`AlreadyExists`](promptops_core::ErrorKind::AlreadyExists) when there is such a file,
    /// [`Backend`](promptops_core::ErrorKind::Backend) when it cannot be made.
    pub fn record(path: impl AsRef<Path>) -> Result<Self> {
        let writer = Writer::create(path.as_ref())?;
        Self::of(Mode::Record, None, Vec::new(), Some(writer))
    }

    /// Plays back what the file has, and records what it has not. Without such a file, one is made; a torn last line
    /// is cut off.
    ///
    /// # Errors
    /// Those of [`replay`](Self::replay), except for a missing file;
    /// [`Conflict`](promptops_core::ErrorKind::Conflict) when somebody else records into it.
    pub fn record_missing(path: impl AsRef<Path>) -> Result<Self> {
        let (writer, contents) = Writer::open(path.as_ref())?;
        let Contents {
            exchanges, torn_line, ..
        } = contents;
        Self::of(Mode::RecordMissing, torn_line, exchanges, Some(writer))
    }

    /// Plays back what the file has, and asks nobody. A file of at most 1 GiB is read into memory.
    ///
    /// # Errors
    /// [`Corrupt`](promptops_core::ErrorKind::Corrupt) with the number of a line that is no exchange,
    /// [`Unsupported`](promptops_core::ErrorKind::Unsupported) for a file of another version,
    /// [`NotFound`](promptops_core::ErrorKind::NotFound), or
    /// [`Backend`](promptops_core::ErrorKind::Backend) when it cannot be read.
    pub fn replay(path: impl AsRef<Path>) -> Result<Self> {
        let contents = file::read(path.as_ref())?;
        Self::of(Mode::Replay, contents.torn_line, contents.exchanges, None)
    }

    fn of(
        mode: Mode,
        torn_line: Option<usize>,
        exchanges: Vec<Exchange>,
        writer: Option<Writer>,
    ) -> Result<Self> {
        let mut tracks: HashMap<CompletionKey, Track> = HashMap::new();
        for (i, exchange) in exchanges.iter().enumerate() {
            let track = tracks.entry(exchange.asked().key()?).or_default();
            track.recorded += 1;
            track.left.push_back(i);
        }
        Ok(Self(Arc::new(Shared {
            mode,
            torn_line,
            state: Mutex::new(State {
                exchanges,
                tracks,
                writer,
            }),
        })))
    }

    /// A client that plays this cassette in a model's name, without any to ask.
    pub fn player(&self, provider: impl Into<String>, model: Option<&str>) -> Recorded<Nobody> {
        let nobody = Nobody {
            provider: provider.into(),
            model: model.map(ToOwned::to_owned),
        };
        Recorded::new(nobody, self.clone())
    }

    /// The line, from 1, that was found torn at the end of the file, as after a crash, and left out.
    #[must_use]
    pub fn torn_line(&self) -> Option<usize> {
        self.0.torn_line
    }

    /// How many exchanges that were in the file have not been played back.
    #[must_use]
    pub fn unplayed(&self) -> usize {
        self.state().tracks.values().map(|track| track.left.len()).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn play(&self, key: &CompletionKey) -> Option<std::result::Result<Completion, LlmError>> {
        let mut state = self.state();
        let next = state.tracks.get_mut(key)?.left.pop_front()?;
        let exchange = state.exchanges.get(next)?;
        Some(exchange.outcome.replay(&exchange.provider))
    }

    fn not_recorded(&self, key: &CompletionKey, asked: &Asked<'_>) -> LlmError {
        let state = self.state();
        let mut text = match state.tracks.get(key) {
            Some(track) => format!(
                "the request is recorded {} times, and was asked once more; record what is missing",
                track.recorded
            ),
            None => match nearest(asked, state.exchanges.iter().map(Exchange::asked)) {
                None => "no exchange is recorded; record what is missing".into(),
                Some((index, parts)) => format!(
                    "the request is not recorded; the nearest of {}, on line {}, differs in {parts}: ask as it was \
                     recorded, or record what is missing",
                    state.exchanges.len(),
                    line_of(index)
                ),
            },
        };
        if let Some(line) = self.0.torn_line {
            text += &format!(" (line {line} is torn and was left out)");
        }
        LlmError::new(LlmErrorKind::NotRecorded, asked.provider, text)
    }

    fn write(&self, exchange: &Exchange) -> std::io::Result<()> {
        match &mut self.state().writer {
            Some(writer) => writer.write(exchange),
            None => Ok(()),
        }
    }
}

impl Exchange {
    fn asked(&self) -> Asked<'_> {
        Asked {
            provider: &self.provider,
            model: self.model.as_deref(),
            request: &self.request,
        }
    }
}

impl Asked<'_> {
    fn key(&self) -> Result<CompletionKey> {
        CompletionKey::of(
            self.provider,
            self.model.unwrap_or_default(),
            None,
            0,
            self.request,
        )
    }
}

/// How it is used, and how much is on it.
impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassette")
            .field("mode", &self.0.mode)
            .field("unplayed", &self.unplayed())
            .field("torn_line", &self.0.torn_line)
            .finish_non_exhaustive()
    }
}

/// Plays a [`Cassette`] back, or records into it, as that was opened to do.
///
/// - The order of different requests does not matter. Equal ones, of the same provider and model, are played back in
///   the order in which they were recorded, which is that of their ends; each recorded exchange once.
/// - What is not recorded fails, unless it is to be recorded, with [`NotRecorded`](LlmErrorKind::NotRecorded), which
///   names the parts in which the nearest differs.
/// - Errors are recorded and played back with what decides on repeating them; those by which something here refused to
///   ask ([`CircuitOpen`](LlmErrorKind::CircuitOpen), [`Budget`](LlmErrorKind::Budget),
///   [`NotRecorded`](LlmErrorKind::NotRecorded), [`Internal`](LlmErrorKind::Internal)) are not exchanges.
/// - A call that is dropped is not recorded. One that cannot be written fails with
///   [`Internal`](LlmErrorKind::Internal): whoever records wants to have it.
pub struct Recorded<C> {
    client: C,
    cassette: Cassette,
}

impl<C: LlmClient> Recorded<C> {
    /// Asks this client what is to be recorded.
    pub fn new(client: C, cassette: Cassette) -> Self {
        Self { client, cassette }
    }

    async fn record(&self, asked: &Asked<'_>) -> std::result::Result<Completion, LlmError> {
        let result = self.client.complete(asked.request).await;
        if result.as_ref().is_err_and(|error| !is_exchange(error.kind())) {
            return result;
        }
        let exchange = Exchange {
            provider: asked.provider.to_owned(),
            model: asked.model.map(ToOwned::to_owned),
            request: asked.request.clone(),
            outcome: Outcome::of(&result),
        };
        match self.cassette.write(&exchange) {
            Ok(()) => result,
            Err(e) => Err(LlmError::new(
                LlmErrorKind::Internal,
                asked.provider,
                "the model was asked, but the exchange could not be recorded; see that the cassette can be written",
            )
            .caused_by(e)),
        }
    }
}

fn is_exchange(kind: LlmErrorKind) -> bool {
    !matches!(
        kind,
        LlmErrorKind::CircuitOpen | LlmErrorKind::Budget | LlmErrorKind::NotRecorded | LlmErrorKind::Internal
    )
}

#[async_trait]
impl<C: LlmClient> LlmClient for Recorded<C> {
    fn provider(&self) -> &str {
        self.client.provider()
    }

    fn model(&self) -> Option<&str> {
        self.client.model()
    }

    async fn complete(&self, request: &Blueprint) -> std::result::Result<Completion, LlmError> {
        let asked = Asked {
            provider: self.provider(),
            model: asked_model(&self.client, request),
            request,
        };
        if self.cassette.0.mode == Mode::Record {
            return self.record(&asked).await;
        }
        let key = asked.key().map_err(|e| {
            let text = "the request has no key to be found by";
            LlmError::new(LlmErrorKind::InvalidRequest, asked.provider, text).caused_by(e)
        })?;
        match self.cassette.play(&key) {
            Some(result) => result,
            None if self.cassette.0.mode == Mode::RecordMissing => self.record(&asked).await,
            None => Err(self.cassette.not_recorded(&key, &asked)),
        }
    }
}

/// How the cassette is used, and who is asked.
impl<C: LlmClient> fmt::Debug for Recorded<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("provider", &self.client.provider())
            .field("cassette", &self.cassette)
            .finish_non_exhaustive()
    }
}

/// A model's name without a model: what a cassette is played under.
#[derive(Debug, Clone)]
pub struct Nobody {
    provider: String,
    model: Option<String>,
}

#[async_trait]
impl LlmClient for Nobody {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    async fn complete(&self, _: &Blueprint) -> std::result::Result<Completion, LlmError> {
        Err(LlmError::new(
            LlmErrorKind::NotRecorded,
            self.provider.as_str(),
            "there is no model behind this cassette to record",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptops_core::llm::ScriptedLlm;

    #[tokio::test]
    async fn an_exchange_that_cannot_be_recorded_fails_its_call() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Writer::to_read_only(std::fs::File::open(file.path()).unwrap());
        let cassette = Cassette::of(Mode::Record, None, Vec::new(), Some(writer)).unwrap();
        let client = Recorded::new(ScriptedLlm::saying("a"), cassette);
        let failure = client.complete(&Blueprint::default()).await.unwrap_err();
        assert_eq!(failure.kind(), LlmErrorKind::Internal);
        assert!(
            !failure.is_retryable(),
            "or the model would be paid again and again"
        );
    }
}
