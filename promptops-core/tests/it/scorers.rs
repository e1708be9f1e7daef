//! What each built-in scorer says, and what it refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use promptops_core::evaluation::scorer::{
    All, Any, Constraint, Contains, ContainsKind, CosineSimilarity, CostLimit, ExactMatch, JsonDiff,
    JsonSchemaMatch, Latency, Levenshtein, MatchMode, Named, Numeric, RegexMatch, Rule, Unit, Weighted,
};
use promptops_core::evaluation::{Criterion, JudgeStanding, Score, Scorer, ScorerInput};
use promptops_core::llm::{Cost, Embedder, Embeddings, LlmError, LlmErrorKind, Price, Usage};
use promptops_core::{ErrorKind, Result};
use serde_json::{Value, json};

use crate::scoring::{against, input, of, refusal, scored};

#[tokio::test]
async fn exact_match_is_in_the_sense_named() {
    use MatchMode::{Casefold, Exact, Json, Squad, Trim};
    for (mode, output, expected, same) in [
        (Exact, "yes", json!("yes"), true),
        (Exact, "yes\n", json!("yes"), false),
        (Exact, "42", json!(42), true),
        (Exact, "true", json!(true), true),
        (Exact, "", json!(""), true),
        (Trim, " yes\n", json!("yes "), true),
        (Trim, "Yes", json!("yes"), false),
        (Casefold, "STRASSE", json!("straße"), true),
        (Casefold, " a", json!("a"), false),
        (Squad, "The  Answer!", json!("answer"), true),
        (Squad, "theatre", json!("atre"), false),
        (
            Json,
            r#" {"b": [1, 2.0], "a": null} "#,
            json!({"a": null, "b": [1.0, 2]}),
            true,
        ),
        (Json, r#"{"a": 1, "b": 2}"#, json!({"a": 1}), false),
        (Json, r#"{"a": 1}"#, json!({"a": 1, "b": 2}), false),
        (Json, r#"{"a": null}"#, json!({"b": null}), false),
        (Json, "[1, 2]", json!([2, 1]), false),
        (Json, "9007199254740993", json!(9_007_199_254_740_992_u64), false),
        (Json, "\"1\"", json!(1), false),
        (Json, "not json", json!({"a": 1}), false),
        (Json, "{\"a\": 1}", json!("{\"a\":1}"), true),
        (Json, "null", Value::Null, true),
        (Json, "", Value::Null, false),
    ] {
        let found = against(&ExactMatch::new(mode), output, expected.clone()).await;
        assert_eq!(found == 1.0, same, "{mode:?} {output:?} {expected}");
    }
    let text = ExactMatch::default();
    assert_eq!(text.configuration(), json!({"mode": "exact"}));
    for expected in [json!(null), json!([]), json!({"a": "s3cret"})] {
        let error = refusal(&text, "x", Some(expected)).await;
        assert!(
            error.contains("compares text") && !error.contains("s3cret"),
            "{error}"
        );
    }
    let json = ExactMatch::new(Json);
    assert!(
        refusal(&json, "x", Some(json!("not json")))
            .await
            .contains("no JSON")
    );
    assert!(
        refusal(&json, &"[".repeat(200), Some(json!([])))
            .await
            .contains("100 levels")
    );
    assert!(
        refusal(&json, &" ".repeat(2 << 20), Some(json!([])))
            .await
            .contains("bytes")
    );
}

#[tokio::test]
async fn what_is_compared_needs_an_expected_output() {
    let embedder = Arc::new(Fixed(vec![vec![1.0], vec![1.0]]));
    let scorers: [&dyn Scorer; 9] = [
        &ExactMatch::default(),
        &ExactMatch::new(MatchMode::Json),
        &ExactMatch::new(MatchMode::Squad),
        &Levenshtein,
        &Numeric::new(),
        &JsonDiff,
        &CosineSimilarity::new(embedder),
        &Contains::expected_output(ContainsKind::Text),
        &Contains::expected_output(ContainsKind::All).not(),
    ];
    for scorer in scorers {
        let error = refusal(scorer, "5", None).await;
        assert!(error.contains("no expected output"), "{}: {error}", scorer.name());
    }
}

#[tokio::test]
async fn texts_are_looked_for() {
    let output = "Grüße, Your ORDER 42 was shipped.";
    for (scorer, name, found) in [
        (Contains::text("ORDER 42"), "contains", true),
        (Contains::text("order 42"), "contains", false),
        (Contains::ignoring_case("grüsse, your order"), "icontains", true),
        (Contains::ignoring_case("refund"), "icontains", false),
        (Contains::all(["Your", "42"]), "contains_all", true),
        (Contains::all(["Your", "43"]), "contains_all", false),
        (Contains::any(["43", "42"]), "contains_any", true),
        (Contains::any(["43", "44"]), "contains_any", false),
        (Contains::starts_with("Grüße"), "starts_with", true),
        (Contains::starts_with("Your"), "starts_with", false),
    ] {
        let scorer = scorer.unwrap();
        assert_eq!(scorer.name(), name);
        assert_eq!(of(&scorer, output).await == 1.0, found, "{name}");
        let negated = scorer.clone().not();
        assert_eq!(negated.name(), format!("not_{name}"));
        assert_eq!(of(&negated, output).await == 1.0, !found, "not_{name}");
        assert_eq!(negated.not().name(), name);
    }
}

#[tokio::test]
async fn looking_for_nothing_is_refused() {
    let none: [&str; 0] = [];
    for wrong in [
        Contains::text(""),
        Contains::ignoring_case(""),
        Contains::starts_with(""),
        Contains::all(none),
        Contains::any(none),
        Contains::any(["a", ""]),
    ] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let any = Contains::expected_output(ContainsKind::Any);
    assert_eq!(against(&any, "b", json!(["a", "b"])).await, 1.0);
    assert_eq!(against(&any, "b", "a").await, 0.0);
    let text = Contains::expected_output(ContainsKind::Text);
    assert_eq!(against(&text, "it is 42", 42).await, 1.0);
    for scorer in [&any, &text, &any.clone().not()] {
        for nothing in [json!(""), json!([]), json!([""]), json!(["a", 1]), json!(null)] {
            refusal(scorer, "b", Some(nothing)).await;
        }
    }
}

#[tokio::test]
async fn expressions_are_searched_for_unless_anchored() {
    for (pattern, output, found) in [
        (r"\d{2}", "order 42.", true),
        (r"^\d{2}$", "order 42.", false),
        (r"^\d{2}$", "42", true),
        ("(?i)ORDER", "order", true),
        ("(?m)^b$", "a\nb\nc", true),
        ("^b$", "a\nb\nc", false),
        (r"\w+", "語", true),
    ] {
        let scorer = RegexMatch::new(pattern).unwrap();
        assert_eq!(of(&scorer, output).await == 1.0, found, "{pattern} {output}");
    }
    let error = RegexMatch::new("(a").unwrap_err().to_string();
    assert!(error.contains("unclosed group"), "{error}");
    let huge = format!("(a|b){}", "x".repeat(20_000));
    for wrong in ["", "*", r"(a)\1", "(?=a)", r"\w{60}", "a{100}{100}{100}", &huge] {
        let error = RegexMatch::new(wrong).unwrap_err();
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[tokio::test]
async fn no_output_stalls_an_expression() {
    // Takes ages with an engine that tracks back.
    let scorer = RegexMatch::new("(a*)*(a*)*(a|aa)+$").unwrap();
    let began = Instant::now();
    assert_eq!(of(&scorer, &format!("{}b", "a".repeat(200_000))).await, 0.0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(
        refusal(&scorer, &"a".repeat((16 << 20) + 1), None)
            .await
            .contains("bytes")
    );
}

#[tokio::test]
async fn json_fits_a_schema() {
    let schema = json!({
        "type": "object", "required": ["sentiment"], "additionalProperties": false,
        "properties": {"sentiment": {"enum": ["good", "bad"]}, "score": {"type": "number"}},
    });
    let strict = JsonSchemaMatch::new(schema).unwrap();
    let fenced = strict.clone().accept_fenced();
    assert_eq!(strict.dimension(), "format");
    assert_ne!(strict.configuration(), fenced.configuration());
    for (output, plain, in_fence) in [
        (r#"{"sentiment": "good", "score": 0.5}"#, true, true),
        (r#"{"sentiment": "fine"}"#, false, false),
        (r#"{"sentiment": "good", "x": 1}"#, false, false),
        ("Sure: {\"sentiment\": \"good\"}", false, false),
        ("", false, false),
        ("{\"sentiment\": \"good\"", false, false),
        ("```json\n{\"sentiment\": \"good\"}\n```", false, true),
        ("\n```\n{\"sentiment\": \"good\"}```\n", false, true),
        ("```json\n{\"sentiment\": \"fine\"}\n```", false, false),
        ("Here:\n```json\n{\"sentiment\": \"good\"}\n```", false, false),
        (
            "```json\n{\"sentiment\": \"good\"}\n```\n```json\n{}\n```",
            false,
            false,
        ),
        ("```{}\n{\"sentiment\": \"good\"}\n```", false, false),
        ("```", false, false),
        ("``````", false, false),
    ] {
        assert_eq!(of(&strict, output).await == 1.0, plain, "{output}");
        assert_eq!(of(&fenced, output).await == 1.0, in_fence, "{output}");
    }
    refusal(&strict, &"[".repeat(101), None).await;
    refusal(&fenced, &format!("```\n{}\n```", "[".repeat(101)), None).await;
    refusal(&strict, &format!("[{}]", "1,".repeat(1 << 20)), None).await;
}

#[tokio::test]
async fn the_schema_says_its_draft() {
    let items = |schema: &str| json!({"$schema": schema, "items": [{"type": "string"}]});
    // A list of schemas is for items in turn up to 2019-09, and nothing since.
    for draft in [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
    ] {
        let scorer = JsonSchemaMatch::new(items(draft)).unwrap();
        assert_eq!(of(&scorer, "[1]").await, 0.0, "{draft}");
        assert_eq!(of(&scorer, "[\"a\"]").await, 1.0, "{draft}");
    }
    assert!(JsonSchemaMatch::new(items("https://json-schema.org/draft/2020-12/schema")).is_err());
    let latest = JsonSchemaMatch::new(json!({"prefixItems": [{"type": "string"}]})).unwrap();
    assert_eq!(of(&latest, "[1]").await, 0.0);
    for wrong in [
        json!({"type": "strin"}),
        json!(1),
        json!({"$ref": "https://example.com/a.json"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$schema": "https://example.com/unknown"}),
        json!({"pattern": "("}),
        json!({"pattern": "(?=a)"}),
    ] {
        let error = JsonSchemaMatch::new(wrong.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
    }
}

#[tokio::test]
async fn constraints_are_kept_or_not() {
    use Unit::{Characters, Lines, Sentences, Tokens, Words};
    for (rule, output, kept) in [
        (Rule::between(Words, 2..=3), "Don't panic, ever", true),
        (Rule::between(Words, 2..=3), "Don't", false),
        (Rule::between(Words, 2..=2), "你好", true),
        (Ok(Rule::at_most(Words, 0)), " - ", true),
        (Ok(Rule::at_most(Characters, 5)), "Grüße", true),
        (Ok(Rule::at_most(Characters, 4)), "Grüße", false),
        (Rule::at_least(Lines, 3), "a\n\nb", true),
        (Rule::at_least(Lines, 3), "a\nb\n", false),
        (Rule::at_least(Lines, 1), "", false),
        (
            Rule::between(Sentences, 2..=2),
            "One here. And two, at 3.14!",
            true,
        ),
        (Ok(Rule::at_most(Sentences, 1)), "One. Two.", false),
        (Rule::between(Tokens, 2..=2), "abcde", true),
        (Ok(Rule::at_most(Tokens, 0)), "", true),
        (Rule::one_of(["yes", "no"]), " yes\n", true),
        (Rule::one_of(["yes", "no"]), "Yes", false),
        (Rule::one_of(["yes", "no"]), "", false),
        (Rule::says("thank you"), "We THANK YOU!", true),
        (Rule::says("thank you"), "thanks", false),
        (Rule::does_not_say("as an AI"), "As an ai model", false),
        (Rule::does_not_say("as an AI"), "no", true),
    ] {
        let rule = rule.unwrap();
        let scorer = Constraint::new([rule.clone()]).unwrap();
        assert_eq!(of(&scorer, output).await == 1.0, kept, "{rule:?} {output:?}");
    }
    let rules = [
        Rule::at_most(Words, 1),
        Rule::at_most(Lines, 1),
        Rule::says("x").unwrap(),
    ];
    let scorer = Constraint::new(rules).unwrap();
    let score = scored(&scorer, &input("a b", None)).await.unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        score.reason,
        "expected at most 1 words, found 2; \"x\" is not there"
    );
    assert_eq!(
        scorer.configuration(),
        json!([
            {"count": "words", "least": 0, "most": 1},
            {"count": "lines", "least": 0, "most": 1},
            {"says": "x"},
        ])
    );
    let none: [&str; 0] = [];
    assert!(Constraint::new([]).is_err());
    #[allow(clippy::reversed_empty_ranges, reason = "it is what is refused")]
    let reversed = Rule::between(Words, 3..=2);
    for wrong in [
        reversed,
        Rule::at_least(Words, 0),
        Rule::one_of(none),
        Rule::says(""),
        Rule::does_not_say(""),
    ] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn texts_that_are_too_long_to_be_compared_are_refused_at_once() {
    let (long, other) = ("x".repeat(1 << 20), "y".repeat(1 << 20));
    let began = Instant::now();
    let error = refusal(&Levenshtein, &long, Some(other.as_str().into())).await;
    assert!(error.contains("too long"), "{error}");
    assert_eq!(against(&Levenshtein, &long, long.as_str()).await, 1.0);
    let error = refusal(
        &JsonDiff,
        &json!([long]).to_string()[..1 << 20],
        Some(json!([other])),
    )
    .await;
    assert!(error.contains("too long"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(against(&Levenshtein, "", "").await, 1.0);
    assert_eq!(against(&Levenshtein, "", "abc").await, 0.0);
}

#[tokio::test]
async fn numbers_are_near_or_within_a_tolerance() {
    let near = Numeric::new();
    for (output, expected, score) in [
        ("105", json!(100), 1.0 - 5.0 / 205.0),
        (" 1e2\n", json!("100"), 1.0),
        ("0", json!(0), 1.0),
        ("-5", json!(5), 0.0),
        ("1e308", json!(-1e308), 0.0),
        ("1e308", json!(1.5e308), 0.8),
        ("5e-324", json!(0), 0.0),
        ("about 100", json!(100), 0.0),
        ("1,000", json!(1000), 0.0),
        ("NaN", json!(100), 0.0),
        ("inf", json!(100), 0.0),
        ("", json!(0), 0.0),
    ] {
        let found = against(&near, output, expected).await;
        assert!((found - score).abs() < 1e-12, "{output}: {found}");
    }
    let within = Numeric::within(0.5).unwrap();
    let share = Numeric::within_share(0.01).unwrap();
    for (output, absolute, relative) in [
        ("100.5", 1.0, 1.0),
        ("101", 0.0, 1.0),
        ("99", 0.0, 1.0),
        ("101.5", 0.0, 0.0),
        ("x", 0.0, 0.0),
    ] {
        assert_eq!(against(&within, output, 100).await, absolute, "{output}");
        assert_eq!(against(&share, output, 100).await, relative, "{output}");
    }
    assert_ne!(within.configuration(), share.configuration());
    for wrong in [f64::NAN, -1.0, f64::INFINITY] {
        assert!(Numeric::within(wrong).is_err() && Numeric::within_share(wrong).is_err());
    }
    for expected in [json!("about 100"), json!("nan"), json!([1]), json!(null)] {
        refusal(&near, "100", Some(expected)).await;
    }
}

#[tokio::test]
async fn json_differs_by_parts() {
    assert_eq!(against(&JsonDiff, "42", 42).await, 1.0);
    assert_eq!(against(&JsonDiff, "null", Value::Null).await, 1.0);
    let expected = json!({"a": 1, "b": {"c": ["x", "yy"]}});
    let both = input(r#"{"b": {"c": ["x", "yz"]}, "a": 1}"#, Some(&expected));
    let score = scored(&JsonDiff, &both).await.unwrap();
    assert_eq!(score.value, (1.0 + (1.0 + 0.5) / 2.0) / 2.0);
    assert_eq!(score.reason, "expected \"yy\" at /b/c/1, found \"yz\"");
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let deep: Value = serde_json::from_str(&nested(99)).unwrap();
    assert_eq!(against(&JsonDiff, &nested(99), deep.clone()).await, 1.0);
    refusal(&JsonDiff, &nested(101), Some(deep.clone())).await;
    // Deeper than JSON that was parsed can be.
    let deeper = (0..300).fold(deep, |inner, _| json!([inner]));
    refusal(&JsonDiff, "1", Some(deeper.clone())).await;
    refusal(&JsonDiff, &nested(100), Some(deeper.clone())).await;
    refusal(&ExactMatch::new(MatchMode::Json), &nested(100), Some(deeper)).await;
}

/// Answers the same vectors whatever it is asked.
struct Fixed(Vec<Vec<f32>>);

#[async_trait]
impl Embedder for Fixed {
    fn provider(&self) -> &str {
        "fixed"
    }

    fn model(&self) -> &str {
        "fixed-1"
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        assert_eq!(texts, ["found", "wanted"]);
        if self.0.is_empty() {
            return Err(LlmError::new(LlmErrorKind::Overloaded, "fixed", "busy"));
        }
        Ok(Embeddings {
            vectors: self.0.clone(),
            usage: Usage {
                input_tokens: 1_000,
                ..Usage::default()
            },
            model: "fixed-1".into(),
        })
    }
}

#[tokio::test]
async fn meanings_are_near_by_their_cosine() {
    let wanted = json!("wanted");
    let scorer = |first: &[f32], second: &[f32]| {
        CosineSimilarity::new(Arc::new(Fixed(vec![first.to_vec(), second.to_vec()])))
    };
    for (first, second, cosine) in [
        (&[1.0, 0.0], &[2.0, 0.0], 1.0),
        (&[1.0, 0.0], &[0.0, 5.0], 0.0),
        (&[1.0, 0.0], &[-1.0, 0.0], 0.0),
        (&[3.0, 4.0], &[4.0, 3.0], 0.96),
        (&[1e38, 1e38], &[1e38, 1e38], 1.0),
    ] {
        let score = scored(&scorer(first, second), &input("found", Some(&wanted))).await;
        let score = score.unwrap();
        assert!((score.value - cosine).abs() < 1e-9, "{cosine}");
        assert_eq!((score.usage.input_tokens, score.cost), (1_000, None));
    }
    let paid = scorer(&[3.0, 4.0], &[4.0, 3.0]).price(Price::per_million(2.0, 0.0));
    let score = paid.score(&input("found", Some(&wanted))).await.unwrap();
    assert_eq!(score.cost, Some(Cost::from_nano_usd(2_000_000)));
    let floored = paid.floor(0.9).unwrap();
    let score = floored.score(&input("found", Some(&wanted))).await.unwrap();
    assert!((score.value - 0.6).abs() < 1e-9, "{}", score.value);
    assert_eq!(
        floored.configuration(),
        json!({"provider": "fixed", "model": "fixed-1", "floor": 0.9})
    );
    for wrong in [1.0, -0.1, f64::NAN] {
        assert!(scorer(&[1.0], &[1.0]).floor(wrong).is_err());
    }
}

#[tokio::test]
async fn what_cannot_be_compared_by_embedding_is_an_error() {
    let wanted = json!("wanted");
    for vectors in [
        vec![vec![1.0, 0.0], vec![1.0]],
        vec![vec![0.0, 0.0], vec![1.0, 0.0]],
        vec![vec![f32::NAN], vec![1.0]],
        vec![vec![1.0]],
        vec![vec![], vec![]],
        vec![vec![1.0], vec![1.0], vec![1.0]],
    ] {
        let scorer = CosineSimilarity::new(Arc::new(Fixed(vectors)));
        let error = scorer.score(&input("found", Some(&wanted))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
    }
    let busy = CosineSimilarity::new(Arc::new(Fixed(vec![])));
    let error = busy.score(&input("found", Some(&wanted))).await.unwrap_err();
    assert!(error.is_retryable());
    // Neither of these asks.
    assert_eq!(against(&busy, "wanted", "wanted").await, 1.0);
    assert_eq!(against(&busy, " \n", "wanted").await, 0.0);
    refusal(&busy, "found", Some(json!(" "))).await;
}

#[tokio::test]
async fn latency_and_cost_have_bounds() {
    let latency = |millis| Latency::at_most(Duration::from_millis(millis)).unwrap();
    assert_eq!(of(&latency(250), "").await, 1.0);
    assert_eq!(of(&latency(249), "").await, 0.0);
    assert!(Latency::at_most(Duration::ZERO).is_err());
    assert_eq!(latency(250).configuration(), json!({"most_seconds": 0.25}));
    let cost = |nano| CostLimit::at_most(Cost::from_nano_usd(nano));
    assert_eq!(of(&cost(10_000_000), "").await, 1.0);
    assert_eq!(of(&cost(9_999_999), "").await, 0.0);
    let mut unknown = input("", None);
    unknown.cost = None;
    assert!(cost(u64::MAX).score(&unknown).await.is_err());
}

/// Gives this score, or an error, and counts. A score of 0.6 has an unknown cost.
struct Says(f64, Arc<AtomicUsize>);

fn says(value: f64) -> Says {
    Says(value, Arc::default())
}

#[async_trait]
impl Scorer for Says {
    fn name(&self) -> &str {
        "says"
    }

    fn configuration(&self) -> Value {
        json!(self.0)
    }

    fn pass_mark(&self) -> f64 {
        0.5
    }

    fn judges(&self) -> Vec<JudgeStanding> {
        vec![JudgeStanding {
            provider: "fixed".into(),
            model: "judge".into(),
            calibrated: false,
            may_judge_itself: false,
        }]
    }

    async fn score(&self, _: &ScorerInput<'_>) -> Result<Score> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0 < 0.0 {
            return Err(promptops_core::Error::new(ErrorKind::Unavailable, "no answer"));
        }
        let usage = Usage {
            input_tokens: 10,
            ..Usage::default()
        };
        let cost = (self.0 != 0.6).then(|| Cost::from_nano_usd(5));
        Ok(Score::new(self.0, "it says so").paid(usage, cost))
    }
}

#[tokio::test]
async fn scorers_compose() {
    const FAILS: f64 = -1.0;
    for (parts, all, any) in [
        (&[1.0, 0.5][..], Some(1.0), Some(1.0)),
        (&[1.0, 0.4], Some(0.0), Some(1.0)),
        (&[0.4, 1.0], Some(0.0), Some(1.0)),
        (&[0.4, 0.3], Some(0.0), Some(0.0)),
        (&[1.0, FAILS], None, Some(1.0)),
        (&[0.0, FAILS], Some(0.0), None),
        (&[FAILS, 1.0], None, None),
        // What the run would refuse of a part is refused here.
        (&[f64::NAN, 1.0], None, None),
        (&[1.5], None, None),
    ] {
        let value = |scored: Result<Score>| scored.ok().map(|score| score.value);
        let parts = || parts.iter().map(|value| says(*value));
        let found = scored(&All::new(parts()).unwrap(), &input("", None)).await;
        assert_eq!(value(found), all);
        let found = scored(&Any::new(parts()).unwrap(), &input("", None)).await;
        assert_eq!(value(found), any);
    }
    let (first, second) = (says(0.0), says(1.0));
    let asked = second.1.clone();
    let all = All::new([first, second]).unwrap();
    let score = all.score(&input("", None)).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(
        (score.usage.input_tokens, score.cost),
        (10, Some(Cost::from_nano_usd(5)))
    );
    assert_eq!(all.judges().len(), 2);
    for parts in [[0.6, 1.0], [1.0, 0.6]] {
        let unknown = All::new(parts.map(says)).unwrap();
        assert_eq!(unknown.score(&input("", None)).await.unwrap().cost, None);
    }
    // The pass mark is the criterion's.
    let strict = All::new([Criterion::from(says(0.9)).pass_mark(0.95)]).unwrap();
    assert_eq!(of(&strict, "").await, 0.0);
    assert_eq!(
        strict.configuration(),
        json!([{"name": "says", "configuration": 0.9, "pass_mark": 0.95}])
    );
}

#[tokio::test]
async fn weights_are_shares() {
    let weighted = |parts: &[(f64, f64)]| Weighted::new(parts.iter().map(|(w, v)| (*w, says(*v))));
    let some = weighted(&[(3.0, 1.0), (1.0, 0.2)]).unwrap();
    let score = some.score(&input("", None)).await.unwrap();
    assert!((score.value - 0.8).abs() < 1e-12);
    assert_eq!(score.reason, "least: says (0.2): it says so");
    assert_eq!(
        (score.usage.input_tokens, score.cost),
        (20, Some(Cost::from_nano_usd(10)))
    );
    assert_eq!(some.judges().len(), 2);
    let best = weighted(&[(0.1, 1.0), (0.2, 1.0), (0.3, 1.0)]).unwrap();
    assert_eq!(of(&best, "").await, 1.0);
    let failing = weighted(&[(1.0, 1.0), (1.0, -1.0)]).unwrap();
    assert!(failing.score(&input("", None)).await.is_err());
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(weighted(&[(1.0, 1.0), (wrong, 1.0)]).is_err());
    }
    assert!(weighted(&[]).is_err());
    assert!(All::new(Vec::<Criterion>::new()).is_err() && Any::new(Vec::<Criterion>::new()).is_err());
    for wrong in [1.5, -0.1, f64::NAN] {
        assert!(All::new([Criterion::from(says(1.0)).pass_mark(wrong)]).is_err());
    }
}

#[tokio::test]
async fn two_of_a_kind_have_names_of_their_own() {
    let named = Named::new("mentions_refund", Contains::text("refund").unwrap()).unwrap();
    assert_eq!(named.name(), "mentions_refund");
    assert_eq!(
        named.configuration(),
        json!({"name": "contains", "configuration": {"texts": ["refund"]}})
    );
    assert_eq!(of(&named, "a refund").await, 1.0);
    let schema = Named::new("reply", JsonSchemaMatch::new(json!(true)).unwrap()).unwrap();
    assert_eq!((schema.dimension(), schema.pass_mark()), ("format", 1.0));
    let judged = Named::new("judged", says(1.0)).unwrap();
    assert_eq!((judged.judges().len(), judged.pass_mark()), (1, 0.5));
    for wrong in [String::new(), " ".into(), "a\nb".into(), "a".repeat(201)] {
        assert!(Named::new(wrong, Levenshtein).is_err());
    }
}

#[test]
fn debug_output_shows_no_texts() {
    let shown = [
        format!("{:?}", Contains::text("s3cret").unwrap()),
        format!("{:?}", Constraint::new([Rule::says("s3cret").unwrap()]).unwrap()),
        format!("{:?}", Rule::one_of(["s3cret"]).unwrap()),
        format!("{:?}", JsonSchemaMatch::new(json!({"const": "s3cret"})).unwrap()),
        format!("{:?}", All::new([Contains::text("s3cret").unwrap()]).unwrap()),
    ];
    for text in shown {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
