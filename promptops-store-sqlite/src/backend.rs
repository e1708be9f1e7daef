//! The handle, and the threads behind it: one that writes and a few that read.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use promptops_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::error;
use crate::feed::{self, Watch};
use crate::options::SqliteOptions;
use crate::schema;

/// All stores in one SQLite file. Cheap to clone; clones share their threads and connections.
///
/// A call that was dropped before it was done may still take effect, as with any database.
/// The threads end when the last clone is dropped and all calls made before are done; [`close`](Self::close) waits
/// for that.
#[derive(Clone)]
pub struct SqliteBackend(Arc<Shared>);

struct Shared {
    path: PathBuf,
    writer: mpsc::Sender<Message>,
    readers: mpsc::Sender<Message>,
    options: SqliteOptions,
    /// Tells the threads that watch the file to end.
    stop: Arc<AtomicBool>,
    /// Empty once all threads have ended.
    alive: mpsc::WeakSender<()>,
    /// Yields `None` once all threads have ended, since each holds a sender.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

enum Message {
    Job(Job),
    /// Do what is queued, accept nothing more, and end.
    Stop,
}

/// What a commit must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A crash of the machine: one fsync per commit.
    Machine,
    /// A crash of the process.
    Process,
}

struct Worker {
    connection: Connection,
    durability: Durability,
}

impl Worker {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            durability: Durability::Machine,
        }
    }

    /// Begins a write. IMMEDIATE is the connection's default: a deferred transaction that reads first fails when
    /// another process writes in between.
    fn begin(&mut self, durability: Durability) -> error::Result<Transaction<'_>> {
        if durability != self.durability {
            let synchronous = match durability {
                Durability::Machine => "FULL",
                Durability::Process => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.durability = durability;
        }
        Ok(self.connection.transaction()?)
    }
}

impl SqliteBackend {
    /// Opens the database file, which is made if it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// - [`Invalid`](ErrorKind::Invalid) when the directory does not exist or the path is one.
    /// - [`Unsupported`](ErrorKind::Unsupported) when the file was written by a newer release, which is left as it
    ///   is, or cannot have a write-ahead log.
    /// - [`Corrupt`](ErrorKind::Corrupt) when the file is not a database.
    /// - [`Unavailable`](ErrorKind::Unavailable) when another process keeps it locked, or it cannot be opened.
    /// - [`Backend`](ErrorKind::Backend) when it is read-only.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(path).await
    }

    /// Options to open a database with.
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    pub(crate) async fn open_with(path: &Path, options: SqliteOptions) -> Result<Self> {
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err(Error::new(
                ErrorKind::Invalid,
                "the backend needs a file, since its connections share it; use core's memory backend in tests",
            ));
        }
        // Absolute, so that neither a later change of directory nor a name like a URI leads elsewhere.
        let path = std::path::absolute(path).map_err(|e| {
            Error::new(ErrorKind::Invalid, "the path of the database cannot be used").caused_by(e)
        })?;
        let (alive, ended) = mpsc::channel(1);
        let threads = Threads { path, options, alive };
        // First the writer: it makes the file and the schema.
        let writer = threads.start("promptops-write", 1, schema::open_writer).await?;
        let readers = threads
            .start("promptops-read", threads.options.readers, schema::open_reader)
            .await?;
        Ok(Self(Arc::new(Shared {
            path: threads.path,
            writer,
            readers,
            options: threads.options,
            stop: Arc::default(),
            alive: threads.alive.downgrade(),
            ended: tokio::sync::Mutex::new(ended),
        })))
    }

    /// Does everything asked for so far, closes the file and ends the threads. From now on calls through other clones
    /// are [`Unavailable`](ErrorKind::Unavailable): what resolves through one goes on with what it has kept, and with
    /// fallbacks.
    pub async fn close(self) {
        self.0.stop.store(true, Ordering::Relaxed);
        // An error means that it was stopped before.
        let _ = self.0.writer.send(Message::Stop).await;
        let _ = self.0.readers.send(Message::Stop).await;
        while self.0.ended.lock().await.recv().await.is_some() {}
    }

    /// Starts a thread that brings the changes after a position.
    pub(crate) fn watch(&self, position: Option<i64>) -> Result<mpsc::Receiver<Result<feed::Read>>> {
        let alive = self
            .0
            .alive
            .upgrade()
            .filter(|_| !self.0.stop.load(Ordering::Relaxed));
        let watch = Watch {
            path: self.0.path.clone(),
            options: self.0.options.clone(),
            stop: Arc::clone(&self.0.stop),
            alive: alive.ok_or_else(closed)?,
        };
        watch.start(position)
    }

    /// Runs a read on a reader's connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> error::Result<T> + Send + 'static,
    ) -> Result<T> {
        submit(&self.0.readers, move |worker| work(&worker.connection)).await
    }

    /// Runs a write in one transaction, which is committed when `work` succeeds and undone when it fails.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> error::Result<T> + Send + 'static,
    ) -> Result<T> {
        submit(&self.0.writer, move |worker| {
            let tx = worker.begin(durability)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        })
        .await
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend")
            .field("path", &self.0.path)
            .field("readers", &self.0.options.readers)
            .finish_non_exhaustive()
    }
}

