//! Importing: from a text to traces in the store, a batch at a time.

use std::io::{self, BufRead};

use chrono::TimeDelta;

use super::attribution::{Lookups, Source, Stamps, source};
use super::call::Call;
use super::options::ImportOptions;
use super::report::{ImportReport, Place, SkipReason};
use super::requests::{Requests, Unreadable};
use super::wire::{ExportRequest, Fault, Span};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::{TenantId, TraceId};
use crate::observation::trace::record::TraceEntry;
use crate::observation::trace::recorder::TraceRecorder;
use crate::observation::trace::store::TraceVerdict;

/// Most calls that are stored at once, and of how many bytes of JSON.
const BATCH: (usize, usize) = (256, 1 << 20);
/// So much later than now may a call begin, since clocks differ.
const AHEAD: TimeDelta = TimeDelta::hours(1);

/// Imports every request in the text.
pub(in crate::observation::trace) async fn import<R: BufRead>(
    recorder: &TraceRecorder,
    lookups: &Lookups,
    tenant: &TenantId,
    reader: R,
    options: &ImportOptions,
) -> Result<ImportReport> {
    let mut import = Import {
        recorder,
        tenant,
        options,
        stamps: Stamps::new(lookups, tenant),
        waiting: Vec::new(),
        waiting_bytes: 0,
        report: ImportReport::default(),
    };
    match import.run(reader).await {
        Ok(()) if import.report.requests == 0 && import.report.refused.count > 0 => {
            Err(nothing_read(&import.report))
        }
        Ok(()) => Ok(import.report),
        // What is stored stays, and is a duplicate the next time.
        Err(e) => Err(e.with("imported", import.report.imported)),
    }
}

struct Import<'a> {
    recorder: &'a TraceRecorder,
    tenant: &'a TenantId,
    options: &'a ImportOptions,
    stamps: Stamps<'a>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    report: ImportReport,
}

/// A call that is to be stored.
struct Waiting {
    /// The line of its request, and which span of it.
    place: (u64, u64),
    call: Call,
    source: Source,
}

impl Import<'_> {
    async fn run<R: BufRead>(&mut self, reader: R) -> Result<()> {
        let mut requests = Requests::new(reader, self.options.max_request_bytes);
        while let Some(request) = requests.next().map_err(io_error)? {
            let line = request.line;
            let read = match request.text {
                Ok(text) => ExportRequest::read(text),
                Err(Unreadable::BreaksOff) => Err("the request breaks off; was it cut?".to_owned()),
                Err(Unreadable::TooLarge) => Err(format!(
                    "the request has more than {} bytes; export in smaller batches, or raise `max_request_bytes`",
                    self.options.max_request_bytes
                )),
            };
            match read {
                Ok(read) => {
                    self.report.requests += 1;
                    for (number, span) in (1..).zip(read.spans()) {
                        self.take((line, number), span).await?;
                    }
                }
                Err(detail) => self.report.refused.add(Place {
                    line,
                    span: None,
                    detail,
                }),
            }
        }
        self.store().await
    }

    async fn take(&mut self, place: (u64, u64), text: &str) -> Result<()> {
        self.report.spans += 1;
        match self.call(text) {
            Err(fault) => self.skip(place, fault),
            Ok((call, source)) => {
                self.waiting_bytes += text.len();
                self.waiting.push(Waiting { place, call, source });
                if self.waiting.len() >= BATCH.0 || self.waiting_bytes >= BATCH.1 {
                    self.store().await?;
                }
            }
        }
        Ok(())
    }

    fn call(&self, text: &str) -> Result<(Call, Source), Fault> {
        let most = self.options.max_span_bytes;
        if text.len() > most {
            let what = format!(
                "it has {} bytes; at most {most} are allowed by `max_span_bytes`",
                text.len()
            );
            return Err(Fault::new(SkipReason::TooLarge, what));
        }
        let mut call = Call::of(Span::read(text)?)?;
        if call
            .tenant
            .as_deref()
            .is_some_and(|of| of != self.tenant.as_str())
        {
            return Err(Fault::new(SkipReason::OtherTenant, ""));
        }
        let now = self.recorder.now();
        if now
            .checked_add_signed(AHEAD)
            .is_some_and(|latest| call.at > latest)
        {
            return Err(Fault::new(SkipReason::BadTime, "it begins in the future"));
        }
        // The id of a trace of ours says when it began, whatever the span's times are.
        if self
            .recorder
            .is_too_old(call.id.min(TraceId::first_at(call.at)), now)
        {
            return Err(Fault::new(SkipReason::TooOld, ""));
        }
        let source = source(call.take_claim(), self.options)?;
        Ok((call, source))
    }

    fn skip(&mut self, (line, span): (u64, u64), fault: Fault) {
        self.report.skipped.entry(fault.reason).or_default().add(Place {
            line,
            span: Some(span),
            detail: fault.detail,
        });
    }

    /// Stores what waits.
    async fn store(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let wanted = waiting.iter().filter_map(|waiting| match &waiting.source {
            Source::Own(_) => None,
            Source::LookedUp(reference) => Some(reference),
        });
        self.stamps.look_up(wanted).await?;
        let mut places = Vec::with_capacity(waiting.len());
        let mut entries = Vec::with_capacity(waiting.len());
        for Waiting { place, call, source } in waiting {
            match self.entry(call, &source) {
                Ok(entry) => {
                    places.push(place);
                    entries.push(entry);
                }
                Err(fault) => self.skip(place, fault),
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let verdicts = self.recorder.store(entries).await?;
        for (place, verdict) in places.into_iter().zip(verdicts) {
            match verdict {
                Some(TraceVerdict::Written) => self.report.imported += 1,
                Some(TraceVerdict::Duplicate) => self.report.duplicates += 1,
                Some(TraceVerdict::Unknown | TraceVerdict::Full) | None => {
                    self.skip(place, Fault::new(SkipReason::NotRedacted, ""));
                }
            }
        }
        Ok(())
    }

    fn entry(&self, call: Call, source: &Source) -> Result<TraceEntry, Fault> {
        let stamp = match source {
            Source::Own(stamp) => stamp,
            Source::LookedUp(reference) => self.stamps.get(reference)?,
        };
        let (id, at) = (call.id, call.at);
        self.recorder
            .imported_entry(self.tenant, (id, at), call.into_trace(stamp))
            .map_err(|e| Fault::new(SkipReason::BadValue, e.message().to_owned()))
    }
}

fn nothing_read(report: &ImportReport) -> Error {
    let first = report.refused.places.first();
    invalid(format!(
        "no request could be read ({}); expected OTLP as JSON, one `ExportTraceServiceRequest` or one on each line",
        first.map(ToString::to_string).unwrap_or_default()
    ))
}

fn io_error(e: io::Error) -> Error {
    let (kind, hint) = match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Invalid, "pass another text")
        }
        _ => (ErrorKind::Unavailable, "try again later"),
    };
    Error::new(kind, format!("the spans cannot be read: {e}; {hint}")).caused_by(e)
}
