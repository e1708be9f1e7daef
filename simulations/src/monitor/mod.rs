//! Shipped versions that are watched: how often a healthy one is taken for harmful, and how soon a harmful one is found.

mod run;
mod scenario;
mod stream;
mod tables;

pub use run::{Found, Watch, watched};
pub use scenario::{Scenario, falls, healthy, late, near_the_tolerance};
pub use stream::{Source, Stream};
pub use tables::tables;
