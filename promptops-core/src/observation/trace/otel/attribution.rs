//! Which prompt a call was made with: as it says, looked up, never guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::call::Claim;
use super::options::ImportOptions;
use super::report::SkipReason;
use super::wire::Fault;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{PromptName, TenantId};
use crate::observation::Stamp;
use crate::prompt::{Lookup, Missing, Reference, Selector, Store};
use crate::render::Compiler;

/// Most references of which the answer is kept at hand; with more, all are forgotten, and looked up again.
const MOST_KNOWN: usize = 10_000;

/// Where versions and their snippets are looked up.
#[derive(Clone)]
pub struct Lookups {
    /// Prompts and versions.
    pub prompts: Arc<dyn Store>,
    /// Resolves closures.
    pub compiler: Compiler,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

/// Where a call's stamp comes from.
pub(super) enum Source {
    /// It is the call's own.
    Own(Stamp),
    /// It is that of the version which this leads to.
    LookedUp(Reference),
}

/// What a claim comes to under these options.
pub(super) fn source(claim: Claim, options: &ImportOptions) -> Result<Source, Fault> {
    let default = options.default_prompt.as_ref();
    let (name, version) = match claim {
        Claim::Stamp(stamp) => return Ok(Source::Own(stamp)),
        Claim::Nothing => {
            let none = || Fault::new(SkipReason::NoPrompt, "");
            return default.cloned().map(Source::LookedUp).ok_or_else(none);
        }
        Claim::Named { name, version } => (name, version),
    };
    let prompt =
        PromptName::new(&name).map_err(|e| Fault::new(SkipReason::UnknownPrompt, e.message().to_owned()))?;
    if let Some(version) = version {
        let selector = version.parse().ok().filter(is_pinned).ok_or_else(|| {
            let what = "its version is no number, and no hash of a content";
            Fault::new(SkipReason::UnknownVersion, format!("{prompt}: {what}"))
        })?;
        return Ok(Source::LookedUp(Reference { prompt, selector }));
    }
    if let Some(default) = default.filter(|default| default.prompt == prompt) {
        return Ok(Source::LookedUp(default.clone()));
    }
    if options.unversioned_as_latest {
        return Ok(Source::LookedUp(Reference::latest(prompt)));
    }
    Err(Fault::new(SkipReason::NoVersion, prompt.to_string()))
}

/// Whether it means the same version for ever. A name of an environment does not: what is live there now is not what was.
fn is_pinned(selector: &Selector) -> bool {
    matches!(selector, Selector::Version(_) | Selector::Hash(_))
}

/// The stamps of references, each looked up once.
pub(super) struct Stamps<'a> {
    lookups: &'a Lookups,
    tenant: &'a TenantId,
    known: BTreeMap<Reference, Result<Stamp, Fault>>,
}

impl<'a> Stamps<'a> {
    pub fn new(lookups: &'a Lookups, tenant: &'a TenantId) -> Self {
        Self {
            lookups,
            tenant,
            known: BTreeMap::new(),
        }
    }

    /// Looks up those of these references that are not known, in one round trip, and their snippets.
    pub async fn look_up(&mut self, wanted: impl Iterator<Item = &Reference>) -> Result<()> {
        if self.known.len() > MOST_KNOWN {
            self.known.clear();
        }
        let mut unknown: Vec<Reference> = wanted
            .filter(|reference| !self.known.contains_key(reference))
            .cloned()
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let found = self.lookups.prompts.find(self.tenant, &unknown).await?;
        for (reference, lookup) in unknown.into_iter().zip(found) {
            let stamp = self.stamp(&reference, lookup).await?;
            self.known.insert(reference, stamp);
        }
        Ok(())
    }

    async fn stamp(&self, reference: &Reference, lookup: Lookup) -> Result<Result<Stamp, Fault>> {
        let version = match lookup {
            Lookup::Found(found) => found.version,
            Lookup::Missing(missing) => return Ok(Err(unknown(reference, missing))),
        };
        match self.lookups.compiler.closure(self.tenant, &*version).await {
            Ok(closure) => Ok(Ok(Stamp {
                prompt: version.prompt.clone(),
                version: Some(version.number),
                closure_hash: closure.hash,
                environment: match &reference.selector {
                    Selector::Environment(environment) => Some(environment.clone()),
                    _ => None,
                },
                assignment: None,
            })),
            Err(e) if is_of_the_prompt(&e) => {
                let fault = Fault::new(SkipReason::Unresolvable, format!("{reference}: {}", e.message()));
                Ok(Err(fault))
            }
            Err(e) => Err(e),
        }
    }

    /// The stamp of a reference that was looked up.
    pub fn get(&self, reference: &Reference) -> Result<&Stamp, Fault> {
        match self.known.get(reference) {
            Some(Ok(stamp)) => Ok(stamp),
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(unknown(reference, Missing::Version)),
        }
    }
}

fn unknown(reference: &Reference, missing: Missing) -> Fault {
    let (reason, what) = match missing {
        Missing::Prompt => (SkipReason::UnknownPrompt, "there is no such prompt"),
        Missing::Version => (SkipReason::UnknownVersion, "there is no such version"),
        Missing::ActiveVersion => (SkipReason::UnknownVersion, "no version is active"),
        Missing::Promotion => (SkipReason::UnknownVersion, "nothing is live there"),
    };
    Fault::new(reason, format!("{reference}: {what}"))
}

/// Whether the error is the prompt's, and not that of a store that may answer later.
fn is_of_the_prompt(e: &Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Template
    )
}
