//! Steps of deployments, every commit on disk when the call returns.

use promptops_benches::table::{Goal, Table};
use promptops_benches::transitions::Transitions;
use promptops_core::PromptOps;

use crate::database::{Database, execute};

pub async fn run(database: &Database) {
    let mut table = Table::new(
        "steps of deployments on PostgreSQL, fsync on",
        "bare sqlx: one changed row, committed by itself, in the same database",
    );
    execute(
        &database.pool,
        "CREATE TABLE public.floor_step (n bigint NOT NULL);
        INSERT INTO public.floor_step VALUES (0)",
    )
    .await;
    let ops = PromptOps::builder(database.backend.clone()).build();
    let floor = || {
        let pool = database.pool.clone();
        async move {
            sqlx::query("UPDATE public.floor_step SET n = n + 1")
                .execute(&pool)
                .await
                .expect("it commits");
        }
    };
    let acme = ops.tenant("of-deployments").expect("a name");
    let took = Transitions::measure(&acme, floor).await;
    took.rows(&mut table, "PostgreSQL", true, Goal::AtMost(20e6));
}
