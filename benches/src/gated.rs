//! A prompt whose promotion must meet a full gate, on whatever backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use promptops_core::base::{Actor, DatasetName, VersionNumber};
use promptops_core::environment::Policy;
use promptops_core::evaluation::Evidence;
use promptops_core::prompt::{Draft, Version, system, user};
use promptops_core::{PromptOps, Tenant};

use crate::prompt;

/// A tenant whose production asks for everything that a policy can ask for.
#[derive(Debug)]
pub struct World {
    acme: Tenant,
    ana: Actor,
    bo: Actor,
    /// The versions to promote in turns.
    pub versions: Vec<Version>,
}

impl World {
    /// The tenant, its policy, and two versions that have all but the approval.
    ///
    /// # Panics
    /// When the backend fails, as all methods.
    pub async fn new(ops: &PromptOps) -> Arc<Self> {
        let acme = ops.tenant("acme").expect("a name");
        let (ana, bo) = (Actor::owner("ana"), Actor::owner("bo"));
        for (name, text) in prompt::SNIPPETS {
            let draft = Draft::text(text).by(&ana).active();
            acme.prompts().save(name, draft).await.expect("it is saved");
        }
        let policy = Policy::open()
            .after("staging")
            .and_then(|policy| policy.require_evaluation("tickets", 0.9))
            .expect("the names are well formed")
            .min_usage_count(5)
            .min_success_rate(0.8)
            .min_average_rating(0.5)
            .approvals(1)
            .owner_only();
        acme.environments()
            .set_policy("production", policy, &ana)
            .await
            .expect("it is set");
        let mut versions = Vec::new();
        for mark in 0..2 {
            let [first, second] = prompt::templates(mark);
            let draft = Draft::chat([system(first), user(second)]).by(&ana).active();
            versions.push(acme.prompts().save("triage", draft).await.expect("it is saved"));
        }
        let world = Self {
            acme,
            ana,
            bo,
            versions,
        };
        for version in &world.versions {
            world.give_evidence(version).await;
        }
        Arc::new(world)
    }

    async fn give_evidence(&self, version: &Version) {
        self.stage(version).await;
        let resolved = self.acme.resolve("triage@staging").await.expect("it is live");
        for _ in 0..10 {
            let metrics = self.acme.metrics();
            metrics
                .record_feedback(resolved.stamp(), true, Some(0.9))
                .await
                .expect("it is recorded");
        }
        let evidence = Evidence {
            prompt: version.prompt.clone(),
            closure_hash: resolved.closure_hash(),
            dataset: DatasetName::new("tickets").expect("a name"),
            dataset_version: VersionNumber::FIRST,
            run: format!("run of {}", version.number),
            entries: 100,
            passed: 95,
            dimensions: BTreeMap::new(),
            judges: BTreeMap::new(),
        };
        let evaluations = self.acme.evaluations();
        evaluations
            .record_evidence(evidence, &self.ana)
            .await
            .expect("it is recorded");
    }

    /// Puts a version where production takes it from.
    pub async fn stage(&self, version: &Version) {
        let environments = self.acme.environments();
        environments
            .promote(version, "staging", &self.bo)
            .await
            .expect("it is promoted");
    }

    /// Approves it for what is live now.
    pub async fn approve(&self, version: &Version) {
        let environments = self.acme.environments();
        environments
            .approve(version, "production", &self.ana, "")
            .await
            .expect("it is approved");
    }

    /// Promotes it to production.
    pub async fn promote(&self, version: &Version) {
        let environments = self.acme.environments();
        environments
            .promote(version, "production", &self.bo)
            .await
            .expect("the gate is met");
    }

    /// Promotes it on top of this revision; says whether it came first.
    pub async fn race(&self, version: &Version, expected: u64) -> bool {
        let environments = self.acme.environments();
        environments
            .promote(version, "production", &self.bo)
            .expecting(expected)
            .await
            .is_ok()
    }

    /// The revision of what is live in production.
    pub async fn revision(&self) -> u64 {
        let environments = self.acme.environments();
        environments
            .get("triage", "production")
            .await
            .expect("it is live")
            .revision
    }
}
