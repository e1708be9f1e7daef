//! Exchanges recorded and played back.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::llm::{LlmClient, LlmError, LlmErrorKind, ScriptedLlm, ToolCall, Usage};
use promptops_llm::layer::{Cassette, LlmClientExt};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::{asking, error};

struct Place {
    _dir: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cassette.jsonl");
    Place { _dir: dir, path }
}

impl Place {
    fn read(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.read()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Records an answer to each of these, which is the text with its number.
    async fn recorded(texts: &[&str]) -> Self {
        let place = place();
        let client = numbering().cassette(Cassette::record(&place.path).unwrap());
        for text in texts {
            client.complete(&asking(*text)).await.unwrap();
        }
        place
    }
}

fn numbering() -> ScriptedLlm {
    let asked = AtomicU64::new(0);
    ScriptedLlm::new(move |request| {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        let text = request.messages[0].text();
        Ok(ScriptedLlm::answer(format!("{text} {n}")).with_usage(Usage::new(n, 1)))
    })
}

async fn said(client: &impl LlmClient, text: &str) -> Result<String, LlmErrorKind> {
    let answer = client.complete(&asking(text)).await;
    answer.map(|c| c.text()).map_err(|e| e.kind())
}

#[tokio::test]
async fn what_is_played_back_is_what_was_recorded() {
    let place = place();
    let mut full = ScriptedLlm::answer("a \u{1F600}\n\"b\"").with_usage(Usage::new(7, 9));
    full.id = Some("id".into());
    full.message.tool_calls.push(ToolCall {
        id: "1".into(),
        name: "look".into(),
        arguments: "{\"x\":0.1}".into(),
    });
    let failure = error(LlmErrorKind::RateLimit)
        .with_status(429)
        .with_code("slow")
        .with_retry_after(Duration::from_millis(1_500))
        .with_should_retry(false);
    let model = ScriptedLlm::results([Ok(full.clone()), Err(failure.clone())]);
    let recording = model.cassette(Cassette::record(&place.path).unwrap());
    let (one, two) = (asking("1").temperature(0.1).max_tokens(3), asking("2"));
    assert_eq!(recording.complete(&one).await.unwrap(), full);
    recording.complete(&two).await.unwrap_err();
    drop(recording);

    let cassette = Cassette::replay(&place.path).unwrap();
    let player = cassette.player("scripted", Some("scripted"));
    assert_eq!(cassette.unplayed(), 2);
    let again = player.complete(&two).await.unwrap_err();
    assert_eq!(again.to_string(), failure.to_string());
    assert_eq!(again.retry_after(), failure.retry_after());
    assert_eq!(again.should_retry(), Some(false));
    assert_eq!(player.complete(&one).await.unwrap(), full);
    assert_eq!((cassette.unplayed(), cassette.torn_line()), (0, None));
}

#[tokio::test]
async fn the_file_is_lines_of_json_under_a_header() {
    let place = Place::recorded(&["one", "two"]).await;
    assert!(
        place
            .read()
            .starts_with("{\"format\":\"promptops-cassette\",\"version\":1}\n{")
    );
    let lines = place.lines();
    assert_eq!(lines.len(), 3);
    let keys: Vec<_> = lines[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["model", "outcome", "provider", "request"]);
    assert_eq!(
        lines[2]["outcome"]["completion"]["message"]["parts"][0]["text"],
        "two 1"
    );
}

#[tokio::test]
async fn equal_requests_are_played_back_in_order_and_others_in_any() {
    let place = Place::recorded(&["a", "b", "a", "a"]).await;
    let player = Cassette::replay(&place.path)
        .unwrap()
        .player("scripted", Some("scripted"));
    assert_eq!(said(&player, "a").await.unwrap(), "a 0");
    assert_eq!(said(&player, "a").await.unwrap(), "a 2");
    assert_eq!(said(&player, "b").await.unwrap(), "b 1");
    assert_eq!(said(&player, "a").await.unwrap(), "a 3");
    let more = player.complete(&asking("a")).await.unwrap_err();
    assert_eq!(more.kind(), LlmErrorKind::NotRecorded);
    assert!(more.message().contains("recorded 3 times"), "{more}");
}

#[tokio::test]
async fn what_is_not_recorded_fails_naming_how_the_nearest_differs() {
    let place = Place::recorded(&["c4n4ry where", "c4n4ry when"]).await;
    let cassette = Cassette::replay(&place.path).unwrap();
    let player = cassette.player("scripted", Some("scripted"));
    let failure = |request| {
        let player = &player;
        async move {
            let failure = player.complete(&request).await.unwrap_err();
            assert_eq!(failure.kind(), LlmErrorKind::NotRecorded);
            assert!(!failure.to_string().contains("c4n4ry"), "{failure}");
            failure.message().to_owned()
        }
    };
    let text = failure(asking("c4n4ry whence")).await;
    assert!(
        text.contains("the nearest of 2, on line 3, differs in messages[0] from byte 11 on:"),
        "{text}"
    );
    let text = failure(asking("c4n4ry where").temperature(0.5)).await;
    assert!(
        text.contains("on line 2, differs in settings.temperature:"),
        "{text}"
    );
    let text = failure(asking("c4n4ry where").model("other")).await;
    assert!(text.contains("differs in model:"), "{text}");
    let other = cassette.player("openai", Some("scripted"));
    let text = other.complete(&asking("c4n4ry where")).await.unwrap_err();
    assert!(text.message().contains("differs in provider:"), "{text}");
    let empty = Place::recorded(&[]).await;
    let player = Cassette::replay(&empty.path).unwrap().player("scripted", None);
    let text = player.complete(&asking("?")).await.unwrap_err();
    assert!(text.message().contains("no exchange is recorded"), "{text}");
}

#[tokio::test]
async fn what_is_missing_is_recorded_and_the_rest_played_back() {
    let place = Place::recorded(&["a"]).await;
    let model = numbering();
    for (texts, asked) in [(["a", "b", "a"], 2), (["b", "a", "a"], 2)] {
        let client = model
            .clone()
            .cassette(Cassette::record_missing(&place.path).unwrap());
        for text in texts {
            said(&client, text).await.unwrap();
        }
        assert_eq!(model.counts().asked, asked);
    }
    assert_eq!(place.lines().len(), 4);
    let fresh = self::place();
    let client = model
        .clone()
        .cassette(Cassette::record_missing(&fresh.path).unwrap());
    said(&client, "a").await.unwrap();
    assert_eq!(fresh.lines().len(), 2);
    drop(client);
    // A file that was made and got no further is begun anew.
    fs::write(&fresh.path, "").unwrap();
    assert!(Cassette::record_missing(&fresh.path).is_ok());
    assert_eq!(fresh.lines().len(), 1);
}

#[tokio::test]
async fn nothing_is_overwritten_and_two_do_not_write_one_file() {
    let place = Place::recorded(&["a"]).await;
    let before = place.read();
    let refused = Cassette::record(&place.path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    let first = Cassette::record_missing(&place.path).unwrap();
    assert_eq!(
        Cassette::record_missing(&place.path).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    drop(first);
    assert!(Cassette::record_missing(&place.path).is_ok());
    assert_eq!(place.read(), before);
    assert_eq!(
        Cassette::replay(place.path.with_extension("no"))
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_file_cut_at_any_byte_loses_at_most_its_last_line() {
    let place = Place::recorded(&["a", "b\u{e4}"]).await;
    let whole = fs::read(&place.path).unwrap();
    let ends: Vec<usize> = (0..whole.len())
        .filter(|i| whole[*i] == b'\n')
        .map(|i| i + 1)
        .collect();
    for cut in ends[0]..=whole.len() {
        fs::write(&place.path, &whole[..cut]).unwrap();
        // A line that lacks only its end is whole.
        let lines = ends.iter().filter(|end| **end <= cut + 1).count();
        let torn = cut > ends[lines - 1];
        let cassette = Cassette::replay(&place.path).unwrap();
        assert_eq!(cassette.unplayed(), lines - 1, "cut at {cut}");
        assert_eq!(cassette.torn_line(), torn.then_some(lines + 1), "cut at {cut}");
        let player = cassette.player("scripted", Some("scripted"));
        let missing = player.complete(&asking("?")).await.unwrap_err();
        assert_eq!(missing.message().contains("is torn"), torn, "{missing}");
        // Recording goes on after it.
        let mended = Cassette::record_missing(&place.path).unwrap();
        assert_eq!(mended.torn_line(), cassette.torn_line());
        let client = ScriptedLlm::saying("c").cassette(mended);
        said(&client, "c").await.unwrap();
        assert_eq!(place.lines().len(), lines + 1, "cut at {cut}");
    }
}

#[tokio::test]
async fn garbage_is_an_error_with_its_line() {
    let place = Place::recorded(&["a", "b"]).await;
    let whole = place.read();
    let lines: Vec<&str> = whole.lines().collect();
    let unknown = lines[2].replacen("\"provider\"", "\"key\":\"c4n4ry\",\"provider\"", 1);
    let wrong = lines[2].replacen("\"outcome\":{", "\"outcome\":\"c4n4ry\",\"x\":{", 1);
    for (text, expected, kind) in [
        (
            format!("{}\nc4n4ry\n{}\n", lines[0], lines[2]),
            "line 2",
            ErrorKind::Corrupt,
        ),
        (
            format!("{}\n{}\n{{}}\n", lines[0], lines[1]),
            "line 3",
            ErrorKind::Corrupt,
        ),
        (
            format!("{}\n\n{}\n", lines[0], lines[1]),
            "line 2",
            ErrorKind::Corrupt,
        ),
        (
            format!("{}\n{}\n{unknown}\n", lines[0], lines[1]),
            "line 3",
            ErrorKind::Corrupt,
        ),
        (
            format!("{}\n{}\n{wrong}\n", lines[0], lines[1]),
            "line 3",
            ErrorKind::Corrupt,
        ),
        (format!("{}\n", lines[1]), "line 1", ErrorKind::Corrupt),
        (String::new(), "line 1", ErrorKind::Corrupt),
        (lines[0][..10].to_owned(), "line 1", ErrorKind::Corrupt),
        (lines[0].replace('1', "2"), "version 2", ErrorKind::Unsupported),
    ] {
        fs::write(&place.path, &text).unwrap();
        for result in [
            Cassette::replay(&place.path),
            Cassette::record_missing(&place.path),
        ] {
            // To record, an empty file will do.
            let Err(error) = result else {
                assert!(text.is_empty());
                continue;
            };
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(expected), "{error}");
            assert!(!format!("{error} {error:?}").contains("c4n4ry"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_was_never_asked_is_no_exchange_and_keys_are_not_written() {
    for kind in LlmErrorKind::ALL {
        let place = place();
        let model = ScriptedLlm::new(move |_| {
            Err(LlmError::new(kind, "scripted", "Incorrect key: sk-c4n4ry").with_request_id("req-c4n4ry"))
        });
        let client = model.cassette(Cassette::record(&place.path).unwrap());
        let failure = client.complete(&asking("?")).await.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.message()),
            (kind, "Incorrect key: sk-c4n4ry")
        );
        let recorded = !matches!(
            kind,
            LlmErrorKind::CircuitOpen
                | LlmErrorKind::Budget
                | LlmErrorKind::NotRecorded
                | LlmErrorKind::Internal
        );
        assert_eq!(place.lines().len(), 1 + usize::from(recorded), "{kind}");
        assert!(!place.read().contains("req-c4n4ry"));
        if kind == LlmErrorKind::Auth {
            assert!(!place.read().contains("c4n4ry"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_not_recorded() {
    let place = place();
    let model = ScriptedLlm::saying("a").with_delay(Duration::from_secs(9));
    let client = model.cassette(Cassette::record(&place.path).unwrap());
    assert!(
        timeout(Duration::from_secs(1), client.complete(&asking("?")))
            .await
            .is_err()
    );
    assert_eq!(place.lines().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_calls_are_recorded_whole_and_played_back_each_once() {
    let place = place();
    let run = async |client: Arc<dyn LlmClient>| {
        let calls: Vec<_> = (0..200)
            .map(|i| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    let text = format!("{} {}", i % 20, "x".repeat(5_000));
                    client.complete(&asking(text)).await.unwrap().text()
                })
            })
            .collect();
        let mut texts = Vec::new();
        for call in calls {
            texts.push(call.await.unwrap());
        }
        texts.sort_unstable();
        texts
    };
    let cassette = Cassette::record(&place.path).unwrap();
    let recorded = run(Arc::new(numbering().cassette(cassette))).await;
    assert_eq!(place.lines().len(), 201);
    let cassette = Cassette::replay(&place.path).unwrap();
    let played = run(Arc::new(cassette.player("scripted", Some("scripted")))).await;
    assert_eq!(played, recorded);
    assert_eq!(cassette.unplayed(), 0);
}
