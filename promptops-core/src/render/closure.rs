//! The closure: a prompt with all its snippets resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::snippet::{SnippetResolver, SnippetSource};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ClosureHash, ContentHash, EnvironmentName, PromptName, TenantId, VersionNumber};
use crate::prompt::{
    Body, Content, ContentAnalysis, Missing, Selector, SnippetReference, SnippetUse, Version, closure_hash,
};

/// How far snippets may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnippetLimits {
    /// Most snippets inside each other: 1 lets a prompt include snippets that include none. Default 3, ceiling 16:
    /// rendering takes stack for each. A higher value is treated as the ceiling.
    pub depth: usize,
    /// Most different includes of one prompt, those of its snippets counted. Default 64.
    pub count: usize,
}

impl Default for SnippetLimits {
    fn default() -> Self {
        Self { depth: 3, count: 64 }
    }
}

impl SnippetLimits {
    /// The same limits with the depth lowered to its ceiling.
    #[must_use]
    pub fn capped(&self) -> Self {
        Self {
            depth: self.depth.min(16),
            ..*self
        }
    }
}

/// What a closure starts from.
#[derive(Debug, Clone)]
pub struct ClosureRoot {
    /// Whose it is; `None` for the asking tenant's own.
    pub owner: Option<TenantId>,
    /// The prompt.
    pub prompt: PromptName,
    /// Its version; `None` while it is not saved.
    pub version: Option<VersionNumber>,
    /// What it says.
    pub content: Arc<Content>,
    /// The identity of that, which whoever made this has checked.
    pub hash: ContentHash,
}

impl ClosureRoot {
    /// A content that is not saved, or not under this number.
    #[must_use]
    pub fn new(prompt: PromptName, version: Option<VersionNumber>, content: Arc<Content>) -> Self {
        let hash = content.hash();
        Self {
            owner: None,
            prompt,
            version,
            content,
            hash,
        }
    }
}

/// A version as a store returned it, which has checked its hash.
impl From<&Version> for ClosureRoot {
    fn from(version: &Version) -> Self {
        Self {
            owner: Some(version.tenant.clone()),
            prompt: version.prompt.clone(),
            version: Some(version.number),
            content: Arc::clone(&version.content),
            hash: version.hash,
        }
    }
}

/// A snippet of a closure.
#[derive(Debug, Clone)]
pub struct Snippet {
    /// The include as written, which is what the templates call it by.
    pub reference: String,
    /// What it led to.
    pub source: SnippetSource,
    /// Its parsed template and what that uses.
    pub analysis: ContentAnalysis,
}

/// A prompt with all its snippets.
#[derive(Debug, Clone)]
pub struct Closure {
    /// The prompt.
    pub prompt: PromptName,
    /// Its version; `None` while it is not saved.
    pub version: Option<VersionNumber>,
    /// What it says.
    pub content: Arc<Content>,
    /// Its parsed templates and what they use.
    pub analysis: ContentAnalysis,
    /// Every snippet it includes, directly or not, each reference once, in order of the reference as written.
    pub snippets: Vec<Snippet>,
    /// The identity of all of it.
    pub hash: ClosureHash,
}

