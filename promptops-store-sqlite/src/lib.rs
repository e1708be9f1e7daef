//! Every PromptOps store on SQLite: the embedded default.
//!
//! One file holds everything: prompts, environments, experiments, deployments, what improving remembers, traces, metrics, evidence and the audit log. The
//! host may keep its own tables in the same file; ours begin with `promptops_`, and their schema's version is kept in `promptops_schema`.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use promptops_core::base::{PromptName, TenantId};
//! use promptops_core::prompt::{PromptFilter, Store};
//! use promptops_store_sqlite::SqliteBackend;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("prompts.db");
//! let backend = SqliteBackend::open(&path).await?;
//! let tenant = TenantId::new("acme")?;
//! assert!(backend.prompt(&tenant, &PromptName::new("support/triage")?).await?.is_none());
//! backend.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `backend.rs`, `options.rs` | the handle, its threads and settings |
//! | `schema.rs` | connections and migrations |
//! | `tenancy.rs`, `prompt.rs`, `lookup.rs`, `completion.rs`, `environment.rs`, `metrics.rs`, `trace.rs`, `experiment.rs`, `deployment.rs`, `improvement.rs`, `dataset.rs`, `evaluation.rs`, `audit.rs` | the stores, by core's rooms |
//! | `evaluation/` | evidence, runs, the work on them, results |
//! | `metrics/counts.rs` | counting within a transaction |
//! | `experiment/outcome.rs` | outcomes of units, and their tallies |
//! | `deployment/commit.rs` | what happens to deployments: all of it or nothing |
//! | `improvement/` | what the loop remembers, who works on which slot, what was spent |
//! | `prompt/rows.rs`, `environment/rows.rs`, `trace/rows.rs`, `deployment/rows.rs` | their rows, and what these are in core |
//! | `feed.rs` | the change log, and the thread that watches it |
//! | `error.rs` | what SQLite's errors mean in core |
//! | `statements.rs` | the list that each file keeps of its statements |
//!
//! **Durability.** Everything is on disk (`synchronous = FULL`) when a call returns, but for feedback, traces, outcomes,
//! results of entries, leases and kept answers of models: these survive a crash of the process; a crash of the machine may lose the
//! last of them, and a run then asks the entries again whose results are lost.
//!
//! **Several processes** on one machine may open one file. Each hears of what the others change within a few
//! milliseconds ([`SqliteOptions::poll_interval`]), and catches up when it was stopped for a while. A file on a network drive cannot be used: the write-ahead
//! log needs shared memory.

#[macro_use]
mod statements;
mod audit;
mod backend;
mod completion;
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
#[cfg(test)]
mod plans;
mod prompt;
mod schema;
mod tenancy;
mod trace;

pub use backend::SqliteBackend;
pub use options::SqliteOptions;
