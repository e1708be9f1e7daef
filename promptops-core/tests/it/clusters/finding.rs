use std::collections::BTreeMap;

use async_trait::async_trait;
use promptops_core::improvement::cluster::{
    ClusterSettings, Clustering, VectorsBy, cluster, cluster_embedded,
};
use promptops_core::improvement::triage::Failure;
use promptops_core::llm::{Embedder, Embeddings, LlmError, LlmErrorKind, Usage};
use promptops_core::statistics::Random;

use super::planted::{CAUSES, Planted, adjusted_rand_index, failure, plant};

fn failures(planted: &[Planted]) -> Vec<Failure> {
    planted.iter().map(|planted| planted.failure.clone()).collect()
}

/// How well the clusters are the causes; each failure in no cluster counts as one of its own.
fn agreement(planted: &[Planted], clustering: &Clustering) -> f64 {
    let mut found = BTreeMap::new();
    for (number, cluster) in clustering.clusters.iter().enumerate() {
        found.extend(cluster.members.iter().map(|member| (member.trace, number)));
    }
    let alone = clustering.unclustered.iter().enumerate();
    found.extend(alone.map(|(number, trace)| (*trace, 1_000_000 + number)));
    assert_eq!(found.len(), planted.len(), "each failure is in one place");
    let causes: Vec<usize> = planted.iter().map(|planted| planted.cause).collect();
    let found: Vec<usize> = planted
        .iter()
        .map(|planted| found[&planted.failure.trace])
        .collect();
    adjusted_rand_index(&causes, &found)
}

#[test]
fn causes_are_found_whatever_the_words() {
    let all: Vec<usize> = (0..CAUSES.len()).collect();
    for (causes, size) in [
        (&all[..], 400),
        (&all[..], 150),
        (&all[..4], 120),
        (&all[5..8], 60),
    ] {
        for seed in 0..4 {
            let planted = plant(seed, causes, size);
            let clustering = cluster(&failures(&planted), &ClusterSettings::default());
            let agreement = agreement(&planted, &clustering);
            assert!(
                agreement >= 0.9,
                "{} causes, {size} failures, seed {seed}: {agreement}",
                causes.len()
            );
        }
    }
}

#[test]
fn causes_are_found_among_more_failures_than_are_drawn() {
    let all: Vec<usize> = (0..CAUSES.len()).collect();
    let planted = plant(7, &all, 3_000);
    for (sample, seed) in [(1_000, 0), (1_000, 1), (300, 0)] {
        let settings = ClusterSettings::default().sample(sample).unwrap().seed(seed);
        let agreement = agreement(&planted, &cluster(&failures(&planted), &settings));
        assert!(agreement >= 0.9, "{sample} drawn with seed {seed}: {agreement}");
    }
}

#[test]
fn the_index_is_1_for_the_same_and_about_0_for_anything() {
    assert!((adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 3, 3]) - 1.0).abs() < 1e-12);
    let mut random = Random::seeded(3);
    let mut draw = || -> Vec<usize> { (0..2_000).map(|_| (random.bits() % 5) as usize).collect() };
    assert!(adjusted_rand_index(&draw(), &draw()).abs() < 0.01);
}

#[test]
fn the_order_does_not_matter() {
    let planted = plant(11, &[0, 3, 6, 9], 300);
    let mut shuffled = failures(&planted);
    let settings = ClusterSettings::default().sample(100).unwrap();
    let first = cluster(&shuffled, &settings);
    assert!(first.clusters.len() >= 4);
    for seed in 0..4 {
        Random::seeded(seed).shuffle(&mut shuffled);
        assert_eq!(cluster(&shuffled, &settings), first);
    }
    // The same trace twice, with another message.
    let mut twice = shuffled.clone();
    let again = Failure {
        message: "zzz".into(),
        ..shuffled[0].clone()
    };
    twice.push(again.clone());
    let after = cluster(&twice, &settings);
    twice.pop();
    twice.insert(0, again);
    assert_eq!(cluster(&twice, &settings), after);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let planted = failures(&plant(12, &[1, 2, 4], 250));
    let settings = ClusterSettings::default();
    let one = cluster(&planted, &settings);
    for threads in [2, 5] {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| cluster(&planted, &settings)))
                .collect();
            for running in running {
                assert_eq!(running.join().unwrap(), one);
            }
        });
    }
}

#[test]
fn few_stay_alone_and_prompts_dimensions_and_environments_stay_apart() {
    let mut failures: Vec<Failure> = (0..4)
        .map(|n| failure(n, n as u128, "helpful", format!("ticket {n} has no deadline")))
        .collect();
    let settings = ClusterSettings::default();
    let few = cluster(&failures, &settings);
    assert_eq!((few.clusters.len(), few.unclustered.len()), (0, 4));
    failures.push(failure(9, 9, "other", "ticket 9 has no deadline".into()));
    failures.push(Failure {
        environment: None,
        ..failure(10, 10, "helpful", "ticket 1 has no deadline".into())
    });
    assert_eq!(cluster(&failures, &settings).clusters.len(), 0);
    failures.push(failure(11, 11, "helpful", "Ticket 77 has no deadline".into()));
    let found = cluster(&failures, &settings);
    assert_eq!(found.clusters.len(), 1);
    let cluster = &found.clusters[0];
    assert_eq!(cluster.size(), 5);
    assert_eq!(cluster.message, "ticket <num> has no deadline");
    assert_eq!(cluster.cohesion, 1.0);
    assert_eq!(cluster.medoid, cluster.members[0].trace);
    assert_eq!(cluster.example.cut(&failures[0]), "ticket 0 has no deadline");
    assert_eq!(found.unclustered.len(), 2);
    assert_eq!(found.vectors, VectorsBy::BuiltIn);
}