/// Hands work to a thread and waits for what it comes to.
async fn submit<T: Send + 'static>(
    queue: &mpsc::Sender<Message>,
    work: impl FnOnce(&mut Worker) -> error::Result<T> + Send + 'static,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    let job: Job = Box::new(move |worker| {
        // A panic is a bug, but one call's: unwinding has rolled its transaction back, and the thread lives on.
        let result = catch_unwind(AssertUnwindSafe(|| work(worker)));
        let result = match result {
            Ok(result) => result.map_err(Error::from),
            Err(panic) => Err(panicked(panic.as_ref())),
        };
        // Whoever asked may have gone.
        let _ = reply.send(result);
    });
    queue.send(Message::Job(job)).await.map_err(|_| closed())?;
    answer.await.unwrap_or_else(|_| Err(closed()))
}

/// Unavailable, although this handle will not come back: who only reads goes on with what it has, and has been told.
pub(crate) fn closed() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the SQLite backend was closed by the host; open the database again",
    )
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(
        ErrorKind::Backend,
        format!("a bug in the SQLite backend: the call panicked: {what}"),
    )
}

/// What starting the threads needs.
struct Threads {
    path: PathBuf,
    options: SqliteOptions,
    alive: mpsc::Sender<()>,
}

type Connect = fn(&Path, &SqliteOptions) -> error::Result<Connection>;

impl Threads {
    /// Starts threads that share one queue, and waits until each has its connection.
    async fn start(&self, name: &str, count: usize, connect: Connect) -> Result<mpsc::Sender<Message>> {
        let (sender, receiver) = mpsc::channel(self.options.queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let (ready, opened) = oneshot::channel();
            let (path, options) = (self.path.clone(), self.options.clone());
            let (receiver, alive) = (Arc::clone(&receiver), self.alive.clone());
            thread::Builder::new()
                .name(name.into())
                .spawn(move || {
                    match connect(&path, &options) {
                        Ok(connection) => {
                            let _ = ready.send(Ok(()));
                            run(&receiver, Worker::new(connection));
                        }
                        Err(failure) => {
                            let _ = ready.send(Err(Error::from(failure.with("file", path.display()))));
                        }
                    }
                    // Only now that the connection is closed.
                    drop(alive);
                })
                .map_err(|e| {
                    Error::new(
                        ErrorKind::Unavailable,
                        "no thread could be started for the database",
                    )
                    .caused_by(e)
                })?;
            opened.await.unwrap_or_else(|_| Err(closed()))?;
        }
        Ok(sender)
    }
}

