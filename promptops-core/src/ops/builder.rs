//! Wiring: which store, which clock, which limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::stores::Stores;
use super::tenant::Tenant;
use crate::base::error::Result;
use crate::base::feed::Follower;
use crate::base::{
    Clock, EnvironmentName, EventBus, IdSource, LocalBus, Spawn, SystemClock, TenantId, TimeOrderedIds,
    TokioSpawn,
};
use crate::deployment::{Deploying, DeploymentSettings};
use crate::environment::Governance;
use crate::evaluation::Evaluating;
use crate::experiment::{Experimenting, OutcomeRecorder, Watch, WatchSettings, WatchStats};
use crate::improvement::Improving;
use crate::observation::otel::Lookups;
use crate::observation::{RecordingSettings, RecordingStats, TraceRecorder, TraceSettings};
use crate::prompt::{Authoring, Tenants};
use crate::render::{Compiler, RenderLimits, SnippetLimits, SnippetResolver, StoreSnippets};
use crate::resolve::{CacheStats, ResolveSettings, Resolver};

/// Prompts operated like releases. Cheap to clone; one per process and database is enough.
#[derive(Clone)]
pub struct PromptOps(pub(super) Arc<Wiring>);

/// What a [`PromptOps`] is made of.
pub(super) struct Wiring {
    pub(super) stores: Stores,
    pub(super) authoring: Authoring,
    pub(super) governance: Governance,
    pub(super) evaluating: Evaluating,
    pub(super) experimenting: Experimenting,
    pub(super) deploying: Deploying,
    pub(super) improving: Improving,
    pub(super) outcomes: OutcomeRecorder,
    pub(super) traces: TraceRecorder,
    pub(super) lookups: Lookups,
    pub(super) watch: Watch,
    pub(super) resolver: Resolver,
    pub(super) events: Arc<dyn EventBus>,
    pub(super) clock: Arc<dyn Clock>,
    follower: Option<Follower>,
}

impl PromptOps {
    /// Starts with where everything is kept: a backend, or [`Stores`] of several.
    pub fn builder(stores: impl Into<Stores>) -> Builder {
        Builder {
            stores: stores.into(),
            clock: None,
            ids: None,
            spawn: None,
            events: None,
            snippets: None,
            environments: None,
            resolve: ResolveSettings::default(),
            render_limits: RenderLimits::default(),
            snippet_limits: SnippetLimits::default(),
            follow_changes: true,
            max_variants: 4,
            watch: WatchSettings::default(),
            deployments: DeploymentSettings::default(),
            outcomes: OutcomeRecorder::default_settings(),
            traces: TraceSettings::default(),
        }
    }

    /// A tenant's handle, through which all its data is reached. Nothing is read or written by it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no tenant id.
    pub fn tenant(&self, id: impl AsRef<str>) -> Result<Tenant> {
        if let Some(follower) = &self.0.follower {
            follower.start();
        }
        Ok(Tenant::new(self.clone(), TenantId::new(id)?))
    }

    /// Which tenant inherits from which.
    #[must_use]
    pub fn tenants(&self) -> Tenants {
        Tenants::new(self.0.authoring.clone())
    }

    /// The bus on which changes are told, to listen to or to feed from other processes.
    #[must_use]
    pub fn events(&self) -> &Arc<dyn EventBus> {
        &self.0.events
    }

    /// Takes no more outcomes and traces, writes what is queued, looks at the experiments that have new outcomes as long as
    /// there is time, and says what became of all that was recorded. What is not written within the time has failed. All of
    /// it takes no longer than the deadline, but for a tenth of a second.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let began = Instant::now();
        let (outcomes, traces) = tokio::join!(
            self.0.outcomes.shutdown(deadline),
            self.0.traces.shutdown(deadline)
        );
        let left = deadline.saturating_sub(began.elapsed());
        // What is not looked at is so by the next process that serves it.
        let _ = timeout(left, self.0.watch.look_now()).await;
        ShutdownReport { outcomes, traces }
    }

    /// How many experiments this process looks at by itself, and how many it had no room for.
    #[must_use]
    pub fn watch_stats(&self) -> WatchStats {
        self.0.watch.stats()
    }

    /// What the resolver's cache holds and did.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.0.resolver.stats()
    }
}

