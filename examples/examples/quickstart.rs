//! A guided tour: one prompt from its first draft to a rollback in production.
//!
//! ```text
//! cargo run --example quickstart                # a new file in the system's directory for temporary files
//! cargo run --example quickstart -- prompts.db  # a file of your own; each run is a new tenant in it
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use promptops_core::base::{Actor, DatasetName, PageRequest, VersionNumber};
use promptops_core::environment::{Condition, Policy};
use promptops_core::evaluation::Evidence;
use promptops_core::prompt::{DiffOptions, Draft, ModelSettings, Version, placeholder, system, user};
use promptops_core::{ErrorKind, PromptOps, Result, Tenant};
use promptops_examples::{chapter, row, say, table};
use promptops_store_sqlite::SqliteBackend;
use serde_json::{Value, json};

const SYSTEM: &str = r#"You sort support tickets for {{ company }}.
Choose one of: {{ categories | join(sep=", ") }}.
{% include "safety@1" %}
{% include "brand/voice@production" %}
{%- if tier == "gold" %}
The customer is a gold member: offer to call back today.
{%- endif %}"#;

const USER: &str = r#"{% for example in examples -%}
Ticket: {{ example.ticket }} => {{ example.category }}
{% endfor -%}
Ticket: {{ ticket }} =>"#;

const PROMPT: &str = "support/triage";

/// The people and programs of this tour. The host knows who they are; the library decides what their role may do.
struct Team {
    ana: Actor,
    bo: Actor,
    ci: Actor,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = database_path()?;
    let ops = PromptOps::builder(SqliteBackend::open(&path).await?).build();
    let acme = new_tenant(&ops).await?;
    let team = Team {
        ana: Actor::owner("ana"),
        bo: Actor::member("bo"),
        ci: Actor::system("ci"),
    };
    println!("PromptOps: prompts, operated like releases.");
    println!(
        "Everything below is kept in {}, tenant {}.",
        path.display(),
        acme.id()
    );

    let v1 = author(&acme, &team).await?;
    refuse(&acme, &team, &v1).await?;
    earn(&acme, &team, &v1).await?;
    serve(&acme).await?;
    fail_early(&acme, &team).await?;
    let v2 = improve(&acme, &team, &v1).await?;
    ship(&acme, &team, &v2).await?;
    change_a_snippet(&acme, &team).await?;
    override_a_snippet(&ops, &acme, &team).await?;
    roll_back(&acme, &team).await?;
    audit(&acme).await?;
    Ok(())
}

async fn author(acme: &Tenant, team: &Team) -> Result<Version> {
    chapter(1, "Author: two snippets, and a chat prompt that includes them");
    let prompts = acme.prompts();
    let safety = Draft::text("Never ask for passwords or card numbers.").by(&team.ana);
    let voice = Draft::text("Answer in {{ language }}, short and friendly.").by(&team.ana);
    let safety = prompts.save("safety", safety.active()).await?;
    let voice = prompts.save("brand/voice", voice.active()).await?;
    acme.environments()
        .promote(&voice, "production", &team.ana)
        .await?;

    let v1 = prompts
        .save(PROMPT, triage(SYSTEM).by(&team.bo).message("First cut"))
        .await?;
    table(&[
        row!["saved", "version", "status", "content hash", "by"],
        saved(&safety),
        saved(&voice),
        saved(&v1),
    ]);
    let again = prompts.save(PROMPT, triage(SYSTEM).by(&team.ana)).await?;
    say!("Saving the same content again gives the same version: {again}.");
    Ok(v1)
}

/// The prompt of this tour: messages, model settings, and schemas of what goes in and what comes out.
fn triage(system_message: &str) -> Draft {
    Draft::chat([system(system_message), placeholder("history"), user(USER)])
        .settings(ModelSettings {
            model: Some("small-chat-model".into()),
            temperature: Some(0.2),
            max_tokens: Some(60),
            ..ModelSettings::default()
        })
        .input_schema(json!({
            "type": "object",
            "properties": {
                "company": {"type": "string"},
                "categories": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "language": {"type": "string"},
                "tier": {"enum": ["gold", "standard"]},
                "examples": {"type": "array"},
                "history": {"type": "array"},
                "ticket": {"type": "string", "maxLength": 4000},
            },
            "required": ["company", "categories", "language", "tier", "examples", "history", "ticket"],
        }))
        .output_schema(json!({
            "type": "object",
            "properties": {"category": {"type": "string"}, "reply": {"type": "string"}},
            "required": ["category"],
        }))
}

