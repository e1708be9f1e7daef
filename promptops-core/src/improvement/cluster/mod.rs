//! Failures of a prompt grouped by their cause, as far as words tell it, and known again from look to look.
//!
//! | to | use |
//! |---|---|
//! | group failures | [`cluster`], [`cluster_embedded`] |
//! | know clusters again, and which are new | [`merge()`] |
//! | say what is done about one | [`ClusterRecord::with_status`] |
//! | name one | [`label()`], [`LlmLabeller`] |
//! | see what is the same in messages | [`mask()`], [`FailureSignature`] |
//!
//! Only failures of the same prompt, environment, dimension and class are ever in one cluster. Among them:
//!
//! 1. What was said of each is [masked](mod@mask), so that messages that differ by numbers, names and quotations are the same
//!    and share a [signature](FailureSignature). Where nothing was said, what was asked and answered is.
//! 2. Each different text becomes a vector: an embedder's, or one of this library's own that is the same on every
//!    machine.
//! 3. Average linkage with one cut on their cosine distances makes groups. Failures with one signature are at distance 0,
//!    and always together; other words for the same cause, which a judge that is a model finds every time, are near.
//! 4. At most 1,000 are so grouped; the others join the nearest medoid within the cut. A group of fewer than 5 is none.
//!
//! No model decides who is in a cluster. One can name it, and its name is checked.

mod find;
mod found;
mod label;
mod linkage;
pub mod mask;
mod merge;
mod record;
mod settings;
mod signature;
mod status;
mod vector;

pub use crate::base::FailureSignature;
pub use find::{cluster, cluster_embedded};
pub use found::{Clustering, ExampleBounds, ExampleOf, Found, Member, VectorsBy};
pub use label::{Label, LabelBy, LabelRequest, Labelled, Labeller, LlmLabeller, label};
pub use mask::mask;
pub use merge::{ClusterChange, ClusterChangeKind, merge};
pub use record::ClusterRecord;
pub use settings::ClusterSettings;
pub use status::ClusterStatus;
pub use vector::ClusterVector;
