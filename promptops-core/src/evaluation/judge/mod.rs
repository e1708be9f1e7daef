//! A model that judges outputs, and whether it judges as people do.
//!
//! | to | use |
//! |---|---|
//! | score outputs by a criterion, a closed question, or the expected output | [`LlmJudge`], a [`Scorer`](super::Scorer) |
//! | say which of two outputs is better | [`PairwiseJudge`] |
//! | say who judges, and how it is called | [`JudgeModel`] |
//! | hold a judge against people's ratings | [`Calibration`], [`PairwiseCalibration`] |
//!
//! A judge does not know what it judges: it sees the output, what was asked, and the expected output where its form needs
//! one; not the prompt, its version, or the messages. What it sees are data between marks that the data cannot contain. Its
//! reply is read strictly, and what is not surely a verdict is none: the output is then unscored, an error, and neither
//! passed nor 0.
//!
//! What a judge says is worth something where it agrees with people, which [`Calibration::run`] measures.
//!
//! ```
//! use promptops_core::evaluation::judge::{Form, LlmJudge, Scale};
//! use promptops_core::llm::ScriptedLlm;
//!
//! let model = ScriptedLlm::saying(r#"{"reasoning": "Right, but curt.", "verdict": "good"}"#);
//! let rubric = "The answer is right, complete and polite.";
//! let judge = LlmJudge::builder(model, Form::rubric(rubric, Scale::default())).build()?;
//! assert!(!judge.standing().calibrated);
//! # Ok::<(), promptops_core::Error>(())
//! ```

mod calibration;
mod excerpt;
pub(crate) mod fence;
mod form;
mod llm_judge;
mod model;
mod pairwise;
mod prompt;
mod reply;
mod scale;

pub use calibration::{
    Calibration, CalibrationSettings, Figures, HumanPreference, HumanRating, HumanScore, PairwiseCalibration,
    RatedItem, Target,
};
pub use excerpt::LongTexts;
pub use form::{Form, GoodAnswer};
pub use llm_judge::{LlmJudge, LlmJudgeBuilder};
pub use model::{JudgeModel, Unscored};
pub use pairwise::{Choice, Pair, PairVerdict, PairwiseJudge, PairwiseJudgeBuilder, Preference};
pub use reply::Unreadable;
pub use scale::{Label, Scale};
