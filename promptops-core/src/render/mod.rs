//! From a version to messages: snippets, compiled prompts, rendering.

mod closure;
mod compiled;
mod compiler;
mod limits;
mod message;
mod origin;
mod params;
mod program;
mod restored;
mod snippet;
mod tera;

pub use closure::{Closure, ClosureRoot, Snippet, SnippetLimits};
pub use compiled::{CompiledPrompt, Parameter};
pub use compiler::Compiler;
pub use limits::RenderLimits;
pub use message::Rendered;
#[doc(hidden)]
pub use params::name_of;
pub use params::{Param, Params};
pub use snippet::{SnippetResolver, SnippetSource, StoreSnippets};

#[cfg(test)]
mod tests;
