"""The part of the suite that `make test-qemu` runs; `make soak` runs the rest.

A chip in QEMU takes twelve seconds of both cores from power-up to its first binding, and the whole
suite hours. Chosen is, of tests/conformance:

- at least one test of each group of requirements: UCR, STUN, CWMP, TCR, DM, B;
- what goes through most of what differs from the unix port: memory, the chip's flash and its
  network, restarts;
- of parameters, one value; and nothing that waits for minutes or repeats by the hundred.

All of tests/hil is chosen. What the unix port has passed is not less tested for being left out.
"""

CHOSEN = {
    "test_acs_http.py": ("test_cwmp_09_large_answers_are_streamed_and_large_requests_bounded",),
    "test_bad_config.py": ("test_site_json_damaged_on_the_device[cut]",),
    "test_binding.py": ("test_stun_13_14_username_in_every_request_padded_with_spaces",),
    "test_flash_damage.py": ("test_b26_a_damaged_record_is_said_and_the_previous_one_used[torn]",),
    "test_hostile_datagrams.py": ("test_b3_ucr_33_a_genuine_ring_among_forged_ones_is_answered",),
    "test_requests.py": (
        "test_ucr_20_equal_ts_new_id_and_replays",
        "test_ucr_24_memory_over_reboot_and_power_cut",
        "test_b5_b6_b7_malformed_requests_leave_the_cpe_as_it_was",
    ),
    "test_rpcs.py": ("test_dm_04_everything_kept_over_a_reboot",),
    "test_safe_mode.py": ("test_five_failed_boots_lead_to_a_console_that_says_so",),
    "test_serial.py": ("test_b27_ctrl_c_gives_the_prompt_while_the_agent_runs",),
    "test_sessions.py": ("test_cwmp_22_30_31_34_what_an_inform_says",),
    "test_tcp_requests.py": ("test_tcr_10_11_what_is_wrong_never_causes_a_session",),
    "test_tcp_waking.py": ("test_tcr_16_b15_slow_clients_do_not_block_a_third",),
    "test_tls.py": ("test_a_session_over_tls_with_the_ca_of_the_site",),
    "test_waking.py": (
        "test_ucr_30_tcr_20_an_accepted_request_starts_a_session_at_once",
        "test_ucr_32_b16_one_further_session_for_rings_during_a_session",
    ),
}


def is_chosen(folder: str, file: str, name: str) -> bool:
    """Whether the test `name`, its parameters included, in tests/`folder`/`file` is."""
    return folder == "hil" or name in CHOSEN.get(file, ())
