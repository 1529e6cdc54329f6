//! Tests of the store. Those of `reading.rs`, `writing.rs`, `chain.rs`, `histories.rs`, `pages.rs`
//! and `keys.rs` run on every backend; `sqlite.rs` and `upgrade.rs` are for SQLite only,
//! `postgres.rs` and `server.rs` for PostgreSQL only.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod chain;
mod histories;
mod keys;
mod ledger;
mod pages;
mod postgres;
mod reading;
mod server;
mod sqlite;
mod upgrade;
mod writing;

use test_support::database;

/// Runs tests, each with a fresh ledger of each backend.
macro_rules! kept {
    ($($topic:ident { $($promise:ident)* })*) => {
        kept! { over_sqlite crate::sqlite::Fresh, false; $($topic { $($promise)* })* }
        kept! { over_postgres crate::postgres::Fresh, true; $($topic { $($promise)* })* }
    };
    ($over:ident $fresh:ty, $postgres:tt; $($topic:ident { $($promise:ident)* })*) => {
        mod $over {
            $(
                mod $topic {
                    $(
                        #[test]
                        #[cfg_attr($postgres, ignore = "needs PostgreSQL: ./tests/run")]
                        fn $promise() {
                            crate::$topic::$promise(&<$fresh>::default());
                        }
                    )*
                }
            )*
        }
    };
}

kept! {
    histories {
        a_write_says_the_hashes_that_its_commits_have_got
        nothing_is_written_behind_a_revision_of_another_history
    }
    reading {
        an_empty_ledger_answers_everything_with_nothing
        replay_brings_the_range_in_order_however_it_was_sent
        replay_brings_every_figure_of_many_pages
        replay_survives_a_panic_of_the_one_who_takes
        a_query_finds_exactly_what_reading_everything_and_choosing_finds
        pages_by_cursor_equal_the_whole
        submissions_are_found_by_identifier_and_by_revision
        the_newest_version_of_each_unit_counts_at_each_revision
        the_catalogue_keeps_every_version
        the_revision_of_a_time_is_the_last_one_before_it
        at_each_revision_the_ledger_is_as_it_was_then
        what_revisions_brought_besides_figures_is_named
        the_newest_version_of_each_declaration_counts_until_it_is_taken_away
        the_times_of_all_revisions_are_read_in_order
        units_are_named_in_the_same_order_everywhere
    }
    writing {
        a_commit_reads_back_as_it_was_written
        a_batch_is_written_with_all_its_revisions
        writing_nothing_changes_nothing
        a_writer_that_is_behind_writes_nothing_and_learns_the_head
        revisions_leave_no_gap_and_time_never_goes_back
        one_faulty_commit_leaves_nothing_of_its_batch_and_the_ledger_goes_on
        a_dictionary_never_gives_a_number_or_a_name_twice
        a_figure_of_an_unknown_unit_or_measure_is_refused
        a_withdrawal_names_a_submission_that_exists
        a_declaration_comes_once_in_a_commit
        the_largest_commit_is_written_whole
        two_stores_on_one_ledger_see_each_other_and_data_version_moves
        writers_that_race_leave_every_commit_exactly_once
        readers_are_not_held_up_by_a_writer
        nothing_in_the_ledger_can_be_changed_or_deleted_even_by_hand
        a_commit_is_known_to_be_recorded_or_not
        what_cannot_be_dated_is_not_written
        a_time_is_settled_when_the_writer_who_was_there_first_has_written
        nothing_is_dated_before_a_time_that_was_settled
    }
    chain {
        every_commit_reads_back_whole_whichever_revisions_are_asked_for
        each_hash_covers_its_revision_and_the_hash_before_as_the_docs_say
        hashes_of_revisions_without_declarations_stay_what_they_were
        the_order_of_a_commits_lists_makes_no_difference
        every_field_makes_a_difference
        a_ledger_written_in_pieces_has_the_hashes_of_one_written_at_once
        a_sound_ledger_is_found_sound_and_each_change_by_hand_is_found
        rows_are_added_to_no_revision_that_is_sealed_or_not_there
        rows_of_a_revision_that_is_gone_are_told
        a_ledger_is_copied_whole_and_goes_on_from_where_a_copy_ended
        a_ledger_is_not_copied_into_another
    }
    keys {
        an_answer_is_kept_with_what_it_answers_or_not_at_all
        a_key_that_was_answered_leaves_everything_unwritten
        keys_differ_by_holder_and_target
        keys_are_listed_in_the_same_order_everywhere
        old_answers_are_forgotten_a_bounded_number_at_a_time
        many_keys_are_looked_up_at_once
        the_newest_use_of_each_key_is_kept_beside_the_ledger
        the_declarations_of_a_kind_are_found_with_the_revision_that_changed_them_last
    }
    pages {
        the_oldest_of_20_drafts_makes_room_for_another
        sessions_are_kept_until_they_end_or_are_purged
    }
}
