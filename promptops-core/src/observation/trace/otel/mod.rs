//! Spans of OpenTelemetry: importing them as traces, and the [names] of their attributes.
//!
//! [`Traces::import_otlp`](super::Traces::import_otlp) reads OTLP as JSON and makes a trace of each span that is a call of a
//! language model, whichever of these conventions it follows: OpenTelemetry's for generative AI, in their versions since
//! 1.24, OpenLLMetry's, OpenInference's, or Langfuse's. Where several names mean the same, the first that a span has counts,
//! in the order of the lists in [`names`].
//!
//! | of the trace | is, of the span |
//! |---|---|
//! | id | the millisecond of its beginning, and 80 bits of a hash of its trace id and span id; `promptops.trace_id` where it is there |
//! | stamp | `promptops.*` as [`stamp_attributes`] gives them; or else the version that the prompt's name and version lead to, with its snippets as they are now |
//! | latency | end − start; `promptops.latency_us` with `promptops.trace_id` |
//! | inputs | the first of: `llm.prompt_template.variables`; `gen_ai.prompt.variable.*`; `langfuse.observation.input` where it is an object, all three as they are; then, as `{"messages": …}` where they are a list of objects, else as `{"input": …}`: `langfuse.observation.input`, `gen_ai.input.messages` (with `system_instructions` beside them), the events `gen_ai.*.message`, `llm.input_messages.*`, `gen_ai.prompt.N.*`, `gen_ai.prompt`, `input.value` |
//! | output | the text of the first choice in the first of: `langfuse.observation.output`, `gen_ai.output.messages`, the event `gen_ai.choice`, `llm.output_messages.*`, `gen_ai.completion.N.*`, `gen_ai.completion`, `output.value`; of an answer without text, which calls tools, its JSON |
//! | error | where the status is an error, `error.type` is there, or `langfuse.observation.level` is `ERROR`. Kind: `error.type`, the exception's type, or `error`; message: the status', the exception's, or Langfuse's |
//! | tokens | `gen_ai.usage.*`, `llm.token_count.*`, `langfuse.observation.usage_details`. Where more tokens are said to be of a cache or of reasoning than there are, they are added, since whoever counted left them out |
//! | cost | `promptops.cost_nano_usd`, `llm.cost.total`, `gen_ai.usage.cost`, `langfuse.observation.cost_details` |
//! | model, session, tags | the first of [`names::MODELS`] and [`names::SESSIONS`]; those of [`names::TAGS`] together |
//!
//! A span is a call of a language model where `gen_ai.operation.name` is `chat`, `generate_content` or `text_completion`; or,
//! without one, `openinference.span.kind` is `LLM`; or `langfuse.observation.type` is `generation`; or `llm.request.type` is
//! `chat` or `completion`; or, without any of these, it has both `gen_ai.system` and `gen_ai.request.model`, or
//! `promptops.prompt`.

mod attributes;
mod attribution;
mod call;
mod content;
mod emit;
mod import;
pub mod names;
mod options;
mod report;
mod requests;
mod stamp;
mod usage;
mod wire;

pub use attribution::Lookups;
pub(super) use emit::emit;
pub(super) use import::import;
pub use options::ImportOptions;
pub use report::{ImportReport, Place, SkipReason, Skipped};
pub use stamp::stamp_attributes;
