//! From what was observed to a better version, and back when it is none.

pub mod monitor;
pub mod replay;
