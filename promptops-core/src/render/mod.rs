//! From a version to messages: snippets, compiled prompts, rendering.

mod bytes;
mod closure;
mod compiled;
mod compiler;
mod engine;
mod limits;
mod message;
mod origin;
mod parameter;
mod params;
mod program;
mod restored;
mod snippet;
mod source;
mod tera;

pub use closure::{Closure, ClosureRoot, Snippet, SnippetLimits};
pub use compiled::CompiledPrompt;
pub use compiler::Compiler;
pub use engine::Engine;
pub use limits::RenderLimits;
pub use message::Rendered;
pub use parameter::Parameter;
#[doc(hidden)]
pub use params::name_of;
pub use params::{Param, Params};
pub use snippet::{SnippetResolver, SnippetSource, StoreSnippets};

#[cfg(test)]
mod tests;
