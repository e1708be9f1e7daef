//! Failures of what is live, grouped, and held against the clusters that are known.

use std::collections::BTreeMap;

use super::improver::{Improver, Live};
use super::pass::{Done, Pass};
use crate::base::error::{ErrorKind, Result};
use crate::base::{PageRequest, TraceId};
use crate::improvement::cluster::{
    ClusterChange, ClusterChangeKind, ClusterRecord, Found, cluster, cluster_embedded, label, merge,
};
use crate::improvement::record::{ImprovementRecord, KnownCluster, RecordKind};
use crate::improvement::spending::Spending;
use crate::improvement::store::{ImprovementCommit, RecordFilter};
use crate::improvement::triage::{Failure, Triaged, triage};
use crate::observation::TraceRecord;

impl Improver {
    /// Groups the failures of what is live, and keeps what is new of them.
    pub(super) async fn look_at_failures(
        &self,
        live: Live,
        traces: &[TraceRecord],
        pass: &mut Pass,
    ) -> Result<()> {
        let failures = self.failures(live, traces);
        if failures.is_empty() {
            return Ok(());
        }
        let found = match &self.plan.embedder {
            Some(embedder) => cluster_embedded(&failures, &self.plan.clusters, embedder.as_ref()).await,
            None => cluster(&failures, &self.plan.clusters),
        };
        let known = self.known_clusters().await?;
        let known: Vec<ClusterRecord> = known.into_iter().map(|known| known.record).collect();
        let ids = self.with.deploying.ids.as_ref();
        let mut changes = merge(&known, &found.clusters, &self.plan.clusters, self.now(), ids)?;
        if changes.is_empty() {
            return Ok(());
        }
        self.name_new(&mut changes, &found.clusters, pass).await;
        self.keep_clusters(changes, pass).await
    }

    /// What of the traces are failures of the live version.
    pub(super) fn failures(&self, live: Live, traces: &[TraceRecord]) -> Vec<Failure> {
        traces
            .iter()
            .filter(|trace| trace.stamp.version == Some(live.version))
            .filter_map(|trace| match triage(trace, &self.plan.triage) {
                Triaged::Behaviour(failure) => Some(*failure),
                Triaged::Healthy | Triaged::Infrastructure(_) => None,
            })
            .collect()
    }

    pub(super) async fn known_clusters(&self) -> Result<Vec<KnownCluster>> {
        let filter = RecordFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            ..RecordFilter::all(RecordKind::Cluster)
        };
        let records = self
            .with
            .all_records(&self.tenant, &filter, &PageRequest::default())
            .await?;
        let known = records.into_iter().filter_map(|record| match record {
            ImprovementRecord::Cluster(known) => Some(*known),
            _ => None,
        });
        Ok(known.collect())
    }

    /// Names what is new by the plan's labeller; the names that the library makes stay where that does not work out.
    async fn name_new(&self, changes: &mut [ClusterChange], found: &[Found], pass: &mut Pass) {
        let Some(labeller) = &self.plan.labeller else {
            return;
        };
        let by_medoid: BTreeMap<TraceId, &Found> = found.iter().map(|found| (found.medoid, found)).collect();
        for change in changes
            .iter_mut()
            .filter(|change| change.kind == ClusterChangeKind::Opened)
        {
            let Some(of) = by_medoid.get(&change.record.medoid) else {
                continue;
            };
            match self.is_on().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return pass.problem("label", error),
            }
            let reserved = match self.reserve("a cluster's name", Spending::calls(1)).await {
                Ok(reserved) => reserved,
                Err(error) => {
                    pass.problem("label", error);
                    return;
                }
            };
            let labelled = label(of, found, Some(labeller.as_ref())).await;
            change.record.label = labelled.label;
            if let Some(error) = labelled.refused {
                pass.problem("label", error.with("cluster", &change.record.id));
            }
            if let Err(error) = self.settle(reserved, Spending::calls(1)).await {
                pass.problem("label", error);
            }
        }
    }

    async fn keep_clusters(&self, changes: Vec<ClusterChange>, pass: &mut Pass) -> Result<()> {
        let of = |kind| -> Vec<_> {
            let of = changes.iter().filter(move |change| change.kind == kind);
            of.map(|change| change.record.id.clone()).collect()
        };
        let done = Done::Clustered {
            opened: of(ClusterChangeKind::Opened),
            reopened: of(ClusterChangeKind::Reopened),
            seen: of(ClusterChangeKind::Seen).len(),
        };
        let records: Vec<ImprovementRecord> = changes
            .into_iter()
            .map(|change| {
                ImprovementRecord::Cluster(Box::new(KnownCluster {
                    record: change.record,
                    members: change.members,
                }))
            })
            .collect();
        let told = records.iter().filter_map(ImprovementRecord::change).collect();
        let kept = self
            .with
            .commit(ImprovementCommit {
                tenant: self.tenant.clone(),
                records,
                changes: told,
                audits: Vec::new(),
            })
            .await;
        match kept {
            Ok(()) => pass.did(done),
            // Somebody said something of a cluster meanwhile: the next look goes on from that.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
