//! One request: what is wanted, and how to wait for it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;

use super::answer::{Answer, Resolved};
use super::resolver::Resolver;
use crate::base::TenantId;
use crate::base::error::Result;
use crate::prompt::Content;

/// A reference about to be resolved: await it, or [`render`](Self::render) it at once.
#[must_use = "nothing is resolved until this is awaited or rendered"]
pub struct Resolve<'a> {
    resolver: &'a Resolver,
    tenant: &'a TenantId,
    reference: &'a str,
    unit: Option<&'a str>,
    forced: Option<&'a str>,
    fallback: Option<Box<Content>>,
}

impl<'a> Resolve<'a> {
    /// A request of this tenant.
    pub fn new(resolver: &'a Resolver, tenant: &'a TenantId, reference: &'a str) -> Self {
        Self {
            resolver,
            tenant,
            reference,
            unit: None,
            forced: None,
            fallback: None,
        }
    }

    /// For whom: the key whose assignment to a variant must stick, such as a user, a session or a run of a workflow. Without
    /// it, an experiment gives its control, and counts nothing.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Asks for this variant of the experiment that is on there, whatever the unit: for trying it out. It is not counted.
    pub fn force_variant(mut self, variant: &'a str) -> Self {
        self.forced = Some(variant);
        self
    }

    /// Uses this content, a text for example, when the prompt does not exist or was never reachable. The answer says
    /// so, and its stamp names neither version nor experiment, whatever variant is asked for. What was reachable once is
    /// served from memory instead.
    pub fn fallback(mut self, content: impl Into<Content>) -> Self {
        self.fallback = Some(Box::new(content.into()));
        self
    }

    /// Resolves and renders: pass a struct, a map, `serde_json::json!({…})`, or [`params!`](crate::params!).
    ///
    /// # Errors
    /// Those of resolving, and of [`Resolved::render`].
    pub async fn render<P: Serialize + ?Sized>(self, parameters: &P) -> Result<Answer> {
        let resolved = self.await?;
        resolved.render(parameters)
    }

    /// What is known without waiting; it may be stale. Nothing is loaded before this returns: what is missing or
    /// stale is loaded behind.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when nothing is known yet; how the last load failed, such as
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Invalid`](crate::ErrorKind::Invalid) for a text that is no
    /// reference.
    pub fn try_now(self) -> Result<Resolved> {
        self.resolver
            .now_or_later(self.tenant, self.reference)?
            .assign(self.unit, self.forced)
    }
}

impl<'a> IntoFuture for Resolve<'a> {
    type Output = Result<Resolved>;
    type IntoFuture = ResolveFuture<'a>;

    fn into_future(self) -> Self::IntoFuture {
        ResolveFuture(State::Start(self))
    }
}

impl fmt::Debug for Resolve<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolve({} for {})", self.reference, self.tenant)
    }
}

/// The future of a [`Resolve`]. Ready at once, without allocating, when the cache can answer.
#[must_use = "futures do nothing unless awaited"]
pub struct ResolveFuture<'a>(State<'a>);

enum State<'a> {
    Start(Resolve<'a>),
    Loading(Pin<Box<dyn Future<Output = Result<Resolved>> + Send + 'a>>),
    Done,
}

impl Future for ResolveFuture<'_> {
    type Output = Result<Resolved>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut loading = match std::mem::replace(&mut self.0, State::Done) {
            State::Start(request) => {
                if let Some(resolved) = request.resolver.ready(request.tenant, request.reference) {
                    return Poll::Ready(resolved.assign(request.unit, request.forced));
                }
                let Resolve {
                    resolver,
                    tenant,
                    reference,
                    unit,
                    forced,
                    fallback,
                } = request;
                Box::pin(async move {
                    resolver
                        .resolve(tenant, reference, fallback.map(|content| *content))
                        .await?
                        .assign(unit, forced)
                })
            }
            State::Loading(loading) => loading,
            // Polled after it was ready: a mistake of an executor, which never gets an answer.
            State::Done => return Poll::Pending,
        };
        let polled = loading.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = State::Loading(loading);
        }
        polled
    }
}

impl fmt::Debug for ResolveFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResolveFuture")
    }
}
