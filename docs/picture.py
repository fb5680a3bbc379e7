"""README's picture: the fleet page of a running demo, written to docs/fleet.svg.

    python -m docs.picture [SECONDS]

SECONDS is how far into the demo's story, 45 where it isn't said.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from collectors.simulator.fleet import start_demo
from tui.app import WatchfloorApp
from tui.base import AppOptions
from watchfloor.wiring import LiveFeed

SIZE = (132, 42)


async def picture(seconds: float) -> str:
    """The screen as SVG, without the addresses of web fonts: a picture shall load nothing."""
    fleet = await start_demo(nodes=32)
    try:
        app = WatchfloorApp(LiveFeed(fleet.specs), AppOptions(context="demo: mixed"))
        async with app.run_test(size=SIZE):
            await asyncio.sleep(seconds)
            return re.sub(r"@font-face\s*{[^}]*}", "", app.export_screenshot(title="watchfloor demo"))
    finally:
        await fleet.close()


if __name__ == "__main__":
    wait = float(sys.argv[1]) if len(sys.argv) > 1 else 45.0
    Path(__file__).with_name("fleet.svg").write_text(asyncio.run(picture(wait)), encoding="utf-8")
