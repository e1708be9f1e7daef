//! The change log: written with each change, and read by whoever follows what other processes change.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Change, ChangeFeed, ChangeReader, Event, TenantId};
use promptops_core::{Error, ErrorKind};
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::backend::{SqliteBackend, closed};
use crate::error::Result;
use crate::options::SqliteOptions;
use crate::schema;
use promptops_core::base::stored::to_json;

/// How many changes stay on record at least: about 8 MB.
const RETAINED: i64 = 50_000;
/// How many changes pass between two clean-ups.
const CLEAN_EVERY: i64 = 256;
/// How many changes are read at once.
const BATCH: i64 = 1_000;
/// How long to wait for a reader that has not taken yet what was read before.
const FULL_PAUSE: Duration = Duration::from_millis(1);

statements! {
    ADD = "INSERT INTO promptops_change (tenant, change) VALUES (?1, ?2)";
    GIVE_UP = "DELETE FROM promptops_change WHERE position <= ?1";
    END = "SELECT coalesce(max(position), 0) FROM promptops_change";
    AFTER = "SELECT position, tenant, change FROM promptops_change WHERE position > ?1 ORDER BY position LIMIT ?2";
}

/// Puts a change on record, in the commit that makes it.
pub(crate) fn tell(tx: &Connection, tenant: &TenantId, change: &Change) -> Result<()> {
    let json = to_json("change", change)?;
    tx.prepare_cached(ADD)?.execute((tenant.as_str(), json))?;
    let position = tx.last_insert_rowid();
    if position % CLEAN_EVERY == 0 {
        tx.prepare_cached(GIVE_UP)?.execute([position - RETAINED])?;
    }
    Ok(())
}

impl ChangeFeed for SqliteBackend {
    fn reader(&self) -> Option<Box<dyn ChangeReader>> {
        Some(Box::new(Reader {
            backend: self.clone(),
            position: None,
            watch: None,
        }))
    }
}

/// Reads what a thread brings that watches the file.
struct Reader {
    backend: SqliteBackend,
    /// The last change that was returned.
    position: Option<i64>,
    watch: Option<mpsc::Receiver<Result<Read, Error>>>,
}

/// What was read, and the position after it.
pub(crate) type Read = (Vec<Event>, i64);

#[async_trait]
impl ChangeReader for Reader {
    async fn next(&mut self) -> Result<Vec<Event>, Error> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            None => self.watch.insert(self.backend.watch(self.position)?),
        };
        match watch.recv().await.unwrap_or_else(|| Err(closed())) {
            Ok((events, position)) => {
                self.position = Some(position);
                Ok(events)
            }
            Err(error) => {
                self.watch = None;
                Err(error)
            }
        }
    }
}

/// What the thread that watches the file works with.
pub(crate) struct Watch {
    pub(crate) path: PathBuf,
    pub(crate) options: SqliteOptions,
    /// Set when the backend is closed.
    pub(crate) stop: Arc<AtomicBool>,
    /// Who closes the backend waits until this is dropped.
    pub(crate) alive: mpsc::Sender<()>,
}

impl Watch {
    /// Starts the thread. It ends with an error, when the receiver is dropped, and when the backend is closed.
    pub(crate) fn start(self, position: Option<i64>) -> Result<mpsc::Receiver<Result<Read, Error>>, Error> {
        let (sender, receiver) = mpsc::channel(1);
        thread::Builder::new()
            .name("promptops-watch".into())
            .spawn(move || {
                if let Err(failure) = self.run(position, &sender) {
                    let error = Error::from(failure.with("file", self.path.display()));
                    self.send(&sender, Err(error));
                }
                drop(self.alive);
            })
            .map_err(|e| {
                Error::new(
                    ErrorKind::Unavailable,
                    "no thread could be started to watch the database",
                )
                .caused_by(e)
            })?;
        Ok(receiver)
    }

    /// Says whether it was taken: not by a reader that has gone, and not by one that does not read when the backend is
    /// closed, for which its runtime may be waiting.
    fn send(&self, sender: &mpsc::Sender<Result<Read, Error>>, mut read: Result<Read, Error>) -> bool {
        loop {
            read = match sender.try_send(read) {
                Ok(()) => return true,
                Err(TrySendError::Full(read)) if !self.stop.load(Ordering::Relaxed) => read,
                Err(_) => return false,
            };
            thread::sleep(FULL_PAUSE);
        }
    }

    fn run(&self, mut position: Option<i64>, sender: &mpsc::Sender<Result<Read, Error>>) -> Result<()> {
        let connection = schema::open_reader(&self.path, &self.options)?;
        let mut is_first = true;
        let mut version = None;
        loop {
            // Asked before reading: what is committed in between changes it again.
            let now = data_version(&connection)?;
            if version == Some(now) {
                if sender.is_closed() || self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                thread::sleep(self.options.poll_interval);
                continue;
            }
            version = Some(now);
            loop {
                let (events, end) = read(&connection, position)?;
                let is_last = (events.len() as i64) < BATCH;
                position = Some(end);
                // Most commits change nothing that anybody must hear of: feedback, for one.
                if (is_first || !events.is_empty()) && !self.send(sender, Ok((events, end))) {
                    return Ok(());
                }
                is_first = false;
                if is_last {
                    break;
                }
            }
        }
    }
}

/// Changes when another connection, of whatever process, commits.
fn data_version(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// What comes after a position; without one, that all before the end may have been missed.
fn read(connection: &Connection, position: Option<i64>) -> Result<Read> {
    let _view = connection.unchecked_transaction()?;
    let end: i64 = connection.prepare_cached(END)?.query_row([], |row| row.get(0))?;
    // An end that lies before the position: the file was replaced by an older one.
    let Some(position) = position.filter(|position| *position <= end) else {
        return Ok((vec![Event::Missed], end));
    };
    let mut statement = connection.prepare_cached(AFTER)?;
    let rows = statement.query_map((position, BATCH), |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
        ))
    })?;
    let (mut events, mut last) = (Vec::new(), position);
    for row in rows {
        let (at, tenant, change) = row?;
        if at != last + 1 {
            events.push(Event::Missed);
        }
        last = at;
        events.push(Event::from_log(&tenant, &change));
    }
    Ok((events, last))
}
