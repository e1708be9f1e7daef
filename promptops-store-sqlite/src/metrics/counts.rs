//! Counting within a transaction.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};

use promptops_core::base::stored::{from_json, to_json};
use promptops_core::base::{EnvironmentName, Timestamp};
use promptops_core::observation::{Dimensions, Metrics, Resolution};
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::error::Result;

statements! {
    FIND = "SELECT id, metrics FROM promptops_rollup WHERE tenant = ?1 AND prompt = ?2 AND resolution = ?3
        AND start = ?4 AND closure_hash = ?5 AND environment = ?6 AND version = ?7 AND experiment = ?8 AND variant = ?9";
    ADD = "INSERT INTO promptops_rollup
            (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    SET = "UPDATE promptops_rollup SET metrics = ?2 WHERE id = ?1";
}

/// What a transaction counts: each row is read when it is first counted in, and written once. The transaction holds the
/// write lock, so nobody else counts in between.
pub(crate) struct Counts<'a> {
    tx: &'a Connection,
    places: HashMap<i64, HashMap<Dimensions, usize>>,
    times: Vec<Times>,
}

/// The rows of equal dimensions; `None` where there is none yet.
type Times = BTreeMap<(Resolution, Timestamp), Option<Stored>>;

#[derive(Default)]
struct Stored {
    /// `None` for one that is new.
    id: Option<i64>,
    metrics: Metrics,
}

impl<'a> Counts<'a> {
    pub(crate) fn new(tx: &'a Connection) -> Self {
        Self {
            tx,
            places: HashMap::new(),
            times: Vec::new(),
        }
    }

    /// Counts an answer of this time.
    pub(crate) fn add(
        &mut self,
        tenant: i64,
        dimensions: &Dimensions,
        at: Timestamp,
        contribution: &Metrics,
    ) -> Result<()> {
        self.change(tenant, dimensions, at, |stored| {
            stored.get_or_insert_default().metrics.roll_up(contribution);
        })
    }

    /// Counts an answer of this time otherwise than before, where it is counted still.
    pub(crate) fn replace(
        &mut self,
        tenant: i64,
        dimensions: &Dimensions,
        at: Timestamp,
        before: &Metrics,
        now: &Metrics,
    ) -> Result<()> {
        self.change(tenant, dimensions, at, |stored| {
            if let Some(stored) = stored {
                stored.metrics.replace(before, now);
            }
        })
    }

    fn change(
        &mut self,
        tenant: i64,
        dimensions: &Dimensions,
        at: Timestamp,
        change: impl Fn(&mut Option<Stored>),
    ) -> Result<()> {
        let places = self.places.entry(tenant).or_default();
        let place = match places.get(dimensions) {
            Some(place) => *place,
            None => {
                let place = self.times.len();
                self.times.push(Times::new());
                places.insert(dimensions.clone(), place);
                place
            }
        };
        let times = &mut self.times[place];
        for resolution in Resolution::ALL {
            let key = (resolution, resolution.start(at));
            let stored = match times.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(find(self.tx, tenant, dimensions, key)?),
            };
            change(stored);
        }
        Ok(())
    }

    /// Writes what was counted.
    pub(crate) fn write(self) -> Result<()> {
        let mut add = self.tx.prepare_cached(ADD)?;
        let mut set = self.tx.prepare_cached(SET)?;
        for (tenant, places) in self.places {
            for (dimensions, place) in places {
                for (key, stored) in &self.times[place] {
                    let Some(stored) = stored else {
                        continue;
                    };
                    let metrics = to_json("metrics", &stored.metrics)?;
                    match stored.id {
                        Some(id) => set.execute((id, metrics))?,
                        None => with_key(tenant, &dimensions, *key, |key| {
                            let [a, b, c, d, e, f, g, h, i] = *key;
                            add.execute([a, b, c, d, e, f, g, h, i, &metrics])
                        })?,
                    };
                }
            }
        }
        Ok(())
    }
}

/// Calls with the columns of a key, in the order of the unique index.
fn with_key<T>(
    tenant: i64,
    dimensions: &Dimensions,
    (resolution, start): (Resolution, Timestamp),
    call: impl FnOnce(&[&dyn ToSql; 9]) -> T,
) -> T {
    let (experiment, variant) = dimensions
        .variant
        .as_ref()
        .map_or(("", ""), |of| (of.experiment.as_str(), of.variant.as_str()));
    call(&[
        &tenant,
        &dimensions.prompt.as_str(),
        &resolution.as_str(),
        &start.timestamp_micros(),
        dimensions.closure_hash.as_bytes(),
        &dimensions
            .environment
            .as_ref()
            .map_or("", EnvironmentName::as_str),
        &dimensions.version.map_or(0, |version| version.get()),
        &experiment,
        &variant,
    ])
}

fn find(
    tx: &Connection,
    tenant: i64,
    dimensions: &Dimensions,
    key: (Resolution, Timestamp),
) -> Result<Option<Stored>> {
    let mut statement = tx.prepare_cached(FIND)?;
    let found: Option<(i64, String)> = with_key(tenant, dimensions, key, |key| {
        statement
            .query_row(key.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    })?;
    let stored = |(id, metrics): (_, String)| {
        Ok(Stored {
            id: Some(id),
            metrics: from_json("metrics", &metrics)?,
        })
    };
    found.map(stored).transpose()
}
