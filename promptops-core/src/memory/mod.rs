//! The reference backend: every store in memory, for tests, examples and hosts that keep nothing.

mod audit;
mod completion;
mod dataset;
mod deployment;
mod environment;
mod evaluation;
mod experiment;
mod improvement;
mod metrics;
mod prompt;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::audit::Log;
use self::completion::Completions;
use self::dataset::Datasets;
use self::deployment::Deployments;
use self::environment::Environments;
use self::evaluation::Evaluations;
use self::experiment::Experiments;
use self::improvement::Improvement;
use self::metrics::Counts;
use self::prompt::Prompts;
use self::trace::Traces;
use crate::base::{ChangeFeed, ChangeReader, TenantId};

/// All stores in memory. Clones share their data, which goes with the last of them.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    // One lock over everything is what makes each operation atomic; none is held over an await.
    state: Arc<Mutex<State>>,
}

impl MemoryBackend {
    /// A backend with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Operations check first and change after, so that a panic cannot have left one half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What shares this memory shares the process.
impl ChangeFeed for MemoryBackend {
    fn reader(&self) -> Option<Box<dyn ChangeReader>> {
        None
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    tenants: BTreeMap<TenantId, Tenant>,
}

impl State {
    fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// The tenant's data, made if it is not there: a tenant without data cannot be told from an unknown one.
    fn tenant_mut(&mut self, id: &TenantId) -> &mut Tenant {
        self.tenants.entry(id.clone()).or_default()
    }
}

#[derive(Default)]
struct Tenant {
    parent: Option<TenantId>,
    /// How many tenants inherit from this one.
    children: usize,
    prompts: Prompts,
    environments: Environments,
    counts: Counts,
    traces: Traces,
    datasets: Datasets,
    evaluations: Evaluations,
    experiments: Experiments,
    deployments: Deployments,
    improvement: Improvement,
    completions: Completions,
    log: Log,
}
