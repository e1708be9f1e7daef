//! The contract of [`TraceStore`](crate::observation::TraceStore).

mod annotate;
mod limits;
mod list;
mod lookalikes;
mod prune;
mod record;

pub use annotate::*;
pub use limits::*;
pub use list::*;
pub use lookalikes::*;
pub use prune::*;
pub use record::*;
