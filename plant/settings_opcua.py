"""How an OPC UA server is reached, as settings say it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from plant.strict import Strict


class OpcUaSecurity(Strict):
    """How an OPC UA connection is protected. The default signs and encrypts; nothing weaker is taken in silence."""

    policy: Literal["Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "None"] = "Basic256Sha256"
    mode: Literal["SignAndEncrypt", "Sign", "None"] = "SignAndEncrypt"
    server_certificate: Annotated[str | None, Field(description="file of the one certificate trusted; else the trust folder is used")] = (
        None
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> OpcUaSecurity:
        if (self.policy == "None") != (self.mode == "None"):
            raise ValueError("policy and mode must both be 'None', or neither")
        return self


def _opc_ua_address(url: str) -> str:
    if not re.match(r"opc\.tcp://[^/:\s]+:\d+(/|$)|opc\.tcp://\[[0-9a-fA-F:.]+\]:\d+(/|$)", url):
        raise ValueError("write opc.tcp://host:port")
    return url


OpcUaAddress = Annotated[str, AfterValidator(_opc_ua_address), Field(description="opc.tcp://host:port")]