impl Closure {
    /// Resolves everything that the content includes, for this tenant: one call of the resolver per level, and one
    /// more where what is inherited pins snippets.
    ///
    /// A pinned include, by number or hash, means what it meant to whoever wrote it: it is looked up for the tenant that
    /// owns the including text, since numbers are a prompt's own. Includes by latest and by environment are looked up
    /// for the asking tenant, which may override them.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) for a template that does not parse; [`Invalid`](ErrorKind::Invalid) for an
    /// include that names nothing, is a chat, goes too deep or round in a circle, with the path; the resolver's
    /// errors.
    pub async fn resolve(
        tenant: &TenantId,
        root: ClosureRoot,
        resolver: &dyn SnippetResolver,
        limits: &SnippetLimits,
    ) -> Result<Self> {
        let limits = &limits.capped();
        let prompt = &root.prompt;
        let analysis = ContentAnalysis::of(prompt, root.version, &root.content)?;
        let mut snippets: BTreeMap<String, Snippet> = BTreeMap::new();
        let owner = root.owner.as_ref().unwrap_or(tenant);
        let mut level: Vec<(TenantId, SnippetUse)> = wanted(tenant, owner, &analysis).collect();
        let mut looked_up: BTreeSet<(String, TenantId)> = BTreeSet::new();
        let mut depth = 0;
        while !level.is_empty() {
            depth += 1;
            if depth > limits.depth {
                let (_, include) = &level[0];
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "snippets go deeper than {} levels: {}; include less deeply or raise the limit",
                        limits.depth,
                        path_to(prompt, &analysis, &snippets, &include.written)
                    ),
                )
                .at(include.location.clone()));
            }
            let mut found = BTreeMap::new();
            let mut by_tenant: BTreeMap<&TenantId, BTreeSet<&SnippetReference>> = BTreeMap::new();
            for (of, include) in &level {
                by_tenant.entry(of).or_default().insert(&include.reference);
            }
            for (of, references) in by_tenant {
                let references: Vec<SnippetReference> = references.into_iter().cloned().collect();
                found.insert(of.clone(), resolver.resolve(of, &references).await?);
            }
            let mut next: Vec<(TenantId, SnippetUse)> = Vec::new();
            for (of, include) in std::mem::take(&mut level) {
                if !looked_up.insert((include.written.clone(), of.clone())) {
                    continue;
                }
                if snippets.len() == limits.count {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            "more than {} different includes; merge some of them",
                            limits.count
                        ),
                    )
                    .at(include.location));
                }
                let source = match found.get(&of).and_then(|found| found.get(&include.reference)) {
                    Some(Ok(source)) => source.clone(),
                    Some(Err(missing)) => return Err(not_found(&include, *missing)),
                    None => return Err(not_found(&include, Missing::Prompt)),
                };
                if let Some(known) = snippets.get(&include.written) {
                    if (&known.source.tenant, known.source.version) == (&source.tenant, source.version) {
                        continue;
                    }
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            "{:?} means a version of this tenant's in one place and of its parent's in another; include \
                             by environment instead",
                            include.written
                        ),
                    )
                    .at(include.location));
                }
                if !matches!(source.content.body, Body::Text { .. }) {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            "{:?} is a chat prompt; only text prompts can be included. Save its text as a prompt of \
                             its own",
                            include.written
                        ),
                    )
                    .at(include.location));
                }
                let inner = ContentAnalysis::of(&source.prompt, Some(source.version), &source.content)?;
                next.extend(wanted(tenant, &source.tenant, &inner));
                snippets.insert(
                    include.written.clone(),
                    Snippet {
                        reference: include.written,
                        source,
                        analysis: inner,
                    },
                );
            }
            next.retain(|(of, include)| !looked_up.contains(&(include.written.clone(), of.clone())));
            level = next;
        }
        Self::assemble(tenant, root, analysis, snippets, limits)
    }

    /// A closure whose snippets are found already, by the references as written.
    pub(super) fn assemble(
        tenant: &TenantId,
        root: ClosureRoot,
        analysis: ContentAnalysis,
        snippets: BTreeMap<String, Snippet>,
        limits: &SnippetLimits,
    ) -> Result<Self> {
        check_paths(
            tenant,
            &root.prompt,
            root.version,
            &analysis,
            &snippets,
            &limits.capped(),
        )?;
        let hashes: Vec<_> = snippets
            .values()
            .map(|snippet| (snippet.reference.as_str(), snippet.source.hash))
            .collect();
        let hash = closure_hash(&root.hash, &hashes);
        Ok(Self {
            prompt: root.prompt,
            version: root.version,
            content: root.content,
            analysis,
            snippets: snippets.into_values().collect(),
            hash,
        })
    }

    /// The includes, as written, that can change without this environment's policies being asked: those by "latest",
    /// and those by other environments.
    #[must_use]
    pub fn floating_includes(&self, environment: &EnvironmentName) -> Vec<String> {
        let nested = self.snippets.iter().map(|snippet| &snippet.analysis);
        let mut floating: Vec<String> = std::iter::once(&self.analysis)
            .chain(nested)
            .flat_map(ContentAnalysis::includes)
            .filter(|include| match &include.reference.reference().selector {
                Selector::Version(_) | Selector::Hash(_) => false,
                Selector::Environment(by) => by != environment,
                Selector::Latest => true,
            })
            .map(|include| include.written.clone())
            .collect();
        floating.sort_unstable();
        floating.dedup();
        floating
    }
}

/// The includes of a text, each with the tenant that it is looked up for.
fn wanted<'a>(
    asking: &'a TenantId,
    owner: &'a TenantId,
    analysis: &'a ContentAnalysis,
) -> impl Iterator<Item = (TenantId, SnippetUse)> + 'a {
    analysis.includes().iter().map(move |include| {
        let of = match include.reference.reference().selector {
            Selector::Version(_) | Selector::Hash(_) => owner,
            Selector::Latest | Selector::Environment(_) => asking,
        };
        (of.clone(), include.clone())
    })
}

