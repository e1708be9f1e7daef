//! The table on stdout: ours, the floor, the ratio, the goal.

use crate::measure::{Pair, Samples};

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Nothing.
    None,
    /// No more nanoseconds than this.
    AtMost(f64),
    /// No more than so many times the floor.
    Times(f64),
    /// No more nanoseconds than this above the floor.
    Above(f64),
}

/// Rows of one bench, printed when dropped.
#[derive(Debug)]
pub struct Table {
    title: String,
    rows: Vec<[String; 6]>,
}

impl Table {
    /// A table with this title; `floor` says what the floor is.
    #[must_use]
    pub fn new(title: &str, floor: &str) -> Self {
        Self {
            title: format!("{title} (floor: {floor})"),
            rows: vec![["", "ours", "floor", "ratio", "goal", ""].map(str::to_owned)],
        }
    }

    /// A row of times: the medians.
    pub fn pair(&mut self, what: &str, pair: &Pair, goal: Goal) {
        self.times(what, pair.ours.median(), Some(pair.floor.median()), goal);
    }

    /// Two rows: median and 99th percentile, both against the same goal.
    pub fn spread(&mut self, what: &str, ours: &Samples, floor: Option<&Samples>, goal: Goal) {
        for (name, share) in [("median", 0.5), ("p99", 0.99)] {
            let floor = floor.map(|floor| floor.percentile(share));
            self.times(&format!("{what}, {name}"), ours.percentile(share), floor, goal);
        }
    }

    /// A row of times in nanoseconds.
    pub fn times(&mut self, what: &str, ours: f64, floor: Option<f64>, goal: Goal) {
        let base = floor.unwrap_or(0.0);
        let (goal, met) = match goal {
            Goal::None => (String::new(), None),
            Goal::AtMost(most) => (format!("≤ {}", time(most)), Some(ours <= most)),
            Goal::Times(times) => (format!("≤ {times} ×"), Some(ours <= base * times)),
            Goal::Above(above) => (format!("≤ floor + {}", time(above)), Some(ours <= base + above)),
        };
        let (floor, ratio) = floor.map_or_else(Default::default, |floor| {
            (time(floor), format!("{:.2}", ours / floor))
        });
        self.row([what, &time(ours), &floor, &ratio, &goal], met);
    }

    /// Two rows for calls by two threads together, in millions per second, from nanoseconds per call.
    pub fn throughput(&mut self, what: &str, pair: &Pair, least: f64) {
        let (ours, floor) = (1e3 / pair.ours.median(), 1e3 / pair.floor.median());
        self.row(
            [
                what,
                &format!("{ours:.1} M/s"),
                &format!("{floor:.1} M/s"),
                &format!("{:.2}", ours / floor),
                &format!("≥ {least} M/s"),
            ],
            Some(ours >= least),
        );
    }

    /// A row as it is.
    pub fn row(&mut self, cells: [&str; 5], met: Option<bool>) {
        let met = met.map_or("", |met| if met { "met" } else { "MISSED" });
        let [what, ours, floor, ratio, goal] = cells;
        self.rows
            .push([what, ours, floor, ratio, goal, met].map(str::to_owned));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        println!("\n{}", self.title);
        for row in &self.rows {
            let mut line = format!("  {:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(widths).skip(1) {
                let pad = width - cell.chars().count();
                line.extend(["  ", &" ".repeat(pad), cell]);
            }
            println!("{}", line.trim_end());
        }
    }
}

/// A time for people.
#[must_use]
pub fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let decimals = if value < 10.0 && unit != "ns" { 2 } else { 0 };
    format!("{value:.decimals$} {unit}")
}

/// A number of bytes for people.
#[must_use]
pub fn bytes(bytes: usize) -> String {
    if bytes < 100 << 10 {
        format!("{bytes} B")
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
