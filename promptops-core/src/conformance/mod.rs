//! The contract of every store trait as tests, for backends inside and outside this repository.
//!
//! Turn on the feature `conformance` of this crate in your `dev-dependencies`, say how your backend is opened, and
//! let [`suite!`](crate::conformance::suite) make one test of each case:
//!
//! ```
//! use promptops_core::conformance::{Harness, async_trait, suite};
//! use promptops_core::{MemoryBackend, Stores};
//!
//! struct Memory(MemoryBackend);
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn open(&self) -> Stores {
//!         self.0.clone().into()
//!     }
//! }
//!
//! suite!(Memory(MemoryBackend::new()));
//! # fn main() {}
//! ```
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code: a case fails by panicking"
)]

pub mod audit;
pub mod environment;
pub mod evaluation;
mod fixture;
pub mod observation;
pub mod prompt;
pub mod tenancy;

use std::future::Future;

#[doc(no_inline)]
pub use async_trait::async_trait;

#[doc(inline)]
pub use crate::__conformance_suite as suite;
use crate::ops::Stores;

/// One database of a backend. Each case gets one of its own, with nothing in it.
///
/// A harness panics when it cannot do what is asked: a missing database fails the tests, it never skips them.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens the stores on this harness's data.
    ///
    /// Cases call it again to see what is still there after all earlier stores were dropped, and while earlier ones
    /// are in use, to work on the same data as another process would: return a handle as independent of the others
    /// as the backend allows. In memory that is a clone.
    async fn open(&self) -> Stores;

    /// Changes the stored content of this version behind the backend's back, so that it can still be read but no
    /// longer has its hash. Returns `false` when nothing outside of the process could do that, as in memory.
    async fn tamper_with_content(&self, tenant: &str, prompt: &str, number: u32) -> bool {
        let _ = (tenant, prompt, number);
        false
    }
}

/// Runs a case on a multi-threaded runtime of its own, so that races are real.
#[doc(hidden)]
pub fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("the runtime starts")
        .block_on(case);
}

/// Makes one `#[test]` of each case, in modules named like the stores' rooms.
///
/// Takes an expression that makes a [`Harness`](crate::conformance::Harness) with an empty database; it is evaluated
/// in an `async` context once for each test, so that `suite!(MyHarness::new().await)` works too. To run the suite on
/// several harnesses, put each call in a module of its own.
#[macro_export]
#[doc(hidden)]
macro_rules! __conformance_suite {
    ($harness:expr $(,)?) => {
        $crate::__conformance_suite! { @cases ($harness)
            prompt {
                first_save_makes_the_prompt
                versions_are_numbered_from_one_in_each_prompt
                racing_saves_of_one_content_make_one_version
            }
            environment {
                stale_revision_conflicts
            }
            observation {
                racing_feedback_loses_no_count
            }
            evaluation {
                evidence_reads_back
            }
            audit {
                log_is_empty_before_the_first_change
            }
            tenancy {
                inherited_prompt_is_found_in_the_parent
            }
        }
    };
    (@cases ($harness:expr) $($room:ident { $($case:ident)* })*) => {
        async fn conformance_harness() -> impl $crate::conformance::Harness {
            $harness
        }

        $(
            mod $room {
                $(
                    #[test]
                    fn $case() {
                        $crate::conformance::run(async {
                            $crate::conformance::$room::$case(&super::conformance_harness().await).await;
                        });
                    }
                )*
            }
        )*
    };
}