fn not_found(include: &SnippetUse, missing: Missing) -> Error {
    let prompt = &include.reference.reference().prompt;
    let what = match (missing, &include.reference.reference().selector) {
        (Missing::Prompt, _) => format!("the snippet {prompt} does not exist; save it first"),
        (Missing::ActiveVersion, _) => {
            format!(
                "the snippet {prompt} has no active version; activate one, or include a version by number"
            )
        }
        (Missing::Promotion, Selector::Environment(environment)) => {
            format!("the snippet {prompt} is not live in {environment}; promote a version of it there")
        }
        (_, selector) => format!("the snippet {prompt} has no version {selector}"),
    };
    Error::new(ErrorKind::NotFound, what).at(include.location.clone())
}

/// Walks every path of includes: none may come back to where it was, none may be too long.
///
/// A path comes back when it leads to a version that is on it already, or from inside to the prompt itself by
/// "latest" or environment, which can mean this very version. A pinned other version of the prompt is another text.
/// Neither depends on the way taken to an include, so each is walked once: what was walked to its end leads to nothing
/// that is on any path.
fn check_paths(
    tenant: &TenantId,
    prompt: &PromptName,
    version: Option<VersionNumber>,
    root: &ContentAnalysis,
    snippets: &BTreeMap<String, Snippet>,
    limits: &SnippetLimits,
) -> Result<()> {
    let mut walk = Walk {
        tenant,
        prompt,
        version,
        snippets,
        limits,
        path: Vec::new(),
        heights: BTreeMap::new(),
    };
    walk.height(root).map(drop)
}

/// A version that an include led to.
type Place<'a> = (&'a TenantId, &'a PromptName, VersionNumber);

struct Walk<'a> {
    tenant: &'a TenantId,
    prompt: &'a PromptName,
    version: Option<VersionNumber>,
    snippets: &'a BTreeMap<String, Snippet>,
    limits: &'a SnippetLimits,
    /// Where the walk is: what is included, and how that is written.
    path: Vec<(Place<'a>, &'a str)>,
    /// How many levels there are below each place that was walked to its end.
    heights: BTreeMap<Place<'a>, usize>,
}

impl<'a> Walk<'a> {
    /// How many levels of includes there are below.
    fn height(&mut self, analysis: &'a ContentAnalysis) -> Result<usize> {
        let mut height = 0;
        for include in analysis.includes() {
            let Some(snippet) = self.snippets.get(&include.written) else {
                continue;
            };
            let source = &snippet.source;
            let place = (&source.tenant, &source.prompt, source.version);
            if self.is_root(include, source) || self.path.iter().any(|(at, _)| *at == place) {
                return Err(self.error("includes go round in a circle", include));
            }
            let below = match self.heights.get(&place) {
                Some(below) => *below,
                None => {
                    self.path.push((place, &include.written));
                    let below = self.height(&snippet.analysis)?;
                    self.path.pop();
                    self.heights.insert(place, below);
                    below
                }
            };
            height = height.max(below + 1);
            if self.path.len() + height > self.limits.depth {
                let what = format!("snippets go deeper than {} levels", self.limits.depth);
                return Err(self.error(&what, include));
            }
        }
        Ok(height)
    }

    fn is_root(&self, include: &SnippetUse, source: &SnippetSource) -> bool {
        let pinned = matches!(
            include.reference.reference().selector,
            Selector::Version(_) | Selector::Hash(_)
        );
        // What is inherited under the name of a version being saved will be hidden by it, and its numbers with it.
        let hidden = self.version.is_none() && source.tenant != *self.tenant;
        source.prompt == *self.prompt && (!pinned || hidden || self.version == Some(source.version))
    }

    fn error(&self, what: &str, include: &SnippetUse) -> Error {
        let mut names: Vec<&str> = vec![self.prompt.as_str()];
        names.extend(self.path.iter().map(|(_, written)| *written));
        names.push(&include.written);
        Error::new(ErrorKind::Invalid, format!("{what}: {}", names.join(" → "))).at(include.location.clone())
    }
}

/// One path of includes from the prompt to the reference, as text.
fn path_to(
    prompt: &PromptName,
    root: &ContentAnalysis,
    snippets: &BTreeMap<String, Snippet>,
    target: &str,
) -> String {
    let mut names = vec![target.to_owned()];
    while !root
        .includes()
        .iter()
        .any(|include| include.written == names[names.len() - 1])
    {
        let last = &names[names.len() - 1];
        let parent = snippets
            .values()
            .find(|snippet| {
                snippet
                    .analysis
                    .includes()
                    .iter()
                    .any(|include| include.written == *last)
            })
            .map(|snippet| snippet.reference.clone());
        match parent {
            Some(parent) if !names.contains(&parent) => names.push(parent),
            _ => break,
        }
    }
    names.push(prompt.to_string());
    names.reverse();
    names.join(" → ")
}
