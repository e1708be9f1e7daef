//! What a candidate must be before anything is spent on trying it.
//!
//! | guard | lets through |
//! |---|---|
//! | `known_text` | a text that is neither live nor known |
//! | `messages_changed`, `settings_changed` | the live prompt's messages, roles, placeholders, settings, tools and schemas |
//! | `grown` | templates that grow by a quarter at most, and what they render to |
//! | `does_not_compile` | what could be saved and compiles within the limits |
//! | `variables_dropped` | every variable of the live prompt with the attributes taken from it; where its value is rendered now, it still is |
//! | `variables_invented` | no variable that calls do not pass |
//! | `variables_required` | no variable needed that can be left out now |
//! | `variables_raised` | no variable among instructions that is not there now |
//! | `snippets_changed` | the live prompt's snippets, each as often |
//! | `invisible` | no new characters that nobody sees |
//! | `new_contact` | no new address of web or mail, nothing new that looks like a secret |
//! | `copied` | no run of 8 words, and no number of 5 digits, that a trace has and the live prompt has not |
//! | `does_not_render` | what renders within the limits with the inputs of traces |
//! | `tags_unseen` | no new tags where no trace's inputs show what they do |
//!
//! The last four are held against the templates and against what they render to, so that no text can hide behind tags. They
//! catch what a model was led to copy, and most of what it would hide; they do not know every secret by its look, and no guard
//! says that a candidate is any good.

mod contacts;
mod copied;
mod frame;
mod refusal;
mod settings;
mod variables;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use contacts::Contact;
pub use refusal::GuardRefusal;
pub use settings::GuardSettings;

use super::brief::{Brief, strings};
use crate::base::error::Result;
use crate::improvement::cluster::mask::is_invisible;
use crate::prompt::{Body, ChatItem, Content, ContentAnalysis, closure_hash};
use crate::render::{Closure, CompiledPrompt};
use contacts::Contacts;
use copied::Runs;
use frame::{check_frame, check_snippets};
use variables::Variables;

/// The guards of one brief. Making them reads all its traces once; each candidate is then held against what was found.
pub struct Guard<'a> {
    brief: &'a Brief<'a>,
    contacts: Contacts,
    /// Of what traces say, and of their inputs each as one text.
    of_traces: Runs,
    /// The same without inputs as one text, whose keys may stand before a value in what is rendered.
    of_texts: Runs,
    live: Side,
    variables: Variables,
    tags: usize,
    /// Whether the live prompt compiles with what the brief has.
    compiles: bool,
    renderings: Vec<Rendering<'a>>,
}

/// What a live text has, which is not new in a candidate.
struct Side {
    bytes: usize,
    runs: Runs,
    contacts: BTreeSet<(Contact, String)>,
}

/// The live prompt with the inputs of one trace.
struct Rendering<'a> {
    inputs: Option<&'a Map<String, Value>>,
    side: Side,
    /// The inputs by name that have a text which is in it, with that text.
    shown: Vec<(&'a str, &'a str)>,
}

impl<'a> Guard<'a> {
    /// For candidates of this brief.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for settings that cannot be.
    pub fn new(brief: &'a Brief<'a>) -> Result<Self> {
        let settings = brief.guard_settings();
        settings.check()?;
        let contacts = Contacts::new()?;
        let length = settings.copied_words;
        let templates = templates(brief.live());
        let whole: Vec<String> = brief
            .traces()
            .filter(|trace| !trace.inputs.is_null())
            .map(|trace| trace.inputs.to_string())
            .collect();
        let of_texts = Runs::of(brief.traces().flat_map(|trace| trace.texts()), length);
        let mut of_traces = of_texts.clone();
        of_traces.add(&Runs::of(whole.iter().map(String::as_str), length));
        let mut guard = Self {
            of_traces,
            of_texts,
            live: Side::of(&templates, &contacts, length),
            variables: Variables::of(brief.live(), brief.analysis()),
            tags: tags(&templates),
            contacts,
            brief,
            compiles: false,
            renderings: Vec::new(),
        };
        if let Some(Ok(live)) = guard.compiled(brief.live(), brief.analysis().clone()) {
            guard.compiles = true;
            guard.renderings = guard.live_renderings(&live);
        }
        Ok(guard)
    }

