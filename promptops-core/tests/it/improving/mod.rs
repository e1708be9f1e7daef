//! The improvement loop from end to end.

mod attempts;
mod crashes;
mod datasets;
mod replays;
mod stand_ins;
mod story;
mod troubles;
mod watches;
mod world;
