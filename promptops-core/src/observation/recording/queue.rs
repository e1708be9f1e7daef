//! What waits, and the counts of what does not any more. Under one lock, so that they agree at every moment.
//!
//! Nothing here takes longer for a longer queue: what waits lies in chunks, which grow by appending and are taken out
//! whole. Measured, with four threads recording on two cores, as the longest of 99.9 % of the calls over five loads: 3 µs
//! for this, 45 µs for one `VecDeque` (which copies all when it grows or is taken from), 24 and 29 µs for tokio's
//! bounded and unbounded channel.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::recorded::{Recorded, Verdict};
use super::settings::RecordingSettings;
use super::stats::RecordingStats;
use crate::base::error::{Error, Result};

/// Tells who waits for one item what became of it.
pub(super) type Answer = oneshot::Sender<Result<Verdict>>;

/// Most items in a chunk, and about how many bytes of memory it takes.
const CHUNK: (usize, usize) = (128, 32 << 10);

/// Items in the order in which they were recorded.
pub(super) struct Chunk<T> {
    pub(super) items: Vec<T>,
    /// Who waits for an item, by its index, ascending.
    pub(super) answers: Vec<(usize, Answer)>,
    pub(super) bytes: usize,
    /// Whether a try to write it was begun, so that it may have been written.
    pub(super) was_tried: bool,
}

impl<T> Chunk<T> {
    fn new(capacity: usize) -> Self {
        Self {
            items: Vec::with_capacity(capacity),
            answers: Vec::new(),
            bytes: 0,
            was_tried: false,
        }
    }

    /// All items of all chunks.
    pub(super) fn merged(chunks: Vec<Self>) -> Self {
        let mut all = Self::new(chunks.iter().map(|chunk| chunk.items.len()).sum());
        for chunk in chunks {
            let before = all.items.len();
            all.items.extend(chunk.items);
            let answers = chunk.answers.into_iter();
            all.answers
                .extend(answers.map(|(at, answer)| (before + at, answer)));
            all.bytes += chunk.bytes;
            all.was_tried |= chunk.was_tried;
        }
        all
    }
}

/// How far the way to the end is gone. Only ever forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Items are taken.
    Open,
    /// No more items are taken; those that wait are written.
    Closing,
    /// A shutdown's time is over: the writer is to put down what it has.
    Stopped,
    /// Everything is settled, and nothing will happen any more.
    Ended,
}

/// Whether somebody is there to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// Nobody.
    Nobody,
    /// A writer is being handed over to be run.
    Offered,
    /// A writer is at work, or was taken to be run.
    Taken,
}

/// What the writer is to do.
pub(super) enum Step<T> {
    /// Write these.
    Write(Vec<Chunk<T>>),
    /// Wait for more items, or until the oldest has waited long enough. How full a batch is, in 0.0 .. 1.0.
    Gather(f64),
    /// Wait for an item.
    Idle,
    /// Nothing any more.
    End,
}

/// What the writer can tell of the time that the oldest item has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// It has no clock on it.
    Unknown,
    /// Not long.
    Little,
    /// Long enough for half a batch.
    Some,
    /// Long enough.
    Enough,
}

/// What would make the writer look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It will look anyway.
    None,
    /// An item.
    Idle,
    /// A full batch.
    Gathering,
    /// Half of all room taken: it will look very soon.
    Soon,
}

/// The queue, the counts and the phase.
pub(super) struct State<T> {
    limits: RecordingSettings,
    chunks: VecDeque<Chunk<T>>,
    /// Items and bytes in the chunks.
    waiting: usize,
    waiting_bytes: usize,
    /// Bytes in the chunks and with the writer.
    bytes: usize,
    /// Items ever taken. Each has a position: how many were taken up to and with it.
    taken: u64,
    /// The position up to which everything is settled.
    settled: u64,
    /// The position up to which everything is settled and the sink has heard of it.
    finished: u64,
    /// The position up to which nothing waits for more items.
    hurry_to: u64,
    counts: RecordingStats,
    last_error: Option<Error>,
    pub(super) phase: Phase,
    pub(super) writing: Writing,
    rest: Rest,
    /// Whether somebody waits for room, whom nobody overtakes.
    pub(super) is_room_awaited: bool,
}

