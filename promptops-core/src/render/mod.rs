//! From a version to messages: snippets, compiled prompts, rendering.

mod closure;
mod compiled;
mod compiler;
mod costs;
mod engine;
mod fuel;
mod guard;
mod limits;
mod message;
mod params;
mod restored;
mod snippet;

pub use closure::{Closure, ClosureRoot, Snippet, SnippetLimits};
pub use compiled::{CompiledPrompt, Parameter};
pub use compiler::Compiler;
pub use limits::RenderLimits;
pub use message::Rendered;
pub use snippet::{SnippetResolver, SnippetSource, StoreSnippets};

#[cfg(test)]
mod tests;
