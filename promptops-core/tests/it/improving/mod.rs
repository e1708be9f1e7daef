//! The improvement loop from end to end.

mod crashes;
mod story;
mod troubles;
mod world;
