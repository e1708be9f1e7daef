//! The reference backend keeps the contract.

use promptops_core::conformance::{Harness, async_trait, suite};
use promptops_core::{MemoryBackend, Stores};

struct Memory(MemoryBackend);

#[async_trait]
impl Harness for Memory {
    async fn open(&self) -> Stores {
        self.0.clone().into()
    }
}

suite!(Memory(MemoryBackend::new()));
