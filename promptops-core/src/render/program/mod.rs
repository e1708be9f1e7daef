//! The compiled form: what most templates become, rendered straight over the caller's values.
//!
//! It gives the text that Tera gives, or refuses what Tera refuses, for the part of the language that it knows. Work,
//! memory and output are paid for as they are used (see [`budget`]), so that nothing has to be put into templates.

mod access;
mod arguments;
mod budget;
mod build;
mod checks;
mod code;
mod compare;
mod eval;
mod filters;
mod number;
mod print;
mod range;
mod run;
mod scope;
pub(super) mod value;

pub(super) use build::NeedsTera;
pub(super) use code::Program;
pub(super) use run::Run;

#[cfg(test)]
mod tests;
