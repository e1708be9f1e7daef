//! Scores of single outputs.

use std::error::Error as _;

use promptops_core::ErrorKind;
use promptops_core::evaluation::Scorer;
use promptops_core::evaluation::judge::{
    Form, GoodAnswer, JudgeModel, Label, LlmJudge, LongTexts, Scale, Unreadable, Unscored,
};
use promptops_core::llm::{
    Cost, FinishReason, LlmError, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage,
};
use promptops_core::prompt::MessageRole;
use serde_json::json;

use super::{RUBRIC, replies, rubric, score, shown, told, verdict};

fn prices() -> PriceTable {
    PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 10.0))
        .unwrap()
}

fn priced(model: &ScriptedLlm) -> LlmJudge {
    let model = JudgeModel::new(model.clone()).prices(prices());
    LlmJudge::builder(model, Form::rubric(RUBRIC, Scale::default()))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_verdict_is_a_score_with_its_reason_and_its_cost() {
    let model = replies([verdict("good").as_str()]);
    let judge = priced(&model);
    let score = score(&judge, "4", None).await.unwrap();
    assert_eq!(
        (score.value, score.reason.as_str()),
        (0.75, "good: because it is good")
    );
    assert_eq!(
        (score.usage, score.cost),
        (Usage::new(100, 10), Some(Cost::from_nano_usd(200_000)))
    );
    assert_eq!(
        (judge.name(), judge.dimension(), judge.pass_mark()),
        ("llm_judge", "correctness", 0.75)
    );
}

#[tokio::test]
async fn a_judge_is_told_the_criterion_and_shown_the_data_and_nothing_that_names_the_version() {
    let model = replies([verdict("good").as_str()]);
    let judge = rubric(&model).build().unwrap();
    score(&judge, "It is 4.", Some(json!("sEcretExpected")))
        .await
        .unwrap();
    let request = &model.requests()[0];
    assert_eq!(request.messages.len(), 2);
    assert_eq!(request.messages[0].role, MessageRole::System);
    assert_eq!(shown(request, "OUTPUT").unwrap(), "It is 4.");
    assert_eq!(shown(request, "INPUT").unwrap(), r#"{"q":"What is 2 + 2?"}"#);
    assert_eq!(shown(request, "EXPECTED"), None);
    for part in [
        RUBRIC,
        "- unacceptable: ",
        "- excellent: ",
        "unacceptable | poor | fair | good | excellent",
    ] {
        assert!(told(request).contains(part), "{part}");
    }
    // Neither names nor numbers of prompt and version, nor its messages, metadata, or the expected output.
    let all = serde_json::to_string(request).unwrap();
    for secret in ["sEcret", "secret-name", "arm-b", "v1", "acme", "sha256"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert_eq!(request.settings.temperature, Some(0.0));
    assert_eq!(request.settings.model.as_deref(), Some("scripted"));
    assert_eq!(request.settings.max_tokens, Some(JudgeModel::DEFAULT_MAX_TOKENS));
    let schema = request.output_schema.as_ref().unwrap();
    assert!(schema.strict);
    assert_eq!(schema.schema["required"], json!(["reasoning", "verdict"]));
    assert_eq!(schema.schema["properties"]["verdict"]["enum"][4], "excellent");
}

#[tokio::test]
async fn what_a_judge_is_told_can_be_set() {
    let model = replies([verdict("good").as_str()]);
    let asked = JudgeModel::new(model.clone())
        .model("larger")
        .without_temperature()
        .max_tokens(99)
        .setting("reasoning_effort", "low");
    let judge = LlmJudge::builder(asked, Form::rubric(RUBRIC, Scale::default()))
        .without_input()
        .build()
        .unwrap();
    score(&judge, "4", None).await.unwrap();
    let request = &model.requests()[0];
    assert_eq!(shown(request, "INPUT"), None);
    assert_eq!(request.settings.temperature, None);
    assert_eq!(request.settings.model.as_deref(), Some("larger"));
    assert_eq!(request.settings.max_tokens, Some(99));
    assert_eq!(request.settings.extra["reasoning_effort"], "low");
}

#[tokio::test]
async fn a_closed_question_is_passed_by_the_good_answer() {
    for (good, answer, value) in [
        (GoodAnswer::Yes, "yes", 1.0),
        (GoodAnswer::Yes, "no", 0.0),
        (GoodAnswer::No, "yes", 0.0),
        (GoodAnswer::No, "no", 1.0),
    ] {
        let model = replies([verdict(answer).as_str()]);
        let form = Form::question("Does it promise a refund?", good);
        let judge = LlmJudge::builder(model.clone(), form).build().unwrap();
        assert_eq!(
            score(&judge, "4", None).await.unwrap().value,
            value,
            "{good:?} {answer}"
        );
        assert!(told(&model.requests()[0]).contains("Does it promise a refund?"));
    }
}

#[tokio::test]
async fn a_reference_is_shown_and_without_one_there_is_no_score() {
    let model = replies([verdict("fair").as_str(), verdict("fair").as_str()]);
    let form = Form::reference("Same number.", Scale::default());
    let judge = LlmJudge::builder(model.clone(), form).build().unwrap();
    let error = score(&judge, "4", None).await.unwrap_err();
    assert_eq!((error.kind(), model.counts().asked), (ErrorKind::Invalid, 0));
    score(&judge, "4", Some(json!("four"))).await.unwrap();
    score(&judge, "4", Some(json!({"n": 4}))).await.unwrap();
    let expected = model
        .requests()
        .iter()
        .map(|r| shown(r, "EXPECTED").unwrap())
        .collect::<Vec<_>>();
    assert_eq!(expected, ["four", r#"{"n":4}"#]);
}

#[tokio::test]
async fn an_unreadable_reply_is_asked_for_again_once_and_both_are_paid() {
    let model = replies(["{}", verdict("poor").as_str()]);
    let found = score(&priced(&model), "4", None).await.unwrap();
    assert_eq!(found.value, 0.25);
    assert_eq!(
        (found.usage, found.cost),
        (Usage::new(200, 20), Some(Cost::from_nano_usd(400_000)))
    );
    let requests = model.requests();
    assert!(!told(&requests[0]).contains("could not be used"));
    assert!(told(&requests[1]).contains("could not be used: it has no JSON object with the key `verdict`"));
    assert_eq!(requests[1].messages.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_twice_is_unscored_and_neither_passed_nor_zero() {
    let excellent = json!({"reasoning": "r", "verdict": "perfect, c4n4ry"}).to_string();
    for reply in ["{}", "", "excellent", "null", excellent.as_str()] {
        let model = replies([reply, reply, reply]);
        let error = score(&priced(&model), "4", None).await.unwrap_err();
        assert_eq!(
            (error.kind(), model.counts().asked),
            (ErrorKind::Backend, 2),
            "{reply}"
        );
        let unscored = error.source().unwrap().downcast_ref::<Unscored>().unwrap();
        assert_eq!(unscored.usage(), Usage::new(200, 20));
        assert_eq!(unscored.cost(), Some(Cost::from_nano_usd(400_000)));
        let why = if reply == excellent {
            Unreadable::OffScale
        } else {
            Unreadable::NoVerdict
        };
        assert_eq!(unscored.why(), why);
        assert!(!format!("{error:?}").contains("c4n4ry"));
    }
}

#[tokio::test]
async fn a_reply_that_was_cut_off_is_no_verdict_however_it_looks() {
    for finish in [
        FinishReason::Length,
        FinishReason::ContentFilter,
        FinishReason::ToolCalls,
    ] {
        let model = ScriptedLlm::new(move |_| {
            let mut reply = ScriptedLlm::answer(verdict("excellent"));
            reply.finish = finish.clone();
            Ok(reply)
        });
        assert!(score(&priced(&model), "4", None).await.is_err());
        assert_eq!(model.counts().asked, 2);
    }
}

#[tokio::test]
async fn a_model_that_does_not_answer_is_the_source_of_the_error_and_is_not_asked_again() {
    for kind in [LlmErrorKind::Auth, LlmErrorKind::Timeout] {
        let model = ScriptedLlm::results([Err(LlmError::new(kind, "scripted", "no"))]);
        let error = score(&priced(&model), "4", None).await.unwrap_err();
        let source = error.source().unwrap().downcast_ref::<LlmError>().unwrap();
        assert_eq!((source.kind(), model.counts().asked), (kind, 1));
    }
}

#[tokio::test]
async fn an_unknown_price_makes_the_cost_unknown() {
    let model = replies([verdict("good").as_str()]);
    let found = score(&rubric(&model).build().unwrap(), "4", None).await.unwrap();
    assert_eq!((found.usage, found.cost), (Usage::new(100, 10), None));
}

#[tokio::test]
async fn a_long_output_is_refused_or_cut_where_all_can_see_it() {
    let output = "x".repeat(150);
    let model = replies([verdict("good").as_str()]);
    let error = score(&rubric(&model).max_bytes(149).build().unwrap(), &output, None)
        .await
        .unwrap_err();
    assert_eq!((error.kind(), model.counts().asked), (ErrorKind::Invalid, 0));
    assert!(
        error
            .to_string()
            .contains("the output has 150 bytes, and the judge is shown at most 149"),
        "{error}"
    );
    let judge = rubric(&model)
        .max_bytes(149)
        .long_texts(LongTexts::Cut)
        .build()
        .unwrap();
    let found = score(&judge, &output, None).await.unwrap();
    assert_eq!(
        found.reason,
        "good (of the output, only the first 149 of 150 bytes were judged): because it is good"
    );
    let request = &model.requests()[0];
    assert_eq!(shown(request, "OUTPUT").unwrap().len(), 149);
    assert!(told(request).contains("Of OUTPUT you see the first 149 of 150 bytes"));
}

#[tokio::test]
async fn an_expected_output_is_never_cut_and_a_reason_is_bounded() {
    let long = "x".repeat(150);
    let reply = json!({"reasoning": "é".repeat(5_000), "verdict": "good"}).to_string();
    let model = replies([reply.as_str()]);
    let form = Form::reference("Same.", Scale::default());
    let judge = LlmJudge::builder(model.clone(), form)
        .max_bytes(149)
        .long_texts(LongTexts::Cut)
        .build()
        .unwrap();
    let error = score(&judge, "x", Some(json!(long))).await.unwrap_err();
    assert!(
        error.to_string().contains("the expected output has 150 bytes"),
        "{error}"
    );
    let found = score(&judge, "x", Some(json!("y"))).await.unwrap();
    assert_eq!(found.reason.chars().count(), "good: ".len() + 2_000 + 1);
}

#[test]
fn a_judge_says_who_it_is() {
    let model = ScriptedLlm::saying("{}")
        .with_provider("openai")
        .with_model("gpt-4");
    let standing = rubric(&model).build().unwrap().judges().remove(0);
    assert_eq!(
        (standing.provider.as_str(), standing.model.as_str()),
        ("openai", "gpt-4")
    );
    assert!(!standing.calibrated && !standing.may_judge_itself);
    let model = JudgeModel::new(model).model("gpt-5").allow_same_model();
    let judge = LlmJudge::builder(model, Form::rubric(RUBRIC, Scale::default()))
        .build()
        .unwrap();
    let standing = judge.standing();
    assert_eq!(standing.model, "gpt-5");
    assert!(standing.may_judge_itself && !standing.calibrated);
}

#[test]
fn a_judge_that_cannot_be_is_refused() {
    let model = ScriptedLlm::saying("{}");
    let long = "x".repeat(Form::MAX_TEXT_BYTES + 1);
    let form = |text: &str| LlmJudge::builder(model.clone(), Form::rubric(text, Scale::default()));
    let with = |model: JudgeModel| LlmJudge::builder(model, Form::rubric(RUBRIC, Scale::default()));
    for (what, builder) in [
        ("criterion", form(" \n")),
        ("criterion", form(&long)),
        ("name", form(RUBRIC).name("")),
        ("name", form(RUBRIC).name("a\nb")),
        ("dimension", form(RUBRIC).dimension("x".repeat(201))),
        ("pass mark", form(RUBRIC).pass_mark(1.01)),
        ("pass mark", form(RUBRIC).pass_mark(f64::NAN)),
        ("bytes", form(RUBRIC).max_bytes(0)),
        ("tokens", with(JudgeModel::new(model.clone()).max_tokens(0))),
        ("model", with(JudgeModel::new(model.clone().without_model()))),
        ("model", with(JudgeModel::new(model.clone()).model(" "))),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[test]
fn a_configuration_has_all_that_decides_a_score_and_nothing_else() {
    let client = ScriptedLlm::saying("{}");
    let model = || JudgeModel::new(client.clone());
    let form = || Form::rubric(RUBRIC, Scale::default());
    let configuration =
        |model: JudgeModel, form: Form| LlmJudge::builder(model, form).build().unwrap().configuration();
    let plain = configuration(model(), form());
    let deciding = [
        configuration(JudgeModel::new(client.clone().with_provider("other")), form()),
        configuration(model().model("other"), form()),
        configuration(model().without_temperature(), form()),
        configuration(model().max_tokens(1), form()),
        configuration(model().setting("seed", 1), form()),
        configuration(model(), Form::rubric("Another.", Scale::default())),
        configuration(model(), Form::reference(RUBRIC, Scale::default())),
        configuration(model(), Form::question(RUBRIC, GoodAnswer::Yes)),
        configuration(model(), Form::question(RUBRIC, GoodAnswer::No)),
        configuration(model(), Form::rubric(RUBRIC, Scale::even(["no", "yes"]).unwrap())),
        configuration(
            model(),
            Form::rubric(
                RUBRIC,
                Scale::new([Label::new("no", 0.0), Label::new("yes", 0.9)]).unwrap(),
            ),
        ),
        configuration(
            model(),
            Form::rubric(
                RUBRIC,
                Scale::new([Label::new("no", 0.0).meaning("m"), Label::new("yes", 1.0)]).unwrap(),
            ),
        ),
        rubric(&client).without_input().build().unwrap().configuration(),
        rubric(&client).max_bytes(1_000).build().unwrap().configuration(),
        rubric(&client)
            .long_texts(LongTexts::Cut)
            .build()
            .unwrap()
            .configuration(),
    ];
    for (i, one) in deciding.iter().enumerate() {
        assert_ne!(*one, plain, "{i}");
        assert!(deciding[..i].iter().all(|other| other != one), "{i}");
    }
    assert_eq!(plain["prompt"]["version"], 1);
    assert!(plain["prompt"]["hash"].as_str().unwrap().starts_with("sha256:"));
    let same = LlmJudge::builder(model().prices(prices()).allow_same_model(), form())
        .name("other")
        .dimension("safety")
        .pass_mark(0.5)
        .build()
        .unwrap();
    assert_eq!(same.configuration(), plain);
}

#[test]
fn debug_shows_no_text_of_anybodys() {
    let model = JudgeModel::new(ScriptedLlm::saying("c4n4ry")).setting("key", "c4n4ry");
    let scale = Scale::new([Label::new("no", 0.0).meaning("c4n4ry"), Label::new("yes", 1.0)]).unwrap();
    let builder = LlmJudge::builder(model, Form::rubric("c4n4ry", scale));
    assert!(!format!("{builder:?}").contains("c4n4ry"));
}