impl<T> State<T> {
    /// An empty queue. The settings are in their ranges.
    pub(super) fn new(limits: RecordingSettings) -> Self {
        Self {
            limits,
            chunks: VecDeque::new(),
            waiting: 0,
            waiting_bytes: 0,
            bytes: 0,
            taken: 0,
            settled: 0,
            finished: 0,
            hurry_to: 0,
            counts: RecordingStats::default(),
            last_error: None,
            phase: Phase::Open,
            writing: Writing::Nobody,
            rest: Rest::None,
            is_room_awaited: false,
        }
    }

    /// Why an item of this weight cannot be taken now, if it cannot.
    pub(super) fn refusal(&self, weight: usize) -> Option<Recorded> {
        if self.phase != Phase::Open {
            Some(Recorded::ShutDown)
        } else if weight > self.limits.max_bytes {
            Some(Recorded::TooLarge)
        } else if self.unsettled() >= self.limits.capacity as u64
            || weight > self.limits.max_bytes - self.bytes
        {
            Some(Recorded::Full)
        } else {
            None
        }
    }

    /// Counts an item that was not taken.
    pub(super) fn count_dropped(&mut self) {
        self.counts.enqueued += 1;
        self.counts.dropped += 1;
    }

    /// Takes an item that there is room for. Whether the writer is to be woken, which is said once.
    pub(super) fn push(&mut self, item: T, weight: usize, answer: Option<Answer>) -> bool {
        let size = (CHUNK.1 / size_of::<T>().max(1))
            .clamp(1, CHUNK.0)
            .min(self.limits.batch);
        let chunk = match self.chunks.back_mut() {
            Some(last)
                if last.items.len() < size
                    && !last.was_tried
                    && last.bytes.saturating_add(weight) <= self.limits.batch_bytes =>
            {
                last
            }
            _ => self.chunks.push_back_mut(Chunk::new(size)),
        };
        if let Some(answer) = answer {
            chunk.answers.push((chunk.items.len(), answer));
        }
        chunk.items.push(item);
        chunk.bytes += weight;
        self.waiting += 1;
        self.waiting_bytes += weight;
        self.bytes += weight;
        self.taken += 1;
        self.counts.enqueued += 1;
        let wakes = match self.rest {
            Rest::None => false,
            Rest::Idle => true,
            Rest::Gathering => self.fill() >= 1.0,
            Rest::Soon => self.is_half_full(),
        };
        if wakes {
            self.rest = Rest::None;
        }
        wakes
    }

    fn is_half_full(&self) -> bool {
        self.unsettled() >= self.limits.capacity.div_ceil(2) as u64
            || self.bytes >= self.limits.max_bytes.div_ceil(2)
    }

    /// The writer, which was to gather, will not look very soon. Whether there is enough for it already.
    pub(super) fn rest_long(&mut self) -> bool {
        if self.rest == Rest::Soon {
            self.rest = Rest::Gathering;
        }
        self.fill() >= 1.0
    }

    /// Lets nothing that was taken so far wait for more items. Gives the position of the last of it.
    pub(super) fn hurry(&mut self) -> u64 {
        self.hurry_to = self.taken;
        self.taken
    }

