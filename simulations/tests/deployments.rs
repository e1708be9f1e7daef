//! Model checking of deployments: two candidates into one slot, people and automation that decide on what they have read
//! before, a pointer that somebody moves by hand, and every order in which that can happen while one of them is slow.
//!
//! The steps are the library's own ([`transition`]); what a store compares when it commits is written here as its contract says
//! it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

use promptops_core::base::{Actor, DeploymentId};
use promptops_core::deployment::{MonitorOutcome, Standing, State, Step, transition};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// Of two candidates one has this place; the version live at the beginning has the place after them.
type Place = usize;
const INCUMBENT: Place = 2;
const BY_HAND: Place = 3;
/// Most moves of the pointer and of holds, so that there is an end.
const MOVES: u8 = 3;

/// What is compared is not counted but marked: whether something was changed since somebody who is slow has read it. That
/// keeps the number of worlds small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Deployment {
    standing: Standing,
    /// Whether there is evidence, and whether the pointer has not moved since.
    evidence: Option<bool>,
    /// What a rollback restores, once it was shipped.
    restores: Option<Place>,
    replays: u8,
}

/// What somebody has decided and not committed yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Decided {
    who: Who,
    at: Place,
    step: Step,
    to: Standing,
    /// What a waived ship supersedes.
    superseded: Option<Place>,
    is_waived: bool,
    has_changed: Changed,
}

/// What was changed since it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Changed {
    deployments: [bool; 2],
    slot: bool,
    pointer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Owner,
    Robot,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    deployments: [Deployment; 2],
    is_held: bool,
    live: Place,
    /// Whether the pointer is where a ship has put it.
    is_as_shipped: bool,
    /// What one of them is slow with: everybody else acts on what is there.
    pending: Option<Decided>,
    /// Moves of the pointer, and those that are on record: ships, rollbacks, promotions by hand.
    moves: u8,
    records: u8,
    holds: u8,
    /// What must never be seen.
    broken: Vec<&'static str>,
    was_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// Reads, and decides on what is read, to commit it later.
    Decide(Who, Place, Step, bool),
    /// Commits what was decided, if what it was decided on is as it was.
    Commit,
    /// Decides and commits at once.
    Do(Who, Place, Step, bool),
    /// Somebody promotes past all deployments.
    PromoteByHand,
    /// An owner holds the slot, or releases it.
    Hold(bool),
    /// A worker begins a replay, whose evidence it has later.
    StartReplay(Place),
    /// A deployment whose pointer was moved away is noticed.
    Reconcile(Place),
}

/// With or without the slot's revision compared, to see that the check can fail.
struct Deployments {
    compares_slot: bool,
}

impl World {
    fn holder_but(&self, at: Place) -> Option<Place> {
        let other = 1 - at;
        self.deployments[other].standing.has_slot().then_some(other)
    }

    fn is_live(&self, at: Place) -> bool {
        self.live == at && self.is_as_shipped
    }

    fn decide(&self, who: Who, at: Place, step: Step, is_waived: bool) -> Option<Decided> {
        let deployment = &self.deployments[at];
        let by = match who {
            Who::Owner => Actor::owner("olga"),
            Who::Robot => Actor::system("robot"),
        };
        let id = DeploymentId::new("d").unwrap();
        let mut to = transition(&id, deployment.standing, step, &by).ok()?;
        let mut superseded = None;
        match step {
            Step::Ship => {
                let holder = self.holder_but(at);
                let is_proven = deployment.standing.state == State::AbPassed
                    && deployment.evidence == Some(true)
                    && holder.is_none_or(|holder| !self.is_live(holder));
                if (!is_proven && !is_waived) || (self.is_held && who == Who::Robot) {
                    return None;
                }
                superseded = holder;
                // Shipped and watched in one commit.
                to = to.after(Step::Watch)?;
            }
            Step::RollBack if !self.is_live(at) || (who == Who::Robot && self.is_held) => return None,
            _ => {}
        }
        Some(Decided {
            who,
            at,
            step,
            to,
            superseded,
            is_waived,
            has_changed: Changed::default(),
        })
    }

