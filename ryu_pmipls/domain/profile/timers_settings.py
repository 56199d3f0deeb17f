"""Timers of the protocols."""

from __future__ import annotations

from pydantic import Field

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import Seconds


class TimerSettings(Section):
    """Protocol timers in seconds (RFC 5213, section 9; RFC 6275, section 12)."""

    binding_lifetime: float = Field(default=3600, ge=4, le=262140)
    timestamp_validity_window: Seconds = 0.3
    min_delay_before_bce_delete: Seconds = 10.0
    max_delay_before_new_bce_assign: Seconds = 1.5
    initial_bindack_timeout: Seconds = 1.0
    max_bindack_timeout: Seconds = 32.0
    tunnel_request_timeout: Seconds = 1.0
    adjust_timeout: Seconds = 1.0
    adjust_tries: int = Field(default=3, ge=1, le=10)
    openflow_echo_interval: Seconds = 0.5
    audit_interval: Seconds | None = 60.0
    heartbeat_interval: Seconds = 60.0  # RFC 5847, section 5, which has 30 to 3600 s
    missing_heartbeats_allowed: int = Field(default=3, ge=1, le=10)
