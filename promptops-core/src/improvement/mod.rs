//! From what was observed to a better version, and back when it is none.

pub mod cluster;
pub mod monitor;
pub mod proposer;
pub mod replay;
pub mod triage;
