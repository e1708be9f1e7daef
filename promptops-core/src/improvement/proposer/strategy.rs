//! The ways in which a prompt can be changed, one for each candidate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, invalid};
use crate::base::id::quoted;

/// One way to change a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// Say more clearly what the prompt says already.
    ClarifyRule,
    /// Add one rule.
    AddRule,
    /// Add one example, made up.
    AddExample,
    /// Say the same in fewer words, and leave out what contradicts.
    Shorten,
    /// Whatever follows from how trials went, in one or more rounds.
    Reflect,
}

impl Strategy {
    /// Those that a model is asked for unless said otherwise, in this order.
    pub const DEFAULT: [Self; 4] = [Self::ClarifyRule, Self::AddRule, Self::AddExample, Self::Shorten];

    const ALL: [Self; 5] = [
        Self::ClarifyRule,
        Self::AddRule,
        Self::AddExample,
        Self::Shorten,
        Self::Reflect,
    ];

    /// The stable text form, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClarifyRule => "clarify_rule",
            Self::AddRule => "add_rule",
            Self::AddExample => "add_example",
            Self::Shorten => "shorten",
            Self::Reflect => "reflect",
        }
    }

    /// What a model is told to do.
    pub(super) fn task(self) -> &'static str {
        match self {
            Self::ClarifyRule => {
                "Find the one instruction that the failures show to be unclear, too weak or contradicted elsewhere, and say \
                 it clearly. Add no rule that is not there in substance."
            }
            Self::AddRule => {
                "Add one short general rule that would have prevented the failures. It must hold for all inputs, not only \
                 for those shown."
            }
            Self::AddExample => {
                "Add one short example of an input and its right output that shows what the failures get wrong. Make it up: \
                 no name, number or sentence of it may come from the data shown."
            }
            Self::Shorten => {
                "Make the prompt shorter: cut what is said twice, contradicts itself or distracts from what the failures \
                 need. What it asks for must stay. The result must be shorter than the prompt is now."
            }
            Self::Reflect => {
                "Look at how the prompt's answers failed and what was said of them, find the one cause that explains most of \
                 it, and change what the prompt says about it. What it does well must stay."
            }
        }
    }

    /// What is said of a candidate whose model said nothing that may be kept.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::ClarifyRule => "clarifies a rule",
            Self::AddRule => "adds a rule",
            Self::AddExample => "adds an example",
            Self::Shorten => "shortens the prompt",
            Self::Reflect => "changes what trials showed to be weak",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| invalid(format!("unknown strategy of proposals {}", quoted(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_the_stored_one() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.as_str().parse::<Strategy>().unwrap(), strategy);
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.as_str());
        }
        assert!("rewrite".parse::<Strategy>().is_err());
    }
}