    /// Whether the candidate may be tried.
    ///
    /// # Errors
    /// The first guard that refuses it.
    pub fn check(&self, candidate: &Content) -> Result<(), GuardRefusal> {
        let brief = self.brief;
        let hash = candidate.hash();
        if *candidate == *brief.live() || hash == brief.live().hash() || brief.is_known(&hash) {
            return Err(GuardRefusal::KnownText);
        }
        check_frame(brief.live(), candidate)?;
        let templates = templates(candidate);
        self.check_growth(&templates)?;
        let failed = |error: crate::Error| GuardRefusal::DoesNotCompile {
            why: GuardRefusal::message(&error),
        };
        candidate.check().map_err(failed)?;
        let analysis = ContentAnalysis::of(brief.prompt(), None, candidate).map_err(failed)?;
        self.check_variables(&Variables::of(candidate, &analysis))?;
        check_snippets(brief.analysis(), &analysis)?;
        let compiled = match self.compiled(candidate, analysis) {
            Some(compiled) if self.compiles => Some(compiled.map_err(failed)?),
            _ => None,
        };
        self.check_texts(&templates)?;
        match compiled {
            Some(compiled) if !self.renderings.is_empty() => self
                .renderings
                .iter()
                .try_for_each(|rendering| self.check_rendering(&compiled, rendering)),
            _ if tags(&templates) > self.tags => Err(GuardRefusal::TagsUnseen),
            _ => Ok(()),
        }
    }

    /// A text beside a candidate, such as its rationale, without what nobody sees; `None` where it repeats a trace or holds a
    /// new address.
    #[must_use]
    pub fn kept(&self, text: &str) -> Option<String> {
        let plain = visible(text);
        let length = self.brief.guard_settings().copied_words;
        let may_be = self.contacts.new_in(&plain, &self.live.contacts).is_none()
            && self
                .of_traces
                .copied(&plain, length, &[&self.live.runs])
                .is_none();
        may_be.then(|| text.chars().filter(|c| !is_hidden(*c)).collect())
    }

