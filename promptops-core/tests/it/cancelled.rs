//! Changes whose caller stops waiting: what the store has committed is told to everybody all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Actor, Page, PageRequest, PromptName, TenantId};
use promptops_core::environment::{
    ApprovalEntry, EnvironmentStore, HistoryRecord, Pointer, PointerMove, PolicyChange, PolicyRecord, Slots,
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
        environment: &promptops_core::base::EnvironmentName,
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
