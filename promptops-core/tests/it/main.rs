//! Integration tests of the core.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

mod anytime;
mod assignment;
mod authoring;
mod bombs;
mod bounds;
mod cancelled;
mod clusters;
mod conformance;
mod curating;
mod dataset_files;
mod deciding;
mod enduring;
mod evaluating;
mod experiment_troubles;
mod experimenting;
mod faulty;
mod gates;
mod golden;
mod governing;
mod improving;
mod journey;
mod json_texts;
mod judging;
mod limits;
mod monitoring;
mod otel;
mod proposing;
mod recording;
mod replaying;
mod resolving;
mod rooms;
mod sampling;
mod schema_suite;
mod schemas;
mod scorer_vectors;
mod scorers;
mod scoring;
mod secrecy;
mod series;
mod snapshot_files;
mod snapshots;
mod statistics;
mod templates;
