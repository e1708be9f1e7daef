//! The contract of [`Store`](crate::prompt::Store), but for what spans tenants.

mod content;
mod find;
mod list;
mod save;
mod status;

pub use content::*;
pub use find::*;
pub use list::*;
pub use save::*;
pub use status::*;
