"""The licences of model weights as data: where they hold, up to which size, and what they ask for in return.

This is a reading by engineers, no legal advice. `Licence.reading` says how far each text itself was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hinode.licensing.operator import EUROPEAN_UNION

READINGS = {
    "full text": "the whole text was read",
    "copy": "the whole text was read in a copy that others published",
    "sister text": "the whole text was read as it stands for another model of the same maker",
    "excerpts": "only excerpts of the text were read",
    "second-hand": "the text was not read, only what others quote from it",
    "unread": "nothing of it was read",
}
"""How well a licence is known here; its own text decides, whatever stands here."""


@dataclass(frozen=True)
class Ceiling:
    """A size up to which a licence holds.

    Attributes:
        clause: what the licence calls the place where it says so.
        most: the amount.
        included: whether somebody of exactly that size is still within.
    """

    clause: str
    most: int
    included: bool

    def exceeded(self, amount: float) -> bool:
        return amount > self.most or (amount == self.most and not self.included)


@dataclass(frozen=True)
class Duty:
    """Something that a licence asks for.

    Attributes:
        clause: where it says so.
        text: what to do, in plain words.
    """

    clause: str
    text: str


@dataclass(frozen=True)
class Licence:
    """The terms of a licence that a program can act upon, and the rest in plain words.

    Attributes:
        key: its name here, SPDX's where there is one.
        name: its full name.
        url: where its text is.
        reading: one of `READINGS`.
        licensor: who gives it, and can give another one.
        excluded: ISO 3166-1 codes of the territories where it grants nothing.
        territory_clause: where it says so.
        revenue: most annual revenue in US dollars, all companies under one control together.
        users: most users, or visits, in a month.
        registration: what has to be done before any commercial use.
        noncommercial: where it says that it allows no commercial use; "" if it does not.
        attribution: words to show beside what was made; "" if it asks for none.
        attribution_clause: where it asks for them.
        duties: what else to do: mark, hand on, keep.
        use: what must not be made, in one sentence.
    """

    key: str
    name: str
    url: str
    reading: str
    licensor: str
    excluded: tuple[str, ...] = ()
    territory_clause: str = ""
    revenue: Ceiling | None = None
    users: Ceiling | None = None
    registration: Duty | None = None
    noncommercial: str = ""
    attribution: str = ""
    attribution_clause: str = ""
    duties: tuple[Duty, ...] = ()
    use: str = ""


RAIL_USE = (
    "Nothing unlawful or harmful to minors, no deliberate falsehood or harassment, no impersonation without "
    "consent, no medical advice, no decisions over people's rights, no discrimination."
)
MACHINE_MADE = "Say plainly, wherever you publish what was made, that a machine made it."

_ALL = (
    Licence(
        key="Apache-2.0",
        name="Apache License 2.0",
        url="https://www.apache.org/licenses/LICENSE-2.0",
        reading="full text",
        licensor="the authors of the weights",
        duties=(
            Duty("Section 4", "If you hand on the weights, hand on the licence and the notices with them."),
        ),
    ),
    Licence(
        key="MIT",
        name="MIT License",
        url="https://opensource.org/license/mit",
        reading="full text",
        licensor="the authors of the weights",
        duties=(
            Duty(
                "the second paragraph", "If you hand on the weights, hand on the copyright notice with them."
            ),
        ),
    ),
    Licence(
        key="LTX-2.x-Community",
        name="LTX-2.x Community License Agreement of 11 August 2026",
        url="https://github.com/Lightricks/LTX-2/blob/main/LICENSE-2_x",
        reading="copy",
        licensor="Lightricks",
        revenue=Ceiling('Section 2.1, "Commercial Entities"', 10_000_000, included=False),
        duties=(
            Duty(
                "Section 6",
                "Keep watermarks, provenance and disclosures of the model and of what it makes, and follow "
                "the laws on marking what AI made.",
            ),
            Duty("Attachment A", MACHINE_MADE),
            Duty("Sections 3.1 and 4", "Bind your own users to the same restrictions of use."),
        ),
        use=RAIL_USE
        + " No training of another model for commercial use, nothing that competes with Lightricks.",
    ),
    Licence(
        key="LTX-2-Community",
        name="LTX-2 Community License Agreement of 5 January 2026",
        url="https://github.com/Lightricks/LTX-2/blob/main/LICENSE",
        reading="copy",
        licensor="Lightricks",
        revenue=Ceiling('Section 2, "Commercial Entities"', 10_000_000, included=False),
        duties=(
            Duty("Attachment A, 5", MACHINE_MADE),
            Duty("Sections 3(a) and 4", "Bind your own users to the same restrictions of use."),
            Duty("Section 3(b)", "Hand on the weights, or weights made from them, under this licence only."),
        ),
        use=RAIL_USE
        + " No military use, no training of another model for commercial use, nothing that competes with "
        "Lightricks.",
    ),
    Licence(
        key="LTXV-Open-Weights",
        name="LTXV Open Weights License 0.X of 15 April 2025",
        url="https://huggingface.co/Lightricks/LTX-Video/blob/main/LTX-Video-Open-Weights-License-0.X.txt",
        # The text of 5 May 2025, for 0.9.7.
        reading="sister text",
        licensor="Lightricks",
        revenue=Ceiling('Section 2, "Commercial Entities"', 10_000_000, included=False),
        duties=(
            Duty("Attachment A (e)", MACHINE_MADE),
            Duty("Sections 3.1 and 4", "Bind your own users to the same restrictions of use."),
        ),
        use=RAIL_USE,
    ),
    Licence(
        key="LTXV-OpenRAIL-M",
        name="LTX-Video Open RAIL-M licence (0.9.5 and older)",
        url="https://huggingface.co/Lightricks/LTX-Video/blob/main/ltx-video-2b-v0.9.5.license.txt",
        reading="second-hand",
        licensor="Lightricks",
        duties=(Duty("Attachment A", MACHINE_MADE),),
        use=RAIL_USE,
    ),
    Licence(
        key="Tencent-Hunyuan-Community",
        name="Tencent Hunyuan Community License Agreement",
        url="https://huggingface.co/tencent/HunyuanVideo-1.5/blob/main/LICENSE",
        # The text of 3 December 2024, for HunyuanVideo.
        reading="sister text",
        licensor="Tencent",
        excluded=(*EUROPEAN_UNION, "GB", "KR"),
        territory_clause='Sections 1(l) and 5(c), "Territory"',
        users=Ceiling("Section 4, monthly active users", 100_000_000, included=True),
        duties=(
            Duty("Exhibit A, 12", MACHINE_MADE),
            Duty("Section 5(a)", "Bind your own users to the same restrictions of use."),
            Duty("Section 5(b)", "Do not improve another AI model with the model or with what it makes."),
            Duty("Section 5(c)", "Neither use nor show what it makes in the excluded territories."),
        ),
        use=RAIL_USE + " No military use.",
    ),
    Licence(
        key="CogVideoX",
        name="The CogVideoX License",
        url="https://huggingface.co/zai-org/CogVideoX-5b/blob/main/LICENSE",
        reading="full text",
        licensor="Zhipu AI",
        users=Ceiling("Section 2, visits a month of what you do commercially", 1_000_000, included=True),
        registration=Duty(
            "Section 2",
            "Register at https://open.bigmodel.cn/mla/form before commercial use.",
        ),
        duties=(
            Duty("Section 2", "If you hand on the weights, hand on the copyright and licence statements."),
        ),
        use="No military and no unlawful use, nothing against China's security or the public interest.",
    ),
    Licence(
        key="MiniMax-H3-Community",
        name="MiniMax H3 Community License Agreement of 2 August 2026",
        url="https://huggingface.co/MiniMaxAI/MiniMax-H3/blob/main/LICENSE",
        reading="excerpts",
        licensor="MiniMax (Nanonoble Pte. Ltd.)",
        excluded=(*EUROPEAN_UNION, "GB", "KR", "US"),
        territory_clause='Sections I.5 and V.4, "Excluded Territories"',
        revenue=Ceiling("Section IV.1, yearly revenue", 20_000_000, included=True),
        attribution="MiniMax H3",
        attribution_clause="Section IV.2",
        duties=(
            Duty("Exhibit A", MACHINE_MADE),
            Duty("Section V.2", "Bind your own users to terms that protect as much."),
            Duty("Section V.3", "Do not improve another AI model with the model or with what it makes."),
            Duty("Section V.4", "Neither use nor show what it makes in the excluded territories."),
            Duty("Section V.5", "Keep safeguards against misuse running if others can use it through you."),
        ),
        use=RAIL_USE + " No military use.",
    ),
    Licence(
        key="CC-BY-NC-4.0",
        name="Creative Commons Attribution-NonCommercial 4.0 International",
        url="https://creativecommons.org/licenses/by-nc/4.0/legalcode",
        reading="full text",
        licensor="the authors of the weights",
        noncommercial="Sections 1(i) and 2(a)(1)",
        duties=(
            Duty(
                "Section 3(a)",
                "If you hand on the weights, name their authors and this licence, and say what you changed.",
            ),
        ),
        use="Nothing that is primarily meant for commercial advantage or for pay.",
    ),
    Licence(
        key="CreativeML-OpenRAIL-M",
        name="CreativeML Open RAIL-M",
        url="https://huggingface.co/spaces/CompVis/stable-diffusion-license/raw/main/license.txt",
        reading="excerpts",
        licensor="the authors of the weights",
        duties=(Duty("Section 4(a)", "Bind your own users to the same restrictions of use."),),
        use=RAIL_USE,
    ),
    Licence(
        key="CreativeML-OpenRAIL++-M",
        name="CreativeML Open RAIL++-M",
        url="https://huggingface.co/stabilityai/stable-diffusion-2/raw/main/LICENSE-MODEL",
        reading="excerpts",
        licensor="the authors of the weights",
        duties=(Duty("Section 4(a)", "Bind your own users to the same restrictions of use."),),
        use=RAIL_USE,
    ),
    Licence(
        key="other",
        name="a licence that Hinode does not know",
        url="",
        reading="unread",
        licensor="the authors of the weights",
        use="Read the licence yourself: nothing of it is checked here.",
    ),
)

LICENCES: Mapping[str, Licence] = MappingProxyType({licence.key: licence for licence in _ALL})
"""Every licence that is known here, by its key."""
