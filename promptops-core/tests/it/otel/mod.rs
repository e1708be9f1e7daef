//! Spans of OpenTelemetry: what is imported of them, and what is told to `tracing`.

mod emitting;
mod hostile;
mod importing;
mod listener;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use promptops_core::base::{Actor, ManualClock, PageRequest};
use promptops_core::observation::otel::{ImportOptions, ImportReport};
use promptops_core::observation::{TraceFilter, TraceRecord, TraceSettings};
use promptops_core::prompt::{Draft, user};
use promptops_core::{MemoryBackend, PromptOps, Result, Tenant};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/otel");
    fs::read_to_string(path.join(name)).unwrap()
}

/// A tenant with the prompt `support/triage`, of which v1 is active and v2 a draft, at the beginning of 2026.
async fn tenant(settings: TraceSettings) -> Tenant {
    let ops = PromptOps::builder(MemoryBackend::new())
        .clock(Arc::new(ManualClock::default()))
        .trace_settings(settings)
        .build();
    let acme = ops.tenant("acme").unwrap();
    let ana = Actor::owner("ana");
    for draft in [
        Draft::chat([user("{% include \"tone\" %} {{ ticket }}")]).active(),
        Draft::chat([user("Sort this for {{ company }}: {{ ticket }}")]),
    ] {
        let tone = Draft::text("Be kind.").by(&ana).active();
        acme.prompts().save("tone", tone).await.unwrap();
        acme.prompts()
            .save("support/triage", draft.by(&ana))
            .await
            .unwrap();
    }
    acme
}

async fn acme() -> Tenant {
    tenant(TraceSettings::default()).await
}

async fn import(acme: &Tenant, text: &str, options: &ImportOptions) -> Result<ImportReport> {
    acme.traces().import_otlp(text.as_bytes(), options).await
}

/// All traces, the oldest first.
async fn traces(acme: &Tenant) -> Vec<TraceRecord> {
    let page = PageRequest::first(1_000);
    let page = acme.traces().list(&TraceFilter::default(), &page).await.unwrap();
    assert!(page.next.is_none());
    let mut traces = page.items;
    traces.reverse();
    traces
}
