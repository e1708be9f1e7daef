//! The request path, warm: resolving.

use std::future::{Future, IntoFuture};
use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use equivalent::Equivalent;
use promptops_benches::is_bench;
use promptops_benches::measure::{compare, compare_on_two_threads};
use promptops_benches::memory::{Counting, allocations};
use promptops_benches::table::{Goal, Table};
use promptops_core::base::{Actor, EnvironmentName};
use promptops_core::prompt::Draft;
use promptops_core::resolve::{ResolveSettings, Resolved};
use promptops_core::{MemoryBackend, PromptOps, Tenant};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HOT: usize = 1_000;
const TENANTS: usize = 10;
const PROMPTS: usize = 1_000;
const ENVIRONMENTS: usize = 10;

fn main() {
    if !is_bench() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    lookups(&runtime);
}

fn builder(environments: Vec<EnvironmentName>) -> PromptOps {
    let mut settings = ResolveSettings::default();
    // So that nothing ages while the bench runs.
    settings.max_age = Duration::from_secs(3_600);
    PromptOps::builder(MemoryBackend::new())
        .environments(environments)
        .expect("the names are well formed")
        .resolve_settings(settings)
        .build()
}

fn environments(count: usize) -> Vec<EnvironmentName> {
    (0..count)
        .map(|i| EnvironmentName::new(format!("production-{i}")).expect("a name"))
        .collect()
}

/// A borrowed key, as long as ours.
struct KeyRef<'a>(&'a str, &'a str);

struct Key(Box<str>, Box<str>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef(&self.0, &self.1).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 && self.1 == other.1
    }
}

impl Eq for Key {}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Arc<Key>> for KeyRef<'_> {
    fn equivalent(&self, key: &Arc<Key>) -> bool {
        *self.1 == *key.1 && *self.0 == *key.0
    }
}

type Floor = papaya::HashMap<Arc<Key>, Arc<[u64; 32]>, ahash::RandomState>;

/// Ours and the floor with the same keys in them: `hot` at first, then all.
struct World {
    tenants: Vec<Tenant>,
    /// Tenant and reference.
    keys: Vec<(usize, String)>,
    floor: Floor,
}

impl World {
    fn new(runtime: &Runtime) -> Self {
        let ops = builder(environments(ENVIRONMENTS));
        let tenants: Vec<Tenant> = (0..TENANTS)
            .map(|i| ops.tenant(format!("tenant-{i:04}")).expect("a name"))
            .collect();
        let ana = Actor::owner("ana");
        let mut keys = Vec::new();
        runtime.block_on(async {
            for (t, tenant) in tenants.iter().enumerate() {
                for p in 0..PROMPTS {
                    let name = format!("support/triage-{p:05}");
                    let draft = Draft::text(format!("Hello {{{{ name }}}}, this is {p}.")).by(&ana);
                    let version = tenant.prompts().save(&name, draft).await.expect("it is saved");
                    for e in 0..ENVIRONMENTS {
                        let environment = format!("production-{e}");
                        let environments = tenant.environments();
                        let promotion = environments.promote(&version, &environment, &ana);
                        promotion.await.expect("it is promoted");
                        keys.push((t, format!("{name}@{environment}")));
                    }
                }
            }
        });
        Self {
            tenants,
            keys,
            floor: Floor::default(),
        }
    }

    fn warm_up(&self, runtime: &Runtime, keys: &[(usize, String)]) {
        let floor = self.floor.pin();
        runtime.block_on(async {
            for (tenant, reference) in keys {
                let tenant = &self.tenants[*tenant];
                tenant.resolve(reference).await.expect("it is live");
                let key = Key(tenant.id().as_str().into(), reference.as_str().into());
                floor.insert(Arc::new(key), Arc::new([0; 32]));
            }
        });
    }

    fn ours(&self, key: &(usize, String)) -> Resolved {
        self.tenants[key.0].try_resolve(&key.1).expect("it is warm")
    }

    fn awaited(&self, key: &(usize, String)) -> Resolved {
        let resolving = pin!(self.tenants[key.0].resolve(&key.1).into_future());
        match resolving.poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready(resolved) => resolved.expect("it is live"),
            Poll::Pending => panic!("it is warm"),
        }
    }

    fn floor(&self, key: &(usize, String)) -> Arc<[u64; 32]> {
        let map = self.floor.pin();
        let found = map.get(&KeyRef(self.tenants[key.0].id().as_str(), &key.1));
        Arc::clone(found.expect("it is there"))
    }
}

/// Goes round the keys.
fn round_robin<'a, T>(
    keys: &'a [(usize, String)],
    from: usize,
    run: impl Fn(&'a (usize, String)) -> T,
) -> impl FnMut() -> T {
    let mut at = from;
    move || {
        at = if at + 1 >= keys.len() { 0 } else { at + 1 };
        run(&keys[at])
    }
}

fn lookups(runtime: &Runtime) {
    let world = World::new(runtime);
    let all = &world.keys;
    // Every hundredth, so that the hot keys are of all tenants.
    let hot: Vec<(usize, String)> = all.iter().step_by(all.len() / HOT).cloned().collect();
    let one = &hot[..1];
    let mut table = Table::new(
        "warm resolve",
        "papaya, the same borrowed key, the same hasher, one Arc clone",
    );
    let goal = Goal::AtMost(150.0);
    world.warm_up(runtime, &hot);
    for (what, keys) in [("1,000 hot keys", hot.as_slice()), ("one key", one)] {
        for (how, awaited) in [("try_resolve", false), ("awaited", true)] {
            let run = |key| {
                if awaited {
                    world.awaited(key)
                } else {
                    world.ours(key)
                }
            };
            let pair = compare(
                round_robin(keys, 0, run),
                round_robin(keys, 0, |key| world.floor(key)),
            );
            table.pair(&format!("{what}, {how}"), &pair, goal);
        }
    }
    let (tried, awaited) = (
        allocations(|| world.ours(&hot[5])),
        allocations(|| world.awaited(&hot[5])),
    );
    table.row(
        [
            "allocations, try_resolve and awaited",
            &format!("{tried}, {awaited}"),
            "",
            "",
            "0",
        ],
        Some(tried + awaited == 0),
    );
    for (what, keys) in [
        ("two threads, own hot keys", hot.as_slice()),
        ("two threads, the same key", one),
    ] {
        let from = |thread: usize| thread * keys.len() / 2;
        let half = |thread: usize| match keys {
            [_] => keys,
            _ => &keys[from(thread)..from(thread + 1)],
        };
        let pair = compare_on_two_threads(
            |thread| round_robin(half(thread), 0, |key| world.ours(key)),
            |thread| round_robin(half(thread), 0, |key| world.floor(key)),
        );
        table.throughput(what, &pair, 20.0);
    }
    world.warm_up(runtime, all);
    let mut mixed: Vec<(usize, String)> = Vec::with_capacity(all.len());
    // A step that is prime to the number of keys: each once, in no order of their memory.
    mixed.extend((0..all.len()).map(|i| all[i * 7_919 % all.len()].clone()));
    let pair = compare(
        round_robin(&mixed, 0, |key| world.ours(key)),
        round_robin(&mixed, 0, |key| world.floor(key)),
    );
    table.pair("100,000 keys, uniform, try_resolve", &pair, Goal::None);
}
