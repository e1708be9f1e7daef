//! The inside of a snapshot: contents, prompts, and what leads to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use semver::Version as Semver;
use serde::{Deserialize, Serialize};

use super::super::cache::{Entry, Key};
use super::super::sources::{Included, Sources};
use super::file;
use super::frame::{self, refused};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{Actor, ClosureHash, ContentHash, PromptName, TenantId, Timestamp, VersionNumber};
use crate::prompt::{Content, Reference, Status, Version, closure_hash};
use crate::render::SnippetSource;

/// What a snapshot says, all hashes checked.
pub(super) struct Snapshot {
    pub(super) taken_at: Timestamp,
    pub(super) prompts: Vec<Sources>,
    pub(super) entries: Vec<SavedEntry>,
}

/// What a reference led to.
pub(super) struct SavedEntry {
    pub(super) key: Arc<Key>,
    pub(super) reference: Reference,
    /// Which of the prompts.
    pub(super) prompt: usize,
    pub(super) revision: Option<u64>,
    /// Milliseconds from when the store confirmed it to when the snapshot was taken.
    pub(super) age_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptLine {
    tenant: TenantId,
    prompt: PromptName,
    number: VersionNumber,
    hash: ContentHash,
    semver: Option<Semver>,
    parents: Vec<VersionNumber>,
    author: Actor,
    message: String,
    status: Status,
    #[serde(with = "chrono::serde::ts_microseconds")]
    created_at: Timestamp,
    closure_hash: ClosureHash,
    snippets: Vec<SnippetLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnippetLine {
    reference: Box<str>,
    tenant: TenantId,
    prompt: PromptName,
    version: VersionNumber,
    hash: ContentHash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    tenant: TenantId,
    reference: Box<str>,
    prompt: usize,
    revision: Option<u64>,
    age_ms: u64,
}

/// The bytes of a snapshot of these entries, and how many it holds.
pub(super) fn encode(
    mut entries: Vec<(Arc<Key>, Arc<Entry>)>,
    taken_at: Timestamp,
    now_ms: u64,
    max_bytes: u64,
) -> Result<(Vec<u8>, usize)> {
    entries.sort_unstable_by(|(a, _), (b, _)| (&a.tenant, &a.reference).cmp(&(&b.tenant, &b.reference)));
    let mut writer = Writer {
        bytes: frame::open(taken_at),
        contents: HashSet::new(),
        prompts: HashMap::new(),
    };
    let mut count = 0;
    for (key, entry) in &entries {
        // A caller's own text is not the store's, and never in the cache.
        let Some(sources) = &entry.shared.sources else {
            continue;
        };
        let prompt = writer.prompt(sources)?;
        let line = EntryLine {
            tenant: key.tenant.clone(),
            reference: key.reference.clone(),
            prompt,
            revision: entry.revision,
            age_ms: u64::try_from(entry.age(now_ms).as_millis()).unwrap_or(u64::MAX),
        };
        writer.line("entry", &json(&line)?);
        count += 1;
        let length = frame::length(&writer.bytes);
        if length > max_bytes {
            return Err(file::too_large(length, max_bytes));
        }
    }
    Ok((frame::seal(writer.bytes), count))
}

struct Writer {
    bytes: Vec<u8>,
    contents: HashSet<ContentHash>,
    /// Each line of a prompt, with its number.
    prompts: HashMap<String, usize>,
}

impl Writer {
    fn line(&mut self, kind: &str, rest: &str) {
        for part in [kind, " ", rest, "\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    fn content(&mut self, hash: ContentHash, content: &Content) -> Result<()> {
        if self.contents.insert(hash) {
            self.line("content", &format!("{hash} {}", content.to_json()?));
        }
        Ok(())
    }

    /// The number of this prompt, which is written if it was not yet.
    fn prompt(&mut self, sources: &Sources) -> Result<usize> {
        let version = &sources.version;
        let line = json(&PromptLine {
            tenant: version.tenant.clone(),
            prompt: version.prompt.clone(),
            number: version.number,
            hash: version.hash,
            semver: version.semver.clone(),
            parents: version.parents.clone(),
            author: version.author.clone(),
            message: version.message.clone(),
            status: version.status,
            created_at: version.created_at,
            closure_hash: sources.closure_hash,
            snippets: sources
                .snippets
                .iter()
                .map(|snippet| SnippetLine {
                    reference: snippet.reference.clone(),
                    tenant: snippet.source.tenant.clone(),
                    prompt: snippet.source.prompt.clone(),
                    version: snippet.source.version,
                    hash: snippet.source.hash,
                })
                .collect(),
        })?;
        if let Some(number) = self.prompts.get(&line) {
            return Ok(*number);
        }
        self.content(version.hash, &version.content)?;
        for Included { source, .. } in &sources.snippets {
            self.content(source.hash, &source.content)?;
        }
        self.line("prompt", &line);
        let number = self.prompts.len();
        self.prompts.insert(line, number);
        Ok(number)
    }
}

fn json(line: &impl Serialize) -> Result<String> {
    serde_json::to_string(line)
        .map_err(|_| Error::new(ErrorKind::Invalid, "a version in the cache has no JSON form"))
}

/// Reads the bytes of a snapshot, and checks them: as a whole, each content against its hash, and each prompt with its
/// snippets against the closure hash.
pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot> {
    let (taken_at, payload) = frame::unseal(bytes)?;
    let payload = std::str::from_utf8(payload).map_err(|_| refused("it is not text"))?;
    let mut reader = Reader {
        contents: HashMap::new(),
        snapshot: Snapshot {
            taken_at,
            prompts: Vec::new(),
            entries: Vec::new(),
        },
    };
    for (at, line) in payload.lines().enumerate() {
        reader
            .line(line)
            .map_err(|what| refused(format_args!("line {}: {what}", at + 1)))?;
    }
    Ok(reader.snapshot)
}

/// What is wrong with a line, without anything that it says.
type Wrong = String;

struct Reader {
    contents: HashMap<ContentHash, Arc<Content>>,
    snapshot: Snapshot,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Wrong> {
        let (kind, rest) = line.split_once(' ').ok_or("it has no kind")?;
        match kind {
            "content" => self.content(rest),
            "prompt" => self.prompt(rest),
            "entry" => self.entry(rest),
            _ => Err("its kind is unknown".into()),
        }
    }

    fn content(&mut self, line: &str) -> Result<(), Wrong> {
        let (hash, json) = line.split_once(' ').ok_or("it has no content")?;
        let hash: ContentHash = hash.parse().map_err(|_| "it has no hash")?;
        // Without its source, which can quote the content.
        let content = Content::from_json(json, &hash).map_err(|e| e.message().to_owned())?;
        self.contents.insert(hash, Arc::new(content));
        Ok(())
    }

    fn known(&self, hash: &ContentHash) -> Result<Arc<Content>, Wrong> {
        let content = self.contents.get(hash);
        content
            .cloned()
            .ok_or_else(|| format!("the content {hash} is not in it"))
    }

    fn prompt(&mut self, line: &str) -> Result<(), Wrong> {
        let line: PromptLine = parse(line)?;
        let mut snippets = Vec::new();
        for snippet in line.snippets {
            snippets.push(Included {
                reference: snippet.reference,
                source: SnippetSource {
                    tenant: snippet.tenant,
                    prompt: snippet.prompt,
                    version: snippet.version,
                    hash: snippet.hash,
                    content: self.known(&snippet.hash)?,
                },
            });
        }
        let hashes: Vec<_> = snippets
            .iter()
            .map(|snippet| (&*snippet.reference, snippet.source.hash))
            .collect();
        let found = closure_hash(&line.hash, &hashes);
        if found != line.closure_hash {
            return Err(format!(
                "the prompt and its snippets have the closure hash {found}, but were written as {}",
                line.closure_hash
            ));
        }
        self.snapshot.prompts.push(Sources {
            version: Arc::new(Version {
                content: self.known(&line.hash)?,
                tenant: line.tenant,
                prompt: line.prompt,
                number: line.number,
                hash: line.hash,
                semver: line.semver,
                parents: line.parents,
                author: line.author,
                message: line.message,
                status: line.status,
                created_at: line.created_at,
            }),
            snippets: snippets.into(),
            closure_hash: found,
        });
        Ok(())
    }

    fn entry(&mut self, line: &str) -> Result<(), Wrong> {
        let line: EntryLine = parse(line)?;
        if line.prompt >= self.snapshot.prompts.len() {
            return Err(format!("the prompt {} is not in it", line.prompt));
        }
        self.snapshot.entries.push(SavedEntry {
            reference: line.reference.parse().map_err(|_| "it has no reference")?,
            key: Arc::new(Key {
                tenant: line.tenant,
                reference: line.reference,
            }),
            prompt: line.prompt,
            revision: line.revision,
            age_ms: line.age_ms,
        });
        Ok(())
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, Wrong> {
    // The error itself can quote what it stumbled over.
    serde_json::from_str(line).map_err(|e| format!("it cannot be read from column {} on", e.column()))
}
