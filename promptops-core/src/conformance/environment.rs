//! The contract of [`EnvironmentStore`](crate::environment::EnvironmentStore).

use super::Harness;
use super::fixture::*;
use crate::base::ErrorKind;

/// A move on another revision than the pointer's conflicts, with the current revision.
pub async fn stale_revision_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    for wrong in [1, 2, u64::from(u32::MAX)] {
        let error = fails(
            desk.try_promote(&v1, "dev", wrong).await,
            ErrorKind::Conflict,
            "a move of nothing",
        );
        assert_eq!(error.current_revision(), Some(0));
    }
    for _ in 0..3 {
        desk.promote(&v1, "dev").await;
    }
    for wrong in [0, 1, 2, 4] {
        let error = fails(
            desk.try_promote(&v2, "dev", wrong).await,
            ErrorKind::Conflict,
            "a stale move",
        );
        assert_eq!(error.current_revision(), Some(3));
    }
    assert_eq!(desk.try_promote(&v2, "dev", 3).await.unwrap().revision, 4);
}
