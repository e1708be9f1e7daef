//! Changes whose caller stops waiting: what the store has committed is told to everybody all the same.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::event::EventListener;
use promptops_core::base::{
    Actor, Change, EnvironmentName, Event, Page, PageRequest, PromptName, Spawn, Task, TenantId,
};
use promptops_core::environment::{
    ApprovalEntry, EnvironmentStore, HistoryRecord, Pointer, PointerMove, Policy, PolicyChange, PolicyRecord,
    Slots,
};
use promptops_core::prompt::{Draft, Version};
use promptops_core::{MemoryBackend, PromptOps, Result, Stores, Tenant};
use tokio::sync::Semaphore;

/// A store whose moves are committed long before they are answered, when told so.
struct Slow {
    inner: MemoryBackend,
    slow: AtomicBool,
    gate: Semaphore,
}

#[async_trait]
impl EnvironmentStore for Slow {
    async fn slots(&self, tenant: &TenantId, prompt: &PromptName) -> Result<Slots> {
        self.inner.slots(tenant, prompt).await
    }

    async fn move_pointer(&self, change: PointerMove) -> Result<Pointer> {
        let moved = self.inner.move_pointer(change).await;
        if self.slow.load(Ordering::SeqCst) {
            self.gate.acquire().await.unwrap().forget();
        }
        moved
    }

    async fn history(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>> {
        self.inner.history(tenant, prompt, environment, page).await
    }

    async fn set_policy(&self, change: PolicyChange) -> Result<()> {
        self.inner.set_policy(change).await
    }

    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyRecord>> {
        self.inner.policies(tenant).await
    }

    async fn approve(&self, entry: ApprovalEntry) -> Result<()> {
        self.inner.approve(entry).await
    }
}

async fn save(tenant: &Tenant, text: &str) -> Version {
    let draft = Draft::text(text).by("ana").active();
    tenant.prompts().save("triage", draft).await.unwrap()
}

async fn served(tenant: &Tenant) -> String {
    let rendered = tenant.resolve("triage@production").render(&()).await.unwrap();
    rendered.text().unwrap().to_owned()
}

#[tokio::test]
async fn a_promotion_that_nobody_waits_for_is_served_all_the_same() {
    let store = Arc::new(Slow {
        inner: MemoryBackend::new(),
        slow: AtomicBool::new(false),
        gate: Semaphore::new(0),
    });
    let mut stores = Stores::from(store.inner.clone());
    stores.environments = store.clone();
    let acme = PromptOps::builder(stores).build().tenant("acme").unwrap();
    let (v1, v2) = (save(&acme, "one").await, save(&acme, "two").await);
    let (environments, ana) = (acme.environments(), Actor::owner("ana"));
    environments.promote(&v1, "production", &ana).await.unwrap();
    assert_eq!(served(&acme).await, "one");

    store.slow.store(true, Ordering::SeqCst);
    let promotion = environments.promote(&v2, "production", &ana).into_future();
    tokio::time::timeout(Duration::from_millis(20), promotion)
        .await
        .unwrap_err();
    assert_eq!(served(&acme).await, "one", "nobody was told yet");
    store.gate.add_permits(1);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served(&acme).await, "two");
    let history = environments
        .history("triage", "production", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(history.items.len(), 2);
}

/// A call, and in the end whether it succeeded.
type Call<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// Holds work back until it is told to run it.
#[derive(Default)]
struct Held(Mutex<Vec<Task>>);

impl Spawn for Held {
    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.0.lock().unwrap().push(task);
        Ok(())
    }
}

#[tokio::test]
async fn every_change_that_is_told_is_told_though_nobody_waits() {
    let backend = MemoryBackend::new();
    // Prepared by one who does not hold back, in the same backend.
    let prepared = PromptOps::builder(backend.clone())
        .build()
        .tenant("acme")
        .unwrap();
    let (v1, v2) = (save(&prepared, "one").await, save(&prepared, "two").await);
    let ana = Actor::owner("ana");
    let environments = prepared.environments();
    for version in [&v1, &v2] {
        environments.promote(version, "staging", &ana).await.unwrap();
    }

    let held = Arc::new(Held::default());
    let ops = PromptOps::builder(backend).spawn(held.clone()).build();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let listener: Arc<dyn EventListener> = Arc::new(move |event: &Event| {
        let Event::Changed { change, .. } = event else {
            panic!("{event:?} is no change");
        };
        told.lock().unwrap().push(match change {
            Change::PointerMoved { .. } => "pointer",
            Change::VersionChanged { .. } => "version",
            Change::PolicyChanged { .. } => "policy",
            Change::ParentChanged => "parent",
            _ => "other",
        });
    });
    ops.events().subscribe(Arc::downgrade(&listener));
    let acme = ops.tenant("acme").unwrap();
    let (prompts, environments, tenants) = (acme.prompts(), acme.environments(), ops.tenants());
    let draft = Draft::text("three").by("ana").active();
    let changes: Vec<(Call<'_>, &[&str])> = vec![
        (
            Box::pin(async { prompts.save("triage", draft).await.is_ok() }),
            &["version"],
        ),
        (
            Box::pin(async { prompts.archive(&v1, &ana).await.is_ok() }),
            &["version"],
        ),
        (
            Box::pin(async { prompts.activate(&v1, &ana).await.is_ok() }),
            &["version"],
        ),
        (
            Box::pin(async { environments.promote(&v1, "dev", &ana).await.is_ok() }),
            &["pointer", "version"],
        ),
        (
            Box::pin(async {
                let back = environments.rollback("triage", "staging", &ana, "worse");
                back.await.is_ok()
            }),
            &["pointer"],
        ),
        (
            Box::pin(async { environments.set_policy("dev", Policy::open(), &ana).await.is_ok() }),
            &["policy"],
        ),
        (
            Box::pin(async { tenants.set_parent("acme", Some("shared"), &ana).await.is_ok() }),
            &["parent"],
        ),
    ];
    for (change, expected) in changes {
        tokio::time::timeout(Duration::from_millis(20), change)
            .await
            .unwrap_err();
        assert!(heard.lock().unwrap().is_empty());
        let tasks = std::mem::take(&mut *held.0.lock().unwrap());
        assert_eq!(tasks.len(), 1, "{expected:?}");
        for task in tasks {
            task.await;
        }
        assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), expected);
    }
    assert_eq!(prompts.get("triage").await.unwrap().number.get(), 3);
}
