//! Judges held against people.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use promptops_core::ErrorKind;
use promptops_core::evaluation::judge::{
    Calibration, CalibrationSettings, Form, HumanRating, HumanScore, JudgeModel, LlmJudge, Scale, Target,
};
use promptops_core::llm::{Blueprint, LlmError, LlmErrorKind, Price, PriceTable, ScriptedLlm, Usage};
use promptops_core::statistics::Resampling;
use serde_json::Map;

use super::{RUBRIC, rubric, shown, verdict};

const LABELS: [&str; 5] = ["unacceptable", "poor", "fair", "good", "excellent"];

/// Ratings whose outputs say what people think of them: `<step> <number>`.
fn ratings(count: usize) -> Vec<HumanRating> {
    (0..count)
        .map(|i| HumanRating {
            id: format!("r{i}"),
            input: Map::new(),
            output: format!("{} {i}", i % 5),
            expected_output: None,
            human: HumanScore::Score((i % 5) as f64 / 4.0),
            group: None,
        })
        .collect()
}

/// Answers by what it reads in the output: people's step, and the number of the rating.
fn answering(answer: impl Fn(usize, usize) -> String + Send + Sync + 'static) -> ScriptedLlm {
    ScriptedLlm::new(move |request: &Blueprint| {
        let output = shown(request, "OUTPUT").unwrap();
        let (step, number) = output.split_once(' ').unwrap();
        let text = answer(step.parse().unwrap(), number.parse().unwrap());
        Ok(ScriptedLlm::answer(text).with_usage(Usage::new(100, 10)))
    })
}

/// Right but for every third, where it is off by one step.
fn decent(step: usize, number: usize) -> String {
    let said = if number.is_multiple_of(3) {
        (step + 1).min(4)
    } else {
        step
    };
    verdict(LABELS[said])
}

fn quick() -> CalibrationSettings {
    CalibrationSettings {
        resampling: Resampling::new(500, 1).unwrap(),
        ..CalibrationSettings::default()
    }
}

async fn calibrate(model: &ScriptedLlm, ratings: &[HumanRating]) -> Calibration {
    let judge = rubric(model).build().unwrap();
    Calibration::run_with(&judge, ratings, &quick()).await.unwrap()
}

fn conditions(calibration: &Calibration) -> Vec<String> {
    let unmet = calibration.unmet(&Target::default());
    assert_eq!(unmet.is_empty(), calibration.passes(&Target::default()));
    unmet.into_iter().map(|unmet| unmet.condition).collect()
}

#[tokio::test]
async fn a_decent_judge_passes_and_is_calibrated_by_it() {
    let model = answering(decent);
    let calibration = calibrate(&model, &ratings(60)).await;
    assert_eq!(conditions(&calibration), [""; 0]);
    let figures = calibration.figures().unwrap();
    assert_eq!((figures.scored, figures.best_constant.value), (60, 0.5));
    // 16 of 60 are off by a quarter: those of every third that are not at the top already.
    assert!((figures.mean_absolute_error - 16.0 * 0.25 / 60.0).abs() < 1e-12);
    assert!((figures.best_constant.mean_absolute_error - 0.3).abs() < 1e-12);
    let judge = rubric(&model).name("other").build().unwrap();
    let before = promptops_core::evaluation::Scorer::configuration(&judge);
    let judge = judge.calibrated_by(&calibration).unwrap();
    assert!(judge.standing().calibrated);
    assert_eq!(promptops_core::evaluation::Scorer::configuration(&judge), before);
}

#[tokio::test]
async fn a_calibration_of_another_configuration_calibrates_nothing() {
    let model = answering(decent);
    let calibration = calibrate(&model, &ratings(60)).await;
    for other in [
        rubric(&model).without_input().build().unwrap(),
        LlmJudge::builder(model.clone(), Form::rubric("Another.", Scale::default()))
            .build()
            .unwrap(),
        LlmJudge::builder(
            JudgeModel::new(model.clone()).model("other"),
            Form::rubric(RUBRIC, Scale::default()),
        )
        .build()
        .unwrap(),
    ] {
        let error = other.calibrated_by(&calibration).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("another configuration"), "{error}");
    }
}

