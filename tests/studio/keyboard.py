"""A person who has a keyboard alone."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page

from tests.studio.browser import wait_until

PRESSES = 90


class Keyboard:
    """Goes from element to element by Tab, as people do who use no pointer; fails where focus is lost."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def tab_to(
        self, role: Any, name: str | re.Pattern[str], *, exact: bool = False, presses: int = PRESSES
    ) -> Locator:
        """Press Tab until an element with this role and name has the focus.

        Raises:
            AssertionError: it was not reached in so many presses, or the focus was lost on the way.
        """
        target = self.page.get_by_role(role, name=name, exact=exact)
        target.first.wait_for()
        focused = target.and_(self.page.locator(":focus"))
        seen = []
        for _ in range(presses):
            if focused.count():
                return focused
            self.page.keyboard.press("Tab")
            seen.append(self.focus())
            # The end of the page lies outside of it, for one press.
            assert seen[-2:] != ["", ""], f"focus is lost on the way to {name}: {seen}"
        raise AssertionError(f"no {role} {name!r} in {presses} presses of Tab: {seen}")

    def press(self, *keys: str) -> None:
        """Press keys, one after another; after each, something has the focus."""
        for key in keys:
            before = self.focus()
            self.page.keyboard.press(key)
            wait_until(self.page, self.focus, f"a focus after {key} on {before}")

    def activate(self, role: Any, name: str | re.Pattern[str], key: str = "Enter", **options: Any) -> None:
        """Go to an element and press a key on it."""
        self.tab_to(role, name, **options)
        self.press(key)

    def write(self, name: str | re.Pattern[str], text: str, role: Any = "textbox") -> None:
        """Go to a field and replace its text."""
        self.tab_to(role, name)
        self.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, group: str, option: str) -> None:
        """Choose one of a row of radio buttons by the arrow keys."""
        box = self.page.get_by_role("radiogroup", name=group)
        box.wait_for()
        focused = box.locator(":focus")
        for _ in range(PRESSES):
            if focused.count():
                break
            self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"Tab does not lead to {group}, but to {self.focus()}")
        wanted = box.get_by_role("radio", name=option, exact=True)
        for _ in range(12):
            if wanted.get_attribute("aria-checked") == "true":
                return
            self.press("ArrowRight")
            checked = focused.and_(box.get_by_role("radio", checked=True))
            wait_until(self.page, checked.count, f"a choice in {group} after ArrowRight")
        raise AssertionError(f"no {option} in {group}")

    def focus(self) -> str:
        """What has the focus, in a few words; nothing if it is lost."""
        words: str = self.page.evaluate(
            """() => {
              const element = document.activeElement;
              if (!element || element === document.body || element === document.documentElement) return "";
              const name = element.getAttribute("aria-label") || element.textContent || "";
              return `${element.tagName.toLowerCase()} ${name.trim().slice(0, 60)}`;
            }"""
        )
        return words
