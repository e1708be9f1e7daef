//! What there is by the time an operation is chosen.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::{BoxedStrategy, Strategy};
use proptest::sample::select;

use super::evaluation::Evaluated;
use super::generate::{mostly, prompt, tenant};
use super::names::{ENVIRONMENTS, PROMPTS, TENANTS};
use super::operation::{Operation, Place};
use super::traffic::Ongoing;
use crate::MemoryBackend;
use crate::conformance::fixture::*;
use crate::ops::Stores;
use crate::prompt::Status;

/// What memory keeps after some operations, the tenants by their plain names.
pub(super) struct Model {
    memory: Stores,
    pub done: Vec<Operation>,
}

impl Model {
    pub fn new() -> Self {
        Self {
            memory: MemoryBackend::new().into(),
            done: Vec::new(),
        }
    }

    pub fn perform(&mut self, operation: &Operation) {
        ready(async {
            if let Some(call) = operation.call(&self.memory, "").await {
                call.answer(&self.memory).await;
            }
        });
        self.done.push(operation.clone());
    }
}

/// Does again what was done, since clones of the backend share their data.
impl Clone for Model {
    fn clone(&self) -> Self {
        let mut model = Self::new();
        for operation in &self.done {
            model.perform(operation);
        }
        model
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory after {} operations", self.done.len())
    }
}

/// What comes of work that never waits, as none in memory does.
fn ready<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory backend waits for something"),
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub tenant: &'static str,
    pub prompt: &'static str,
    pub number: u32,
    pub status: Status,
}

/// What operations can be about.
pub(super) struct There {
    pub versions: Vec<Known>,
    pub pointers: Vec<Place>,
    pub policies: Vec<(&'static str, &'static str, Option<&'static str>)>,
    /// Each child and its parent.
    pub children: Vec<(&'static str, &'static str)>,
    pub evaluated: Evaluated,
    pub ongoing: Ongoing,
}

impl There {
    pub fn read(model: &Model) -> Self {
        let known = |names: &[&'static str], found: &str| {
            let mut names = names.iter().copied();
            names.find(|name| *name == found)
        };
        let mut there = Self {
            versions: Vec::new(),
            pointers: Vec::new(),
            policies: Vec::new(),
            children: Vec::new(),
            evaluated: Evaluated::default(),
            ongoing: Ongoing::default(),
        };
        ready(async {
            for tenant in TENANTS {
                let desk = Desk {
                    stores: model.memory.clone(),
                    tenant: tenant_id(tenant),
                };
                there.evaluated.read(&desk, tenant).await;
                there.ongoing.read(&desk, tenant).await;
                for prompt in PROMPTS {
                    there
                        .versions
                        .extend(desk.versions(prompt).await.iter().map(|version| Known {
                            tenant,
                            prompt,
                            number: version.number.get(),
                            status: version.status,
                        }));
                    let slots = desk.slots(prompt).await;
                    there.pointers.extend(slots.pointers.iter().filter_map(|pointer| {
                        Some(Place {
                            tenant,
                            prompt,
                            environment: known(&ENVIRONMENTS, pointer.environment.as_str())?,
                        })
                    }));
                }
                if let Some(parent) = desk.parent().await {
                    let parent = known(&TENANTS, parent.as_str());
                    there.children.extend(parent.map(|parent| (tenant, parent)));
                }
                let policies = desk.stores.environments.policies(&desk.tenant).await.unwrap();
                there.policies.extend(policies.iter().filter_map(|record| {
                    let prompt = record
                        .prompt
                        .as_ref()
                        .and_then(|prompt| known(&PROMPTS, prompt.as_str()));
                    Some((tenant, known(&ENVIRONMENTS, record.environment.as_str())?, prompt))
                }));
            }
        });
        there
    }

    /// Mostly a version that is there; with some weight any number of any prompt.
    pub fn version(&self, strangers: u32) -> BoxedStrategy<Known> {
        let strange = (tenant(), prompt(), 1..6_u32);
        let strange = strange.prop_map(|(tenant, prompt, number)| Known {
            tenant,
            prompt,
            number,
            status: Status::Draft,
        });
        mostly(select(self.versions.clone()), strange, strangers)
    }

    /// Mostly a prompt that is there; with some weight any.
    pub fn prompt(&self, strangers: u32) -> BoxedStrategy<(&'static str, &'static str)> {
        let anywhere = (tenant(), prompt());
        if self.versions.is_empty() {
            return anywhere.boxed();
        }
        let there = select(self.versions.clone()).prop_map(|of| (of.tenant, of.prompt));
        mostly(there, anywhere, strangers)
    }
}