#[tokio::test]
async fn a_constant_never_passes_however_small_its_error() {
    // People find almost all good, so that always saying so errs by less than the target.
    let mut rated = ratings(60);
    for (i, rating) in rated.iter_mut().enumerate() {
        rating.human = HumanScore::Label(if i % 10 == 0 { "poor" } else { "good" }.into());
    }
    let model = ScriptedLlm::saying(verdict("good"));
    let calibration = calibrate(&model, &rated).await;
    assert!(calibration.figures().unwrap().mean_absolute_error < 0.15);
    assert_eq!(conditions(&calibration), ["better_than_constant"]);
    let error = rubric(&model)
        .build()
        .unwrap()
        .calibrated_by(&calibration)
        .unwrap_err();
    assert_eq!((error.kind(), error.unmet().len()), (ErrorKind::Refused, 1));
    assert!(
        error
            .to_string()
            .contains("the constant 0.750 errs by 0.050, the judge by 0.050"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_too_little_to_tell_is_said_to_be() {
    let few = calibrate(&answering(decent), &ratings(19)).await;
    assert_eq!(conditions(&few), ["ratings"]);
    let mut grouped = ratings(60);
    for (i, rating) in grouped.iter_mut().enumerate() {
        rating.group = Some((i % 4).to_string());
    }
    let grouped = calibrate(&answering(decent), &grouped).await;
    assert_eq!(grouped.figures().unwrap().independent, 4);
    assert_eq!(conditions(&grouped), ["ratings"]);

    // Better by a single output of thirty: that may be chance.
    let mut rated = ratings(30);
    for (i, rating) in rated.iter_mut().enumerate() {
        rating.human = HumanScore::Score(if i < 2 { 0.25 } else { 0.75 });
    }
    let lucky = answering(|_, number| verdict(if number == 0 { "poor" } else { "good" }));
    let lucky = calibrate(&lucky, &rated).await;
    assert!(lucky.figures().unwrap().advantage > 0.0);
    assert_eq!(conditions(&lucky), ["better_than_constant"]);
    let unmet = lucky.unmet(&Target::default()).remove(0);
    assert!(unmet.needed.contains("rate more outputs, to tell"), "{unmet}");
}

#[tokio::test]
async fn a_wrong_judge_or_one_that_does_not_answer_does_not_pass() {
    let inverse = answering(|step, _| verdict(LABELS[4 - step]));
    let found = calibrate(&inverse, &ratings(60)).await;
    assert_eq!(
        conditions(&found),
        ["mean_absolute_error", "better_than_constant"]
    );
    assert_eq!(found.figures().unwrap().spearman.unwrap().rho, -1.0);

    let shy = answering(|step, number| {
        if number % 10 == 0 {
            "{}".into()
        } else {
            decent(step, number)
        }
    });
    let found = calibrate(&shy, &ratings(60)).await;
    assert_eq!((found.unscored(), found.figures().unwrap().scored), (6, 54));
    assert_eq!(conditions(&found), ["unscored"]);
    assert_eq!(found.usage(), Usage::new(6_600, 660));
    assert!(found.items()[10].judged.is_none() && found.items()[11].judged.is_some());

    let mute = ScriptedLlm::saying("{}");
    let found = calibrate(&mute, &ratings(30)).await;
    assert_eq!((found.figures(), found.unscored()), (None, 30));
    assert_eq!(conditions(&found), ["ratings", "unscored"]);
    assert!(
        found.to_string().contains("first without score  \"r0\": "),
        "{found}"
    );
}

#[tokio::test]
async fn an_error_that_concerns_every_rating_ends_it_and_any_other_leaves_one_unscored() {
    let asked = AtomicUsize::new(0);
    let failing = move |kind| {
        let asked = AtomicUsize::new(asked.load(Ordering::Relaxed));
        ScriptedLlm::new(move |_| {
            if asked.fetch_add(1, Ordering::Relaxed) == 2 {
                return Err(LlmError::new(kind, "scripted", "no"));
            }
            Ok(ScriptedLlm::answer(verdict("good")))
        })
    };
    let one_by_one = CalibrationSettings {
        concurrency: 1,
        ..quick()
    };
    let model = failing(LlmErrorKind::Quota);
    let judge = rubric(&model).build().unwrap();
    let error = Calibration::run_with(&judge, &ratings(30), &one_by_one)
        .await
        .unwrap_err();
    assert_eq!((error.kind(), model.counts().asked), (ErrorKind::RateLimited, 3));
    assert!(error.to_string().contains("rating: \"r2\""), "{error}");
    let judge = rubric(&failing(LlmErrorKind::Timeout)).build().unwrap();
    let found = Calibration::run_with(&judge, &ratings(30), &one_by_one)
        .await
        .unwrap();
    assert_eq!((found.unscored(), found.items()[2].judged), (1, None));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_allowed() {
    let model = answering(decent).with_delay(Duration::from_secs(1));
    let judge = rubric(&model).build().unwrap();
    let settings = CalibrationSettings {
        concurrency: 5,
        ..quick()
    };
    let found = Calibration::run_with(&judge, &ratings(30), &settings)
        .await
        .unwrap();
    assert_eq!((model.counts().most_in_flight, model.counts().asked), (5, 30));
    let ids: Vec<_> = found.items().iter().map(|item| item.id.clone()).collect();
    assert_eq!(
        ids,
        ratings(30)
            .into_iter()
            .map(|rating| rating.id)
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_cannot_be_calibrated_is_refused_before_anything_is_asked() {
    let model = answering(decent);
    let judge = rubric(&model).build().unwrap();
    let mut twice = ratings(2);
    twice[1].id = "r0".into();
    let mut off = ratings(1);
    off[0].human = HumanScore::Label("superb".into());
    let mut outside = ratings(1);
    outside[0].human = HumanScore::Score(f64::NAN);
    for ratings in [vec![], twice, off, outside] {
        let error = Calibration::run(&judge, &ratings).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    for concurrency in [0, 257] {
        let settings = CalibrationSettings {
            concurrency,
            ..quick()
        };
        assert!(
            Calibration::run_with(&judge, &ratings(1), &settings)
                .await
                .is_err()
        );
    }
    assert_eq!(model.counts().asked, 0);
}

#[tokio::test]
async fn a_stored_calibration_computes_its_figures_anew() {
    let model = answering(decent);
    let calibration = calibrate(&model, &ratings(60)).await;
    let stored = serde_json::to_value(&calibration).unwrap();
    assert!(stored.get("figures").is_none());
    let back: Calibration = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(back, calibration);

    // A database may write numbers without a fraction as integers.
    let text = stored
        .to_string()
        .replace("\"temperature\":0.0", "\"temperature\":0");
    let rewritten: Calibration = serde_json::from_str(&text).unwrap();
    assert!(rubric(&model).build().unwrap().calibrated_by(&rewritten).is_ok());

    let mut worse = stored.clone();
    for item in worse["items"].as_array_mut().unwrap() {
        item["judged"] = 0.into();
    }
    let worse: Calibration = serde_json::from_value(worse).unwrap();
    assert!(!worse.passes(&Target::default()));
    let mut wrong = stored;
    wrong["items"][0]["judged"] = 2.into();
    assert!(serde_json::from_value::<Calibration>(wrong).is_err());
}

#[tokio::test]
async fn a_calibration_runs_in_a_task_of_its_own() {
    let judge = rubric(&answering(decent)).build().unwrap();
    let task = tokio::spawn(async move { Calibration::run_with(&judge, &ratings(20), &quick()).await });
    assert_eq!(task.await.unwrap().unwrap().unscored(), 0);
}

#[tokio::test]
async fn a_report_says_all_of_it() {
    let prices = PriceTable::new()
        .with("scripted", "scripted", Price::per_million(1.0, 10.0))
        .unwrap();
    let model = JudgeModel::new(answering(decent)).prices(prices);
    let judge = LlmJudge::builder(model, Form::rubric(RUBRIC, Scale::default()))
        .build()
        .unwrap();
    let calibration = Calibration::run_with(&judge, &ratings(30), &quick())
        .await
        .unwrap();
    insta::assert_snapshot!(calibration.to_string(), @r"
    calibration of scripted/scripted (rubric, 5 labels) against people
      ratings              30, of which 0 unscored
      mean absolute error  0.067 (between 0.029 and 0.108)
      best constant        0.500, with an error of 0.300
      better than that by  0.233 (between 0.150 and 0.304)
      Spearman's rho       0.953 (between 0.886 and 0.981)
      quadratic kappa      0.933 (between 0.870 and 0.971)
      paid                 $0.006 for 3000 tokens in, 300 out
      target               reached
    ");
    assert!(!format!("{calibration:?}{:?}", calibration.items()).contains("because"));
}
