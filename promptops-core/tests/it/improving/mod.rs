//! The improvement loop from end to end.

mod crashes;
mod datasets;
mod review;
mod story;
mod troubles;
mod world;
