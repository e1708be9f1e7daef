//! `json_schema` against the official JSON-Schema-Test-Suite, which is not in this repository:
//!
//! ```text
//! PROMPTOPS_JSON_SCHEMA_SUITE=…/JSON-Schema-Test-Suite cargo test -p promptops-core --test it schema_suite -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use promptops_core::evaluation::scorer::JsonSchemaMatch;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::scoring::of;

const DRAFTS: [(&str, &str); 3] = [
    ("draft7", "http://json-schema.org/draft-07/schema#"),
    ("draft2019-09", "https://json-schema.org/draft/2019-09/schema"),
    ("draft2020-12", "https://json-schema.org/draft/2020-12/schema"),
];

/// What a schema may be refused for: these do not run by design.
const REFUSALS: [(&str, &str); 4] = [
    ("only references within", "refers to another document"),
    ("`$id` inside", "has an `$id` inside"),
    ("Unknown meta-schema", "has a dialect of its own"),
    ("two of its parts have the anchor", "has one anchor twice"),
];

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    description: String,
    data: Value,
    valid: bool,
}

/// Required tests that were answered rightly, those that were refused and why, and the wrong answers.
#[derive(Default)]
struct Tally {
    right: usize,
    refused: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

async fn run(directory: &Path, dialect: &str) -> Tally {
    let mut tally = Tally::default();
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    // Directories hold what is optional.
    for file in files.iter().filter(|path| path.is_file()) {
        let groups: Vec<Group> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for mut group in groups {
            if let Value::Object(schema) = &mut group.schema {
                schema
                    .entry("$schema")
                    .or_insert_with(|| dialect.to_owned().into());
            }
            let name = format!("{}: {}", file.display(), group.description);
            let scorer = match JsonSchemaMatch::new(group.schema) {
                Ok(scorer) => scorer,
                Err(error) => {
                    let text = error.to_string();
                    let known = REFUSALS.iter().find(|(part, _)| text.contains(part));
                    let why = known.map_or_else(|| format!("{name}: {text}"), |(_, why)| (*why).to_owned());
                    *tally.refused.entry(why).or_default() += group.tests.len();
                    continue;
                }
            };
            for test in group.tests {
                if (of(&scorer, &test.data.to_string()).await == 1.0) == test.valid {
                    tally.right += 1;
                } else {
                    tally.wrong.push(format!("{name}: {}", test.description));
                }
            }
        }
    }
    tally
}

#[tokio::test]
async fn official_tests_are_answered_rightly_or_refused_by_design() {
    // What the suite would find wrong, without the suite.
    let scorer = JsonSchemaMatch::new(json!({"multipleOf": 0.01})).unwrap();
    assert_eq!(of(&scorer, "0.0075").await, 0.0);
    let Ok(suite) = std::env::var("PROMPTOPS_JSON_SCHEMA_SUITE") else {
        return;
    };
    let mut wrong = Vec::new();
    for (name, dialect) in DRAFTS {
        let tally = run(&Path::new(&suite).join("tests").join(name), dialect).await;
        let refused: usize = tally.refused.values().sum();
        let all = tally.right + refused + tally.wrong.len();
        println!(
            "{name}: {all} required tests, {} right, {} wrong, {refused} refused",
            tally.right,
            tally.wrong.len()
        );
        for (why, count) in &tally.refused {
            println!("  {count} of a schema that {why}");
        }
        assert!(
            all > 900 && tally.right * 10 > all * 7,
            "{name}: too few tests ran"
        );
        let known = |why: &str| REFUSALS.iter().any(|(_, known)| *known == why);
        wrong.extend(tally.refused.into_keys().filter(|why| !known(why)));
        wrong.extend(tally.wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
