//! Loading what the cache does not have: store, snippets, compiler.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cache::{Entry, Key, Shared};
use super::enrolment::Enrolment;
use super::shelf::Shelf;
use super::sources::Sources;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Clock, PromptName, TenantId};
use crate::experiment::{Experiment, ExperimentStore, Variant, Watch};
use crate::observation::Stamp;
use crate::prompt::{Content, Lookup, Reference, Selector, Status, Store, Version};
use crate::render::{Closure, ClosureRoot, Compiler};

/// When the clock's origin is on the cache's scale of milliseconds. What a snapshot brings was confirmed before, some
/// of it long before.
const ORIGIN_MS: u64 = 1 << 48;

/// Why a load came to nothing.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The store's word: what was asked for is not there (any more).
    Gone(Error),
    /// It could not be loaded now, though it may well be there.
    Failed(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Gone(error) | Self::Failed(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Loads entries. Knows nothing of requests.
pub(super) struct Loader {
    pub(super) store: Arc<dyn Store>,
    /// Where experiments are looked up, if they are; and who looks at them then.
    pub(super) experiments: Option<(Arc<dyn ExperimentStore>, Watch)>,
    pub(super) compiler: Compiler,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timeout: Duration,
}

impl Loader {
    /// The time on the cache's scale.
    pub(super) fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_add(ORIGIN_MS)
    }

    /// Loads what a key refers to, in one store call and one more per level of snippets. `began` is how many events
    /// had been heard before: every later one may be about what the store will not say.
    pub(super) async fn load(
        &self,
        key: &Key,
        reference: &Reference,
        began: u64,
        shelf: &Mutex<Shelf>,
    ) -> Result<Entry, Failure> {
        let loading = self.load_reference(&key.tenant, reference, began, shelf);
        match tokio::time::timeout(self.timeout, loading).await {
            Ok(loaded) => loaded,
            Err(_) => Err(Failure::Failed(
                Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the store did not answer within {} ms; try again later",
                        self.timeout.as_millis()
                    ),
                )
                .with("reference", reference)
                .with("tenant", &key.tenant),
            )),
        }
    }

    async fn load_reference(
        &self,
        tenant: &TenantId,
        reference: &Reference,
        began: u64,
        shelf: &Mutex<Shelf>,
    ) -> Result<Entry, Failure> {
        let (lookups, experiment) = tokio::try_join!(
            self.store.find(tenant, std::slice::from_ref(reference)),
            self.experiment(tenant, reference),
        )?;
        let found = match lookups.into_iter().next() {
            Some(Lookup::Found(found)) => found,
            Some(Lookup::Missing(missing)) => return Err(Failure::Gone(missing.error(tenant, reference))),
            None => {
                let what = "the store answered nothing where a version was asked for";
                return Err(Failure::Failed(Error::new(ErrorKind::Backend, what)));
            }
        };
        let closure = self.compiler.closure(tenant, found.version.as_ref()).await?;
        let sources = Sources::new(found.version, &closure);
        let stamp = sources.stamp(reference);
        let mut depends_on = sources.depends_on(tenant);
        // An experiment is on a prompt of the tenant's own.
        let is_own = sources.version.tenant == *tenant;
        let shared = self.shared(tenant, sources, shelf, |_| Ok(closure))?;
        let mut enrolment = None;
        if let Some(experiment) = experiment.filter(|_| is_own) {
            let mut arms = None;
            if found.revision == Some(experiment.pointer_revision) {
                let mut more = depends_on.into_vec();
                arms = self.arms(tenant, &experiment, &shared, shelf, &mut more).await?;
                more.sort_unstable();
                more.dedup();
                depends_on = more.into();
            }
            if let Some((_, watch)) = &self.experiments {
                watch.serve(tenant, &experiment.id);
            }
            enrolment = Some(Enrolment::new(experiment, arms));
        }
        let entry = Entry::new(shared, stamp, found.revision, depends_on, began, self.now_ms());
        Ok(entry.enrolled(enrolment))
    }

    /// The experiment that is open where a reference leads.
    async fn experiment(&self, tenant: &TenantId, reference: &Reference) -> Result<Option<Experiment>> {
        match (&self.experiments, &reference.selector) {
            (Some((experiments, _)), Selector::Environment(environment)) => {
                let found = experiments.open_experiment(tenant, &reference.prompt, environment);
                match found.await {
                    // What this release cannot read is no reason to be without what is live.
                    Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
                    found => found,
                }
            }
            _ => Ok(None),
        }
    }

    /// What the variants serve: `None` when one of them is not what it was when the experiment began. Adds what they
    /// depend on.
    async fn arms(
        &self,
        tenant: &TenantId,
        experiment: &Experiment,
        live: &Arc<Shared>,
        shelf: &Mutex<Shelf>,
        depends_on: &mut Vec<(TenantId, PromptName)>,
    ) -> Result<Option<Box<[Arc<Shared>]>>> {
        // The control is what is live, and so are the variants that serve its text.
        let Some(of_live) = live
            .sources
            .as_ref()
            .filter(|of| is_served(experiment.control(), of))
        else {
            return Ok(None);
        };
        let others: Vec<(usize, &Variant)> = experiment
            .variants
            .iter()
            .enumerate()
            .filter(|(_, variant)| !is_served(variant, of_live))
            .collect();
        let references: Vec<Reference> = others
            .iter()
            .map(|(_, variant)| Reference::version(experiment.prompt.clone(), variant.version))
            .collect();
        let mut arms = vec![Arc::clone(live); experiment.variants.len()];
        if others.is_empty() {
            return Ok(Some(arms.into()));
        }
        let Some(found) = unless_gone(self.store.find(tenant, &references).await)? else {
            return Ok(None);
        };
        let mut is_changed = found.len() != others.len();
        // All of them, whatever becomes of one: what each depends on must be known.
        for (lookup, (place, variant)) in found.into_iter().zip(others) {
            let arm = match lookup {
                Lookup::Found(found) => {
                    let of = (variant, found.version);
                    self.arm(tenant, of, shelf, depends_on).await?
                }
                Lookup::Missing(_) => None,
            };
            match arm {
                Some(arm) => arms[place] = arm,
                None => is_changed = true,
            }
        }
        Ok((!is_changed).then(|| arms.into()))
    }

    /// What one variant serves by this version, if it is what it was.
    async fn arm(
        &self,
        tenant: &TenantId,
        (variant, version): (&Variant, Arc<Version>),
        shelf: &Mutex<Shelf>,
        depends_on: &mut Vec<(TenantId, PromptName)>,
    ) -> Result<Option<Arc<Shared>>> {
        if version.hash != variant.content_hash || version.status == Status::Archived {
            return Ok(None);
        }
        let Some(closure) = unless_gone(self.compiler.closure(tenant, version.as_ref()).await)? else {
            return Ok(None);
        };
        let sources = Sources::new(version, &closure);
        depends_on.extend(sources.depends_on(tenant));
        if closure.hash != variant.closure_hash {
            return Ok(None);
        }
        unless_gone(self.shared(tenant, sources, shelf, |_| Ok(closure)))
    }

    /// The compiled prompt of these sources: the one that other keys use already, or a new one.
    pub(super) fn shared(
        &self,
        tenant: &TenantId,
        sources: Sources,
        shelf: &Mutex<Shelf>,
        closure: impl FnOnce(&Sources) -> Result<Closure>,
    ) -> Result<Arc<Shared>> {
        let lock = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let key = sources.shared_key(tenant);
        let known = lock().shared(&key);
        if let Some(shared) = known {
            return Ok(shared);
        }
        let compiled = self.compiler.compile(&closure(&sources)?)?;
        Ok(lock().share(key, Arc::new(Shared::new(compiled, Some(sources)))))
    }

    /// Makes an entry of a caller's own content, which may include nothing.
    pub(super) async fn fallback(
        &self,
        tenant: &TenantId,
        reference: &Reference,
        content: Content,
        cause: Error,
    ) -> Result<Entry> {
        let prompt = reference.prompt.clone();
        let root = ClosureRoot::new(prompt.clone(), None, Arc::new(content));
        let mut compiler = self.compiler.clone();
        compiler.snippets = Arc::new(NoSnippets);
        let closure = compiler.closure(tenant, root).await?;
        let stamp = Stamp {
            prompt,
            version: None,
            closure_hash: closure.hash,
            environment: None,
            assignment: None,
        };
        let shared = Arc::new(Shared::new(compiler.compile(&closure)?, None));
        let entry = Entry::new(shared, stamp, None, Box::default(), 0, self.now_ms());
        entry.failed(cause, 0);
        Ok(entry)
    }
}

/// Whether these sources are what a variant serves.
fn is_served(variant: &Variant, of: &Sources) -> bool {
    variant.version == of.version.number && variant.closure_hash == of.closure_hash
}

/// What was looked up for a variant; `None` when the error is about the variant's text, such as a snippet that is no
/// longer there, which is no reason not to serve what is live.
fn unless_gone<T>(looked_up: Result<T>) -> Result<Option<T>> {
    match looked_up {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::Template | ErrorKind::Invalid | ErrorKind::Corrupt => Ok(None),
            _ => Err(error),
        },
    }
}

struct NoSnippets;

#[async_trait::async_trait]
impl crate::render::SnippetResolver for NoSnippets {
    async fn resolve(
        &self,
        _: &TenantId,
        _: &[crate::prompt::SnippetReference],
    ) -> Result<
        std::collections::BTreeMap<
            crate::prompt::SnippetReference,
            Result<crate::render::SnippetSource, crate::prompt::Missing>,
        >,
    > {
        Err(Error::new(
            ErrorKind::Invalid,
            "a fallback cannot include snippets; write its text out",
        ))
    }
}