/// The values of one request. Anything that serializes to a map will do: a struct of your own, for example.
fn request() -> Value {
    json!({
        "company": "Northwind Bikes",
        "categories": ["billing", "delivery", "repair"],
        "language": "English",
        "tier": "gold",
        "examples": [
            {"ticket": "I was charged twice.", "category": "billing"},
            {"ticket": "The chain keeps slipping.", "category": "repair"},
        ],
        "history": [
            {"role": "user", "content": "Hi, are you there?"},
            {"role": "assistant", "content": "Yes! How can I help?"},
        ],
        // A value is never read as a template, whatever a customer writes.
        "ticket": "Where is my parcel? {{ company }}",
    })
}

async fn refuse(acme: &Tenant, team: &Team, v1: &Version) -> Result<()> {
    chapter(2, "Govern: production asks for evidence, and refuses without");
    let environments = acme.environments();
    let production = Policy::open()
        .after("staging")?
        .pinned_snippets()
        .min_usage_count(20)
        .min_success_rate(0.9)
        .require_evaluation("golden-tickets", 0.95)?
        .approvals(1);
    environments
        .set_policy("staging", Policy::open().after("dev")?, &team.ana)
        .await?;
    environments
        .set_policy("production", production, &team.ana)
        .await?;
    environments
        .set_policy_for(
            "brand/voice",
            "production",
            Policy::open().owner_only(),
            &team.ana,
        )
        .await?;

    let pointer = environments.promote(v1, "dev", &team.bo).await?;
    say!(
        "{v1} is live in dev, revision {}. Now straight to production?",
        pointer.revision
    );
    let refusal = match environments.promote(v1, "production", &team.bo).await {
        Err(error) if error.kind() == ErrorKind::Refused => error,
        other => return other.map(drop),
    };
    say!("Refused: {}:", refusal.message());
    let mut rows = vec![row!["unmet condition", "found", "needed"]];
    rows.extend(
        refusal
            .unmet()
            .iter()
            .map(|unmet| row![unmet.condition, unmet.found, unmet.needed]),
    );
    table(&rows);
    Ok(())
}

async fn earn(acme: &Tenant, team: &Team, v1: &Version) -> Result<()> {
    chapter(3, "Earn it: staging, feedback, an evaluation, an approval");
    let environments = acme.environments();
    environments.promote(v1, "staging", &team.bo).await?;
    use_in_staging(acme).await?;
    evaluate(acme, team, "run-1").await?;
    environments
        .approve(v1, "production", &team.ana, "Read it, tried it")
        .await?;

    let mut rows = vec![row!["condition", "found", "needed", ""]];
    rows.extend(
        environments
            .check(v1, "production", &team.bo)
            .await?
            .iter()
            .map(checked),
    );
    table(&rows);
    let pointer = environments
        .promote(v1, "production", &team.bo)
        .reason("First release")
        .await?;
    say!("{v1} is live in production, revision {}.", pointer.revision);
    Ok(())
}

/// Stands for some days of testers: resolve, call the model, say how it went. The stamp ties it to the exact text.
async fn use_in_staging(acme: &Tenant) -> Result<()> {
    for i in 0..20 {
        let answer = acme.resolve("support/triage@staging").render(&request()).await?;
        // Here your model is called with answer.messages() and answer.resolved().settings().
        let success = i != 7;
        acme.metrics()
            .record_feedback(answer.stamp(), success, Some(0.9))
            .await?;
    }
    Ok(())
}

/// Stands for your evaluation pipeline, which reports for exactly the text that it tested.
async fn evaluate(acme: &Tenant, team: &Team, run: &str) -> Result<()> {
    let resolved = acme.resolve("support/triage@staging").await?;
    let evidence = Evidence {
        prompt: resolved.stamp().prompt.clone(),
        closure_hash: resolved.closure_hash(),
        dataset: DatasetName::new("golden-tickets")?,
        dataset_version: VersionNumber::FIRST,
        run: run.into(),
        entries: 50,
        passed: 49,
        dimensions: BTreeMap::new(),
        judges: BTreeMap::new(),
    };
    acme.evaluations().record_evidence(evidence, &team.ci).await
}

