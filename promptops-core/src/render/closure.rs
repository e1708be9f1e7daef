//! The closure: a prompt with all its snippets resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::snippet::{SnippetResolver, SnippetSource};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{ClosureHash, ContentHash, Location, PromptName, TenantId, VersionNumber};
use crate::prompt::{
    Body, Content, ContentAnalysis, Missing, Selector, SnippetReference, SnippetUse, Version, closure_hash,
};

/// How far snippets may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnippetLimits {
    /// Most snippets inside each other: 1 lets a prompt include snippets that include none. Default 3.
    pub depth: usize,
    /// Most different includes of one prompt, those of its snippets counted. Default 64.
    pub count: usize,
}

impl Default for SnippetLimits {
    fn default() -> Self {
        Self { depth: 3, count: 64 }
    }
}

/// What a closure starts from.
#[derive(Debug, Clone)]
pub struct ClosureRoot {
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

/// A place in the graph of includes: the prompt itself, or a reference.
struct Step<'a> {
    written: &'a str,
    prompt: &'a PromptName,
    version: Option<VersionNumber>,
    floating: bool,
}

impl Closure {
    /// Resolves everything that the content includes, for this tenant: one call of the resolver per level.
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
        let ClosureRoot {
            prompt,
            version,
            content,
            hash,
        } = root;
        let prompt = &prompt;
        let analysis = ContentAnalysis::of(prompt, version, &content)?;
        let mut snippets: BTreeMap<String, Snippet> = BTreeMap::new();
        let mut level: Vec<SnippetUse> = analysis.includes().to_vec();
        let mut depth = 0;
        while !level.is_empty() {
            depth += 1;
            if depth > limits.depth {
                let include = &level[0];
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
            let mut references: Vec<SnippetReference> =
                level.iter().map(|include| include.reference.clone()).collect();
            references.sort_unstable();
            references.dedup();
            let found = resolver.resolve(tenant, &references).await?;
            let mut next: Vec<SnippetUse> = Vec::new();
            for include in std::mem::take(&mut level) {
                if snippets.contains_key(&include.written) {
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
                let source = match found.get(&include.reference) {
                    Some(Ok(source)) => source.clone(),
                    Some(Err(missing)) => return Err(not_found(&include, *missing)),
                    None => return Err(not_found(&include, Missing::Prompt)),
                };
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
                next.extend(inner.includes().iter().cloned());
                snippets.insert(
                    include.written.clone(),
                    Snippet {
                        reference: include.written,
                        source,
                        analysis: inner,
                    },
                );
            }
            next.retain(|include| !snippets.contains_key(&include.written));
            level = next;
        }
        check_paths(prompt, version, &analysis, &snippets, limits)?;
        let hashes: Vec<_> = snippets
            .values()
            .map(|snippet| (snippet.reference.as_str(), snippet.source.hash))
            .collect();
        let hash = closure_hash(&hash, &hashes);
        Ok(Self {
            prompt: prompt.clone(),
            version,
            content,
            analysis,
            snippets: snippets.into_values().collect(),
            hash,
        })
    }

    /// The includes by "latest", as written: what can change without a new version of anything that includes it.
    #[must_use]
    pub fn floating_includes(&self) -> Vec<String> {
        let nested = self.snippets.iter().map(|snippet| &snippet.analysis);
        let mut floating: Vec<String> = std::iter::once(&self.analysis)
            .chain(nested)
            .flat_map(ContentAnalysis::includes)
            .filter(|include| include.reference.is_floating())
            .map(|include| include.written.clone())
            .collect();
        floating.sort_unstable();
        floating.dedup();
        floating
    }
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
fn check_paths(
    prompt: &PromptName,
    version: Option<VersionNumber>,
    root: &ContentAnalysis,
    snippets: &BTreeMap<String, Snippet>,
    limits: &SnippetLimits,
) -> Result<()> {
    fn walk<'a>(
        analysis: &'a ContentAnalysis,
        snippets: &'a BTreeMap<String, Snippet>,
        path: &mut Vec<Step<'a>>,
        heights: &mut BTreeMap<&'a str, usize>,
        limits: &SnippetLimits,
    ) -> Result<usize> {
        let mut height = 0;
        for include in analysis.includes() {
            let Some(snippet) = snippets.get(&include.written) else {
                continue;
            };
            let step = Step {
                written: &include.written,
                prompt: &snippet.source.prompt,
                version: Some(snippet.source.version),
                floating: !matches!(
                    include.reference.reference().selector,
                    Selector::Version(_) | Selector::Hash(_)
                ),
            };
            // An older version, pinned, is another text; anything else comes back to what is being included.
            if path
                .iter()
                .any(|at| at.prompt == step.prompt && (step.floating || at.version == step.version))
            {
                return Err(in_path(
                    "includes go round in a circle",
                    path,
                    step.written,
                    &include.location,
                ));
            }
            let below = match heights.get(include.written.as_str()) {
                Some(below) => *below,
                None => {
                    path.push(step);
                    let below = walk(&snippet.analysis, snippets, path, heights, limits)?;
                    path.pop();
                    heights.insert(&include.written, below);
                    below
                }
            };
            height = height.max(below + 1);
            if path.len() - 1 + height > limits.depth {
                return Err(in_path(
                    &format!("snippets go deeper than {} levels", limits.depth),
                    path,
                    &include.written,
                    &include.location,
                ));
            }
        }
        Ok(height)
    }
    let mut path = vec![Step {
        written: prompt.as_str(),
        prompt,
        version,
        floating: false,
    }];
    walk(root, snippets, &mut path, &mut BTreeMap::new(), limits).map(drop)
}

fn in_path(what: &str, path: &[Step<'_>], last: &str, location: &Location) -> Error {
    let mut names: Vec<&str> = path.iter().map(|step| step.written).collect();
    names.push(last);
    Error::new(ErrorKind::Invalid, format!("{what}: {}", names.join(" → "))).at(location.clone())
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