    /// Whether nothing that was taken waits for more items.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurry_to == self.taken
    }

    /// What the writer is to do now.
    pub(super) fn step(&mut self, waited: Waited) -> Step<T> {
        self.rest = Rest::None;
        if self.phase >= Phase::Stopped {
            return Step::End;
        }
        if self.waiting == 0 && self.phase != Phase::Open {
            self.phase = Phase::Ended;
            return Step::End;
        }
        if self.waiting == 0 && matches!(waited, Waited::Unknown | Waited::Enough) {
            self.rest = Rest::Idle;
            return Step::Idle;
        }
        let hurries = self.phase == Phase::Closing || self.settled < self.hurry_to || self.is_half_full();
        let fill = self.fill();
        let is_ready = match waited {
            Waited::Unknown | Waited::Little => hurries || fill >= 1.0,
            Waited::Some => hurries || fill >= 0.5,
            Waited::Enough => true,
        };
        if is_ready && self.waiting > 0 {
            Step::Write(self.take())
        } else {
            self.rest = Rest::Soon;
            Step::Gather(fill)
        }
    }

    fn fill(&self) -> f64 {
        let of = |part: usize, whole: usize| part as f64 / whole as f64;
        of(self.waiting, self.limits.batch).max(of(self.waiting_bytes, self.limits.batch_bytes))
    }

    /// Takes out the next batch: whole chunks, at least one.
    fn take(&mut self) -> Vec<Chunk<T>> {
        let mut taken = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        while let Some(next) = self.chunks.front() {
            let (more, heavier) = (items + next.items.len(), bytes + next.bytes);
            if !taken.is_empty() && (more > self.limits.max_batch || heavier > self.limits.batch_bytes) {
                break;
            }
            (items, bytes) = (more, heavier);
            taken.extend(self.chunks.pop_front());
        }
        self.waiting -= items;
        self.waiting_bytes -= bytes;
        taken
    }

    /// Puts back a batch that was taken out last and not settled.
    pub(super) fn put_back(&mut self, chunk: Chunk<T>) {
        self.waiting += chunk.items.len();
        self.waiting_bytes += chunk.bytes;
        self.chunks.push_front(chunk);
    }

    /// Counts the batch that was taken out last: one result for each of its items.
    pub(super) fn settle(&mut self, batch: &Chunk<T>, results: &[Result<Verdict>]) {
        for result in results {
            match result {
                Ok(verdict) => self.counts.count(*verdict),
                Err(_) => self.counts.failed += 1,
            }
        }
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            self.last_error = Some(error.clone());
        }
        self.counts.batches += 1;
        self.settled += batch.items.len() as u64;
        self.bytes -= batch.bytes;
    }

    /// The sink has heard of all that is settled, or will not.
    pub(super) fn finish(&mut self) {
        self.finished = self.settled;
    }

    /// Counts a try of a batch after its first.
    pub(super) fn count_retry(&mut self, error: &Error) {
        self.counts.retries += 1;
        self.last_error = Some(error.clone());
    }

    /// Counts everything that is not settled as failed, and gives out what of it is not with a writer.
    pub(super) fn end(&mut self) -> VecDeque<Chunk<T>> {
        self.counts.failed += self.unsettled();
        self.settled = self.taken;
        self.finished = self.taken;
        (self.waiting, self.waiting_bytes, self.bytes) = (0, 0, 0);
        self.phase = Phase::Ended;
        std::mem::take(&mut self.chunks)
    }

    fn unsettled(&self) -> u64 {
        self.taken - self.settled
    }

    /// How many items up to a position are not settled.
    pub(super) fn unsettled_to(&self, position: u64) -> u64 {
        position.saturating_sub(self.settled)
    }

    /// Whether everything up to a position is settled, and the sink has heard of it.
    pub(super) fn is_finished_to(&self, position: u64) -> bool {
        self.finished >= position
    }

    /// Whether everything is.
    pub(super) fn is_finished(&self) -> bool {
        self.finished == self.taken
    }

    /// Whether something waits that nobody is there to write.
    pub(super) fn lacks_writer(&self) -> bool {
        self.waiting > 0 && self.writing == Writing::Nobody
    }

    pub(super) fn stats(&self) -> RecordingStats {
        RecordingStats {
            queued: self.unsettled(),
            queued_bytes: self.bytes as u64,
            ..self.counts
        }
    }

    pub(super) fn last_error(&self) -> Option<Error> {
        self.last_error.clone()
    }
}
