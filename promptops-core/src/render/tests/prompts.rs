//! Prompts as teams have them in production, in the files of `prompts/`: both engines give the same messages, and
//! those that are written down there.
//!
//! A file has prompts after `=== prompt`, each with its messages (`=== text`, `=== system`, `=== user`, `=== history` with
//! the name of the parameter), its snippets, and sets of parameters; `=== gives` has what the parameters before it make.

use serde_json::Value;

use super::both::{Agreed, BOTH, Form, Pair, compile};
use super::*;
use crate::prompt::{ChatItem, placeholder, system, user};

struct Prompt {
    name: String,
    content: Content,
    snippets: Vec<(String, String)>,
    /// Each with what it gives, where that is written down.
    parameters: Vec<(Value, Option<String>)>,
}

/// What stands after each `===`, with the text below it.
fn sections(file: &str) -> Vec<(&str, &str, String)> {
    let mut sections: Vec<(&str, &str, String)> = Vec::new();
    for line in file.split_inclusive('\n') {
        if let Some(head) = line.strip_prefix("=== ") {
            let (kind, name) = head.trim_end().split_once(' ').unwrap_or((head.trim_end(), ""));
            sections.push((kind, name, String::new()));
        } else if let Some((.., text)) = sections.last_mut() {
            text.push_str(line);
        }
    }
    for (.., text) in &mut sections {
        // The file's own end of line, and the empty line between two prompts.
        text.truncate(text.strip_suffix('\n').map_or(text.len(), str::len));
    }
    sections
}

fn prompts(file: &str) -> Vec<Prompt> {
    let mut prompts: Vec<(Prompt, Vec<ChatItem>)> = Vec::new();
    let sections = sections(file);
    for (at, (kind, name, text)) in sections.iter().enumerate() {
        let mut text = text.clone();
        if sections.get(at + 1).is_some_and(|(kind, ..)| *kind == "prompt") {
            text.truncate(text.strip_suffix('\n').map_or(text.len(), str::len));
        }
        if *kind == "prompt" {
            let prompt = Prompt {
                name: (*name).to_owned(),
                content: Content::text(""),
                snippets: Vec::new(),
                parameters: Vec::new(),
            };
            prompts.push((prompt, Vec::new()));
            continue;
        }
        let (prompt, items) = prompts.last_mut().unwrap();
        match *kind {
            "text" => prompt.content = Content::text(text),
            "system" => items.push(system(text)),
            "user" => items.push(user(text)),
            "history" => items.push(placeholder(*name)),
            "snippet" => prompt.snippets.push(((*name).to_owned(), text)),
            "parameters" => {
                let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", prompt.name));
                prompt.parameters.push((value, None));
            }
            "gives" => prompt.parameters.last_mut().unwrap().1 = Some(text),
            kind => panic!("{}: {kind}", prompt.name),
        }
        if !items.is_empty() {
            prompt.content = Content::chat(items.clone());
        }
    }
    prompts.into_iter().map(|(prompt, _)| prompt).collect()
}

fn all() -> Vec<Prompt> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/render/tests/prompts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| prompts(&std::fs::read_to_string(file).unwrap()))
        .collect()
}

fn closure(prompt: &Prompt) -> Closure {
    let snippets: Vec<(&str, &str)> = prompt
        .snippets
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    resolve(prompt.content.clone(), &snippets).unwrap_or_else(|e| panic!("{}: {e}", prompt.name))
}

/// As `=== gives` has it.
fn written(rendered: Rendered) -> String {
    match rendered {
        Rendered::Text(text) => text,
        Rendered::Chat(messages) => {
            let lines: Vec<String> = messages.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

#[test]
fn prompts_of_production_render_as_in_tera() {
    let mut counts = BTreeMap::new();
    let prompts = all();
    let mut compiled = 0;
    for prompt in &prompts {
        let pair = Pair::of(&closure(prompt), RenderLimits::default())
            .unwrap()
            .unwrap_or_else(|| panic!("{} does not compile", prompt.name));
        compiled += u32::from(pair.is_compiled());
        assert!(prompt.parameters.len() >= 2, "{}", prompt.name);
        for (parameters, _) in &prompt.parameters {
            let agreed = pair
                .compare(parameters)
                .unwrap_or_else(|what| panic!("{}: {what}\n{parameters}", prompt.name));
            // Where a comparison or a calculation cannot be made, Tera points to one of its sides.
            assert!(
                matches!(agreed, Agreed::Text | Agreed::Failed | Agreed::FailedElsewhere),
                "{}: {agreed:?}\n{parameters}",
                prompt.name
            );
            *counts.entry(format!("{agreed:?}")).or_insert(0) += 1;
        }
    }
    eprintln!(
        "{} prompts, {compiled} in the compiled form, {counts:?}",
        prompts.len()
    );
    assert!(compiled >= 60, "{compiled}");
    assert!(prompts.len() >= 60 && counts["Text"] > 100, "{counts:?}");
}

#[test]
fn prompts_of_production_give_what_is_written_down() {
    let mut failed = String::new();
    let mut checked = 0;
    for prompt in all() {
        let closure = closure(&prompt);
        for form in BOTH {
            let compiled = compile(form, &closure, RenderLimits::default()).unwrap();
            for (parameters, gives) in &prompt.parameters {
                let Some(gives) = gives else { continue };
                checked += 1;
                let rendered = match compiled.render(parameters) {
                    Ok(rendered) => written(rendered),
                    Err(error) => error.to_string(),
                };
                if rendered != *gives {
                    let name = &prompt.name;
                    failed += &format!("{name}, {form:?}:\n{rendered}\n-- expected:\n{gives}\n");
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(checked > 100, "{checked}");
}

#[test]
fn both_forms_are_what_they_say() {
    let closure = resolve(Content::text("{{ a }}"), &[]).unwrap();
    assert_eq!(BOTH, [Form::Compiled, Form::Tera]);
    for form in BOTH {
        let compiled = compile(form, &closure, RenderLimits::default()).unwrap();
        assert_eq!(compiled.parameters()[0].name, "a");
    }
}
