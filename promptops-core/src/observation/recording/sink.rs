//! Where what was recorded goes.

use async_trait::async_trait;

use super::recorded::Verdict;
use crate::base::error::{Error, Result};

/// Where one kind of item goes, and who hears what becomes of it.
///
/// # Behavior
/// - A batch may be written twice: when the answer to the first try was lost, when its runtime was shut down meanwhile. What
///   the store has already is a [`Verdict::Duplicate`].
/// - One batch is written at a time, in the order in which items were recorded.
/// - A future of `write` or `written` may be dropped before it is ready. Neither may block its thread, nor wait for the
///   pipeline that calls it.
#[async_trait]
pub(crate) trait Sink: Send + Sync + 'static {
    /// What is recorded.
    type Item: Send + Sync + 'static;

    /// What its items are called, for people.
    fn what(&self) -> &'static str {
        "items"
    }

    /// How many bytes of memory the item takes, by estimate. Called on the caller's thread: be quick.
    fn weight(&self, item: &Self::Item) -> usize;

    /// Stores a batch, never an empty one, and gives one verdict per item in their order. A panic fails the batch.
    async fn write(&self, batch: &[Self::Item]) -> Result<Vec<Verdict>>;

    /// Whether a batch that failed so is tried again.
    fn is_worth_another_try(&self, error: &Error) -> bool {
        error.is_retryable()
    }

    /// Hears of each item that is dropped. Called on the caller's thread: be quick, never block.
    fn dropped(&self, item: &Self::Item) {
        let _ = item;
    }

    /// Hears of each item that was taken and failed.
    fn failed(&self, item: &Self::Item, error: &Error) {
        let _ = (item, error);
    }

    /// Called when a batch is stored and counted. The next batch waits for it, and so does a flush, but not who waits for
    /// one of the items.
    async fn written(&self, batch: &[Self::Item], verdicts: &[Verdict]) {
        let _ = (batch, verdicts);
    }
}
