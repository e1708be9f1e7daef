//! Settings from the process environment.

use promptops_core::{Error, ErrorKind};

/// Looks a variable up: the process environment, or a table in tests.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process environment.
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable that may be missing; an empty one counts as missing.
pub(crate) fn optional(lookup: Lookup<'_>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.trim().is_empty())
}

/// A variable that must be there.
pub(crate) fn needed(lookup: Lookup<'_>, name: &str, what: &str) -> Result<String, Error> {
    optional(lookup, name).ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!("the environment variable {name} is missing or empty; set it to {what}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use promptops_core::llm::LlmClient as _;

    use crate::{AnthropicBuilder, AzureOpenAiBuilder, OpenAiBuilder};

    fn table(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn an_error_names_the_variable_that_is_missing() {
        let missing: [(&'static [(&str, &str)], &str); 3] = [
            (&[], "AZURE_OPENAI_ENDPOINT"),
            (
                &[("AZURE_OPENAI_ENDPOINT", "https://x.example")],
                "AZURE_OPENAI_API_KEY",
            ),
            (&[("AZURE_OPENAI_ENDPOINT", " ")], "AZURE_OPENAI_ENDPOINT"),
        ];
        for (variables, name) in missing {
            let error = AzureOpenAiBuilder::from_lookup(&table(variables)).unwrap_err();
            assert!(error.message().contains(name), "{error}");
        }
        let error = OpenAiBuilder::from_lookup(&table(&[("OPENAI_API_KEY", "")])).unwrap_err();
        assert!(error.message().contains("OPENAI_API_KEY"), "{error}");
        let error = AnthropicBuilder::from_lookup(&table(&[])).unwrap_err();
        assert!(error.message().contains("ANTHROPIC_API_KEY"), "{error}");
    }

    #[test]
    fn clients_are_built_from_the_environment() {
        let openai = OpenAiBuilder::from_lookup(&table(&[
            ("OPENAI_API_KEY", "sk-c4n4ry"),
            ("OPENAI_BASE_URL", "http://localhost:1/v1"),
            ("OPENAI_ORG_ID", "org"),
        ]));
        let shown = format!("{:?}", openai.unwrap().build().unwrap());
        assert!(
            shown.contains("http://localhost:1/v1/chat/completions"),
            "{shown}"
        );
        let anthropic = AnthropicBuilder::from_lookup(&table(&[
            ("ANTHROPIC_API_KEY", "sk-c4n4ry"),
            ("ANTHROPIC_BASE_URL", "http://localhost:1"),
        ]));
        let shown = format!("{:?}", anthropic.unwrap().build().unwrap());
        assert!(shown.contains("http://localhost:1/v1/messages"), "{shown}");
        for key in ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"] {
            let lookup = |name: &str| match name {
                "AZURE_OPENAI_ENDPOINT" => Some("http://localhost:1".to_owned()),
                "AZURE_OPENAI_DEPLOYMENT" => Some("d".to_owned()),
                "OPENAI_API_VERSION" => Some("2025-01-01".to_owned()),
                other => (other == key).then(|| "c4n4ry-0123".to_owned()),
            };
            let client = AzureOpenAiBuilder::from_lookup(&lookup).unwrap().build().unwrap();
            assert_eq!(client.model(), Some("d"));
            assert!(format!("{client:?}").contains("2025-01-01"));
        }
    }
}
