//! Two versions of a prompt on live traffic: who is asked gets always the same one, outcomes are recorded in the background,
//! the analysis is looked at as it grows, and the winner goes live by itself. Beside it, on the same traffic, a text is
//! compared with itself: an A/A experiment, which must declare nothing however often one looks.
//!
//! ```text
//! cargo run --example experiment
//! ```

use std::error::Error;
use std::time::Duration;

use promptops_core::base::Actor;
use promptops_core::environment::Policy;
use promptops_core::experiment::{Analysis, Experiment, ExperimentPlan, Harm, Look, Outcome, WatchSettings};
use promptops_core::prompt::{Draft, system, user};
use promptops_core::statistics::Random;
use promptops_core::{PromptOps, Tenant};
use promptops_examples::{chapter, row, say, table};
use promptops_store_sqlite::SqliteBackend;
use serde_json::json;

/// Users that come between two looks, and most looks.
const WAVE: u32 = 250;
const WAVES: u32 = 40;

const TRIAGE: &str = "support/triage";
const GREETING: &str = "support/greeting";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("promptops-experiment-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let backend = SqliteBackend::open(directory.join("prompts.db")).await?;
    let mut watch = WatchSettings::default();
    // Traffic of days comes within a second here; a service keeps the default of a look each second.
    watch.after_outcomes = Duration::from_millis(20);
    let ops = PromptOps::builder(backend.clone()).watch_settings(watch).build();
    let told = tell(&ops).await;
    backend.close().await;
    std::fs::remove_dir_all(&directory)?;
    told
}

