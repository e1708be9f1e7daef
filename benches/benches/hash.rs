//! Identity and compiling: content hash, template parser, compiled prompt.

use promptops_benches::measure::compare;
use promptops_benches::table::{Goal, Table};
use promptops_benches::{is_bench, prompt};
use promptops_core::MemoryBackend;
use promptops_core::base::{PromptName, TenantId};
use promptops_core::prompt::{Content, ContentAnalysis, Store, system, user};
use promptops_core::render::{
    Closure, ClosureRoot, CompiledPrompt, RenderLimits, SnippetLimits, StoreSnippets,
};
use promptops_core::template::{Limits, Template};
use sha2::{Digest, Sha256};
use tera::Tera;

fn main() {
    if !is_bench() {
        return;
    }
    let mut table = Table::new("content hash", "bare SHA-256 of the same text");
    for kib in [2, 10] {
        let text = "Write short sentences and plain words.\n".repeat(kib * 1_024 / 39);
        let content = Content::text(&text);
        let pair = compare(|| content.hash(), || Sha256::digest(text.as_bytes()));
        table.pair(&format!("{kib} KB text"), &pair, Goal::Times(1.3));
    }
    drop(table);

    let mut table = Table::new(
        "compiling the 2 KB chat prompt",
        "Tera's compile of the same templates",
    );
    let inline = prompt::templates_inline(0);
    let mut base = Tera::default();
    base.autoescape_on(Vec::<&str>::new());
    let floor = || {
        let mut tera = base.clone();
        tera.add_raw_templates([("a", inline[0].as_str()), ("b", inline[1].as_str())])
            .expect("the templates are well formed");
        tera
    };
    let limits = Limits::default();
    let parse = || {
        inline
            .each_ref()
            .map(|source| Template::parse(source, &limits).expect("the templates are well formed"))
    };
    table.pair("our parser alone", &compare(parse, floor), Goal::Times(1.0));
    let content = Content::chat([system(&inline[0]), user(&inline[1])]);
    let name = PromptName::new("triage").expect("a name");
    let analyse = || ContentAnalysis::of(&name, None, &content).expect("the templates are well formed");
    let pair = compare(analyse, floor);
    table.pair("our parser, and what the templates use", &pair, Goal::None);
    let closure = closure(&inline);
    let compile =
        || CompiledPrompt::compile(&closure, RenderLimits::default()).expect("the templates are well formed");
    table.pair(
        "compiled prompt, parsed before",
        &compare(compile, floor),
        Goal::None,
    );
}

fn closure([first, second]: &[String; 2]) -> Closure {
    let content = std::sync::Arc::new(Content::chat([system(first), user(second)]));
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(MemoryBackend::new());
    let snippets = StoreSnippets::new(store);
    let (tenant, name) = (TenantId::new("acme"), PromptName::new("triage"));
    let (tenant, name) = (tenant.expect("a name"), name.expect("a name"));
    let limits = SnippetLimits::default();
    let resolving = Closure::resolve(&tenant, ClosureRoot::new(name, None, content), &snippets, &limits);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(resolving)
        .expect("nothing is included")
}
