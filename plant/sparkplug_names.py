"""The names of metrics by which Leadhand and a node of Sparkplug B speak of deliveries."""

from __future__ import annotations

from typing import Final

MESSAGE: Final = "Delivery/Message"
MESSAGE_SIGNATURE: Final = "Delivery/Message Signature"
PULSE: Final = "Delivery/Pulse"
PULSE_SIGNATURE: Final = "Delivery/Pulse Signature"
ANSWER: Final = "Delivery/Answer"
ANSWER_SIGNATURE: Final = "Delivery/Answer Signature"
BEAT: Final = "Delivery/Beat"
BEAT_SIGNATURE: Final = "Delivery/Beat Signature"