async fn tell(ops: &PromptOps) -> Result<(), Box<dyn Error>> {
    let acme = ops.tenant("acme")?;
    let (ana, bo) = (Actor::owner("ana"), Actor::member("bo"));

    chapter(1, "One version is live, another is to be tried");
    let triage = |text: &str| Draft::chat([system(text), user("{{ ticket }}")]).by(&bo);
    let v1 = acme.prompts().save(TRIAGE, triage("Answer the ticket.")).await?;
    let v2 = acme
        .prompts()
        .save(
            TRIAGE,
            triage("Answer the ticket in two sentences, and say what happens next."),
        )
        .await?;
    let hello = acme
        .prompts()
        .save(GREETING, Draft::text("Hello {{ name }}!").by(&bo))
        .await?;
    let environments = acme.environments();
    environments
        .set_policy("production", Policy::open().after("staging")?, &ana)
        .await?;
    for version in [&v1, &hello] {
        environments.promote(version, "staging", &bo).await?;
        environments.promote(version, "production", &bo).await?;
    }

    chapter(
        2,
        "An experiment serves production, so it goes by production's policy",
    );
    let plan = || -> promptops_core::Result<ExperimentPlan> {
        // The id is what users are hashed with: a fixed one makes this example tell the same each time.
        Ok(ExperimentPlan::new(TRIAGE, "production")?
            .id("next-steps-2026-11")?
            .name("say what happens next")
            .control(50.0)
            .variant("next-steps", v2.number, 50.0)?
            .guardrail("slow", Harm::LatencyAbove(Duration::from_secs(3)))?
            .min_sample(300)
            .auto_complete())
    };
    let refused = acme
        .experiments()
        .start(plan()?, &bo)
        .await
        .err()
        .ok_or("it had to be refused")?;
    say!("{refused}");
    environments.promote(&v2, "staging", &bo).await?;
    let experiment = acme.experiments().start(plan()?, &bo).await?;
    say!(
        "promoted to staging; {} begins on {}@{}",
        experiment.name,
        experiment.prompt,
        experiment.environment
    );
    let same = ExperimentPlan::new(GREETING, "production")?
        .id("same-twice-2026-11")?
        .name("the same text twice")
        .control(50.0)
        .variant("same", hello.number, 50.0)?
        .auto_complete();
    let same = acme.experiments().start(same, &bo).await?;

    chapter(
        3,
        "Whoever comes again gets the same variant, here and in every process",
    );
    for name in ["user-1", "user-2", "user-3", "user-1"] {
        let answer = acme
            .resolve("support/triage@production")
            .unit(name)
            .render(&json!({"ticket": "Where is my parcel?"}))
            .await?;
        say!("{name}: {}", answer.stamp());
    }

    chapter(4, "Traffic comes; every look is a good one");
    let mut random = Random::seeded(26);
    let mut looks = vec![row![
        "users",
        "control",
        "next-steps",
        "E",
        "anytime p",
        "A/A: E",
        "A/A: says"
    ]];
    for wave in 0..WAVES {
        for n in wave * WAVE..(wave + 1) * WAVE {
            serve(&acme, &format!("user-{n}"), &mut random).await?;
        }
        acme.outcomes().flush(Duration::from_secs(10)).await?;
        let (analysis, beside) = (analysis(&acme, &experiment).await?, analysis(&acme, &same).await?);
        let is_last = !analysis.status.is_open() || wave + 1 == WAVES;
        if (wave + 1).is_power_of_two() || is_last {
            looks.push(look((wave + 1) * WAVE, &analysis, &beside));
        }
        if is_last {
            break;
        }
    }
    table(&looks);

    chapter(5, "The winner is live already");
    for _ in 0..100 {
        if !acme.experiments().get(&experiment.id).await?.status.is_open() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for line in analysis(&acme, &experiment).await?.to_string().lines() {
        println!("   {line}");
    }
    let page = promptops_core::base::PageRequest::first(1);
    for step in environments.history(TRIAGE, "production", &page).await?.items {
        say!("{} by {}: {}", step.to, step.actor, step.reason);
    }
    let resolved = acme.resolve("support/triage@production").unit("user-1").await?;
    say!("user-1: {}", resolved.stamp());

    chapter(6, "The A/A experiment went on, and found nothing");
    for n in WAVES * WAVE..WAVES * WAVE + 4_000 {
        serve(&acme, &format!("user-{n}"), &mut random).await?;
    }
    acme.outcomes().flush(Duration::from_secs(10)).await?;
    match acme.experiments().look(&same.id).await? {
        Look::Open(decision) => {
            for missing in decision.missing() {
                say!("no winner: {missing}");
            }
        }
        Look::Completed(ended) => say!("it ended: {:?}", ended.completion),
    }
    let ended = acme.experiments().stop(&same.id, "seen enough", &bo).await?;
    say!(
        "stopped by hand: {}",
        ended.completion.ok_or("it is completed")?.reason
    );
    let report = ops.shutdown(Duration::from_secs(10)).await.outcomes;
    say!(
        "outcomes: {} handed in = {} written + {} duplicates + {} contaminated + {} invalid + {} dropped + {} failed",
        report.enqueued,
        report.written,
        report.duplicate,
        report.contaminated,
        report.invalid,
        report.dropped,
        report.failed
    );
    say!("invalid are those of who was served a variant just before the experiment ended");
    Ok(())
}

/// A user is greeted and has a ticket answered; how that went is reported, and nobody waits for it. What they think is
/// simulated: 62 of 100 are content with the first text, 71 with the second.
async fn serve(acme: &Tenant, name: &str, random: &mut Random) -> Result<(), Box<dyn Error>> {
    let mut chance = |share: u64| random.bits() % 1_000 < share;
    let resolved = acme.resolve("support/triage@production").unit(name).await?;
    let stamp = resolved.stamp();
    let content = match stamp.version.map(|version| version.get()) {
        Some(2) => chance(710),
        _ => chance(620),
    };
    let latency = Duration::from_millis(if chance(20) { 3_400 } else { 900 });
    acme.outcomes()
        .record(&stamp, Outcome::success(content).latency(latency));
    let hello = acme.resolve("support/greeting@production").unit(name).await?;
    acme.outcomes()
        .record(hello.stamp(), Outcome::success(chance(800)));
    Ok(())
}

async fn analysis(acme: &Tenant, experiment: &Experiment) -> promptops_core::Result<Analysis> {
    acme.experiments().analysis(&experiment.id).await
}

/// A row of the table of looks.
fn look(users: u32, analysis: &Analysis, beside: &Analysis) -> [String; 7] {
    let mean = |at: usize| {
        let variant = &analysis.variants[at];
        let interval = variant
            .interval
            .map_or_else(String::new, |of| format!(" ({:.3} … {:.3})", of.low, of.high));
        format!("{:.3}{interval}", variant.mean.unwrap_or(f64::NAN))
    };
    let evidence = |of: &Analysis| {
        of.variants[1]
            .versus_control
            .map(|versus| (versus.ln_e, versus.anytime_p))
    };
    let (ln_e, p) = evidence(analysis).unwrap_or_default();
    let (beside_ln_e, _) = evidence(beside).unwrap_or_default();
    [
        users.to_string(),
        mean(0),
        mean(1),
        format!("{:.2}", ln_e.exp()),
        format!("{p:.4}"),
        format!("{:.2}", beside_ln_e.exp()),
        if beside.status.is_open() {
            "go on".to_owned()
        } else {
            "ended".to_owned()
        },
    ]
}
