//! The rooms of the crate stand on floors, and a room imports only from floors below its own. Reads the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms to come have their floor already.
const FLOORS: [(&str, u8); 18] = [
    ("base", 1),
    ("statistics", 1),
    ("template", 2),
    ("prompt", 3),
    ("render", 4),
    ("llm", 4),
    ("evaluation", 5),
    ("observation", 5),
    ("curation", 6),
    ("environment", 6),
    ("experiment", 7),
    ("deployment", 7),
    ("resolve", 8),
    ("improvement", 8),
    ("ops", 9),
    // Beside the floors: they may import from every floor, and nothing imports from them.
    ("memory", BESIDE),
    ("conformance", BESIDE),
    ("lib", BESIDE),
];
const BESIDE: u8 = u8::MAX;
/// The contract takes the backend in memory as what others must answer like.
const THE_MODEL: (&str, &str) = ("conformance", "memory");

fn floor(room: &str) -> Option<u8> {
    FLOORS
        .into_iter()
        .find(|(name, _)| *name == room)
        .map(|(_, floor)| floor)
}

fn may_import(from: &str, to: &str) -> Result<(), String> {
    if from == to {
        return Ok(());
    }
    let of = |room: &str| floor(room).ok_or_else(|| format!("{room} has no floor; add it to the table"));
    let (above, below) = (of(from)?, of(to)?);
    if (from, to) == THE_MODEL {
        Ok(())
    } else if below == BESIDE {
        Err(format!("nothing may import from {to}"))
    } else if below < above {
        Ok(())
    } else {
        Err(format!("{from} is on floor {above}, {to} on floor {below}"))
    }
}

