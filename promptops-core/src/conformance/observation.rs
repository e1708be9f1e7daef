//! The contract of [`MetricsStore`](crate::observation::MetricsStore).

use super::Harness;
use super::fixture::*;

/// Concurrent calls lose no count.
pub async fn racing_feedback_loses_no_count(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    race(8, |_| {
        let desk = desk.clone();
        async move {
            for _ in 0..25 {
                let feedback = desk.feedback("triage", "one", Some("dev"));
                desk.stores.metrics.record_feedback(&[feedback]).await.unwrap();
            }
        }
    })
    .await;
    let metrics = desk
        .stores
        .metrics
        .metrics(&desk.tenant, &name("triage"), &closure("one"), None)
        .await
        .unwrap();
    assert_eq!((metrics.usage_count, metrics.success_count), (200, 200));
}
