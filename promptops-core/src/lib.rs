//! Prompts, operated like releases: immutable versions, environments with gates, and a request path that needs no
//! I/O once it is warm.
//!
//! ```
//! use promptops_core::base::Actor;
//! use promptops_core::environment::Policy;
//! use promptops_core::prompt::{Draft, system, user};
//! use promptops_core::{ErrorKind, MemoryBackend, PromptOps};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let ops = PromptOps::builder(MemoryBackend::new()).build();
//! let acme = ops.tenant("acme")?;
//! let (ana, bo) = (Actor::owner("ana"), Actor::member("bo"));
//!
//! // Author: a version never changes, and saving the same content again gives the same version.
//! let draft = Draft::chat([system("You sort tickets for {{ company }}."), user("{{ ticket }}")]);
//! let v1 = acme.prompts().save("support/triage", draft.by(&bo).message("first cut")).await?;
//!
//! // Promote: the environment's policy decides, and a refusal lists every condition that is not met.
//! let environments = acme.environments();
//! environments.set_policy("production", Policy::open().after("staging")?, &ana).await?;
//! let refused = environments.promote(&v1, "production", &bo).await.unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::Refused);
//! assert_eq!(refused.unmet()[0].needed, "v1 live in staging");
//! environments.promote(&v1, "staging", &bo).await?;
//! environments.promote(&v1, "production", &bo).await?;
//!
//! // Serve, and say how it went: the stamp ties the feedback to the exact text.
//! let parameters = json!({"company": "Acme", "ticket": "Where is my parcel?"});
//! let answer = acme.resolve("support/triage@production").render(&parameters).await?;
//! assert_eq!(answer.messages()[0].text(), Some("You sort tickets for Acme."));
//! acme.metrics().record_feedback(answer.stamp(), true, Some(0.9)).await?;
//! # Ok::<(), promptops_core::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | begin at |
//! |---|---|
//! | wire it into a host | [`PromptOps::builder`], [`ops`] |
//! | save, find, compare and retire versions | [`Tenant::prompts`], [`prompt`] |
//! | promote, approve, roll back, set policies | [`Tenant::environments`], [`environment`] |
//! | resolve and render | [`Tenant::resolve`], [`resolve`] |
//! | save datasets, evaluate, compare | [`Tenant::datasets`], [`Tenant::evaluations`], [`evaluation`] |
//! | make datasets of what was asked in production | [`Tenant::curation`], [`curation`] |
//! | judge outputs by a model, and hold it against people | [`evaluation::judge`] |
//! | bring a model | [`llm`], the crate `promptops-llm` |
//! | record feedback; see counts over time, compare versions | [`Tenant::metrics`], [`observation`] |
//! | watch a version after it went live | [`improvement::monitor`] |
//! | read and verify the audit log | [`Tenant::audit`] |
//! | have better texts proposed, guarded, under a budget | [`improvement::proposer`] |
//! | improve a prompt by itself, from failures to a watched ship | [`improvement::Improver`] |
//! | tell failures of a prompt from outages, and group them by their cause | [`improvement`] |
//! | compare, and know how sure a figure is | [`statistics`] |
//! | write a backend | [`Backend`], `conformance` (feature of the same name) |
//! | know the template language and its limits | [`template`] |
//!
//! Errors are one type, [`Error`], with an [`ErrorKind`] to act on.

pub mod base;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod curation;
pub mod deployment;
pub mod environment;
pub mod evaluation;
pub mod experiment;
pub mod improvement;
pub mod llm;
pub mod memory;
pub mod observation;
pub mod ops;
pub mod prompt;
pub mod render;
pub mod resolve;
pub mod statistics;
pub mod template;

pub use base::error::{Error, ErrorKind, Result};
pub use memory::MemoryBackend;
pub use ops::{Backend, PromptOps, Stores, Tenant};
pub use render::{Param, Params};
