//! Steps of deployments, each a commit, on whatever backend.

use std::time::Instant;

use promptops_core::Tenant;
use promptops_core::base::Actor;
use promptops_core::prompt::{Draft, Version};

use crate::measure::Samples;
use crate::table::{Goal, Table};

const ROUNDS: usize = 150;

/// What steps take, and the floor's commit between them.
#[derive(Debug, Clone, Default)]
pub struct Transitions {
    propose: Samples,
    reject: Samples,
    ship: Samples,
    floor: Samples,
}

impl Transitions {
    /// Proposes, rejects, proposes and ships, in turns with the floor's commit. Each ship takes the slot from the one before.
    ///
    /// # Panics
    /// When the backend fails.
    pub async fn measure<F: Future<Output = ()>>(acme: &Tenant, mut floor: impl FnMut() -> F) -> Self {
        let (author, owner) = (Actor::member("mo"), Actor::owner("olga"));
        let deployments = acme.deployments();
        let mut took = Self::default();
        for n in 0..ROUNDS {
            let [refused, shipped] = [save(acme, 2 * n).await, save(acme, 2 * n + 1).await];
            let begin = Instant::now();
            let proposed = deployments.propose(&refused, "production", &author).await;
            took.propose.push(begin.elapsed().as_nanos() as f64);
            let proposed = proposed.expect("it is proposed");
            let begin = Instant::now();
            let rejected = deployments.reject(&proposed.id, "it is too long", &owner).await;
            took.reject.push(begin.elapsed().as_nanos() as f64);
            rejected.expect("it is rejected");
            let proposed = deployments.propose(&shipped, "production", &author).await;
            let proposed = proposed.expect("it is proposed");
            let begin = Instant::now();
            let approved = deployments
                .approve(&proposed.id, &owner)
                .waive("there are no traces to replay")
                .await;
            took.ship.push(begin.elapsed().as_nanos() as f64);
            approved.expect("it is shipped");
            let begin = Instant::now();
            floor().await;
            took.floor.push(begin.elapsed().as_nanos() as f64);
        }
        took
    }

    /// The rows of a backend.
    pub fn rows(&self, table: &mut Table, on: &str, has_floor: bool, goal: Goal) {
        let floor = has_floor.then_some(&self.floor);
        for (step, samples) in [
            ("propose", &self.propose),
            ("reject", &self.reject),
            ("approve and ship", &self.ship),
        ] {
            table.spread(&format!("{step}, {on}"), samples, floor, goal);
        }
    }
}

async fn save(acme: &Tenant, n: usize) -> Version {
    let draft = Draft::text(format!(
        "Sort the ticket into one of {n} queues: {{{{ ticket }}}}"
    ))
    .by("ana");
    acme.prompts().save("triage", draft).await.expect("it is saved")
}
