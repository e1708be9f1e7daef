//! Streams of scores with one mean, whose scores depend on one another in different ways.

use promptops_core::statistics::Random;

use crate::trial::unit;

/// How scores hang together. The mean of one score, nothing else known, is the same in all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stream {
    /// Passes, each for itself.
    Independent,
    /// Scores between 0 and 1, each for itself: uniform about the mean, as far as both sides have room.
    Graded,
    /// Passes of sessions: in a part of the sessions all are the same, in the others each is for itself, so that the part is
    /// the correlation within a session.
    Sessions {
        /// Traces of a session.
        size: u32,
        /// The part that is the same throughout.
        sticky: f64,
        /// Sessions at a time, one of which each trace is of.
        open: usize,
    },
    /// Passes whose rate wanders about the mean: an autoregressive process.
    Wandering {
        /// What is kept of the deviation from one trace to the next.
        keeps: f64,
        /// The deviation's standard deviation.
        deviation: f64,
    },
}

/// Draws a stream's scores, one by one.
#[derive(Debug)]
pub struct Source {
    stream: Stream,
    random: Random,
    sessions: Vec<Session>,
    deviation: f64,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    left: u32,
    /// What all of its scores are drawn with, where they are the same.
    all: Option<f64>,
}

impl Source {
    /// The seed decides everything.
    #[must_use]
    pub fn new(stream: Stream, seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let deviation = match stream {
            Stream::Wandering { deviation, .. } => deviation * normal(&mut random),
            _ => 0.0,
        };
        Self {
            stream,
            random,
            sessions: Vec::new(),
            deviation,
        }
    }

    /// The next score, of this mean.
    pub fn next(&mut self, mean: f64) -> f64 {
        match self.stream {
            Stream::Independent => self.pass(mean),
            Stream::Graded => {
                let room = mean.min(1.0 - mean);
                mean + room * (2.0 * unit(&mut self.random) - 1.0)
            }
            Stream::Sessions { size, sticky, open } => {
                let at = (unit(&mut self.random) * open as f64) as usize;
                if self.sessions.is_empty() {
                    self.sessions = vec![Session { left: 0, all: None }; open.max(1)];
                }
                if self.sessions[at].left == 0 {
                    let is_sticky = unit(&mut self.random) < sticky;
                    self.sessions[at] = Session {
                        left: size,
                        all: is_sticky.then(|| unit(&mut self.random)),
                    };
                }
                self.sessions[at].left -= 1;
                match self.sessions[at].all {
                    Some(drawn) => score(drawn < mean),
                    None => self.pass(mean),
                }
            }
            Stream::Wandering { keeps, deviation } => {
                let moved = deviation * (1.0 - keeps * keeps).sqrt() * normal(&mut self.random);
                self.deviation = keeps * self.deviation + moved;
                self.pass(mean + self.deviation)
            }
        }
    }

    fn pass(&mut self, rate: f64) -> f64 {
        score(unit(&mut self.random) < rate)
    }
}

fn score(passed: bool) -> f64 {
    f64::from(u8::from(passed))
}

/// A standard normal number (Box and Muller).
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - unit(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(random)).cos()
}
