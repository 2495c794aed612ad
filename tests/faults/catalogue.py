"""The faults that are tried, each with the tests that try it: ``python -m tests.faults.catalogue`` prints them with counts.

``python -m tests.faults.catalogue --write`` puts the table into ``docs/faults.md``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_PAGE = _REPOSITORY / "docs" / "faults.md"
_MARK = "<!-- from tests/faults/catalogue.py -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what is done, what happens then, and where that is tested (file below tests/, test)."""

    number: int | str
    fault: str
    outcome: str
    tests: tuple[tuple[str, str], ...]
    reason: str = ""
    """Why a part of it is not tried here."""


def _row(number: int | str, fault: str, outcome: str, *tests: str, reason: str = "") -> Row:
    return Row(number, fault, outcome, tuple((test.split("::")[0], test.split("::")[1]) for test in tests), reason)


_LINKS, _DEVICES, _MESSAGES = "faults/test_links.py::", "faults/test_devices.py::", "faults/test_messages.py::"
_VALUES, _DISK, _DATABASE = "faults/test_values.py::", "faults/test_disk.py::", "faults/test_database.py::"
_PROCESSES, _MONITORED = "faults/test_processes.py::", "ingest/test_monitored.py::"
_SUBSCRIPTIONS = "faults/test_subscriptions.py::"
_WIRE, _GATE, _WORKER, _RACES = (f"delivery/test_{name}.py::" for name in ("wire", "gate", "worker", "gate_races"))
_CONTROLLER, _ANSWERS = "simulators/test_controller.py::", "delivery/test_answers.py::"

