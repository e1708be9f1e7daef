//! Embeddings over real HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use promptops_core::ErrorKind;
use promptops_core::llm::{Embedder, LlmErrorKind};
use promptops_llm::EmbedderOptions;
use serde_json::{Value, json};

use crate::clients::{azure, openai};
use crate::server::{Server, json_answer};
use crate::wire::Wire;

fn encoded(numbers: &[f32]) -> Value {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}

fn list(vectors: &[(u64, Value)]) -> Value {
    let data = vectors
        .iter()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}));
    json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": "text-embedding-some",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    })
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts_batch_by_batch() {
    let numbers = list(&[(1, json!([0.5, -2.0])), (0, json!([1.0, 0.25]))]);
    Wire::EmbeddingResponse.check(&numbers);
    let server = Server::start(vec![
        vec![json_answer(&numbers)],
        vec![json_answer(&list(&[(0, encoded(&[3.0, 4.0]))]))],
    ])
    .await;
    let client = openai(&server).build().unwrap();
    let options = EmbedderOptions::new().batch(2).dimensions(2);
    let embedder = client.embedder("text-embedding", options).unwrap();
    let embeddings = embedder.embed(&texts(&["a", "b", "c"])).await.unwrap();
    assert_eq!(embeddings.vectors, [[1.0, 0.25], [0.5, -2.0], [3.0, 4.0]]);
    assert_eq!(embeddings.usage.input_tokens, 10);
    assert_eq!(embeddings.model, "text-embedding-some");
    assert_eq!(
        (embedder.provider(), embedder.model()),
        ("openai", "text-embedding")
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.line(), "POST /v1/embeddings");
        Wire::EmbeddingRequest.check(&request.json());
    }
    assert_eq!(
        requests[0].json(),
        json!({"model": "text-embedding", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2})
    );
    assert_eq!(requests[1].json()["input"], json!(["c"]));
}

#[tokio::test]
async fn long_texts_are_asked_for_in_smaller_batches() {
    let one = vec![json_answer(&list(&[(0, encoded(&[1.0]))]))];
    let server = Server::always(one).await;
    let client = openai(&server).build().unwrap();
    let embedder = client.embedder("e", EmbedderOptions::new().as_numbers()).unwrap();
    let all = ["a".repeat(200_000), "b".repeat(200_000), "c".repeat(400_000)];
    assert_eq!(embedder.embed(&all).await.unwrap().vectors.len(), 3);
    assert_eq!(server.requests().len(), 3);
    assert_eq!(server.requests()[0].json()["encoding_format"], "float");
}

#[tokio::test]
async fn azure_embeds_by_deployment() {
    let server = Server::always(vec![json_answer(&list(&[(0, encoded(&[1.0]))]))]).await;
    let client = azure(&server);
    let embedder = client.embedder("embed-1", EmbedderOptions::new()).unwrap();
    embedder.embed(&texts(&["a"])).await.unwrap();
    assert_eq!(
        server.request().line(),
        "POST /openai/deployments/embed-1/embeddings?api-version=2024-10-21"
    );
    assert!(client.embedder("../x", EmbedderOptions::new()).is_err());
}

#[tokio::test]
async fn nothing_is_asked_for_nothing() {
    let server = Server::always(Vec::new()).await;
    let client = openai(&server).build().unwrap();
    let embedder = client.embedder("e", EmbedderOptions::new()).unwrap();
    assert!(embedder.embed(&[]).await.unwrap().vectors.is_empty());
    let error = embedder.embed(&texts(&["a", ""])).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::InvalidRequest);
    assert!(error.message().contains("text 2"), "{error}");
    assert!(server.requests().is_empty());
    for options in [
        EmbedderOptions::new().batch(0),
        EmbedderOptions::new().batch(2_049),
        EmbedderOptions::new().dimensions(0),
    ] {
        assert_eq!(
            client.embedder("e", options).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
}

#[tokio::test]
async fn usage_is_never_taken_for_nothing_unless_allowed() {
    let mut body = list(&[(0, json!([1.0]))]);
    body.as_object_mut().unwrap().remove("usage");
    let server = Server::always(vec![json_answer(&body)]).await;
    let client = openai(&server).build().unwrap();
    let options = EmbedderOptions::new();
    let strict = client.embedder("e", options.clone()).unwrap();
    let error = strict.embed(&texts(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), LlmErrorKind::Malformed);
    assert!(!error.is_retryable());
    let lenient = client.embedder("e", options.usage_may_be_missing()).unwrap();
    assert_eq!(lenient.embed(&texts(&["a"])).await.unwrap().usage.total(), 0);
}

#[tokio::test]
async fn vectors_that_cannot_be_are_malformed() {
    let bad = [
        json!({}),
        list(&[(0, json!([1.0]))]),
        list(&[(0, json!([1.0])), (0, json!([1.0]))]),
        list(&[(0, json!([1.0])), (2, json!([1.0]))]),
        list(&[(0, json!([1.0])), (1, json!([1.0, 2.0]))]),
        list(&[(0, json!([1.0])), (1, json!([]))]),
        list(&[(0, json!([1.0])), (1, json!(["x"]))]),
        list(&[(0, json!([1.0])), (1, json!([1e300]))]),
        list(&[(0, json!([1.0])), (1, "AAAA".into())]),
        list(&[(0, json!([1.0])), (1, "?".into())]),
        list(&[(0, json!([1.0])), (1, encoded(&[f32::NAN]))]),
    ];
    let server = Server::start(bad.iter().map(|body| vec![json_answer(body)]).collect()).await;
    let client = openai(&server).build().unwrap();
    let embedder = client.embedder("e", EmbedderOptions::new()).unwrap();
    for body in bad {
        let error = embedder.embed(&texts(&["a", "b"])).await.unwrap_err();
        assert_eq!(error.kind(), LlmErrorKind::Malformed, "{body}");
    }
}