fn run(queue: &Mutex<mpsc::Receiver<Message>>, mut worker: Worker) {
    loop {
        let message = {
            // Idle readers wait for this lock instead of the queue. Jobs run outside of it.
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            match queue.blocking_recv() {
                Some(Message::Stop) => {
                    queue.close();
                    continue;
                }
                other => other,
            }
        };
        match message {
            Some(Message::Job(job)) => job(&mut worker),
            Some(Message::Stop) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn backend() -> (tempfile::TempDir, SqliteBackend) {
        let dir = tempfile::tempdir().unwrap();
        let backend = SqliteBackend::open(dir.path().join("test.db")).await.unwrap();
        (dir, backend)
    }

    fn tenants(connection: &Connection) -> error::Result<i64> {
        Ok(connection.query_row("SELECT count(*) FROM promptops_tenant", [], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn a_panic_is_one_calls_error_and_its_transaction_is_undone() {
        let (_dir, backend) = backend().await;
        for _ in 0..4 {
            let error = backend
                .write(Durability::Machine, |tx| -> error::Result<()> {
                    tx.execute("INSERT INTO promptops_tenant (name) VALUES ('half')", [])?;
                    panic!("boom");
                })
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Backend);
            assert!(error.message().contains("boom"), "{error}");
            let error = backend
                .read(|_| -> error::Result<()> { panic!("bang {}", 1) })
                .await
                .unwrap_err();
            assert!(error.message().contains("bang 1"), "{error}");
        }
        assert_eq!(backend.read(tenants).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn close_does_what_was_queued_and_refuses_the_rest() {
        let (dir, backend) = backend().await;
        let other = backend.clone();
        let mut queued = tokio::task::JoinSet::new();
        for n in 0..50 {
            let backend = backend.clone();
            queued.spawn(async move {
                backend
                    .write(Durability::Machine, move |tx| {
                        thread::sleep(Duration::from_millis(1));
                        tx.execute("INSERT INTO promptops_tenant (name) VALUES (?1)", [n.to_string()])?;
                        Ok(())
                    })
                    .await
            });
        }
        tokio::task::yield_now().await;
        tokio::time::timeout(Duration::from_secs(10), backend.close())
            .await
            .unwrap();
        let done = queued.join_all().await.into_iter().filter(Result::is_ok).count();
        let refused = [
            other.read(tenants).await.unwrap_err(),
            other.write(Durability::Machine, tenants).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.message().contains("was closed"), "{error}");
        }
        tokio::time::timeout(Duration::from_secs(10), other.close())
            .await
            .unwrap();

        // The last connection has folded the log into the file.
        assert!(!dir.path().join("test.db-wal").exists());
        let reopened = SqliteBackend::open(dir.path().join("test.db")).await.unwrap();
        assert_eq!(reopened.read(tenants).await.unwrap(), done as i64);
        assert_eq!(done, 50);
    }

    #[tokio::test]
    async fn dropping_the_last_handle_finishes_what_was_queued() {
        let (_dir, backend) = backend().await;
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        for _ in 0..20 {
            let done = Arc::clone(&done);
            let mut call = Box::pin(backend.write(Durability::Process, move |_| {
                thread::sleep(Duration::from_millis(1));
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }));
            // Polled once, so that it is queued, and then given up.
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await;
            assert!(polled.is_pending());
        }
        let shared = Arc::downgrade(&backend.0);
        drop(backend);
        assert!(shared.upgrade().is_none());
        for _ in 0..1_000 {
            if done.load(Ordering::SeqCst) == 20 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("queued work was lost");
    }

    #[tokio::test]
    async fn a_full_queue_waits_without_blocking_the_runtime() {
        let dir = tempfile::tempdir().unwrap();
        let backend = SqliteBackend::options()
            .queue(1)
            .readers(1)
            .open(dir.path().join("test.db"))
            .await
            .unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let backend = backend.clone();
            calls.spawn(async move {
                backend
                    .read(|_| {
                        thread::sleep(Duration::from_millis(2));
                        Ok(())
                    })
                    .await
            });
        }
        // On a runtime of one thread this only ticks when nobody blocks it.
        let mut ticks = 0;
        while !calls.is_empty() {
            tokio::select! {
                done = calls.join_next() => { done.unwrap().unwrap().unwrap(); }
                () = tokio::time::sleep(Duration::from_millis(1)) => ticks += 1,
            }
        }
        assert!(ticks > 5, "{ticks}");
    }

    #[tokio::test]
    async fn only_what_need_not_survive_the_machine_skips_the_fsync() {
        let (_dir, backend) = backend().await;
        let synchronous = |durability| {
            backend.write(durability, |tx| {
                Ok(tx.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))?)
            })
        };
        const NORMAL: i64 = 1;
        const FULL: i64 = 2;
        assert_eq!(synchronous(Durability::Machine).await.unwrap(), FULL);
        assert_eq!(synchronous(Durability::Process).await.unwrap(), NORMAL);
        assert_eq!(synchronous(Durability::Machine).await.unwrap(), FULL);
    }
}
