//! Statistics for reports, comparisons, calibration and experiments: pure functions, each with its source.
//!
//! | to | use |
//! |---|---|
//! | give a rate with what is known of it | [`wilson`] |
//! | give a mean with what is known of it | [`mean_interval`], [`clustered_mean_interval`] |
//! | the same for any other figure | [`bootstrap`], [`bootstrap_clustered`], [`bootstrap_mean`] |
//! | compare two runs on the same entries | [`mcnemar`], [`matched_difference`], [`sign_flip`], [`sign_flip_clustered`] |
//! | say what a comparison could have found | [`MeanEstimate::minimum_detectable_effect`] |
//! | sum up repeats | [`pass_hat_k`], [`pass_at_k`] |
//! | hold a judge against people | [`spearman`], [`weighted_kappa`], [`mean_absolute_error`], [`best_constant`] |
//! | give latencies | [`Sample::quantile`] |
//!
//! Every function has an answer for every input. `None` says that there is no such figure: too few values, values that
//! are infinite or no numbers, lists of different lengths. No figure in an answer is infinite or no number.
//!
//! Nothing here reads a clock or draws from the machine's randomness: what draws takes a seed ([`Resampling`]) and
//! gives the same for the same seed, on every machine.

mod agreement;
mod bootstrap;
mod cluster;
mod distribution;
mod interval;
mod mean;
mod paired;
mod quantile;
mod random;
mod rates;
mod resampling;

pub use agreement::{
    BestConstant, Correlation, Kappa, KappaWeights, best_constant, mean_absolute_error, spearman,
    weighted_kappa,
};
pub use bootstrap::{bootstrap, bootstrap_clustered, bootstrap_mean};
pub use interval::{Confidence, Interval};
pub use mean::{MeanEstimate, clustered_mean_interval, mean, mean_interval};
pub use paired::{
    PermutationMethod, PermutationTest, matched_difference, mcnemar, sign_flip, sign_flip_clustered,
};
pub use quantile::Sample;
pub use random::Random;
pub use rates::{pass_at_k, pass_hat_k, wilson};
pub use resampling::Resampling;
