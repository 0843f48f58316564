"""What a probe sees at this moment, as data: text for people, or the numbers that it reads."""

from __future__ import annotations

from typing import Any

from lab.model.stack import CounterProbe, EvidenceProbe, GaugeProbe, Running


def seen(probe: EvidenceProbe | CounterProbe | GaugeProbe, running: Running) -> dict[str, Any]:
    """``title``, ``command``, ``text`` and ``picture``, or ``readings``. Raises EnvironmentFailed."""
    if hasattr(probe, "capture"):
        told = probe.capture(running)
        return {
            "title": told.title,
            "command": told.command,
            "text": told.text,
            "picture": told.picture,
        }
    if hasattr(probe, "sample"):
        return {"readings": dict(probe.sample(running))}
    return {"readings": dict(probe.read(running))}
