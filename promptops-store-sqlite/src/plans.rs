//! No statement reads a whole table: every one goes by an index.

use rusqlite::Connection;

use crate::{audit, environment, evaluation, feed, lookup, observation, options, prompt, schema, tenancy};

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
        ("environment", environment::STATEMENTS),
        ("evaluation", evaluation::STATEMENTS),
        ("feed", feed::STATEMENTS),
        ("lookup", lookup::STATEMENTS),
        ("observation", observation::STATEMENTS),
        ("prompt", prompt::STATEMENTS),
        ("tenancy", tenancy::STATEMENTS),
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
                assert!(
                    !sql.starts_with("INSERT")
                        || line == "SEARCH promptops_pointer USING PRIMARY KEY (prompt=?)",
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
    assert!(count > 50, "{count}");
}
