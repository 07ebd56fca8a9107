"""Which modules are dropped where memory is scarce: a list that is looked at, and forgotten."""

# What a session, or the console, loads besides `slices.PARTS`, and nobody between two sessions.
SLICE = """
runtime.parts runtime.part_device runtime.part_time runtime.part_wifi
runtime.part_diagnostics runtime.part_gateway runtime.part_binding runtime.between
runtime.diagnostics
runtime.store port.nvs core.freshness_record core.binding_error wire.stun_verify
runtime.commands runtime.health core.schedule_words
runtime.session_start runtime.tls runtime.management runtime.http_receive runtime.http_send
runtime.http_body runtime.http_login runtime.http_reason runtime.http_refused runtime.http_open
runtime.transfer runtime.trial runtime.install_bundle runtime.install_image runtime.install_site
core.rpc_fault core.answer core.answered core.inform core.request
core.transfer_complete core.settings core.data_model core.device2 core.cwmp_types
wire.http wire.http_head wire.request_head wire.http_auth wire.http_challenge wire.http_chunks
wire.cookies wire.url
wire.soap_fault wire.envelope wire.envelope_odd wire.xml wire.xml_error wire.xml_odd
"""
# What one transfer loads, and what the queue of them: dropped wherever it runs.
TRANSFER = """
runtime.transfer runtime.trial runtime.install_bundle runtime.install_image runtime.install_site
core.settings
"""
JOBS = """
runtime.jobs runtime.trial core.job_queue core.rpc_transfers core.transfer_complete
"""
