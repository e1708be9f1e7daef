//! The way of a deployment on the backend in memory.

mod commands;
mod machine;
mod outside;
mod replays;
mod shipping;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::replays::Finding;
use super::{Deployment, DeploymentSettings, Deployments, Document, State, Step, Verdict, replayed};
use crate::base::{Actor, DeploymentId, ManualClock, SequentialIds};
use crate::prompt::{Draft, Version};
use crate::{MemoryBackend, PromptOps, Tenant};

const LEASE: Duration = Duration::from_secs(60);

fn olga() -> Actor {
    Actor::owner("olga")
}

fn mo() -> Actor {
    Actor::member("mo")
}

fn robot() -> Actor {
    Actor::system("loop")
}

/// A tenant with v1 live in production, and candidates.
struct World {
    ops: PromptOps,
    acme: Tenant,
    clock: Arc<ManualClock>,
    versions: Vec<Version>,
}

impl World {
    async fn new() -> Self {
        Self::with(DeploymentSettings::default()).await
    }

    async fn with(settings: DeploymentSettings) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ops = PromptOps::builder(MemoryBackend::new())
            .clock(clock.clone())
            .ids(Arc::new(SequentialIds::default()))
            .deployment_settings(settings)
            .build();
        let acme = ops.tenant("acme").unwrap();
        let mut versions = Vec::new();
        for n in 1..=4 {
            let draft = Draft::text(format!("text {n} for {{{{ who }}}}")).by("ana");
            versions.push(acme.prompts().save("triage", draft).await.unwrap());
        }
        let environments = acme.environments();
        environments
            .promote(&versions[0], "production", &mo())
            .await
            .unwrap();
        Self {
            ops,
            acme,
            clock,
            versions,
        }
    }

    fn deployments(&self) -> Deployments {
        self.acme.deployments()
    }

    async fn propose(&self, n: usize) -> Deployment {
        let version = &self.versions[n - 1];
        self.deployments()
            .propose(version, "production", &mo())
            .rationale("says more")
            .await
            .unwrap()
    }

    /// A candidate whose replay came to this.
    async fn replayed(&self, n: usize, verdict: Verdict) -> Deployment {
        let proposed = self.propose(n).await;
        self.replay(&proposed.id, verdict).await
    }

    async fn replay(&self, id: &DeploymentId, verdict: Verdict) -> Deployment {
        let deployments = self.deployments();
        let begun = deployments.start_replay(id, "w1", LEASE, &robot()).await.unwrap();
        let finding = self.finding(&begun, verdict).await;
        deployments
            .finish_replay(id, "w1", finding, &robot())
            .await
            .unwrap()
    }

    async fn finding(&self, deployment: &Deployment, verdict: Verdict) -> Finding {
        Finding {
            verdict,
            reason: format!("{verdict} on 230 traces"),
            base: self.deployments().base_now(deployment).await.unwrap(),
            candidate: deployment.candidate.closure_hash,
            report: Document::of(&json!({ "of": deployment.id, "verdict": verdict })).unwrap(),
        }
    }

    /// A candidate that was shipped and is watched.
    async fn shipped(&self, n: usize) -> Deployment {
        let passed = self.replayed(n, Verdict::Passed).await;
        self.deployments().approve(&passed.id, &olga()).await.unwrap()
    }

    async fn regressed(&self, n: usize) -> Deployment {
        let shipped = self.shipped(n).await;
        self.observe(&shipped.id, Step::Regress).await
    }

    async fn observe(&self, id: &DeploymentId, step: Step) -> Deployment {
        let evidence = Document::of(&json!({ "step": step })).unwrap();
        self.deployments()
            .observe(id, step, "as seen", Some(evidence), &robot())
            .await
            .unwrap()
    }

    /// The number of the version that is live, and the pointer's revision.
    async fn live(&self) -> (u32, u64) {
        let pointer = self
            .acme
            .environments()
            .get("triage", "production")
            .await
            .unwrap();
        (pointer.version.get(), pointer.revision)
    }

    async fn get(&self, id: &DeploymentId) -> Deployment {
        self.deployments().get(id).await.unwrap()
    }

    /// The steps of a deployment. What they come to is what the record says.
    async fn steps(&self, id: &DeploymentId) -> Vec<Step> {
        let transitions = self.deployments().transitions(id).await.unwrap();
        assert_eq!(replayed(&transitions).unwrap(), self.get(id).await.standing());
        transitions.iter().map(|transition| transition.step).collect()
    }

    /// What a served text says of its version.
    async fn served(&self) -> String {
        let resolved = self.acme.resolve("triage@production").await.unwrap();
        resolved.version().unwrap().to_string()
    }
}

fn is(deployment: &Deployment, state: State) {
    assert_eq!(deployment.state, state, "{deployment:?}");
}
