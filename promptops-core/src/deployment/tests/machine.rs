//! The table.

use std::fmt::Write;

use super::super::{MonitorOutcome, Standing, State, Step, transition};
use crate::base::{Actor, DeploymentId, ErrorKind, Role};

fn standings() -> Vec<Standing> {
    let of = |state, monitor| Standing {
        state,
        monitor,
        epoch: u32::from(monitor.is_some()),
    };
    let mut all: Vec<_> = State::ALL
        .iter()
        .filter(|state| state.is_before_ship() || **state == State::Shipped)
        .map(|state| of(*state, None))
        .collect();
    all.push(of(State::Shipped, Some(MonitorOutcome::Superseded)));
    all.extend(
        MonitorOutcome::ALL
            .iter()
            .map(|outcome| of(State::Monitoring, Some(*outcome))),
    );
    all.push(of(State::Regressed, Some(MonitorOutcome::Open)));
    all.push(of(State::Regressed, Some(MonitorOutcome::Superseded)));
    all.push(of(State::RolledBack, Some(MonitorOutcome::Open)));
    all.push(of(State::Rejected, None));
    all
}

/// The table is the contract: a change to it must be made here too.
#[test]
fn steps_lead_exactly_here_and_are_taken_by_exactly_these_roles() {
    let mut table = String::new();
    for from in standings() {
        for step in Step::ALL {
            let Some(to) = from.after(*step) else { continue };
            let roles: Vec<_> = Role::ALL
                .into_iter()
                .filter(|role| step.is_allowed_to(*role, from))
                .map(Role::as_str)
                .collect();
            writeln!(table, "{from} –{step}→ {to} [{}]", roles.join(" ")).unwrap();
        }
    }
    let expected = "\
proposed –start_replay→ ab_running [owner member system]
proposed –reject→ rejected [owner]
proposed –rebase→ rejected [owner member system]
proposed –ship→ shipped [owner system]
ab_running –pass_replay→ ab_passed [owner member system]
ab_running –fail_replay→ ab_failed [owner member system]
ab_running –return_replay→ proposed [owner member system]
ab_running –reject→ rejected [owner]
ab_running –rebase→ rejected [owner member system]
ab_passed –start_replay→ ab_running [owner member system]
ab_passed –reject→ rejected [owner]
ab_passed –rebase→ rejected [owner member system]
ab_passed –ship→ shipped [owner system]
ab_failed –start_replay→ ab_running [owner member system]
ab_failed –reject→ rejected [owner]
ab_failed –rebase→ rejected [owner member system]
shipped –watch→ monitoring (open) [owner system]
shipped –supersede→ shipped (superseded) [system]
shipped –roll_back→ rolled_back [owner]
monitoring (open) –watch→ monitoring (open) [owner system]
monitoring (open) –clear→ monitoring (cleared) [system]
monitoring (open) –find_drift→ monitoring (drift) [system]
monitoring (open) –find_no_data→ monitoring (no_data) [system]
monitoring (open) –supersede→ monitoring (superseded) [system]
monitoring (open) –regress→ regressed (open) [system]
monitoring (open) –roll_back→ rolled_back [owner]
monitoring (cleared) –watch→ monitoring (open) [owner system]
monitoring (cleared) –roll_back→ rolled_back [owner]
monitoring (no_data) –watch→ monitoring (open) [owner system]
monitoring (no_data) –roll_back→ rolled_back [owner]
monitoring (drift) –watch→ monitoring (open) [owner system]
monitoring (drift) –roll_back→ rolled_back [owner]
regressed (open) –supersede→ regressed (superseded) [system]
regressed (open) –override→ monitoring (open) [owner]
regressed (open) –roll_back→ rolled_back [owner system]
";
    assert_eq!(table, expected, "{table}");
}

#[test]
fn every_step_that_is_not_in_the_table_is_refused_to_every_role() {
    let id = DeploymentId::new("d").unwrap();
    let (mut refused, mut forbidden) = (0, 0);
    for from in standings() {
        for step in Step::ALL {
            for role in Role::ALL {
                let by = Actor::new("somebody", role);
                let result = transition(&id, from, *step, &by);
                match (step.is_allowed_to(role, from), from.after(*step)) {
                    (true, Some(to)) => assert_eq!(result.unwrap(), to),
                    (true, None) => {
                        refused += 1;
                        let error = result.unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::IllegalTransition, "{error}");
                        assert!(error.message().contains(step.as_str()), "{error}");
                    }
                    (false, _) => {
                        forbidden += 1;
                        assert_eq!(result.unwrap_err().kind(), ErrorKind::Forbidden);
                    }
                }
            }
        }
    }
    assert!(refused > 300 && forbidden > 300, "{refused} {forbidden}");
}

#[test]
fn only_an_open_watch_has_the_slot() {
    let having: Vec<_> = standings()
        .into_iter()
        .filter(|standing| standing.has_slot())
        .map(|standing| standing.to_string())
        .collect();
    assert_eq!(having, ["shipped", "monitoring (open)", "regressed (open)"]);
}
