//! Workers on the desk's prompt whose models note down what they are asked, on whatever backend: what the tests of killed and
//! racing workers of the improvement loop share.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use promptops_core::base::{Clock, PageRequest};
use promptops_core::deployment::{Deployment, DeploymentFilter, DeploymentSettings, replayed};
use promptops_core::evaluation::run::RunFilter;
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::{
    Attempt, AttemptLimits, DailyBudget, ImprovementPlan, Improver, LookBack, PassState, day_of,
};
use promptops_core::llm::{Blueprint, Completion, LlmClient, LlmError, ScriptedLlm};
use promptops_core::prompt::{Body, Reference};
use promptops_core::{Error, ErrorKind, PromptOps, Stores, Tenant};
use serde::{Deserialize, Serialize};

use crate::world::{ENVIRONMENT, PROMPT, evaluation_by, model, plan_of, proposing};

/// Calls of models that a day's budget allows, attributions aside.
pub const BUDGET: u64 = 3_000;
/// Most calls of models of one replay or one choice.
pub const ONE_STEP: u64 = 500;
/// Tickets before the loop begins: enough for a replay to tell.
pub const TICKETS: u64 = 320;

/// Something that happened to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// The model that answers in production was asked this.
    Asked {
        worker: String,
        day: NaiveDate,
        text: String,
    },
    /// The model that proposes was asked.
    Proposing { worker: String, day: NaiveDate },
    /// It looks whether there is something to do.
    Began { worker: String },
    /// It did so many things, or somebody else has the slot.
    Did { worker: String, things: Option<usize> },
    /// A step that could not be done.
    Problem {
        worker: String,
        step: String,
        kind: String,
        error: String,
    },
}

/// What workers note down, in a file that outlives them.
#[derive(Debug, Clone)]
pub struct Notes(PathBuf);

impl Notes {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// In one write at the end of the file, so that a kill leaves no half of it, and workers do not mix theirs.
    fn note(&self, note: &Note) {
        let mut line = serde_json::to_string(note).unwrap();
        line.push('\n');
        let mut file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .unwrap();
        assert_eq!(file.write(line.as_bytes()).unwrap(), line.len());
    }

    pub fn read(&self) -> Vec<Note> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A worker's model.
struct Noting {
    model: ScriptedLlm,
    proposes: bool,
    worker: String,
    notes: Notes,
    clock: Arc<dyn Clock>,
    delay: Duration,
}

#[async_trait]
impl LlmClient for Noting {
    fn provider(&self) -> &str {
        self.model.provider()
    }

    fn model(&self) -> Option<&str> {
        LlmClient::model(&self.model)
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        let (worker, day) = (self.worker.clone(), day_of(self.clock.now()));
        let text: Vec<String> = request.messages.iter().map(|message| message.text()).collect();
        self.notes.note(&if self.proposes {
            Note::Proposing { worker, day }
        } else {
            Note::Asked {
                worker,
                day,
                text: text.join("\n"),
            }
        });
        tokio::time::sleep(self.delay).await;
        self.model.complete(request).await
    }
}

/// A worker on the desk's prompt, in whatever process.
pub struct Worker {
    name: String,
    notes: Notes,
    improver: Improver,
    _ops: PromptOps,
}

impl Worker {
    /// One whose leases end after so long, by this clock; its models take so long to answer.
    pub fn new(
        (stores, clock): (impl Into<Stores>, Arc<dyn Clock>),
        (name, notes): (&str, &Notes),
        lease: Duration,
        delay: Duration,
    ) -> Self {
        let mut settings = DeploymentSettings::default();
        settings.auto_ship = true;
        let ops = PromptOps::builder(stores)
            .clock(clock.clone())
            .deployment_settings(settings)
            .build();
        let noting = |model: ScriptedLlm, proposes| Noting {
            model,
            proposes,
            worker: name.to_owned(),
            notes: notes.clone(),
            clock: clock.clone(),
            delay,
        };
        let answering = Arc::new(noting((*model(Arc::default())).clone(), false));
        let plan: ImprovementPlan = plan_of(evaluation_by(answering).lease(lease))
            .proposer(Arc::new(LlmProposer::new(noting(proposing(), true))))
            .look_back(LookBack {
                traces: TICKETS as usize,
                ..LookBack::default()
            })
            // One attempt at a cluster, however long it takes.
            .attempts(AttemptLimits {
                pause: Duration::from_secs(365 * 86_400),
                ..AttemptLimits::default()
            })
            .budget(DailyBudget {
                calls: Some(BUDGET),
                ..DailyBudget::UNLIMITED
            })
            .settle(Duration::ZERO)
            .lease(lease);
        let improvements = ops.tenant("acme").unwrap().improvements();
        Self {
            name: name.to_owned(),
            notes: notes.clone(),
            improver: improvements.improver(PROMPT, ENVIRONMENT, plan).unwrap(),
            _ops: ops,
        }
    }

