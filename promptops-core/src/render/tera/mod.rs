//! Rendering by Tera, for templates that need all of it: guarded, so that nothing they do is without a bound.

mod costs;
mod engine;
pub(super) mod fuel;
pub(super) mod guard;

pub(super) use engine::Engine;
pub(super) use fuel::with_budget;
