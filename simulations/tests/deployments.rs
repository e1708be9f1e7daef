//! Model checking of deployments: two candidates into one slot, people and automation that decide on what they have read
//! before, a pointer that somebody moves by hand, and every order in which that can happen.
//!
//! The steps are the library's own ([`transition`]); what a store compares when it commits is written here as its contract says
//! it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy.toml cannot know"
)]

use promptops_core::base::{Actor, DeploymentId};
use promptops_core::deployment::{MonitorOutcome, Standing, State, Step, transition};
use stateright::{Checker, Model, Property};

/// Of two candidates one has this place; the version live at the beginning has the place after them.
type Place = usize;
const INCUMBENT: Place = 2;
const BY_HAND: Place = 3;
/// Most moves of the pointer and of holds, so that there is an end.
const MOVES: u8 = 5;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Deployment {
    standing: Standing,
    revision: u8,
    /// The pointer's revision that the evidence is about.
    evidence: Option<u8>,
    /// The pointer's revision that it made, and what a rollback restores.
    shipped: Option<(u8, Place)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    revision: u8,
    is_held: bool,
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
    /// What it was decided on.
    deployment: u8,
    slot: u8,
    pointer: u8,
    other: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Owner,
    Robot,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    deployments: [Deployment; 2],
    slot: Slot,
    pointer: u8,
    live: Place,
    /// At most one for each who.
    owner: Option<Decided>,
    robot: Option<Decided>,
    /// Ships, rollbacks and promotions by hand.
    moves: u8,
    /// What must never be seen.
    broken: Vec<&'static str>,
    was_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// Reads, and decides on what is read.
    Decide(Who, Place, Step, bool),
    /// Commits what was decided, if what it was decided on is as it was.
    Commit(Who),
    /// Somebody promotes past all deployments.
    PromoteByHand,
    /// An owner holds the slot, or releases it.
    Hold(bool),
    /// A deployment whose pointer was moved away is noticed.
    Reconcile(Place),
}

/// With or without the slot's revision compared, to see that the check can fail.
struct Deployments {
    compares_slot: bool,
}

impl World {
    fn holder_but(&self, at: Place) -> Option<Place> {
        (0..2).find(|other| *other != at && self.deployments[*other].standing.has_slot())
    }

    fn is_live(&self, at: Place) -> bool {
        self.live == at
            && self.deployments[at]
                .shipped
                .is_some_and(|(revision, _)| revision == self.pointer)
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
                    && deployment.evidence == Some(self.pointer)
                    && holder.is_none_or(|holder| !self.is_live(holder));
                if !is_proven && !is_waived || self.slot.is_held && who == Who::Robot {
                    return None;
                }
                superseded = holder;
                // Shipped and watched in one commit.
                to = to.after(Step::Watch)?;
            }
            Step::RollBack if !self.is_live(at) || (who == Who::Robot && self.slot.is_held) => return None,
            _ => {}
        }
        Some(Decided {
            who,
            at,
            step,
            to,
            superseded,
            is_waived,
            deployment: deployment.revision,
            slot: self.slot.revision,
            pointer: self.pointer,
            other: self.deployments[1 - at].revision,
        })
    }

    fn commit(&mut self, decided: &Decided, compares_slot: bool) {
        let at = decided.at;
        let moves_pointer = matches!(decided.step, Step::Ship | Step::RollBack);
        let guards = moves_pointer || matches!(decided.step, Step::Regress | Step::Clear | Step::Override);
        let holds = self.deployments[at].revision == decided.deployment
            && (!guards || !compares_slot || self.slot.revision == decided.slot)
            && (!moves_pointer || self.pointer == decided.pointer)
            && decided
                .superseded
                .is_none_or(|other| self.deployments[other].revision == decided.other);
        if !holds {
            self.was_refused = true;
            return;
        }
        if self.deployments[at].standing.state.is_final() {
            self.broken.push("what was final changed");
        }
        if decided.who == Who::Robot && moves_pointer && self.slot.is_held {
            self.broken.push("automation moved what was held");
        }
        match decided.step {
            Step::Ship => {
                if !decided.is_waived && self.deployments[at].evidence != Some(self.pointer) {
                    self.broken.push("something was shipped on stale evidence");
                }
                let mut restores = self.live;
                if let Some(other) = decided.superseded {
                    if self.is_live(other) {
                        restores = self.deployments[other]
                            .shipped
                            .map_or(restores, |(_, restores)| restores);
                    }
                    let held = &mut self.deployments[other];
                    held.standing = held.standing.after(Step::Supersede).unwrap();
                    held.revision += 1;
                }
                self.pointer += 1;
                self.moves += 1;
                self.live = at;
                self.deployments[at].shipped = Some((self.pointer, restores));
            }
            Step::RollBack => {
                if !self.is_live(at) {
                    self.broken.push("something was rolled back that was not live");
                }
                self.pointer += 1;
                self.moves += 1;
                self.live = self.deployments[at]
                    .shipped
                    .map_or(INCUMBENT, |(_, restores)| restores);
            }
            Step::PassReplay => self.deployments[at].evidence = Some(decided.pointer),
            _ => {}
        }
        let deployment = &mut self.deployments[at];
        deployment.standing = decided.to;
        deployment.revision += 1;
        if guards {
            self.slot.revision += 1;
        }
    }
}

