//! The contract as a model: whatever is done to a backend, it answers as memory does.
//!
//! Sequences of operations are generated and done to an empty [`MemoryBackend`] and to the backend under test. Each
//! answer must be the same, value or refusal with its message, and in the end all that can be read. A sequence that
//! shows a difference is cut down to what still shows it.
//!
//! The sequences are the same every time. Set `PROMPTOPS_MODEL_SEED` for others and `PROMPTOPS_MODEL_CASES` (256, and 128
//! of traffic) for more or fewer.

mod call;
mod evaluation;
mod generate;
mod names;
mod operation;
mod read;
mod state;
#[cfg(test)]
mod tests;
mod traffic;

use std::cell::Cell;
use std::env;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::strategy::{BoxedStrategy, Strategy};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use serde_json::Value;
use similar::TextDiff;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use self::call::Call;
use self::generate::{Generator, TrafficGenerator};
use self::operation::Operation;
use self::read::Read;
use self::state::Model;
use super::Harness;
use crate::MemoryBackend;
use crate::ops::Stores;

const CASES: u32 = 256;
const TRAFFIC_CASES: u32 = 128;
const SEED: u64 = 0;

/// Generated operations come to the same on this backend as in memory.
///
/// Needs a multi-threaded runtime, as each case of the suite has.
pub async fn generated_operations_agree_with_memory(harness: &dyn Harness) {
    agree(harness, &operations(), CASES);
}

/// Generated experiments, outcomes and traces come to the same on this backend as in memory.
///
/// Needs a multi-threaded runtime, as each case of the suite has.
pub async fn generated_traffic_agrees_with_memory(harness: &dyn Harness) {
    agree(harness, &traffic_operations(), TRAFFIC_CASES);
}

fn agree(harness: &dyn Harness, operations: &BoxedStrategy<Sequence>, cases: u32) {
    let cases = setting("PROMPTOPS_MODEL_CASES", cases);
    let seed = setting("PROMPTOPS_MODEL_SEED", SEED);
    if let Err(difference) = block_in_place(|| check(harness, operations, cases, seed)) {
        panic!("{difference}");
    }
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    match env::var(name) {
        Err(_) => default,
        Ok(text) => match text.parse() {
            Ok(value) => value,
            Err(_) => panic!("{name} is {text:?}; expected a number"),
        },
    }
}

fn config(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        fork: false,
        timeout: 0,
        max_shrink_time: 60_000,
        ..Config::default()
    }
}

fn operations() -> BoxedStrategy<Sequence> {
    Generator::sequential_strategy(15..=45).boxed()
}

fn traffic_operations() -> BoxedStrategy<Sequence> {
    TrafficGenerator::sequential_strategy(15..=45).boxed()
}

/// As the strategy makes it: the initial state, the operations, and a count of those that were done, for shrinking.
type Sequence = (Model, Vec<Operation>, Option<Arc<AtomicUsize>>);

/// Looks for a difference, and tells about it with the fewest operations that show it.
fn check(
    harness: &dyn Harness,
    operations: &BoxedStrategy<Sequence>,
    cases: u32,
    seed: u64,
) -> Result<(), String> {
    let handle = Handle::current();
    // The backend is opened once, and each run of a case has tenants of its own in it.
    let opened = Cell::new(None);
    let runs = Cell::new(0);
    let result = TestRunner::new(config(cases, seed)).run(operations, |(_, operations, done)| {
        runs.set(runs.get() + 1);
        handle.block_on(async {
            let stores = match opened.take() {
                Some(stores) => stores,
                None => harness.open().await,
            };
            let mut case = Case {
                harness,
                memory: MemoryBackend::new().into(),
                backend: stores,
                prefix: format!("m{}-", runs.get()),
            };
            let result = case.run(&operations, done.as_deref()).await;
            opened.set(Some(case.backend));
            result.map_err(TestCaseError::fail)
        })
    });
    result.map_err(|error| match error {
        TestError::Abort(why) => format!("no operations could be generated: {why}"),
        TestError::Fail(difference, (_, operations, _)) => {
            let mut text = format!(
                "the backend differs from memory (PROMPTOPS_MODEL_SEED={seed} PROMPTOPS_MODEL_CASES={cases}), \
                 {difference}\nafter these operations:\n"
            );
            for (n, operation) in operations.iter().enumerate() {
                let _ = writeln!(text, "{:3}. {operation:?}", n + 1);
            }
            text
        }
    })
}

/// One run of a sequence.
struct Case<'a> {
    harness: &'a dyn Harness,
    memory: Stores,
    backend: Stores,
    prefix: String,
}

impl Case<'_> {
    async fn run(&mut self, operations: &[Operation], done: Option<&AtomicUsize>) -> Result<(), String> {
        for operation in operations {
            if let Some(done) = done {
                done.fetch_add(1, Ordering::SeqCst);
            }
            match operation.call(&self.memory, &self.prefix).await {
                Some(call) => self.compare(&call).await?,
                None => {
                    // Closed first: the last handle on it is gone.
                    self.backend = self.memory.clone();
                    self.backend = self.harness.open().await;
                }
            }
            for (tenant, read) in operation.glance() {
                if let Some(call) = Operation::Read(tenant, read)
                    .call(&self.memory, &self.prefix)
                    .await
                {
                    self.compare(&call).await?;
                }
            }
        }
        for call in Read::everything(&self.memory, &self.prefix).await {
            self.compare(&call).await?;
        }
        Ok(())
    }

    async fn compare(&self, call: &Call) -> Result<(), String> {
        let expected = call.answer(&self.memory).await;
        let found = call.answer(&self.backend).await;
        if expected == found {
            return Ok(());
        }
        let text = |value: &Value| format!("{value:#}\n");
        let (expected, found) = (text(&expected), text(&found));
        Err(format!(
            "in what this comes to:\n{call:#?}\n{}",
            TextDiff::from_lines(&expected, &found)
                .unified_diff()
                .header("memory", "the backend")
        ))
    }
}