#[test]
fn rooms_import_only_from_floors_below() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let reexports = reexports(&fs::read_to_string(root.join("lib.rs")).unwrap());
    assert_eq!(reexports.get("ErrorKind").map(String::as_str), Some("base"));
    let mut violations = Vec::new();
    let mut imports = 0;
    for path in rust_files(&root) {
        let relative = path.strip_prefix(&root).unwrap();
        let module = module_path(relative);
        if module.is_empty() || module.iter().any(|segment| segment == "tests") {
            continue;
        }
        for (line, to) in imported_rooms(&fs::read_to_string(&path).unwrap(), &module, &reexports) {
            imports += 1;
            if let Err(why) = may_import(&module[0], &to) {
                violations.push(format!("{}:{line}: {why}", relative.display()));
            }
        }
    }
    assert!(
        imports > 100,
        "only {imports} imports found: the test does not see them"
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn rules_of_the_house() {
    for (from, to) in [
        ("ops", "base"),
        ("resolve", "render"),
        ("memory", "ops"),
        ("prompt", "prompt"),
        ("conformance", "memory"),
    ] {
        assert_eq!(may_import(from, to), Ok(()), "{from} from {to}");
    }
    for (from, to) in [
        ("base", "prompt"),
        ("evaluation", "observation"),
        ("prompt", "render"),
        ("ops", "memory"),
        ("memory", "conformance"),
        ("cellar", "base"),
        ("ops", "cellar"),
    ] {
        assert!(may_import(from, to).is_err(), "{from} from {to}");
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let found = |source: &str| {
        let reexports = BTreeMap::from([("ErrorKind".to_owned(), "base".to_owned())]);
        let module: Vec<String> = ["prompt", "diff", "text"].map(str::to_owned).to_vec();
        imported_rooms(source, &module, &reexports)
    };
    let rooms = |source: &str| -> Vec<String> { found(source).into_iter().map(|(_, room)| room).collect() };
    assert_eq!(rooms("use crate::ops::Stores;"), ["ops"]);
    assert_eq!(
        rooms("use crate::{base::{id, hash}, render::Compiler};"),
        ["base", "render"]
    );
    assert_eq!(
        rooms("fn f() -> crate::render::Closure { crate :: ops :: x() }"),
        ["render", "ops"]
    );
    assert_eq!(
        rooms("use crate::ErrorKind; pub(crate) fn f(k: crate::ErrorKind) {}"),
        ["base", "base"]
    );
    assert_eq!(rooms("use super::super::super::ops::{A, B};"), ["ops"]);
    assert_eq!(
        rooms("use super::super::content::Body; use super::lines;"),
        ["prompt", "prompt"]
    );
    assert_eq!(rooms("use crate::*; use crate::{self};"), ["*", "self"]);
    assert_eq!(
        found("//! head\n\nuse\n  crate::ops::A;"),
        [(4, "ops".to_owned())]
    );
    // A lifetime is no character, and a quote in one does not open a string.
    assert_eq!(
        rooms("fn f<'a>(x: &'a str) { '\"'; '\\''; b'\"'; crate::ops::x() }"),
        ["ops"]
    );
}

#[test]
fn comments_strings_tests_and_exported_macros_do_not_count() {
    for source in [
        "// use crate::ops::A;\n/// [`A`](crate::ops::A)",
        "/* crate::ops /* nested crate::ops */ crate::ops */",
        "const A: &str = \"crate::ops \\\" crate::ops\";",
        "const A: &str = r#\"crate::ops \" crate::ops\"#;",
        "#[cfg(test)]\nmod tests { use crate::ops::A; fn f() { if x {} } }",
        "#[cfg(test)] use crate::ops::A;",
        "#[macro_export]\nmacro_rules! m { () => { $crate::ops::a!() } }",
        "#[cfg(test)]\n#[allow(dead_code)]\nfn f() { crate::ops::a() }",
    ] {
        let found = imported_rooms(source, &["base".to_owned()], &BTreeMap::new());
        assert_eq!(found, [], "{source}");
        // What comes after does count.
        let after = format!("{source}\nuse crate::ops::A;");
        assert_eq!(
            imported_rooms(&after, &["base".to_owned()], &BTreeMap::new()).len(),
            1,
            "{source}"
        );
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `prompt/diff/text.rs` is the module `prompt::diff::text`; `lib.rs` is the root.
fn module_path(relative: &Path) -> Vec<String> {
    let mut segments: Vec<String> = relative
        .with_extension("")
        .components()
        .map(|segment| segment.as_os_str().to_string_lossy().into_owned())
        .collect();
    if segments.last().is_some_and(|last| last == "mod" || last == "lib") {
        segments.pop();
    }
    segments
}

/// The names that `lib.rs` re-exports, and the rooms that they come from.
fn reexports(source: &str) -> BTreeMap<String, String> {
    let tokens = tokens(source);
    let mut names = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text == "use" {
            for path in paths(&tokens, at + 1) {
                if let [room, .., name] = path.as_slice() {
                    names.insert(name.clone(), room.clone());
                }
            }
        }
    }
    names
}

/// Every room that the source of a module names by `crate::` or `super::`, with the line.
fn imported_rooms(
    source: &str,
    module: &[String],
    reexports: &BTreeMap<String, String>,
) -> Vec<(usize, String)> {
    let tokens = tokens(source);
    let mut rooms = Vec::new();
    for at in 0..tokens.len() {
        let begins = at == 0 || tokens[at - 1].text != "::";
        let leads = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        if !(begins && leads && matches!(tokens[at].text.as_str(), "crate" | "super")) {
            continue;
        }
        let mut of_path: Vec<String> = paths(&tokens, at)
            .into_iter()
            .map(|path| {
                let supers = path.iter().take_while(|segment| *segment == "super").count();
                let base = match supers {
                    0 => &[],
                    supers => &module[..module.len().saturating_sub(supers)],
                };
                let rest = &path[if supers == 0 { 1 } else { supers }..];
                let first = base.iter().chain(rest).next().cloned().unwrap_or_default();
                reexports.get(&first).cloned().unwrap_or(first)
            })
            .collect();
        of_path.dedup();
        // By convention, `__name` at the root is an exported macro.
        of_path.retain(|room| !room.starts_with("__"));
        rooms.extend(of_path.into_iter().map(|room| (tokens[at].line, room)));
    }
    rooms
}

/// All paths of a tree such as `crate::{a::b, c}`, from its first token on.
fn paths(tokens: &[Token], mut at: usize) -> Vec<Vec<String>> {
    fn tree(tokens: &[Token], at: &mut usize, prefix: &[String], out: &mut Vec<Vec<String>>) {
        let mut path = prefix.to_vec();
        while let Some(token) = tokens.get(*at) {
            if token.text == "{" {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    tree(tokens, at, &path, out);
                    // Past the comma, and past what is no path (`as name`).
                    while tokens
                        .get(*at)
                        .is_some_and(|token| token.text != "," && token.text != "}")
                    {
                        *at += 1;
                    }
                    if tokens.get(*at).is_some_and(|token| token.text == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            path.push(token.text.clone());
            *at += 1;
            if tokens.get(*at).is_none_or(|token| token.text != "::") {
                break;
            }
            *at += 1;
        }
        out.push(path);
    }
    let mut out = Vec::new();
    tree(tokens, &mut at, &[], &mut out);
    out
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single signs, without comments, strings, characters, tests and exported macros.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        let begin = at;
        let (c, next) = (chars[at], chars.get(at + 1).copied());
        let mut text = None;
        if c == '/' && next == Some('/') {
            at = end_of_line(&chars, at);
        } else if c == '/' && next == Some('*') {
            at = end_of_comment(&chars, at);
        } else if let Some(end) = end_of_raw_string(&chars, at) {
            at = end;
        } else if c == '"' {
            at = end_of_quoted(&chars, at, '"');
        } else if c == '\'' {
            at = end_of_character(&chars, at);
        } else if c.is_alphabetic() || c == '_' {
            while chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                at += 1;
            }
            text = Some(chars[begin..at].iter().collect());
        } else if c == ':' && next == Some(':') {
            at += 2;
            text = Some("::".to_owned());
        } else {
            at += 1;
            text = (!c.is_whitespace()).then(|| c.to_string());
        }
        if let Some(text) = text {
            tokens.push(Token { text, line });
        }
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    without_tests_and_macros(tokens)
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    chars[at..]
        .iter()
        .position(|c| *c == '\n')
        .map_or(chars.len(), |n| at + n)
}

fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`, where one begins.
fn end_of_raw_string(chars: &[char], at: usize) -> Option<usize> {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    let r = at + usize::from(chars[at] == 'b');
    let hashes = chars.get(r + 1..)?.iter().take_while(|c| **c == '#').count();
    if chars[r] != 'r' || chars.get(r + 1 + hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = r + 2 + hashes;
    let end = chars[body..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(end.map_or(chars.len(), |end| body + end + closing.len()))
}

fn end_of_quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `'x'`; of `'a`, a lifetime, only the quote.
fn end_of_character(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) | (Some(_), Some('\'')) => end_of_quoted(chars, at, '\''),
        _ => at + 1,
    }
}

/// Leaves out every item marked `#[cfg(test)]`, and exported macros, whose paths are read where they are used.
fn without_tests_and_macros(tokens: Vec<Token>) -> Vec<Token> {
    const MARKS: [&[&str]; 2] = [
        &["#", "[", "cfg", "(", "test", ")", "]"],
        &["#", "[", "macro_export", "]"],
    ];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = |mark: &&&[&str]| {
            let here = tokens[at..].iter().map(|token| token.text.as_str());
            here.take(mark.len()).eq(mark.iter().copied())
        };
        match MARKS.iter().find(begins) {
            Some(mark) => at = end_of_item(&tokens, at + mark.len()),
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Past the `;` or the closing brace of the item that begins here.
fn end_of_item(tokens: &[Token], begin: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.text.as_str(), ";" | "}") {
            return at + 1;
        }
    }
    tokens.len()
}
