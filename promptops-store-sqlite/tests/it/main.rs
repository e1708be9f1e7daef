//! Tests of the backend on real files.

mod conformance;
mod desk;
mod files;
mod integrity;
mod processes;
mod values;
