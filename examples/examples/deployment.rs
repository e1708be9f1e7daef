//! A person's own edit on its way into production as a deployment: proposed, refused without evidence, shipped by an owner's
//! waiver, watched, rolled back, and known again when it comes back.
//!
//! ```text
//! cargo run --example deployment
//! ```

use std::error::Error;

use promptops_core::base::{Actor, CommandKey, DeploymentId};
use promptops_core::prompt::Draft;
use promptops_core::{PromptOps, Result, Tenant};
use promptops_examples::{chapter, say};
use promptops_store_sqlite::SqliteBackend;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("promptops-deployment-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let ops = PromptOps::builder(SqliteBackend::open(directory.join("prompts.db")).await?).build();
    let acme = ops.tenant("acme")?;
    let (ana, bo) = (Actor::owner("ana"), Actor::member("bo"));
    let prompts = acme.prompts();
    let deployments = acme.deployments();

    chapter(1, "A candidate");
    let v1 = prompts
        .save(
            "support/reply",
            Draft::text("Answer {{ question }} in one sentence.").by("bo"),
        )
        .await?;
    acme.environments().promote(&v1, "production", &bo).await?;
    let v2 = prompts
        .save(
            "support/reply",
            Draft::text("Answer {{ question }} kindly, in two sentences.").by("bo"),
        )
        .await?;
    let proposed = deployments
        .propose(&v2, "production", &bo)
        .rationale("customers find one sentence curt")
        .await?;
    say!(
        "bo proposes {v2} for production: {} is {}",
        proposed.id,
        proposed.state
    );
    let again = deployments.propose(&v2, "production", &bo).await;
    refused("The same text a second time", &again);

    chapter(2, "Who decides");
    let by_a_member = deployments.approve(&proposed.id, &bo).await;
    refused("bo approves", &by_a_member);
    let without_evidence = deployments.approve(&proposed.id, &ana).await;
    refused("ana approves, though nothing was replayed", &without_evidence);
    let key = CommandKey::new("approve-1")?;
    for click in ["clicks", "clicks again"] {
        let shipped = deployments
            .approve(&proposed.id, &ana)
            .waive("the wording is the legal department's")
            .key(&key)
            .await?;
        say!(
            "ana waives that with a reason and {click}: {}",
            shipped.standing()
        );
    }
    let answer = acme.resolve("support/reply@production").await?;
    say!("served in production: {}", version_of(&answer));

    chapter(3, "The way back");
    let without_reason = deployments.roll_back(&proposed.id, " ", &ana).await;
    refused("ana rolls back without a word", &without_reason);
    let back = deployments
        .roll_back(&proposed.id, "answers are too long for the chat window", &ana)
        .await?;
    let answer = acme.resolve("support/reply@production").await?;
    say!(
        "{} is {}; served in production: {}",
        back.id,
        back.state,
        version_of(&answer)
    );

    chapter(4, "The same text once more");
    let by_automation = deployments
        .propose(&v2, "production", &Actor::system("robot"))
        .await;
    refused("Automation proposes it", &by_automation);
    let by_a_person = deployments.propose(&v2, "production", &bo).await?;
    say!(
        "bo may; automation will not ship it: quarantined is {}",
        by_a_person.is_quarantined
    );
    deployments
        .reject(&by_a_person.id, "see the rollback", &ana)
        .await?;

    chapter(5, "On record");
    for id in [&proposed.id, &by_a_person.id] {
        story(&acme, id).await?;
    }
    acme.audit().verify().await?;
    say!("the audit chain is whole");
    drop((deployments, prompts, acme, ops));
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn version_of(answer: &promptops_core::resolve::Resolved) -> String {
    answer
        .version()
        .map_or_else(|| "none".to_owned(), |version| version.to_string())
}

fn refused<T>(what: &str, result: &Result<T>) {
    match result {
        Ok(_) => say!("{what}: went through, which it should not"),
        Err(error) => say!("{what}: {error}"),
    }
}

async fn story(acme: &Tenant, id: &DeploymentId) -> Result<()> {
    say!("{id}:");
    for transition in acme.deployments().transitions(id).await? {
        say!("  {transition}");
    }
    Ok(())
}
