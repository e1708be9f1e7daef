//! The compiled form: what most templates become, rendered straight over the caller's values.
//!
//! It gives the text that Tera gives, or refuses what Tera refuses, for the part of the language that it knows. Work,
//! memory and output are paid for as they are used (see [`budget`]), so that nothing has to be put into templates.

mod budget;
mod print;
pub(super) mod value;