ROWS: tuple[Row, ...] = (
    _row(
        1, "a link is cut (RST)", "a gap with start and end; reads go on", _LINKS + "test_a_cut_link_becomes_a_gap_with_its_start_and_end"
    ),
    _row(
        2,
        "a link is half open",
        "found by reads that stay unanswered, or by keepalive; a new connection",
        _LINKS + "test_a_half_open_link_is_found_within_three_seconds_and_read_anew",
        _MESSAGES + "test_a_half_open_broker_is_found_within_ten_seconds_and_its_message_comes_again",
    ),
    _row(
        3,
        "delay, jitter, slices of a few bytes",
        "skipped reads are counted; none pile up",
        _LINKS + "test_a_slow_link_skips_reads_and_counts_them_and_reads_never_pile_up",
    ),
    _row(
        4,
        "a link flaps",
        "pauses with jitter; descriptors and threads stay as they were",
        _LINKS + "test_a_flapping_link_costs_neither_descriptors_nor_threads",
    ),
    _row(
        5,
        "a name is unknown, or moves to another address",
        "asked for again at each attempt",
        _LINKS + "test_a_name_that_is_unknown_for_a_while_is_asked_for_again_and_its_new_address_is_taken",
    ),
    _row(
        6,
        "a port is open and silent",
        "given up after the time-out, tried again",
        _LINKS + "test_a_port_that_is_open_and_silent_hangs_nothing",
        "protocols/test_mqtt_client.py::test_a_broker_that_never_answers_does_not_hang_us",
    ),
    _row(
        7,
        "the database is away for long",
        "memory flat, the spool grows, all goes in order afterwards",
        _DATABASE + "test_while_the_database_is_away_memory_stays_flat_and_what_waited_goes_in_order_afterwards",
        reason="20 min and 24 h are a benchmark: benchmarks.database_away",
    ),
    _row(
        8,
        "many sources lose their links at once",
        "they come back one after the other",
        _LINKS + "test_sources_that_lost_their_links_together_come_back_one_after_the_other",
    ),
    _row(9, "an OPC UA server restarts", "a gap of its downtime", _DEVICES + "test_a_restarted_server_is_a_gap_of_its_downtime"),
    _row(
        10,
        "namespaces change places",
        "resolved by URI; never another machine's value",
        _DEVICES + "test_a_server_that_numbers_its_namespaces_anew_never_gives_another_machines_value",
    ),
    _row(
        11,
        "a node is removed",
        "a gap of that signal; the others flow; it is looked for again",
        _DEVICES + "test_a_node_that_is_gone_is_a_gap_of_its_own_and_the_others_flow",
        "ingest/test_sampler.py::test_a_node_that_appears_later_is_read_and_no_longer_told_as_missing",
    ),
    _row(
        12,
        "a node changes its type",
        "rejected, reason type; nothing is coerced",
        _DEVICES + "test_a_node_of_another_type_is_rejected_and_never_turned_into_a_number",
    ),
    _row(
        13,
        "a status is bad or uncertain",
        "kept whole; bad brings no number",
        _DEVICES + "test_a_bad_status_is_kept_whole_and_brings_no_number",
    ),
    _row(
        14,
        "the server's queue overflows",
        "a gap, count unknown",
        "ingest/test_sampler.py::test_values_that_the_server_says_it_dropped_become_a_gap_record",
        _MONITORED + "test_values_that_a_full_queue_dropped_are_told_of",
    ),
    _row(
        15,
        "a notification is missing, Republish refused",
        "asked for again; what the server has no more is a gap",
        _MONITORED + "test_lost_messages_are_a_gap_and_those_sent_again_are_none",
        _SUBSCRIPTIONS + "test_messages_lost_for_good_and_a_subscription_that_falls_silent_are_gaps_in_the_ledger",
        "protocols/test_opcua_subscription.py::test_messages_that_the_server_has_no_more_are_counted_as_lost",
    ),
    _row(
        16,
        "a subscription is silent while its session lives",
        "made anew within three keep-alives, again and again",
        _MONITORED + "test_a_silent_subscription_is_made_anew_again_and_again_until_it_speaks",
        _SUBSCRIPTIONS + "test_messages_lost_for_good_and_a_subscription_that_falls_silent_are_gaps_in_the_ledger",
        "protocols/test_opcua_subscription.py::test_a_silent_subscription_is_found_within_three_keep_alives_each_time",
    ),
    _row(
        17,
        "the server grants less than was asked for",
        "what was granted counts and is shown",
        _MONITORED + "test_each_sample_is_kept_once_and_in_order_and_the_grant_is_shown",
        "protocols/test_opcua_subscription.py::test_what_the_server_gives_less_of_is_shown",
    ),
    _row(
        18,
        "a certificate is expired, another's, untrusted",
        "refused; no weaker security is taken",
        "protocols/test_opcua_security.py::test_a_certificate_that_is_expired_or_anothers_is_refused_though_it_is_in_the_folder",
        "protocols/test_opcua_security.py::test_an_untrusted_server_is_refused_and_its_certificate_kept_for_a_person",
    ),
    _row(
        19,
        "a server offers no security",
        "refused unless the settings allow it by name; its time is a gap",
        _DEVICES + "test_a_server_that_offers_only_no_security_is_refused_and_no_value_of_it_taken",
        "protocols/test_opcua_security.py::test_a_weaker_offer_is_never_taken_in_silence",
    ),
    _row(
        20,
        "a password is wrong or gone",
        "told, tried again slowly; its time is a gap",
        _DEVICES + "test_a_password_that_cannot_be_read_is_told_and_tried_again_without_haste",
        "protocols/test_opcua_security.py::test_the_right_password_is_let_in_and_a_wrong_one_rejected",
    ),
    _row(
        21,
        "replies are damaged, huge or lie",
        "that server's reads are gaps; no other source notices",
        _DEVICES + "test_a_server_whose_replies_are_damaged_harms_itself_only",
        "protocols/test_opcua_hostile.py::test_a_reply_that_lies_is_unavailable_at_once",
        "protocols/test_opcua_hostile.py::test_damaged_bytes_bring_nothing_but_unavailable_and_no_hang",
    ),
    _row(
        22,
        "chunks without end, or announced too large, to our own OPC UA server",
        "that connection is closed; controllers do not notice",
        "delivery/test_opcua_server.py::test_nobody_comes_in_without_security_or_with_a_certificate_that_is_not_trusted",
    ),
    _row(
        23,
        "source times are impossible, hours off or frozen",
        "replaced and flagged, kept as said, or unchanged; never a time before the plant",
        _DEVICES + "test_an_impossible_source_time_is_replaced_and_flagged_and_a_wrong_one_is_kept",
        _DEVICES + "test_a_frozen_source_time_is_unchanged_and_never_stored_again",
        "ingest/test_readings.py::test_an_impossible_source_time_is_replaced_and_flagged",
    ),
    _row(
        24,
        "the keys of a channel run out",
        "renewed while values are read; a server that answers no more is left and read anew",
        "protocols/test_opcua_security.py::test_keys_are_renewed_while_values_are_read",
        _DEVICES + "test_a_server_that_answers_nothing_more_is_found_and_read_anew",
    ),
    _row(
        25,
        "kill -9 of the broker",
        "what it lost is a gap of exactly so many samples",
        _MESSAGES + "test_a_broker_killed_and_its_session_lost_become_a_gap_of_exactly_what_is_missing",
        "ingest/test_process.py::test_twenty_kills_of_the_broker_become_gaps_of_exactly_what_it_lost",
    ),
    _row(
        26,
        "the broker's queue is full",
        "a gap by the numbers of the messages",
        _MESSAGES + "test_a_queue_that_overflows_in_the_broker_becomes_a_gap_by_the_numbers",
    ),
    _row(
        27,
        "an exception while a message is handled",
        "the connection lives; the message is rejected",
        "protocols/test_mqtt_client.py::test_an_exception_in_the_reader_does_not_end_the_connection",
        _MESSAGES + "test_poisoned_payloads_are_rejected_with_a_reason_and_those_behind_them_are_stored",
    ),
    _row(
        28,
        "payloads that are no JSON, too deep, of another encoding",
        "rejected with a reason, counted",
        _MESSAGES + "test_poisoned_payloads_are_rejected_with_a_reason_and_those_behind_them_are_stored",
        "protocols/test_mqtt_payloads.py::test_a_hostile_payload_is_read_or_rejected_with_a_reason",
    ),
    _row(
        29,
        "impossible topics",
        "dropped, acknowledged; the next message is stored",
        _MESSAGES + "test_impossible_topics_are_dropped_and_the_message_behind_them_is_stored",
    ),
    _row(
        30,
        "a payload of 200 MB",
        "left out while it comes, counted as rejected",
        _MESSAGES + "test_a_payload_of_two_hundred_megabytes_takes_no_such_memory",
    ),
    _row(31, "a burst", "nothing is lost; the broker waits", _MESSAGES + "test_a_burst_is_stored_whole"),
    _row(
        32,
        "messages come again or late",
        "stored once, by their number or time; counted as duplicate",
        _MESSAGES + "test_messages_sent_again_are_counted_as_duplicates_and_stored_once",
    ),
    _row(33, "a retained message", "marked as retained", _MESSAGES + "test_a_retained_message_is_marked_as_retained"),
    _row(
        34,
        "Sparkplug: a number is skipped, a birth missed, an alias unknown",
        "held for a while; one rebirth request; a gap of as many messages",
        "ingest/test_sparkplug.py::test_a_hole_in_the_sequence_is_a_gap_of_as_many_messages_one_rebirth_request_and_no_other_loss",
        "ingest/test_sparkplug.py::test_values_by_an_unknown_alias_are_rejected_and_counted",
        "protocols/test_sparkplug_host.py::test_a_missed_birth_is_asked_for_and_values_by_name_are_kept_meanwhile",
    ),
    _row(
        35,
        "Sparkplug: a death of an earlier birth, or one that overtakes its birth",
        "only the matching one counts",
        "protocols/test_sparkplug_host.py::test_the_death_of_an_earlier_session_is_ignored",
        "protocols/test_sparkplug_host.py::test_a_death_that_overtakes_its_birth_counts",
    ),
    _row(
        36,
        "another client with our name",
        "shown as a lost link (with the broker's words where it has any); pauses between attempts",
        _MESSAGES + "test_another_client_with_our_name_is_shown_as_a_lost_link_and_survived_without_haste",
    ),
    _row(
        37,
        "the broker forgot our session",
        "subscribed again; a gap record, counted by the numbers",
        _MESSAGES + "test_a_broker_killed_and_its_session_lost_become_a_gap_of_exactly_what_is_missing",
    ),
    _row(
        38,
        "NaN, infinities, -0.0, denormals, integers beyond 2^53, empty text",
        "come back exactly, or are rejected",
        _VALUES + "test_numbers_texts_and_integers_at_the_edge_come_back_as_they_were_sent",
        _VALUES + "test_what_is_no_number_is_rejected_and_infinite_or_absent_floats_keep_their_bits",
        "storage/test_rollups.py::test_bad_infinite_and_absent_values_are_counted_but_enter_nothing_else",
    ),
    _row(
        39,
        "a value is stuck",
        "unchanged, and stale after a while",
        _DEVICES + "test_a_frozen_source_time_is_unchanged_and_never_stored_again",
        reason="limits, spikes and drifts are judged by the monitor",
    ),
    _row(
        40,
        "the clock is set forward or back",
        "a gap record tells of it; no time is used twice",
        _VALUES + "test_a_clock_that_steps_is_told_of_and_no_time_is_used_twice",
        _VALUES + "test_numbered_messages_lose_nothing_to_a_clock_that_steps",
    ),
    _row(
        41,
        "the clock is in 1970 at boot",
        "nothing is stored there; rejected and counted; all is well once it is set",
        _VALUES + "test_a_clock_in_1970_at_boot_stores_no_sample_there_and_is_right_once_it_is_set",
    ),
    _row(
        42,
        "the processors are taken away for seconds",
        "a gap of its length",
        _VALUES + "test_a_standstill_of_two_seconds_is_a_gap_of_its_length",
    ),
    _row(
        43,
        "the spool ends anywhere",
        "a whole prefix; what is missing is a gap",
        _DISK + "test_a_torn_tail_costs_exactly_its_own_messages",
        "ingest/test_spool.py::test_a_file_torn_at_any_byte_gives_a_whole_prefix_and_nothing_wrong",
    ),
    _row(
        44,
        "bits flip, a tail of zeros, another block",
        "no wrong sample; a gap of exactly what it cost",
        _DISK + "test_flipped_bits_in_the_spool_become_a_gap_of_exactly_what_they_cost",
        _DISK + "test_a_damaged_block_or_a_tail_of_zeros_becomes_a_gap_of_exactly_what_it_cost",
        "ingest/test_spool.py::test_any_flipped_bit_costs_one_frame_and_never_makes_a_wrong_one",
    ),
    _row(
        45,
        "the disk is full",
        "reads of that time are a gap; messages wait at the broker; goes on by itself",
        _DISK + "test_a_full_disk_costs_the_reads_of_its_time_and_no_message_and_goes_on_by_itself",
    ),
    _row(
        46,
        "a write takes fewer bytes, a file may grow no more",
        "the same",
        _DISK + "test_a_write_that_takes_fewer_bytes_than_given_costs_the_reads_of_its_time_and_no_message",
    ),
    _row(
        47,
        "a write or a sync fails (EIO)",
        "no acknowledgement; a new file; the old one is never believed again",
        _DISK + "test_a_write_that_fails_costs_the_reads_of_its_time_and_no_message",
        _DISK + "test_a_sync_that_fails_is_tried_on_new_files_only_and_costs_nothing",
        "ingest/test_spool.py::test_a_failed_sync_is_never_tried_again_on_the_same_file",
    ),
    _row(
        48,
        "the power goes: what was not synced is lost, torn or reordered",
        "nothing acknowledged is lost or doubled",
        _DISK + "test_nothing_acknowledged_is_lost_or_doubled_by_power_cuts_between_any_two_steps",
        _DISK + "test_thousands_of_lives_with_power_cuts_and_failing_disks_lose_and_double_nothing",
        reason="a hundred thousand lives: python -m tests.faults.power --sequences 100000",
    ),
    _row(
        49,
        "a crash between any two steps of releasing",
        "starts, loses nothing, ships nothing twice",
        _DISK + "test_thousands_of_lives_with_power_cuts_and_failing_disks_lose_and_double_nothing",
    ),
    _row(
        50,
        "the spool's folder cannot be written",
        "the start ends with a clear word",
        _DISK + "test_a_spool_folder_that_cannot_be_written_ends_the_start_with_a_clear_word",
    ),
    _row(
        51,
        "two processes on one spool",
        "the second is refused",
        _DISK + "test_a_second_process_on_one_spool_is_refused_in_words_and_harms_nothing",
    ),
    _row(
        52,
        "the spool's quota is reached",
        "as declared, with a gap",
        _DISK + "test_a_quota_that_is_reached_costs_reads_with_a_gap_and_no_message",
    ),
    _row(
        53,
        "a record of another version",
        "read, or refused without harm to others",
        _DISK + "test_a_record_of_a_later_version_is_refused_and_kept_and_harms_no_other",
    ),
    _row(
        54,
        "kill -9 of a database backend or the postmaster",
        "all stored once",
        _DATABASE + "test_a_killed_backend_and_a_broken_link_in_mid_copy_store_all_once",
        "storage/test_durability.py::test_what_was_killed_at_any_moment_of_a_shipment_is_stored_exactly_once",
        "ingest/test_process.py::test_twenty_kills_of_the_database_lose_and_double_nothing",
    ),
    _row(
        55,
        "the answer to COMMIT is lost",
        "the batch is found; nothing is stored twice",
        _DATABASE + "test_an_answer_to_commit_that_is_lost_stores_nothing_twice",
        "storage/test_durability.py::test_a_shipment_whose_answer_was_lost_is_not_stored_again",
    ),
    _row(
        56,
        "a table is locked, a statement hangs",
        "shipping waits, nothing else; no connections pile up",
        _DATABASE + "test_a_locked_table_holds_up_shipping_only_and_nothing_piles_up",
        "storage/test_durability.py::test_a_frozen_server_is_given_up_at_the_deadline",
    ),
    _row(
        57,
        "the database's disk is full",
        "samples wait in the spool and go once there is room",
        _DATABASE + "test_a_database_whose_disk_is_full_takes_all_once_there_is_room",
    ),
    _row(
        58,
        "the database lets nobody in, a password was changed",
        "told, tried again",
        _DATABASE + "test_a_database_that_lets_nobody_in_is_tried_again_and_told",
        _DATABASE + "test_a_password_that_was_changed_is_told_and_the_old_one_back_goes_on",
    ),
    _row(
        59,
        "a late or doubled batch",
        "stored exactly, once",
        "storage/test_samples.py::test_the_same_shipment_again_is_stored_once",
        "storage/test_samples.py::test_samples_of_any_age_within_the_accepted_span_find_room",
        "storage/test_direct_compress.py::test_late_and_repeated_shipments_into_compressed_chunks_are_exact",
    ),
    _row(
        60,
        "a migration is killed half way",
        "runs again from its start",
        "storage/test_migrations.py::test_a_migration_killed_half_way_runs_again",
    ),
    _row(
        61,
        "two ingesters on one source",
        "one writes, the other stands by and takes over; a late writer is fenced",
        "ingest/test_gateways.py::test_another_gateway_takes_over_when_one_stops_and_when_one_is_killed",
        "ingest/test_takeover.py::test_a_shipment_made_before_a_takeover_and_sent_after_it_stores_nothing_stale",
    ),
    _row(
        62,
        "a record that the database refuses",
        "kept aside, counted as rejected; all others pass",
        "ingest/test_shipping.py::test_one_record_that_the_database_refuses_blocks_no_other",
    ),
    _row(
        63,
        "kill -9 or SIGTERM of each process",
        "no message lost, every tick told of, no orphan",
        _PROCESSES + "test_each_process_killed_in_turn_loses_no_message_and_tells_of_every_tick",
        _PROCESSES + "test_a_process_that_is_told_to_stop_loses_nothing_and_leaves_nobody",
        "ingest/test_process.py::test_twenty_kills_of_the_ingest_lose_and_double_no_message",
        "ingest/test_groups.py::test_twenty_kills_of_a_reader_process_leave_every_tick_accounted_for",
        reason="200 kills of each: benchmarks.kill_nine --cycles 200 --resume FILE",
    ),
    _row(
        64,
        "no more memory",
        "that process alone suffers, and comes back",
        _PROCESSES + "test_a_process_without_memory_takes_no_other_with_it_and_comes_back",
    ),
    _row(
        65,
        "no more file descriptors",
        "links wait and come back",
        _PROCESSES + "test_without_file_descriptors_links_wait_and_come_back_once_there_are_some",
    ),
    _row(
        66,
        "a process stands still for long",
        "a gap; nothing from the past is written; leases are kept to",
        _PROCESSES + "test_a_standstill_of_all_processes_is_a_gap_and_writes_nothing_from_the_past",
        "ingest/test_gateways.py::test_a_gateway_frozen_for_30_seconds_writes_nothing_stale",
    ),
    _row(
        "72a",
        "a controller never answers, answers late, twice, says old answers again, or answers what nobody sent",
        "asked what became of it; each answer counts once; what is of nothing is refused and audited; never sent twice",
        _WORKER + "test_of_a_controller_that_never_says_a_word_it_is_asked_what_became",
        _WIRE + "test_a_controller_that_never_took_a_message_says_so_and_it_is_not_sent_again",
        _WIRE + "test_answers_that_come_late_or_twice_count_once",
        _WORKER + "test_answers_said_twice_and_old_ones_and_those_to_nothing_change_nothing",
        _WORKER + "test_of_what_may_have_arrived_a_late_answer_tells",
        _WORKER + "test_answers_that_come_as_rows_of_another_unit_or_of_nothing_are_told_why_they_do_not_count",
        _ANSWERS + "test_silence_is_doubt_and_never_a_second_sending",
    ),
    _row(
        "72b",
        "a message is played again, overtaken, late, changed, for another machine or program",
        "refused by the gate or the controller; done once, or not at all",
        _WIRE + "test_a_message_that_is_played_again_and_again_is_done_once",
        _WIRE + "test_of_two_messages_that_change_places_the_overtaken_one_is_refused",
        _WIRE + "test_a_message_that_comes_when_it_has_expired_is_refused_by_the_controller",
        _WIRE + "test_a_message_that_was_changed_on_the_way_does_nothing",
        _WIRE + "test_a_message_that_reaches_another_machine_does_nothing_there",
        _WIRE + "test_a_message_for_another_program_does_not_even_leave",
        "delivery/test_mqtt.py::test_a_message_sent_again_by_a_third_is_done_once",
    ),
    _row(
        "72c",
        "the optimizer proposes no number, what lies outside, too large a step, a wrong unit, a thousandfold, or swings to and fro",
        "nothing of it leaves; the closed loop ends",
        _GATE + "test_of_many_messages_no_wrong_one_passes_and_the_right_ones_do",
        _GATE + "test_of_very_many_messages_no_wrong_one_passes",
        _WIRE + "test_what_an_optimizer_proposes_wrongly_never_leaves_and_its_loop_ends",
        _WIRE + "test_what_is_no_number_is_not_even_proposed",
        _WIRE + "test_a_loop_that_swings_to_and_fro_is_ended",
        reason="a million: benchmarks.delivery_gate",
    ),
    _row(
        "72d",
        "measurements are bad, stale or gapped, delivery is killed, a heartbeat is lost",
        "nothing new leaves; the closed loop ends; the controller goes back to its own set points within its watchdog's time",
        _WORKER + "test_nothing_is_sent_that_rests_on_old_measurements",
        "delivery/test_inputs.py::test_what_rests_on_gaps_is_refused_and_the_closed_loop_ends",
        "delivery/test_inputs.py::test_while_a_signal_is_bad_nothing_leaves_and_once_it_is_good_it_does",
        "delivery/test_inputs.py::test_while_a_source_is_away_nothing_leaves",
        _WIRE + "test_a_closed_loop_whose_controller_is_not_heard_ends_and_is_told_to_people",
        _CONTROLLER + "test_without_our_heartbeat_it_goes_back_to_its_own_set_points_step_by_step",
        _CONTROLLER + "test_a_loss_of_power_between_yes_and_deed_is_no_deed_and_is_told_where_memory_holds",
        "delivery/test_kill_nine.py::test_killed_twenty_times_nothing_is_executed_twice_nor_lost_sight_of",
    ),
    _row(
        "72e",
        "a window is changed, a mode switched, a switch thrown while recommendations are open",
        "what is old is void; who switches waits for what is just leaving, and it holds for all after that",
        _WORKER + "test_a_recommendation_is_void_when_its_window_was_changed_meanwhile",
        _RACES + "test_what_leaves_was_allowed_at_that_moment_whatever_happened_in_between",
        _RACES + "test_what_leaves_was_allowed_at_that_moment_in_many_plays",
        _RACES + "test_a_switch_of_mode_or_window_waits_for_what_is_just_leaving_and_holds_for_all_after_it",
        _WORKER + "test_the_switch_at_the_machine_holds_everything_back_and_ends_the_loop",
        _WORKER + "test_what_a_closed_loop_approved_does_not_outlive_it",
    ),
)


