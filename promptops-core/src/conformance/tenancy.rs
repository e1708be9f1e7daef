//! What spans tenants: inheritance, and that nothing else does.

use super::Harness;
use super::fixture::*;

/// A prompt that the tenant does not have is looked up in its parent.
pub async fn inherited_prompt_is_found_in_the_parent(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    parent.save_active("safety", "be kind").await;
    child.set_parent(Some("shared")).await.unwrap();
    let lookup = child.find_one("safety").await;
    assert_eq!(found(&lookup).version.tenant, parent.tenant);
}
