//! The contract of every store trait as tests, for backends inside and outside this repository.
//!
//! Turn on the feature `conformance` of this crate in your `dev-dependencies`, say how your backend is opened, and
//! let [`suite!`](crate::conformance::suite) make one test of each case:
//!
//! ```
//! use promptops_core::conformance::{Harness, async_trait, suite};
//! use promptops_core::{MemoryBackend, Stores};
//!
//! struct Memory(MemoryBackend);
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     async fn open(&self) -> Stores {
//!         self.0.clone().into()
//!     }
//! }
//!
//! suite!(Memory(MemoryBackend::new()));
//! # fn main() {}
//! ```
//!
//! Each line of a store trait's "Behavior" has a case. One more, [`model`], does generated operations to your backend
//! and to [`MemoryBackend`](crate::MemoryBackend), and looks for a difference.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this is test code: a case fails by panicking"
)]

pub mod audit;
pub mod completion;
pub mod dataset;
pub mod deployment;
pub mod environment;
pub mod evaluation;
pub mod experiment;
pub mod feed;
mod fixture;
pub mod improvement;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod tenancy;
pub mod trace;

use std::future::Future;

#[doc(no_inline)]
pub use async_trait::async_trait;

#[doc(inline)]
pub use crate::__conformance_suite as suite;
use crate::ops::Stores;

/// One database of a backend. Each case gets one of its own, with nothing in it.
///
/// A harness panics when it cannot do what is asked: a missing database fails the tests, it never skips them.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens the stores on this harness's data.
    ///
    /// Cases call it again to see what is still there after all earlier stores were dropped, and while earlier ones
    /// are in use, to work on the same data as another process would: return a handle as independent of the others
    /// as the backend allows. In memory that is a clone.
    async fn open(&self) -> Stores;

    /// Changes the stored content of this version behind the backend's back, so that it can still be read but no
    /// longer has its hash. Returns `false` when nothing outside of the process could do that, as in memory.
    async fn tamper_with_content(&self, tenant: &str, prompt: &str, number: u32) -> bool {
        let _ = (tenant, prompt, number);
        false
    }
}

/// Runs a case on a multi-threaded runtime of its own, so that races are real.
#[doc(hidden)]
pub fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("the runtime starts")
        .block_on(case);
}

