//! The change log, read by whoever follows what other processes change. Notifications only wake its readers, who go by
//! position: what was notified while nobody listened is read all the same.

use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::stored::corrupt;
use promptops_core::base::{ChangeFeed, ChangeReader, Event};
use promptops_core::{Error, ErrorKind, Result};
use sqlx::Row;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::backend::PgBackend;
use crate::error::{self, Failure};

const CHANNEL: &str = "promptops";
/// How many changes are read at once.
const BATCH: usize = 1_000;
/// How many changes pass between two clean-ups by one reader.
const CLEAN_EVERY: i64 = 1_000;

const LAST: &str = "SELECT promptops.last_change()";
const AFTER: &str = "SELECT c.at, c.tenant, c.change FROM promptops.changes_after($1, $2) c";
const TRIM: &str = "SELECT promptops.trim_changes($1)";

impl ChangeFeed for PgBackend {
    fn reader(&self) -> Option<Box<dyn ChangeReader>> {
        Some(Box::new(Reader {
            backend: self.clone(),
            listener: None,
            position: None,
            trimmed_at: 0,
        }))
    }
}

struct Reader {
    backend: PgBackend,
    /// A connection of its own, beside the pool's; `None` when it was lost.
    listener: Option<PgListener>,
    /// The position of the change that was returned last.
    position: Option<i64>,
    trimmed_at: i64,
}

#[async_trait]
impl ChangeReader for Reader {
    async fn next(&mut self) -> Result<Vec<Event>> {
        // Taken out while it is used: a call that is dropped in the middle loses the connection and not its place.
        let read = match self.listener.take() {
            Some(listener) => self.wait(listener).await,
            None => self.connect().await,
        };
        let (listener, position, events) = read?;
        self.position = Some(position);
        self.listener = Some(listener);
        Ok(events)
    }
}

/// What was read: the connection, the position after it, and the events.
type Read = (PgListener, i64, Vec<Event>);

impl Reader {
    /// Begins to listen, and only then looks what there is: what is changed after that is notified.
    async fn connect(&mut self) -> error::Result<Read> {
        let settings = self.backend.settings();
        let options = match &settings.listen {
            Some(options) => options.clone(),
            None => (*self.backend.pool().connect_options()).clone(),
        };
        let limit = settings.statement_timeout;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(limit)
            .connect_lazy_with(options);
        let mut listener = limited(limit, async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        })
        .await?;
        let last = limited(limit, sqlx::query(LAST).fetch_one(&mut listener)).await?;
        let last: i64 = last.try_get(0)?;
        match self.position {
            Some(position) if position <= last => {
                let (position, events) = self.read(&mut listener, position).await?;
                Ok((listener, position, events))
            }
            // The beginning, or a database that was put back to an earlier state.
            _ => Ok((listener, last, vec![Event::Missed])),
        }
    }

    /// Waits for a notification, and reads what there is.
    async fn wait(&mut self, mut listener: PgListener) -> error::Result<Read> {
        let position = self.position.ok_or_else(|| corrupt("position"))?;
        loop {
            // It may have been notified while it was last read.
            if listener.next_buffered().is_none() {
                let waiting = listener.try_recv();
                match tokio::time::timeout(self.backend.settings().poll_interval, waiting).await {
                    Ok(Ok(Some(_))) => {}
                    Ok(Ok(None)) => return Err(lost().into()),
                    Ok(Err(error)) => return Err(error.into()),
                    // Nothing for long: is there really nothing, and is the connection still there?
                    Err(_) => {}
                }
            }
            while listener.next_buffered().is_some() {}
            let (position, events) = self.read(&mut listener, position).await?;
            if !events.is_empty() {
                self.trim(&mut listener, position).await;
                return Ok((listener, position, events));
            }
        }
    }

    async fn read(&self, listener: &mut PgListener, position: i64) -> error::Result<(i64, Vec<Event>)> {
        let limit = self.backend.settings().statement_timeout;
        let (mut last, mut events) = (position, Vec::new());
        loop {
            let query = sqlx::query(AFTER).bind(last).bind(BATCH as i64);
            let rows = limited(limit, query.fetch_all(&mut *listener)).await?;
            for row in &rows {
                let at: i64 = row.try_get(0)?;
                if at != last + 1 {
                    events.push(Event::Missed);
                }
                last = at;
                events.push(Event::from_log(row.try_get(1)?, row.try_get(2)?));
            }
            if rows.len() < BATCH {
                return Ok((last, events));
            }
        }
    }

    /// Gives up the oldest changes now and then. Not worth an error: the next reader does it too.
    async fn trim(&mut self, listener: &mut PgListener, position: i64) {
        if position - self.trimmed_at < CLEAN_EVERY {
            return;
        }
        self.trimmed_at = position;
        let settings = self.backend.settings();
        let query = sqlx::query(TRIM).bind(i64::from(settings.retained_changes));
        let _ = limited(settings.statement_timeout, query.execute(listener)).await;
    }
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection that listens for changes was lost; it is made anew",
    )
}

async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(lost().into()),
    }
}
