//! Blueprints by chance.

use promptops_core::llm::{
    Blueprint, BlueprintMessage, ImageSource, OutputSchema, Part, ToolCall, ToolChoice,
};
use promptops_core::prompt::{MessageRole, ModelSettings, Tool};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What a provider has words for.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub names: bool,
    /// The words for how closely to look at an image.
    pub details: &'static [&'static str],
    pub pictures_in_results: bool,
    pub empty_texts: bool,
    /// Arguments that are no JSON object.
    pub any_arguments: bool,
    pub stops: usize,
    pub least_tokens: u32,
    pub hottest: f64,
    pub schema_names: bool,
    pub empty_results: bool,
    pub model_needed: bool,
    /// Settings of the provider's own.
    pub extra: fn() -> Value,
}

pub const CHAT: Words = Words {
    names: true,
    details: &["auto", "low", "high"],
    pictures_in_results: false,
    empty_texts: true,
    any_arguments: true,
    stops: 4,
    least_tokens: 1,
    hottest: 2.0,
    schema_names: true,
    empty_results: false,
    model_needed: true,
    extra: || {
        json!({"seed": 7, "metadata": {"a": "b"}, "reasoning_effort": "low", "parallel_tool_calls": false,
            "logit_bias": {"1": 2}, "user": "u", "store": true})
    },
};

pub const AZURE: Words = Words {
    model_needed: false,
    ..CHAT
};

pub const RESPONSES: Words = Words {
    names: false,
    details: &["auto", "low", "high", "original"],
    pictures_in_results: true,
    stops: 0,
    least_tokens: 16,
    empty_results: true,
    extra: || {
        json!({"store": false, "text": {"verbosity": "low"}, "reasoning": {"effort": "low"},
            "instructions": "i", "previous_response_id": "resp_0", "user": "u", "metadata": {"a": "b"}})
    },
    ..CHAT
};

pub const MESSAGES: Words = Words {
    names: false,
    details: &[],
    pictures_in_results: true,
    empty_texts: false,
    any_arguments: false,
    stops: 6,
    hottest: 1.0,
    schema_names: false,
    empty_results: true,
    extra: || {
        json!({"metadata": {"user_id": "u"}, "service_tier": "auto", "output_config": {"effort": "low"},
            "thinking": {"type": "disabled"}, "top_k": 5})
    },
    ..CHAT
};

/// Everything, sayable or not.
pub const EVERYTHING: Words = Words {
    names: true,
    details: &["auto", "low", "high", "original", "odd"],
    pictures_in_results: true,
    empty_texts: true,
    any_arguments: true,
    stops: 6,
    least_tokens: 1,
    hottest: 3.0,
    schema_names: true,
    empty_results: true,
    model_needed: false,
    extra: || json!({"metadata": {"user_id": "u"}, "temperature": 1, "n": 2, "tools": [], "odd": null}),
};

fn text(words: Words) -> BoxedStrategy<String> {
    let said = prop_oneof![
        "[a-z ]{1,12}",
        "\\PC{1,12}",
        Just("{\"a\":\n\"\\u0000\"}".to_owned())
    ];
    if words.empty_texts {
        prop_oneof![9 => said, 1 => Just(String::new())].boxed()
    } else {
        said.boxed()
    }
}

fn image(words: Words) -> BoxedStrategy<Part> {
    let source = prop_oneof![
        "[a-z]{1,8}".prop_map(|path| ImageSource::Url(format!("https://example.com/{path}"))),
        (
            prop_oneof![Just("image/png"), Just("image/jpeg"), Just("image/webp")],
            "[A-Za-z0-9+/]{4}{1,3}"
        )
            .prop_map(|(media_type, base64)| ImageSource::Data {
                media_type: media_type.into(),
                base64,
            }),
    ];
    let detail = if words.details.is_empty() {
        Just(None).boxed()
    } else {
        option::of(proptest::sample::select(words.details).prop_map(str::to_owned)).boxed()
    };
    (source, detail)
        .prop_map(|(source, detail)| Part::Image { source, detail })
        .boxed()
}

fn parts(words: Words, images: bool) -> BoxedStrategy<Vec<Part>> {
    let text = text(words).prop_map(|text| Part::Text { text });
    if images {
        vec(prop_oneof![3 => text, 1 => image(words)], 1..4).boxed()
    } else {
        vec(text, 1..3).boxed()
    }
}

