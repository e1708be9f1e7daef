//! What every room stands on: errors, names, hashes, actors, time, events, audit.

pub mod actor;
pub mod audit;
pub mod clock;
pub mod error;
pub mod event;
pub mod feed;
pub mod hash;
pub mod id;
pub mod ids;
pub mod page;
pub mod spawn;
pub mod stored;
pub mod tenancy;
mod text_enum;

pub use actor::{Actor, Operation, Role};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Error, ErrorKind, Location, Result, Unmet};
pub use event::{Change, Event, EventBus, EventListener, LocalBus};
pub use feed::{ChangeFeed, ChangeReader};
pub use hash::{ClosureHash, ContentHash, DatasetHash, DocumentHash, FailureSignature};
pub use id::{
    AttemptId, ClusterId, CommandKey, DatasetName, DeploymentId, EnvironmentName, ExperimentId, PromptName,
    RunId, ScoreName, Tag, TenantId, VariantName, VersionNumber,
};
pub use ids::{IdSource, SequentialIds, TimeOrderedIds, TraceId};
pub use page::{Page, PageRequest};
pub use spawn::{Spawn, Task, TokioSpawn};
pub(crate) use text_enum::text_enum;
