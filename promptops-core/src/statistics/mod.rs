//! Statistics for reports, comparisons, calibration and experiments: pure functions, each with its source.
//!
//! | to | use |
//! |---|---|
//! | give a rate with what is known of it | [`wilson`] |
//! | bound a rate or a mean from one side | [`proportion_at_least`], [`proportion_at_most`], [`mean_at_least`] |
//! | see at every look whether a mean fell below what it was | [`BelowMean`], [`FromTheStart`], [`SinceSomeTime`] |
//! | or is above it | [`above_mean_ln_e`], [`mean_at_least_anytime`] |
//! | give a mean with what is known of it | [`mean_interval`], [`moments_interval`], [`clustered_mean_interval`] |
//! | the same for any other figure | [`bootstrap`], [`bootstrap_clustered`], [`bootstrap_mean`] |
//! | compare two runs on the same entries | [`mcnemar`], [`matched_difference`], [`sign_flip`], [`sign_flip_clustered`] |
//! | show that one is better, from one side | [`mcnemar_better`], [`sign_flip_better`] |
//! | or no worse than so much | [`matched_at_least`], [`pairs_needed`] for how many it takes |
//! | say what a comparison could have found | [`MeanEstimate::minimum_detectable_effect`] |
//! | sum up repeats | [`pass_hat_k`], [`pass_at_k`] |
//! | hold a judge against people | [`spearman`], [`weighted_kappa`], [`mean_absolute_error`], [`best_constant`] |
//! | give latencies | [`Sample::quantile`] |
//! | compare two versions over a period | [`rate_difference`], [`mean_difference`] |
//! | compare variants, with a look after every outcome | [`LabelTest`], [`anytime_p`] |
//! | show by how much they differ, at every look | [`sequential_difference`], [`sequential_lift`] |
//! | see whether variants got the traffic that they were to get | [`sample_ratio_ln_e`] |
//! | say how long it will take | [`outcomes_needed`] |
//!
//! Every function has an answer for every input. `None` says that there is no such figure: too few values, values that
//! are infinite or no numbers, lists of different lengths. No figure in an answer is infinite or no number.
//!
//! Nothing here reads a clock or draws from the machine's randomness: what draws takes a seed ([`Resampling`]) and
//! gives the same for the same seed, on every machine.

mod agreement;
mod bootstrap;
mod bounded_mean;
mod cluster;
mod confidence_sequence;
mod difference;
mod distribution;
mod interval;
mod label_e_value;
mod matched;
mod mean;
mod moments;
mod one_sided;
mod outcomes_needed;
mod paired;
mod pairs_needed;
mod quantile;
mod random;
mod rates;
mod resampling;
mod sample_ratio;

pub use agreement::{
    BestConstant, Correlation, Kappa, KappaWeights, best_constant, mean_absolute_error, spearman,
    weighted_kappa,
};
pub use bootstrap::{bootstrap, bootstrap_clustered, bootstrap_mean};
pub use bounded_mean::{
    BelowMean, FromTheStart, SinceSomeTime, Wins, above_mean_ln_e, mean_at_least_anytime,
};
pub use confidence_sequence::{
    SequentialEstimate, Tuning, sequential_difference, sequential_estimate, sequential_lift,
};
pub use difference::{mean_difference, rate_difference};
pub use interval::{Confidence, Interval};
pub use label_e_value::{LabelTest, anytime_p};
pub use matched::{matched_at_least, matched_at_most};
pub use mean::{MeanEstimate, clustered_mean_interval, mean, mean_interval, moments_interval};
pub use moments::{Counts, Moments, ScoreBins};
pub use one_sided::{mean_at_least, proportion_at_least, proportion_at_most, relative_entropy};
pub use outcomes_needed::outcomes_needed;
pub use paired::{
    PermutationMethod, PermutationTest, matched_difference, mcnemar, mcnemar_better, sign_flip,
    sign_flip_better, sign_flip_clustered,
};
pub use pairs_needed::pairs_needed;
pub use quantile::Sample;
pub use random::Random;
pub use rates::{pass_at_k, pass_hat_k, wilson};
pub use resampling::Resampling;
pub use sample_ratio::sample_ratio_ln_e;