fn arguments(words: Words) -> BoxedStrategy<String> {
    let object = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{ "b": [1, 2.5, null], "a": {"x": "ä"} }"#.to_owned()),
        Just(r#"{"order":42}"#.to_owned()),
    ];
    if words.any_arguments {
        prop_oneof![3 => object, 1 => "\\PC{0,8}"].boxed()
    } else {
        object.boxed()
    }
}

fn message(words: Words) -> BoxedStrategy<BlueprintMessage> {
    let plain = |role: MessageRole, images: bool| {
        let name = if words.names {
            option::of("[a-z]{1,5}").boxed()
        } else {
            Just(None).boxed()
        };
        (parts(words, images), name).prop_map(move |(parts, name)| BlueprintMessage {
            role,
            parts,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name,
        })
    };
    let call = ("[a-z0-9_]{1,8}", "[a-z_]{1,8}", arguments(words))
        .prop_map(|(id, name, arguments)| ToolCall { id, name, arguments });
    let assistant = (
        plain(MessageRole::Assistant, false),
        vec(call, 0..3),
        any::<bool>(),
    )
        .prop_map(|(mut message, calls, silent)| {
            if silent && !calls.is_empty() {
                message.parts.clear();
            }
            message.tool_calls = calls;
            message
        });
    let least = usize::from(!words.empty_results);
    let results = parts(words, words.pictures_in_results);
    let tool = ("[a-z0-9_]{1,8}", results, least..5_usize).prop_map(|(id, mut parts, keep)| {
        if keep == 0 {
            parts.clear();
        }
        BlueprintMessage {
            role: MessageRole::Tool,
            parts,
            tool_calls: Vec::new(),
            tool_call_id: Some(id),
            name: None,
        }
    });
    prop_oneof![
        2 => plain(MessageRole::System, false),
        1 => plain(MessageRole::Developer, false),
        3 => plain(MessageRole::User, true),
        2 => assistant,
        2 => tool,
    ]
    .boxed()
}

fn settings(words: Words) -> BoxedStrategy<ModelSettings> {
    let model = "[a-z0-9.-]{1,10}";
    let model = if words.model_needed {
        model.prop_map(Some).boxed()
    } else {
        option::of(model).boxed()
    };
    let extra: Vec<(String, Value)> = (words.extra)().as_object().unwrap().clone().into_iter().collect();
    let most = extra.len();
    (
        model,
        option::of(0.0..=words.hottest),
        option::of(0.0..=1.0_f64),
        option::of(words.least_tokens..100_000),
        vec("\\PC{1,5}", 0..=words.stops),
        proptest::sample::subsequence(extra, 0..=most),
    )
        .prop_map(
            |(model, temperature, top_p, max_tokens, stop, extra)| ModelSettings {
                model,
                temperature,
                top_p,
                max_tokens,
                stop,
                extra: extra.into_iter().collect::<Map<_, _>>(),
            },
        )
        .boxed()
}

/// A blueprint that a provider has words for.
pub fn blueprint(words: Words) -> impl Strategy<Value = Blueprint> {
    let schema = prop_oneof![
        Just(json!({})),
        Just(json!({"type": "object", "properties": {"stream": {"type": "string"}}})),
    ];
    let tool = ("[a-zA-Z0-9_-]{1,10}", option::of(text(words)), schema.clone()).prop_map(
        |(name, description, parameters)| Tool {
            name,
            description,
            parameters,
        },
    );
    let name = if words.schema_names {
        "[a-z]{1,6}".boxed()
    } else {
        Just("output".to_owned()).boxed()
    };
    let output = (name, schema, any::<bool>()).prop_map(|(name, schema, strict)| OutputSchema {
        name,
        schema,
        strict,
    });
    let user = BlueprintMessage::new(MessageRole::User, "Hello.");
    (
        vec(message(words), 0..6),
        settings(words),
        vec(tool, 0..3),
        0..5_usize,
        option::of(output),
    )
        .prop_map(move |(mut messages, settings, tools, choice, output_schema)| {
            if messages
                .iter()
                .all(|m| matches!(m.role, MessageRole::System | MessageRole::Developer))
            {
                messages.push(user.clone());
            }
            let tool_choice = match (tools.first(), choice) {
                (None, _) | (_, 0) => None,
                (_, 1) => Some(ToolChoice::Auto),
                (_, 2) => Some(ToolChoice::None),
                (_, 3) => Some(ToolChoice::Required),
                (Some(tool), _) => Some(ToolChoice::Tool(tool.name.clone())),
            };
            Blueprint {
                messages,
                settings,
                tools,
                tool_choice,
                output_schema,
            }
        })
}
