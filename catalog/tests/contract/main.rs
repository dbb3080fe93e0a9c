//! The contract that every adapter of the catalog keeps, run on each of them.

#![expect(unreachable_pub, reason = "the functions of the suite are named by the macro that runs them")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod archive;
mod audience;
mod claims;
mod connecting;
mod failures;
mod faults;
mod fixture;
mod hints;
mod life;
mod log;
mod order;
mod plans;
mod processes;
mod publishing;
mod random;
mod reconnecting;
mod redis;
mod retention;
mod scale;
mod upkeep;
mod waits;

/// Runs functions of the suite on an adapter, each on a catalog of its own.
macro_rules! contract {
    ($adapter:ty: $($module:ident { $($name:ident),* $(,)? })*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let place = <$adapter as crate::fixture::Adapter>::new();
                crate::$module::$name(&place).await;
            })*
        })*
    };
}

/// What holds wherever processes meet.
macro_rules! meeting {
    ($adapter:ty) => {
        contract! { $adapter:
            hints {
                hints_follow_commits,
                a_claim_of_a_chunk_is_no_news,
            }
            audience {
                a_session_is_one_view_a_day,
                a_session_is_present_for_half_a_minute,
                what_was_noted_is_counted_at_the_end,
                views_of_many_videos_are_counted_however_many_they_are,
                views_of_a_video_that_is_gone_are_dropped,
                viewers_who_are_told_by_many_processes_at_once_count_once,
                sessions_are_forgotten_when_they_are_over_also_where_nobody_sweeps,
            }
        }
    };
}

/// The whole suite, on one adapter.
macro_rules! suite {
    ($adapter:ty) => {
        meeting! { $adapter }
        contract! { $adapter:
            life {
                a_video_goes_from_upload_to_ready,
                the_probe_is_claimable_while_bytes_arrive,
                an_abandoned_upload_leaves_only_a_delete_job,
                an_upload_is_held_only_as_long_as_asked,
                finishing_an_upload_twice_is_harmless_and_otherwise_refused,
                deletion_is_at_once_and_remembered_for_seven_days,
                the_end_of_a_deletion_may_be_told_again_for_a_day,
                illegal_changes_are_refused,
                a_failed_video_can_be_tried_again,
                titles_change_and_are_bounded,
                strings_of_a_publisher_are_merged_and_bounded,
                texts_that_cannot_be_stored_are_refused,
            }
            archive {
                everything_is_found_again_in_another_catalog,
                an_export_that_was_imported_is_the_same_again,
                an_export_of_a_version_before_is_taken,
                what_was_being_uploaded_is_not_deleted_after_an_import,
                a_database_that_was_brought_back_goes_on_after_the_documented_statements,
                what_is_no_whole_export_changes_nothing,
            }
            connecting {
                what_must_be_there_is_not_made,
            }
            claims {
                sixteen_threads_never_get_the_same_job,
                an_expired_lease_is_claimable_and_its_token_stale,
                a_renewed_lease_lasts,
                tokens_only_grow,
                every_finish_refuses_a_stale_token,
                finishing_twice_is_harmless,
                a_released_claim_counts_no_attempt,
                a_restarted_worker_gets_its_jobs_back,
                a_worker_without_the_encoders_claims_no_chunk,
                a_claim_that_nobody_waits_for_is_given_back,
                deletion_takes_running_claims_away,
                many_workers_leave_nothing_behind,
            }
            order {
                the_earliest_deadline_comes_first,
                a_waited_for_chunk_is_split_where_somebody_waits,
                two_waits_in_one_chunk_split_it_twice,
                the_next_two_chunks_follow_the_viewer,
                first_chunks_come_before_the_background,
                the_background_is_shared_between_videos,
                an_urgent_slot_takes_no_background,
                the_slot_kept_for_those_who_wait_takes_nothing_ahead,
                raising_again_keeps_the_earliest_deadline,
                a_deadline_that_passed_falls_behind_one_that_lasts,
                a_deadline_lies_a_minute_ahead_at_most,
                raising_what_cannot_be_made_is_refused,
            }
            publishing {
                a_run_published_in_parts_shrinks_the_job,
                decoder_configurations_are_set_once,
                a_wrong_index_is_refused,
                playable_needs_the_first_segment,
                sheets_appear_with_their_pictures_and_finalize_at_the_end,
                unusable_chunks_are_queued_again_once,
                a_snapshot_shows_what_is_committed,
                percent_is_the_committed_media_time,
            }
            failures {
                the_third_failure_makes_filler_and_a_warning,
                a_first_chunk_that_cannot_be_made_ends_the_video,
                more_than_a_tenth_of_filler_ends_the_video,
                a_probe_that_finds_no_media_ends_the_video,
                a_sheet_that_cannot_be_made_is_a_warning,
                finalizing_that_fails_leaves_a_warning,
                a_deletion_is_tried_until_it_works,
                a_resting_job_blocks_nobody,
                failing_twice_with_one_claim_counts_once,
            }
            log {
                sequence_numbers_follow_commit_order,
                another_connection_sees_events_in_order,
                the_log_is_trimmed_and_says_so,
                the_log_has_a_length,
                one_read_gives_so_many_events_and_not_one_more,
                a_timeline_tells_every_attempt,
            }
            upkeep {
                expired_uploads_are_removed,
                lost_jobs_are_restored_and_then_given_up,
                plans_whose_encoders_went_away_begin_again,
                a_worker_counts_as_present_for_ten_minutes,
                encoders_that_go_away_again_and_again_end_the_video,
                a_sweep_removes_so_many_rows_and_leaves_the_rest_to_the_next,
                nothing_is_swept_before_its_time,
            }
            retention {
                a_video_is_deleted_when_its_time_is_over,
                an_end_is_set_moved_and_taken_back,
                so_many_videos_end_in_one_sweep_and_the_rest_in_the_next,
                so_many_sessions_are_forgotten_in_one_sweep_and_the_rest_in_the_next,
                one_of_all_processes_looks_for_orphans_and_goes_on_where_the_last_ended,
            }
            scale {
                the_first_page_of_many_videos_is_fast,
                claiming_from_a_long_queue_is_fast,
                a_long_film_stays_cheap,
                chunks_beyond_those_of_one_statement_are_read_as_well,
                pages_are_complete_and_in_order,
            }
            processes {
                two_processes_share_the_work,
                two_processes_claim_a_thousand_jobs_once,
                a_killed_process_costs_one_attempt,
                what_was_acknowledged_is_there_after_a_restart,
            }
        }
    };
}

mod sqlite {
    suite! { crate::fixture::Sqlite }
}

mod postgres {
    suite! { crate::fixture::Postgres }
}

mod redis_and_sqlite {
    meeting! { crate::fixture::WithRedis<crate::fixture::Sqlite> }
}

mod redis_and_postgres {
    meeting! { crate::fixture::WithRedis<crate::fixture::Postgres> }
}
