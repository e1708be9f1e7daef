//! Better texts of a prompt, proposed from how it failed, and guarded before anything is spent on trying them.
//!
//! | to | use |
//! |---|---|
//! | say what is to be made better, and from what | [`Brief`] |
//! | ask a model, once for each way to change a prompt | [`LlmProposer`] |
//! | search with trials, by reflection | [`ReflectiveProposer`] |
//! | bring another way to propose | [`Proposer`] |
//! | change a content by edits | [`Edits`] |
//! | refuse what must not even be tried | [`Guard`] |
//! | spend no more than this | [`Budget`], [`Ledger`] |
//!
//! A model never writes a prompt anew: it says which places of the live one to change, and this library changes them. What
//! comes of it is held against guards that no wording passes: variables, roles, messages and snippets stay, it compiles and
//! renders, it grows by a quarter at most, and it holds nothing copied from traces, no address, no secret. Traces are what
//! strangers wrote: a model is shown them as data between marks that the data cannot contain, and what it makes of them is
//! guarded all the same.
//!
//! What was refused comes back beside what is proposed, so that a report can say why nothing came.

mod brief;
mod edit;
pub mod guard;
mod ledger;
mod llm;
mod model;
mod pareto;
mod propose;
pub mod reflective;
mod reply;
mod request;
mod strategy;
mod trial;

pub use brief::{Brief, ClusterSummary, TraceExcerpt};
pub use edit::{Edit, EditRefusal, Edits, Part, Place};
pub use guard::{Guard, GuardRefusal, GuardSettings};
pub use ledger::{Budget, BudgetRefusal, CallFailure, Ledger, Spent};
pub use llm::LlmProposer;
pub use model::ProposerModel;
pub use propose::{Proposal, Proposed, Proposer, Refusal, RefusedCandidate};
pub use reflective::{ReflectiveProposer, SearchSettings};
pub use reply::Unreadable;
pub use request::Shown;
pub use strategy::Strategy;
pub use trial::{Trial, Trials};
