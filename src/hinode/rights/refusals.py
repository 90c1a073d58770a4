"""What is refused because of the rights of a person. The HTTP API answers with 403."""

from __future__ import annotations

from typing import ClassVar

from hinode.errors import BadInput


class RightsRefusal(BadInput):
    """The request may not be carried out, whoever repeats it, before somebody has agreed to it."""

    code: ClassVar[str] = "rights_refused"


class ConsentRequired(RightsRefusal):
    """A character is a person, and there is no consent."""

    code = "consent_required"


class ConsentRefused(RightsRefusal):
    """The consent does not allow this: it is over, is for others, or for other uses."""

    code = "consent_refused"


class PersonShown(RightsRefusal):
    """A guard sees a person in an upload, and uploads show people only through a character with a consent."""

    code = "person_without_consent"


class RightsNotConfirmed(RightsRefusal):
    """Nobody has confirmed yet that the project has the rights to what it uploads."""

    code = "rights_not_confirmed"


class ReviewPending(RightsRefusal):
    """An upload has to be accepted by a reviewer first."""

    code = "review_pending"


class ReviewRejected(RightsRefusal):
    """A reviewer has not accepted an upload."""

    code = "review_rejected"


class StaysDown(RightsRefusal):
    """An upload is a copy of something that was taken down."""

    code = "stays_down"
