//! The names of attributes, in one place: what is written, and what is read.
//!
//! Sources, as read in 2026:
//!
//! - [`gen_ai`]: the OpenTelemetry semantic conventions for generative AI, all of them with the status "Development". Up to
//!   1.41 they are in `open-telemetry/semantic-conventions` (`model/gen-ai/registry.yaml`, and `deprecated/` beside it for
//!   the older names), since then in `open-telemetry/semantic-conventions-genai` (schema `gen-ai/1.42.0-dev`; the version
//!   and the variables of a prompt came in May 2026). `error.type` and the exception event are stable and of the
//!   conventions in general.
//! - [`open_llmetry`]: what OpenLLMetry (Traceloop) writes beside the older ones of those.
//! - [`open_inference`]: `spec/semantic_conventions.md` of `Arize-ai/openinference`.
//! - [`langfuse`]: Langfuse's `LangfuseOtelSpanAttributes`, `packages/shared/src/server/otel/attributes.ts` of
//!   `langfuse/langfuse`.
//! - [`promptops`]: our own.
//!
//! The constants in capitals that are lists say which names mean the same; the first that a span has counts.

/// OpenTelemetry's for generative AI, the newest name first.
pub mod gen_ai {
    /// What is done: see [`super::LLM_OPERATIONS`].
    pub const OPERATION_NAME: &str = "gen_ai.operation.name";
    /// Who is asked.
    pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
    /// Who is asked, up to 1.36.
    pub const SYSTEM: &str = "gen_ai.system";
    /// The model that is asked for.
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    /// The provider's name of the answer.
    pub const RESPONSE_ID: &str = "gen_ai.response.id";
    /// The model that answered.
    pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
    /// Why the answers ended: a list of texts.
    pub const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    /// Tokens of the request, those of caches among them.
    pub const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    /// Tokens of the answer, those of reasoning among them.
    pub const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    /// Tokens of the request, up to 1.26.
    pub const USAGE_PROMPT_TOKENS: &str = "gen_ai.usage.prompt_tokens";
    /// Tokens of the answer, up to 1.26.
    pub const USAGE_COMPLETION_TOKENS: &str = "gen_ai.usage.completion_tokens";
    /// Input tokens read from the provider's cache.
    pub const USAGE_CACHE_READ: &str = "gen_ai.usage.cache_read.input_tokens";
    /// Input tokens written to the provider's cache.
    pub const USAGE_CACHE_CREATION: &str = "gen_ai.usage.cache_creation.input_tokens";
    /// Output tokens of reasoning.
    pub const USAGE_REASONING: &str = "gen_ai.usage.reasoning.output_tokens";
    /// What it cost in US dollars. In no version of the conventions, but written and read by several tools.
    pub const USAGE_COST: &str = "gen_ai.usage.cost";
    /// The name of the prompt.
    pub const PROMPT_NAME: &str = "gen_ai.prompt.name";
    /// The version of the prompt.
    pub const PROMPT_VERSION: &str = "gen_ai.prompt.version";
    /// Before the name of a variable: what the prompt was rendered with.
    pub const PROMPT_VARIABLE_PREFIX: &str = "gen_ai.prompt.variable.";
    /// The conversation.
    pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
    /// The messages that were sent.
    pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    /// The messages that came back, one for each choice.
    pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
    /// Instructions that were sent beside the messages.
    pub const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
    /// What was sent, up to 1.27.
    pub const PROMPT: &str = "gen_ai.prompt";
    /// What came back, up to 1.27.
    pub const COMPLETION: &str = "gen_ai.completion";
    /// What kind of failure.
    pub const ERROR_TYPE: &str = "error.type";

    /// The event of an exception.
    pub const EXCEPTION_EVENT: &str = "exception";
    /// Its kind.
    pub const EXCEPTION_TYPE: &str = "exception.type";
    /// What it says.
    pub const EXCEPTION_MESSAGE: &str = "exception.message";
    /// The event with what was sent and came back, since 1.37.
    pub const DETAILS_EVENT: &str = "gen_ai.client.inference.operation.details";
    /// The event of what was sent, up to 1.27.
    pub const CONTENT_PROMPT_EVENT: &str = "gen_ai.content.prompt";
    /// The event of what came back, up to 1.27.
    pub const CONTENT_COMPLETION_EVENT: &str = "gen_ai.content.completion";
    /// The event of one choice, up to 1.36.
    pub const CHOICE_EVENT: &str = "gen_ai.choice";
    /// The events of messages that were sent, up to 1.36, with the role of each.
    pub const MESSAGE_EVENTS: [(&str, &str); 4] = [
        ("gen_ai.system.message", "system"),
        ("gen_ai.user.message", "user"),
        ("gen_ai.assistant.message", "assistant"),
        ("gen_ai.tool.message", "tool"),
    ];
}

