//! Failures whose causes are known.

use chrono::DateTime;
use promptops_core::base::{EnvironmentName, PromptName, ScoreName, TraceId};
use promptops_core::improvement::triage::{Failure, OutcomeClass};
use promptops_core::statistics::Random;

/// Causes, each as judges put it: in other words, with the nouns that the cause is about.
pub const CAUSES: [[&str; 6]; 10] = [
    [
        "The reply does not state the refund deadline of {n} days.",
        "No refund deadline is mentioned in the answer to {name}.",
        "The answer omits by which deadline a refund must be asked for.",
        "Missing: the deadline for refunds ({n} days) is not given.",
        "It explains how a refund works but leaves out the refund deadline.",
        "Refund deadline absent; order {n} needed one.",
    ],
    [
        "The tone is rude and dismissive towards the customer.",
        "Dismissive tone: the customer {name} is told off.",
        "The answer sounds rude; a polite tone was required.",
        "Impolite and dismissive tone throughout.",
        "The customer is addressed in a rude tone.",
        "Tone is not polite: rude wording in sentence {n}.",
    ],
    [
        "The answer is in English although the question was in German.",
        "Wrong language: question in German, answer in English.",
        "It should have answered in German, the language of the question.",
        "The language of the answer (English) differs from the language of the question (German).",
        "Replied in English to {name}, who wrote German.",
        "German question answered in the English language.",
    ],
    [
        "The invoice total of {n} EUR was added up wrongly.",
        "Arithmetic mistake: the sum of the invoice lines is not {n}.",
        "The invoice sum is wrong; the lines add up to {n}.",
        "Wrong total on the invoice, an arithmetic error.",
        "Sum of invoice {n} is miscalculated.",
        "The total given for the invoice does not match the sum of its lines.",
    ],
    [
        "It invents a tracking number for the parcel.",
        "The parcel tracking number {n} was hallucinated.",
        "A made-up tracking number is given for parcel {n}.",
        "Hallucinated parcel tracking: no such number is in the input.",
        "The tracking number does not exist in the input; it is invented.",
        "Invented tracking link {url} for the parcel.",
    ],
    [
        "The answer reveals the internal escalation policy.",
        "Internal escalation notes are disclosed to {name}.",
        "It quotes the internal policy on escalation, which is confidential.",
        "Discloses confidential internal escalation policy.",
        "Confidential escalation steps are revealed.",
        "The internal escalation policy leaked into the answer {id}.",
    ],
    [
        "The summary is far too long: {n} words instead of one paragraph.",
        "Too verbose, the summary has {n} paragraphs.",
        "A short summary was asked for; this summary is too long.",
        "Summary too long and verbose.",
        "The length of the summary exceeds the limit of {n} words.",
        "Verbose summary: {n} words over the limit.",
    ],
    [
        "No source is cited for the medical claim.",
        "The claim about dosage lacks a cited source.",
        "Medical dosage claims need a citation, none is given.",
        "It makes a medical claim without citing any source.",
        "Citation missing for the medical dosage of {n} mg.",
        "Uncited medical claim: source missing.",
    ],
    [
        "It ignores the attached screenshot.",
        "The screenshot that {name} attached was not used.",
        "The attachment is ignored: nothing of the screenshot is in the answer.",
        "Ignores the attached image and asks for a screenshot again.",
        "The attached screenshot {id} was overlooked.",
        "Asked for a screenshot although one was attached.",
    ],
    [
        "The booking was put into the wrong time zone.",
        "Time zone error: the appointment at {n} is in UTC.",
        "The appointment time ignores the time zone of the customer.",
        "Wrong time zone for the booking on {date}.",
        "It books the appointment in UTC instead of the local time zone.",
        "Time zone of the booking is wrong by {n} hours.",
    ],
];

/// A failure of this cause.
pub struct Planted {
    pub failure: Failure,
    pub cause: usize,
}

fn below(random: &mut Random, bound: usize) -> usize {
    (random.bits() % bound as u64) as usize
}

fn fill(template: &str, random: &mut Random) -> String {
    const NAMES: [&str; 6] = ["Ana", "Bo", "Chidi", "Dana", "Elif", "Femi"];
    let n = below(random, 100_000);
    template
        .replace("{n}", &n.to_string())
        .replace("{name}", &format!("\"{}\"", NAMES[below(random, NAMES.len())]))
        .replace("{url}", &format!("https://track.example/{n}"))
        .replace("{id}", &format!("{:08x}-1b2c-4d3e-8f90-{:012x}", n, n * 7919))
        .replace("{date}", &format!("2026-{:02}-{:02}", 1 + n % 12, 1 + n % 28))
}

/// A failure of `support/triage` in production.
pub fn failure(at: i64, bits: u128, dimension: &str, message: String) -> Failure {
    let at = DateTime::from_timestamp(1_790_000_000 + at, 0).unwrap();
    Failure {
        trace: TraceId::new(at, bits),
        at,
        prompt: PromptName::new("support/triage").unwrap(),
        environment: Some(EnvironmentName::new("production").unwrap()),
        dimension: ScoreName::new(dimension).unwrap().into(),
        class: OutcomeClass::FailedScore,
        message,
        content: String::new(),
    }
}

/// So many failures of these causes (their numbers in [`CAUSES`]), each in words drawn at random.
pub fn plant(seed: u64, causes: &[usize], failures: usize) -> Vec<Planted> {
    let mut random = Random::seeded(seed);
    (0..failures)
        .map(|i| {
            let cause = causes[below(&mut random, causes.len())];
            let template = CAUSES[cause][below(&mut random, 6)];
            let message = fill(template, &mut random);
            let bits = u128::from(random.bits());
            Planted {
                failure: failure(i as i64, bits, "helpful", message),
                cause,
            }
        })
        .collect()
}

/// The adjusted Rand index of Hubert and Arabie ("Comparing Partitions", 1985): 1 for the same partition, 0 on average
/// for one drawn at random.
pub fn adjusted_rand_index(a: &[usize], b: &[usize]) -> f64 {
    use std::collections::BTreeMap;
    let pairs = |counts: &BTreeMap<(usize, usize), f64>| -> f64 {
        counts.values().map(|n| n * (n - 1.0) / 2.0).sum()
    };
    let count = |keys: Vec<(usize, usize)>| {
        let mut counts = BTreeMap::new();
        for key in keys {
            *counts.entry(key).or_insert(0.0) += 1.0;
        }
        counts
    };
    let both = pairs(&count(a.iter().copied().zip(b.iter().copied()).collect()));
    let of_a = pairs(&count(a.iter().map(|x| (*x, 0)).collect()));
    let of_b = pairs(&count(b.iter().map(|x| (*x, 0)).collect()));
    let n = a.len() as f64;
    let expected = of_a * of_b / (n * (n - 1.0) / 2.0);
    (both - expected) / ((of_a + of_b) / 2.0 - expected)
}
