//! The contract of [`TraceStore`](crate::observation::TraceStore).

mod annotate;
mod list;
mod prune;
mod record;

pub use annotate::*;
pub use list::*;
pub use prune::*;
pub use record::*;
