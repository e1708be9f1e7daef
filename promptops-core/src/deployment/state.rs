//! Where a deployment is on its way, and how its watch stands.

use crate::base::text_enum;

text_enum! {
    /// Where a deployment is on its way.
    State, "state of a deployment", {
        /// A candidate is there and waits to be compared with what is live.
        Proposed = "proposed",
        /// Held-out traces are replayed with the candidate and with what is live.
        AbRunning = "ab_running",
        /// The replay is over, and the candidate can be shipped.
        AbPassed = "ab_passed",
        /// The replay is over, and the candidate did not prove itself.
        AbFailed = "ab_failed",
        /// It is live, and nobody watches it.
        Shipped = "shipped",
        /// It is live, and is or was watched; how that stands is its [`MonitorOutcome`].
        Monitoring = "monitoring",
        /// It is live and worse than what was live before.
        Regressed = "regressed",
        /// What was live before it is live again. Final.
        RolledBack = "rolled_back",
        /// It was not let in. Final.
        Rejected = "rejected",
    }
}

impl State {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::RolledBack | Self::Rejected)
    }

    /// Whether it may still be shipped.
    #[must_use]
    pub fn is_before_ship(self) -> bool {
        matches!(
            self,
            Self::Proposed | Self::AbRunning | Self::AbPassed | Self::AbFailed
        )
    }

    /// Whether it was shipped and not rolled back.
    #[must_use]
    pub fn is_shipped(self) -> bool {
        matches!(self, Self::Shipped | Self::Monitoring | Self::Regressed)
    }
}

text_enum! {
    /// How the watch of a shipped deployment stands.
    MonitorOutcome, "outcome of a monitor", {
        /// It goes on.
        Open = "open",
        /// Enough was seen, and nothing got worse.
        Cleared = "cleared",
        /// Something else went live.
        Superseded = "superseded",
        /// No traffic came that could have shown anything.
        NoData = "no_data",
        /// Answers got worse, and those of what was live before would have too.
        Drift = "drift",
    }
}
