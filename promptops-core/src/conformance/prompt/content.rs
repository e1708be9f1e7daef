//! Contents are kept exactly.

use serde_json::{Value, json};

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::prompt::{Body, ChatItem};
use crate::prompt::{
    Content, MessageRole, ModelSettings, Tool, assistant, developer, placeholder, system, user,
};

/// Saves each content as a version of one prompt, and reads all back by number, hash and list after reopening.
async fn read_back(harness: &dyn Harness, contents: Vec<Content>) {
    let desk = Desk::open(harness).await;
    for content in &contents {
        desk.save(desk.content("triage", content.clone())).await;
    }
    let desk = desk.reopen(harness).await;
    let mut versions = desk.versions("triage").await;
    versions.reverse();
    assert_eq!(versions.len(), contents.len());
    for (i, (content, version)) in contents.iter().zip(&versions).enumerate() {
        assert_eq!(*version.content, *content, "content {i} in the list");
        assert_eq!(version.hash, content.hash(), "hash {i} in the list");
        for selector in [format!("triage@v{}", i + 1), format!("triage@{}", content.hash())] {
            let lookup = desk.find_one(&selector).await;
            let by = &found(&lookup).version;
            assert_eq!(*by.content, *content, "content {i} by {selector}");
            assert_eq!(
                by.content.hash(),
                content.hash(),
                "hash of content {i} by {selector}"
            );
        }
    }
}

/// Every part of a content comes back as saved.
pub async fn every_part_of_a_content_is_kept(harness: &dyn Harness) {
    let full = Content {
        settings: ModelSettings {
            model: Some("gpt-x".into()),
            temperature: Some(0.7),
            top_p: Some(0.95),
            max_tokens: Some(u32::MAX),
            stop: vec!["\n\n".into(), "END".into()],
            extra: json!({"seed": 7, "nested": {"a": [1, null, true, "x"]}})
                .as_object()
                .unwrap()
                .clone(),
        },
        tools: vec![
            Tool::new(
                "look_up",
                json!({"type": "object", "properties": {"q": {"type": "string"}}}),
            )
            .description("Looks things up."),
            Tool::new("b", json!({})),
            Tool::new("a", json!({"type": "object"})).description(""),
        ],
        input_schema: Some(json!({"type": "object", "properties": {"name": {"type": "string"}}})),
        output_schema: Some(json!({"type": "object", "required": ["answer"]})),
        ..Content::chat([
            system("You help {{ name }}."),
            developer("d"),
            placeholder("history"),
            user("u"),
            assistant("a"),
            ChatItem::Message {
                role: MessageRole::Tool,
                template: "t".into(),
            },
            placeholder("more"),
        ])
    };
    let mut contents = vec![
        Content::text("text"),
        Content::chat([user("text")]),
        Content::chat([placeholder("text")]),
        full.clone(),
    ];
    // Each part alone, absent beside present and empty beside absent.
    for change in [
        |c: &mut Content| c.settings = ModelSettings::default(),
        |c: &mut Content| c.settings.model = None,
        |c: &mut Content| c.settings.temperature = Some(0.0),
        |c: &mut Content| c.settings.stop.reverse(),
        |c: &mut Content| c.settings.extra.clear(),
        |c: &mut Content| c.tools.clear(),
        |c: &mut Content| c.tools.reverse(),
        |c: &mut Content| c.input_schema = None,
        |c: &mut Content| c.output_schema = Some(json!({})),
    ] {
        let mut content = full.clone();
        change(&mut content);
        contents.push(content);
    }
    read_back(harness, contents).await;
}

/// Texts are kept byte for byte, and what differs in one byte is another version.
pub async fn awkward_texts_are_kept_byte_for_byte(harness: &dyn Harness) {
    let texts = [
        "",
        " ",
        "\n",
        "\r\n",
        "a\n",
        "a\r\n",
        "a",
        "A",
        "\u{e9}",
        "e\u{301}",
        "\u{fb01} \u{212b} \u{1f469}\u{200d}\u{1f680} \u{202e}abc\u{202c}",
        "\u{0}",
        "a\u{0}b\u{0}",
        "\u{1}\u{7f}\u{85}\u{2028}\u{feff}\u{fffd}\u{10ffff}",
        "'; DROP TABLE versions; --",
        "\\ \\n \\u0000 \" '' `x` $1 ?1 :a @b %s %% _",
        "{{ name }} {% include \"safety@production\" %} {# no #}",
        "{\"text\": null}",
        "\u{65e5}\u{672c}\u{8a9e} \u{627}\u{644} \u{939}\u{93f}",
    ];
    let mut contents: Vec<_> = texts.into_iter().map(Content::text).collect();
    contents.extend(
        texts
            .into_iter()
            .map(|text| Content::chat([system(text), user(text)])),
    );
    for text in texts {
        let mut content = Content::text("schema");
        content.input_schema = Some(json!({ text: [text, { text: null }] }));
        contents.push(content);
    }
    read_back(harness, contents).await;
}

/// Numbers are kept bit for bit, at the ends of their ranges too.
pub async fn extreme_numbers_are_kept_bit_for_bit(harness: &dyn Harness) {
    let floats = [
        0.1 + 0.2,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        1.0 / 3.0,
        1e-7,
        123_456_789.123_456_78,
        2f64.powi(53) + 2.0,
    ];
    let integers = [
        json!(0),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(9_007_199_254_740_993_u64),
    ];
    let mut contents: Vec<_> = floats
        .into_iter()
        .map(|float| {
            let mut content = Content::text("floats");
            content.settings.temperature = Some(float);
            content.settings.top_p = Some(float);
            content.settings.extra.insert("float".into(), json!(float));
            content.input_schema = Some(json!([float]));
            content
        })
        .collect();
    contents.extend(integers.into_iter().map(|integer| {
        let mut content = Content::text("integers");
        content.output_schema = Some(integer);
        content
    }));
    read_back(harness, contents).await;
}

/// The largest content there may be, and a deeply nested one, are kept.
pub async fn large_contents_are_kept(harness: &dyn Harness) {
    // As many bytes of JSON as a content may have.
    let envelope = Content::text("").to_json().unwrap().len();
    let large = format!("{}\u{e9}", "0123456789abcde\u{e9}".repeat(70_000));
    let mut end = Content::MAX_BYTES - envelope;
    while !large.is_char_boundary(end) {
        end -= 1;
    }
    let mut deep = Content::text("deep");
    deep.input_schema = Some((0..100).fold(Value::Null, |inner, _| json!([inner])));
    let many = Content::chat((0..Content::MAX_MESSAGES).map(|i| user(format!("message {i}"))));
    read_back(harness, vec![Content::text(&large[..end]), deep, many]).await;
}

/// Content that no longer fits its hash is an error wherever it would be read, not data.
pub async fn changed_content_is_corrupt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_active("triage", "honest").await;
    desk.save_active("other", "honest").await;
    desk.promote(&v1, "dev").await;
    if !harness
        .tamper_with_content(desk.tenant.as_str(), "triage", 1)
        .await
    {
        return;
    }
    let desk = desk.reopen(harness).await;
    for selector in ["", "@v1", "@dev", &format!("@{}", v1.hash)] {
        let wanted = [reference(&format!("triage{selector}"))];
        let result = desk.stores.prompts.find(&desk.tenant, &wanted).await;
        fails(result, ErrorKind::Corrupt, &format!("triage{selector}"));
    }
    let Body::Text { template } = &found(&desk.find_one("other").await).version.content.body.clone() else {
        panic!("it was saved as a text");
    };
    assert_eq!(template, "honest", "other prompts can still be read");
}
