//! A recorded trace as a span of `tracing`.

use tracing::field::display as shown;
use tracing::{Level, span};

use super::names::{gen_ai, promptops};
use crate::base::TenantId;
use crate::observation::trace::record::TraceRecord;

/// Opens a span for a trace within the current one, and closes it: at INFO, with the target `promptops::trace` and the name
/// `promptops.trace`. Where nobody listens, nothing is looked at.
///
/// Its fields are what the trace is of and how it went. Inputs, outputs, messages of errors, sessions and tags are not among
/// them: what must not be kept is taken out of a trace later, and logs are read by more people. An exporter that makes an
/// OpenTelemetry span of it makes one that is imported as this very trace.
pub(in crate::observation::trace) fn emit(tenant: &TenantId, trace: &TraceRecord) {
    let stamp = &trace.stamp;
    let assignment = stamp.assignment.as_ref();
    // A constant as a field's name is written in braces.
    span!(
        target: "promptops::trace",
        Level::INFO,
        "promptops.trace",
        { gen_ai::OPERATION_NAME } = "chat",
        { gen_ai::PROMPT_NAME } = stamp.prompt.as_str(),
        { gen_ai::PROMPT_VERSION } = stamp.version.map(shown),
        { gen_ai::RESPONSE_MODEL } = trace.model.as_deref(),
        { gen_ai::USAGE_INPUT_TOKENS } = trace.usage.map(|usage| usage.input_tokens),
        { gen_ai::USAGE_OUTPUT_TOKENS } = trace.usage.map(|usage| usage.output_tokens),
        { gen_ai::USAGE_CACHE_READ } = trace.usage.map(|usage| usage.cached_input_tokens),
        { gen_ai::USAGE_CACHE_CREATION } = trace.usage.map(|usage| usage.cache_write_tokens),
        { gen_ai::USAGE_REASONING } = trace.usage.map(|usage| usage.reasoning_tokens),
        { gen_ai::ERROR_TYPE } = trace.error.as_ref().map(|error| error.kind.as_str()),
        { promptops::TENANT } = tenant.as_str(),
        { promptops::TRACE_ID } = shown(trace.id),
        { promptops::PROMPT } = stamp.prompt.as_str(),
        { promptops::VERSION } = stamp.version.map(|version| version.get()),
        { promptops::CLOSURE_HASH } = shown(stamp.closure_hash),
        { promptops::ENVIRONMENT } = stamp.environment.as_deref(),
        { promptops::EXPERIMENT } = assignment.map(|assignment| assignment.experiment.as_str()),
        { promptops::VARIANT } = assignment.map(|assignment| assignment.variant.as_str()),
        { promptops::EPOCH } = assignment.map(|assignment| assignment.epoch),
        { promptops::UNIT } = assignment.and_then(|assignment| assignment.unit).map(shown),
        { promptops::HASH_VERSION } = assignment.map(|assignment| u64::from(assignment.hash_version)),
        { promptops::REASON } = assignment.map(|assignment| assignment.reason.as_str()),
        { promptops::SUCCESS } = trace.is_success(),
        { promptops::LATENCY } = trace.latency.map(micros),
        { promptops::COST } = trace.cost.map(|cost| cost.nano_usd()),
    );
}

fn micros(latency: std::time::Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}
