//! Two versions of a prompt are evaluated on the same tickets, compared entry by entry, and the better one goes live
//! through a gate that rests on the run.
//!
//! ```text
//! cargo run --example evaluate
//! ```
//!
//! The model is simulated behind OpenAI's wire format on loopback. With `MODEL` and `OPENAI_API_KEY` or
//! `ANTHROPIC_API_KEY` set, the same is done with the real thing:
//!
//! ```text
//! MODEL=gpt-4o-mini OPENAI_API_KEY=… cargo run --example evaluate
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::Actor;
use promptops_core::environment::{EvaluationGate, Policy};
use promptops_core::evaluation::scorer::{ExactMatch, JsonSchemaMatch, Latency, MatchMode};
use promptops_core::evaluation::{
    ComparisonOptions, DatasetDraft, Evaluation, MissingIds, Report, ReportOptions, RunHandle,
};
use promptops_core::llm::{Cost, LlmClient, Price, PriceTable};
use promptops_core::prompt::{Draft, system, user};
use promptops_core::{PromptOps, Tenant};
use promptops_examples::{SimulatedModel, chapter, say};
use promptops_llm::layer::{Limits, LlmClientExt, RetryPolicy};
use promptops_llm::{AnthropicBuilder, OpenAi, OpenAiBuilder};
use promptops_store_sqlite::SqliteBackend;
use serde_json::{Value, json};

const FIRST: &str = "Sort the customer's ticket. Answer with JSON: category and urgent.";
const SECOND: &str = "Sort the customer's ticket. Answer with nothing but JSON of the form \
    {\"category\": …, \"urgent\": …}.\n\
    category is one of: billing (invoices, prices, payments, refunds), shipping (parcels, orders, delivery), \
    technical (errors, crashes, outages), account (login, users, profile), other (everything else).\n\
    urgent is true only when something is lost, stolen or standing still right now.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("promptops-evaluate-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let backend = SqliteBackend::open(directory.join("prompts.db")).await?;
    let acme = PromptOps::builder(backend.clone()).build().tenant("acme")?;
    let told = tell(&acme).await;
    backend.close().await;
    std::fs::remove_dir_all(&directory)?;
    told
}

async fn tell(acme: &Tenant) -> Result<(), Box<dyn Error>> {
    let (ana, bo) = (Actor::owner("ana"), Actor::member("bo"));
    let (client, prices) = model().await?;

    chapter(1, "A dataset from a file, and two versions of a prompt");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tickets.jsonl");
    let reader = BufReader::new(File::open(file)?);
    let draft = DatasetDraft::from_jsonl(reader, MissingIds::Refused)?.message("tickets of one week");
    let dataset = acme.datasets().save("tickets", draft, &bo).await?;
    say!("{dataset}: {} entries, {}", dataset.entries, dataset.hash);
    let save = async |instructions: &str, why: &str| {
        let draft = Draft::chat([system(instructions), user("{{ ticket }}")]);
        acme.prompts().save("triage", draft.by(&bo).message(why)).await
    };
    let v1 = save(FIRST, "first cut").await?;
    let v2 = save(SECOND, "say what the categories mean").await?;
    let environments = acme.environments();
    environments.promote(&v1, "production", &ana).await?;
    say!("{v1} is live in production; {v2} is to replace it.");

    chapter(2, "Production asks for an evaluation from now on");
    let gate = EvaluationGate::new("tickets", 0.8)?
        .floor("format", 0.95)
        .no_regression(0.02);
    environments
        .set_policy("production", Policy::open().require(gate), &ana)
        .await?;
    if let Err(refused) = environments.promote(&v2, "production", &bo).await {
        say!("{refused}");
    }

    chapter(3, "Both versions are evaluated");
    let schema = json!({
        "type": "object",
        "properties": {
            "category": { "enum": ["billing", "shipping", "technical", "account", "other"] },
            "urgent": { "type": "boolean" },
        },
        "required": ["category", "urgent"],
        "additionalProperties": false,
    });
    let evaluation = Evaluation::new(client)
        .criterion(ExactMatch::new(MatchMode::Json))
        .criterion(JsonSchemaMatch::new(schema)?)
        .criterion(Latency::at_most(Duration::from_secs(10))?)
        .prices(prices)
        .budget(Cost::from_usd(1.0)?)
        .reuse_answers();
    let evaluations = acme.evaluations();
    let mut reports = Vec::new();
    for version in [&v1, &v2] {
        let run = evaluations.start(version, "tickets", &evaluation, &bo).await?;
        let report = watch(run).await?;
        let options = ReportOptions::default().slice_by("channel").worst(3);
        say!("{}", evaluations.report(&report.run.id, &options).await?);
        reports.push(report);
    }

    chapter(4, "They are compared entry by entry");
    let [before, after] = [&reports[0], &reports[1]].map(|report| report.run.id.clone());
    let options = ComparisonOptions::default().listed(5);
    say!("{}", evaluations.compare(&before, &after, &options).await?);

    chapter(5, "The gate rests on the run");
    match environments.promote(&v2, "production", &bo).await {
        Ok(pointer) => {
            say!(
                "{v2} is live in production (revision {}). The history says why:",
                pointer.revision
            );
            let history = environments
                .history("triage", "production", &Default::default())
                .await?;
            say!("{}", history.items[0].reason);
        }
        Err(refused) => say!("{refused}"),
    }
    Ok(())
}

