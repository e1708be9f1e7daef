//! A server, from its making to its end.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use private_postgres::Server;

use crate::{client, psql, query, somebody_listens, soon};

fn ask(server: &Server, sql: &str) -> String {
    query(server.binaries(), &server.url("postgres"), sql)
}

#[test]
fn a_server_answers_on_both_ways_and_leaves_nothing() {
    let server = Server::start().unwrap();
    for url in [server.url("postgres"), server.socket_url("postgres")] {
        let ready = client(server.binaries(), "pg_isready")
            .args(["-d", &url])
            .output()
            .unwrap();
        assert!(ready.status.success(), "{ready:?}");
        assert_eq!(query(server.binaries(), &url, "SELECT current_user"), "postgres");

        let wrong = url.replace(server.password(), "wrong");
        let refused = psql(server.binaries(), &wrong, "SELECT 1");
        let message = String::from_utf8_lossy(&refused.stderr);
        assert!(message.contains("password authentication failed"), "{message:?}");
    }
    let over_tcp = "SELECT inet_client_addr() IS NOT NULL";
    assert_eq!(ask(&server, over_tcp), "t");
    assert_eq!(
        query(server.binaries(), &server.socket_url("postgres"), over_tcp),
        "f"
    );
    assert!(!format!("{server:?}").contains(server.password()));

    let (directory, port) = (server.socket_dir().to_owned(), server.port());
    assert!(directory.exists() && somebody_listens(port));
    drop(server);
    assert!(!directory.exists() && !somebody_listens(port));
}

#[test]
fn settings_are_what_was_asked_for() {
    let shown = "SELECT string_agg(current_setting(name), ' ' ORDER BY at) FROM unnest(ARRAY['fsync', \
        'full_page_writes', 'synchronous_commit', 'server_encoding', 'lc_collate', 'TimeZone', 'autovacuum', \
        'max_connections', 'shared_buffers', 'lock_timeout']) WITH ORDINALITY AS names (name, at)";
    let careless = Server::start().unwrap();
    assert_eq!(
        ask(&careless, shown),
        "off off on UTF8 C UTC on 200 64MB 0",
        "by default"
    );
    let durable = Server::options()
        .fsync(true)
        .setting("lock_timeout", "2s")
        .setting("shared_buffers", "1MB")
        .start()
        .unwrap();
    assert_eq!(ask(&durable, shown), "on on on UTF8 C UTC on 200 1MB 2s");

    ask(&careless, "CREATE DATABASE \"only here?\"");
    let here = careless.url("only here?");
    assert_eq!(query(careless.binaries(), &here, "SELECT 1"), "1");
    let there = psql(durable.binaries(), &durable.url("only here?"), "SELECT 1");
    assert!(String::from_utf8_lossy(&there.stderr).contains("does not exist"));
}

#[test]
fn what_was_committed_is_there_after_every_end() {
    let mut server = Server::start().unwrap();
    let port = server.port();
    ask(&server, "CREATE TABLE end_of (kind text)");

    ask(&server, "INSERT INTO end_of VALUES ('crash')");
    server.stop_immediate().unwrap();
    assert!(!server.is_running().unwrap() && !somebody_listens(port));
    server.start_again().unwrap();
    assert!(server.is_running().unwrap() && server.port() == port);
    assert_eq!(ask(&server, "TABLE end_of"), "crash");

    ask(&server, "INSERT INTO end_of VALUES ('order')");
    server.stop_fast().unwrap();
    server.stop_fast().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let error = server.start_again().unwrap_err().to_string();
    assert!(error.contains("has been taken"), "{error}");
    drop(taken);
    server.start_again().unwrap();
    assert_eq!(ask(&server, "TABLE end_of"), "crash\norder");

    ask(&server, "INSERT INTO end_of VALUES ('by others')");
    let status = fs::read_to_string(server.socket_dir().join("data/postmaster.pid")).unwrap();
    let pid = status.lines().next().unwrap();
    let signalled = Command::new("sh")
        .args(["-c", "kill -s INT \"$1\"", "sh", pid])
        .status()
        .unwrap();
    assert!(signalled.success());
    soon("the end of the server", || !server.is_running().unwrap());
    server.start_again().unwrap();
    assert_eq!(ask(&server, "TABLE end_of"), "crash\norder\nby others");

    let error = server.start_again().unwrap_err().to_string();
    assert!(error.contains("only after it was stopped"), "{error}");
}

#[test]
fn without_programs_the_error_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let error = Server::options()
        .binaries(empty.path())
        .start()
        .unwrap_err()
        .to_string();
    for part in [
        empty.path().to_str().unwrap(),
        "there is no initdb",
        "apt-get install postgresql",
        "PROMPTOPS_POSTGRES_BIN",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let error = Server::options()
        .setting("no_such_setting", "1")
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("ended before it accepted connections"), "{error}");
    assert!(
        error.contains("unrecognized configuration parameter \"no_such_setting\""),
        "{error}"
    );
}
