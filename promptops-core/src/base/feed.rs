//! Changes made by other processes: read from where the backend records them, and told on the bus.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::error::Result;
use super::event::{Event, EventBus};
use super::spawn::{Spawn, Task};

/// A backend's record of changes, written with each change in one commit, by whatever process made it.
pub trait ChangeFeed: Send + Sync {
    /// A reader of the record, which begins at the end of it; `None` when no other process can change anything, as in
    /// memory. Nothing is read by this.
    fn reader(&self) -> Option<Box<dyn ChangeReader>>;
}

/// Reads a change feed. A reader is used by one task.
#[async_trait]
pub trait ChangeReader: Send {
    /// Waits for what was not returned yet.
    ///
    /// # Behavior
    /// - Changes come in the order in which they were committed, each once, the process's own among them.
    /// - The first call, and the first one after an error, return as soon as the record can be read, with nothing
    ///   where nothing was changed. What the first one returns begins with [`Event::Missed`], since nobody can say what
    ///   was read before.
    /// - After an error, the next call goes on after what was returned last. What is no longer on record by then is an
    ///   [`Event::Missed`], and so is what this release cannot read.
    /// - A call that is dropped before it is ready loses nothing.
    ///
    /// # Errors
    /// [`Unavailable`](super::ErrorKind::Unavailable) when the backend cannot be reached; its other errors.
    async fn next(&mut self) -> Result<Vec<Event>>;
}

/// First pause after a reader's error; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between tries of a reader.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Tells on a bus what a feed's reader brings, in the background, until it is dropped.
pub(crate) struct Follower {
    feed: Arc<dyn ChangeFeed>,
    // Weak, so that following is no reason for a bus to live on.
    events: Weak<dyn EventBus>,
    spawn: Arc<dyn Spawn>,
    state: Arc<State>,
    /// Dropped with this, which ends the work.
    alive: Mutex<Option<oneshot::Sender<()>>>,
}

#[derive(Default)]
struct State {
    is_running: AtomicBool,
    /// Whether it was told last that nothing is heard.
    is_interrupted: AtomicBool,
}

impl Follower {
    /// Begins to follow, or will with [`start`](Self::start) when no runtime is at hand yet.
    pub(crate) fn new(feed: Arc<dyn ChangeFeed>, events: &Arc<dyn EventBus>, spawn: Arc<dyn Spawn>) -> Self {
        let this = Self {
            feed,
            events: Arc::downgrade(events),
            spawn,
            state: Arc::default(),
            alive: Mutex::default(),
        };
        this.start();
        this
    }

