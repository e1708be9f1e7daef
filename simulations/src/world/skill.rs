//! What an answer may need to be told, and the words by which a prompt tells it.

/// Something that some items need, and that a prompt can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skill {
    /// Dates in one form.
    Dates,
    /// Amounts with their currency.
    Currency,
    /// The customer's language.
    Language,
    /// How long refunds are possible.
    Refunds,
    /// What goes to a person.
    Handover,
    /// Metric units.
    Units,
    /// An answer that is JSON. Every item needs it.
    Json,
    /// Thanks. Every item needs it, a little.
    Courtesy,
}

/// A skill's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wording {
    /// Sentences that ask for it.
    pub remedies: [&'static str; 4],
    /// One that asks for it half-heartedly.
    pub hedged: &'static str,
    /// Sentences that ask for its opposite.
    pub contraries: [&'static str; 2],
    /// What a judge says where it is missing. `{}` is a detail of the item.
    pub complaints: [&'static str; 4],
    /// What a customer writes whose ticket needs it.
    pub details: [&'static str; 5],
    /// A sentence asks for it that has words with all of these beginnings, of any of these lists.
    says: &'static [&'static [&'static str]],
    /// A sentence asks for its opposite that has words with all of these.
    denies: &'static [&'static [&'static str]],
}

impl Skill {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// All of them, in the order of their places.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Dates,
        Self::Currency,
        Self::Language,
        Self::Refunds,
        Self::Handover,
        Self::Units,
        Self::Json,
        Self::Courtesy,
    ];
    /// Those that some items need and others do not.
    pub const OF_CONTENT: [Self; 6] = [
        Self::Dates,
        Self::Currency,
        Self::Language,
        Self::Refunds,
        Self::Handover,
        Self::Units,
    ];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub fn place(self) -> usize {
        self as usize
    }

    /// Its words.
    #[must_use]
    pub fn wording(self) -> &'static Wording {
        match self {
            Self::Dates => &DATES,
            Self::Currency => &CURRENCY,
            Self::Language => &LANGUAGE,
            Self::Refunds => &REFUNDS,
            Self::Handover => &HANDOVER,
            Self::Units => &UNITS,
            Self::Json => &JSON,
            Self::Courtesy => &COURTESY,
        }
    }
}

impl Wording {
    /// Whether these words of one sentence, in lower case, ask for the skill.
    pub(super) fn is_said(&self, words: &[&str]) -> bool {
        any(self.says, words)
    }

    /// Whether they ask for its opposite.
    pub(super) fn is_denied(&self, words: &[&str]) -> bool {
        any(self.denies, words)
    }
}

fn any(lists: &[&[&str]], words: &[&str]) -> bool {
    lists.iter().any(|list| {
        list.iter()
            .all(|stem| words.iter().any(|word| word.starts_with(stem)))
    })
}

const DATES: Wording = Wording {
    remedies: [
        "Write every date in ISO form, such as 2026-03-31.",
        "Dates are given as YYYY-MM-DD.",
        "Give each date the ISO way: year, month, day.",
        "Put all dates into the form yyyy-mm-dd before you answer.",
    ],
    hedged: "If possible, write dates in ISO form.",
    contraries: ["Write dates the American way.", "In dates the month comes first."],
    complaints: [
        "the date '{}' is not written in ISO form",
        "a date was expected in ISO form, found '{}'",
        "the date has the wrong form: '{}' instead of the ISO date",
        "wrote the date as '{}' and not in the ISO form",
    ],
    details: [
        "It should have come on the third of May.",
        "You promised it for last Tuesday.",
        "When will the next one be sent?",
        "The parcel left your store in early March.",
        "My order is from the end of June.",
    ],
    says: &[&["date", "iso"], &["date", "yyyy-mm-dd"]],
    denies: &[&["date", "american"], &["date", "month", "first"]],
};

const CURRENCY: Wording = Wording {
    remedies: [
        "Name the currency of every amount.",
        "An amount is never without its currency.",
        "Each amount of money is followed by its currency.",
        "State amounts together with the currency they are in.",
    ],
    hedged: "Try to name the currency of an amount.",
    contraries: [
        "Give amounts as bare numbers.",
        "Amounts are bare figures for the till.",
    ],
    complaints: [
        "the amount {} lacks its currency",
        "no currency is named for the amount {}",
        "an amount without currency: {}",
        "the currency of the amount {} is missing",
    ],
    details: [
        "What do I pay for a second one?",
        "I was charged twice for it.",
        "How much of the price do I get back?",
        "The invoice says something else than the shop.",
        "Is the postage in the price?",
    ],
    says: &[&["amount", "currency"]],
    denies: &[&["amount", "bare"]],
};

const LANGUAGE: Wording = Wording {
    remedies: [
        "Answer in the language of the ticket.",
        "Use the same language as the customer.",
        "The language of the answer is that of the ticket.",
        "Write in whichever language the customer wrote in.",
    ],
    hedged: "Ideally, answer in the language of the ticket.",
    contraries: ["Answer in English only.", "Always write English."],
    complaints: [
        "answered in the wrong language, the customer's language is '{}'",
        "the language of the answer is wrong, expected '{}'",
        "the reply is in another language than the customer's '{}'",
        "wrong language: the customer wrote in '{}'",
    ],
    details: [
        "Ich schreibe lieber auf Deutsch.",
        "Je vous remercie de votre aide.",
        "Grazie per una risposta.",
        "Espero su respuesta.",
        "Dank u voor uw hulp.",
    ],
    says: &[&["language", "ticket"], &["language", "customer"]],
    denies: &[&["only", "english"], &["always", "english"]],
};

const REFUNDS: Wording = Wording {
    remedies: [
        "A refund is possible within 30 days.",
        "Promise a refund for up to thirty days and no longer.",
        "Refunds end 30 days after the purchase.",
        "After thirty days there is no refund.",
    ],
    hedged: "Refunds usually end after 30 days.",
    contraries: [
        "A refund is possible at any time.",
        "Refunds are granted at any time.",
    ],
    complaints: [
        "promised a refund {} days after the purchase, outside the refund period",
        "the refund period is over after {} days, yet a refund was promised",
        "refund promised outside the period, {} days late",
        "a refund {} days too late: the refund period was not minded",
    ],
    details: [
        "I want my money back.",
        "Can I return it and be paid back?",
        "I have had it for some weeks now and want to return it.",
        "My neighbour got his money back at once.",
        "Please take it back.",
    ],
    says: &[&["refund", "30", "days"], &["refund", "thirty", "days"]],
    denies: &[&["refund", "any", "time"]],
};

const HANDOVER: Wording = Wording {
    remedies: [
        "Escalate legal threats to a person.",
        "Hand legal matters to a colleague.",
        "When the customer turns to legal steps, escalate.",
        "Whatever is legal goes into the hands of a person.",
    ],
    hedged: "Consider whether to escalate legal threats.",
    contraries: ["Answer legal threats yourself.", "Settle legal matters yourself."],
    complaints: [
        "the legal threat in case {} was not escalated to a person",
        "a legal threat must be escalated, case {} was answered by itself",
        "not escalated: the legal threat of case {}",
        "case {} holds a legal threat that should be escalated to a person",
    ],
    details: [
        "You will hear from my lawyer.",
        "I shall go to court over this.",
        "The consumer office has been told.",
        "My insurance pays for the lawsuit.",
        "This is a breach of contract.",
    ],
    says: &[&["escalate", "legal"], &["hand", "legal"]],
    denies: &[&["legal", "yourself"]],
};

const UNITS: Wording = Wording {
    remedies: [
        "Measure in metric units.",
        "Sizes and weights are in metric units.",
        "Use metric units for whatever is measured.",
        "Any unit is a metric unit.",
    ],
    hedged: "Prefer metric units where they fit.",
    contraries: ["Give sizes in inches.", "Sizes and weights: inches and pounds."],
    complaints: [
        "the measure {} is not in metric units",
        "expected metric units, the measure was {}",
        "a measure in other than metric units: {}",
        "{} is no measure in metric units",
    ],
    details: [
        "How tall is it?",
        "Will it fit under a shelf?",
        "What does it weigh with its box?",
        "How much water does it hold?",
        "Is the cable long enough for my kitchen?",
    ],
    says: &[&["metric", "unit"]],
    denies: &[&["size", "inches"]],
};

const JSON: Wording = Wording {
    remedies: [
        "Answer with one JSON object.",
        "The answer is JSON and nothing else.",
        "Reply in JSON.",
        "Your output is a single JSON object.",
    ],
    hedged: "Try to answer in JSON.",
    contraries: ["Answer in plain prose.", "Reply in plain prose, as in a letter."],
    complaints: [
        "the answer is no JSON: EOF at column {}",
        "no JSON, the object is not closed at column {}",
        "the JSON ends at column {}",
        "invalid JSON at column {}",
    ],
    details: [
        "Please help.",
        "What now?",
        "I wait for your answer.",
        "Thanks in advance.",
        "It is urgent.",
    ],
    says: &[&["json"]],
    denies: &[&["plain", "prose"]],
};

const COURTESY: Wording = Wording {
    remedies: [
        "Thank the customer for writing.",
        "Begin with thanks to the customer.",
        "Always thank the customer.",
        "A word of thanks to the customer comes first.",
    ],
    hedged: "Thank the customer if it fits.",
    contraries: [
        "Leave out pleasantries.",
        "Come to the point without pleasantries.",
    ],
    complaints: [
        "the tone is curt in case {}",
        "curt tone, no thanks in case {}",
        "case {} was answered in a curt tone",
        "the tone of the answer to case {} is curt",
    ],
    details: JSON.details,
    says: &[&["thank", "customer"]],
    denies: &[&["pleasantries"]],
};
