//! The contract of [`AuditStore`](crate::base::audit::AuditStore), and that every change is on record.

use super::Harness;
use super::fixture::*;

/// Before the first change there is no record and no head.
pub async fn log_is_empty_before_the_first_change(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(desk.audit().await, []);
}