async fn serve(acme: &Tenant) -> Result<()> {
    chapter(4, "Serve: resolve and render, from memory once warm");
    let answer = acme
        .resolve("support/triage@production")
        .render(&request())
        .await?;
    for message in answer.messages() {
        say!("{message}");
    }
    let stamp = answer.stamp();
    let environment = stamp.environment.as_ref().map_or("none", |name| name.as_str());
    let version = stamp
        .version
        .map_or("fallback".into(), |version| version.to_string());
    let closure = stamp.closure_hash.short();
    say!(
        "Stamp: {} {version}, environment {environment}, closure {closure}",
        stamp.prompt
    );

    // For hosts that cannot await: what is in memory, or an error at once.
    let warm = acme.try_resolve("support/triage@production")?;
    say!(
        "Model: {}",
        warm.settings().model.as_deref().unwrap_or("the caller's choice")
    );
    Ok(())
}

async fn fail_early(acme: &Tenant, team: &Team) -> Result<()> {
    chapter(5, "Fail early: errors name the place and what to do");
    let typo = SYSTEM.replace("{{ company }}", "{{ compny }}");
    let saved = acme.prompts().save(PROMPT, triage(&typo).by(&team.bo)).await;
    show_error("A typo, at save", saved);

    let production = acme.resolve("support/triage@production").await?;
    let mut incomplete = request();
    incomplete["examples"] = json!([{"ticket": "It rattles."}]);
    show_error("A gap, at render", production.render(&incomplete));

    let mut wrong = request();
    wrong["tier"] = json!("platinum");
    show_error("Against the schema", production.render(&wrong));
    Ok(())
}

fn show_error<T>(what: &str, result: Result<T>) {
    match result {
        Err(error) => say!("{what}: {error}"),
        Ok(_) => panic!("{what}: no error, where the tour counts on one"),
    }
}

async fn improve(acme: &Tenant, team: &Team, v1: &Version) -> Result<Version> {
    chapter(6, "Improve: a new version, what it changes, and the changelog");
    let better = SYSTEM
        .replace("Choose one of:", "Choose exactly one of:")
        .replace(
            "offer to call back today.",
            "offer to call back today.\nSay which number you would call.",
        );
    let draft = triage(&better)
        .by(&team.bo)
        .message("One category only; name the number to call")
        .semver("1.1.0");
    let v2 = acme.prompts().save(PROMPT, draft).await?;
    let diff = acme
        .prompts()
        .diff("support/triage@v1", "support/triage@v2", &DiffOptions::default())
        .await?;
    say!("{diff}");
    say!("In short: {}.", diff.summary);
    let changelog = acme
        .prompts()
        .changelog(PROMPT, v1.number, v2.number)
        .await?
        .to_string();
    for line in changelog.lines().filter(|line| !line.is_empty()) {
        say!("{line}");
    }
    Ok(v2)
}

async fn ship(acme: &Tenant, team: &Team, v2: &Version) -> Result<()> {
    chapter(
        7,
        "Ship: the new version takes the same way; the old one's evidence does not count",
    );
    let environments = acme.environments();
    environments.promote(v2, "dev", &team.bo).await?;
    environments.promote(v2, "staging", &team.bo).await?;
    let unmet = |conditions: &[Condition]| {
        let unmet = conditions.iter().filter(|condition| !condition.met);
        let names: Vec<_> = unmet
            .map(|condition| condition.detail.condition.as_str())
            .collect();
        names.join(", ")
    };
    say!(
        "Unmet: {}.",
        unmet(&environments.check(v2, "production", &team.bo).await?)
    );
    use_in_staging(acme).await?;
    evaluate(acme, team, "run-2").await?;
    environments
        .approve(v2, "production", &team.ana, "Clearer")
        .await?;
    let pointer = environments
        .promote(v2, "production", &team.bo)
        .reason("Clearer answers")
        .await?;
    say!("{v2} is live in production, revision {}.", pointer.revision);
    Ok(())
}

async fn change_a_snippet(acme: &Tenant, team: &Team) -> Result<()> {
    chapter(8, "Change a snippet: who depends on it, and when it reaches them");
    let voice = Draft::text("Answer in {{ language }}, in two warm sentences.").by(&team.bo);
    let voice = acme
        .prompts()
        .save("brand/voice", voice.message("Warmer").active())
        .await?;
    let mut rows = vec![row!["depends on brand/voice", "version", "include as written"]];
    let dependents = acme
        .prompts()
        .dependents("brand/voice", &PageRequest::default())
        .await?;
    rows.extend(
        dependents
            .items
            .iter()
            .map(|d| row![d.prompt, d.number, d.reference]),
    );
    table(&rows);
    show_live(acme, "Saved, not promoted:").await?;
    acme.environments()
        .promote(&voice, "production", &team.ana)
        .await?;
    show_live(acme, "Promoted by ana:").await
}

