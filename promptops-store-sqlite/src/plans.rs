//! No statement reads a whole table: every one goes by an index.

use rusqlite::Connection;

use crate::{
    audit, completion, dataset, deployment, environment, evaluation, experiment, feed, improvement, lookup,
    metrics, options, prompt, schema, tenancy, trace,
};

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_statement_goes_by_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let options = options::SqliteOptions::default();
    let connection = schema::open_writer(&dir.path().join("plans.db"), &options).unwrap();
    let rooms = [
        ("audit", audit::STATEMENTS),
        ("completion", completion::STATEMENTS),
        ("dataset", dataset::STATEMENTS),
        ("deployment", deployment::STATEMENTS),
        ("deployment::commit", deployment::commit::STATEMENTS),
        ("environment", environment::STATEMENTS),
        ("evaluation::evidence", evaluation::evidence::STATEMENTS),
        ("evaluation::result", evaluation::result::STATEMENTS),
        ("evaluation::run", evaluation::run::STATEMENTS),
        ("evaluation::work", evaluation::work::STATEMENTS),
        ("experiment", experiment::STATEMENTS),
        ("experiment::outcome", experiment::outcome::STATEMENTS),
        ("feed", feed::STATEMENTS),
        ("improvement::lease", improvement::lease::STATEMENTS),
        ("improvement::record", improvement::record::STATEMENTS),
        ("improvement::spending", improvement::spending::STATEMENTS),
        ("lookup", lookup::STATEMENTS),
        ("metrics", metrics::STATEMENTS),
        ("metrics::counts", metrics::counts::STATEMENTS),
        ("prompt", prompt::STATEMENTS),
        ("tenancy", tenancy::STATEMENTS),
        ("trace", trace::STATEMENTS),
    ];
    let mut count = 0;
    for (room, statements) in rooms {
        for (name, sql) in statements {
            let plan = plan(&connection, sql);
            count += 1;
            for line in plan.lines().filter(|line| *line != "SCAN CONSTANT ROW") {
                assert!(!line.starts_with("SCAN"), "{room}::{name}: {plan}");
                assert!(!line.contains("AUTOMATIC"), "{room}::{name}: {plan}");
                // A foreign key can make an insert search its children.
                let children = [
                    "SEARCH promptops_pointer USING PRIMARY KEY (prompt=?)",
                    "SEARCH promptops_lease USING PRIMARY KEY (run=?)",
                    "SEARCH promptops_result USING COVERING INDEX sqlite_autoindex_promptops_result_1 (run=?)",
                    "SEARCH promptops_dataset_version USING COVERING INDEX sqlite_autoindex_promptops_dataset_version_2 \
                     (dataset=?)",
                    "SEARCH promptops_tally USING PRIMARY KEY (experiment=?)",
                    "SEARCH promptops_transition USING COVERING INDEX sqlite_autoindex_promptops_transition_1 (deployment=?)",
                ];
                assert!(
                    !sql.starts_with("INSERT") || children.contains(&line),
                    "{room}::{name}: {plan}"
                );
                // Policies are few, and listed whole; approvals are those of one slot.
                let sorts_few = ["POLICIES", "POLICIES_FOR", "APPROVALS", "APPROVALS_OF_FIRST"];
                assert!(
                    !line.contains("TEMP B-TREE") || sorts_few.contains(name),
                    "{room}::{name}: {plan}"
                );
            }
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn pages_of_deployments_begin_at_their_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let options = options::SqliteOptions::default();
    let connection = schema::open_writer(&dir.path().join("plans.db"), &options).unwrap();
    let lists = deployment::STATEMENTS
        .iter()
        .filter(|(name, _)| name.starts_with("LIST"));
    let mut count = 0;
    for (name, sql) in lists {
        let plan = plan(&connection, sql);
        // A slot has one at most.
        let seeks = match *name {
            "LIST_OF_SLOT" => "(tenant=? AND prompt=? AND environment=?)",
            _ => "name<?)",
        };
        assert!(plan.contains(seeks), "{name}: {plan}");
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn pages_of_records_of_improvement_begin_at_their_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let options = options::SqliteOptions::default();
    let connection = schema::open_writer(&dir.path().join("plans.db"), &options).unwrap();
    for (name, seeks) in [
        ("LIST", "(tenant=? AND kind=? AND name<?)"),
        ("LIST_OF_PROMPT", "(tenant=? AND kind=? AND prompt=? AND name<?)"),
        ("LIST_IN_STATUS", "(tenant=? AND kind=? AND status=? AND name<?)"),
    ] {
        let mut statements = improvement::record::STATEMENTS.iter();
        let (_, sql) = statements.find(|(of, _)| *of == name).unwrap();
        let plan = plan(&connection, sql);
        assert!(plan.contains(seeks), "{name}: {plan}");
    }
}
