//! Models for PromptOps.