impl Model for Deployments {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let proposed = Deployment {
            standing: Standing::PROPOSED,
            revision: 1,
            evidence: None,
            shipped: None,
        };
        vec![World {
            deployments: [proposed.clone(), proposed],
            slot: Slot {
                revision: 0,
                is_held: false,
            },
            pointer: 1,
            live: INCUMBENT,
            owner: None,
            robot: None,
            moves: 1,
            broken: Vec::new(),
            was_refused: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (who, pending) in [(Who::Owner, &world.owner), (Who::Robot, &world.robot)] {
            if pending.is_some() {
                actions.push(Action::Commit(who));
                continue;
            }
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
                        (Step::StartReplay, false),
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
                    // Kept small: a watch begins three times at most, and a replay twice.
                    let deployment = &world.deployments[at];
                    if (*step == Step::Override && deployment.standing.epoch >= 2)
                        || (*step == Step::StartReplay && deployment.revision > 4)
                    {
                        continue;
                    }
                    if world.decide(who, at, *step, *is_waived).is_some() {
                        actions.push(Action::Decide(who, at, *step, *is_waived));
                    }
                }
            }
        }
        if world.moves < MOVES && world.live != BY_HAND {
            actions.push(Action::PromoteByHand);
        }
        if world.slot.revision < 3 {
            actions.push(Action::Hold(!world.slot.is_held));
        }
        for at in 0..2 {
            if world.deployments[at].standing.has_slot() && !world.is_live(at) {
                actions.push(Action::Reconcile(at));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Decide(who, at, step, is_waived) => {
                let decided = world.decide(who, at, step, is_waived);
                match who {
                    Who::Owner => world.owner = decided,
                    Who::Robot => world.robot = decided,
                }
            }
            Action::Commit(who) => {
                let decided = match who {
                    Who::Owner => world.owner.take(),
                    Who::Robot => world.robot.take(),
                };
                world.commit(&decided?, self.compares_slot);
            }
            Action::PromoteByHand => {
                world.pointer += 1;
                world.moves += 1;
                world.live = BY_HAND;
            }
            Action::Hold(is_held) => {
                world.slot.is_held = is_held;
                world.slot.revision += 1;
            }
            Action::Reconcile(at) => {
                let deployment = &mut world.deployments[at];
                deployment.standing = deployment.standing.after(Step::Supersede)?;
                deployment.revision += 1;
                world.slot.revision += 1;
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
                world.pointer == world.moves
            }),
            Property::always(
                "what is live of a deployment is one that was shipped",
                |_, world: &World| world.live >= INCUMBENT || world.deployments[world.live].shipped.is_some(),
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
    let checker = model.checker().threads(2).spawn_bfs().join();
    assert!(checker.discovery("nothing is broken").is_some());
}
