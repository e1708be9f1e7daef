//! The contract of [`EvaluationStore`](crate::evaluation::EvaluationStore).

use super::Harness;
use super::fixture::*;

/// Evidence reads back as recorded.
pub async fn evidence_reads_back(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(
        desk.latest_evidence("triage", &closure("one"), "golden").await,
        None
    );
    let record = desk.evidence("triage", "one", "golden", "run 1");
    let expected = record.evidence.clone();
    desk.record_evidence(record).await.unwrap();
    assert_eq!(
        desk.latest_evidence("triage", &closure("one"), "golden").await,
        Some(expected)
    );
}