    /// Adds texts that a candidate may not copy either, such as what a model answered in a trial.
    pub fn watch<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        let more = Runs::of(texts, self.brief.guard_settings().copied_words);
        self.of_traces.add(&more);
        self.of_texts.add(&more);
    }

    /// Adds a candidate that passed: what it says is not copied, although models that were asked with it may repeat it.
    pub fn allow(&mut self, passed: &Content) {
        let plain: Vec<String> = templates(passed).into_iter().map(visible).collect();
        let length = self.brief.guard_settings().copied_words;
        self.live
            .runs
            .add(&Runs::of(plain.iter().map(String::as_str), length));
    }

    /// What it is about.
    #[must_use]
    pub fn brief(&self) -> &'a Brief<'a> {
        self.brief
    }

    fn check_growth(&self, templates: &[&str]) -> Result<(), GuardRefusal> {
        let (from, to) = (self.live.bytes, bytes(templates));
        let most = self.brief.guard_settings().most_bytes(from);
        if to > most {
            return Err(GuardRefusal::Grown { from, to, most });
        }
        Ok(())
    }

    fn check_variables(&self, found: &Variables) -> Result<(), GuardRefusal> {
        let live = &self.variables;
        let dropped: Vec<&str> = live.paths.difference(&found.paths).map(String::as_str).collect();
        if !dropped.is_empty() {
            return Err(GuardRefusal::VariablesDropped {
                names: GuardRefusal::names(dropped),
            });
        }
        let invented = found.required.iter().filter(|(name, required)| {
            let given = |trace: &super::TraceExcerpt| trace.inputs.get(name.as_str()).is_some();
            let mut with_inputs = self
                .brief
                .traces()
                .filter(|trace| trace.inputs.is_object())
                .peekable();
            !live.required.contains_key(*name)
                && (with_inputs.peek().is_none()
                    || if **required {
                        !with_inputs.all(given)
                    } else {
                        !with_inputs.any(given)
                    })
        });
        let invented: Vec<&str> = invented.map(|(name, _)| name.as_str()).collect();
        if !invented.is_empty() {
            return Err(GuardRefusal::VariablesInvented {
                names: GuardRefusal::names(invented),
            });
        }
        let required = found
            .required
            .iter()
            .filter(|(name, required)| **required && live.required.get(*name) == Some(&false));
        let required: Vec<&str> = required.map(|(name, _)| name.as_str()).collect();
        if !required.is_empty() {
            return Err(GuardRefusal::VariablesRequired {
                names: GuardRefusal::names(required),
            });
        }
        let raised: Vec<&str> = found
            .instructions
            .difference(&live.instructions)
            .map(String::as_str)
            .collect();
        if !raised.is_empty() {
            return Err(GuardRefusal::VariablesRaised {
                names: GuardRefusal::names(raised),
            });
        }
        Ok(())
    }

    /// What the templates say as they are written.
    fn check_texts(&self, templates: &[&str]) -> Result<(), GuardRefusal> {
        let length = self.brief.guard_settings().copied_words;
        let known: BTreeSet<char> = self::templates(self.brief.live())
            .into_iter()
            .flat_map(str::chars)
            .filter(|c| is_hidden(*c))
            .collect();
        for template in templates {
            if template.chars().any(|c| is_hidden(c) && !known.contains(&c)) {
                return Err(GuardRefusal::Invisible);
            }
            let plain = visible(template);
            if let Some(kind) = self.contacts.new_in(&plain, &self.live.contacts) {
                return Err(GuardRefusal::NewContact { kind });
            }
            if let Some(words) = self.of_traces.copied(&plain, length, &[&self.live.runs]) {
                return Err(GuardRefusal::Copied { words });
            }
        }
        Ok(())
    }

    /// What they say with the inputs of a trace.
    fn check_rendering(&self, candidate: &CompiledPrompt, live: &Rendering<'_>) -> Result<(), GuardRefusal> {
        let texts = rendered(candidate, live.inputs).map_err(|error| GuardRefusal::DoesNotRender {
            why: GuardRefusal::message(&error),
        })?;
        let settings = self.brief.guard_settings();
        let (from, to) = (live.side.bytes, bytes(&texts));
        let more = settings.most_bytes(self.live.bytes) - self.live.bytes;
        let most = settings.most_bytes(from).saturating_add(more);
        if to > most {
            return Err(GuardRefusal::Grown { from, to, most });
        }
        let is_shown = |text: &str| texts.iter().any(|rendered| rendered.contains(text));
        let gone: BTreeSet<&str> = live
            .shown
            .iter()
            .filter(|(_, text)| !is_shown(text))
            .map(|(name, _)| *name)
            .collect();
        if !gone.is_empty() {
            return Err(GuardRefusal::VariablesDropped {
                names: GuardRefusal::names(gone),
            });
        }
        let allowed = [&self.live.runs, &live.side.runs];
        for text in &texts {
            let plain = visible(text);
            let new = self
                .contacts
                .of(&plain)
                .into_iter()
                .find(|found| !self.live.contacts.contains(found) && !live.side.contacts.contains(found));
            if let Some((kind, _)) = new {
                return Err(GuardRefusal::NewContact { kind });
            }
            if let Some(words) = self.of_texts.copied(&plain, settings.copied_words, &allowed) {
                return Err(GuardRefusal::Copied { words });
            }
        }
        Ok(())
    }

    /// The content compiled with the live closure's snippets; `None` where the brief lacks some of them.
    fn compiled(&self, content: &Content, analysis: ContentAnalysis) -> Option<Result<CompiledPrompt>> {
        let snippets = self.brief.live_snippets();
        let has = |written: &str| snippets.iter().any(|snippet| snippet.reference == written);
        if !analysis.includes().iter().all(|include| has(&include.written)) {
            return None;
        }
        let hashes: Vec<_> = snippets
            .iter()
            .map(|snippet| (snippet.reference.as_str(), snippet.source.hash))
            .collect();
        let closure = Closure {
            prompt: self.brief.prompt().clone(),
            version: None,
            content: Arc::new(content.clone()),
            analysis,
            snippets: snippets.to_vec(),
            hash: closure_hash(&content.hash(), &hashes),
        };
        Some(CompiledPrompt::compile(
            &closure,
            self.brief.guard_settings().render_limits,
        ))
    }

    /// The live prompt with the inputs of the first traces that it renders with; with none where it takes none.
    fn live_renderings(&self, live: &CompiledPrompt) -> Vec<Rendering<'a>> {
        let most = self.brief.guard_settings().renderings;
        let inputs = self.brief.traces().filter_map(|trace| trace.inputs.as_object());
        // Inputs that do not render are looked at too, and may be many.
        let mut renderings: Vec<Rendering<'a>> = inputs
            .take(most.saturating_mul(4))
            .filter_map(|inputs| self.live_rendering(live, Some(inputs)))
            .take(most)
            .collect();
        if renderings.is_empty() && most > 0 {
            renderings.extend(self.live_rendering(live, None));
        }
        renderings
    }

    fn live_rendering(
        &self,
        live: &CompiledPrompt,
        inputs: Option<&'a Map<String, Value>>,
    ) -> Option<Rendering<'a>> {
        let texts = rendered(live, inputs).ok()?;
        let length = self.brief.guard_settings().copied_words;
        let shown = inputs.into_iter().flatten().flat_map(|(name, value)| {
            let texts = strings(value).into_iter().filter(|text| !text.trim().is_empty());
            texts.map(move |text| (name.as_str(), text))
        });
        Some(Rendering {
            inputs,
            shown: shown
                .filter(|(_, text)| texts.iter().any(|rendered| rendered.contains(text)))
                .collect(),
            side: Side::of(&texts, &self.contacts, length),
        })
    }
}

