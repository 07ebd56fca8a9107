"""Which modules are dropped where memory is scarce: a list that is looked at, and forgotten."""

# What one method of the ACS needs, or a boot, and the next one does not.
PARTS = """
core.rpc_values core.rpc_names core.rpc_attributes core.rpc_attributes_set core.rpc_device
core.rpc_objects core.rpc_transfers core.rpc_parts core.rpc_fields core.inform_parameters
core.model_checks core.model_values core.model_attributes core.model_record core.model_recall
core.model_restore core.cwmp_parse core.date_time core.fault_text core.notification core.events
runtime.values runtime.provisioning runtime.reset
"""
# The rest of what a session, or the console, loads: nobody needs it between two sessions.
SLICE = """
runtime.parts runtime.part_device runtime.part_time runtime.part_wifi
runtime.part_diagnostics runtime.part_gateway runtime.part_binding runtime.between
runtime.diagnostics
runtime.store port.nvs core.freshness_record core.binding_error wire.stun_verify
runtime.commands runtime.health core.schedule_words
runtime.session_runner runtime.session_start runtime.tls runtime.stream runtime.management
runtime.http_client runtime.http_exchange runtime.http_receive runtime.http_send
runtime.http_body runtime.http_login runtime.http_reason runtime.http_refused runtime.http_open
runtime.transfer runtime.trial runtime.install_bundle runtime.install_image runtime.install_site
core.rpc core.rpc_fault core.session core.answer core.answered core.inform core.request
core.transfer_complete core.settings core.data_model core.device2 core.cwmp_types core.fault
wire.http wire.http_head wire.request_head wire.http_auth wire.http_challenge wire.http_chunks
wire.http_error wire.cookies wire.url
wire.soap wire.soap_fault wire.envelope wire.envelope_odd wire.xml wire.xml_error wire.xml_odd
"""
# What one transfer loads, and what the queue of them: dropped wherever it runs.
TRANSFER = """
runtime.transfer runtime.trial runtime.install_bundle runtime.install_image runtime.install_site
core.settings
"""
JOBS = """
runtime.jobs runtime.trial core.job_queue core.rpc_transfers core.transfer_complete
"""