/// OpenLLMetry's, where they are not OpenTelemetry's.
pub mod open_llmetry {
    /// What kind of request: see [`super::LLM_REQUESTS`].
    pub const REQUEST_TYPE: &str = "llm.request.type";
    /// Input tokens read from the provider's cache.
    pub const USAGE_CACHE_READ: &str = "gen_ai.usage.cache_read_input_tokens";
    /// Input tokens written to the provider's cache.
    pub const USAGE_CACHE_CREATION: &str = "gen_ai.usage.cache_creation_input_tokens";
    /// Output tokens of reasoning.
    pub const USAGE_REASONING: &str = "gen_ai.usage.reasoning_tokens";
    /// Before `0.role`, `0.content` and so on: messages that were sent.
    pub const PROMPT_PREFIX: &str = "gen_ai.prompt.";
    /// Before `0.role`, `0.content` and so on: choices that came back.
    pub const COMPLETION_PREFIX: &str = "gen_ai.completion.";
}

/// OpenInference's.
pub mod open_inference {
    /// What a span is of: `LLM` for a call of a model.
    pub const SPAN_KIND: &str = "openinference.span.kind";
    /// The model.
    pub const MODEL_NAME: &str = "llm.model_name";
    /// The model that is asked for.
    pub const REQUEST_MODEL_NAME: &str = "llm.request.model_name";
    /// The model that answered.
    pub const RESPONSE_MODEL_NAME: &str = "llm.response.model_name";
    /// Tokens of the request.
    pub const TOKENS_PROMPT: &str = "llm.token_count.prompt";
    /// Tokens of the answer.
    pub const TOKENS_COMPLETION: &str = "llm.token_count.completion";
    /// Input tokens read from the provider's cache.
    pub const TOKENS_CACHE_READ: &str = "llm.token_count.prompt_details.cache_read";
    /// Input tokens written to the provider's cache.
    pub const TOKENS_CACHE_WRITE: &str = "llm.token_count.prompt_details.cache_write";
    /// Output tokens of reasoning.
    pub const TOKENS_REASONING: &str = "llm.token_count.completion_details.reasoning";
    /// What it cost in US dollars.
    pub const COST_TOTAL: &str = "llm.cost.total";
    /// What went in, as text.
    pub const INPUT_VALUE: &str = "input.value";
    /// What came out, as text.
    pub const OUTPUT_VALUE: &str = "output.value";
    /// Before `0.message.role`, `0.message.content` and so on: messages that were sent.
    pub const INPUT_MESSAGES_PREFIX: &str = "llm.input_messages.";
    /// Before `0.message.role`, `0.message.content` and so on: choices that came back.
    pub const OUTPUT_MESSAGES_PREFIX: &str = "llm.output_messages.";
    /// Within a message: before its own names.
    pub const MESSAGE_PREFIX: &str = "message.";
    /// The template.
    pub const TEMPLATE: &str = "llm.prompt_template.template";
    /// What the template was rendered with: the text of a JSON object.
    pub const TEMPLATE_VARIABLES: &str = "llm.prompt_template.variables";
    /// The template's version, in whatever words.
    pub const TEMPLATE_VERSION: &str = "llm.prompt_template.version";
    /// The session.
    pub const SESSION_ID: &str = "session.id";
    /// The user.
    pub const USER_ID: &str = "user.id";
    /// Labels: a list of texts.
    pub const TAGS: &str = "tag.tags";
}

/// Langfuse's.
pub mod langfuse {
    /// What a span is of: `generation` for a call of a model.
    pub const OBSERVATION_TYPE: &str = "langfuse.observation.type";
    /// The name of the prompt.
    pub const PROMPT_NAME: &str = "langfuse.observation.prompt.name";
    /// The version of the prompt: a number.
    pub const PROMPT_VERSION: &str = "langfuse.observation.prompt.version";
    /// What went in, as text or the text of a JSON value.
    pub const INPUT: &str = "langfuse.observation.input";
    /// What came out, as text or the text of a JSON value.
    pub const OUTPUT: &str = "langfuse.observation.output";
    /// The model.
    pub const MODEL_NAME: &str = "langfuse.observation.model.name";
    /// Tokens by kind: the text of a JSON object.
    pub const USAGE_DETAILS: &str = "langfuse.observation.usage_details";
    /// US dollars by kind: the text of a JSON object.
    pub const COST_DETAILS: &str = "langfuse.observation.cost_details";
    /// `DEBUG`, `DEFAULT`, `WARNING` or `ERROR`.
    pub const LEVEL: &str = "langfuse.observation.level";
    /// What is to be said of the level.
    pub const STATUS_MESSAGE: &str = "langfuse.observation.status_message";
    /// The session, by the name that was documented once; `session.id` since.
    pub const SESSION_ID: &str = "langfuse.session.id";
    /// The user, by the name that was documented once; `user.id` since.
    pub const USER_ID: &str = "langfuse.user.id";
    /// Labels: a list of texts, or the text of a JSON array.
    pub const TRACE_TAGS: &str = "langfuse.trace.tags";
}

