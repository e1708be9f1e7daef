//! Datasets from files and into files.

use std::io::{self, BufReader, Read};

use promptops_core::base::Actor;
use promptops_core::evaluation::{
    CsvColumns, CsvFormat, DatasetDraft, DatasetHasher, Entry, MissingIds, read_csv, read_jsonl, write_csv,
    write_jsonl,
};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Result};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn jsonl(text: &str) -> Result<Vec<Entry>> {
    read_jsonl(text.as_bytes(), MissingIds::Refused)
}

fn csv(text: &str) -> Result<Vec<Entry>> {
    read_csv(text.as_bytes(), &CsvColumns::new())
}

fn csv_json(text: &str) -> Result<Vec<Entry>> {
    read_csv(
        text.as_bytes(),
        &CsvColumns::new().format(CsvFormat::new().json_cells()),
    )
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// What was expected, and that what is secret is not told.
#[track_caller]
fn assert_refused(result: Result<Vec<Entry>>, words: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains(words), "{error}\nlacks: {words}");
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    error
}

#[test]
fn json_lines_are_read() {
    let text = concat!(
        "\u{feff}",
        r#"{"id": "e1", "input": {"q": "2 + 2", "n": 1.5}, "expected_output": "4"}"#,
        "\r\n",
        r#"  {"group": "g", "metadata": {"kind": "sum"}, "input": {}, "id": "e2", "expected_output": {"a": [1]}}  "#,
        "\n",
        r#"{"id": "e3", "input": {"q": null}, "expected_output": null, "metadata": null, "group": null}"#,
        "\n\r\n  \n",
    );
    assert_eq!(
        jsonl(text).unwrap(),
        [
            Entry::new("e1", map(json!({"q": "2 + 2", "n": 1.5}))).expecting("4"),
            Entry::new("e2", Map::new())
                .expecting(json!({"a": [1]}))
                .with("kind", "sum")
                .in_group("g"),
            Entry::new("e3", map(json!({"q": null}))),
        ]
    );
}

