//! Processes that race to complete experiments of one file.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use promptops_core::base::audit::AuditAction;
use promptops_core::base::{Actor, ExperimentId, PageRequest};
use promptops_core::experiment::{ExperimentPlan, Look, Outcome, WatchSettings};
use promptops_core::prompt::Draft;
use promptops_core::{PromptOps, Tenant};
use promptops_store_sqlite::SqliteBackend;

use crate::processes::{acknowledge, acknowledged, spawn};

const PROCESSES: usize = 8;
const ROUNDS: usize = 6;

fn acme(backend: SqliteBackend) -> Tenant {
    let mut by_hand = WatchSettings::default();
    by_hand.after_outcomes = Duration::ZERO;
    let ops = PromptOps::builder(backend).watch_settings(by_hand).build();
    ops.tenant("acme").unwrap()
}

fn prompt(round: usize) -> String {
    format!("p-{round}")
}

fn experiment(round: usize) -> ExperimentId {
    ExperimentId::new(format!("e-{round}")).unwrap()
}

/// What each of the processes does: completes the experiment of each round as soon as it is told to.
pub async fn race(path: &Path, racer: &str) {
    let tenant = acme(SqliteBackend::open(path).await.unwrap());
    let experiments = tenant.experiments();
    acknowledge("ready");
    let mut words = std::io::stdin().lines();
    for round in 0..ROUNDS {
        words.next().unwrap().unwrap();
        let id = experiment(round);
        // Some look, as every process does by itself, and some are told to complete it.
        let look = match racer.strip_prefix("looks-") {
            Some(_) => experiments.look(&id).await,
            None => experiments.complete(&id, &Actor::owner(racer)).await,
        };
        match look {
            Ok(Look::Completed(ended)) => {
                let winner = ended.winner().map(|variant| variant.name.clone());
                let by = ended.completion.unwrap().by.id;
                acknowledge(&format!("{} {by}", winner.unwrap()));
            }
            Ok(Look::Open(decision)) => acknowledge(&format!("open {decision:?}")),
            Err(error) => acknowledge(&format!("error {error}")),
        }
    }
}

/// An experiment on a prompt of its own whose second variant is better, and whose end nobody has looked for.
async fn decided(tenant: &Tenant, round: usize) {
    let (ana, prompt) = (Actor::owner("ana"), prompt(round));
    let mut versions = Vec::new();
    for text in ["one", "two"] {
        let draft = Draft::text(text).by(ana.clone()).active();
        versions.push(tenant.prompts().save(&prompt, draft).await.unwrap());
    }
    let environments = tenant.environments();
    environments
        .promote(&versions[0], "production", &ana)
        .await
        .unwrap();
    let plan = ExperimentPlan::new(&prompt, "production")
        .unwrap()
        .id(experiment(round).as_str())
        .unwrap()
        .control(50.0)
        .variant("better", versions[1].number, 50.0)
        .unwrap()
        .auto_complete();
    tenant.experiments().start(plan, &ana).await.unwrap();
    for n in 0..600 {
        let reference = format!("{prompt}@production");
        let unit = format!("user-{n}");
        let resolved = tenant.resolve(&reference).unit(&unit).await.unwrap();
        let is_better = resolved.assigned().unwrap().variant == 1;
        let success = n % 10 < if is_better { 9 } else { 3 };
        tenant
            .outcomes()
            .record(resolved.stamp(), Outcome::success(success));
    }
    tenant.outcomes().flush(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn eight_processes_race_to_complete_an_experiment_and_promote_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let tenant = acme(SqliteBackend::open(&path).await.unwrap());
    for round in 0..ROUNDS {
        decided(&tenant, round).await;
    }
    let mut racers: Vec<_> = (0..PROCESSES)
        .map(|n| {
            let name = format!("{}-{n}", if n % 2 == 0 { "looks" } else { "completes" });
            let (mut child, stdout) = spawn("complete", &path, &name);
            (child.stdin.take().unwrap(), child, stdout)
        })
        .collect();
    let mut told = Vec::new();
    for round in 0..=ROUNDS {
        // All are ready, and then hear of the next round.
        let mut answers = Vec::new();
        for (_, _, stdout) in &mut racers {
            let mut output = String::new();
            while acknowledged(&output).is_empty() {
                assert_ne!(stdout.read_line(&mut output).unwrap(), 0, "a child gave up");
            }
            answers.extend(acknowledged(&output));
        }
        told.push(answers);
        if round < ROUNDS {
            for (stdin, ..) in &mut racers {
                stdin.write_all(b"go\n").unwrap();
            }
        }
    }
    for (_, mut child, _) in racers {
        assert!(child.wait().unwrap().success());
    }

    let mut enders = BTreeSet::new();
    for (round, answers) in told[1..].iter().enumerate() {
        let first = &answers[0];
        assert_eq!(first[0], "better", "round {round}: {answers:?}");
        assert!(
            answers.iter().all(|answer| answer == first),
            "round {round}: {answers:?}"
        );
        let page = PageRequest::default();
        let history = tenant
            .environments()
            .history(&prompt(round), "production", &page)
            .await
            .unwrap();
        let moves: Vec<_> = history
            .items
            .iter()
            .map(|of| (of.revision, of.to.get()))
            .collect();
        assert_eq!(moves, [(2, 2), (1, 1)]);
        assert_eq!(history.items[0].actor.id, first[1]);
        enders.insert(first[1].clone());
    }
    let mut page = PageRequest::default();
    let mut records = Vec::new();
    loop {
        let part = tenant.audit().list(&page).await.unwrap();
        records.extend(part.items);
        match part.next {
            Some(next) => page = PageRequest::default().after(next),
            None => break,
        }
    }
    for round in 0..ROUNDS {
        let count = |action, subject: String| {
            let of = |entry: &promptops_core::base::audit::AuditEntry| {
                entry.action == action && entry.subject.starts_with(&subject)
            };
            records.iter().filter(|record| of(&record.entry)).count()
        };
        let id = format!("{} ", experiment(round));
        assert_eq!(count(AuditAction::CompleteExperiment, id), 1);
        // The first one put on what was live before.
        let slot = format!("{}@production", prompt(round));
        assert_eq!(count(AuditAction::Promote, slot), 2);
    }
    tenant.audit().verify().await.unwrap();
    println!("ended by {enders:?}");
}
