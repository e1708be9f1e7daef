//! Looking at experiments in the background: soon after outcomes came, and now and then without, since their time can be
//! over.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tracing::warn;

use super::service::{Experimenting, Experiments, Look};
use crate::base::{ExperimentId, TenantId};

/// How experiments are looked at in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchSettings {
    /// How long after outcomes came an experiment is looked at, at most once in this time; zero: never by itself. Default
    /// 1 s.
    pub after_outcomes: Duration,
    /// How long after the last look the next one follows without outcomes, or after one that failed. Default 1 min.
    pub idle: Duration,
    /// Most experiments that are watched at a time, for each of which some 200 bytes are kept. One that has no room is not
    /// looked at by this process before another one has ended and it has new outcomes again: see [`WatchStats`]. Default
    /// 1,000,000.
    pub max_experiments: usize,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            after_outcomes: Duration::from_secs(1),
            idle: Duration::from_secs(60),
            max_experiments: 1_000_000,
        }
    }
}

/// How many experiments are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WatchStats {
    /// Those that are looked at now and then.
    pub watched: u64,
    /// How often one had no room, since the process began: raise [`WatchSettings::max_experiments`].
    pub turned_away: u64,
}

/// Looks at the experiments that this process serves. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    with: Experimenting,
    settings: WatchSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_running: bool,
    turned_away: u64,
    seen: HashMap<(TenantId, ExperimentId), Seen>,
}

struct Seen {
    /// Whether outcomes came since the last look.
    has_news: bool,
    /// When to look again at the latest, by the monotonic clock.
    due: Duration,
}

impl Watch {
    /// A watch that looks at nothing yet.
    #[must_use]
    pub fn new(with: Experimenting, settings: WatchSettings) -> Self {
        Self(Arc::new(Inner {
            with,
            settings,
            state: Mutex::default(),
        }))
    }

    /// Hears of an experiment that has new outcomes.
    pub fn note(&self, tenant: &TenantId, experiment: &ExperimentId) {
        self.see(tenant, experiment, true);
    }

    /// Hears of an open experiment.
    pub fn serve(&self, tenant: &TenantId, experiment: &ExperimentId) {
        self.see(tenant, experiment, false);
    }

    /// How many experiments are watched.
    #[must_use]
    pub fn stats(&self) -> WatchStats {
        let state = self.0.state();
        WatchStats {
            watched: state.seen.len() as u64,
            turned_away: state.turned_away,
        }
    }

    /// Looks at once at the experiments that have new outcomes.
    pub async fn look_now(&self) {
        self.0.look().await;
    }

    fn see(&self, tenant: &TenantId, experiment: &ExperimentId, has_news: bool) {
        if self.0.settings.after_outcomes.is_zero() {
            return;
        }
        let starts = {
            let mut state = self.0.state();
            let key = (tenant.clone(), experiment.clone());
            let most = self.0.settings.max_experiments;
            if state.seen.len() >= most && !state.seen.contains_key(&key) {
                state.turned_away += 1;
                if state.turned_away.is_power_of_two() {
                    let turned_away = state.turned_away;
                    drop(state);
                    warn!(
                        target: "promptops::watch",
                        most, turned_away,
                        "an experiment is not looked at by this process; raise `max_experiments`"
                    );
                }
                return;
            }
            let due = self.0.with.governance.clock.elapsed() + self.0.settings.idle;
            let seen = state.seen.entry(key).or_insert(Seen { has_news: false, due });
            seen.has_news |= has_news;
            !std::mem::replace(&mut state.is_running, true)
        };
        if starts {
            let running = Running(Arc::downgrade(&self.0));
            let every = self.0.settings.after_outcomes;
            // Where nothing can run it, the guard is dropped with it, and the next call tries again.
            let _ = self.0.with.governance.spawn.spawn(Box::pin(run(running, every)));
        }
    }
}

/// Says, as long as it lives, that the watch runs.
struct Running(Weak<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.state().is_running = false;
        }
    }
}

async fn run(mut running: Running, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        // Nobody is left who would serve an experiment.
        let Some(inner) = running.0.upgrade() else {
            return;
        };
        inner.look().await;
        let mut state = inner.state();
        if state.seen.is_empty() {
            // Under the lock, so that who comes now starts it again.
            state.is_running = false;
            running.0 = Weak::new();
            return;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what has news or is due.
    async fn look(&self) {
        let now = self.with.governance.clock.elapsed();
        let due: Vec<_> = {
            let mut state = self.state();
            let due = state
                .seen
                .iter_mut()
                .filter(|(_, seen)| seen.has_news || seen.due <= now)
                .map(|(key, seen)| {
                    seen.has_news = false;
                    seen.due = now + self.settings.idle;
                    key.clone()
                });
            due.collect()
        };
        for (tenant, experiment) in due {
            let looked = Experiments::new(self.with.clone(), tenant.clone())
                .look(&experiment)
                .await;
            let is_over = match looked {
                Ok(Look::Completed(_)) => true,
                Ok(Look::Open(_)) => false,
                Err(error) => error.is_not_found(),
            };
            if is_over {
                self.state().seen.remove(&(tenant, experiment));
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