#[test]
fn where_nothing_was_said_what_was_asked_tells() {
    let about = |n: i64, content: &str| Failure {
        content: format!("{content} {n}"),
        ..failure(n, n as u128, "feedback", String::new())
    };
    let failures: Vec<Failure> = (0..20)
        .map(|n| match n % 2 {
            0 => about(n, "cancel my subscription before the renewal"),
            _ => about(n, "the coffee machine leaks water on the floor"),
        })
        .collect();
    let found = cluster(&failures, &ClusterSettings::default());
    let sizes: Vec<usize> = found.clusters.iter().map(|cluster| cluster.size()).collect();
    assert_eq!(sizes, [10, 10]);
    assert!(found.clusters.iter().all(|cluster| cluster.message.is_empty()));
}

type Answer = dyn Fn(usize, &[String]) -> Result<Vec<Vec<f32>>, LlmError> + Send + Sync;

/// Vectors by the cause that a text is of, or as the test says.
struct Known(Box<Answer>, std::sync::Mutex<usize>);

impl Known {
    fn new(
        answer: impl Fn(usize, &[String]) -> Result<Vec<Vec<f32>>, LlmError> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(answer), std::sync::Mutex::new(0))
    }
}

#[async_trait]
impl Embedder for Known {
    fn provider(&self) -> &str {
        "known"
    }

    fn model(&self) -> &str {
        "m"
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        let call = {
            let mut calls = self.1.lock().unwrap();
            *calls += 1;
            *calls
        };
        Ok(Embeddings {
            vectors: self.0(call, texts)?,
            usage: Usage::default(),
            model: "m".into(),
        })
    }
}

#[tokio::test]
async fn an_embedder_tells_what_words_do_not_and_is_asked_for_each_text_once() {
    let failures: Vec<Failure> = (0..30)
        .map(|n| {
            failure(
                n,
                n as u128,
                "helpful",
                ["zebra", "quilt", "walnut"][n as usize % 3].into(),
            )
        })
        .collect();
    let settings = ClusterSettings::default().cut(0.3).unwrap().batch(2).unwrap();
    assert_eq!(cluster(&failures, &settings).clusters.len(), 3);
    let embedder = Known::new(|call, texts| {
        assert!(call <= 2 && texts.len() <= 2, "three texts in two calls");
        Ok(texts
            .iter()
            .map(|text| {
                if text == "quilt" {
                    vec![0.0, 3.0]
                } else {
                    vec![2.0, 0.1]
                }
            })
            .collect())
    });
    let found = cluster_embedded(&failures, &settings, &embedder).await;
    let sizes: Vec<usize> = found.clusters.iter().map(|cluster| cluster.size()).collect();
    assert_eq!(sizes, [20, 10]);
    assert_eq!(found.vectors, VectorsBy::Embedder("known/m".into()));
    assert_eq!(found.clusters[0].vector.space(), "known/m");
}

#[tokio::test]
async fn an_embedder_that_fails_is_done_without_and_that_is_said() {
    let planted = failures(&plant(5, &[0, 5], 60));
    let settings = ClusterSettings::default().batch(10).unwrap();
    let plain = cluster(&planted, &settings);
    let broken: [(&str, Known); 5] = [
        (
            "timeout",
            Known::new(|call, texts| match call {
                1 => Ok(vec![vec![1.0]; texts.len()]),
                _ => Err(LlmError::new(LlmErrorKind::Timeout, "known", "SECRET")),
            }),
        ),
        ("vectors", Known::new(|_, _| Ok(vec![vec![1.0]]))),
        (
            "different lengths",
            Known::new(|call, texts| Ok(vec![vec![1.0; call]; texts.len()])),
        ),
        (
            "direction",
            Known::new(|_, texts| Ok(vec![vec![0.0, 0.0]; texts.len()])),
        ),
        (
            "direction",
            Known::new(|_, texts| Ok(vec![vec![1.0, f32::NAN]; texts.len()])),
        ),
    ];
    for (expected, embedder) in broken {
        let found = cluster_embedded(&planted, &settings, &embedder).await;
        let VectorsBy::FellBack { embedder, why } = &found.vectors else {
            panic!("{expected}: {:?}", found.vectors)
        };
        assert_eq!(embedder, "known/m");
        assert!(why.contains(expected) && !why.contains("SECRET"), "{why}");
        assert_eq!(found.clusters, plain.clusters);
        assert_eq!(found.unclustered, plain.unclustered);
    }
}