/// Shows the progress of a run on one line.
async fn watch(mut run: RunHandle) -> Result<Report, promptops_core::Error> {
    let is_terminal = std::io::stdout().is_terminal();
    while let Some(progress) = run.next_progress().await {
        if is_terminal {
            print!("\r   {progress}  ");
            // A progress line that cannot be shown is no reason to stop.
            let _ = std::io::stdout().flush();
        } else if progress.done == progress.total {
            println!("   {progress}");
        }
    }
    if is_terminal {
        println!();
    }
    run.finish().await
}

/// The model under evaluation: the real one when it is named and there is a key for it, else a simulated one.
async fn model() -> Result<(Arc<dyn LlmClient>, PriceTable), Box<dyn Error>> {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let limits = || Limits::per_minute(500).concurrent(10);
    // Example prices per million tokens: put in those of your contract.
    let price = Price::per_million(0.15, 0.60);
    if let Ok(model) = std::env::var("MODEL") {
        if has("OPENAI_API_KEY") {
            let client = OpenAiBuilder::from_env()?.model(&model).build()?;
            let client = client.limit(limits()).retry(RetryPolicy::default());
            return Ok((Arc::new(client), PriceTable::new().with("openai", model, price)?));
        }
        if has("ANTHROPIC_API_KEY") {
            let client = AnthropicBuilder::from_env()?.model(&model).build()?;
            let client = client.limit(limits()).retry(RetryPolicy::default());
            return Ok((
                Arc::new(client),
                PriceTable::new().with("anthropic", model, price)?,
            ));
        }
    }
    let server = SimulatedModel::start(Duration::from_millis(40), simulated).await?;
    println!(
        "No key and MODEL are set: a simulated model answers at {}.",
        server.base_url()
    );
    let client = OpenAi::builder()
        .base_url(server.base_url())
        .model("simulated")
        .build()?;
    let prices = PriceTable::new().with(client.provider(), "simulated", price)?;
    Ok((Arc::new(client.retry(RetryPolicy::default())), prices))
}

/// Sorts tickets by their words. Told what the categories mean it looks closer, and told the form it keeps to it.
fn simulated(messages: &[Value]) -> String {
    let text = |i: usize| {
        messages
            .get(i)
            .and_then(|message| message["content"].as_str())
            .unwrap_or_default()
    };
    let (instructions, ticket) = (text(0), text(1).to_lowercase());
    let knows_categories = instructions.contains("technical (");
    let mut rules: Vec<(&str, &[&str])> = vec![
        ("billing", &["invoice", "charge", "refund", "billed"]),
        ("shipping", &["parcel", "deliver", "package"]),
        ("technical", &["crash", "error", "update", "api"]),
        ("account", &["account", "password", "log"]),
    ];
    if knows_categories {
        rules.push(("billing", &["price", "card", "pay"]));
        rules.push(("shipping", &["order", "box", "courier"]));
        rules.push(("technical", &["down", "late", "search"]));
        rules.push(("account", &["owner", "profile", "user", "code", "email address"]));
    }
    let matches = |words: &[&str]| words.iter().any(|word| ticket.contains(word));
    let category = rules
        .iter()
        .find(|(_, words)| matches(words))
        .map_or("other", |(category, _)| category);
    let urgent = if knows_categories {
        matches(&["lost", "down,", "just now", "stop this", "in two hours"])
    } else {
        ticket.contains('!')
    };
    let answer = json!({ "category": category, "urgent": urgent }).to_string();
    // Without the form spelled out it chats now and then.
    if !knows_categories && ticket.len() % 7 == 0 {
        return format!("Sure! Here is the JSON you asked for: {answer}");
    }
    answer
}