def existing_tests() -> dict[str, dict[str, bool]]:
    """Return the tests of each file below tests/, and whether each is a long one."""
    found: dict[str, dict[str, bool]] = {}
    for path in (_REPOSITORY / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        whole = any("pytestmark" in ast.dump(node) and "heavy" in ast.dump(node) for node in tree.body if isinstance(node, ast.Assign))
        found[str(path.relative_to(_REPOSITORY / "tests"))] = {
            node.name: whole or any("heavy" in ast.dump(mark) for mark in node.decorator_list)
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        }
    return found


def table() -> Iterator[str]:
    """Give the lines of the table that people read."""
    yield "| # | what is done | what happens | tried by |"
    yield "|---|---|---|---|"
    for row in ROWS:
        tests = ", ".join(dict.fromkeys(f"`{file.removesuffix('.py')}`" for file, _ in row.tests))
        why = f"{'; ' if tests else ''}{row.reason}" if row.reason else ""
        yield f"| {row.number} | {row.fault} | {row.outcome} | {tests}{why} |"


def main() -> int:
    """Print the table, or put it into the page."""
    if "--write" in sys.argv:
        page = _PAGE.read_text()
        before = page[: page.index(_MARK)]
        _PAGE.write_text(before + _MARK + "\n\n" + "\n".join(table()) + "\n")
        return 0
    known = existing_tests()
    for line in table():
        print(line)  # noqa: T201
    tests = {test for row in ROWS for test in row.tests}
    heavy = sum(known.get(file, {}).get(name, False) for file, name in tests)
    none = [row.number for row in ROWS if not row.tests]
    print(  # noqa: T201
        f"{len(ROWS)} faults, {len(ROWS) - len(none)} tried, by {len(tests)} tests ({heavy} of them long); not tried: {none or 'none'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
