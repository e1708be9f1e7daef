//! Shared by the tests: short ways to make changes.

use promptops_core::base::{Actor, PromptName, TenantId};
use promptops_core::prompt::{Draft, Version};
use promptops_core::{Error, ErrorKind, PromptOps, Result, Tenant};
use promptops_store_pg::PgBackend;

pub fn acme_id() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub fn name(name: &str) -> PromptName {
    PromptName::new(name).unwrap()
}

pub fn ana() -> Actor {
    Actor::owner("ana")
}

/// The tenant `acme` of a library instance of its own.
pub fn acme(backend: PgBackend) -> Tenant {
    PromptOps::builder(backend).build().tenant("acme").unwrap()
}

pub async fn save(tenant: &Tenant, prompt: &str, text: &str) -> Version {
    let draft = Draft::text(text).by(ana()).active();
    tenant.prompts().save(prompt, draft).await.unwrap()
}

pub async fn promote(tenant: &Tenant, version: &Version) -> u64 {
    let environments = tenant.environments();
    let pointer = environments.promote(version, "production", &ana()).await;
    pointer.unwrap().revision
}

/// What a reference is served as.
pub async fn text(tenant: &Tenant, reference: &str) -> String {
    let answer = tenant.resolve(reference).render(&()).await.unwrap();
    answer.text().unwrap().to_owned()
}

#[track_caller]
pub fn fails<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = result.err().expect("the call should fail");
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "{error} lacks {word:?}");
    }
    error
}