/// Makes one `#[test]` of each case, in modules named like the stores' rooms.
///
/// Takes an expression that makes a [`Harness`](crate::conformance::Harness) with an empty database; it is evaluated
/// in an `async` context once for each test, so that `suite!(MyHarness::new().await)` works too. To run the suite on
/// several harnesses, put each call in a module of its own.
#[macro_export]
#[doc(hidden)]
macro_rules! __conformance_suite {
    ($harness:expr $(,)?) => {
        $crate::__conformance_suite! { @cases ($harness)
            prompt {
                first_save_makes_the_prompt
                versions_are_numbered_from_one_in_each_prompt
                version_reads_back_as_saved
                times_are_kept_to_the_microsecond
                saving_the_same_content_again_changes_nothing
                archived_content_saved_again_stays_archived
                same_content_in_another_prompt_is_another_version
                racing_saves_of_one_content_make_one_version
                racing_saves_of_different_contents_get_consecutive_numbers
                parent_is_the_newest_version_unless_given
                unknown_parents_are_invalid
                save_is_refused_for_its_first_reason
                taken_semver_already_exists
                racing_saves_of_one_semver_have_one_winner
                saved_tags_are_added_to_the_prompts
                save_is_on_record_under_the_versions_name
                another_handle_sees_what_was_saved
                every_part_of_a_content_is_kept
                awkward_texts_are_kept_byte_for_byte
                extreme_numbers_are_kept_bit_for_bit
                large_contents_are_kept
                changed_content_is_corrupt
                status_changes_are_kept
                present_status_is_kept_without_a_record
                illegal_transitions_are_refused
                archiving_a_live_version_conflicts
                status_of_an_unknown_version_is_not_found
                racing_status_changes_are_one_change
                archiving_and_promoting_exclude_each_other
                prompt_record_follows_its_versions
                tags_are_replaced_each_once_and_sorted
                tags_of_an_unknown_prompt_are_not_found
                prompts_are_listed_in_byte_order_in_pages_of_any_size
                prefix_is_taken_literally
                prompt_filters_hold_together
                thousands_of_prompts_are_listed_in_pages
                versions_are_listed_newest_first_in_pages_of_any_size
                thousands_of_versions_are_listed_in_pages
                foreign_cursors_of_prompts_and_versions_are_invalid
                dependents_are_listed_in_order_in_pages_of_any_size
                any_status_is_found_by_number_and_hash
                latest_is_the_largest_active_number
                live_version_is_found_by_environment
                missing_says_what_is_missing
                results_are_in_the_order_of_the_references
                one_lookup_is_one_consistent_view
            }
            environment {
                move_is_kept_as_given
                stale_revision_conflicts
                racing_moves_on_one_revision_have_one_winner
                racing_movers_leave_a_history_without_gap
                stale_policy_revision_conflicts
                stale_source_conflicts
                racing_changes_of_what_a_move_rests_on_are_seen
                moving_to_an_unknown_version_is_not_found
                moving_activates_a_draft
                moving_to_an_archived_version_is_an_illegal_transition
                move_is_refused_for_its_first_reason
                failed_move_changes_nothing
                history_is_listed_newest_first_in_pages_of_any_size
                slots_show_all_pointers_of_the_prompt_in_order
                slots_are_one_consistent_view
                policy_is_kept_as_set
                policies_are_listed_in_order
                slots_show_the_policies_that_concern_the_prompt
                removed_policy_is_gone
                removing_an_unknown_policy_is_not_found
                racing_policy_changes_all_count
                approval_is_kept_as_given
                stale_approval_conflicts
                repeated_approval_changes_nothing
                approvals_that_differ_all_count
                approvals_are_listed_in_order
                spent_approvals_vanish_from_slots
                racing_equal_approvals_are_one
            }
            metrics {
                metrics_without_feedback_are_zero
                feedback_is_counted_per_environment_and_over_all
                feedback_counts_for_its_own_prompt_closure_and_tenant
                racing_feedback_loses_no_count
                batch_is_counted_as_a_whole
                thousands_are_counted_in_one_batch
                feedback_is_counted_by_its_time
                rollups_are_those_that_are_asked_for
                oldest_minutes_are_removed_first
                minutes_are_removed_while_others_are_counted
            }
            trace {
                annotated_trace_is_counted_anew
                late_feedback_on_a_trace_without_content_counts
                annotations_are_added_in_the_order_of_the_batch
                annotations_of_unknown_traces_are_dropped
                racing_annotations_lose_nothing
                racing_annotations_and_traces_are_counted
                annotation_does_not_bring_back_a_removed_minute
                trace_takes_scores_of_64_names
                rollup_counts_scores_of_256_names
                what_a_trace_says_elsewhere_is_no_tag_and_no_score
                traces_are_listed_newest_first_in_pages_of_any_size
                traces_that_come_and_go_do_not_move_pages
                racing_readers_meet_every_trace_once
                foreign_cursors_of_traces_are_invalid
                every_condition_of_a_trace_filter_counts
                conditions_of_a_trace_filter_hold_together
                traces_are_found_by_their_time
                oldest_traces_are_removed_first
                traces_are_removed_to_the_millisecond
                traces_are_removed_while_others_come
                trace_is_kept_as_recorded
                recorded_trace_is_a_duplicate
                traces_without_content_are_kept_and_counted
                traces_are_counted_in_their_own_time
                variants_are_counted_apart
                racing_traces_lose_no_count
                batch_of_traces_is_counted_as_a_whole
                thousands_of_traces_are_one_batch
            }
            experiment {
                changed_experiment_is_kept_as_given
                change_of_an_unknown_experiment_is_not_found
                stale_experiment_revision_conflicts
                completed_experiment_is_final
                change_is_refused_for_its_first_reason
                completion_promotes_the_winner
                refused_promotion_leaves_the_experiment_open
                racing_changes_of_an_experiment_have_one_winner
                racing_completions_promote_once
                racing_moves_and_completions_exclude_each_other
                experiment_is_kept_as_created
                beginning_changes_no_version_and_no_pointer
                experiment_on_a_stale_pointer_conflicts
                experiment_on_a_stale_policy_conflicts
                unknown_variants_are_not_found
                archived_variant_is_an_illegal_transition
                second_open_experiment_already_exists
                racing_experiments_of_one_place_have_one_winner
                open_experiments_of_a_namespace_share_no_bucket
                racing_experiments_of_one_bucket_have_one_winner
                taken_experiment_id_already_exists
                experiment_is_refused_for_its_first_reason
                archiving_a_variant_conflicts
                racing_archiving_and_experiments_exclude_each_other
                racing_changes_of_what_an_experiment_rests_on_are_seen
                experiments_are_listed_by_id_in_pages_of_any_size
                foreign_cursors_of_experiments_are_invalid
                experiment_filters_hold_together
                thousands_of_experiments_are_listed_in_pages
                outcomes_of_an_unknown_experiment_are_not_found
                first_outcome_of_a_unit_counts
                unit_of_two_variants_is_contaminated
                outcomes_of_one_batch_count_in_its_order
                every_figure_of_an_outcome_is_counted
                tallies_do_not_depend_on_the_order_of_units
                completed_experiment_takes_no_outcomes
                outcomes_count_for_their_own_experiment
                racing_outcomes_of_one_unit_count_once
                racing_outcomes_of_two_variants_contaminate_once
                racing_batches_of_outcomes_lose_no_count
                batch_of_outcomes_is_counted_as_a_whole
                racing_outcomes_and_completions_agree
                ten_thousand_outcomes_are_one_batch
                losses_add_up
            }
            deployment {
                commit_is_kept_as_given
                commit_without_deployments_is_kept
                stale_slot_conflicts
                taken_key_already_exists
                creation_rests_on_its_version_and_base
                change_of_an_unknown_deployment_is_not_found
                stale_deployment_conflicts
                candidate_on_its_way_already_exists
                second_deployment_in_a_slot_conflicts
                refused_move_leaves_the_deployment
                commit_is_refused_for_its_first_reason
                deployments_are_their_tenants_own
                deployments_are_listed_by_id_in_pages_of_any_size
                foreign_cursors_of_deployments_are_invalid
                deployment_filters_hold_together
                racing_approval_and_rejection_exclude_each_other
                racing_ships_have_one_winner
                racing_ships_and_promotions_exclude_each_other
                racing_commands_of_one_key_are_carried_out_once
                racing_proposals_of_one_candidate_have_one_winner
                racing_hold_and_rollback_exclude_each_other
            }
            improvement {
                records_are_kept_as_given
                awkward_records_are_kept_byte_for_byte
                record_is_found_by_kind_and_id
                stale_records_conflict
                first_stale_record_tells
                improvement_is_on_record
                racing_commits_have_one_winner
                racing_commits_of_many_records_all_end
                records_are_their_tenants_own
                records_are_listed_by_id_in_pages_of_any_size
                record_filters_hold_together
                thousands_of_records_are_listed_in_pages
                lease_is_given_prolonged_and_runs_out
                lease_is_given_back_by_who_has_it
                leases_are_of_their_own_slot_and_tenant
                racing_workers_get_one_lease
                spending_stays_within_each_limit
                settled_spending_is_what_was_spent
                days_and_tenants_spend_apart
                largest_spending_stays_the_most
                racing_reservations_stay_within_the_limits
                racing_settlements_lose_nothing
            }
            dataset {
                dataset_reads_back_as_saved
                saved_datasets_are_on_record
                dataset_versions_are_numbered_from_one_in_each_dataset
                saving_the_same_entries_again_changes_nothing
                racing_saves_of_the_same_entries_make_one_version
                racing_saves_of_different_entries_get_consecutive_numbers
                stale_dataset_conflicts
                racing_additions_to_a_dataset_are_all_kept
                unknown_datasets_are_not_found
                awkward_entries_are_kept_byte_for_byte
                thousands_of_entries_are_listed_in_pages
                datasets_are_listed_in_byte_order_in_pages_of_any_size
                dataset_versions_and_entries_are_listed_in_pages_of_any_size
                foreign_cursors_of_datasets_are_invalid
                datasets_are_each_tenants_own
            }
            evaluation {
                evidence_is_kept_as_recorded
                evidence_recorded_last_counts
                evidence_on_a_version_is_the_last_on_it
                recorded_run_already_exists
                evidence_is_of_its_own_prompt_closure_dataset_and_tenant
                racing_records_of_one_run_have_one_winner
                run_is_kept_as_created
                run_is_refused_for_its_first_reason
                racing_runs_of_one_id_have_one_winner
                unknown_runs_are_not_found
                runs_are_listed_newest_first_in_pages_of_any_size
                run_filters_hold_together
                stopped_run_can_be_resumed
                present_run_state_is_kept_without_a_record
                illegal_run_states_are_refused
                run_without_all_results_is_not_completed
                completed_run_has_its_evidence
                run_whose_evidence_is_on_record_is_not_completed
                racing_completions_record_evidence_once
                racing_stops_and_completions_have_one_winner
                tasks_are_given_in_the_order_of_their_ordinals
                no_task_is_held_by_two_workers
                ended_leases_are_anybodys
                renewed_leases_hold
                released_tasks_are_anybodys_at_once
                only_a_running_run_gives_tasks
                tasks_with_results_are_not_given
                racing_workers_get_each_task_once
                racing_claims_of_ended_leases_share_none
                runs_have_tasks_of_their_own
                results_are_kept_as_recorded
                first_result_stays
                racing_results_of_one_task_have_one_winner
                foreign_results_are_invalid
                stopped_run_takes_what_was_under_way
                results_are_listed_in_order_in_pages_of_any_size
                thousands_of_results_are_kept
            }
            completion {
                kept_answer_is_found
                first_answer_stays
                answers_are_each_tenants_own
                forgotten_answers_are_gone
            }
            audit {
                log_is_empty_before_the_first_change
                every_change_is_on_record_once
                chain_goes_on_after_reopening
                racing_changes_leave_one_chain
                records_are_listed_in_order_in_pages_of_any_size
                entries_are_kept_exactly
                each_tenant_has_its_own_chain
            }
            feed {
                changes_are_told_in_the_order_of_commits
                experiments_are_told
                improvement_is_told
                what_was_not_changed_is_not_told
                racing_changes_are_each_told_once
                a_reader_that_was_away_hears_everything
                readers_do_not_take_from_each_other
            }
            tenancy {
                inherited_prompt_is_found_in_the_parent
                own_prompt_hides_the_parents
                draft_does_not_hide_the_parents
                unpromoted_own_prompt_does_not_hide_the_parents_environment
                missing_describes_the_own_prompt_first
                only_lookups_see_what_is_inherited
                parents_and_siblings_see_nothing_of_a_child
                parent_is_kept_as_set
                inheritance_has_one_level
                parent_is_refused_for_the_first_reason
                racing_parents_never_make_a_second_level
                tenants_are_isolated_in_every_method
                everything_is_there_after_reopening
            }
            model {
                generated_operations_agree_with_memory
                generated_traffic_agrees_with_memory
            }
        }
    };
    (@cases ($harness:expr) $($room:ident { $($case:ident)* })*) => {
        async fn conformance_harness() -> impl $crate::conformance::Harness {
            $harness
        }

        $(
            mod $room {
                $(
                    #[test]
                    fn $case() {
                        $crate::conformance::run(async {
                            $crate::conformance::$room::$case(&super::conformance_harness().await).await;
                        });
                    }
                )*
            }
        )*
    };
}
