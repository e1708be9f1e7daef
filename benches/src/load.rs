//! What else the machine does, and which threads and processes take the time. As `/proc` of Linux has it; elsewhere zeros.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The machine's load over the last minute: threads that run or wait for a processor.
#[must_use]
pub fn average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The processor time of this process so far by the names of its threads, of those that live. Linux cuts names to 15 bytes.
#[must_use]
pub fn threads() -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        // Nanoseconds on a processor come first.
        let ran = read("schedstat")
            .split_whitespace()
            .next()
            .and_then(|ran| ran.parse().ok());
        let name = read("comm").trim_end().to_owned();
        *times.entry(name).or_default() += Duration::from_nanos(ran.unwrap_or(0));
    }
    times
}

/// The processor time that a process, its children and those of them that have ended took so far, to 10 ms.
#[must_use]
pub fn processes(root: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((id, rest)) = stat.split_once(' ') else {
            continue;
        };
        // The name may have spaces; what follows it has none.
        let fields: Vec<&str> = rest
            .rsplit_once(')')
            .map_or("", |of| of.1)
            .split_whitespace()
            .collect();
        let field = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        if id.parse() == Ok(root) {
            ticks += field(11) + field(12) + field(13) + field(14);
        } else if field(1) == u64::from(root) {
            ticks += field(11) + field(12);
        }
    }
    // A tick is a hundredth of a second on every Linux that is built as usual.
    Duration::from_millis(ticks * 10)
}

/// How often this thread has given up its processor to wait for something.
#[must_use]
pub fn waits() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
