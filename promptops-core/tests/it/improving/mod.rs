//! The improvement loop from end to end.

mod story;
mod world;
