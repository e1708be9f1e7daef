//! Feedback in batches.

use std::time::Instant;

use promptops_benches::measure::{Pair, Samples};
use promptops_benches::table::Table;
use promptops_core::Stores;
use promptops_core::base::{ClosureHash, EnvironmentName, PromptName, TenantId, Timestamp, VersionNumber};
use promptops_core::observation::{Dimensions, Feedback};
use sqlx::postgres::PgPool;

use crate::database::{Database, execute};

const BATCH: usize = 1_000;
const BATCHES: usize = 60;

const COUNT: &str = "INSERT INTO floor.metrics AS m
        (tenant, prompt, closure_hash, environment, usage_count, success_count, rated_count, rating_sum_millionths)
    SELECT $1, f.* FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[]) f
    ON CONFLICT (tenant, prompt, closure_hash, environment) DO UPDATE SET
        usage_count = m.usage_count + excluded.usage_count,
        success_count = m.success_count + excluded.success_count,
        rated_count = m.rated_count + excluded.rated_count,
        rating_sum_millionths = m.rating_sum_millionths + excluded.rating_sum_millionths";

pub async fn run(database: &Database) {
    let pool = &database.pool;
    execute(
        pool,
        "CREATE SCHEMA IF NOT EXISTS floor;
        CREATE TABLE floor.metrics (
            tenant                bigint NOT NULL REFERENCES promptops.tenant (id),
            prompt                text   NOT NULL,
            closure_hash          bytea  NOT NULL,
            environment           text   NOT NULL,
            usage_count           bigint NOT NULL,
            success_count         bigint NOT NULL,
            rated_count           bigint NOT NULL,
            rating_sum_millionths bigint NOT NULL,
            PRIMARY KEY (tenant, prompt, closure_hash, environment)
        )",
    )
    .await;
    let stores = Stores::from(database.backend.clone());
    let tenant = TenantId::new("tenant-0000").expect("a name");
    let row = sqlx::query_scalar("SELECT id FROM promptops.tenant WHERE name = 'tenant-0000'");
    let id: i64 = row.fetch_one(pool).await.expect("it is there");

    let mut table = Table::new(
        "record_feedback, batches of 1,000 texts",
        "a bare INSERT … ON CONFLICT DO UPDATE of four totals, arrays made before; ours counts by day, hour and minute too",
    );
    let (mut first, mut again) = (Pair::default(), Pair::default());
    for number in 0..BATCHES {
        let hashes: Vec<[u8; 32]> = (0..BATCH).map(|i| hash(number * BATCH + i)).collect();
        let batch: Vec<Feedback> = hashes.iter().map(|hash| feedback(&tenant, *hash)).collect();
        let floor = Floor::new(id, &hashes);
        for pair in [&mut first, &mut again] {
            let ours = async |samples: &mut Samples| {
                let begin = Instant::now();
                stores
                    .metrics
                    .record_feedback(&batch)
                    .await
                    .expect("it is counted");
                samples.push(begin.elapsed().as_nanos() as f64);
            };
            let bare = async |samples: &mut Samples| {
                let begin = Instant::now();
                floor.count(pool).await;
                samples.push(begin.elapsed().as_nanos() as f64);
            };
            if number % 2 == 0 {
                ours(&mut pair.ours).await;
                bare(&mut pair.floor).await;
            } else {
                bare(&mut pair.floor).await;
                ours(&mut pair.ours).await;
            }
        }
    }
    rate(&mut table, "of texts that are new", &first);
    rate(&mut table, "of texts that have counts", &again);
}

fn rate(table: &mut Table, what: &str, pair: &Pair) {
    let rate = |samples: &Samples| BATCH as f64 / samples.median() * 1e9;
    let (ours, floor) = (rate(&pair.ours), rate(&pair.floor));
    let share = ours / floor;
    let cells = [ours, floor].map(|rate| format!("{:.0} k/s", rate / 1e3));
    table.row([what, &cells[0], &cells[1], &format!("{share:.2}"), ""], None);
}

/// In no order, as hashes are.
fn hash(i: usize) -> [u8; 32] {
    let mut state = i as u64;
    let mut hash = [0; 32];
    for bytes in hash.chunks_mut(8) {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    hash
}

fn feedback(tenant: &TenantId, hash: [u8; 32]) -> Feedback {
    Feedback {
        tenant: tenant.clone(),
        dimensions: Dimensions {
            prompt: PromptName::new("support/triage-000000").expect("a name"),
            version: Some(VersionNumber::FIRST),
            closure_hash: ClosureHash::from_bytes(hash),
            environment: Some(EnvironmentName::new("production").expect("a name")),
            variant: None,
        },
        success: true,
        rating_millionths: Some(900_000),
        at: Timestamp::UNIX_EPOCH,
    }
}

struct Floor {
    tenant: i64,
    prompts: Vec<String>,
    hashes: Vec<Vec<u8>>,
    environments: Vec<String>,
    ones: Vec<i64>,
    ratings: Vec<i64>,
}

impl Floor {
    fn new(tenant: i64, hashes: &[[u8; 32]]) -> Self {
        // Ours sorts them too.
        let mut hashes: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
        hashes.sort_unstable();
        Self {
            tenant,
            prompts: vec!["support/triage-000000".to_owned(); hashes.len()],
            environments: vec!["production".to_owned(); hashes.len()],
            ones: vec![1; hashes.len()],
            ratings: vec![900_000; hashes.len()],
            hashes,
        }
    }

    async fn count(&self, pool: &PgPool) {
        sqlx::query(COUNT)
            .bind(self.tenant)
            .bind(&self.prompts)
            .bind(&self.hashes)
            .bind(&self.environments)
            .bind(&self.ones)
            .bind(&self.ones)
            .bind(&self.ones)
            .bind(&self.ratings)
            .execute(pool)
            .await
            .expect("it is counted");
    }
}
