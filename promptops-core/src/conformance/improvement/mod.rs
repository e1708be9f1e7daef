//! The contract of [`ImprovementStore`](crate::improvement::ImprovementStore).

mod lease;
mod list;
mod record;
mod spending;

pub use lease::*;
pub use list::*;
pub use record::*;
pub use spending::*;
