//! Every PromptOps store on PostgreSQL: for hosts that outgrow one machine, and for many processes on one database.
//!
//! ```no_run
//! use promptops_core::PromptOps;
//! use promptops_store_pg::PgBackend;
//!
//! # async fn start(pool: sqlx::PgPool) -> promptops_core::Result<()> {
//! let backend = PgBackend::new(pool); // the host's pool, or `PgBackend::connect(url).await?`
//! backend.migrate().await?; // once per release, by whoever may change the schema; harmless to repeat
//! let ops = PromptOps::builder(backend).build();
//! # Ok(())
//! # }
//! ```
//!
//! Everything is in a schema of its own, `promptops`, whose version is kept in `promptops.schema_version`; nothing else of
//! the database is touched. PostgreSQL 12 or later is needed (tried with 15), with a database whose encoding is UTF8, and
//! no extension.
//!
//! | file | holds |
//! |---|---|
//! | `backend.rs`, `connection.rs`, `options.rs` | the handle, a connection with its limits, settings |
//! | `schema.rs` | migrations, up and down, and what a role is granted |
//! | `tenancy.rs`, `prompt.rs`, `lookup.rs`, `completion.rs`, `environment.rs`, `experiment.rs`, `deployment.rs`, `improvement.rs`, `metrics.rs`, `trace.rs`, `dataset.rs`, `evaluation.rs`, `audit.rs` | the stores, by core's rooms |
//! | `evaluation/` | evidence, runs, the work on them, results |
//! | `experiment/` | beginning and changing experiments, outcomes and what is counted of them |
//! | `deployment/commit.rs` | what happens to deployments, in one statement |
//! | `improvement/` | what the loop remembers, who works on which slot, what was spent |
//! | `metrics/`, `trace/` | counts by dimensions and time; recording and looking for traces |
//! | `prompt/rows.rs`, `environment/rows.rs` | rows, and what they are in core |
//! | `feed.rs` | following the change log |
//! | `error.rs` | what PostgreSQL's errors mean in core |
//! | `migrations/` | the schema, each step with its way back; `grants.sql` |
//!
//! # Many processes
//! Each change writes a row of the change log in its own transaction, which gets its position while it commits: positions
//! are in the order of commits and have no gap. A notification wakes whoever follows the log, which a
//! [`PromptOps`](promptops_core::PromptOps) does in the background with a connection of its own beside the pool's. After a
//! reconnect it goes on by position. Who was away for more than [`PgOptions::retained_changes`] takes anything for
//! changed. Through a pooler that passes no notifications on, give
//! [`PgOptions::listen_with`] a direct connection; without one, changes are found every
//! [`PgOptions::poll_interval`]. Where a pooler hands connections out per transaction and knows nothing of prepared
//! statements, turn them off in the pool's options (`statement_cache_capacity(0)`).
//!
//! # Outages
//! No statement and no wait for a connection is without a limit; see [`PgOptions`]. What only reads is repeated on another
//! connection when one was lost, and so is the begin of a change. A connection that is lost while a change commits leaves
//! its outcome open: that is [`OutcomeUnknown`](promptops_core::ErrorKind::OutcomeUnknown), and the one case in which a
//! caller has to look. Requests are served from memory meanwhile, and say how old their answers are.
//!
//! # Roles
//! The role that migrates owns the tables. Let requests come from another one, which
//! [`PgBackend::grant_to`] gives what it needs: it can neither rewrite nor delete what only grows, and row-level security
//! binds every statement of it to the tenant that the statement is for, as a second wall behind the first. The owner and
//! superusers are not bound (the policies are enabled and not forced), so that backups work as usual. Grant again after
//! each migration.
//!
//! What must never change (versions, history, approvals, evidence, datasets, results, steps of deployments and their documents, the audit log) is refused by triggers to every role.

mod audit;
mod backend;
mod completion;
mod connection;
mod dataset;
mod deployment;
mod environment;
mod error;
mod evaluation;
mod experiment;
mod feed;
mod improvement;
mod lookup;
mod metrics;
mod options;
mod prompt;
mod schema;
mod tenancy;
mod trace;

pub use backend::PgBackend;
pub use options::PgOptions;
