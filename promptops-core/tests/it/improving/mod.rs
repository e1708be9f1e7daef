//! The improvement loop from end to end.

mod crashes;
mod datasets;
mod story;
mod troubles;
mod world;
