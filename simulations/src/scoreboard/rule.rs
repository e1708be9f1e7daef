//! Who decides.

/// A rule that decides what is shipped, with the watch that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The library's: one finalist by the part to select on, the gate on the part that confirms, the monitor, and a paired replay
    /// before any rollback.
    Library,
    /// The best mean, where it is above the live prompt's; a rolling window.
    MeanImproved,
    /// The best mean, where it is above by 5 % of the live prompt's, 95 % of the answers keep the format and the other
    /// dimension has not fallen by more than 2 points; a rolling window.
    FivePercent,
    /// The same with 5 points.
    FivePoints,
    /// The best mean on what the proposer was shown, where it is above the live prompt's; a rolling window.
    Tuning,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Library,
        Self::MeanImproved,
        Self::FivePercent,
        Self::FivePoints,
        Self::Tuning,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "**library**",
            Self::MeanImproved => "mean improved",
            Self::FivePercent => "by 5 % of it",
            Self::FivePoints => "by 5 points",
            Self::Tuning => "best on tuning set",
        }
    }

    /// The watch that goes with it.
    #[must_use]
    pub fn watch(self) -> Watch {
        match self {
            Self::Library => Watch::Attributed,
            Self::MeanImproved | Self::FivePercent | Self::FivePoints | Self::Tuning => Watch::Rolling,
        }
    }
}

/// How a shipped version is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watch {
    /// The library's monitor; on an alarm both versions are replayed on the last 100 items, and rolled back is what is worse there.
    Attributed,
    /// The library's monitor; every alarm rolls back.
    Monitor,
    /// The mean of the last 50 below that of the version before less 5 points rolls back.
    Rolling,
    /// Nobody looks.
    Nobody,
}

impl Watch {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Attributed, Self::Monitor, Self::Rolling, Self::Nobody];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attributed => "**library**",
            Self::Monitor => "without attribution",
            Self::Rolling => "rolling 50 − 5 points",
            Self::Nobody => "nobody looks",
        }
    }
}
