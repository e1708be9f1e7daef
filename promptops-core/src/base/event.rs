//! Change events: what caches and observers need to hear.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use super::hash::ClosureHash;
use super::id::{ClusterId, DeploymentId, EnvironmentName, PromptName, TenantId, VersionNumber};

/// Something that whoever keeps what it has read must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something changed, and is committed.
    Changed {
        /// Whose data changed.
        tenant: TenantId,
        /// What changed.
        change: Change,
    },
    /// Changes were lost on the way: anything may have changed, for any tenant.
    Missed,
    /// From now on changes made by other processes are not heard, until [`Resumed`](Self::Resumed).
    Interrupted,
    /// Changes made by other processes are heard again, and those made meanwhile have been told.
    Resumed,
}

impl Event {
    /// A change as a backend's change log has it: [`Missed`](Self::Missed) when this release cannot read it, since
    /// whoever hears of it must then take anything for changed.
    #[must_use]
    pub fn from_log(tenant: &str, change: &str) -> Self {
        match (TenantId::new(tenant), serde_json::from_str(change)) {
            (Ok(tenant), Ok(change)) => Self::Changed { tenant, change },
            _ => Self::Missed,
        }
    }
}

/// What changed. Its JSON form is what backends keep in their change logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A version was saved, activated, archived or restored.
    VersionChanged {
        /// The prompt.
        prompt: PromptName,
        /// Its version.
        version: VersionNumber,
    },
    /// An environment's pointer moved.
    PointerMoved {
        /// The prompt.
        prompt: PromptName,
        /// The environment.
        environment: EnvironmentName,
        /// The version now live.
        version: VersionNumber,
        /// Its closure hash when it was promoted.
        closure_hash: ClosureHash,
        /// The pointer's new revision.
        revision: u64,
    },
    /// An environment's policy was set.
    PolicyChanged {
        /// The environment.
        environment: EnvironmentName,
        /// The one prompt it is for; `None` when it is for all.
        prompt: Option<PromptName>,
    },
    /// An experiment began, was changed, or ended.
    ExperimentChanged {
        /// The prompt.
        prompt: PromptName,
        /// The environment.
        environment: EnvironmentName,
    },
    /// A deployment was proposed, or changed its state.
    DeploymentChanged {
        /// The deployment.
        deployment: DeploymentId,
        /// The prompt.
        prompt: PromptName,
        /// The environment.
        environment: EnvironmentName,
        /// The state it is in now: the text form of a [`State`](crate::deployment::State). `regressed` is an alert.
        state: String,
    },
    /// A cluster of failures was found, was reopened, or somebody said what is done about it.
    ClusterChanged {
        /// The cluster.
        cluster: ClusterId,
        /// The prompt.
        prompt: PromptName,
        /// The state it is in now: the text form of a
        /// [`ClusterStatus`](crate::improvement::cluster::ClusterStatus).
        status: String,
    },
    /// The watch over a deployment raised an alarm, or came to its end.
    WatchChanged {
        /// The deployment.
        deployment: DeploymentId,
        /// The prompt.
        prompt: PromptName,
        /// The environment.
        environment: EnvironmentName,
        /// How the watch stands now: the text form of a [`WatchStatus`](crate::improvement::WatchStatus). `alarm` is an
        /// alert.
        status: String,
    },
    /// The tenant inherits from another parent now.
    ParentChanged,
}

/// Hears events. Called on the publisher's thread: be quick, never block, do not panic.
pub trait EventListener: Send + Sync + 'static {
    /// Hears one event.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> EventListener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// Carries events from who changed something to who must know.
///
/// # Behavior
/// - `publish` calls every live listener before it returns, so that a caller reads its own writes.
/// - A listener that panics fails alone: the others hear the event, and `publish` returns.
/// - A listener is held weakly: dropping the last `Arc` of it ends the subscription.
/// - A transport between processes publishes what it receives here: [`Event::Missed`] when it has a gap,
///   [`Event::Interrupted`] when it hears nothing any more, and [`Event::Resumed`] when it has caught up. What it brings
///   may have been told before: hearing of a change twice does no harm.
pub trait EventBus: Send + Sync + 'static {
    /// Tells all listeners.
    fn publish(&self, event: &Event);

    /// Adds a listener.
    fn subscribe(&self, listener: Weak<dyn EventListener>);
}

/// The in-process bus.
#[derive(Default)]
pub struct LocalBus {
    listeners: Mutex<Vec<Weak<dyn EventListener>>>,
}

impl LocalBus {
    /// A bus without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalBus").finish_non_exhaustive()
    }
}

impl EventBus for LocalBus {
    fn publish(&self, event: &Event) {
        // Called outside the lock, so that a listener may subscribe or publish.
        let listeners: Vec<Arc<dyn EventListener>> = {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            // The change is committed, so that its caller must not hear of a failure; nor must the other listeners miss
            // it. The panic hook has reported the panic.
            let _ = catch_unwind(AssertUnwindSafe(|| listener.on_event(event)));
        }
    }

    fn subscribe(&self, listener: Weak<dyn EventListener>) {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn live_listeners_hear_events_before_publish_returns() {
        let bus = LocalBus::new();
        let heard = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&heard);
        let listener: Arc<dyn EventListener> = Arc::new(move |_: &Event| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        bus.subscribe(Arc::downgrade(&listener));
        let event = Event::Changed {
            tenant: TenantId::new("acme").unwrap(),
            change: Change::ParentChanged,
        };
        bus.publish(&event);
        assert_eq!(heard.load(Ordering::Relaxed), 1);
        drop(listener);
        bus.publish(&event);
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panicking_listener_fails_alone() {
        let bus = LocalBus::new();
        let heard = Arc::new(AtomicU32::new(0));
        let listener = |panics: bool| -> Arc<dyn EventListener> {
            let heard = Arc::clone(&heard);
            Arc::new(move |_: &Event| {
                heard.fetch_add(1, Ordering::Relaxed);
                assert!(!panics, "a listener's bug");
            })
        };
        let listeners = [false, true, false, true, false].map(listener);
        for listener in &listeners {
            bus.subscribe(Arc::downgrade(listener));
        }
        let event = Event::Changed {
            tenant: TenantId::new("acme").unwrap(),
            change: Change::ParentChanged,
        };
        bus.publish(&event);
        assert_eq!(heard.load(Ordering::Relaxed), 5);
        bus.publish(&event);
        assert_eq!(heard.load(Ordering::Relaxed), 10, "it is still subscribed");
    }
}
