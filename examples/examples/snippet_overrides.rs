//! A shared tenant keeps house prompts; each customer inherits them and may put snippets of its own in their place.
//!
//! ```text
//! cargo run --example snippet_overrides
//! ```

use std::error::Error;

use promptops_core::base::Actor;
use promptops_core::prompt::Draft;
use promptops_core::{MemoryBackend, PromptOps, Result};
use promptops_examples::{row, table};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let ana = Actor::owner("ana");

    let house = ops.tenant("house")?;
    let tone = Draft::text("Be brief.").by(&ana).active();
    house.prompts().save("tone", tone).await?;
    let help = Draft::text("Help the customer. {% include \"tone\" %}")
        .by(&ana)
        .active();
    house.prompts().save("help", help).await?;

    for customer in ["acme", "globex"] {
        ops.tenants().set_parent(customer, Some("house"), &ana).await?;
    }
    show(&ops, "Inherited by both").await?;

    let formal = Draft::text("Be formal, and sign as Globex.").by(&ana).active();
    ops.tenant("globex")?.prompts().save("tone", formal).await?;
    show(&ops, "Globex has its own tone").await?;

    let warm = Draft::text("Be brief and warm.").by(&ana).active();
    house.prompts().save("tone", warm).await?;
    show(&ops, "The house changes its tone").await
}

async fn show(ops: &PromptOps, when: &str) -> Result<(), Box<dyn Error>> {
    println!("{when}:");
    let mut rows = Vec::new();
    for customer in ["acme", "globex"] {
        let answer = ops.tenant(customer)?.resolve("help").render(&()).await?;
        let closure = answer.stamp().closure_hash.short();
        rows.push(row![customer, closure, answer.text().unwrap_or_default()]);
    }
    table(&rows);
    Ok(())
}
