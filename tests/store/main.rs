//! What the store promises. `reading.rs` and `writing.rs` hold for every backend and are run over each; `sqlite.rs` holds for SQLite alone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod ledger;
mod reading;
mod sqlite;
mod writing;

/// Runs promises, each over a fresh ledger of one backend.
macro_rules! kept {
    ($backend:ident over $fresh:expr; $promises:ident: $($promise:ident)*) => {
        mod $backend {
            $(
                #[test]
                fn $promise() {
                    crate::$promises::$promise(&$fresh);
                }
            )*
        }
    };
}

kept! { reading_from_sqlite over crate::sqlite::Fresh::default(); reading:
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
}

kept! { writing_to_sqlite over crate::sqlite::Fresh::default(); writing:
    a_commit_reads_back_as_it_was_written
    a_batch_is_written_with_all_its_revisions
    writing_nothing_changes_nothing
    a_writer_that_is_behind_writes_nothing_and_learns_the_head
    revisions_leave_no_gap_and_time_never_goes_back
    one_faulty_commit_leaves_nothing_of_its_batch_and_the_ledger_goes_on
    a_dictionary_never_gives_a_number_or_a_name_twice
    a_figure_of_an_unknown_unit_or_measure_is_refused
    a_withdrawal_names_a_submission_that_exists
    the_largest_commit_is_written_whole
    two_stores_on_one_ledger_see_each_other_and_data_version_moves
    writers_that_race_leave_every_commit_exactly_once
    readers_are_not_held_up_by_a_writer
}
