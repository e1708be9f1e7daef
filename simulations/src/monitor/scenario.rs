//! What happens to a version after it was shipped.

use super::stream::Stream;

/// A shipped version, and the incumbent before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called in the table.
    pub name: &'static str,
    /// How scores hang together, before the ship and after it.
    pub stream: Stream,
    /// The incumbent's mean.
    pub before: f64,
    /// The incumbent's scored traces that the reference is made of.
    pub reference: u64,
    /// The version's mean.
    pub after: f64,
    /// From which trace on it has another mean, and which.
    pub change: Option<(u64, f64)>,
    /// Traces of the version.
    pub traces: u64,
    /// Metrics, all alike and independent.
    pub metrics: u32,
    /// [`MonitorSettings::alike`](promptops_core::improvement::monitor::MonitorSettings::alike).
    pub alike: u32,
    /// Whether to look at the rolling mean, too.
    pub with_rolling: bool,
}

impl Scenario {
    /// No change, each trace for itself.
    #[must_use]
    pub fn steady(mean: f64) -> Self {
        Self {
            name: "independent",
            stream: Stream::Independent,
            before: mean,
            reference: 1_000,
            after: mean,
            change: None,
            traces: 5_000,
            metrics: 1,
            alike: 1,
            with_rolling: true,
        }
    }

    pub(super) fn mean(&self, trace: u64) -> f64 {
        match self.change {
            Some((from, mean)) if trace >= from => mean,
            _ => self.after,
        }
    }
}

/// Versions that are as good as the incumbent, or better: every alarm is false.
#[must_use]
pub fn healthy() -> Vec<Scenario> {
    let mut all = Vec::new();
    for mean in [0.7, 0.9, 0.97] {
        all.push(Scenario::steady(mean));
    }
    for mean in [0.7, 0.9] {
        let plain = || Scenario {
            // Only what is new.
            with_rolling: false,
            ..Scenario::steady(mean)
        };
        all.push(Scenario {
            name: "reference of 100",
            reference: 100,
            ..plain()
        });
        all.push(Scenario {
            name: "at the tolerance",
            after: mean - 0.05,
            reference: 10_000,
            ..plain()
        });
        all.push(Scenario {
            name: "three metrics",
            metrics: 3,
            ..plain()
        });
        all.push(Scenario {
            name: "graded",
            stream: Stream::Graded,
            ..Scenario::steady(mean)
        });
        all.push(Scenario {
            name: "improved by 5 points",
            after: mean + 0.05,
            ..Scenario::steady(mean)
        });
        let sessions = |size, sticky, open| Stream::Sessions { size, sticky, open };
        for (name, stream, alike) in [
            ("sessions of 5, .3", sessions(5, 0.3, 1), 1),
            ("  5 alike", sessions(5, 0.3, 1), 5),
            ("sessions of 10, .3", sessions(10, 0.3, 1), 1),
            ("  10 alike", sessions(10, 0.3, 1), 10),
            ("  20 at a time, 10 alike", sessions(10, 0.3, 20), 10),
            ("sessions of 10, .8", sessions(10, 0.8, 1), 1),
            ("  10 alike", sessions(10, 0.8, 1), 10),
            ("  20 at a time, 10 alike", sessions(10, 0.8, 20), 10),
            ("wandering .99, sd .02", wandering(0.99, 0.02), 1),
            ("wandering .99, sd .05", wandering(0.99, 0.05), 1),
            ("wandering .999, sd .02", wandering(0.999, 0.02), 1),
            ("wandering .999, sd .05", wandering(0.999, 0.05), 1),
            ("  10 alike", wandering(0.999, 0.05), 10),
        ] {
            all.push(Scenario {
                name,
                stream,
                alike,
                ..plain()
            });
        }
    }
    all
}

fn wandering(keeps: f64, deviation: f64) -> Stream {
    Stream::Wandering { keeps, deviation }
}

/// Versions that are worse from the start.
#[must_use]
pub fn falls() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (mean, fall, reference, traces) in [
        (0.7, 0.1, 1_000, 40_000),
        (0.7, 0.1, 5_000, 20_000),
        (0.8, 0.1, 5_000, 20_000),
        (0.9, 0.1, 1_000, 20_000),
        (0.9, 0.1, 5_000, 20_000),
        (0.95, 0.1, 1_000, 10_000),
        (0.95, 0.1, 5_000, 10_000),
        (0.7, 0.2, 1_000, 5_000),
        (0.9, 0.2, 1_000, 5_000),
        (0.7, 0.4, 1_000, 5_000),
        (0.9, 0.4, 1_000, 5_000),
    ] {
        all.push(Scenario {
            name: "from the start",
            after: mean - fall,
            reference,
            traces,
            with_rolling: false,
            ..Scenario::steady(mean)
        });
    }
    all
}

/// Versions that become worse at trace 2,000, having been as good as the incumbent.
#[must_use]
pub fn late() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (mean, fall, reference, traces) in [
        (0.9, 0.1, 5_000, 10_000),
        (0.7, 0.2, 1_000, 5_000),
        (0.9, 0.2, 1_000, 5_000),
        (0.95, 0.2, 1_000, 5_000),
        (0.7, 0.4, 1_000, 5_000),
        (0.9, 0.4, 1_000, 5_000),
    ] {
        all.push(Scenario {
            name: "at trace 2,000",
            change: Some((2_000, mean - fall)),
            reference,
            traces,
            with_rolling: false,
            ..Scenario::steady(mean)
        });
    }
    all
}

/// Versions to clear or not to clear at the end.
#[must_use]
pub fn near_the_tolerance() -> Vec<Scenario> {
    let mut all = Vec::new();
    for mean in [0.7, 0.9] {
        for (harm, reference, traces) in [
            (0.0, 1_000, 5_000),
            (0.0, 5_000, 5_000),
            (0.0, 5_000, 10_000),
            (0.02, 5_000, 10_000),
            (0.05, 1_000, 5_000),
            (0.05, 5_000, 10_000),
            (0.07, 1_000, 10_000),
        ] {
            all.push(Scenario {
                name: "cleared",
                after: mean - harm,
                reference,
                traces,
                with_rolling: false,
                ..Scenario::steady(mean)
            });
        }
    }
    all
}
