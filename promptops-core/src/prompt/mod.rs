//! Prompts: content, identity, versions, lineage, differences.

mod analysis;
mod check;
mod content;
pub mod diff;
mod draft;
mod message;
mod reference;
pub mod refusal;
mod schema;
mod service;
mod settings;
mod store;
mod tenancy;
mod version;

pub use analysis::{ContentAnalysis, MessageTemplateRef, SnippetUse, VariableUse};
pub use check::ContentCheck;
pub use content::{
    Body, ChatItem, Content, MessageRole, assistant, closure_hash, developer, placeholder, system, user,
};
pub use diff::{Changelog, DiffOptions, PromptDiff};
pub use draft::Draft;
pub use message::{Message, MessageContent};
pub use reference::{Reference, Selector, SnippetReference};
pub use schema::InputSchema;
pub(crate) use schema::bounds::is_within;
pub(crate) use schema::{Findings, JsonSchema};
pub(crate) use service::own;
pub use service::{Authoring, Prompts};
pub use settings::{ModelSettings, Tool};
pub(crate) use store::find_version;
pub use store::{
    Dependent, Found, Lookup, Missing, NewVersion, PromptFilter, Saved, StatusChange, Store, TagsChange,
    VersionFilter,
};
pub use tenancy::Tenants;
pub use version::{PromptRecord, Status, Version};
