//! Figures of what is taken in: rows per second on the clock and of processor time, beside a floor with the same rows.

use std::path::Path;
use std::time::{Duration, Instant};

use promptops_benches::load;
use promptops_benches::measure::{Pair, processor_time};
use promptops_benches::table::Table;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Nanoseconds per row of both.
#[derive(Default)]
pub struct Intake {
    wall: Pair,
    /// Of this process and the server's together.
    processor: Pair,
    /// Of the server alone.
    server: Pair,
    threads: std::collections::BTreeMap<String, Duration>,
    rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ours,
    Floor,
}

impl Intake {
    /// Runs one round of so many rows. `server` is the process of the database, if it is another.
    pub async fn round(
        &mut self,
        side: Side,
        rows: usize,
        server: Option<u32>,
        work: impl Future<Output = ()>,
    ) {
        let of_server = || server.map_or(Duration::ZERO, load::processes);
        let threads = load::threads();
        let (begin, here, there) = (Instant::now(), processor_time(), of_server());
        work.await;
        let wall = begin.elapsed();
        let (here, there) = (processor_time() - here, of_server().saturating_sub(there));
        if side == Side::Ours {
            self.rows += rows;
            for (name, time) in load::threads() {
                let before = threads.get(&name).copied().unwrap_or_default();
                *self.threads.entry(name).or_default() += time.saturating_sub(before);
            }
        }
        let per_row = |time: Duration| time.as_nanos() as f64 / rows as f64;
        for (pair, time) in [
            (&mut self.wall, wall),
            (&mut self.processor, here + there),
            (&mut self.server, there),
        ] {
            let samples = match side {
                Side::Ours => &mut pair.ours,
                Side::Floor => &mut pair.floor,
            };
            samples.push(per_row(time));
        }
    }

    /// Rows of the table, and which threads took the time.
    pub fn print(&self, what: &str, floor: &str, least: f64) {
        let mut table = Table::new(what, floor);
        for (what, pair, least) in [
            (
                "rows per second on the clock, median round",
                &self.wall,
                Some(least),
            ),
            (
                "rows per second of processor time, median round",
                &self.processor,
                None,
            ),
        ] {
            rate(&mut table, what, pair.ours.median(), pair.floor.median(), least);
        }
        rate(
            &mut table,
            "rows per second on the clock, best round",
            self.wall.ours.percentile(0.0),
            self.wall.floor.percentile(0.0),
            None,
        );
        let server = [self.server.ours.median(), self.server.floor.median()];
        if server[0] > 0.0 {
            let cells = server.map(|time| format!("{:.2} µs", time / 1e3));
            table.row(
                [
                    "the server's processor time per row",
                    &cells[0],
                    &cells[1],
                    "",
                    "",
                ],
                None,
            );
        }
        for (name, time) in &self.threads {
            let per_row = time.as_nanos() as f64 / self.rows as f64 / 1e3;
            if per_row >= 0.05 {
                table.row(
                    [
                        &format!("processor time per row, threads {name}"),
                        &format!("{per_row:.2} µs"),
                        "",
                        "",
                        "",
                    ],
                    None,
                );
            }
        }
    }
}

fn rate(table: &mut Table, what: &str, ours: f64, floor: f64, least: Option<f64>) {
    let cells = [ours, floor].map(|time| format!("{:.0} k/s", 1e6 / time));
    let goal = least
        .map(|least| format!("≥ {:.0} k/s", least / 1e3))
        .unwrap_or_default();
    table.row(
        [what, &cells[0], &cells[1], &format!("{:.2}", floor / ours), &goal],
        least.map(|least| 1e9 / ours >= least),
    );
}

/// Another program's connection to a database that is there.
pub fn bare(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("it opens");
    connection
        .pragma_update(None, "synchronous", "NORMAL")
        .expect("it is set");
    connection
        .pragma_update(None, "cache_size", -16_384)
        .expect("it is set");
    // In pages of 4 KiB: as ours.
    connection
        .pragma_update(None, "wal_autocheckpoint", 16_384)
        .expect("it is set");
    connection
}

/// Rows as they are.
pub fn read(file: &Path, sql: &str) -> Vec<Vec<Value>> {
    let connection = bare(file);
    let mut statement = connection.prepare(sql).expect("it fits the tables");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
    rows.expect("it reads")
        .collect::<Result<_, _>>()
        .expect("it reads")
}

/// Adds rows, in one transaction.
pub fn add(connection: &mut Connection, table: &str, rows: &[Vec<Value>]) {
    let added: rusqlite::Result<()> = (|| {
        let tx = connection.transaction()?;
        {
            let places = vec!["?"; rows.first().map_or(1, Vec::len)].join(", ");
            let mut add = tx.prepare_cached(&format!(
                "INSERT INTO {table} VALUES ({places}) ON CONFLICT DO NOTHING"
            ))?;
            for row in rows {
                add.execute(params_from_iter(row))?;
            }
        }
        tx.commit()
    })();
    added.expect("the rows fit the table");
}
