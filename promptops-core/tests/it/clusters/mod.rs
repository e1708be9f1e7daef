//! Failures triaged, grouped, known again and named.

mod finding;
mod hostile;
mod identity;
mod naming;
mod planted;
mod triaging;