/// Our own: a stamp, and what no convention has a name for.
pub mod promptops {
    /// The tenant.
    pub const TENANT: &str = "promptops.tenant";
    /// The id of the trace as it is recorded, where it is.
    pub const TRACE_ID: &str = "promptops.trace_id";
    /// The prompt.
    pub const PROMPT: &str = "promptops.prompt";
    /// Its version: a number; absent for a fallback.
    pub const VERSION: &str = "promptops.version";
    /// The identity of the text with all its snippets.
    pub const CLOSURE_HASH: &str = "promptops.closure_hash";
    /// The environment that was asked for.
    pub const ENVIRONMENT: &str = "promptops.environment";
    /// The experiment that the request took part in.
    pub const EXPERIMENT: &str = "promptops.experiment";
    /// The experiment's variant.
    pub const VARIANT: &str = "promptops.variant";
    /// Which allocation of traffic was in force: a number.
    pub const EPOCH: &str = "promptops.epoch";
    /// The key of the unit: 16 hexadecimal digits.
    pub const UNIT: &str = "promptops.unit";
    /// How units are hashed: a number.
    pub const HASH_VERSION: &str = "promptops.hash_version";
    /// Why the request got its variant.
    pub const REASON: &str = "promptops.reason";
    /// Whether the answer served its purpose: a truth value.
    pub const SUCCESS: &str = "promptops.success";
    /// How long the answer took, in microseconds.
    pub const LATENCY: &str = "promptops.latency_us";
    /// What it cost, in billionths of a US dollar.
    pub const COST: &str = "promptops.cost_nano_usd";
}

/// The operations of [`gen_ai::OPERATION_NAME`] that are calls of a language model.
pub const LLM_OPERATIONS: [&str; 3] = ["chat", "generate_content", "text_completion"];
/// The values of [`open_llmetry::REQUEST_TYPE`] that are calls of a language model.
pub const LLM_REQUESTS: [&str; 2] = ["chat", "completion"];
/// The value of [`open_inference::SPAN_KIND`] that is a call of a language model.
pub const LLM_KIND: &str = "LLM";
/// The value of [`langfuse::OBSERVATION_TYPE`] that is a call of a language model.
pub const LLM_OBSERVATION: &str = "generation";

/// The prompt's name.
pub const PROMPT_NAMES: &[&str] = &[gen_ai::PROMPT_NAME, langfuse::PROMPT_NAME];
/// The prompt's version.
pub const PROMPT_VERSIONS: &[&str] = &[
    gen_ai::PROMPT_VERSION,
    langfuse::PROMPT_VERSION,
    open_inference::TEMPLATE_VERSION,
];
/// The model: the one that answered before the one asked for.
pub const MODELS: &[&str] = &[
    gen_ai::RESPONSE_MODEL,
    open_inference::RESPONSE_MODEL_NAME,
    langfuse::MODEL_NAME,
    open_inference::MODEL_NAME,
    gen_ai::REQUEST_MODEL,
    open_inference::REQUEST_MODEL_NAME,
];
/// The session, or else the user.
pub const SESSIONS: &[&str] = &[
    gen_ai::CONVERSATION_ID,
    open_inference::SESSION_ID,
    langfuse::SESSION_ID,
    open_inference::USER_ID,
    langfuse::USER_ID,
];
/// Labels: those of all count.
pub const TAGS: &[&str] = &[open_inference::TAGS, langfuse::TRACE_TAGS];
/// Tokens of the request.
pub const INPUT_TOKENS: &[&str] = &[
    gen_ai::USAGE_INPUT_TOKENS,
    gen_ai::USAGE_PROMPT_TOKENS,
    open_inference::TOKENS_PROMPT,
];
/// Tokens of the answer.
pub const OUTPUT_TOKENS: &[&str] = &[
    gen_ai::USAGE_OUTPUT_TOKENS,
    gen_ai::USAGE_COMPLETION_TOKENS,
    open_inference::TOKENS_COMPLETION,
];
/// Input tokens read from a cache.
pub const CACHED_TOKENS: &[&str] = &[
    gen_ai::USAGE_CACHE_READ,
    open_llmetry::USAGE_CACHE_READ,
    open_inference::TOKENS_CACHE_READ,
];
/// Input tokens written to a cache.
pub const CACHE_WRITE_TOKENS: &[&str] = &[
    gen_ai::USAGE_CACHE_CREATION,
    open_llmetry::USAGE_CACHE_CREATION,
    open_inference::TOKENS_CACHE_WRITE,
];
/// Output tokens of reasoning.
pub const REASONING_TOKENS: &[&str] = &[
    gen_ai::USAGE_REASONING,
    open_llmetry::USAGE_REASONING,
    open_inference::TOKENS_REASONING,
];
/// What it cost in US dollars.
pub const COSTS: &[&str] = &[open_inference::COST_TOTAL, gen_ai::USAGE_COST];