impl fmt::Debug for PromptOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptOps")
            .field("cache", &self.cache_stats())
            .finish_non_exhaustive()
    }
}

/// What became of all that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Of outcomes.
    pub outcomes: RecordingStats,
    /// Of traces, and of what was said of them later.
    pub traces: RecordingStats,
}

/// Says how a [`PromptOps`] is to work; everything has a default.
#[must_use = "call `build`"]
pub struct Builder {
    stores: Stores,
    clock: Option<Arc<dyn Clock>>,
    ids: Option<Arc<dyn IdSource>>,
    spawn: Option<Arc<dyn Spawn>>,
    events: Option<Arc<dyn EventBus>>,
    snippets: Option<Arc<dyn SnippetResolver>>,
    environments: Option<Vec<EnvironmentName>>,
    resolve: ResolveSettings,
    render_limits: RenderLimits,
    snippet_limits: SnippetLimits,
    follow_changes: bool,
    max_variants: usize,
    watch: WatchSettings,
    deployments: DeploymentSettings,
    outcomes: RecordingSettings,
    traces: TraceSettings,
}

impl Builder {
    /// Takes time from here. Default: the machine's clocks.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Takes ids of runs and the like from here. Default: [`TimeOrderedIds`].
    pub fn ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Runs background work here. Default: on the tokio runtime of the thread that asks for it, or else of the
    /// thread that built this.
    pub fn spawn(mut self, spawn: Arc<dyn Spawn>) -> Self {
        self.spawn = Some(spawn);
        self
    }

    /// Tells changes here. Default: a [`LocalBus`].
    pub fn events(mut self, events: Arc<dyn EventBus>) -> Self {
        self.events = Some(events);
        self
    }

    /// Takes snippets from here. Default: from the store.
    pub fn snippets(mut self, snippets: Arc<dyn SnippetResolver>) -> Self {
        self.snippets = Some(snippets);
        self
    }

    /// The environments that every tenant has. Default: dev, staging, production.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no name of an environment.
    pub fn environments<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Result<Self> {
        self.environments = Some(
            names
                .into_iter()
                .map(EnvironmentName::new)
                .collect::<Result<_>>()?,
        );
        Ok(self)
    }

    /// How resolving behaves.
    pub fn resolve_settings(mut self, settings: ResolveSettings) -> Self {
        self.resolve = settings;
        self
    }

    /// How much a rendering may cost.
    pub fn render_limits(mut self, limits: RenderLimits) -> Self {
        self.render_limits = limits;
        self
    }

    /// How far snippets may reach.
    pub fn snippet_limits(mut self, limits: SnippetLimits) -> Self {
        self.snippet_limits = limits;
        self
    }

    /// Whether to hear of changes that other processes make, where the backend records them. Default: yes. Without it
    /// they are seen when an answer has aged; see [`ResolveSettings::max_age`].
    pub fn follow_changes(mut self, follow: bool) -> Self {
        self.follow_changes = follow;
        self
    }

    /// Most variants of an experiment, the control among them: 2 to 255. Default: 4.
    pub fn max_variants(mut self, variants: usize) -> Self {
        self.max_variants = variants.clamp(2, 255);
        self
    }

    /// How experiments are looked at in the background.
    pub fn watch_settings(mut self, settings: WatchSettings) -> Self {
        self.watch = settings;
        self
    }

    /// What may happen to deployments without a person.
    pub fn deployment_settings(mut self, settings: DeploymentSettings) -> Self {
        self.deployments = settings;
        self
    }

