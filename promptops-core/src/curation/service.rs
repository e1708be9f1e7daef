//! Curating one tenant's datasets.

use std::fmt;
use std::sync::Arc;

use super::from_traces::FromTraces;
use crate::base::TenantId;
use crate::evaluation::Datasets;
use crate::observation::TraceStore;

/// Makes datasets of one tenant's traces.
#[derive(Clone)]
pub struct Curation {
    pub(super) traces: Arc<dyn TraceStore>,
    pub(super) datasets: Datasets,
    pub(super) tenant: TenantId,
}

impl Curation {
    /// From this tenant's traces to this tenant's datasets.
    #[must_use]
    pub fn new(traces: Arc<dyn TraceStore>, datasets: Datasets, tenant: TenantId) -> Self {
        Self {
            traces,
            datasets,
            tenant,
        }
    }

    /// A dataset of this name, about to be made of traces; say which by [`from`](FromTraces::from), and
    /// [`save`](FromTraces::save) it. Nothing is read or written before.
    ///
    /// What was recorded a moment ago may not be written yet: [`Traces::flush`](crate::observation::Traces::flush) first
    /// where that matters.
    pub fn dataset(&self, name: impl Into<String>) -> FromTraces {
        FromTraces::new(self.clone(), name.into())
    }
}

impl fmt::Debug for Curation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curation")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
