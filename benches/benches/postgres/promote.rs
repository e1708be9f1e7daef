//! Promoting with a full gate, every commit on disk when the call returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use promptops_benches::gated::World;
use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::PromptOps;
use promptops_core::prompt::Draft;
use sqlx::postgres::PgPool;

use crate::database::{Database, execute, tenant_name};

const PROMOTIONS: usize = 300;
const RACES: usize = 40;
const RACERS: usize = 8;
/// Tasks that save without a pause, for a busy server.
const AUTHORS: usize = 4;

pub async fn run(database: &Database) {
    let ops = PromptOps::builder(database.backend.clone()).build();
    let world = World::new(&ops).await;
    let floor = Floor::new(&database.pool).await;
    let mut table = Table::new(
        "promote on PostgreSQL, fsync = on",
        "bare sqlx: one transaction with the same five rows in the same database",
    );
    promotions(&mut table, &world, &floor, "", 10e6).await;

    let mut raced = Samples::default();
    let mut races = 0;
    for i in 0..RACES {
        let version = &world.versions[i % 2];
        world.stage(version).await;
        world.approve(version).await;
        let before = world.revision().await;
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                let (world, version) = (Arc::clone(&world), version.clone());
                tokio::spawn(async move {
                    let begin = Instant::now();
                    let won = world.race(&version, before).await;
                    (won, begin.elapsed())
                })
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            let (won, took) = racer.await.expect("it does not panic");
            winners += usize::from(won);
            raced.push(took.as_nanos() as f64);
        }
        races += usize::from(winners == 1 && world.revision().await == before + 1);
    }
    let what = "full gate, 8 racing for one slot, each";
    table.spread(what, &raced, None, Goal::AtMost(500e6));
    let winners = format!("{races} of {RACES}");
    table.row(
        ["races with one winner", &winners, "", "", "all"],
        Some(races == RACES),
    );

    let (stop, saves) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let authors: Vec<_> = (0..AUTHORS)
        .map(|author| tokio::spawn(save(ops.clone(), author, Arc::clone(&stop), Arc::clone(&saves))))
        .collect();
    let begin = Instant::now();
    promotions(
        &mut table,
        &world,
        &floor,
        ", 4 others saving all the time",
        500e6,
    )
    .await;
    let rate = saves.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for author in authors {
        author.await.expect("it does not panic");
    }
    table.row(
        ["what the others saved", &format!("{rate:.0}/s"), "", "", ""],
        None,
    );
}

async fn promotions(table: &mut Table, world: &World, floor: &Floor, when: &str, most: f64) {
    let (mut open, mut gated, mut bare) = (Samples::default(), Samples::default(), Samples::default());
    for i in 0..PROMOTIONS {
        let version = &world.versions[i % 2];
        let begin = Instant::now();
        world.stage(version).await;
        open.push(begin.elapsed().as_nanos() as f64);
        world.approve(version).await;
        let begin = Instant::now();
        world.promote(version).await;
        gated.push(begin.elapsed().as_nanos() as f64);
        let begin = Instant::now();
        floor.promote().await;
        bare.push(begin.elapsed().as_nanos() as f64);
    }
    let goal = Goal::AtMost(most);
    table.spread(&format!("without a policy{when}"), &open, Some(&bare), goal);
    table.spread(&format!("full gate{when}"), &gated, Some(&bare), goal);
}

async fn save(ops: PromptOps, author: usize, stop: Arc<AtomicBool>, saves: Arc<AtomicU64>) {
    let tenant = ops.tenant(tenant_name(author)).expect("a name");
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let draft = Draft::text(format!("Number {i} of {{{{ name }}}}")).by("ana");
        tenant.prompts().save("busy", draft).await.expect("it is saved");
        saves.fetch_add(1, Ordering::Relaxed);
    }
}

struct Floor {
    pool: PgPool,
    count: AtomicU64,
}

impl Floor {
    async fn new(pool: &PgPool) -> Self {
        execute(
            pool,
            "CREATE SCHEMA IF NOT EXISTS floor;
            CREATE TABLE floor.pointer (prompt bigint, environment text, version bigint, hash bytea, revision bigint,
                by text, role text, at bigint, PRIMARY KEY (prompt, environment));
            CREATE TABLE floor.history (prompt bigint, environment text, revision bigint, kind text, was bigint,
                version bigint, hash bytea, by text, role text, reason text, at bigint,
                PRIMARY KEY (prompt, environment, revision));
            CREATE TABLE floor.audit (tenant bigint, seq bigint, at bigint, by text, role text, action text,
                subject text, detail text, previous bytea, hash bytea, PRIMARY KEY (tenant, seq));
            CREATE TABLE floor.head (tenant bigint PRIMARY KEY, seq bigint, hash bytea);
            CREATE TABLE floor.change (position bigint PRIMARY KEY, tenant text, change text)",
        )
        .await;
        Self {
            pool: pool.clone(),
            count: AtomicU64::new(0),
        }
    }

    async fn promote(&self) {
        let result: sqlx::Result<()> = self.try_promote().await;
        result.expect("it commits");
    }

    async fn try_promote(&self) -> sqlx::Result<()> {
        let i = self.count.fetch_add(1, Ordering::Relaxed) as i64;
        let (hash, at) = (&[7_u8; 32][..], 1_767_225_600_000_000_i64);
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO floor.pointer VALUES (1, 'production', $1, $2, $3, 'bo', 'owner', $4)
            ON CONFLICT (prompt, environment) DO UPDATE SET version = excluded.version, hash = excluded.hash,
                revision = excluded.revision, at = excluded.at",
        )
        .bind(i % 2)
        .bind(hash)
        .bind(i)
        .bind(at)
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO floor.history VALUES (1, 'production', $1, 'promote', $2, $2, $3, 'bo', 'owner', '', $4)")
            .bind(i)
            .bind(i % 2)
            .bind(hash)
            .bind(at)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO floor.audit VALUES (1, $1, $2, 'bo', 'owner', 'promote', 'triage@production', $3, $4, $4)",
        )
        .bind(i)
        .bind(at)
        .bind("x".repeat(600))
        .bind(hash)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO floor.head VALUES (1, $1, $2)
            ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        )
        .bind(i)
        .bind(hash)
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO floor.change VALUES ($1, 'acme', $2)")
            .bind(i)
            .bind("x".repeat(200))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}
