//! Every PromptOps store on PostgreSQL: for many processes.

mod audit;
mod backend;
mod connection;
mod environment;
mod error;
mod evaluation;
mod feed;
mod lookup;
mod observation;
mod options;
mod prompt;
mod schema;
mod tenancy;

pub use backend::PgBackend;
pub use options::PgOptions;
