"""Settings of a lab beyond the domain itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import AddressWithLength, Fraction, Name


class Correspondent(Section):
    """The correspondent node of a lab; it is also the gateway of the core network."""

    name: Name = "cn"
    address: AddressWithLength


class LabSettings(Section):
    """Settings of ``pmipls lab`` beyond the domain itself."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,5}$")]
    underlay_prefix_length: int = Field(default=64, ge=1, le=127)
    lma_cpu: dict[Name, Fraction] = Field(default={})
    correspondent: Correspondent
