//! From a snapshot into the cache.

use std::sync::Arc;

use super::super::cache::Entry;
use super::super::resolver::Inner;
use super::super::shelf::Restored;
use super::super::sources::Sources;
use super::payload::{SavedEntry, Snapshot};
use crate::base::error::Result;

/// Takes what a snapshot says into the cache, as known but not confirmed: the store is asked before it is served.
/// Returns how many references were taken.
pub(super) fn restore(inner: &Arc<Inner>, snapshot: &Snapshot) -> usize {
    let since = inner.loader.clock.now().signed_duration_since(snapshot.taken_at);
    // A wall clock that was set back makes nothing younger than it was.
    let since_ms = u64::try_from(since.num_milliseconds()).unwrap_or(0);
    let taken_ms = inner.loader.now_ms().saturating_sub(since_ms);
    let mut kept = 0;
    for saved in &snapshot.entries {
        if inner.entries.pin().contains_key(&saved.key) {
            continue;
        }
        if !inner
            .settings
            .allow(inner.entries.len() + 1, inner.shelf().bytes())
        {
            break;
        }
        // What the limits of this process or this release refuse is left to the store, as anything unknown.
        let Ok(entry) = entry(inner, snapshot, saved, taken_ms) else {
            continue;
        };
        let allow = |entries, bytes| inner.settings.allow(entries, bytes);
        match inner.shelf().restore(&saved.key, &entry, &inner.entries, allow) {
            Restored::Kept => kept += 1,
            Restored::LeftOut => {}
            Restored::NoRoom => break,
        }
    }
    kept
}

fn entry(inner: &Arc<Inner>, snapshot: &Snapshot, saved: &SavedEntry, taken_ms: u64) -> Result<Arc<Entry>> {
    let tenant = &saved.key.tenant;
    let sources = &snapshot.prompts[saved.prompt];
    let limits = &inner.loader.compiler.snippet_limits;
    let closure = |sources: &Sources| sources.closure(tenant, limits);
    let shared = inner
        .loader
        .shared(tenant, sources.clone(), &inner.shelf, closure)?;
    let entry = Entry::new(
        shared,
        sources.stamp(&saved.reference),
        saved.revision,
        sources.depends_on(tenant),
        // Every load is later.
        0,
        taken_ms.saturating_sub(saved.age_ms),
    );
    entry.invalidate();
    Ok(Arc::new(entry))
}
