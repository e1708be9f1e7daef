//! Models for PromptOps.

pub mod layer;