/// Counts alone.
impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("brief", &self.brief)
            .field("compiles", &self.compiles)
            .field("renderings", &self.renderings.len())
            .finish_non_exhaustive()
    }
}

impl Side {
    fn of(texts: &[impl AsRef<str>], contacts: &Contacts, length: usize) -> Self {
        let plain: Vec<String> = texts.iter().map(|text| visible(text.as_ref())).collect();
        Self {
            bytes: bytes(texts),
            runs: Runs::of(plain.iter().map(String::as_str), length),
            contacts: plain.iter().flat_map(|text| contacts.of(text)).collect(),
        }
    }
}

fn rendered(prompt: &CompiledPrompt, inputs: Option<&Map<String, Value>>) -> Result<Vec<String>> {
    let none = Map::new();
    let messages = prompt.render(inputs.unwrap_or(&none))?.into_messages();
    Ok(messages
        .iter()
        .filter_map(|message| message.text().map(str::to_owned))
        .collect())
}

pub(super) fn templates(content: &Content) -> Vec<&str> {
    match &content.body {
        Body::Text { template } => vec![template],
        Body::Chat { messages } => messages
            .iter()
            .filter_map(|item| match item {
                ChatItem::Message { template, .. } => Some(template.as_str()),
                ChatItem::Placeholder { .. } => None,
            })
            .collect(),
    }
}

pub(super) fn bytes(texts: &[impl AsRef<str>]) -> usize {
    texts.iter().map(|text| text.as_ref().len()).sum()
}

/// How many tags, expressions and comments the templates have, or what looks like them.
fn tags(templates: &[&str]) -> usize {
    let marks = ["{%", "{{", "{#"];
    templates
        .iter()
        .flat_map(|template| marks.map(|mark| template.matches(mark).count()))
        .sum()
}

/// What nobody sees, but for what emoji are joined of.
fn is_hidden(c: char) -> bool {
    is_invisible(c) && !matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// The text without what nobody sees, and with the narrow forms of ASCII.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests;
