//! Recording and reading metrics of one tenant.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::counts::{Feedback, Metrics};
use super::store::MetricsStore;
use crate::base::error::Result;
use crate::base::{Clock, ClosureHash, EnvironmentName, PromptName, TenantId};
use crate::observation::Stamp;

/// The metrics of one tenant.
#[derive(Clone)]
pub struct MetricsService {
    store: Arc<dyn MetricsStore>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
}

impl MetricsService {
    /// The metrics of this tenant.
    #[must_use]
    pub fn new(store: Arc<dyn MetricsStore>, clock: Arc<dyn Clock>, tenant: TenantId) -> Self {
        Self { store, clock, tenant }
    }

    /// Records how an answer with this stamp went that no trace is recorded of, and waits until it is stored. The rating is in 0.0 ..= 1.0.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for a rating outside of that range; the backend's errors.
    pub async fn record_feedback(
        &self,
        stamp: impl Borrow<Stamp>,
        success: bool,
        rating: Option<f64>,
    ) -> Result<()> {
        let (tenant, now) = (self.tenant.clone(), self.clock.now());
        let feedback = Feedback::new(tenant, stamp.borrow(), success, rating, now)?;
        drop(stamp);
        self.store.record_feedback(&[feedback]).await
    }

    /// The counts of one closure hash, in one environment or over all.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn get(
        &self,
        prompt: &PromptName,
        closure_hash: &ClosureHash,
        environment: Option<&EnvironmentName>,
    ) -> Result<Metrics> {
        self.store
            .metrics(&self.tenant, prompt, closure_hash, environment)
            .await
    }
}

impl fmt::Debug for MetricsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsService")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
