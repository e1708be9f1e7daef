//! Reading an answer in pieces, up to a limit and not a byte further.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use promptops_core::llm::{LlmError, LlmErrorKind};
use reqwest::Response;

use super::sse::{Collect, Parser};
use crate::errors::Errors;

/// An answer on its way.
pub(super) struct Incoming<'a> {
    pub(super) response: Response,
    pub(super) max_bytes: usize,
    pub(super) idle: Option<Duration>,
    pub(super) errors: Errors<'a>,
}

impl Incoming<'_> {
    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, LlmError> {
        let announced = self.response.content_length().unwrap_or(0);
        if announced > self.max_bytes as u64 {
            return Err(self.too_large());
        }
        // A length may be announced and never sent.
        let mut body = Vec::with_capacity(announced.min(64 << 10) as usize);
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > self.max_bytes {
                return Err(self.too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// What comes of it within `time`, whatever becomes of the rest: good enough for an error, whose status is known.
    /// Says too whether that is all of it.
    pub(super) async fn beginning(mut self, time: Duration) -> (Vec<u8>, bool) {
        let until = tokio::time::Instant::now() + time;
        let mut body = Vec::new();
        while body.len() < self.max_bytes {
            match tokio::time::timeout_at(until, self.piece()).await {
                Ok(Ok(Some(piece))) => {
                    let room = self.max_bytes - body.len();
                    body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
                }
                Ok(Ok(None)) => return (body, true),
                _ => break,
            }
        }
        (body, false)
    }

    /// Its events, into a collector, until the last.
    pub(super) async fn events(mut self, collector: &mut dyn Collect) -> Result<(), LlmError> {
        let mut parser = Parser::default();
        let mut seen = 0;
        while let Some(piece) = self.piece().await? {
            seen += piece.len();
            if seen > self.max_bytes {
                return Err(self.too_large());
            }
            let fed = parser.feed(&piece, &mut |event| collector.event(event));
            match fed {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Some(error)) => return Err(error),
                Err(None) => {
                    return Err(self
                        .errors
                        .malformed("the streamed answer is no UTF-8 text; ask again"));
                }
            }
        }
        Ok(())
    }

    async fn piece(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, LlmError> {
        let piece = self.response.chunk();
        let piece = match self.idle {
            None => piece.await,
            Some(idle) => tokio::time::timeout(idle, piece)
                .await
                .map_err(|_| silent(self.errors, idle))?,
        };
        piece.map_err(|e| cut_short(self.errors, e))
    }

    fn too_large(&self) -> LlmError {
        self.errors
            .malformed(format!(
                "the answer is larger than {} bytes; ask for less or raise `max_response_bytes`",
                self.max_bytes
            ))
            .with_should_retry(false)
    }
}

/// The provider says nothing for too long.
pub(super) fn silent(errors: Errors<'_>, idle: Duration) -> LlmError {
    LlmError::new(
        LlmErrorKind::Timeout,
        errors.0,
        format!("the streamed answer was silent for {idle:?}; ask again or raise `idle_timeout`"),
    )
}

/// The answer began and broke off.
fn cut_short(errors: Errors<'_>, error: reqwest::Error) -> LlmError {
    let error = error.without_url();
    let by = io_error(&error).map(io::Error::kind);
    let broken = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::NotConnected,
        io::ErrorKind::TimedOut,
    ];
    if by.is_some_and(|kind| broken.contains(&kind)) {
        LlmError::new(
            LlmErrorKind::Network,
            errors.0,
            "the connection broke within the answer; ask again",
        )
    } else {
        errors.malformed("the answer broke off before its end; ask again")
    }
    .caused_by(error)
}

fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
