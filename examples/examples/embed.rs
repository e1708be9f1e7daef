//! The wiring in a host application: once in memory, as in its tests, and once on a SQLite file.
//!
//! ```text
//! cargo run --example embed
//! ```

use std::error::Error;

use promptops_core::prompt::Draft;
use promptops_core::{MemoryBackend, PromptOps, Result};
use promptops_store_sqlite::SqliteBackend;
use serde::Serialize;

/// What the host's prompt takes. A struct, so that the compiler knows the variables too.
#[derive(Serialize)]
struct Greeting<'a> {
    name: &'a str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let in_memory = PromptOps::builder(MemoryBackend::new()).build();
    println!("memory: {}", greet(&in_memory, "Ana").await?);

    let path = std::env::temp_dir().join(format!("promptops-embed-{}.db", std::process::id()));
    let on_disk = PromptOps::builder(SqliteBackend::open(&path).await?).build();
    println!("sqlite: {}", greet(&on_disk, "Bo").await?);
    println!("The file is {}.", path.display());
    Ok(())
}

/// What the host does with it is the same on every backend.
async fn greet(ops: &PromptOps, name: &str) -> Result<String> {
    let acme = ops.tenant("acme")?;
    let draft = Draft::text("Greet {{ name }} in one sentence.")
        .by("ana")
        .active();
    acme.prompts().save("greeting", draft).await?;

    let answer = acme.resolve("greeting").render(&Greeting { name }).await?;
    Ok(answer.text().unwrap_or_default().to_owned())
}