    /// A pass, noted down with what went wrong. How many things were done; `None` when somebody else has the slot.
    pub async fn pass(&self) -> Option<usize> {
        let worker = self.name.clone();
        self.notes.note(&Note::Began {
            worker: worker.clone(),
        });
        let problem = |step: &str, error: &Error| {
            self.notes.note(&Note::Problem {
                worker: worker.clone(),
                step: step.to_owned(),
                kind: format!("{:?}", error.kind()),
                error: error.to_string(),
            });
        };
        let things = match self.improver.run_once().await {
            Ok(pass) => {
                for (step, error) in &pass.problems {
                    problem(step, error);
                }
                (pass.state == PassState::Worked).then_some(pass.did.len())
            }
            Err(error) => {
                problem("pass", &error);
                None
            }
        };
        self.notes.note(&Note::Did { worker, things });
        things
    }
}

/// All deployments, the newest first.
pub async fn deployments(acme: &Tenant) -> Vec<Deployment> {
    let page = PageRequest::default();
    acme.deployments()
        .list(&DeploymentFilter::default(), &page)
        .await
        .unwrap()
        .items
}

pub async fn attempts(acme: &Tenant) -> Vec<Attempt> {
    acme.improvements()
        .attempts(None, &PageRequest::default())
        .await
        .unwrap()
        .items
}

/// What the model was asked, word by word, wherever there is a result.
pub async fn answered(acme: &Tenant) -> Vec<String> {
    let mut texts = Vec::new();
    let page = PageRequest::first(PageRequest::MAX_LIMIT);
    for run in acme
        .evaluations()
        .list(&RunFilter::default(), &page)
        .await
        .unwrap()
        .items
    {
        let reference = Reference::version(run.prompt.clone(), run.version).to_string();
        let version = acme.prompts().get(&reference).await.unwrap();
        let Body::Text { template } = &version.content.body else {
            panic!("the desk's prompt is a text");
        };
        let dataset = format!("{}@{}", run.dataset, run.dataset_version);
        let dataset = acme.datasets().get(&dataset).await.unwrap();
        let entries = acme.datasets().entries(&dataset, &page).await.unwrap().items;
        for result in acme.evaluations().results(&run.id, &page).await.unwrap().items {
            assert_eq!(result.error, None, "the model answers everything");
            let entry = entries.iter().find(|entry| entry.id == result.entry).unwrap();
            let mut text = template.clone();
            for (name, value) in &entry.input {
                text = text.replace(&format!("{{{{ {name} }}}}"), value.as_str().unwrap());
            }
            texts.push(text);
        }
    }
    texts
}

/// That each thing was done once, and all that is kept goes together.
pub async fn check(acme: &Tenant) {
    let mut candidates = Vec::new();
    for deployment in deployments(acme).await {
        let candidate = deployment.candidate.closure_hash;
        assert!(
            !candidates.contains(&candidate),
            "two deployments of one candidate"
        );
        candidates.push(candidate);
        let transitions = acme.deployments().transitions(&deployment.id).await.unwrap();
        assert_eq!(replayed(&transitions).unwrap(), deployment.standing());
        assert_eq!(transitions.len() as u32, deployment.steps);
    }
    let page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut purposes = Vec::new();
    for dataset in acme.datasets().list(&page).await.unwrap().items {
        // The desk has one replay, and one of each other thing.
        assert_eq!(dataset.version.get(), 1, "{} was drawn twice", dataset.name);
        let purpose = dataset.name.as_str().split('/').next().unwrap().to_owned();
        assert!(!purposes.contains(&purpose), "two datasets of {purpose}");
        purposes.push(purpose);
    }
    let mut runs = Vec::new();
    for run in acme
        .evaluations()
        .list(&RunFilter::default(), &page)
        .await
        .unwrap()
        .items
    {
        let of = (run.dataset, run.dataset_version, run.closure_hash);
        assert!(!runs.contains(&of), "two runs of {of:?}");
        runs.push(of);
    }
    assert!(attempts(acme).await.len() <= 1, "one attempt at the cluster");
    acme.audit().verify().await.unwrap();
}

/// That of each day no more was asked than it says was spent, and that no more was spent than it may have.
pub async fn check_spending(acme: &Tenant, notes: &[Note], may_exceed: bool) {
    let mut days = std::collections::BTreeMap::<NaiveDate, u64>::new();
    for note in notes {
        if let Note::Asked { day, .. } | Note::Proposing { day, .. } = note {
            *days.entry(*day).or_default() += 1;
        }
    }
    for (day, asked) in days {
        let spent = acme.improvements().spending(day).await.unwrap().calls;
        assert!(
            asked <= spent,
            "{asked} calls on {day}, and {spent} are on record"
        );
        assert!(may_exceed || spent <= BUDGET, "{spent} calls were spent on {day}");
    }
}

/// Fails for what went wrong, but for what the budget put off.
pub fn no_problems(notes: &[Note]) {
    for note in notes {
        if let Note::Problem { kind, .. } = note {
            assert_eq!(*kind, format!("{:?}", ErrorKind::Refused), "{note:?}");
        }
    }
}

/// What notes say was asked of the model that answers.
pub fn asked(notes: &[Note]) -> Vec<&String> {
    let texts = notes.iter().filter_map(|note| match note {
        Note::Asked { text, .. } => Some(text),
        _ => None,
    });
    texts.collect()
}

/// Where a worker's notes are, beside another file.
pub fn beside(path: &Path) -> Notes {
    Notes::at(path.with_file_name("notes"))
}
