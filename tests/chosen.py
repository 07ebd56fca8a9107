"""The part of the suite that `make test-qemu` runs; `make soak` runs the rest.

A chip in QEMU takes half a minute of a core from power-up to its first binding, and the whole
suite hours. Chosen is, of tests/conformance:

- at least one test of each group of requirements (UCR, STUN, CWMP, TCR, DM, B) and of each file
  that can run on this target;
- in a file, the test that goes through the most of what differs from the unix port: memory, the
  chip's flash and its network, restarts;
- of parameters, one value; and nothing that waits for minutes or repeats by the hundred.

All of tests/hil is chosen. What the unix port has passed is not less tested for being left out.
"""

CHOSEN = {
    "test_acs_http.py": (
        "test_cwmp_03_chunked_answers_and_both_ways_to_say_nothing",
        "test_cwmp_04_05_digest[auth-int-offered]",
        "test_cwmp_09_large_answers_are_streamed_and_large_requests_bounded",
    ),
    "test_application.py": ("test_dm_03_a_sensor_is_read_an_output_set_and_a_change_told",),
    "test_bad_acs.py": ("test_b21_an_acs_that_is_down_and_comes_back",),
    "test_bad_config.py": ("test_site_json_damaged_on_the_device[cut]",),
    "test_binding.py": (
        "test_stun_13_14_username_in_every_request_padded_with_spaces",
        "test_stun_30_integrity_only_after_a_401",
        "test_stun_60_61_switching_stun_off_returns_to_the_local_address",
    ),
    "test_binding_news.py": ("test_stun_62_a_binding_found_again_after_a_boot_is_no_news",),
    "test_console.py": (
        "test_wrong_input_is_one_error_line",
        "test_inform_events_and_set_work_with_an_acs",
    ),
    "test_diagnostics.py": ("test_cwmp_40_a_ping_is_made_after_the_session_and_its_result_kept",),
    "test_flash_damage.py": ("test_b26_a_damaged_record_is_said_and_the_previous_one_used[torn]",),
    "test_gateway.py": ("test_cwmp_32_the_whole_model_has_the_other_root",),
    "test_hostile_datagrams.py": ("test_b3_ucr_33_a_genuine_ring_among_forged_ones_is_answered",),
    "test_keepalive.py": ("test_stun_40_45_50_51_60_b10_b12_keepalives_a_rebinding_and_silence",),
    "test_notifications.py": ("test_cwmp_60_off_passive_active",),
    "test_ntp.py": ("test_the_clock_is_set_by_ntp_and_the_inform_says_so",),
    "test_power_cut.py": ("test_b18_b26_power_cut_in_the_first_session_bootstraps_again",),
    "test_requests.py": (
        "test_ucr_11_hex_of_either_case_and_x1_whatever_senders_write",
        "test_ucr_20_equal_ts_new_id_and_replays",
        "test_ucr_24_memory_over_reboot_and_power_cut",
        "test_b5_b6_b7_malformed_requests_leave_the_cpe_as_it_was",
    ),
    "test_rows.py": ("test_cwmp_55_rows_are_used_survive_a_power_cut_and_keep_their_numbers",),
    "test_rpcs.py": (
        "test_cwmp_17_51_all_or_nothing_and_a_fault_for_each_bad_parameter",
        "test_cwmp_56_reboot_comes_after_the_session_and_is_told_with_its_key",
        "test_dm_04_everything_kept_over_a_reboot",
    ),
    "test_safe_mode.py": ("test_five_failed_boots_lead_to_a_console_that_says_so",),
    "test_serial.py": ("test_b27_ctrl_c_gives_the_prompt_while_the_agent_runs",),
    "test_sessions.py": (
        "test_cwmp_16_envelopes_in_any_dress[odd-prefixes]",
        "test_cwmp_22_30_31_34_what_an_inform_says",
        "test_cwmp_23_x2_a_new_acs_that_provisions_can_ring",
    ),
    "test_tcp_requests.py": (
        "test_tcr_02_no_head_above_2_kib_and_nothing_but_http",
        "test_tcr_10_11_what_is_wrong_never_causes_a_session",
        "test_tcr_25_http_connection_request_enable",
    ),
    "test_tcp_waking.py": (
        "test_ucr_34_udp_copies_and_tcp_in_parallel_are_one_session",
        "test_tcr_16_b15_slow_clients_do_not_block_a_third",
    ),
    "test_tls.py": ("test_a_session_over_tls_with_the_ca_of_the_site",),
    "test_waking.py": (
        "test_ucr_30_tcr_20_an_accepted_request_starts_a_session_at_once",
        "test_ucr_32_b16_one_further_session_for_rings_during_a_session",
        "test_ucr_35_the_random_path_is_kept_over_a_reboot_and_new_after_a_factory_reset",
        "test_tcr_24_a_ring_whose_session_fails_is_not_repeated",
    ),
}


def is_chosen(folder: str, file: str, name: str) -> bool:
    """Whether the test `name`, its parameters included, in tests/`folder`/`file` is."""
    return folder == "hil" or name in CHOSEN.get(file, ())
