//! What a step may spend, and what it has.

use super::improver::Improver;
use crate::base::error::{Error, ErrorKind, Result};
use crate::improvement::spending::{DailyBudget, Spending, day_of};

/// What was set aside on a day.
pub(super) struct Reserved {
    day: chrono::NaiveDate,
    amount: Spending,
}

impl Improver {
    /// Sets aside what a step may take. What is never settled, as when this process dies, counts as spent.
    ///
    /// # Errors
    /// [`Refused`](ErrorKind::Refused) when the day's budget does not reach; the backend's errors.
    pub(super) async fn reserve(&self, what: &str, amount: Spending) -> Result<Reserved> {
        self.reserve_within(what, amount, &self.plan.budget).await
    }

    /// Sets aside what must be spent whatever the budget says.
    pub(super) async fn reserve_anyhow(&self, what: &str, amount: Spending) -> Result<Reserved> {
        self.reserve_within(what, amount, &DailyBudget::UNLIMITED).await
    }

    async fn reserve_within(&self, what: &str, amount: Spending, limits: &DailyBudget) -> Result<Reserved> {
        let day = day_of(self.now());
        let store = &self.with.store;
        if store
            .reserve_spending(&self.tenant, day, amount, limits)
            .await?
            .is_some()
        {
            return Ok(Reserved { day, amount });
        }
        if !limits.allows(amount) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{what} would take {} calls of models, which is more than a whole day's budget; set a larger one, or smaller \
                     `sizes`",
                    amount.calls
                ),
            ));
        }
        let spent = store.spending(&self.tenant, day).await?;
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{what} would take {} calls of models, and {} were made or set aside on {day} of at most {}; it is done on \
                 another day, or with a larger budget",
                amount.calls,
                spent.calls,
                limits
                    .calls
                    .map_or_else(|| "any number".to_owned(), |calls| calls.to_string()),
            ),
        ))
    }

    /// What is left of the day's budget.
    pub(super) async fn budget_left(&self) -> Result<DailyBudget> {
        let spent = self.with.store.spending(&self.tenant, day_of(self.now())).await?;
        Ok(self.plan.budget.left(spent))
    }

    /// Replaces what was set aside by what was spent.
    pub(super) async fn settle(&self, reserved: Reserved, used: Spending) -> Result<()> {
        let store = &self.with.store;
        store
            .settle_spending(&self.tenant, reserved.day, reserved.amount, used)
            .await?;
        Ok(())
    }
}
