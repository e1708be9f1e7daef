//! The reference backend keeps the contract, and the suite's list is whole.

use std::fs;
use std::path::Path;

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

fn sources_in(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(sources_in(&path));
        } else {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
    sources
}

/// A case that is written but not listed would never run: the compiler does not miss a public function.
#[test]
fn every_case_is_on_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let list = fs::read_to_string(folder.join("mod.rs")).unwrap();
    let mut cases = 0;
    for source in sources_in(&folder) {
        for line in source.lines() {
            let Some(name) = line
                .strip_prefix("pub async fn ")
                .and_then(|rest| rest.split('(').next())
            else {
                continue;
            };
            let listed = list.lines().filter(|line| line.trim() == name).count();
            assert_eq!(listed, 1, "{name} is on the list {listed} times");
            cases += 1;
        }
    }
    assert!(cases > 70, "only {cases} cases were found");
}
