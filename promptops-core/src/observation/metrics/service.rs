//! Recording and reading metrics of one tenant.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::comparison::VersionComparison;
use super::counts::{Feedback, Metrics};
use super::dimensions::Rollup;
use super::grouping::{Grouping, MetricsFilter};
use super::period::Period;
use super::series::{Lines, Series, SeriesQuery};
use super::store::MetricsStore;
use super::totals::{Total, Totals};
use crate::base::error::{Result, invalid};
use crate::base::{Clock, ClosureHash, EnvironmentName, PromptName, TenantId, VersionNumber};
use crate::observation::Stamp;

/// Of how many times counts are asked for at once: how many counts there are of each time, no query says.
const PART: i32 = 512;

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

    /// What was counted over time: one point for each step of the period, without gaps.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) when that would be more points than the query allows; the backend's
    /// errors.
    pub async fn series(&self, query: &SeriesQuery) -> Result<Series> {
        let mut lines = Lines::new(query)?;
        let filter = query.filter();
        for part in query.span().parts(PART) {
            for rollup in self.store.rollups(&self.tenant, &filter.query(part)).await? {
                lines.add(rollup)?;
            }
        }
        Ok(lines.series())
    }

    /// What was counted of each group in a period, or since the beginning, in order of the groups. Ungrouped there is always
    /// one total, of zeros where there were no answers.
    ///
    /// # Errors
    /// The backend's errors.
    pub async fn totals(
        &self,
        filter: &MetricsFilter,
        period: Option<&Period>,
        by: Grouping,
    ) -> Result<Vec<Total>> {
        let mut totals = Totals::new(filter, by);
        self.each_rollup(filter, period, |rollup| totals.add(rollup))
            .await?;
        Ok(totals.list())
    }

    /// How two versions of a prompt fared, in a period or since the beginning, in one environment or all.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) for a version and itself; the backend's errors.
    pub async fn compare(
        &self,
        prompt: &PromptName,
        first: VersionNumber,
        second: VersionNumber,
        period: Option<&Period>,
        environment: Option<&EnvironmentName>,
    ) -> Result<VersionComparison> {
        if first == second {
            return Err(invalid(format!(
                "{first} cannot be compared with itself; name two versions"
            )));
        }
        let mut filter = MetricsFilter::of(prompt.clone());
        filter.environment = environment.cloned();
        let mut found = [Metrics::default(), Metrics::default()];
        for (version, found) in [first, second].into_iter().zip(&mut found) {
            filter.version = Some(version);
            self.each_rollup(&filter, period, |rollup| found.merge(&rollup.metrics))
                .await?;
        }
        Ok(VersionComparison::new(
            prompt.clone(),
            period.copied(),
            filter.environment,
            [(first, &found[0]), (second, &found[1])],
        ))
    }

    /// Does something with each of the fewest counts that add up to a period, or all.
    async fn each_rollup(
        &self,
        filter: &MetricsFilter,
        period: Option<&Period>,
        mut with: impl FnMut(Rollup),
    ) -> Result<()> {
        let Some(period) = period else {
            let all = self.store.rollups(&self.tenant, &filter.total()).await?;
            all.into_iter().for_each(with);
            return Ok(());
        };
        for part in period.spans().into_iter().flat_map(|span| span.parts(PART)) {
            let found = self.store.rollups(&self.tenant, &filter.query(part)).await?;
            found.into_iter().for_each(&mut with);
        }
        Ok(())
    }
}

impl fmt::Debug for MetricsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsService")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
