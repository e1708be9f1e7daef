//! What the benches share: measuring, printing, counting memory, and the prompt that they render.
//!
//! Criterion runs one function after the other, so that noise of the machine hits one side only. Here ours and its
//! floor take turns within one run, and the median of each is compared.

pub mod gated;
pub mod load;
pub mod measure;
pub mod memory;
pub mod prompt;
pub mod table;
pub mod transitions;

/// Whether `cargo bench` runs this, rather than `cargo test --all-targets`, which is to be quick.
#[must_use]
pub fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