/// What production serves now: the version, the hash of it with all its snippets, and the line from `brand/voice`.
async fn show_live(tenant: &Tenant, when: &str) -> Result<()> {
    let answer = tenant
        .resolve("support/triage@production")
        .render(&request())
        .await?;
    let version = answer
        .stamp()
        .version
        .map_or(String::new(), |version| version.to_string());
    let closure = answer.stamp().closure_hash.short();
    let text = answer.messages()[0].text().unwrap_or_default();
    let line = text.lines().nth(3).unwrap_or_default();
    say!("{when:<22} {version}, closure {closure}: {line}");
    Ok(())
}

async fn override_a_snippet(ops: &PromptOps, acme: &Tenant, team: &Team) -> Result<()> {
    chapter(
        9,
        "Share: another tenant inherits the prompt and puts in a snippet of its own",
    );
    let labs = ops.tenant(format!("{}-labs", acme.id()))?;
    ops.tenants()
        .set_parent(labs.id().as_str(), Some(acme.id().as_str()), &team.ana)
        .await?;
    show_live(&labs, "Inherited:").await?;
    let voice = Draft::text("Answer in {{ language }}, like a scientist.").by(&team.ana);
    let voice = labs.prompts().save("brand/voice", voice).await?;
    labs.environments()
        .promote(&voice, "production", &team.ana)
        .await?;
    show_live(&labs, "With its own voice:").await?;
    show_live(acme, "The parent, as before:").await
}

async fn roll_back(acme: &Tenant, team: &Team) -> Result<()> {
    chapter(10, "Roll back: at once, with a reason, and on record");
    let environments = acme.environments();
    let pointer = environments
        .rollback(PROMPT, "production", &team.bo, "Calls back too often")
        .await?;
    say!(
        "{PROMPT} {} is live in production, revision {}.",
        pointer.version,
        pointer.revision
    );
    let mut rows = vec![row!["rev", "when (UTC)", "who", "move", "from → to", "reason"]];
    let history = environments
        .history(PROMPT, "production", &PageRequest::default())
        .await?;
    rows.extend(history.items.iter().map(|record| {
        let from = record.from.map_or("none".into(), |version| version.to_string());
        row![
            record.revision,
            record.at.format("%Y-%m-%d %H:%M:%S"),
            record.actor.id,
            record.kind,
            format!("{from} → {}", record.to),
            record.reason,
        ]
    }));
    table(&rows);
    Ok(())
}

async fn audit(acme: &Tenant) -> Result<()> {
    chapter(11, "Prove it: every change is in a chain of hashes");
    let count = acme.audit().verify().await?;
    say!("{count} records verified. The first three:");
    let mut rows = vec![row!["seq", "who", "what", "to what"]];
    let records = acme.audit().list(&PageRequest::first(3)).await?;
    rows.extend(records.items.iter().map(|record| {
        let entry = &record.entry;
        row![record.seq, entry.actor, entry.action, entry.subject]
    }));
    table(&rows);
    Ok(())
}

fn saved(version: &Version) -> [String; 5] {
    row![
        version.prompt,
        version.number,
        version.status,
        version.hash.short(),
        version.author
    ]
}

fn checked(condition: &Condition) -> [String; 4] {
    let detail = &condition.detail;
    let verdict = if condition.met { "met" } else { "NOT MET" };
    row![detail.condition, detail.found, detail.needed, verdict]
}

/// The first tenant of its name that has no record yet, so that the tour can be run again on the same file.
async fn new_tenant(ops: &PromptOps) -> Result<Tenant> {
    let mut tenant = ops.tenant("acme")?;
    let mut number = 1;
    while tenant.audit().verify().await? > 0 {
        number += 1;
        tenant = ops.tenant(format!("acme-{number}"))?;
    }
    Ok(tenant)
}

fn database_path() -> Result<PathBuf, std::io::Error> {
    if let Some(path) = std::env::args_os().nth(1) {
        return Ok(path.into());
    }
    let directory = std::env::temp_dir().join(format!("promptops-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory.join("prompts.db"))
}
