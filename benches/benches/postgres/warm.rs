//! Warm resolves: what is in the cache costs the same on every backend.

use std::time::Duration;

use promptops_benches::measure::compare;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::Actor;
use promptops_core::prompt::Draft;
use promptops_core::resolve::{ResolveSettings, Resolved};
use promptops_core::{MemoryBackend, PromptOps, Stores, Tenant};

use crate::database::{Database, KINDS, TENANTS, content, prompt_name, tenant_name};

/// Prompts of each tenant, of those without snippets.
const PROMPTS: usize = KINDS / 5;

pub async fn run(database: &Database) {
    let mut table = Table::new(
        "warm resolve on PostgreSQL, changes followed",
        "the same on the memory backend",
    );
    let ours = World::new(database.backend.clone().into(), true);
    let unheard = World::new(database.backend.clone().into(), false);
    let memory = World::new(MemoryBackend::new().into(), true);
    memory.fill().await;
    // The follower begins with "anything may have changed".
    tokio::time::sleep(Duration::from_secs(1)).await;
    let worlds = [&ours, &unheard, &memory];
    for world in worlds {
        world.warm_up().await;
    }
    let all = ours.keys.len();
    for (what, keys, floor, goal) in [
        ("20 hot keys, try_resolve", 20, &memory, Goal::Times(1.1)),
        // Here the places of the keys in memory count, which each run chooses anew.
        ("1,000 hot keys, try_resolve", all, &memory, Goal::None),
        (
            "1,000 hot keys; floor: PostgreSQL, not followed",
            all,
            &unheard,
            Goal::None,
        ),
    ] {
        let pair = tokio::task::block_in_place(|| compare(ours.round_robin(keys), floor.round_robin(keys)));
        table.pair(what, &pair, goal);
    }
    assert!(
        worlds.iter().all(|world| world.is_fresh()),
        "nothing aged meanwhile"
    );
}

struct World {
    tenants: Vec<Tenant>,
    /// Tenant and reference.
    keys: Vec<(usize, String)>,
}

impl World {
    fn new(stores: Stores, follow: bool) -> Self {
        let mut settings = ResolveSettings::default();
        // So that nothing ages while the bench runs.
        settings.max_age = Duration::from_secs(3_600);
        let ops = PromptOps::builder(stores)
            .resolve_settings(settings)
            .follow_changes(follow)
            .build();
        Self {
            tenants: (0..TENANTS)
                .map(|t| ops.tenant(tenant_name(t)).expect("a name"))
                .collect(),
            keys: (0..TENANTS * PROMPTS)
                .map(|i| {
                    (
                        i % TENANTS,
                        format!("{}@production", prompt_name(i / TENANTS * 2)),
                    )
                })
                .collect(),
        }
    }

    async fn fill(&self) {
        let ana = Actor::owner("ana");
        for (i, (t, reference)) in self.keys.iter().enumerate() {
            let tenant = &self.tenants[*t];
            let name = reference.trim_end_matches("@production");
            // The same texts, so that both caches lie about in memory alike.
            let draft = Draft::new(content(i / TENANTS * 2)).by(&ana);
            let version = tenant.prompts().save(name, draft).await.expect("it is saved");
            let environments = tenant.environments();
            let promotion = environments.promote(&version, "production", &ana);
            promotion.await.expect("it is promoted");
        }
    }

    async fn warm_up(&self) {
        for (t, reference) in &self.keys {
            self.tenants[*t].resolve(reference).await.expect("it is live");
        }
    }

    fn is_fresh(&self) -> bool {
        self.keys
            .iter()
            .all(|key| self.resolve(key).staleness().is_none())
    }

    fn resolve(&self, (t, reference): &(usize, String)) -> Resolved {
        self.tenants[*t].try_resolve(reference).expect("it is warm")
    }

    fn round_robin(&self, keys: usize) -> impl FnMut() -> Resolved {
        let keys = &self.keys[..keys];
        let mut at = 0;
        move || {
            at = if at + 1 >= keys.len() { 0 } else { at + 1 };
            self.resolve(&keys[at])
        }
    }
}