    /// Tells who is slow that something is not as it was.
    fn change(&mut self, what: impl FnOnce(&mut Changed)) {
        if let Some(pending) = &mut self.pending {
            what(&mut pending.has_changed);
        }
    }

    fn step(&mut self, at: Place, to: Standing) {
        self.deployments[at].standing = to;
        self.change(|changed| changed.deployments[at] = true);
    }

    fn move_pointer(&mut self, live: Place, is_as_shipped: bool) {
        self.live = live;
        self.is_as_shipped = is_as_shipped;
        self.moves += 1;
        for deployment in &mut self.deployments {
            deployment.evidence = deployment.evidence.map(|_| false);
        }
        self.change(|changed| changed.pointer = true);
    }

    fn commit(&mut self, decided: &Decided, compares_slot: bool) {
        let (at, changed) = (decided.at, decided.has_changed);
        let moves_pointer = matches!(decided.step, Step::Ship | Step::RollBack);
        let guards = moves_pointer || matches!(decided.step, Step::Regress | Step::Clear | Step::Override);
        let is_late = changed.deployments[at]
            || (guards && compares_slot && changed.slot)
            || (moves_pointer && changed.pointer)
            || decided.superseded.is_some_and(|other| changed.deployments[other]);
        if is_late {
            self.was_refused = true;
            return;
        }
        if self.deployments[at].standing.state.is_final() {
            self.broken.push("what was final changed");
        }
        if decided.who == Who::Robot && moves_pointer && self.is_held {
            self.broken.push("automation moved what was held");
        }
        match decided.step {
            Step::Ship => {
                if !decided.is_waived && self.deployments[at].evidence != Some(true) {
                    self.broken.push("something was shipped on stale evidence");
                }
                let mut restores = self.live;
                if let Some(other) = decided.superseded {
                    if self.is_live(other) {
                        restores = self.deployments[other].restores.unwrap_or(restores);
                    }
                    let to = self.deployments[other].standing.after(Step::Supersede).unwrap();
                    self.step(other, to);
                }
                self.deployments[at].restores = Some(restores);
                self.records += 1;
                self.move_pointer(at, true);
            }
            Step::RollBack => {
                if !self.is_live(at) {
                    self.broken.push("something was rolled back that was not live");
                }
                let restores = self.deployments[at].restores.unwrap_or(INCUMBENT);
                self.records += 1;
                self.move_pointer(restores, false);
            }
            // Evidence says what it is about: not what is live, if that was changed since.
            Step::PassReplay => self.deployments[at].evidence = Some(!changed.pointer),
            _ => {}
        }
        self.step(at, decided.to);
        if guards {
            self.change(|changed| changed.slot = true);
        }
    }
}