    /// Begins to follow if nothing does: when no runtime was at hand before, or the one that was is shut down.
    pub(crate) fn start(&self) {
        if self.state.is_running.load(Ordering::Relaxed) {
            return;
        }
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.is_running.load(Ordering::Relaxed) {
            return;
        }
        // Set first, since the work can come to its end at once.
        self.state.is_running.store(true, Ordering::Relaxed);
        let Some(reader) = self.feed.reader() else {
            // There is nothing to follow, now and later.
            return;
        };
        let (sender, ended) = oneshot::channel();
        let (events, state) = (Weak::clone(&self.events), Arc::clone(&self.state));
        let task: Task = Box::pin(follow(reader, events, state, ended));
        match self.spawn.spawn(task) {
            Ok(()) => *alive = Some(sender),
            Err(_) => self.state.is_running.store(false, Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

/// Until when to follow, and whom to tell.
struct Following {
    events: Weak<dyn EventBus>,
    state: Arc<State>,
    ended: oneshot::Receiver<()>,
}

impl Following {
    /// Says, if that is new, that nothing is heard, or that all is heard again.
    fn tell(&self, bus: &dyn EventBus, interrupted: bool) {
        if self.state.is_interrupted.swap(interrupted, Ordering::Relaxed) != interrupted {
            bus.publish(if interrupted {
                &Event::Interrupted
            } else {
                &Event::Resumed
            });
        }
    }
}

impl Drop for Following {
    /// Given up while somebody still relies on it, as when the runtime is shut down that it runs on: nothing is heard any
    /// more.
    fn drop(&mut self) {
        if let Err(oneshot::error::TryRecvError::Empty) = self.ended.try_recv()
            && let Some(bus) = self.events.upgrade()
        {
            self.tell(bus.as_ref(), true);
        }
        self.state.is_running.store(false, Ordering::Relaxed);
    }
}

async fn follow(
    mut reader: Box<dyn ChangeReader>,
    events: Weak<dyn EventBus>,
    state: Arc<State>,
    ended: oneshot::Receiver<()>,
) {
    let mut following = Following { events, state, ended };
    let mut pause = FIRST_PAUSE;
    loop {
        let read = tokio::select! {
            read = reader.next() => read,
            _ = &mut following.ended => return,
        };
        let Some(bus) = following.events.upgrade() else {
            return;
        };
        match read {
            Ok(told) => {
                told.iter().for_each(|event| bus.publish(event));
                following.tell(bus.as_ref(), false);
                pause = FIRST_PAUSE;
            }
            Err(_) => {
                following.tell(bus.as_ref(), true);
                drop(bus);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = &mut following.ended => return,
                }
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::base::event::{Change, EventListener, LocalBus};
    use crate::base::{Error, ErrorKind, TenantId, TokioSpawn};

    type Script = Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Result<Vec<Event>>>>>;

    struct Scripted(Script);

    impl ChangeFeed for Scripted {
        fn reader(&self) -> Option<Box<dyn ChangeReader>> {
            Some(Box::new(Self(Arc::clone(&self.0))))
        }
    }

    #[async_trait]
    impl ChangeReader for Scripted {
        async fn next(&mut self) -> Result<Vec<Event>> {
            match self.0.lock().await.recv().await {
                Some(read) => read,
                None => std::future::pending().await,
            }
        }
    }

    struct World {
        script: mpsc::UnboundedSender<Result<Vec<Event>>>,
        reads: Script,
        heard: Arc<Mutex<Vec<Event>>>,
        bus: Arc<dyn EventBus>,
        follower: Follower,
        _listener: Arc<dyn EventListener>,
    }

    fn world() -> World {
        let (script, reads) = mpsc::unbounded_channel();
        let bus: Arc<dyn EventBus> = Arc::new(LocalBus::new());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let listener: Arc<dyn EventListener> = Arc::new(move |event: &Event| {
            told.lock().unwrap().push(event.clone());
        });
        bus.subscribe(Arc::downgrade(&listener));
        let reads = Arc::new(tokio::sync::Mutex::new(reads));
        let feed = Arc::new(Scripted(Arc::clone(&reads)));
        let follower = Follower::new(feed, &bus, Arc::new(TokioSpawn::new()));
        World {
            script,
            reads,
            heard,
            bus,
            follower,
            _listener: listener,
        }
    }

    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn down() -> Error {
        Error::new(ErrorKind::Unavailable, "the server is gone")
    }

    fn changed() -> Event {
        Event::Changed {
            tenant: TenantId::new("acme").unwrap(),
            change: Change::ParentChanged,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_and_its_end_after_what_was_changed_meanwhile() {
        let world = world();
        world.script.send(Ok(vec![Event::Missed])).unwrap();
        settle().await;
        assert_eq!(*world.heard.lock().unwrap(), [Event::Missed]);
        for _ in 0..8 {
            world.script.send(Err(down())).unwrap();
        }
        // 20, 40, … ms, and then 1 s each.
        tokio::time::sleep(Duration::from_millis(3_300)).await;
        world.script.send(Ok(vec![changed()])).unwrap();
        settle().await;
        world.script.send(Ok(vec![changed()])).unwrap();
        settle().await;
        assert_eq!(
            *world.heard.lock().unwrap(),
            [
                Event::Missed,
                Event::Interrupted,
                changed(),
                Event::Resumed,
                changed()
            ]
        );
    }

    #[tokio::test]
    async fn following_ends_with_the_follower_and_with_the_bus() {
        let first = world();
        settle().await;
        drop(first.follower);
        settle().await;
        assert_eq!(
            Arc::strong_count(&first.reads),
            1,
            "neither feed nor reader is left"
        );

        let second = world();
        drop(second.bus);
        second.script.send(Ok(Vec::new())).unwrap();
        settle().await;
        assert_eq!(Arc::strong_count(&second.reads), 2, "the reader is gone");
    }

    #[test]
    fn a_runtime_that_is_shut_down_is_an_interruption() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let (kept, dropped) = runtime.block_on(async {
            let worlds = (world(), world());
            settle().await;
            worlds
        });
        let told = Arc::clone(&dropped.heard);
        drop(dropped);
        drop(runtime);
        assert_eq!(*kept.heard.lock().unwrap(), [Event::Interrupted]);
        assert!(told.lock().unwrap().is_empty(), "nobody relied on it");
    }

    #[test]
    fn it_goes_on_with_another_runtime() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap()
        };
        let first = runtime();
        let world = first.block_on(async {
            let world = world();
            settle().await;
            world
        });
        drop(first);
        let second = runtime();
        second.block_on(async {
            world.script.send(Ok(vec![Event::Missed])).unwrap();
            world.follower.start();
            world.follower.start();
            settle().await;
        });
        assert_eq!(
            *world.heard.lock().unwrap(),
            [Event::Interrupted, Event::Missed, Event::Resumed]
        );
    }

    #[test]
    fn without_a_runtime_it_waits_for_one() {
        let world = world();
        world.script.send(Ok(vec![changed()])).unwrap();
        world.follower.start();
        assert!(world.heard.lock().unwrap().is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            world.follower.start();
            settle().await;
        });
        assert_eq!(*world.heard.lock().unwrap(), [changed()]);
    }
}
