//! What the gate asks for.

use serde::{Deserialize, Serialize};

use crate::base::ScoreName;
use crate::base::error::{Result, invalid};
use crate::statistics::Resampling;

/// Which rule decides. The other one's verdict is in the report too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Tests and bounds that hold their error.
    #[default]
    Statistical,
    /// Means against [`PromotionCriteria`], as they are found.
    PointEstimate,
}

/// The plain rule: means against thresholds, whatever noise is in them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromotionCriteria {
    /// By how much the mean of the target's dimensions is to rise at least, over all items: 0.05 for 5 points. The
    /// statistical rule takes it for the smallest improvement that is worth more traces.
    pub min_improvement: f64,
    /// Share of the candidate's answers that keep the format, at least; asked by both rules.
    pub min_format_pass_rate: f64,
    /// By how much the mean of any dimension may fall, over all items.
    pub regression_guardrail: f64,
}

impl Default for PromotionCriteria {
    fn default() -> Self {
        Self {
            min_improvement: 0.05,
            min_format_pass_rate: 0.95,
            regression_guardrail: 0.02,
        }
    }
}

/// What of a dimension is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// That it is better on the target, and no worse on the guard.
    Target,
    /// That it is no worse on the guard.
    Guard,
}

/// What a dimension's scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// 0 or 1.
    Pass,
    /// Anything from 0 to 1.
    Graded,
}

/// A dimension that both arms are scored in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Its name.
    pub name: ScoreName,
    /// What is asked of it.
    pub role: Role,
    /// What its scores are.
    pub scale: Scale,
}

/// What the gate asks for. The default is what is said of each field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateSettings {
    /// Which rule decides. Default: the statistical one.
    pub rule: Rule,
    /// The plain rule's thresholds.
    pub criteria: PromotionCriteria,
    /// How often, at most, a candidate that is no better, or worse by the margin, is let through: more than 0, at most 0.2.
    /// Default: 0.05.
    pub alpha: f64,
    /// By how much a dimension's true mean on the guard may fall: more than 0, at most 0.5. Default: 0.05 for 5 points.
    pub margin: f64,
    /// How often the number of traces that the report asks for would do, were the truth what it looks like: 0.5 ..= 0.99.
    /// Default: 0.8.
    pub power: f64,
    /// Share of calls that may fail for reasons of infrastructure; with more there is no verdict. 0 ..= 0.2. Default: 0.02.
    pub max_failed_calls: f64,
    /// Items won, and items lost, that the report lists, at most 1,000 each. Default: 20.
    pub listed: usize,
    /// Draws of what is drawn, 100 ..= 1,000,000. Default: 10,000.
    pub draws: u32,
    /// Another seed draws others. Default: 0.
    pub seed: u64,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            criteria: PromotionCriteria::default(),
            alpha: 0.05,
            margin: 0.05,
            power: 0.8,
            max_failed_calls: 0.02,
            listed: 20,
            draws: Resampling::DEFAULT_DRAWS,
            seed: 0,
        }
    }
}

impl GateSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for one out of range: which, and what it may be.
    pub fn check(&self) -> Result<()> {
        let criteria = &self.criteria;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let above = |value: f64, most: f64| value > 0.0 && value <= most;
        let range = |name, found: f64, fits: bool, range: &str| {
            if fits {
                return Ok(());
            }
            Err(invalid(format!(
                "the gate's {name} is {found}; it must be {range}"
            )))
        };
        range(
            "alpha",
            self.alpha,
            above(self.alpha, 0.2),
            "above 0 and at most 0.2",
        )?;
        range(
            "margin",
            self.margin,
            above(self.margin, 0.5),
            "above 0 and at most 0.5, 0.05 for 5 points",
        )?;
        let power = (0.5..=0.99).contains(&self.power);
        range("power", self.power, power, "0.5 to 0.99")?;
        let failed = (0.0..=0.2).contains(&self.max_failed_calls);
        range("max_failed_calls", self.max_failed_calls, failed, "0 to 0.2")?;
        for (name, found) in [
            ("min_improvement", criteria.min_improvement),
            ("min_format_pass_rate", criteria.min_format_pass_rate),
            ("regression_guardrail", criteria.regression_guardrail),
        ] {
            range(name, found, share(found), "0 to 1, 0.05 for 5 points")?;
        }
        let format = criteria.min_format_pass_rate < 1.0;
        range(
            "min_format_pass_rate",
            criteria.min_format_pass_rate,
            format,
            "below 1, since no number of answers shows that all keep it",
        )?;
        range("listed", self.listed as f64, self.listed <= 1_000, "at most 1000")?;
        self.resampling().map(drop)
    }

    pub(super) fn resampling(&self) -> Result<Resampling> {
        Resampling::new(self.draws, self.seed).ok_or_else(|| {
            invalid(format!(
                "the gate's draws are {}; they must be {} to {}",
                self.draws,
                Resampling::MIN_DRAWS,
                Resampling::MAX_DRAWS
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named() {
        assert!(GateSettings::default().check().is_ok());
        for (change, named) in [
            ((|s| s.alpha = 0.0) as fn(&mut GateSettings), "alpha"),
            (|s| s.alpha = f64::NAN, "alpha"),
            (|s| s.margin = 5.0, "margin"),
            (|s| s.power = 1.0, "power"),
            (|s| s.max_failed_calls = 0.5, "max_failed_calls"),
            (|s| s.criteria.min_improvement = -0.1, "min_improvement"),
            (|s| s.criteria.min_format_pass_rate = 1.0, "min_format_pass_rate"),
            (
                |s| s.criteria.regression_guardrail = f64::NAN,
                "regression_guardrail",
            ),
            (|s| s.listed = 1_001, "listed"),
            (|s| s.draws = 99, "draws"),
        ] {
            let mut settings = GateSettings::default();
            change(&mut settings);
            let found = settings.check().unwrap_err().to_string();
            assert!(found.starts_with(&format!("the gate's {named} ")), "{found}");
        }
    }

    #[test]
    fn settings_are_read_as_written_and_an_unknown_key_is_an_error() {
        let settings = GateSettings {
            rule: Rule::PointEstimate,
            ..GateSettings::default()
        };
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<GateSettings>(&json).unwrap(), settings);
        let read = |json| serde_json::from_str::<GateSettings>(json);
        assert_eq!(read("{}").unwrap(), GateSettings::default());
        assert!(read(r#"{"alfa": 0.1}"#).is_err());
        assert!(read(r#"{"criteria": {"min": 0.1}}"#).is_err());
    }
}