#[test]
fn every_malformed_json_line_is_told_with_its_number() {
    let good = r#"{"id": "good", "input": {}}"#;
    let deep = format!(
        r#"{{"id": "e", "input": {{"a": {}1{}}}}}"#,
        "[".repeat(70),
        "]".repeat(70)
    );
    for (line, words) in [
        (
            r#"{"id": "e", "input": {"hunter2": "hunter2""#,
            "line 2: the JSON breaks off",
        ),
        (
            r#"{"id": "e", "input": {"a": "hunter2"}} {}"#,
            "line 2: no JSON: trailing characters",
        ),
        ("hunter2", "line 2: no JSON: expected value at byte 1"),
        (
            r#"{"id": "e", "input": {"a": NaN}}"#,
            "line 2: no JSON: expected value at byte 28",
        ),
        (
            r#"{"id": "e", "input": {"a": 1, "a": "hunter2"}}"#,
            "the key \"a\" comes twice",
        ),
        (
            r#"{"id": "e", "id": "f", "input": {}}"#,
            "the key \"id\" comes twice",
        ),
        (r#"["hunter2"]"#, "line 2: it is an array; expected an object"),
        (r#"null"#, "it is null"),
        (r#"{"input": {"a": "hunter2"}}"#, "line 2: it has no id"),
        (r#"{"id": 7, "input": {}}"#, "`id` is a number; expected a string"),
        (r#"{"id": "", "input": {}}"#, "an entry's id has 0 bytes"),
        (r#"{"id": "a\nb", "input": {}}"#, "control character"),
        (r#"{"id": "e"}"#, "it has no `input`"),
        (r#"{"id": "e", "input": null}"#, "it has no `input`"),
        (
            r#"{"id": "e", "input": "hunter2"}"#,
            "`input` is a string; expected an object",
        ),
        (
            r#"{"id": "e", "input": {}, "metadata": ["hunter2"]}"#,
            "`metadata` is an array",
        ),
        (
            r#"{"id": "e", "input": {}, "group": {"a": "hunter2"}}"#,
            "`group` is an object",
        ),
        (
            r#"{"id": "e", "input": {}, "group": ""}"#,
            "an entry's group has 0 bytes",
        ),
        (
            r#"{"id": "e", "input": {}, "output": "hunter2"}"#,
            "unknown key \"output\"; expected only id, input",
        ),
        (
            r#"{"id": "e", "input_data": {"a": "hunter2"}}"#,
            "rename it to `input`",
        ),
        (
            r#"{"id": "good", "input": {"a": "hunter2"}}"#,
            "the id \"good\" is that of line 1 already",
        ),
        (&deep, "nested deeper than 64"),
        ("", "line 2: it is blank"),
    ] {
        let text = format!("{good}\n{line}\n{}\n", good.replace("good", "last"));
        let error = assert_refused(jsonl(&text), words);
        assert_eq!(
            error.to_string().matches("line ").count() - usize::from(words.contains("line 1")),
            1,
            "{error}"
        );
    }
    let unknown = "k".repeat(100_000);
    let error = assert_refused(
        jsonl(&format!(r#"{{"id": "e", "input": {{}}, "{unknown}": 1}}"#)),
        "unknown key",
    );
    assert!(error.to_string().len() < 400);
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let line = |bytes: &[u8]| [b"{\"id\":\"e\",\"input\":{\"a\":\"", bytes, b"\"}}"].concat();
    for bytes in [&b"hunter2\xff"[..], b"hunter2\xc3", b"hunter2\xed\xa0\x80"] {
        let error = read_jsonl(&line(bytes)[..], MissingIds::Refused);
        assert_refused(error, "line 1: byte 32 is not UTF-8");
    }
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_refused(
        read_jsonl(&utf16[..], MissingIds::Refused),
        "line 1: byte 1 is not UTF-8",
    );
    assert_refused(
        read_csv(&b"id,input.a\ne,\"x\nhunter2\xff\"\n"[..], &CsvColumns::new()),
        "line 3: byte 8 is not UTF-8",
    );
}

#[test]
fn all_wrong_lines_are_told_up_to_twenty() {
    let text = format!(
        "{}\nx\n{}\n{{}}\n",
        r#"{"id":"a","input":{}}"#, r#"{"id":"a","input":{}}"#
    );
    let error = assert_refused(jsonl(&text), "line 2: no JSON").to_string();
    assert!(
        error.contains("; line 3: the id \"a\" is that of line 1 already"),
        "{error}"
    );
    assert!(error.contains("; line 4: it has no `input`"), "{error}");

    let told = |wrong: usize| {
        let error = assert_refused(jsonl(&"x\n".repeat(wrong)), "line 1: ").to_string();
        (
            error.matches("line ").count(),
            error.contains("the rest was not read"),
        )
    };
    assert_eq!(told(19), (19, false));
    assert_eq!(told(1_000), (20, true));

    let error = assert_refused(
        csv("id,input.a\nx\ny,1\ny,2\nz,\"1\"2\n"),
        "line 2: it has 1 cells; expected 2",
    );
    assert!(
        error
            .to_string()
            .contains("line 4: the id \"y\" is that of line 3"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("line 5: byte 6 comes after a closing quote"),
        "{error}"
    );
}

#[test]
fn endless_lines_and_records_do_not_fill_memory() {
    let endless = || BufReader::new(Read::chain(&b"id,input.a\n"[..], io::repeat(b'"')));
    assert_refused(
        read_jsonl(BufReader::new(io::repeat(b' ')), MissingIds::Refused),
        "line 1: it is longer than 1048576",
    );
    assert_refused(
        read_csv(endless(), &CsvColumns::new()),
        "line 2: it is longer than",
    );
    // A quote that is never closed takes in line after line.
    let lines = Read::chain(&b"id,input.a\na,\""[..], Repeated(b"hunter2\n", 0));
    assert_refused(
        read_csv(BufReader::new(lines), &CsvColumns::new()),
        "line 2: the record is longer than",
    );
}

struct Repeated(&'static [u8], usize);

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = self.0[self.1];
            self.1 = (self.1 + 1) % self.0.len();
        }
        Ok(buffer.len())
    }
}

#[test]
fn the_longest_line_is_the_largest_entry() {
    let entry = |bytes: usize| {
        let empty = Entry::new("e", map(json!({"a": ""})));
        let rest = bytes - serde_json::to_string(&empty).unwrap().len();
        Entry::new("e", map(json!({"a": "x".repeat(rest)})))
    };
    let largest = [entry(Entry::MAX_BYTES)];
    let mut text = Vec::new();
    write_jsonl(&largest, &mut text).unwrap();
    assert_eq!(read_jsonl(&text[..], MissingIds::Refused).unwrap(), largest);
    let larger = [entry(Entry::MAX_BYTES + 1)];
    assert!(write_jsonl(&larger, io::sink()).is_err());
    let line = serde_json::to_string(&larger[0]).unwrap();
    assert_refused(jsonl(&line), "line 1: it is longer than");
}

#[test]
fn readers_and_writers_that_fail_are_told() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    impl io::Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let first = &b"{\"id\":\"e\",\"input\":{}}\n"[..];
    let error = read_jsonl(BufReader::new(first.chain(Failing)), MissingIds::Refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("line: 2"), "{error}");
    let entries = [Entry::new("e", Map::new())];
    let error = write_jsonl(&entries, Failing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(write_csv(&entries, CsvFormat::new(), Failing).is_err());
}

#[test]
fn nothing_to_read_is_an_error() {
    for text in ["", "\n", "\u{feff}", " \r\n\n"] {
        assert_refused(jsonl(text), "there is no entry");
    }
    for (text, words) in [
        ("", "no header"),
        ("\n\n", "no header"),
        ("id,input.a\n", "no entry"),
        ("id\n\n", "no entry"),
    ] {
        assert_refused(csv(text), words);
    }
}

#[test]
fn ids_are_made_of_the_input_and_do_not_change_with_the_rest() {
    let read = |text: &str| read_jsonl(text.as_bytes(), MissingIds::FromInput);
    // The hash is that of the formula written down in another language.
    let id = "input-77b52c422add4686a66f2d5333905080";
    let first = &read(r#"{"input": {"question": "2 + 2"}, "expected_output": "4"}"#).unwrap()[0];
    assert_eq!(first.id, id);
    let both =
        read("{\"id\": \"own\", \"input\": {}}\n{\"input\": {\"question\": \"2 + 2\"}, \"group\": \"g\"}")
            .unwrap();
    assert_eq!((both[0].id.as_str(), both[1].id.as_str()), ("own", id));
    assert_refused(
        read("{\"input\": {\"a\": \"hunter2\"}}\n{\"input\": {\"a\": \"hunter2\"}}"),
        "is that of line 1 already",
    );

    let columns = CsvColumns::new().missing_ids(MissingIds::FromInput);
    for text in ["input.question\n2 + 2\n", "id,input.question\n,2 + 2\n"] {
        assert_eq!(read_csv(text.as_bytes(), &columns).unwrap()[0].id, id);
    }
}

#[test]
fn csv_is_read() {
    let text = "\u{feff}id,input.q,input.note,expected_output,group,metadata.kind\r\n\
                e1,\"a \"\"b\"\", c\r\nd\",,4,,sum\r\n\
                \"e2\", 5 ,null,\"{\",g,\n\
                \u{feff}e3,x,\"\",,,\"\n\"";
    assert_eq!(
        csv(text).unwrap(),
        [
            Entry::new("e1", map(json!({"q": "a \"b\", c\r\nd"})))
                .expecting("4")
                .with("kind", "sum"),
            Entry::new("e2", map(json!({"q": " 5 ", "note": "null"})))
                .expecting("{")
                .in_group("g"),
            Entry::new("\u{feff}e3", map(json!({"q": "x"}))).with("kind", "\n"),
        ]
    );
    let text =
        "id;input.a;expected_output;metadata.tags\n7;5;null;\"[1, \"\"x\"\"]\"\n8;3,5;plain;\"\"\"5\"\"\"\n";
    let columns = CsvColumns::new().format(CsvFormat::new().semicolons().json_cells());
    assert_eq!(
        read_csv(text.as_bytes(), &columns).unwrap(),
        [
            Entry::new("7", map(json!({"a": 5}))).with("tags", json!([1, "x"])),
            Entry::new("8", map(json!({"a": "3,5"})))
                .expecting("plain")
                .with("tags", "5"),
        ]
    );
}

#[test]
fn every_malformed_record_is_told_with_its_number() {
    for (text, words) in [
        ("id,input.a\ne,1,hunter2\n", "line 2: it has 3 cells; expected 2"),
        ("id,input.a\ne,\"x\n\ny\"\nf\n", "line 5: it has 1 cells"),
        ("id,input.a\r\ne,1\r\n\r\nf,2\r\n", "line 3: it is blank"),
        (
            "id,input.a\ne,5\" hunter2\n",
            "line 2: byte 4 is a quote in a cell that is not in quotes",
        ),
        ("id,input.a\ne, \"hunter2\"\n", "line 2: byte 4 is a quote"),
        (
            "id,input.a\ne,\"x\" \n",
            "line 2: byte 6 comes after a closing quote",
        ),
        (
            "id,input.a\ne,\"x\ny\"z\n",
            "line 3: byte 3 comes after a closing quote",
        ),
        ("id,input.a\re,1\r", "line 1: byte 11 is a carriage return"),
        ("id,input.a\ne,1\rx\n", "line 2: byte 4 is a carriage return"),
        (
            "id,input.a\ne,\"hunter2\nhunter2,\n",
            "line 2: a quote is opened in this record and not closed",
        ),
        ("id,input.a\ne,1\n,2\n", "line 3: it has no id"),
        ("id,input.a\ne,1\ne,2\n", "line 3: the id \"e\" is that of line 2"),
        ("id,note\ne,1\n", "line 1: unknown column \"note\""),
        ("id,Input.a\ne,1\n", "unknown column \"Input.a\""),
        ("id, input.a\ne,1\n", "unknown column \" input.a\""),
        ("id,input.\ne,1\n", "the column \"input.\" gives no name"),
        (
            "id,input.a,input.a\ne,1,2\n",
            "the columns \"input.a\" and \"input.a\" are both input.a",
        ),
        ("input.a\n1\n", "there is no column `id`"),
        ("id;input.a\ne;1\n", "separated by semicolons, and not by commas"),
        ("id\tinput.a\ne\t1\n", "separated by tabs, and not by commas"),
    ] {
        assert_refused(csv(text), words);
    }
    assert_refused(
        csv_json("id,input.a\ne,\"{\"\"hunter2\"\": 1\"\n"),
        "line 2: the cell \"input.a\": the JSON breaks off",
    );
    assert_refused(
        csv_json("id,expected_output\ne,[hunter2]\n"),
        "the cell \"expected_output\": no JSON",
    );
    let wide = |columns: usize| {
        let header: Vec<_> = (0..columns - 1).map(|i| format!("input.{i}")).collect();
        csv(&format!(
            "id,{}\ne{}\n",
            header.join(","),
            ",".repeat(columns - 1)
        ))
    };
    assert_eq!(wide(CsvFormat::MAX_COLUMNS).unwrap().len(), 1);
    assert_refused(
        wide(CsvFormat::MAX_COLUMNS + 1),
        "line 1: it has more than 1000 cells",
    );
    assert_refused(
        wide(CsvFormat::MAX_COLUMNS + 2),
        "line 1: it has more than 1000 cells",
    );
}

#[test]
fn other_headers_are_mapped_and_nothing_is_passed_over() {
    let text = "no,question,input.lang,right,customer,kind,\n7,why?,en,because,c1,hard,hunter2\n";
    let columns = CsvColumns::new()
        .id("no")
        .input("question", "q")
        .expected_output("right")
        .group("customer")
        .metadata("kind", "difficulty")
        .ignore("")
        .ignore("not there");
    let entry = Entry::new("7", map(json!({"q": "why?", "lang": "en"})))
        .expecting("because")
        .in_group("c1")
        .with("difficulty", "hard");
    assert_eq!(read_csv(text.as_bytes(), &columns).unwrap(), [entry]);

    let refused = |columns: &CsvColumns, words| assert_refused(read_csv(text.as_bytes(), columns), words);
    refused(
        &columns.clone().input("answer", "a"),
        "there is no column \"answer\", which is mapped",
    );
    refused(
        &columns.clone().group("kind"),
        "the column \"kind\" is mapped twice",
    );
    refused(
        &columns.clone().ignore("kind"),
        "the column \"kind\" is mapped twice",
    );
    refused(&CsvColumns::new().id("no"), "unknown column \"question\"");
    let twice = CsvColumns::new().id("no").input("question", "lang");
    refused(
        &twice,
        "the columns \"question\" and \"input.lang\" are both input.lang",
    );
}

#[test]
fn what_csv_cannot_say_is_refused_before_anything_is_written() {
    let good = || Entry::new("good", map(json!({"a": "x"})));
    let entry = |input: Value| Entry::new("bad", map(input));
    let texts = CsvFormat::new();
    for (format, bad, words) in [
        (
            texts,
            entry(json!({"a": 5})),
            "a number as \"input.a\", which a cell of text cannot say",
        ),
        (texts, entry(json!({"a": ""})), "an empty string as \"input.a\""),
        (texts, good().with("m", json!(null)), "null as \"metadata.m\""),
        (
            texts,
            good().expecting(""),
            "an empty string as \"expected_output\"",
        ),
        (
            texts.json_cells(),
            entry(json!({"": "x"})),
            "a value without a name",
        ),
        (
            texts.json_cells(),
            good().expecting(Value::Null),
            "expects JSON null",
        ),
        (texts.json_cells(), good().in_group(""), "group has 0 bytes"),
        (
            texts.json_cells(),
            entry(
                (0..CsvFormat::MAX_COLUMNS)
                    .map(|i| (i.to_string(), json!(1)))
                    .collect(),
            ),
            "more than 1000 columns",
        ),
    ] {
        let mut written = Vec::new();
        let error = write_csv(&[good(), bad], format, &mut written).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(written.is_empty());
    }
    let error = write_jsonl(&[good().expecting(Value::Null)], io::sink()).unwrap_err();
    assert!(error.to_string().contains("expects JSON null"), "{error}");
}

#[test]
fn csv_is_written_with_columns_in_a_fixed_order() {
    let entries = [
        Entry::new("e1", map(json!({"b": "x", "a": "5"}))).with("m", json!({"k": [1]})),
        Entry::new("e2", map(json!({"c": 5, "a": "say \"hi\""})))
            .expecting(true)
            .in_group("g"),
    ];
    let mut written = Vec::new();
    write_csv(&entries, CsvFormat::new().json_cells(), &mut written).unwrap();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "id,input.a,input.b,input.c,expected_output,group,metadata.m\n\
         e1,\"\"\"5\"\"\",x,,,,\"{\"\"k\"\":[1]}\"\n\
         e2,\"say \"\"hi\"\"\",,5,true,g,\n"
    );
}

/// Texts that files are known to lose.
fn nasty() -> impl Strategy<Value = String> {
    let known = [
        "",
        "null",
        "true",
        "5",
        "-0",
        "1e5",
        "1e999",
        "007",
        "NaN",
        "\"",
        "\"\"",
        "\"a\"",
        "\"a",
        ",",
        ";",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "a\r",
        "\ra",
        "\u{feff}",
        "=1+1",
        " ",
        " x ",
        "{",
        "{}",
        "[1]",
        " [1]",
        "input.a",
        "a.b",
        "4000123412341234567890",
        "\u{2028}",
        "\0",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no other", |f| f.is_finite())
            .prop_map(Value::from),
        nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((nasty(), inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn named(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec(
        (nasty().prop_filter("a name", |name| !name.is_empty()), values),
        0..4,
    )
    .prop_map(Map::from_iter)
}

/// Entries with values of this kind, and unique ids.
fn entries<S: Strategy<Value = Value> + 'static>(values: fn() -> S) -> impl Strategy<Value = Vec<Entry>> {
    let name = || {
        vec(
            any::<char>().prop_filter("no control character", |c| !c.is_control()),
            1..4,
        )
        .prop_map(String::from_iter)
    };
    let expected = proptest::option::of(values().prop_filter("not null", |value| !value.is_null()));
    let parts = (
        name(),
        named(values()),
        expected,
        named(values()),
        proptest::option::of(name()),
    );
    vec(parts, 1..6).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(i, (id, input, expected_output, metadata, group))| Entry {
                id: format!("{id}{i}"),
                input,
                expected_output,
                metadata,
                group,
            })
            .collect()
    })
}

fn texts() -> impl Strategy<Value = Value> {
    nasty()
        .prop_filter("not empty", |text| !text.is_empty())
        .prop_map(Value::from)
}

/// Bit for bit: `-0.0` equals `0.0`, and their JSON forms do not.
fn same(found: &[Entry], expected: &[Entry]) -> Result<(), TestCaseError> {
    let hash = |entries: &[Entry]| {
        let mut hasher = DatasetHasher::new();
        entries.iter().for_each(|entry| hasher.add(entry));
        hasher.finish()
    };
    prop_assert_eq!(
        serde_json::to_string(found).unwrap(),
        serde_json::to_string(expected).unwrap()
    );
    prop_assert_eq!(hash(found), hash(expected));
    Ok(())
}

fn formats() -> impl Strategy<Value = CsvFormat> {
    let format = CsvFormat::new();
    proptest::sample::select(vec![format, format.semicolons(), format.tabs()])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_lines_come_back_as_the_same_entries(entries in entries(value), ended in any::<bool>()) {
        let mut text = Vec::new();
        write_jsonl(&entries, &mut text).unwrap();
        prop_assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), entries.len());
        if !ended {
            text.pop();
        }
        same(&read_jsonl(&text[..], MissingIds::Refused).unwrap(), &entries)?;
    }

    #[test]
    fn csv_with_json_cells_comes_back_as_the_same_entries(entries in entries(value), format in formats()) {
        let format = format.json_cells();
        let mut text = Vec::new();
        write_csv(&entries, format, &mut text).unwrap();
        same(&read_csv(&text[..], &CsvColumns::new().format(format)).unwrap(), &entries)?;
    }

    #[test]
    fn csv_of_texts_comes_back_as_the_same_entries(
        entries in entries(texts),
        format in formats(),
        carriage_returns in any::<bool>(),
    ) {
        let mut text = Vec::new();
        write_csv(&entries, format, &mut text).unwrap();
        if carriage_returns && !String::from_utf8_lossy(&text).contains('"') {
            text = String::from_utf8(text).unwrap().replace('\n', "\r\n").into_bytes();
        }
        same(&read_csv(&text[..], &CsvColumns::new().format(format)).unwrap(), &entries)?;
    }

    #[test]
    fn no_text_makes_reading_fail_but_by_an_error(bytes in vec(proptest::sample::select(&b"id,;\"\n\r{}[]:1ax \xff\xef"[..]), 0..60)) {
        let _ = read_jsonl(&bytes[..], MissingIds::FromInput);
        let columns = CsvColumns::new().missing_ids(MissingIds::FromInput).ignore("a").ignore("");
        let _ = read_csv(&bytes[..], &columns);
        let text = [b"id,input.a\n", &bytes[..]].concat();
        if let Ok(entries) = read_csv(&text[..], &columns) {
            let mut written = Vec::new();
            write_csv(&entries, CsvFormat::new(), &mut written).unwrap();
            same(&read_csv(&written[..], &CsvColumns::new()).unwrap(), &entries)?;
        }
    }
}

#[tokio::test]
async fn a_dataset_is_imported_saved_and_exported_page_by_page() {
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let datasets = ops.tenant("acme").unwrap().datasets();
    let ana = Actor::owner("ana");
    let text: String = (0..2_500)
        .map(|i| {
            format!(
                "{{\"id\":\"e{i}\",\"input\":{{\"n\":{i}}},\"metadata\":{{\"even\":{}}}}}\n",
                i % 2 == 0
            )
        })
        .collect();
    let draft = DatasetDraft::from_jsonl(text.as_bytes(), MissingIds::Refused).unwrap();
    let saved = datasets
        .save("numbers", draft.message("from a file"), &ana)
        .await
        .unwrap();
    assert_eq!(saved.entries, 2_500);
    let mut lines = Vec::new();
    datasets.export_jsonl(&saved, &mut lines).await.unwrap();
    assert_eq!(String::from_utf8(lines).unwrap(), text);

    let format = CsvFormat::new().json_cells();
    let mut table = Vec::new();
    datasets.export_csv(&saved, format, &mut table).await.unwrap();
    let draft = DatasetDraft::from_csv(&table[..], &CsvColumns::new().format(format)).unwrap();
    let again = datasets.save("numbers", draft, &ana).await.unwrap();
    assert_eq!((again.version, again.hash), (saved.version, saved.hash));

    // Entries that are not those of the hash are no export.
    let mut other = saved.clone();
    other.hash = DatasetHasher::new().finish();
    let error = datasets.export_jsonl(&other, io::sink()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let mut table = Vec::new();
    let error = datasets.export_csv(&other, format, &mut table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(table.is_empty());
    let error = datasets
        .export_csv(&saved, CsvFormat::new(), &mut table)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("json_cells"), "{error}");
    assert!(table.is_empty());
}

#[test]
fn large_files_are_read() {
    let lines: String = (0..20_000)
        .map(|i| {
            format!("{{\"id\":\"e{i}\",\"input\":{{\"q\":\"question {i}\"}},\"expected_output\":\"{i}\"}}\n")
        })
        .collect();
    assert_eq!(jsonl(&lines).unwrap().len(), 20_000);
    let table: String = (0..20_000).map(|i| format!("e{i},question {i},{i}\n")).collect();
    assert_eq!(
        csv(&format!("id,input.q,expected_output\n{table}"))
            .unwrap()
            .len(),
        20_000
    );
}