impl Model for Deployments {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let proposed = Deployment {
            standing: Standing::PROPOSED,
            evidence: None,
            restores: None,
            replays: 0,
        };
        vec![World {
            deployments: [proposed.clone(), proposed],
            is_held: false,
            live: INCUMBENT,
            is_as_shipped: false,
            pending: None,
            moves: 0,
            records: 0,
            holds: 0,
            broken: Vec::new(),
            was_refused: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.pending.is_some() {
            actions.push(Action::Commit);
        }
        for who in [Who::Owner, Who::Robot] {
            for at in 0..2 {
                let steps: &[(Step, bool)] = match who {
                    Who::Owner => &[
                        (Step::Reject, false),
                        (Step::Ship, false),
                        (Step::Ship, true),
                        (Step::RollBack, false),
                        (Step::Override, false),
                    ],
                    Who::Robot => &[
                        (Step::PassReplay, false),
                        (Step::Ship, false),
                        (Step::Clear, false),
                        (Step::Regress, false),
                        (Step::RollBack, false),
                    ],
                };
                for (step, is_waived) in steps {
                    let moves = matches!(step, Step::Ship | Step::RollBack);
                    if moves && world.moves >= MOVES {
                        continue;
                    }
                    // Kept small: a watch begins twice at most.
                    if *step == Step::Override && world.deployments[at].standing.epoch >= 2 {
                        continue;
                    }
                    if world.decide(who, at, *step, *is_waived).is_some() {
                        actions.push(Action::Do(who, at, *step, *is_waived));
                        if world.pending.is_none() {
                            actions.push(Action::Decide(who, at, *step, *is_waived));
                        }
                    }
                }
            }
        }
        if world.moves < MOVES && world.live != BY_HAND {
            actions.push(Action::PromoteByHand);
        }
        if world.holds < 1 {
            actions.push(Action::Hold(!world.is_held));
        }
        for at in 0..2 {
            // A replay twice at most of one, so that it can follow a stale base.
            let deployment = &world.deployments[at];
            if deployment.replays < 2 - at as u8 && deployment.standing.after(Step::StartReplay).is_some() {
                actions.push(Action::StartReplay(at));
            }
            if world.deployments[at].standing.has_slot() && !world.is_live(at) {
                actions.push(Action::Reconcile(at));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Decide(who, at, step, is_waived) => {
                world.pending = world.decide(who, at, step, is_waived);
            }
            Action::Do(who, at, step, is_waived) => {
                let decided = world.decide(who, at, step, is_waived)?;
                world.commit(&decided, self.compares_slot);
            }
            Action::Commit => {
                let decided = world.pending.take()?;
                world.commit(&decided, self.compares_slot);
            }
            Action::PromoteByHand => {
                world.records += 1;
                world.move_pointer(BY_HAND, false);
            }
            Action::Hold(is_held) => {
                world.is_held = is_held;
                world.holds += 1;
                world.change(|changed| changed.slot = true);
            }
            Action::StartReplay(at) => {
                let to = world.deployments[at].standing.after(Step::StartReplay)?;
                world.deployments[at].replays += 1;
                world.step(at, to);
            }
            Action::Reconcile(at) => {
                let to = world.deployments[at].standing.after(Step::Supersede)?;
                world.step(at, to);
                world.change(|changed| changed.slot = true);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is broken", |_, world: &World| world.broken.is_empty()),
            Property::always("at most one has the slot", |_, world: &World| {
                world
                    .deployments
                    .iter()
                    .filter(|of| of.standing.has_slot())
                    .count()
                    <= 1
            }),
            Property::always("the pointer moves with a record only", |_, world: &World| {
                world.records == world.moves
            }),
            Property::always(
                "what is live of a deployment is one that was shipped",
                |_, world: &World| {
                    world.live >= INCUMBENT || world.deployments[world.live].restores.is_some()
                },
            ),
            Property::sometimes("something is shipped and cleared", |_, world: &World| {
                world
                    .deployments
                    .iter()
                    .any(|of| of.standing.monitor == Some(MonitorOutcome::Cleared))
            }),
            Property::sometimes("something is rolled back", |_, world: &World| {
                world
                    .deployments
                    .iter()
                    .any(|of| of.standing.state == State::RolledBack)
            }),
            Property::sometimes("a late command is refused", |_, world: &World| world.was_refused),
            Property::sometimes("a forced ship supersedes a watch", |_, world: &World| {
                world.live < INCUMBENT
                    && world.deployments[1 - world.live].standing.monitor == Some(MonitorOutcome::Superseded)
            }),
        ]
    }
}

#[test]
fn whatever_the_order_no_invariant_of_deployments_breaks() {
    let model = Deployments { compares_slot: true };
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The check can fail: without the slot's revision, automation moves what an owner holds.
#[test]
fn without_the_slots_revision_a_hold_comes_too_late() {
    let model = Deployments { compares_slot: false };
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    assert!(checker.discovery("nothing is broken").is_some());
}
