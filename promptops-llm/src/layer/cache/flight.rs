//! One question at a time for each key, however many ask it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use promptops_core::llm::{Completion, CompletionKey};
use tokio::sync::watch;

/// Questions under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CompletionKey, watch::Receiver<News>>>);

/// What is known of a question under way.
#[derive(Clone)]
enum News {
    None,
    Answered(Box<Completion>),
    Failed,
}

/// Who is to ask.
pub(super) enum Turn<'a> {
    /// Whoever gets this.
    Lead(Leader<'a>),
    /// Somebody else, who is asking.
    Follow(Follower),
}

/// Asks for everybody who wants the same. Dropped before it says anything, it leaves the question to the next.
pub(super) struct Leader<'a> {
    flights: &'a Flights,
    key: CompletionKey,
    news: watch::Sender<News>,
    failed: bool,
}

/// Waits for a leader.
pub(super) struct Follower(watch::Receiver<News>);

/// What a follower came to hear.
pub(super) enum Heard {
    /// The answer.
    Answer(Box<Completion>),
    /// The leader got an error.
    Failed,
    /// The leader was dropped.
    Nothing,
}

impl Flights {
    pub(super) fn join(&self, key: CompletionKey) -> Turn<'_> {
        let mut under_way = self.under_way();
        if let Some(news) = under_way.get(&key) {
            return Turn::Follow(Follower(news.clone()));
        }
        let (news, heard) = watch::channel(News::None);
        under_way.insert(key, heard);
        Turn::Lead(Leader {
            flights: self,
            key,
            news,
            failed: false,
        })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<CompletionKey, watch::Receiver<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader<'_> {
    /// Tells the answer to whoever waits for it, and to whoever comes before this leader is dropped.
    pub(super) fn answered(&self, completion: &Completion) {
        self.news
            .send_replace(News::Answered(Box::new(completion.clone())));
    }

    /// Tells that there is no answer.
    pub(super) fn failed(mut self) {
        self.failed = true;
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        // First the way is made free, then followers are told: one of them leads next.
        self.flights.under_way().remove(&self.key);
        if self.failed {
            self.news.send_replace(News::Failed);
        }
    }
}

impl Follower {
    pub(super) async fn wait(mut self) -> Heard {
        match self
            .0
            .wait_for(|news| !matches!(news, News::None))
            .await
            .as_deref()
        {
            Ok(News::Answered(completion)) => Heard::Answer(completion.clone()),
            Ok(News::Failed) => Heard::Failed,
            Ok(News::None) | Err(_) => Heard::Nothing,
        }
    }
}