    /// The queue between who reports outcomes and the store. Default: [`OutcomeRecorder::default_settings`].
    pub fn outcome_settings(mut self, settings: RecordingSettings) -> Self {
        self.outcomes = settings;
        self
    }

    /// What is kept of traces, and for how long.
    pub fn trace_settings(mut self, settings: TraceSettings) -> Self {
        self.traces = settings;
        self
    }

    /// Puts it together. Nothing is read or written by it, but where a runtime is at hand, or else with the first
    /// [`tenant`](PromptOps::tenant) where one is, it begins to follow the backend's changes in the background, until
    /// the last handle is dropped.
    #[must_use]
    pub fn build(self) -> PromptOps {
        let stores = self.stores;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let spawn = self.spawn.unwrap_or_else(|| Arc::new(TokioSpawn::new()));
        let events = self.events.unwrap_or_else(|| Arc::new(LocalBus::new()));
        let snippets = self
            .snippets
            .unwrap_or_else(|| Arc::new(StoreSnippets::new(stores.prompts.clone())));
        let ids: Arc<dyn IdSource> = self.ids.unwrap_or_else(|| Arc::new(TimeOrderedIds));
        let defaults = self.environments.unwrap_or_else(EnvironmentName::defaults);
        let compiler = Compiler {
            snippets,
            snippet_limits: self.snippet_limits,
            render_limits: self.render_limits,
        };
        let authoring = Authoring {
            store: stores.prompts.clone(),
            check: Arc::new(compiler.clone()),
            events: events.clone(),
            spawn: spawn.clone(),
            clock: clock.clone(),
        };
        let evaluating = Evaluating {
            evaluations: stores.evaluations.clone(),
            datasets: stores.datasets.clone(),
            completions: stores.completions.clone(),
            prompts: stores.prompts.clone(),
            compiler: compiler.clone(),
            spawn: spawn.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
        };
        let governance = Governance {
            environments: stores.environments.clone(),
            prompts: stores.prompts.clone(),
            metrics: stores.metrics.clone(),
            evaluating: evaluating.clone(),
            compiler: compiler.clone(),
            events: events.clone(),
            spawn: spawn.clone(),
            clock: clock.clone(),
            defaults: defaults.into(),
        };
        let experimenting = Experimenting {
            experiments: stores.experiments.clone(),
            governance: governance.clone(),
            ids: ids.clone(),
            max_variants: self.max_variants,
        };
        let deploying = Deploying {
            deployments: stores.deployments.clone(),
            governance: governance.clone(),
            ids: ids.clone(),
            settings: self.deployments,
        };
        let improving = Improving {
            store: stores.improvement.clone(),
            traces: stores.traces.clone(),
            authoring: authoring.clone(),
            deploying: deploying.clone(),
        };
        let watch = Watch::new(experimenting.clone(), self.watch);
        let outcomes = OutcomeRecorder::new(
            stores.experiments.clone(),
            watch.clone(),
            clock.clone(),
            spawn.clone(),
            self.outcomes,
        );
        let traces = TraceRecorder::new(
            stores.traces.clone(),
            stores.metrics.clone(),
            clock.clone(),
            ids,
            spawn.clone(),
            self.traces,
        );
        let lookups = Lookups {
            prompts: stores.prompts.clone(),
            compiler: compiler.clone(),
        };
        let resolver = Resolver::new(
            stores.prompts.clone(),
            (stores.experiments.clone(), watch.clone()),
            compiler,
            events.as_ref(),
            clock.clone(),
            spawn.clone(),
            self.resolve,
        );
        let follower = self
            .follow_changes
            .then(|| Follower::new(stores.changes.clone(), &events, spawn));
        PromptOps(Arc::new(Wiring {
            stores,
            authoring,
            governance,
            evaluating,
            experimenting,
            deploying,
            improving,
            outcomes,
            traces,
            lookups,
            watch,
            resolver,
            events,
            clock,
            follower,
        }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("resolve", &self.resolve)
            .finish_non_exhaustive()
    }
}
