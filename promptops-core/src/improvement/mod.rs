//! What production's failures say about a prompt, and what is made of it.

pub mod cluster;
pub mod triage;
